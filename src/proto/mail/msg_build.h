#pragma once
/* Making messages (RFC 5322, 2045 to 2049, 2231, 6532): fields and parts are given as UTF-8, how
 * they travel is decided when the message is written, by what the way carries. Nothing foreign can
 * add a field or a line: CR, LF and NUL are refused where a value enters (ERR_SYNTAX). Pure; one
 * thread at a time; yields only where the caller's callbacks do.
 *
 *	struct msg *m = msg_new();
 *	msg_add_mailboxes(m, SPAN("From"), SPAN("Alice <alice@example.org>"), e);
 *	msg_add_text(m, SPAN("Subject"), SPAN("…"), e);
 *	msg_set_text(m, SPAN("Hello\n"), e);
 *	msg_attach(m, SPAN("a.pdf"), SPAN("application/pdf"), pdf, e);
 *	msg_write_buf(m, &settings, &buf, e);
 *	msg_free(&m);
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/mail/mime_codec.h"
#include "proto/mail/mime_parse.h"

#define MSG_LINE_SHOULD   78   /* RFC 5322 section 2.1.1 */
#define MSG_LINE_MUST     998  /* the same: octets of a line without its end */
#define MSG_NAME_MAX      76   /* of a field */
#define MSG_ADDRESS_MAX   450  /* octets of local@domain: quoted it still fits into a line */
#define MSG_PARAM_MAX     2000 /* octets of a parameter, a file name */
#define MSG_FIELDS_MAX    10000
#define MSG_FIELD_MAX     (1 << 20) /* octets of one value */
#define MSG_DEPTH_MAX     50
#define MSG_SOURCE_OCTETS (64 << 10) /* asked of a source at a time */

enum msg_way { MSG_WAY_7BIT, MSG_WAY_8BIT, MSG_WAY_BINARY };

struct msg_settings {
	enum msg_way way;    /* what octets the way carries (8BITMIME, BINARYMIME) */
	bool is_utf8;        /* SMTPUTF8: header fields in bare UTF-8 (RFC 6532) */
	struct span charset; /* of header words and text that is not ASCII, where it has all the
	                        * characters; "" or else: UTF-8 */
	size_t line_max;     /* fold at: 0 is MSG_LINE_SHOULD; at most MSG_LINE_MUST */
	int64_t now_sec;     /* for the Date that is made when there is none */
	int zone_minutes;
	uint64_t random, id; /* for boundaries, and the Message-ID that is made when missing */
	struct span host;    /* right side of that; "" : none is made */
	bool keeps_bcc;      /* a copy for the sender's own folder */
	struct span
		message_id; /* "<…>" in place of one that is made; ASCII, checked by the caller */
	/* A domain in UTF-8 on a way without SMTPUTF8: append its A-label, or false. NULL: refused. */
	bool (*ascii_domain)(struct buf *b, struct span domain);
};

struct msg;
struct msg_part; /* lives as long as its message */

/* A body that is read when the message is written (always base64, or binary). */
struct msg_source {
	/* Append at most `want` octets; none at the end. */
	int (*read)(void *arg, struct buf *out, size_t want, struct err *e);
	/* Begin anew, for a second writing; NULL: can be read once. */
	int (*rewind)(void *arg, struct err *e);
	void *arg;
	/* It will give exactly that many (else ERR_IO); so the size of the message is known. */
	bool has_size;
	uint64_t size;
};

struct msg_sink {
	int (*write)(void *arg, struct span octets, struct err *e);
	void *arg;
};

struct msg *msg_new(void);
void msg_free(struct msg **m);

/* Fields. Names and values are copied; a field that may come once is refused the second time
 * (ERR_EXISTS, RFC 5322 section 3.6). */

/** Free text: encoded words where it is needed. Fields that are known to hold addresses, dates or ids
 * are taken as such. */
int msg_add_text(struct msg *m, struct span name, struct span text, struct err *e);
/** Addresses as people write them: "Zoë <zoe@example.org>, Team: a@b.c, d@e.f;". What is malformed
 * is refused. */
int msg_add_mailboxes(struct msg *m, struct span name, struct span list, struct err *e);
/** One mailbox; `display` may be "". The field is begun or gets one more. */
int msg_add_mailbox(
	struct msg *m, struct span name, struct span display, struct span address, struct err *e);
/** The same behind those of a field that is there already. */
int msg_join_mailboxes(struct msg *m, struct span name, struct span list, struct err *e);
struct msg_mailbox {
	struct span display, address;
};
/** A group (RFC 5322 section 3.4), may be empty. The field is begun or gets one more. */
int msg_add_group(struct msg *m, struct span name, struct span group,
	const struct msg_mailbox *items, size_t count, struct err *e);
/** A value that is ready (structured, ASCII); it is folded at its blanks. */
int msg_add_value(struct msg *m, struct span name, struct span value, struct err *e);
int msg_add_date(
	struct msg *m, struct span name, int64_t unix_sec, int zone_minutes, struct err *e);
typedef int msg_add_fn(struct msg *m, struct span name, struct span value, struct err *e);
/** What `add` (msg_add_text, _value, _mailboxes) makes stands where the first field of that name did; the
 * others go. After an error all is as before. */
int msg_replace(struct msg *m, struct span name, struct span value, msg_add_fn *add, struct err *e);
/** How many fields of that name went. */
size_t msg_remove(struct msg *m, struct span name);
/** The first one's value as it was given; ptr NULL: none. */
struct span msg_get(const struct msg *m, struct span name);
/** The i-th field: its name, and its value as text in UTF-8 (in `a`, or the message's); false behind
 * the last. */
bool msg_field_at(
	const struct msg *m, size_t i, struct arena *a, struct span *name_r, struct span *value_r);

/* The usual shapes. Texts and octets of bodies are borrowed until the message is freed. */

/** The text, and what is shown instead where HTML can be; either alone is fine too. */
int msg_set_text(struct msg *m, struct span utf8, struct err *e);
int msg_set_html(struct msg *m, struct span utf8, struct err *e);
/** The text travels as format=flowed (RFC 3676): each of its lines is a paragraph. */
void msg_set_flowed(struct msg *m, bool is_flowed);
/** An image (say) that the HTML names as cid:ID (RFC 2392); `id` without angle brackets. */
int msg_add_inline(struct msg *m, struct span id, struct span type, struct span octets,
	struct span filename, struct err *e);
/** An invitation (RFC 6047): text/calendar among the alternatives. */
int msg_add_calendar(struct msg *m, struct span method, struct span utf8, struct err *e);
/** A part that was made by hand (in no other yet) among those that the HTML shows, or the attachments. */
void msg_append_part(struct msg *m, struct msg_part *p, bool is_inline);
int msg_attach(
	struct msg *m, struct span filename, struct span type, struct span octets, struct err *e);
int msg_attach_source(struct msg *m, struct span filename, struct span type,
	const struct msg_source *source, struct err *e);
/** A whole message, forwarded as it is (RFC 2046 section 5.2.1). */
int msg_attach_message(struct msg *m, struct span message, struct err *e);

/* Any shape: parts that are put together by hand. Given a root, the usual shapes are not used. */

struct msg_part *msg_part_text(struct msg *m, struct span subtype, struct span utf8);
/** `type` is "type/subtype"; NULL when it is not. */
struct msg_part *msg_part_octets(
	struct msg *m, struct span type, struct span octets, struct err *e);
struct msg_part *msg_part_source(
	struct msg *m, struct span type, const struct msg_source *source, struct err *e);
struct msg_part *msg_part_message(struct msg *m, struct span message);
/** multipart/subtype */
struct msg_part *msg_part_multi(struct msg *m, struct span subtype);
/** `child` is in no part yet. */
int msg_part_add(struct msg_part *parent, struct msg_part *child, struct err *e);
/** A parameter of Content-Type. */
int msg_part_param(struct msg_part *p, struct span name, struct span utf8, struct err *e);
/** "attachment", "inline"; file name "" for none. */
int msg_part_disposition(
	struct msg_part *p, struct span disposition, struct span filename, struct err *e);
/** Content-ID (without angle brackets) and Content-Description. */
int msg_part_id(struct msg_part *p, struct span id, struct err *e);
int msg_part_description(struct msg_part *p, struct span utf8, struct err *e);
int msg_set_root(struct msg *m, struct msg_part *p, struct err *e);
/** No body any more, of either kind. */
void msg_clear_parts(struct msg *m);

/* Writing */

/** Does an address need SMTPUTF8 (RFC 6531)? */
bool msg_needs_utf8(const struct msg *m);
/** The same, where domains can go as A-labels (settings.ascii_domain). */
bool msg_needs_utf8_locals(const struct msg *m);
/** Lines end with CRLF, the last one too. ERR_UNSUPPORTED: the way cannot carry it (an address that
 * needs UTF-8, a forwarded message with 8-bit octets on a 7-bit way: it is never re-encoded). May
 * be called again with other settings. */
int msg_write(
	struct msg *m, const struct msg_settings *s, const struct msg_sink *sink, struct err *e);
/** The same into a buffer (ERR_LIMIT when it is full). */
int msg_write_buf(struct msg *m, const struct msg_settings *s, struct buf *out, struct err *e);

/** One field of free text, as msg_add_text() takes it, with its line end. */
int msg_put_one(struct buf *b, struct span name, struct span text, const struct msg_settings *s,
	struct err *e);

/** Can it be written more than once? Not when a source begins once only. */
bool msg_is_rewindable(const struct msg *m);

/* Pieces of fields, without name and line end, folded as in a field whose line has `column` octets
 * already. */

/** Free text. */
int msg_put_text(struct buf *b, struct span text, size_t column, const struct msg_settings *s,
	struct err *e);
/** One mailbox; `display` may be "". */
int msg_put_mailbox(struct buf *b, struct span display, struct span address,
	const struct msg_settings *s, struct err *e);
/** "name=value" in the form that the value needs (RFC 2231). */
int msg_put_param(struct buf *b, struct span name, struct span value, size_t column, struct err *e);

/* The same for whoever pulls: the message is planned at once, its bodies are read and encoded as they
 * are asked for. Several may be under way, each with its own settings; a source is one for all. The
 * message is not changed meanwhile. */
struct msg_reader;
/** NULL as msg_write() fails. */
struct msg_reader *msg_reader_new(struct msg *m, const struct msg_settings *s, struct err *e);
void msg_reader_free(struct msg_reader **r);
/** The next octets, empty at the end. They live until the next call. */
int msg_reader_next(struct msg_reader *r, struct span *piece_r, struct err *e);
/** From the first octet on again. */
int msg_reader_rewind(struct msg_reader *r, struct err *e);
/** How many octets there will be; false: nobody knows before they were read. */
bool msg_reader_size(const struct msg_reader *r, uint64_t *size_r);
/** What octets there will be: MSG_WAY_7BIT, where no more is used. */
enum msg_way msg_reader_way(const struct msg_reader *r);

/* From a message's header to its envelope, as Python's send_message does */

struct msg_envelope {
	struct span from; /* "local@domain"; "" when there is no sender */
	struct span *rcpts;
	size_t rcpt_count; /* each once */
	bool is_resent;    /* the Resent fields told it (RFC 5322 section 3.6.6) */
	bool needs_utf8;
};
/** Sender, else From; To, Cc and Bcc; with one Resent-Date their Resent forms instead, with several
 * of them nobody can tell (ERR_SYNTAX). Fields too long to be read whole: ERR_LIMIT. `root` is a parsed message's. Lives in `a`. */
int msg_envelope_of(
	struct arena *a, const struct mime_part *root, struct msg_envelope *env_r, struct err *e);
/** The envelope of a message that was made. Lives in `a`. */
int msg_envelope(struct arena *a, const struct msg *m, struct msg_envelope *env_r, struct err *e);
/** The header section without its Bcc and Resent-Bcc fields, all else as it was, and with the Date
 * and Message-ID it lacks (`s` NULL: none is made); with its empty line. ERR_LIMIT when the section
 * was too long to be read as a whole. */
int msg_header_put(struct buf *b, const struct mime_part *root, struct span message,
	const struct msg_settings *s, struct err *e);
