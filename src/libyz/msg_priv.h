#pragma once
/* Inside the message half of the library: what a message that is made, and one that was read, consist
 * of. The grammar is proto/mail's; here is the face: C strings, ownership, errors, files. */

#include "yizhan.h"

#include "base/arena.h"
#include "base/hash.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_parse.h"
#include "proto/mail/msg_build.h"

#define YZ_MAIL_MEMORY     ((size_t)64 << 20) /* octets kept of what cannot be read again */
#define YZ_READ_OCTETS     (64 << 10)         /* of a message, or a file, at a time */
#define YZ_ANSWER_MAX      (1 << 20)          /* octets of a text that an answer quotes */
#define YZ_REPORT_MAX      (16 << 20)         /* octets of the machine's part of a report */
#define YZ_HELPER_MAX      ((size_t)1 << 30)  /* octets that a helper makes at most */
#define YZ_CHARSET_ARG_MAX 40

struct yz_msg {
	struct msg *m;
	struct arena *a;    /* copies of bodies; as long as the message */
	struct arena *view; /* what was handed out last: fields, envelope */
	struct yz_error error;
	const char *made_id; /* Message-ID of a message that was given none */
	const char *host;    /* of it; NULL: From's */
	int zone_minutes;
};

struct yz_part {
	struct msg_part *p;
	struct yz_msg *owner;
};

struct yz_entity {
	struct yz_mail *mail;
	struct mime_part *part;
	struct yz_entity *parent;
	size_t after; /* index of the first entity behind this one and all in it */
};

enum mail_store { MAIL_MEMORY, MAIL_FILE, MAIL_GONE };

struct mail_edit {
	bool is_removed;
	struct span text; /* in place of the field; ptr NULL: none */
};

struct yz_mail {
	struct arena *a;
	struct yz_error error;
	struct yz_mail_options o;
	struct mime_parser *parser; /* NULL behind the end */
	struct mime_tree *tree;     /* NULL before */
	struct yz_entity *entities; /* of all parts, in their order */
	/* the octets */
	enum mail_store store;
	struct span octets; /* MAIL_MEMORY */
	struct buf kept;    /* what they are in, when they are ours */
	int fd;             /* MAIL_FILE, from `base` on; -1: none */
	bool owns_fd;
	int64_t base;
	/* made when first asked for */
	struct hash_map views;
	const struct yz_entity **attachments;
	size_t attachment_count;
	struct yz_dsn *dsn;
	struct yz_mdn *mdn;
	bool has_looked_for_dsn, has_looked_for_mdn, has_attachments;
	/* changes to the header */
	struct mail_edit *edits; /* one for each field of the root; NULL: none */
	struct span *before, *behind;
	size_t before_count, behind_count;
	bool is_changed;
	struct arena *envelope;
};

/* --- msg_error.c ----------------------------------------------------------------------------- */

/** Forget the last call's error; YZ_OK. */
int msg_fine(struct yz_error *to);
/** Fill it from a lower floor's; returns the code. */
int msg_error(struct yz_error *to, const struct err *e) __attribute__((cold));
int msg_error_set(struct yz_error *to, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
/** YZ_OK, or the error, by a lower floor's result. */
static inline int msg_result(struct yz_error *to, int rc, const struct err *e)
{
	return rc < 0 ? msg_error(to, e) : msg_fine(to);
}

/* --- what several files need (msg_util.c) -------------------------------------------------------- */

int64_t msg_now_sec(void);
uint64_t msg_random(void);
/** A domain's A-label (RFC 5891): appended, or false. */
bool msg_ascii_domain(struct buf *b, struct span domain);
/** The buffer's octets for the caller, who frees them; NULL when it had no room. */
char *msg_give(struct buf *b, size_t *n_r);
/** Addresses as the public face has them, in `a`. */
void msg_addresses_fill(
	struct arena *a, const struct mime_address_list *list, struct yz_addresses *to);
/** The file name's last part. */
const char *msg_base_name(const char *path);
void msg_date_fill(const struct mime_date *d, struct yz_date *date_r);

/* A callback of the caller's as a sink. */
struct msg_out {
	yz_write_fn *write;
	void *arg;
	bool is_lf; /* CRLF becomes LF */
	bool has_cr;
};
int msg_out_put(struct msg_out *o, struct span octets, struct err *e);
/** The end: a CR that waited. */
int msg_out_end(struct msg_out *o, struct err *e);
/** yz_write_fn over a struct buf, over a descriptor (int *). */
int msg_to_buf(void *buf, const void *octets, size_t n);
int msg_to_fd(void *fd, const void *octets, size_t n);

/* --- making ------------------------------------------------------------------------------------ */

/** What the options say. `host_r` is used for the settings' host. */
void msg_settings_of(struct yz_msg *m, const struct yz_msg_options *o, struct msg_settings *s_r);

/* --- reading (mail_store.c …) -------------------------------------------------------------------- */

/** Octets [from, to) of the message to a sink. ERR_IO, ERR_STATE. */
int mail_octets(
	struct yz_mail *m, uint64_t from, uint64_t to, const struct msg_sink *sink, struct err *e);
/** A part's body, in that form, into a buffer. */
int mail_body_buf(const struct yz_entity *e, enum yz_form form, struct buf *b, struct err *err);
struct yz_entity *mail_entity_of(const struct yz_mail *m, const struct mime_part *p);
/** The header section that goes on the wire: changes made, Bcc gone, what is missing put. */
int mail_wire_header(struct yz_mail *m, struct buf *b, struct err *e);
void msg_envelope_fill(struct arena *a, const struct msg_envelope *env, struct yz_envelope *to);
