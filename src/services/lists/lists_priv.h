#pragma once
/* Inside the room: one letter to one address of a list. */

#include "base/hash.h"
#include "proto/mail/mail_header.h"
#include "store/directory.h"
#include "services/lists/lists.h"
#include "services/router/destination.h"

struct lists {
	struct lists_opts opts;
	struct hash_key key; /* of the tags in bounce addresses */
	_Atomic int has_key;
};

/* A field of the message, with its place in `head`. */
struct lists_field {
	enum mail_field_id id;
	struct span whole, name, value;
};

/* The letter at hand. All lives in the parcel's arena. */
struct lists_post {
	struct lists *lists;
	struct router *router;
	struct outbound_parcel *parcel;
	struct arena *a;
	struct mlist_info list;
	struct span address;        /* "team@example.org" */
	struct outbound_rcpt *rcpt; /* that it was sent to */
	struct span tag;            /* behind '+' of that address; "" */
	/* the message */
	struct span
		head; /* what we put in front of it, then its header section with the empty line */
	uint64_t body_at; /* where that ends in the stored body */
	struct lists_field *fields;
	size_t field_count, field_cap;
	struct span author;      /* "a@b" of a From with exactly one mailbox; "" */
	struct span author_name; /* UTF-8 */
	struct span subject;     /* UTF-8 */
	struct span message_id;
	bool is_auto; /* nobody wrote it: a report, a vacation reply */
	bool is_loop; /* it has been here */
};

/* lists.c */
/** The key of tags and tokens is there. */
FIBER int lists_need_key(struct lists *l, struct err *e);

/* lists_read.c */
/** Read the header and what is asked of it. */
FIBER int lists_read(struct lists_post *p, struct err *e);
/** The first field of that name, in any case; NULL. */
const struct lists_field *lists_field(const struct lists_post *p, const char *name);

/* lists_post.c */
FIBER int lists_take_post(struct lists_post *p, struct err *e);
/** To the owners, or the moderators, unchanged. */
FIBER int lists_to_roles(struct lists_post *p, unsigned roles, struct err *e);

/* lists_copy.c */
/** The copies for all members, as offspring. */
FIBER int lists_copy(struct lists_post *p, struct err *e);
/** Does the author's domain ask others to refuse what it did not sign (RFC 9989)? */
FIBER bool lists_is_strict(struct lists_post *p);

/** The message's octets from `from` on, appended. */
FIBER int lists_put_body(struct lists_post *p, struct stage *to, uint64_t from, struct err *e);

/* lists_command.c */
/** 13 letters and digits that nobody can guess. */
struct span lists_token(struct lists_post *p);
FIBER int lists_join(struct lists_post *p, struct err *e);
FIBER int lists_leave(struct lists_post *p, struct err *e);
FIBER int lists_confirm(struct lists_post *p, struct err *e);
FIBER int lists_request(struct lists_post *p, struct err *e);

/* lists_bounce.c */
FIBER int lists_bounce(struct lists_post *p, struct err *e);
/** Where the bounces of a member's copies go: "team-bounces+TAG@example.org". */
struct span lists_bounce_path(struct lists_post *p, struct span member);

/* lists_sign.c */
/** Begin to sign a letter, whose prefix and stage are the message, for the list's domain. *job_r NULL: no
 * key signs for it. */
FIBER int lists_sign_begin(struct lists_post *p, const struct spool_new *letter,
	struct sign_job **job_r, struct err *e);
/** The fields, in the arena, of that message with `front` above it: good for every letter that differs in
 * its Received alone. "" without a job, and where a message cannot be signed. */
FIBER int lists_sign_end(struct lists_post *p, struct sign_job *job, struct span front,
	struct span *fields_r, struct err *e);
/** In the arena; one of them itself when the other is empty. */
struct span lists_join_spans(struct arena *a, struct span one, struct span two);

/* lists_web.c */
/** Fields for one member's copies (RFC 8058): an address of the web at which one request ends it. "" when
 * this server has no such address, or the list is too large for copies of each one's own. */
struct span lists_leave_fields(struct lists_post *p, struct span member);

/* lists_mail.c */
/** One more letter that comes of this parcel; its recipients are filled in by the caller. */
struct spool_new *lists_offspring(struct lists_post *p, size_t rcpt_count, struct err *e);
/* Who a letter goes to, and what is his alone. */
struct lists_to {
	struct span address, sender;
	struct span front; /* fields in front of the letter's prefix */
};
/** Recipients that an address leads to, appended. */
FIBER int lists_add_rcpt(struct lists_post *p, struct spool_new *letter, size_t cap,
	const struct lists_to *to, struct err *e);
/** A letter of the list itself (`from`: "join", "owner" …) to one address. `text` in UTF-8. */
FIBER int lists_say(struct lists_post *p, const char *from, struct span to, struct span subject,
	struct span text, struct err *e);
/** The same from any address of ours: where an answer is to go. */
FIBER int lists_say_from(struct lists_post *p, struct span from, struct span to,
	struct span subject, struct span text, struct err *e);
/** The list's address with a function behind: "team-join@example.org". */
struct span lists_address(struct lists_post *p, const char *part, struct span tag);

/** The verdict of the recipient at hand. */
void lists_done(struct lists_post *p, const char *what);
void lists_refuse(struct lists_post *p, const char *enhanced, const char *why);
void lists_later(struct lists_post *p, const char *why);
