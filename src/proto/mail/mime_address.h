#pragma once
/* Address lists (RFC 5322 sections 3.4 and 4.4, RFC 6532, RFC 6854): groups, comments, quoted
 * strings, obsolete forms; lenient, with defects. Pure, linear, without recursion. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/mail/mime_defect.h"

#define MIME_ADDRESSES_MAX 10000 /* of one list */

enum mime_address_kind {
	MIME_MAILBOX,
	MIME_GROUP_START, /* name is the group's */
	MIME_GROUP_END
};

/* As IMAP's ENVELOPE has them: one flat list, a group between its start and its end. */
struct mime_address {
	enum mime_address_kind kind;
	/* The display name: quotes undone, blanks joined, encoded words still in it. "" when there
	 * is none; a comment behind a bare address ("a@b (Name)") counts as one. */
	struct span name;
	struct span route;  /* "@x,@y" of the obsolete form <@x,@y:a@b> */
	struct span local;  /* quotes undone */
	struct span domain; /* "" when there is none; [literals] with their brackets */
	uint64_t defects;   /* of this one */
	bool has_quoted_word; /* "=?" of the name stood in quotes: no encoded word (RFC 2047 section 5) */
};

struct mime_address_list {
	struct mime_address *items;
	size_t count;
	size_t mailboxes; /* how many of them are mailboxes */
	uint64_t defects;
};

/** A field's raw value; at most `max` items (and MIME_ADDRESSES_MAX). Lives in `a`. */
void mime_address_parse(
	struct arena *a, struct span value, size_t max, struct mime_address_list *list_r);

/** The display name as people read it (encoded words decoded). May use iconv. */
struct span mime_address_name(struct arena *a, const struct mime_address *m);
/** local@domain, the local part quoted when it must be. */
void mime_address_put_spec(struct buf *b, const struct mime_address *m);
/** The same in `a`. */
struct span mime_address_spec(struct arena *a, const struct mime_address *m);
/** A local part in the form the grammar wants: as it is, or a quoted string. */
void mime_address_put_local(struct buf *b, struct span local);
