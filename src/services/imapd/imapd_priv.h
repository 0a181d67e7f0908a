#pragma once
/* Inside imapd: what a session knows, and who answers which command. A session belongs to its fiber.
 *
 * The files: imapd.c (wiring, dispatch), imapd_session*.c (login, selecting, views, updates, idling,
 * NOTIFY), imapd_view*.c (views shared through a cache), imapd_names.c and imapd_list.c (names,
 * subscriptions, STATUS), imapd_sources.c (which mailboxes ESEARCH and NOTIFY name), imapd_acl.c, imapd_quota.c, imapd_metadata.c, imapd_message*.c (STORE, COPY, MOVE, EXPUNGE, APPEND,
 * REPLACE), imapd_fetch*.c, imapd_search*.c, imapd_sort.c, imapd_thread.c.
 *
 * A command function is the `run` of struct imap_decider for its verb: it answers in `r`, may put untagged
 * responses through the session, and returns 0, or -1 with an error that the dialogue translates
 * (imap_result_from_err: ERR_NOT_FOUND is [NONEXISTENT], ERR_DENIED [NOPERM], ERR_FULL [OVERQUOTA] …). What is
 * named by a client is resolved by mailbox_resolve with the session's account, and its rights are asked
 * there, for every argument, at every command: no command trusts what an earlier one has found, but the
 * selected mailbox, whose rights are read again whenever the account's notice or the mailbox's comes. */

#include "proto/imap/imap_server.h"
#include "proto/imap/imap_syntax.h"
#include "store/mailbox.h"
#include "services/auth/auth.h"
#include "services/imapd/imapd.h"
#include "services/watch/watch.h"

/* The mailbox that is selected, as this client has been told. */
struct imapd_view {
	uint64_t mailbox_id, owner_id;
	struct span seen_name;
	unsigned rights;
	bool is_read_only; /* EXAMINE, or no right to change anything */
	uint32_t uidvalidity;
	struct uidset *uids; /* what sequence numbers mean to the client now */
	/* All changes up to here have been told, or are in `uids`: since.modseq wholly where the cursor is
	 * at the end of it. */
	struct mailbox_since since;
	uint64_t
		flags_modseq; /* flags were told up to here: less than since.modseq where NOTIFY did not
				* want them */
	uint32_t uidnext;     /* as told */
	struct uidset *saved; /* SEARCHRES "$" as UIDs; NULL empty */
	struct watcher watcher;
	struct uid_range *pending; /* expunged, and not told yet: they are in `uids` */
	size_t pending_count;
	struct imapd_own *own; /* changes of this session's that need not be told; NULL none */
	size_t own_count, own_cap;
	struct arena *arena;
	bool is_gone; /* the mailbox was deleted meanwhile, or the right to read it was taken */
};

/* UIDs that this session has changed itself, and told what they are at that MODSEQ. */
struct imapd_own {
	uint64_t modseq;
	struct uid_range uids;
};

struct imapd_conn {
	struct imapd *d; /* of this worker */
	struct imap_session *s;
	struct auth_conn auth;
	struct auth_mark mark;
	bool is_marked;     /* in the worker's book */
	const char *refuse; /* NULL: it may come in */
	const struct imapd_policy *policy;
	uint64_t account_id;  /* 0 before login */
	bool is_idling;       /* in IDLE */
	bool wants_look;      /* the next updates ask the store, notice or not */
	enum imap_verb verb;  /* of the command under way */
	uint32_t limited_uid; /* of this command fewer messages were taken: from here up; 0 all */
	struct imapd_view *view;           /* NULL: none selected */
	struct imapd_notify *notify;       /* NULL: what RFC 9051 tells by itself */
	struct imapd_appending *appending; /* imapd_message*.c: what is coming in */
};

typedef FIBER int imapd_command_fn(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e);

/* The commands that imapd answers: verb, function. A row is added by who writes the function; a capability is
 * switched on (imapd.c) when the rows that honour it are there. */
#define IMAPD_SESSION_COMMANDS(X)                                                                  \
	X(SELECT, imapd_select)                                                                    \
	X(EXAMINE, imapd_select)                                                                   \
	X(CLOSE, imapd_close)                                                                      \
	X(UNSELECT, imapd_close)                                                                   \
	X(ENABLE, imapd_enable)                                                                    \
	X(NOTIFY, imapd_notify)
#define IMAPD_LIST_COMMANDS(X)                                                                     \
	X(CREATE, imapd_create)                                                                    \
	X(DELETE, imapd_delete)                                                                    \
	X(RENAME, imapd_rename)                                                                    \
	X(SUBSCRIBE, imapd_subscribe)                                                              \
	X(UNSUBSCRIBE, imapd_unsubscribe)                                                          \
	X(LIST, imapd_list)                                                                        \
	X(LSUB, imapd_lsub)                                                                        \
	X(NAMESPACE, imapd_namespace)                                                              \
	X(GETJMAPACCESS, imapd_getjmapaccess)                                                      \
	X(STATUS, imapd_status)                                                                    \
	X(SETACL, imapd_setacl)                                                                    \
	X(DELETEACL, imapd_deleteacl)                                                              \
	X(GETACL, imapd_getacl)                                                                    \
	X(LISTRIGHTS, imapd_listrights)                                                            \
	X(MYRIGHTS, imapd_myrights)                                                                \
	X(GETQUOTA, imapd_getquota)                                                                \
	X(GETQUOTAROOT, imapd_getquotaroot)                                                        \
	X(SETQUOTA, imapd_setquota)                                                                \
	X(GETMETADATA, imapd_getmetadata)                                                          \
	X(SETMETADATA, imapd_setmetadata)
#define IMAPD_MESSAGE_COMMANDS(X)                                                                  \
	X(STORE, imapd_store_flags)                                                                \
	X(EXPUNGE, imapd_expunge)                                                                  \
	X(COPY, imapd_copy)                                                                        \
	X(MOVE, imapd_copy)
#define IMAPD_FETCH_COMMANDS(X) X(FETCH, imapd_fetch)
#define IMAPD_SEARCH_COMMANDS(X)                                                                   \
	X(SEARCH, imapd_search)                                                                    \
	X(SORT, imapd_sort)                                                                        \
	X(THREAD, imapd_thread)                                                                    \
	X(ESEARCH, imapd_esearch)
#define IMAPD_COMMANDS(X)                                                                          \
	IMAPD_SESSION_COMMANDS(X)                                                                  \
	IMAPD_LIST_COMMANDS(X)                                                                     \
	IMAPD_MESSAGE_COMMANDS(X)                                                                  \
	IMAPD_FETCH_COMMANDS(X)                                                                    \
	IMAPD_SEARCH_COMMANDS(X)
#define X(verb, fn) imapd_command_fn fn;
IMAPD_COMMANDS(X)
#undef X

/* What the rooms honour; a bit is set in the commit that honours it on every path. */
#define IMAPD_SESSION_CAPS                                                                         \
	(IMAP_BIT(IMAP4REV2) | IMAP_BIT(IMAP4REV1) | IMAP_BIT(SASL_IR) | IMAP_BIT(LITERAL_PLUS) |  \
		IMAP_BIT(LITERAL_MINUS) | IMAP_BIT(ENABLE) | IMAP_BIT(ID) | IMAP_BIT(IDLE) |       \
		IMAP_BIT(UNSELECT) | IMAP_BIT(CONDSTORE) | IMAP_BIT(QRESYNC) |                     \
		IMAP_BIT(UTF8_ACCEPT) | IMAP_BIT(UNAUTHENTICATE) | IMAP_BIT(COMPRESS_DEFLATE) |    \
		IMAP_BIT(INPROGRESS) | IMAP_BIT(UIDONLY) | IMAP_BIT(NOTIFY) |                      \
		IMAP_BIT(MESSAGELIMIT))
#define IMAPD_LIST_CAPS /* names, rights, quota, annotations */                                    \
	(IMAP_BIT(NAMESPACE) | IMAP_BIT(CHILDREN) | IMAP_BIT(LIST_EXTENDED) |                      \
		IMAP_BIT(LIST_STATUS) | IMAP_BIT(LIST_MYRIGHTS) | IMAP_BIT(LIST_METADATA) |        \
		IMAP_BIT(SPECIAL_USE) | IMAP_BIT(CREATE_SPECIAL_USE) | IMAP_BIT(STATUS_SIZE) |     \
		IMAP_BIT(QUOTA) | IMAP_BIT(QUOTA_RES_STORAGE) | IMAP_BIT(QUOTA_RES_MESSAGE) |      \
		IMAP_BIT(ACL) | IMAP_BIT(RIGHTS_TEKX) | IMAP_BIT(METADATA) |                       \
		IMAP_BIT(METADATA_SERVER) | IMAP_BIT(OBJECTID) | IMAP_BIT(JMAPACCESS))
#define IMAPD_MESSAGE_CAPS                                                                         \
	(IMAP_BIT(UIDPLUS) | IMAP_BIT(MOVE) | IMAP_BIT(MULTIAPPEND) | IMAP_BIT(APPENDLIMIT) |      \
		IMAP_BIT(CATENATE) | IMAP_BIT(REPLACE))
#define IMAPD_FETCH_CAPS (IMAP_BIT(PREVIEW) | IMAP_BIT(OBJECTID) | IMAP_BIT(BINARY))
#define IMAPD_SEARCH_CAPS                                                                          \
	(IMAP_BIT(ESEARCH) | IMAP_BIT(SEARCHRES) | IMAP_BIT(WITHIN) | IMAP_BIT(SEARCH_FUZZY) |     \
		IMAP_BIT(MULTISEARCH) | IMAP_BIT(SORT) | IMAP_BIT(SORT_DISPLAY) |                  \
		IMAP_BIT(ESORT) | IMAP_BIT(THREAD_ORDEREDSUBJECT) | IMAP_BIT(THREAD_REFERENCES) |  \
		IMAP_BIT(I18NLEVEL_1) | IMAP_BIT(PARTIAL) | IMAP_BIT(SAVEDATE))

/* APPEND and REPLACE (imapd_append*.c) are members of struct imap_decider, set in imapd.c. */

/* imapd.c */

struct imapd {
	struct imapd_opts opts;
	struct imapd_views *views; /* this worker's */
};
/** What the worker's imapd was made with: store, clock of expunged mail, log. */
const struct imapd_opts *imapd_opts_of(const struct imapd *d);
/** The store; shorter. */
static inline struct store *imapd_store(const struct imapd_conn *c)
{
	return c->d->opts.store;
}

/* imapd_session*.c */
/** The UIDs that a sequence set or UID set of a command means in the view, ascending ranges in the command's
 * arena; a sequence number beyond the view is BAD (false). With "$" the saved result. More than MESSAGELIMIT allows:
 * the newest (RFC 9738), COPY and MOVE are refused; the reply says so by itself. */
bool imapd_ranges(struct imapd_conn *c, const struct imap_set *set, bool is_uid,
	struct uid_range **ranges_r, size_t *count_r, struct imap_result *r);
/** Before each command about the selected mailbox: what may be done there is asked again when it is another's.
 * `r` becomes NO when it may not be read any more; the session ends behind that. */
FIBER int imapd_rights_again(struct imapd_conn *c, struct imap_result *r, struct err *e);
/** Tell what happened since view->since: EXISTS, FETCH with flags, and where `may_expunge` EXPUNGE or
 * VANISHED. Called by the dialogue before each tagged reply and while it idles, and by commands that must
 * (MOVE, EXPUNGE). */
FIBER int imapd_updates(struct imapd_conn *c, bool may_expunge, struct err *e);
/** CONDSTORE is on from here (RFC 7162 section 3.1), if it was not: says HIGHESTMODSEQ where a mailbox is
 * selected. For every command that speaks of MODSEQs. */
void imapd_condstore(struct imapd_conn *c);
/** These changes were this session's own and have been told, or need not be (.SILENT): do not tell them as
 * news. */
void imapd_own_changes(struct imapd_conn *c, const struct mailbox_change *list, size_t count);
/** Wall clock until which what is expunged now can be brought back; 0 not at all. */
uint64_t imapd_keep_until(const struct imapd_conn *c);
