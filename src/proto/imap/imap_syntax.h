#pragma once
/* The grammar of IMAP: one whole command (its line and, in their places, the literals of its arguments)
 * becomes a struct imap_command. IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and the extensions named at
 * each row of the table. Pure: no I/O, no logging, never yields. Spans point into the input or into the
 * arena; both must outlive the command. Errors: see imap_refusal_put.
 *
 *	struct imap_head h;
 *	if (imap_head_parse(line, &h, &e) < 0) ...          the tag and the verb of a first line
 *	while (imap_literal_at_end(line, &lit)) ...         collect the literal and the next line
 *	if (imap_command_parse(a, command, &dialect, &c, &e) < 0)
 *		imap_refusal_put(out, h.tag, &e);
 *
 * APPEND and REPLACE are not collected: imap_append_* reads them segment by segment. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/imap/imap_limits.h"
#include "proto/imap/imap_name_syntax.h"
#include "proto/imap/imap_set_syntax.h"

/* ---- the table of commands ---- */

enum imap_phase { /* bits: where a command is valid (RFC 9051 section 3) */
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGGED_IN = IMAP_AUTHENTICATED | IMAP_SELECTED,
	IMAP_ANY = 7
};

enum imap_uid_form { IMAP_UID_NO, IMAP_UID_TOO };

/* id, wire name, phases, has a UID form, capability that brings it ("": the base protocol) */
#define IMAP_VERBS(X)                                                                              \
	X(CAPABILITY, "CAPABILITY", IMAP_ANY, IMAP_UID_NO, "")                                     \
	X(NOOP, "NOOP", IMAP_ANY, IMAP_UID_NO, "")                                                 \
	X(LOGOUT, "LOGOUT", IMAP_ANY, IMAP_UID_NO, "")                                             \
	X(ID, "ID", IMAP_ANY, IMAP_UID_NO, "ID")                                                   \
	X(STARTTLS, "STARTTLS", IMAP_NOT_AUTHENTICATED, IMAP_UID_NO, "STARTTLS")                   \
	X(AUTHENTICATE, "AUTHENTICATE", IMAP_NOT_AUTHENTICATED, IMAP_UID_NO, "")                   \
	X(LOGIN, "LOGIN", IMAP_NOT_AUTHENTICATED, IMAP_UID_NO, "")                                 \
	X(UNAUTHENTICATE, "UNAUTHENTICATE", IMAP_LOGGED_IN, IMAP_UID_NO, "UNAUTHENTICATE")         \
	X(ENABLE, "ENABLE", IMAP_LOGGED_IN, IMAP_UID_NO, "ENABLE")                                 \
	X(COMPRESS, "COMPRESS", IMAP_LOGGED_IN, IMAP_UID_NO, "COMPRESS=DEFLATE")                   \
	X(IDLE, "IDLE", IMAP_LOGGED_IN, IMAP_UID_NO, "IDLE")                                       \
	X(NOTIFY, "NOTIFY", IMAP_LOGGED_IN, IMAP_UID_NO, "NOTIFY")                                 \
	X(SELECT, "SELECT", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(EXAMINE, "EXAMINE", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                     \
	X(CREATE, "CREATE", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(DELETE, "DELETE", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(RENAME, "RENAME", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(SUBSCRIBE, "SUBSCRIBE", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                 \
	X(UNSUBSCRIBE, "UNSUBSCRIBE", IMAP_LOGGED_IN, IMAP_UID_NO, "")                             \
	X(LIST, "LIST", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                           \
	X(LSUB, "LSUB", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                           \
	X(NAMESPACE, "NAMESPACE", IMAP_LOGGED_IN, IMAP_UID_NO, "NAMESPACE")                        \
	X(GETJMAPACCESS, "GETJMAPACCESS", IMAP_LOGGED_IN, IMAP_UID_NO, "JMAPACCESS")               \
	X(STATUS, "STATUS", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(APPEND, "APPEND", IMAP_LOGGED_IN, IMAP_UID_NO, "")                                       \
	X(SETACL, "SETACL", IMAP_LOGGED_IN, IMAP_UID_NO, "ACL")                                    \
	X(DELETEACL, "DELETEACL", IMAP_LOGGED_IN, IMAP_UID_NO, "ACL")                              \
	X(GETACL, "GETACL", IMAP_LOGGED_IN, IMAP_UID_NO, "ACL")                                    \
	X(LISTRIGHTS, "LISTRIGHTS", IMAP_LOGGED_IN, IMAP_UID_NO, "ACL")                            \
	X(MYRIGHTS, "MYRIGHTS", IMAP_LOGGED_IN, IMAP_UID_NO, "ACL")                                \
	X(GETQUOTA, "GETQUOTA", IMAP_LOGGED_IN, IMAP_UID_NO, "QUOTA")                              \
	X(GETQUOTAROOT, "GETQUOTAROOT", IMAP_LOGGED_IN, IMAP_UID_NO, "QUOTA")                      \
	X(SETQUOTA, "SETQUOTA", IMAP_LOGGED_IN, IMAP_UID_NO, "QUOTA")                              \
	X(GETMETADATA, "GETMETADATA", IMAP_LOGGED_IN, IMAP_UID_NO, "METADATA")                     \
	X(SETMETADATA, "SETMETADATA", IMAP_LOGGED_IN, IMAP_UID_NO, "METADATA")                     \
	X(ESEARCH, "ESEARCH", IMAP_LOGGED_IN, IMAP_UID_NO, "MULTISEARCH")                          \
	X(CLOSE, "CLOSE", IMAP_SELECTED, IMAP_UID_NO, "")                                          \
	X(UNSELECT, "UNSELECT", IMAP_SELECTED, IMAP_UID_NO, "UNSELECT")                            \
	X(CHECK, "CHECK", IMAP_SELECTED, IMAP_UID_NO, "")                                          \
	X(EXPUNGE, "EXPUNGE", IMAP_SELECTED, IMAP_UID_TOO, "")                                     \
	X(SEARCH, "SEARCH", IMAP_SELECTED, IMAP_UID_TOO, "")                                       \
	X(SORT, "SORT", IMAP_SELECTED, IMAP_UID_TOO, "SORT")                                       \
	X(THREAD, "THREAD", IMAP_SELECTED, IMAP_UID_TOO, "THREAD=REFERENCES")                      \
	X(FETCH, "FETCH", IMAP_SELECTED, IMAP_UID_TOO, "")                                         \
	X(STORE, "STORE", IMAP_SELECTED, IMAP_UID_TOO, "")                                         \
	X(COPY, "COPY", IMAP_SELECTED, IMAP_UID_TOO, "")                                           \
	X(MOVE, "MOVE", IMAP_SELECTED, IMAP_UID_TOO, "MOVE")                                       \
	X(REPLACE, "REPLACE", IMAP_SELECTED, IMAP_UID_TOO, "REPLACE")

enum imap_verb {
#define X(id, name, phases, uid, capability) IMAP_##id,
	IMAP_VERBS(X)
#undef X
		IMAP_VERB_UNKNOWN,
	IMAP_VERB_COUNT = IMAP_VERB_UNKNOWN
};

struct imap_verb_row {
	const char *name;
	unsigned phases; /* enum imap_phase bits */
	bool has_uid_form;
	const char *capability; /* "": none needed */
};
/** NULL for IMAP_VERB_UNKNOWN. */
const struct imap_verb_row *imap_verb_row(enum imap_verb v);
/** "FETCH"; "?" for the unknown. */
const char *imap_verb_str(enum imap_verb v);

/* ---- lines and literals ---- */

struct imap_literal {
	uint64_t size;  /* UINT64_MAX: more than 64 bits hold */
	bool is_sync;   /* the client waits for "+" (no "+" in the header, RFC 7888) */
	bool is_binary; /* "~{": literal8 (RFC 9051 section 4.3, RFC 3516) */
	size_t at;      /* where the header begins in the line */
};
/** Does the line (without its line end) end in a literal's header? Then `size` octets and another
 * line follow. */
bool imap_literal_at_end(struct span line, struct imap_literal *lit_r);

struct imap_head {
	struct span tag; /* "" when there is no valid one: reply with "*" */
	enum imap_verb verb;
	bool is_uid;
	struct span word; /* the verb as sent */
	size_t args_at;   /* where the arguments begin (the blank before them) */
};
/** Tag and verb of a command's first line. ERR_SYNTAX (no tag, no verb; tag_r is right when there is
 * one). An unknown verb is IMAP_VERB_UNKNOWN, not an error; so is "UID NOOP". */
int imap_head_parse(struct span line, struct imap_head *head_r, struct err *e);

/** How names and strings are read. */
struct imap_dialect {
	bool is_utf8; /* UTF8=ACCEPT or IMAP4rev2 is enabled: names are UTF-8, not modified UTF-7 */
	/* UTF8=ACCEPT is enabled: a SEARCH that names a charset is refused (RFC 6855 section 3) */
	bool is_utf8_accepted;
};

/* ---- the parts that several commands have ---- */

enum imap_system_flag { /* bits */
	IMAP_FLAG_ANSWERED = 1,
	IMAP_FLAG_FLAGGED = 2,
	IMAP_FLAG_DELETED = 4,
	IMAP_FLAG_SEEN = 8,
	IMAP_FLAG_DRAFT = 16,
	IMAP_FLAG_RECENT = 32 /* told, never set (RFC 3501 section 2.3.2) */
};
struct imap_flags {
	unsigned system;
	struct span *keywords; /* as sent, each once (compared without case) */
	size_t count;
};

struct imap_date_time {
	int64_t unix_sec;
	int zone_minutes;
};

/* A window of results (RFC 9394). "1:100" or "-1:-100". */
struct imap_partial {
	bool is_from_end;
	uint32_t low, high; /* low <= high, counted from 1 */
};

enum imap_status_item { /* bits */
	IMAP_STATUS_MESSAGES = 1,
	IMAP_STATUS_UIDNEXT = 2,
	IMAP_STATUS_UIDVALIDITY = 4,
	IMAP_STATUS_UNSEEN = 8,
	IMAP_STATUS_RECENT = 16,
	IMAP_STATUS_DELETED = 32,
	IMAP_STATUS_SIZE = 64,             /* RFC 8438, RFC 9051 */
	IMAP_STATUS_HIGHESTMODSEQ = 128,   /* RFC 7162 */
	IMAP_STATUS_APPENDLIMIT = 256,     /* RFC 7889 */
	IMAP_STATUS_MAILBOXID = 512,       /* RFC 8474 */
	IMAP_STATUS_DELETED_STORAGE = 1024 /* RFC 9208 */
};

/** "MESSAGES", of one bit. */
const char *imap_status_item_str(unsigned bit);

/* Which mailboxes (RFC 5465 section 6, RFC 7377 section 2.2). */
enum imap_source_kind {
	IMAP_SOURCE_SELECTED,
	IMAP_SOURCE_SELECTED_DELAYED, /* NOTIFY only */
	IMAP_SOURCE_INBOXES,
	IMAP_SOURCE_PERSONAL,
	IMAP_SOURCE_SUBSCRIBED,
	IMAP_SOURCE_SUBTREE,
	IMAP_SOURCE_SUBTREE_ONE, /* ESEARCH only */
	IMAP_SOURCE_MAILBOXES
};
struct imap_source {
	enum imap_source_kind kind;
	struct span
		*names; /* SUBTREE, SUBTREE_ONE, MAILBOXES: inside names; ptr NULL: not a name */
	size_t count;
};

/* ---- FETCH ---- */

enum imap_section_kind {
	IMAP_SECTION_ALL, /* BODY[], BODY[1.2] */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_HEADER_FIELDS,
	IMAP_SECTION_HEADER_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME
};
struct imap_section {
	enum imap_section_kind kind;
	uint32_t *numbers; /* 1.2.3 */
	size_t depth;
	struct span *fields; /* names as sent */
	size_t field_count;
};

enum imap_fetch_kind {
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_RFC822,        /* answered as RFC822, otherwise BODY[] */
	IMAP_FETCH_RFC822_HEADER, /* sets no \Seen */
	IMAP_FETCH_RFC822_TEXT,
	IMAP_FETCH_RFC822_SIZE,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY, /* BODYSTRUCTURE without extension data */
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION,     /* BODY[…], BODY.PEEK[…] */
	IMAP_FETCH_BINARY,      /* BINARY[…], BINARY.PEEK[…] (RFC 3516) */
	IMAP_FETCH_BINARY_SIZE, /* BINARY.SIZE[…] */
	IMAP_FETCH_UID,
	IMAP_FETCH_MODSEQ,   /* RFC 7162 */
	IMAP_FETCH_PREVIEW,  /* RFC 8970 */
	IMAP_FETCH_SAVEDATE, /* RFC 8514 */
	IMAP_FETCH_EMAILID,  /* RFC 8474 */
	IMAP_FETCH_THREADID,
	IMAP_FETCH_KIND_COUNT
};
struct imap_fetch_item {
	enum imap_fetch_kind kind;
	bool is_peek;                /* sets no \Seen */
	bool is_lazy;                /* PREVIEW (LAZY) */
	struct imap_section section; /* SECTION, BINARY, BINARY_SIZE */
	bool has_partial;            /* <offset.length> */
	uint64_t offset, length;     /* length > 0 */
};
struct imap_fetch_items {
	struct imap_fetch_item *items; /* macros (ALL, FAST, FULL) spelt out; each once */
	size_t count;
};
struct imap_fetch {
	struct imap_set set;
	struct imap_fetch_items what;
	bool has_changed_since, is_vanished, has_partial;
	uint64_t changed_since; /* MODSEQ (RFC 7162 section 3.1.4.1) */
	struct imap_partial partial;
};

/* ---- STORE ---- */

enum imap_store_how { IMAP_STORE_SET, IMAP_STORE_ADD, IMAP_STORE_REMOVE };
struct imap_store {
	struct imap_set set;
	enum imap_store_how how;
	bool is_silent, has_unchanged_since;
	uint64_t unchanged_since; /* RFC 7162 section 3.1.3; may be 0 */
	struct imap_flags flags;
};

/* ---- SEARCH, SORT, THREAD ---- */

enum imap_op {
	IMAP_OP_ALL,
	IMAP_OP_AND, /* of its children; none: everything */
	IMAP_OP_OR,  /* two children */
	IMAP_OP_NOT, /* one child */
	/* SEEN … are FLAG; UNSEEN … are NOT FLAG; NEW is AND(RECENT, NOT SEEN); OLD is NOT RECENT */
	IMAP_OP_FLAG,    /* flag: one bit, RECENT too */
	IMAP_OP_KEYWORD, /* text */
	IMAP_OP_SET,     /* set: sequence numbers; is_saved: "$" */
	IMAP_OP_UID,     /* set: UIDs */
	IMAP_OP_HEADER,  /* field, text: FROM, TO, CC, BCC, SUBJECT too; text "": has the field */
	IMAP_OP_BODY,    /* text */
	IMAP_OP_TEXT,    /* text */
	IMAP_OP_LARGER,  /* number */
	IMAP_OP_SMALLER,
	IMAP_OP_BEFORE, /* day: INTERNALDATE, its own zone disregarded */
	IMAP_OP_ON,
	IMAP_OP_SINCE,
	IMAP_OP_SENT_BEFORE, /* day: the Date field */
	IMAP_OP_SENT_ON,
	IMAP_OP_SENT_SINCE,
	IMAP_OP_SAVED_BEFORE, /* day: RFC 8514 */
	IMAP_OP_SAVED_ON,
	IMAP_OP_SAVED_SINCE,
	IMAP_OP_SAVEDATE_SUPPORTED,
	IMAP_OP_OLDER, /* number: seconds (RFC 5032) */
	IMAP_OP_YOUNGER,
	IMAP_OP_MODSEQ,   /* number: at least (RFC 7162 section 3.1.5) */
	IMAP_OP_EMAILID,  /* text (RFC 8474) */
	IMAP_OP_THREADID, /* text */
	IMAP_OP_COUNT
};
struct imap_key {
	enum imap_op op;
	bool is_fuzzy;          /* FUZZY stood before it or around it (RFC 6203) */
	struct imap_key *child; /* AND, OR, NOT: the first of them */
	struct imap_key *next;  /* the next child of the same parent */
	unsigned flag;          /* enum imap_system_flag */
	struct span field;      /* header field's name, as sent */
	struct span text;       /* UTF-8, unless the program's is_foreign */
	uint64_t number;
	int64_t day; /* days since 1970-01-01 */
	struct imap_set set;
};
struct imap_search {
	struct imap_key *root; /* never NULL */
	size_t keys;           /* how many keys it has */
	struct span charset;   /* as sent; "" : none told */
	bool is_foreign;       /* the texts are in `charset` yet: imap_search_to_utf8 */
	bool has_modseq;       /* a MODSEQ key: the answer carries MODSEQ, CONDSTORE is enabled */
	bool has_numbers;      /* a sequence number set (not UID, not "$") is among the keys */
	bool has_saved;        /* "$" is among them */
	bool has_fuzzy;
};
/** The texts become UTF-8 (through iconv, which may read its tables: not on a loop's thread).
 * ERR_UNSUPPORTED: the charset is not known: NO [BADCHARSET]. */
int imap_search_to_utf8(struct arena *a, struct imap_search *s, struct err *e);

enum imap_return { /* bits (RFC 4731, 5182, 9394, 5267) */
	IMAP_RETURN_MIN = 1,
	IMAP_RETURN_MAX = 2,
	IMAP_RETURN_ALL = 4,
	IMAP_RETURN_COUNT = 8,
	IMAP_RETURN_SAVE = 16,
	IMAP_RETURN_PARTIAL = 32,
	IMAP_RETURN_RELEVANCY = 64 /* RFC 6203 section 4 */
};
struct imap_return_options {
	bool is_given; /* RETURN (…) stood there: the answer is ESEARCH */
	unsigned what; /* RETURN () is ALL (RFC 4731 section 3.1) */
	struct imap_partial partial;
};

enum imap_sort_key {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_CC,
	IMAP_SORT_DATE,
	IMAP_SORT_FROM,
	IMAP_SORT_SIZE,
	IMAP_SORT_SUBJECT,
	IMAP_SORT_TO,
	IMAP_SORT_DISPLAYFROM, /* RFC 5957 */
	IMAP_SORT_DISPLAYTO,
	IMAP_SORT_RELEVANCY /* RFC 6203 section 5 */
};
struct imap_sort_by {
	enum imap_sort_key key;
	bool is_reverse;
};

enum imap_thread_how { IMAP_THREAD_ORDEREDSUBJECT, IMAP_THREAD_REFERENCES };

/* SEARCH, UID SEARCH, SORT, THREAD, ESEARCH: one struct, what does not apply is zero. */
struct imap_find {
	struct imap_return_options returns;
	struct imap_search search;
	struct imap_sort_by *sort; /* SORT */
	size_t sort_count;
	enum imap_thread_how thread; /* THREAD */
	struct imap_source *sources; /* ESEARCH IN (…); count 0: the selected mailbox */
	size_t source_count;
};

/* ---- mailboxes ---- */

enum imap_special_use { /* bits (RFC 6154) */
	IMAP_USE_ALL = 1,
	IMAP_USE_ARCHIVE = 2,
	IMAP_USE_DRAFTS = 4,
	IMAP_USE_FLAGGED = 8,
	IMAP_USE_JUNK = 16,
	IMAP_USE_SENT = 32,
	IMAP_USE_TRASH = 64,
	IMAP_USE_IMPORTANT = 128 /* RFC 8457 */
};
/** "\Sent" of one bit. */
const char *imap_special_use_str(unsigned bit);
/** The bit of "\Sent" (any case), 0: none of them. */
unsigned imap_special_use_of(struct span name);

struct imap_select {
	struct span name;
	bool is_condstore;
	bool has_qresync; /* RFC 7162 section 3.2.5 */
	uint32_t uid_validity;
	uint64_t modseq;
	bool has_known_uids;
	struct imap_set known_uids; /* resolved */
	bool has_match;             /* section 3.2.5.2: the message sequence match data */
	struct imap_set match_numbers, match_uids;
};

struct imap_create {
	struct span name;            /* without a trailing separator */
	bool has_trailing_separator; /* the client will make children (RFC 9051 section 6.3.4) */
	unsigned use;                /* enum imap_special_use bits */
	bool has_unknown_use;        /* NO [USEATTR] (RFC 6154 section 3) */
};

enum imap_list_select { /* bits (RFC 5258) */
	IMAP_LIST_SUBSCRIBED = 1,
	IMAP_LIST_REMOTE = 2,
	IMAP_LIST_RECURSIVEMATCH = 4,
	IMAP_LIST_SPECIAL_USE = 8
};
enum imap_list_return { /* bits */
	IMAP_LIST_RETURN_SUBSCRIBED = 1,
	IMAP_LIST_RETURN_CHILDREN = 2,
	IMAP_LIST_RETURN_SPECIAL_USE = 4,
	IMAP_LIST_RETURN_STATUS = 8,
	IMAP_LIST_RETURN_MYRIGHTS = 16, /* RFC 8440 */
	IMAP_LIST_RETURN_METADATA = 32  /* RFC 9590 */
};
struct imap_list {
	struct span reference; /* inside name, as far as it goes */
	struct span *
		patterns; /* reference and pattern joined, inside names; ptr NULL: matches nothing */
	size_t count;
	size_t octets;      /* of all patterns */
	bool is_root_asked; /* LIST "" "": tell the separator (RFC 9051 section 6.3.9) */
	bool is_extended;   /* had selection or return options, or several patterns */
	unsigned select, returns;
	unsigned status;      /* enum imap_status_item bits of RETURN (STATUS (…)) */
	struct span *entries; /* RETURN (METADATA (…)): lower case */
	size_t entry_count;
};

struct imap_status {
	struct span name;
	unsigned items;
};

/* ---- rights, quota, metadata ---- */

enum imap_acl_how { IMAP_ACL_SET, IMAP_ACL_ADD, IMAP_ACL_REMOVE };
struct imap_acl {
	struct span name;
	struct span identifier; /* UTF-8, as sent; with its '-' where there is one */
	enum imap_acl_how how;
	struct span rights; /* letters and digits as sent, each once (RFC 4314 section 2) */
};

struct imap_quota_limit {
	struct span resource; /* "STORAGE" */
	uint64_t limit;       /* STORAGE: in units of 1024 octets (RFC 9208 section 5) */
};
struct imap_quota {
	struct span root;
	struct imap_quota_limit *limits;
	size_t count;
};

struct imap_entry {
	struct span name;  /* lower case, "/private/comment" */
	bool is_nil;       /* SETMETADATA: remove it */
	struct span value; /* octets */
};
struct imap_metadata {
	struct span name; /* "": the server's (RFC 5464) */
	struct imap_entry *entries;
	size_t count;
	bool has_max_size;
	uint64_t max_size;
	int depth; /* 0, 1, -1: infinity */
};

/* ---- NOTIFY (RFC 5465) ---- */

enum imap_event { /* bits */
	IMAP_EVENT_MESSAGE_NEW = 1,
	IMAP_EVENT_MESSAGE_EXPUNGE = 2,
	IMAP_EVENT_FLAG_CHANGE = 4,
	IMAP_EVENT_ANNOTATION_CHANGE = 8,
	IMAP_EVENT_MAILBOX_NAME = 16,
	IMAP_EVENT_SUBSCRIPTION_CHANGE = 32,
	IMAP_EVENT_MAILBOX_METADATA_CHANGE = 64,
	IMAP_EVENT_SERVER_METADATA_CHANGE = 128
};
struct imap_notify_group {
	struct imap_source source;
	unsigned events;        /* 0: NONE */
	bool has_unknown_event; /* NO [BADEVENT (…)] */
	bool has_items;         /* MessageNew (…): fetched for new messages */
	struct imap_fetch_items items;
};
struct imap_notify {
	bool is_none;    /* NOTIFY NONE */
	bool has_status; /* SET STATUS */
	struct imap_notify_group *groups;
	size_t count;
};

/* ---- a command ---- */

struct imap_pair {
	struct span field, value; /* ID; value ptr NULL: NIL */
};

struct imap_command {
	struct span tag;
	enum imap_verb verb;
	bool is_uid;
	struct span word; /* the verb as sent */
	/* by verb; what a verb has not is zero */
	/* mailbox: DELETE SUBSCRIBE UNSUBSCRIBE RENAME (the old one) COPY MOVE GETACL MYRIGHTS
	 * GETQUOTAROOT; inside name, ptr NULL when what was sent is no name (nothing can have it) */
	struct span name;
	struct span name2; /* RENAME: the new one */
	struct span word1; /* AUTHENTICATE, COMPRESS: the mechanism */
	struct span user;  /* LOGIN */
	struct span
		secret; /* LOGIN: the password; AUTHENTICATE: the initial response as sent ("=" is
	                     * empty), ptr NULL: none. Borrowed: whoever owns the input wipes it */
	struct span *words; /* ENABLE */
	size_t word_count;
	struct imap_pair *pairs; /* ID; NIL: no pairs */
	size_t pair_count;
	struct imap_set set; /* COPY MOVE; UID EXPUNGE */
	struct imap_select select;
	struct imap_create create;
	struct imap_list list; /* LIST LSUB */
	struct imap_status status;
	struct imap_fetch fetch;
	struct imap_store store;
	struct imap_find find;
	struct imap_acl acl;
	struct imap_quota quota;
	struct imap_metadata metadata;
	struct imap_notify notify;
};

/** Parse one whole command: the line, where it ends in a literal's header CRLF, its octets and what
 * follows; without the last CRLF. The tag, verb and word are filled on errors too. ERR_SYNTAX (also an
 * unknown verb), ERR_LIMIT: imap_refusal_put. Of APPEND and REPLACE only tag and verb are looked at. */
int imap_command_parse(struct arena *a, struct span command, const struct imap_dialect *d,
	struct imap_command *cmd_r, struct err *e);

/** "tag BAD text" with CRLF for what a parser of this room said (ERR_SYNTAX); ERR_LIMIT: NO [LIMIT];
 * ERR_UNSUPPORTED: NO [BADCHARSET (UTF-8)]. tag "": "*". */
void imap_refusal_put(struct buf *b, struct span tag, const struct err *e);

/* ---- APPEND and REPLACE, piece by piece ----
 * A segment is what stands between two streamed literals: the lines read, with small literals (names,
 * URLs) collected in their places, without the last CRLF. Feed the first with the whole first line
 * (tag and verb too), each later one with what follows the octets of the streamed literal. */

enum imap_append_kind {
	IMAP_APPEND_MESSAGE, /* a message begins: flags, date */
	IMAP_APPEND_URL,     /* CATENATE: a part that is here already */
	IMAP_APPEND_DATA,    /* `literal` octets follow now: always the last event of a segment */
	IMAP_APPEND_END      /* the message is whole */
};
struct imap_append_event {
	enum imap_append_kind kind;
	struct imap_flags flags;
	bool has_date;
	struct imap_date_time date;
	bool is_catenate;            /* MESSAGE: its parts follow (RFC 4469) */
	bool is_utf8;                /* DATA: in UTF8 (…) (RFC 6855 section 4) */
	struct span url;             /* URL, as sent */
	struct imap_literal literal; /* DATA */
};
enum imap_append_next {
	IMAP_APPEND_COLLECT, /* the literal at the end is a name or URL: add its octets and the line
	                      * after it to this segment, feed the whole segment again */
	IMAP_APPEND_STREAM,  /* the last event is DATA: stream it, then begin a new segment */
	IMAP_APPEND_DONE     /* the command is whole */
};
struct imap_append {
	struct span tag;
	bool is_replace, is_uid;
	struct imap_set target; /* REPLACE: one number or UID (or "*") */
	struct span name;       /* mailbox; ptr NULL: what was sent is no name */
	size_t messages;        /* begun so far */
	/* private */
	unsigned state;
	size_t parts;
	bool is_catenate, is_utf8;
};
/** Parse one segment; `ap` zeroed before the first. On STREAM and DONE `ap` has moved on; on COLLECT and
 * on errors it is unchanged but for the tag. What `ap` holds lives in `a`; events may borrow the
 * segment. */
int imap_append_feed(struct arena *a, struct imap_append *ap, struct span segment,
	const struct imap_dialect *d, struct imap_append_event **events_r, size_t *count_r,
	enum imap_append_next *next_r, struct err *e);

/* ---- small values ---- */

/** date-time without its quotes: "17-Jul-1996 02:44:25 -0700", day with a blank or zero before one
 * digit (RFC 9051 section 9). */
bool imap_date_time_parse(struct span s, struct imap_date_time *t_r);
/** date: "1-Feb-1994"; days since 1970. */
bool imap_date_parse(struct span s, int64_t *day_r);
bool imap_is_atom(struct span s);
/** A keyword a client may set: an atom within IMAP_KEYWORD_MAX. */
bool imap_is_keyword(struct span s);
