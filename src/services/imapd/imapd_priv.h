#pragma once
/* Inside imapd: what a session knows, and who answers which command. A session belongs to its fiber.
 *
 * The files: imapd.c (wiring, dispatch), imapd_session*.c (login, selecting, views, updates, idling,
 * NOTIFY), imapd_view*.c (views shared through a cache), imapd_list*.c (names, subscriptions, STATUS),
 * imapd_acl.c, imapd_quota.c, imapd_metadata.c, imapd_message*.c (STORE, COPY, MOVE, EXPUNGE, APPEND,
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
	struct uidset *uids;  /* what sequence numbers mean to the client now */
	uint64_t modseq;      /* all changes up to here have been told, or are in `uids` */
	uint32_t uidnext;     /* as told */
	struct uidset *saved; /* SEARCHRES "$" as UIDs; NULL empty */
	struct watcher watcher;
	struct arena *arena;
	bool is_gone; /* the mailbox was deleted meanwhile, or the right to read it was taken */
};

struct imapd_conn {
	struct imapd *d; /* of this worker */
	struct imap_session *s;
	struct auth_conn auth;
	struct auth_mark mark;
	uint64_t account_id;               /* 0 before login */
	struct imapd_view *view;           /* NULL: none selected */
	struct imapd_notify *notify;       /* NULL: what RFC 9051 tells by itself */
	struct imapd_appending *appending; /* imapd_message*.c: what is coming in */
};

typedef FIBER int imapd_command_fn(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e);

/* The commands that imapd answers: verb, function. A row is added by who writes the function; a capability is
 * switched on (imapd.c) when the rows that honour it are there. */
#define IMAPD_COMMANDS(X) X(FETCH, imapd_fetch)
#define X(verb, fn)       imapd_command_fn fn;
IMAPD_COMMANDS(X)
#undef X

/* imapd.c */
/** What the worker's imapd was made with: store, clock of expunged mail, log. */
const struct imapd_opts *imapd_opts_of(const struct imapd *d);

/* imapd_session*.c */
/** The UIDs that a sequence set or UID set of a command means in the view, ascending ranges in the command's
 * arena; a sequence number beyond the view is BAD (false). With "$" the saved result. */
bool imapd_ranges(struct imapd_conn *c, const struct imap_set *set, bool is_uid,
	struct uid_range **ranges_r, size_t *count_r, struct imap_result *r);
/** Tell what happened since view->modseq: EXISTS, FETCH with flags, and where `may_expunge` EXPUNGE or
 * VANISHED. Called by the dialogue before each tagged reply and while it idles, and by commands that must
 * (MOVE, EXPUNGE). */
FIBER int imapd_updates(struct imapd_conn *c, bool may_expunge, struct err *e);
/** These changes were this session's own and have been told, or need not be (.SILENT): do not tell them as
 * news. */
void imapd_own_changes(struct imapd_conn *c, const struct mailbox_change *list, size_t count);
/** Wall clock until which what is expunged now can be brought back; 0 not at all. */
uint64_t imapd_keep_until(const struct imapd_conn *c);
