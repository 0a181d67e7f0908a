#pragma once
/* The inside of FETCH, for its files. */

#include "proto/mail/mime_layout.h"
#include "store/body.h"
#include "store/facts.h"
#include "services/imapd/imapd_fetch.h"

/* One command under way. */
struct fetch {
	struct imapd_conn *c;
	struct imap_session *s;
	struct store *store;
	const struct imap_fetch_item *items;
	size_t count;
	unsigned want;    /* MAILBOX_WANT_… */
	bool needs_facts; /* some item is told from them */
	bool sets_seen;
	bool is_uid_told, has_flags, has_modseq; /* by an item, or by what the command is */
	bool is_uidonly;                         /* RFC 9586: UIDFETCH */
	struct uid_range *runs;                  /* what is wanted and in the view, ascending */
	size_t run_count;
	uint64_t total; /* UIDs in them */
	uint64_t changed_since;
	/* what went wrong on the way */
	bool is_expunge_issued, is_unknown_cte;
};

/* The octets of a message: its prefix, then its body. */
struct fetch_source {
	struct span prefix;
	struct span whole;   /* the body, when the page has it */
	uint64_t size;       /* of both */
	struct body *body;   /* else */
	struct arena *arena; /* of the chunk at hand */
	struct span chunk;
	uint64_t index;
};
void fetch_source_init(struct fetch_source *src, struct store *s, const struct mailbox_msg *m);
void fetch_source_fini(struct fetch_source *src);
/** What stands at `at`, as far as it is at hand and before `end`: never empty for at < end. */
FIBER int fetch_source_piece(
	struct fetch_source *src, uint64_t at, uint64_t end, struct span *piece_r, struct err *e);

/** "BODY[…] {n}CRLF…", "BINARY[…] …", "BINARY.SIZE[…] n": the whole item with its name. A part that is not
 * there is NIL. -1 ends the session: half a literal was told. */
FIBER int fetch_put_section(struct fetch *f, struct fetch_source *src, const struct mailbox_msg *m,
	const struct imap_fetch_item *item, struct err *e);
FIBER int fetch_put_binary(struct fetch *f, struct fetch_source *src, const struct mailbox_msg *m,
	const struct imap_fetch_item *item, struct err *e);

/* Octets [from, to) of a message. */
struct fetch_place {
	uint64_t from, to;
	bool is_nil;
};
/** Where a section is (of field choices: their header); is_nil: there is none. */
struct fetch_place fetch_place_of(const struct mailbox_msg *m, const struct imap_section *x);
/** Those that a partial asks for of them. */
void fetch_cut(const struct imap_fetch_item *item, uint64_t *from, uint64_t *to);
/** The part that section numbers lead to; false: there is none. */
bool fetch_part(const struct mailbox_msg *m, const struct imap_section *x, struct mime_layout *l_r,
	struct mime_layout_part *p_r);
