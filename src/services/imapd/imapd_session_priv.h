#pragma once
/* Between the files of imapd that keep a session: login, selecting, views, updates, NOTIFY. */

#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_fetch.h"

/* imapd_view.c */

/** Views of mailboxes as they are, shared: a session's first look, brought up to date by what has changed
 * since somebody looked last. The set is the caller's. */
struct imapd_views *imapd_views_new(void);
void imapd_views_free(struct imapd_views **v);
FIBER int imapd_views_open(struct imapd_views *v, struct store *s, struct arena *a,
	uint64_t mailbox_id, struct mailbox_info *info_r, struct uidset **uids_r, struct err *e);
/** Somebody's view is at `modseq` now: where that is newer than what is kept it is kept, and where it is the
 * same the kept set takes its place. */
void imapd_views_share(struct imapd_views *v, uint64_t mailbox_id, uint32_t uidvalidity,
	uint64_t modseq, struct uidset **uids);

/* Changes of all pages, by UID alone. */
struct imapd_tally {
	uint32_t *uids;
	bool *is_gone;
	size_t count, cap;
};
void imapd_tally_fini(struct imapd_tally *t);
/** Every change after the cursor, which moves on; info_r as mailbox_changes has it, in `page`, where the last
 * page's list stays too: NULL when there were several. */
FIBER int imapd_tally_read(struct imapd_tally *t, struct store *s, struct arena *page,
	uint64_t mailbox_id, struct mailbox_since *since, struct mailbox_info *info_r,
	struct mailbox_change **list_r, size_t *count_r, struct err *e);

/* What they do to a set of UIDs: ascending, in the arena. */
struct imapd_delta {
	struct uid_range *gone, *added;
	size_t gone_count, added_count;
};
/** gone are those of `uids`; added are above them and have not gone again. */
void imapd_delta(struct arena *a, const struct uidset *uids, const struct imapd_tally *t,
	struct imapd_delta *d_r);
/** The gone ones of them that are not in `uids` (VANISHED (EARLIER)), within `known` (resolved; NULL all). */
struct uid_range *imapd_tally_vanished(struct arena *a, const struct imapd_tally *t,
	const struct uidset *uids, const struct imap_set *known, size_t *count_r);

/* imapd_select.c */

/** Nothing is selected any more; nothing is told. */
void imapd_view_drop(struct imapd_conn *c);
/** "* 3 FETCH (FLAGS (…) …)" for a change of flags: UID and MODSEQ where the client has asked for such, UIDFETCH
 * under UIDONLY. `seq` is its number in the view. */
void imapd_tell_flags(struct imapd_conn *c, uint32_t seq, const struct mailbox_change *change);
/** VANISHED, with (EARLIER) or without, for ascending ranges; nothing for none. */
void imapd_tell_vanished(
	struct imapd_conn *c, bool is_earlier, const struct uid_range *list, size_t count);

/* imapd_updates.c */

/** SELECT (QRESYNC (…)): what has happened since the client looked last (RFC 7162 section 3.2.5), up to
 * info->highest_modseq. */
FIBER int imapd_resync(struct imapd_conn *c, const struct imap_select *sel,
	const struct mailbox_info *info, struct err *e);

/** The same between two commands, for a client that has asked for it (NOTIFY). */
FIBER int imapd_push(struct imapd_conn *c, struct err *e);

/* imapd_notify.c */

void imapd_notify_drop(struct imapd_conn *c);
/** What has changed in other mailboxes, where that is wanted. */
FIBER int imapd_notify_updates(struct imapd_conn *c, struct err *e);
/** Is what happens in the selected mailbox told between commands? And what of it? */
bool imapd_notify_pushes(const struct imapd_conn *c, bool *may_expunge_r, bool *has_flags_r);
/** Messages have come, and EXISTS was told. */
FIBER int imapd_notify_arrived(
	struct imapd_conn *c, const struct uid_range *added, size_t count, struct err *e);

/* imapd_login.c: struct imap_decider's members of these names. */
FIBER void imapd_connect(void *ctx, struct imap_session *s, struct imap_result *r);
FIBER void imapd_secured(void *ctx, struct imap_session *s);
uint64_t imapd_caps_off(void *ctx, const struct imap_session *s);
bool imapd_auth_offer(void *ctx, const struct imap_session *s, struct sasl_server_opts *o);
void *imapd_sasl_ctx(void *ctx);
FIBER void imapd_auth(void *ctx, struct imap_session *s, bool is_accepted, struct imap_result *r);
const char *imapd_ended(void *ctx, const struct imap_session *s);
FIBER void imapd_unauthenticate(void *ctx, struct imap_session *s);
/** Forget who it was. */
void imapd_forget(struct imapd_conn *c);
