#pragma once
/* People whom an account writes to: a book that fills itself. Whoever is written to is remembered with how often and
 * when; those whom the owner keeps have a name, notes, further addresses. An address belongs to one contact of
 * an account. Changes are told by OBJECT_CONTACT (store/object.h). */

#include "store/db/db.h"
#include "store/store.h"

#define CONTACT_MAX                                                                                \
	20000 /* of an account; of those that are not kept the one not used for longest goes */
#define CONTACT_ADDRESSES_MAX 50   /* of one contact */
#define CONTACT_TEXT_MAX      1000 /* octets of a name, an organisation, an address */
#define CONTACT_NOTE_MAX      16384
#define CONTACT_PHONES_MAX    8192 /* octets of JSON */
#define CONTACT_PAGE          500
#define CONTACT_SENT_MAX      100 /* people of one letter that are remembered */
#define CONTACT_LATER_MAX     256 /* letters that wait for the writer before that */

struct contact_address {
	struct span address; /* as it was written: "Ana@Example.org" */
	struct span label;   /* "work"; "" */
};
struct contact {
	uint64_t id; /* 0: a new one */
	struct span name, org, note;
	struct span phones; /* JSON, as it was given; "" none */
	const struct contact_address *addresses;
	size_t address_count;
	bool is_kept; /* in the book; else only written to */
	uint64_t sent;
	int64_t used_ns; /* wall clock of the last letter; 0 never */
};

/** In the order of `ids`; those that are not there have id 0. At most CONTACT_PAGE. */
FIBER int contact_get(struct store *s, struct arena *a, uint64_t account_id, const uint64_t *ids,
	size_t count, struct contact *list_r, struct err *e);

enum contact_order { CONTACT_BY_NAME, CONTACT_BY_USE };
struct contact_query {
	struct span text; /* in name, organisation or an address, folded; "" all */
	int kept;         /* 1, 0; -1 either */
	enum contact_order order;
	size_t position, limit; /* limit at most CONTACT_PAGE */
	/* out */
	uint64_t *ids;
	size_t count;
	uint64_t total;
};
FIBER int contact_query(struct store *s, struct arena *a, uint64_t account_id,
	struct contact_query *q, struct err *e);

/* One line for a field that somebody types into. */
struct contact_suggestion {
	uint64_t id;
	struct span name, address;
};
/** The best first: words of the name or the address begin with `text` (Chinese, Japanese, Korean: have it); who is written to often and lately is
 * above who is not. `text` "" : whom one writes to most. */
FIBER int contact_suggest(struct store *s, struct arena *a, uint64_t account_id, struct span text,
	size_t max, int64_t now_ns, struct contact_suggestion **list_r, size_t *count_r,
	struct err *e);

/** Make (id 0: *c gets one) or replace all but `sent` and `used_ns`. Addresses that another contact has: moved
 * here when that one is not kept (and it goes when it has none left); else ERR_EXISTS and *other_r.
 * ERR_NOT_FOUND, ERR_LIMIT, ERR_SYNTAX (nothing in it; an address that is none). */
FIBER int contact_put(
	struct store *s, uint64_t account_id, struct contact *c, uint64_t *other_r, struct err *e);
/** ERR_NOT_FOUND. */
FIBER int contact_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e);

struct contact_person {
	struct span name; /* encoded words (RFC 2047) are decoded */
	struct span address;
};
/** A letter was sent to them: at most CONTACT_SENT_MAX count. What cannot be an address is passed over. */
FIBER int contact_sent(struct store *s, uint64_t account_id, const struct contact_person *people,
	size_t count, int64_t now_ns, struct err *e);
/** The same some time later: people are copied, nobody waits, nothing yields. Any thread. When too many letters wait
 * already it is forgotten: a book that fills itself is no promise. */
void contact_sent_later(struct store *s, uint64_t account_id, const struct contact_person *people,
	size_t count, int64_t now_ns);
/** Is it somebody whom the owner keeps or has written to? (Images of known senders, "first mail from".) */
FIBER int contact_is_known(
	struct store *s, uint64_t account_id, struct span address, bool *known_r, struct err *e);
/** With an account's end, in slices; *left_r: call again. */
int contact_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e);
