#pragma once
/* Mailboxes: folders of an account, messages with UID, MODSEQ and flags, laid out for IMAP
 * CONDSTORE and QRESYNC: MODSEQ is one counter an account; expunged UIDs leave tombstones with
 * their MODSEQ; counters (messages, unseen, octets) are kept in the transaction that changes them.
 *
 * Who may do what is asked first (mailbox_resolve, mailbox_rights): the functions here obey whoever
 * calls. Lists of messages are UID ranges in ascending order; what is not there is passed over.
 * Long work is cut in slices of at most MAILBOX_SLICE_NS of the writer's time; what one command
 * does in several slices is visible piece by piece, unless its function says otherwise. */

#include "store/body.h"
#include "store/uidset.h"

struct stage;
struct body_facts; /* store/facts.h */

enum mailbox_flag {
	MAILBOX_SEEN = 1,
	MAILBOX_ANSWERED = 2,
	MAILBOX_FLAGGED = 4,
	MAILBOX_DELETED = 8,
	MAILBOX_DRAFT = 16,
	MAILBOX_FLAGS_ALL = 31
};

struct mailbox_info {
	uint64_t id, account_id;
	struct span name; /* UTF-8, "/" between levels; "INBOX" always there */
	uint32_t uidvalidity, uidnext;
	uint64_t highest_modseq;
	uint64_t messages, unseen, octets;
	uint64_t deleted, deleted_octets; /* marked \Deleted */
	struct span special_use;          /* "\\Sent", …; "" none */
};

struct mailbox_msg {
	uint64_t id, blob_id, blob_len;
	uint32_t uid;
	uint64_t modseq, size; /* size = prefix + body */
	unsigned flags;
	struct span keywords; /* space-separated, "" none */
	int64_t received_ns;  /* INTERNALDATE, wall */
	struct span prefix;
	struct span subject; /* decoded at delivery, UTF-8, cut at 256 octets */
	struct span from;    /* the From field's text, decoded, cut at 256 */
	uint64_t n, email_id;
	uint64_t thread_id;             /* 0: its facts are not there yet (facts_need) */
	int64_t saved_ns;               /* SAVEDATE (RFC 8514) */
	const struct body_facts *facts; /* MAILBOX_WANT_FACTS, when they are there */
	struct span body; /* MAILBOX_WANT_BODY, while the page has room; else ptr NULL */
};

#define MAILBOX_SLICE_NS           (10 * CLOCK_MS)
#define MAILBOX_NAME_MAX           1000 /* octets of UTF-8 */
#define MAILBOX_DEPTH_MAX          32
#define MAILBOX_PER_ACCOUNT        10000
#define MAILBOX_KEYWORDS_MAX       256  /* different ones of a mailbox, and of a message */
#define MAILBOX_KEYWORD_MAX        255  /* octets of one */
#define MAILBOX_APPEND_MAX         1000 /* messages of one MULTIAPPEND */
#define MAILBOX_ACL_MAX            1000 /* rows of one mailbox */
#define MAILBOX_SUBSCRIPTIONS_MAX  20000
#define MAILBOX_METADATA_MAX       100 /* entries of one reader in one mailbox */
#define MAILBOX_METADATA_VALUE_MAX 65536
#define MAILBOX_METADATA_NAME_MAX  512

/* ---- who may do what (RFC 4314) ---- */

/* id, letter, in the order they are told */
#define MAILBOX_RIGHTS(X)                                                                          \
	X(LOOKUP, 'l')                                                                             \
	X(READ, 'r')                                                                               \
	X(SEEN, 's')                                                                               \
	X(WRITE, 'w')                                                                              \
	X(INSERT, 'i')                                                                             \
	X(POST, 'p')                                                                               \
	X(CREATE, 'k')                                                                             \
	X(DELETE, 'x')                                                                             \
	X(DELETE_MSG, 't')                                                                         \
	X(EXPUNGE, 'e')                                                                            \
	X(ADMIN, 'a')
enum mailbox_right_place {
#define X(id, letter) MAILBOX_RIGHT_PLACE_##id,
	MAILBOX_RIGHTS(X)
#undef X
		MAILBOX_RIGHT_COUNT
};
enum mailbox_right {
#define X(id, letter) MAILBOX_RIGHT_##id = 1 << MAILBOX_RIGHT_PLACE_##id,
	MAILBOX_RIGHTS(X)
#undef X
		MAILBOX_RIGHT_ALL = (1 << MAILBOX_RIGHT_COUNT) - 1
};

/* A name as somebody sees it, and what it leads to. Others' mailboxes are "Other Users/<address>/<name>",
 * teams' "Shared/<address>/<name>"; their INBOX is "…/<address>" itself, too. */
struct mailbox_ref {
	struct mailbox_info info; /* info.name: as its owner sees it */
	struct span seen_name;    /* as the asker sees it */
	unsigned rights;
	bool is_own;
};
#define MAILBOX_OTHERS "Other Users"
#define MAILBOX_SHARED "Shared"
/** ERR_NOT_FOUND, in the same words and after the same work, when it is not there and when the asker has
 * not the right to look it up. */
FIBER int mailbox_resolve(struct store *s, struct arena *a, uint64_t account_id, struct span name,
	struct mailbox_ref *ref_r, struct err *e);
/** Of a mailbox known by id (a session that has it selected): rights now; 0 when it is gone. */
FIBER int mailbox_rights(struct store *s, uint64_t mailbox_id, uint64_t account_id,
	unsigned *rights_r, struct err *e);
/** Where a new name would be made: whose account, under which name there, and may he (right k on the
 * nearest parent that is there; own: always). ERR_NOT_FOUND, ERR_DENIED (only where he may look the parent
 * up), ERR_SYNTAX (a name that cannot be: docs/imap.md), ERR_EXISTS. */
FIBER int mailbox_resolve_new(struct store *s, struct arena *a, uint64_t account_id,
	struct span name, uint64_t *owner_id_r, struct span *name_r, struct err *e);
/** All that the account may look up, own first, in the order of names; pages inside. */
FIBER int mailbox_visible(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_ref **list_r, size_t *count_r, struct err *e);

struct mailbox_acl {
	struct span identifier; /* "alice@our.example", "anyone", "-anyone" */
	unsigned rights;
};
FIBER int mailbox_acl_list(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_acl **list_r, size_t *count_r, struct err *e);
/** rights 0 takes the row away. Identifiers that no account here has: ERR_NOT_FOUND. Children made later
 * copy their parent's rows. */
FIBER int mailbox_acl_set(struct store *s, uint64_t mailbox_id, struct span identifier,
	unsigned rights, struct err *e);

/* ---- names ---- */

FIBER int mailbox_folders(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_info **list_r, size_t *count_r, struct err *e);
FIBER int mailbox_find(struct store *s, struct arena *a, uint64_t account_id, struct span folder,
	struct mailbox_info *info_r, struct err *e); /* ERR_NOT_FOUND */
/** By id, whosever. ERR_NOT_FOUND. */
FIBER int mailbox_by_id(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, struct err *e);
/** Parents that are missing are made too. special_use "" or an attribute; ERR_EXISTS when the name or the
 * use is taken; ERR_LIMIT, ERR_SYNTAX. */
FIBER int mailbox_create(struct store *s, uint64_t account_id, struct span name,
	struct span special_use, uint64_t *id_r, struct err *e);
/** Its messages go as expunged ones do (they can be brought back). INBOX: ERR_DENIED. Children stay. */
FIBER int mailbox_delete(struct store *s, uint64_t mailbox_id, struct err *e);
/** May a mailbox have that name? ERR_SYNTAX says why not: UTF-8 without controls, no empty level, no '*' or '%'
 * (RFC 9051 section 5.1), within MAILBOX_NAME_MAX and MAILBOX_DEPTH_MAX. */
int mailbox_name_check(struct span name, struct err *e);
/** With its children, in one transaction; parents of the new name are made. INBOX: its messages move into
 * the new mailbox and INBOX stays (RFC 9051 section 6.3.6). ERR_EXISTS, ERR_SYNTAX. */
FIBER int mailbox_rename(struct store *s, uint64_t mailbox_id, struct span new_name, struct err *e);
/** The special mailboxes that a new account has (\Drafts \Sent \Junk \Trash \Archive): once. */
FIBER int mailbox_special(struct store *s, uint64_t account_id, struct err *e);
/** The same for accounts that were made before there were any, once for the store. */
FIBER int mailbox_special_all(struct store *s, struct err *e);

/** The order in which people want them; those that nobody has given one are not in the list. */
struct mailbox_order {
	uint64_t mailbox_id;
	uint32_t order;
};
FIBER int mailbox_orders(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_order **list_r, size_t *count_r, struct err *e);
FIBER int mailbox_order_set(struct store *s, uint64_t mailbox_id, uint32_t order, struct err *e);
/** Another special use, or "" none. ERR_EXISTS: one of the account's mailboxes has it. */
FIBER int mailbox_use_set(
	struct store *s, uint64_t mailbox_id, struct span special_use, struct err *e);
/** Something about it changed that is kept elsewhere (somebody else's subscription). */
FIBER int mailbox_touch(struct store *s, uint64_t mailbox_id, struct err *e);

FIBER int mailbox_subscribe(
	struct store *s, uint64_t account_id, struct span seen_name, bool is_on, struct err *e);
FIBER int mailbox_subscriptions(struct store *s, struct arena *a, uint64_t account_id,
	struct span **names_r, size_t *count_r, struct err *e);

struct mailbox_metadata {
	struct span name; /* "/private/comment" */
	struct span value;
};
/** mailbox_id 0: of the server. Entries whose name is in or below `name` ("" all), of the reader or shared. */
FIBER int mailbox_metadata_list(struct store *s, struct arena *a, uint64_t mailbox_id,
	uint64_t reader_id, struct span name, struct mailbox_metadata **list_r, size_t *count_r,
	struct err *e);
/** All of them in one transaction; value.ptr NULL removes. ERR_LIMIT. */
FIBER int mailbox_metadata_set(struct store *s, uint64_t mailbox_id, uint64_t reader_id,
	const struct mailbox_metadata *items, size_t count, struct err *e);

/* ---- looking ---- */

/** What a session begins with: the mailbox and its UIDs at info.highest_modseq. The set is the caller's
 * (uidset_unref). Large ones take several reads and are made to fit together. */
FIBER int mailbox_open(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, struct uidset **uids_r, struct err *e);

/* What happened since a MODSEQ, in pages, in the order of MODSEQs. */
struct mailbox_change {
	uint32_t uid;
	uint64_t modseq;
	unsigned flags;
	struct span keywords;
	bool is_gone; /* expunged, or moved away; flags mean nothing */
};
struct mailbox_since { /* the cursor; begin with .modseq alone */
	uint64_t modseq;
	uint32_t uid;
	bool is_gone;
};
/** At most max (0: 256) changes after the cursor, which moves on. *info_r (may be NULL): as it is in the same
 * snapshot, its spans in `a`. *is_more_r: not all yet. A UID that came and went may be told as gone
 * without having been told as there. ERR_NOT_FOUND: the mailbox is gone. */
FIBER int mailbox_changes(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_since *since, size_t max, struct mailbox_info *info_r,
	struct mailbox_change **list_r, size_t *count_r, bool *is_more_r, struct err *e);

#define MAILBOX_WANT_ROW   0 /* all but prefix, subject, from, facts, body */
#define MAILBOX_WANT_HEAD  1 /* prefix, subject, from */
#define MAILBOX_WANT_FACTS 2 /* envelope, preview, keys for sorting */
#define MAILBOX_WANT_PARTS 4 /* BODYSTRUCTURE and layout, with the facts */
#define MAILBOX_WANT_BODY  8 /* bodies, as many whole ones as fit the page */
/* Messages of UID ranges in UID order, a page at a time. */
struct mailbox_cursor {
	uint64_t mailbox_id;
	const struct uid_range *ranges;
	size_t count;
	uint64_t changed_since; /* only those with a larger MODSEQ; 0 all */
	/* how far it is: zero at first */
	size_t at;
	uint32_t after;
};
/** count_r 0: that was all. At most 256 rows or 1 MiB; with MAILBOX_WANT_BODY a page ends where the next
 * body does not fit, but has at least one row (a large body then has body.ptr NULL: body_open). */
FIBER int mailbox_page(struct store *s, struct arena *a, struct mailbox_cursor *c, unsigned want,
	struct mailbox_msg **list_r, size_t *count_r, struct err *e);
/** Messages with uid > after_uid in UID order, at most max (0: 256). */
FIBER int mailbox_list(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t after_uid,
	size_t max, struct mailbox_msg **list_r, size_t *count_r, struct err *e);
FIBER int mailbox_message(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t uid,
	struct mailbox_msg *msg_r, struct err *e);
/** Of one that was expunged within keep_expunged: for a session that still has it in its view. */
FIBER int mailbox_message_gone(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t uid,
	struct mailbox_msg *msg_r, struct err *e);
/** The keywords in use, and the lowest UID without \Seen (0 none). */
FIBER int mailbox_summary(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct span **keywords_r, size_t *count_r, uint32_t *first_unseen_r, struct err *e);

/* ---- changing ---- */

enum mailbox_flag_how { MAILBOX_FLAGS_ADD, MAILBOX_FLAGS_REMOVE, MAILBOX_FLAGS_REPLACE };
struct mailbox_store {
	uint64_t mailbox_id;
	const struct uid_range *ranges;
	size_t range_count;
	enum mailbox_flag_how how;
	unsigned flags;
	const struct span
		*keywords; /* compared without case; the first spelling in the mailbox stays */
	size_t keyword_count;
	unsigned flags_mask;      /* those that may be changed (rights s, t, w), keywords with
				   * MAILBOX_FLAGGED; 0 means all */
	bool has_unchanged_since; /* RFC 7162 section 3.1.3 */
	uint64_t unchanged_since;
	/* results, in the caller's arena */
	struct arena *arena;
	struct uid_range *modified; /* were changed after unchanged_since: left alone */
	size_t modified_count;
	struct mailbox_change
		*changed; /* what they are now, with MODSEQ; also those that did not change when
	                                 * wants_all */
	size_t changed_count;
	bool wants_all,
		wants_none; /* wants_none: do not gather `changed` (.SILENT without CONDSTORE) */
	uint64_t modseq;    /* the last one; 0 nothing changed */
};
/** 10,000 messages take less than 100 ms. ERR_LIMIT: too many keywords. */
FIBER int mailbox_store_flags(struct store *s, struct mailbox_store *op, struct err *e);
/** Set (add) or clear flags of the UIDs; *modseq_r is the new MODSEQ. In slices. */
FIBER int mailbox_flags(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	unsigned add, unsigned remove, uint64_t *modseq_r, struct err *e);

struct mailbox_expunge_op {
	uint64_t mailbox_id;
	const struct uid_range *ranges; /* NULL: all */
	size_t range_count;
	bool is_deleted_only;   /* only what is marked \Deleted */
	uint64_t keep_until_ns; /* wall: how long they can be brought back; 0 not at all */
	/* results */
	uint64_t expunged, modseq;
};
FIBER int mailbox_expunge_ranges(struct store *s, struct mailbox_expunge_op *op, struct err *e);
/** Expunge the UIDs (all of the mailbox when uids is NULL), tombstones written, in slices; they cannot be
 * brought back. */
FIBER int mailbox_expunge(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	uint64_t *expunged_r, struct err *e);

struct mailbox_copy {
	uint64_t from_id, to_id;
	const struct uid_range *ranges;
	size_t range_count;
	bool is_move;
	unsigned flags_dropped; /* these do not go along; keywords with MAILBOX_FLAGGED */
	/* results, in the caller's arena: pairs in the order of the source (COPYUID) */
	struct arena *arena;
	uint64_t modseq; /* of the source after a move */
	uint32_t uidvalidity;
	uint32_t *from_uids, *to_uids;
	size_t count;
};
/** All or none (RFC 9051 section 6.4.7): up to MAILBOX_COPY_AT_ONCE messages in one transaction; more are
 * taken back when one fails. ERR_FULL with 552-like scope when the quota is spent, ERR_NOT_FOUND. */
#define MAILBOX_COPY_AT_ONCE 1000
FIBER int mailbox_copy(struct store *s, struct mailbox_copy *op, struct err *e);

/* One of several operations; exactly one of these is told. */
struct mailbox_step {
	struct mailbox_store *flags;
	struct mailbox_copy *copy;
	struct mailbox_expunge_op *expunge;
};
/** All or none, in one transaction and in their order: UIDs are those before the first. `also` (NULL: nothing) runs
 * behind them in it. For some hundreds of messages: others wait for the writer meanwhile. Errors as of each. */
FIBER int mailbox_steps(struct store *s, const struct mailbox_step *steps, size_t count,
	store_fn *also, void *also_arg, struct err *e);

struct mailbox_append_item {
	struct stage *stage; /* the whole message; taken over when it returns 0 */
	unsigned flags;
	const struct span *keywords;
	size_t keyword_count;
	int64_t received_ns; /* INTERNALDATE */
	uint32_t uid;        /* result */
	uint64_t id;         /* result */
};
struct mailbox_append {
	uint64_t mailbox_id;
	struct mailbox_append_item *items;
	size_t count;
	const uint64_t
		*also_in; /* further mailboxes that each of them is in: one content, one EMAILID */
	size_t also_in_count;
	uint64_t
		replace_mailbox_id; /* REPLACE (RFC 8508): expunged in the same transaction; 0 nothing */
	uint32_t replace_uid;
	uint64_t keep_until_ns; /* as in mailbox_expunge_op */
	/* Run in the same transaction, behind the rows (items have their ids and UIDs); NULL: nothing. */
	store_fn *also;
	void *also_arg;
	/* results */
	uint32_t uidvalidity;
	uint64_t modseq;
};
/** All of them in one transaction, in all mailboxes, durable when it returns (RFC 3502). ERR_FULL: quota (the words say so), or
 * the disk; ERR_NOT_FOUND; ERR_LIMIT. */
FIBER int mailbox_append(struct store *s, struct mailbox_append *op, struct err *e);

/* ---- what was expunged ---- */

struct mailbox_gone {
	struct mailbox_msg msg;
	struct span folder; /* as it was called */
	int64_t expunged_ns;
};
struct mailbox_gone_cursor { /* zero at first */
	int64_t before_ns;
	uint64_t before_id;
};
/** Newest first, a page (256) at a time behind the cursor, which moves on; of one folder ("" all), not older
 * than since_ns. */
FIBER int mailbox_gone_list(struct store *s, struct arena *a, uint64_t account_id,
	struct span folder, int64_t since_ns, struct mailbox_gone_cursor *cursor,
	struct mailbox_gone **list_r, size_t *count_r, struct err *e);
/** Back into the mailbox it was in (made again when it is gone) or `folder`; with a new UID. ERR_NOT_FOUND,
 * ERR_FULL. */
FIBER int mailbox_undelete(struct store *s, uint64_t account_id, uint64_t message_id,
	struct span folder, struct err *e);
/** Drop what was expunged before, in slices; how many. */
FIBER int mailbox_gone_sweep(struct store *s, int64_t before_ns, uint64_t *swept_r, struct err *e);

/* ---- change feed ---- */

/* What a committed group has changed: one row a mailbox (0: the account's names, rights, subscriptions). */
struct mailbox_notice {
	uint64_t account_id, mailbox_id;
};
#define MAILBOX_NOTICES_MAX                                                                        \
	256 /* of one group; more are told as {0, 0}: anything may have changed */
typedef void mailbox_notice_fn(void *arg, const struct mailbox_notice *list, size_t count);
/** fn runs as that of store_subscribe: on the writer's thread after the commit; it must be short. */
void mailbox_subscribe_changes(struct store *s, mailbox_notice_fn *fn, void *arg);
