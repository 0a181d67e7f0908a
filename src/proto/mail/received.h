#pragma once
/* Received fields as the stations of the world write them (RFC 5321 section 4.4, and what is found
 * beside it): clauses, and what stands in comments where no clause was foreseen (name and address of
 * the peer, TLS, who logged in). Lenient: what can be told is told, what is wrong is recorded. Linear
 * time, no recursion. Pure; nothing yields. */

#include "base/arena.h"
#include "proto/mail/mime_date.h"

#define RECEIVED_MAX       (64 * 1024) /* octets of a field that are read */
#define RECEIVED_WORDS_MAX 4000        /* words and comments of a field that are looked at */

/* id, name, text */
#define RECEIVED_DEFECTS(X)                                                                        \
	X(EMPTY, "empty", "nothing stands in it")                                                  \
	X(CUT, "cut", "too long, and read only in part")                                           \
	X(NO_FROM, "no-from", "no \"from\"")                                                       \
	X(NO_BY, "no-by", "no \"by\"")                                                             \
	X(TWICE, "clause-twice", "a clause stands twice")                                          \
	X(COMMENT_OPEN, "comment-open", "a comment is not closed")                                 \
	X(QUOTE_OPEN, "quote-open", "a quoted string is not closed")                               \
	X(CONTROL, "control", "control characters")                                                \
	X(NO_SEMICOLON, "no-semicolon", "no semicolon before the date")                            \
	X(DATE_MISSING, "date-missing", "no date")                                                 \
	X(DATE_BAD, "date-bad", "the date cannot be read")                                         \
	X(DATE_OBSOLETE, "date-obsolete", "the date has an old or a foreign form")                 \
	X(DATE_NO_ZONE, "date-no-zone", "the date does not tell its zone: taken as UTC")           \
	X(DATE_WEEKDAY, "date-weekday", "the date names the wrong day of the week")
enum received_defect {
#define X(id, name, text) RECEIVED_##id,
	RECEIVED_DEFECTS(X)
#undef X
		RECEIVED_DEFECT_COUNT
};
const char *received_defect_name(enum received_defect d);
const char *received_defect_text(enum received_defect d);

/* id, name, in words */
#define RECEIVED_KINDS(X)                                                                          \
	X(NONE, "", "")                                                                            \
	X(SMTP, "smtp", "SMTP")                                                                    \
	X(LMTP, "lmtp", "LMTP")                                                                    \
	X(HTTP, "http", "web")                                                                     \
	X(MAPI, "mapi", "MAPI")                                                                    \
	X(IMAP, "imap", "IMAP")                                                                    \
	X(POP, "pop", "POP")                                                                       \
	X(LOCAL, "local", "local")                                                                 \
	X(UUCP, "uucp", "UUCP")                                                                    \
	X(OTHER, "other", "other")
enum received_kind {
#define X(id, name, text) RECEIVED_##id,
	RECEIVED_KINDS(X)
#undef X
		RECEIVED_KIND_COUNT
};
const char *received_kind_name(enum received_kind kind);

enum received_tls { RECEIVED_TLS_UNKNOWN, RECEIVED_TLS_NO, RECEIVED_TLS_YES };

struct received_ip {
	uint8_t octets[16]; /* IPv4 in the first four */
	unsigned bits;      /* 0: none, 32, 128 */
	struct span text;   /* canonical; lives in the arena */
};

/* Spans live in the arena of received_parse; "" where nothing is told. */
struct received {
	struct span text; /* the field unfolded */
	struct span from; /* the words behind "from" */
	struct span helo; /* what the peer called itself */
	struct span
		reverse; /* its name by the DNS, as the station looked it up; no dot at the end */
	bool is_reverse_unknown;  /* looked up, and there is none ("unknown") */
	bool is_reverse_doubtful; /* the station says that it may be forged */
	struct received_ip from_ip;
	bool is_unix; /* the peer came over a Unix socket */
	struct span by;
	struct received_ip by_ip;
	struct span software; /* "Postfix", "Exim 4.96" */
	struct span via, with, id;
	struct span for_address; /* without angle brackets; the first of several */
	unsigned for_count;
	struct span sender; /* envelope sender where it is told; "<>" for the null sender */
	struct span login;  /* who logged in, or the local user */
	enum received_kind kind;
	bool is_esmtp, is_auth, is_utf8;
	enum received_tls tls;
	struct span tls_version; /* "TLSv1.3" however it was written */
	struct span tls_cipher;
	unsigned tls_bits;
	struct span date_text; /* behind the semicolon, trimmed */
	bool has_date;
	struct mime_date date;
	uint64_t defects; /* bits: 1 << enum received_defect */
};

/** Read the value of a Received (or X-Received) field, raw with its folds or unfolded. Results live
 * in `a`. Never fails: what cannot be read is in r_r->defects. */
void received_parse(struct arena *a, struct span value, struct received *r_r);

/** A date as header fields have it; besides RFC 5322 also RFC 3339 and what Go prints, and zones by
 * the names that mean one thing. False: none. */
bool received_date(struct span text, struct mime_date *date_r);

/** "192.0.2.1", "[192.0.2.1]", "[IPv6:2001:db8::1]", "[192.0.2.1]:25", "192.0.2.1:25"; an IPv4-mapped
 * address becomes IPv4. */
bool received_ip(struct arena *a, struct span text, struct received_ip *ip_r);
bool received_ip_eq(const struct received_ip *x, const struct received_ip *y);
/** 127/8, ::1 */
bool received_ip_is_loopback(const struct received_ip *ip);
/** Loopback, RFC 1918, RFC 4193, RFC 6598, link-local: no address of the public network. */
bool received_ip_is_private(const struct received_ip *ip);
/** In the network "10.0.0.0/8"? A bare address is one host; false also when `net` is no network. */
bool received_ip_in(const struct received_ip *ip, struct span net);

static inline bool received_has(const struct received *r, enum received_defect d)
{
	return (r->defects >> d & 1) != 0;
}
