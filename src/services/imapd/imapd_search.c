/* SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 3501, 4731, 5032, 5182, 6203, 7162, 8474, 8514, 9394),
 * and ESEARCH over several mailboxes (RFC 7377). */

#include "store/mailbox.h"
#include "services/imapd/imapd_answer.h"

FIBER int imapd_search(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct find_scope scope = find_scope_of(c->view);
	struct imap_search program = cmd->find.search;
	struct find_answer_opts o = {.cmd = cmd,
		.scope = &scope,
		.word = "SEARCH",
		.is_uid = cmd->is_uid,
		.has_modseq = program.has_modseq};
	struct find_result found = {0};
	struct err why = {0};
	int rc;

	if (find_refuse(c, cmd, r))
		return 0;
	/* RFC 9051 appendix E: there SEARCH is answered by ESEARCH */
	o.is_esearch = cmd->find.returns.is_given || imap_is_enabled(c->s, IMAP_BIT(IMAP4REV2));
	if (imapd_find(c, &program, &scope, &found, &why) == 0) {
		find_note_limit(c, &found, r);
		rc = find_tell(c, &o, found.hits, found.count, e);
	} else {
		rc = find_failed(c, cmd, r, &why);
		if (rc < 0)
			err_copy(e, &why);
	}
	find_result_fini(&found);
	return rc;
}

/* ---- several mailboxes ---- */

#define INBOX SPAN("INBOX")

static bool is_name(struct span seen, struct span wanted)
{
	return span_eq(seen, wanted) ||
		(span_eq_nocase(seen, INBOX) && span_eq_nocase(wanted, INBOX));
}

static bool is_below(struct span seen, struct span top, bool is_one_level)
{
	struct span rest;

	if (!top.len)
		return !is_one_level || span_find(seen, '/') < 0;
	if (seen.len <= top.len || seen.ptr[top.len] != '/' ||
		!is_name(span_sub(seen, 0, top.len), top))
		return false;
	rest = span_skip(seen, top.len + 1);
	return !is_one_level || span_find(rest, '/') < 0;
}

static bool is_subscribed(struct span seen, const struct span *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_name(seen, names[i]))
			return true;
	return false;
}

struct subscribed {
	struct span *names;
	size_t count;
};

static bool is_in_source(const struct imapd_conn *c, const struct imap_source *x,
	const struct mailbox_ref *ref, const struct subscribed *subscribed)
{
	switch (x->kind) {
	case IMAP_SOURCE_SELECTED:
	case IMAP_SOURCE_SELECTED_DELAYED: return c->view && c->view->mailbox_id == ref->info.id;
	case IMAP_SOURCE_INBOXES: return ref->is_own && span_eq_nocase(ref->info.name, INBOX);
	case IMAP_SOURCE_PERSONAL: return ref->is_own;
	case IMAP_SOURCE_SUBSCRIBED:
		return is_subscribed(ref->seen_name, subscribed->names, subscribed->count);
	default: break;
	}
	for (size_t i = 0; i < x->count; i++) {
		if (!x->names[i].ptr)
			continue;
		if (is_name(ref->seen_name, x->names[i]))
			return true;
		if (x->kind != IMAP_SOURCE_MAILBOXES &&
			is_below(ref->seen_name, x->names[i], x->kind == IMAP_SOURCE_SUBTREE_ONE))
			return true;
	}
	return false;
}

static bool is_wanted(const struct imapd_conn *c, const struct imap_find *f,
	const struct mailbox_ref *ref, const struct subscribed *subscribed)
{
	if (!(ref->rights & MAILBOX_RIGHT_READ))
		return false;
	for (size_t i = 0; i < f->source_count; i++)
		if (is_in_source(c, &f->sources[i], ref, subscribed))
			return true;
	return false;
}

/* One mailbox of several: told only when something is found there (RFC 7377 section 2.1). */
static FIBER int search_one(struct imapd_conn *c, const struct imap_command *cmd,
	const struct mailbox_ref *ref, struct find_scope *scope, struct err *e)
{
	struct imap_search program = cmd->find.search;
	struct find_result found = {0};
	struct find_answer_opts o = {.cmd = cmd,
		.scope = scope,
		.word = "SEARCH",
		.is_uid = true,
		.is_esearch = true,
		.has_modseq = program.has_modseq,
		.mailbox = ref->seen_name,
		.uid_validity = ref->info.uidvalidity};
	int rc = imapd_find(c, &program, scope, &found, e);

	if (rc == 0 && found.count)
		rc = find_tell(c, &o, found.hits, found.count, e);
	find_result_fini(&found);
	return rc;
}

static FIBER int open_and_search(struct imapd_conn *c, const struct imap_command *cmd,
	struct mailbox_ref *ref, struct err *e)
{
	struct arena *a = arena_new();
	struct find_scope scope = {.mailbox_id = ref->info.id, .owner_id = ref->info.account_id};
	struct mailbox_info info;
	struct err why = {0};
	int rc = mailbox_open(
		imapd_opts_of(c->d)->store, a, ref->info.id, &info, &scope.uids, &why);

	if (rc == 0) {
		ref->info.uidvalidity = info.uidvalidity;
		rc = search_one(c, cmd, ref, &scope, e);
		uidset_unref(&scope.uids);
	} else {
		/* gone since it was listed */
		rc = why.code == ERR_NOT_FOUND ? 0 : err_copy(e, &why);
	}
	arena_free(&a);
	return rc;
}

/* Of the selected mailbox the view counts: what "$" and the client's numbers mean. */
static FIBER int search_selected(
	struct imapd_conn *c, const struct imap_command *cmd, struct err *e)
{
	struct find_scope scope = find_scope_of(c->view);
	struct mailbox_ref ref = {.seen_name = c->view->seen_name};

	ref.info.uidvalidity = c->view->uidvalidity;
	return search_one(c, cmd, &ref, &scope, e);
}

static FIBER int search_several(struct imapd_conn *c, const struct imap_command *cmd, struct err *e)
{
	struct store *store = imapd_opts_of(c->d)->store;
	struct arena *a = c->s->cmd;
	struct subscribed subscribed = {0};
	struct mailbox_ref *list;
	size_t count;

	if (mailbox_visible(store, a, c->account_id, &list, &count, e) < 0 ||
		mailbox_subscriptions(
			store, a, c->account_id, &subscribed.names, &subscribed.count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		int rc = 0;

		if (!is_wanted(c, &cmd->find, &list[i], &subscribed))
			continue;
		if (c->view && c->view->mailbox_id == list[i].info.id)
			rc = search_selected(c, cmd, e);
		else
			rc = open_and_search(c, cmd, &list[i], e);
		if (rc < 0 || imap_progress(c->s, i, count, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_selected_only(const struct imap_find *f)
{
	for (size_t i = 0; i < f->source_count; i++)
		if (f->sources[i].kind != IMAP_SOURCE_SELECTED)
			return false;
	return true;
}

FIBER int imapd_esearch(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	bool is_selected = is_selected_only(&cmd->find);
	struct err why = {0};
	int rc;

	if (find_refuse(c, cmd, r))
		return 0;
	if (is_selected && !c->view)
		return imap_result_bad(r, NULL, "No mailbox is selected");
	/* RFC 7377 section 2.2: they mean something in one mailbox only */
	if (!is_selected &&
		(cmd->find.search.has_numbers || cmd->find.search.has_saved ||
			cmd->find.returns.what & IMAP_RETURN_SAVE))
		return imap_result_bad(
			r, NULL, "Message numbers and $ are of the selected mailbox alone");
	rc = is_selected ? search_selected(c, cmd, &why) : search_several(c, cmd, &why);
	if (rc < 0)
		rc = find_failed(c, cmd, r, &why);
	return rc < 0 ? err_copy(e, &why) : rc;
}
