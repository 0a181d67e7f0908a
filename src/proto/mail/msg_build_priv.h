#pragma once
/* The builder's insides, for the files of this room. */

#include "proto/mail/mime_address.h"
#include "proto/mail/msg_build.h"

enum msg_field_kind { MSG_FIELD_TEXT, MSG_FIELD_MAILBOXES, MSG_FIELD_VALUE };

struct msg_field {
	struct msg_field *next;
	enum msg_field_kind kind;
	struct span name, value; /* as given */
	struct mime_address_list list;
	size_t room; /* of the list's items */
};

struct msg_param {
	struct msg_param *next;
	struct span name, value;
};

enum msg_body { MSG_BODY_TEXT, MSG_BODY_OCTETS, MSG_BODY_SOURCE, MSG_BODY_MESSAGE, MSG_BODY_MULTI };

struct msg_part {
	struct msg *msg;
	struct msg_part *parent, *next, *first, *last;
	enum msg_body body;
	bool is_flowed;
	struct span type; /* "type/subtype" */
	struct msg_param *params, **params_end;
	struct span disposition, filename, id, description;
	struct span octets; /* borrowed */
	struct msg_source source;
	bool *was_read; /* a source; shared by copies of the part */
	/* decided when the message is written */
	enum mime_encoding encoding;
	struct span charset, boundary;
	struct buf text; /* in its charset, lines with CRLF; empty: octets go as they are */
	bool has_text;
};

struct msg {
	struct arena *a;
	struct msg_field *fields, **fields_end;
	size_t field_count;
	struct msg_part *root; /* given by hand */
	/* the usual shapes */
	struct msg_part *text, *html, *calendar;
	struct msg_part *inlines, **inlines_end, *attachments, **attachments_end;
	bool is_flowed;
};

struct msg_field *msg_find_field(const struct msg *m, struct span name);
struct msg_field *msg_add_field(struct msg *m, enum msg_field_kind kind, struct span name,
	struct span value, struct err *e);

/** ERR_SYNTAX, scope message, never again. */
int msg_refuse(struct err *e, const char *what);
/** The one place where foreign text enters a header: no CR, LF, NUL; UTF-8; not too long. */
int msg_check_value(struct span value, struct err *e);

/* A field under way (msg_build_fold.c). Lines are folded between words, never within one. */
struct msg_fold {
	struct buf *b;
	const struct msg_settings *s;
	size_t column, line_max;
	bool is_start; /* nothing but the name stands on the line */
};
void msg_fold_init(
	struct msg_fold *f, struct buf *b, const struct msg_settings *s, struct span name);
/** A word; before it one blank, or a fold where it does not fit. */
void msg_fold_word(struct msg_fold *f, struct span word);
/** The same without a blank before it: never folded. */
void msg_fold_joint(struct msg_fold *f, struct span word);
void msg_fold_text(struct msg_fold *f, struct span utf8);
void msg_fold_phrase(struct msg_fold *f, struct span utf8);
int msg_fold_mailboxes(struct msg_fold *f, const struct mime_address_list *list, struct err *e);
/** A ready value: folded at its blanks. */
void msg_fold_value(struct msg_fold *f, struct span value);
/** "; name=value" in the form that the value needs (RFC 2231). */
void msg_fold_param(struct msg_fold *f, struct span name, struct span utf8);
void msg_fold_end(struct msg_fold *f);

/** A copy of the root, or the parts of the usual shapes put together, in `a`; NULL for a message without
 * any. */
int msg_compose(struct arena *a, struct msg *m, struct msg_part **root_r, struct err *e);
/** Limits and charset of the settings put right. */
void msg_settle(struct msg_settings *s);
/** Encodings, charsets and boundaries of a part and of those in it (msg_build_body.c). */
int msg_plan(struct arena *a, struct msg_part *p, const struct msg_settings *s, unsigned *counter,
	struct err *e);
void msg_unplan(struct msg_part *p);
/** What is encoded: the text in its charset, or the octets. */
struct span msg_body_of(const struct msg_part *p);
/** The header section with its empty line; content fields of `root` (NULL: none). */
int msg_put_header(struct msg *m, const struct msg_part *root, const struct msg_settings *s,
	struct buf *b, struct err *e);
/** Content fields of a part. */
void msg_put_content(struct buf *b, const struct msg_part *p, const struct msg_settings *s);
/** The value as text: addresses as people write them, in UTF-8; in `a` or the message's own. */
struct span msg_value(struct arena *a, const struct msg_field *f);
