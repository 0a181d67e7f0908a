#pragma once
/* The header section of a message (RFC 5322 section 2.2): fields with their exact places, however
 * the octets are cut. This is the one splitter of header from body for all who need one. Pure.
 *
 * The section ends behind its empty line, or in front of the first line that is neither a field
 * nor the continuation of one (the body then begins with that line). Lines end with CRLF; a bare
 * LF, which binary and imported mail may have, ends one too. */

#include "base/arena.h"
#include "base/buf.h"

#define MAIL_HEADER_MAX      (256 * 1024) /* octets of a whole section */
#define MAIL_FIELD_KEEP      (64 * 1024)  /* octets of one field that are kept; the rest is cut */
#define MAIL_FIELD_NAME_MAX  1000         /* no longer name is one (RFC 5322 section 2.1.1) */
#define MAIL_FIELDS_MAX      10000
#define MAIL_HEADER_HOPS_MAX 50 /* Received fields; more is a loop (RFC 5321 section 6.3: 100) */

/* id, name */
#define MAIL_FIELDS(X)                                                                             \
	X(RECEIVED, "Received")                                                                    \
	X(DELIVERED_TO, "Delivered-To")                                                            \
	X(RETURN_PATH, "Return-Path")                                                              \
	X(FROM, "From")                                                                            \
	X(SENDER, "Sender")                                                                        \
	X(REPLY_TO, "Reply-To")                                                                    \
	X(TO, "To")                                                                                \
	X(CC, "Cc")                                                                                \
	X(BCC, "Bcc")                                                                              \
	X(RESENT_BCC, "Resent-Bcc")                                                                \
	X(SUBJECT, "Subject")                                                                      \
	X(DATE, "Date")                                                                            \
	X(MESSAGE_ID, "Message-ID")                                                                \
	X(IN_REPLY_TO, "In-Reply-To")                                                              \
	X(REFERENCES, "References")                                                                \
	X(MIME_VERSION, "MIME-Version")                                                            \
	X(CONTENT_TYPE, "Content-Type")                                                            \
	X(CONTENT_TRANSFER_ENCODING, "Content-Transfer-Encoding")                                  \
	X(AUTO_SUBMITTED, "Auto-Submitted")                                                        \
	X(PRECEDENCE, "Precedence")                                                                \
	X(AUTHENTICATION_RESULTS, "Authentication-Results")
enum mail_field_id {
#define X(id, name) MAIL_##id,
	MAIL_FIELDS(X)
#undef X
		MAIL_FIELD_OTHER,
	MAIL_FIELD_COUNT = MAIL_FIELD_OTHER
};
const char *mail_field_name(enum mail_field_id id);

struct mail_field {
	enum mail_field_id id;
	uint64_t offset;   /* of the name's first octet, in what was fed */
	uint64_t len;      /* up to and with the last line end */
	struct span name;  /* as written, without the colon */
	struct span value; /* behind the colon, folds and all, without the last line end */
	bool is_cut;       /* longer than MAIL_FIELD_KEEP */
};

enum mail_header_trouble {
	MAIL_HEADER_TOO_LONG = 1,  /* MAIL_HEADER_MAX or MAIL_FIELDS_MAX passed: scanning stopped */
	MAIL_HEADER_NO_FIELD = 2,  /* ended by a line that is no field */
	MAIL_HEADER_FIELD_CUT = 4, /* a field passed MAIL_FIELD_KEEP */
};

struct mail_header {
	/* Called for each field, in order; `f` and what it points at live during the call. May be
	 * NULL. */
	void (*field)(void *arg, const struct mail_field *f);
	void *arg;
	/* results */
	uint64_t fed;         /* octets of the section taken so far */
	uint64_t body_offset; /* once is_done: where the body begins */
	bool is_done;
	unsigned troubles;
	unsigned count[MAIL_FIELD_COUNT + 1];
	unsigned fields;
	/* private */
	struct buf text; /* the field that is being gathered */
	uint64_t field_at, field_len;
	uint64_t line_len; /* of the line under way */
	unsigned line_kind;
	struct buf line; /* its beginning, while its kind is not known */
};
void mail_header_init(
	struct mail_header *h, void (*field)(void *arg, const struct mail_field *f), void *arg);
void mail_header_fini(struct mail_header *h);
/** Feed content, any cut. Returns how many octets belong to the header section; less than all
 * means that it is done. A line that turns out not to be a field may have been counted by an
 * earlier call: body_offset has the truth. */
size_t mail_header_feed(struct mail_header *h, struct span octets);
/** The message has ended (a message may have no body, RFC 5322 section 3.5). */
void mail_header_finish(struct mail_header *h);

/** The value without its folding, trimmed (RFC 5322 section 2.2.3), in `a`. */
struct span mail_unfold(struct arena *a, struct span value);
/** First field of that name in a section (or message) in memory: its raw value. */
bool mail_header_find(struct span message, struct span name, struct span *value_r);
