/* SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 3501, 4731, 5032, 5182, 6203, 7162, 8474, 8514, 9394),
 * and ESEARCH over several mailboxes (RFC 7377). */

#include "store/mailbox.h"
#include "services/imapd/imapd_answer.h"
#include "services/imapd/imapd_sources.h"

FIBER int imapd_search(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct find_scope scope = find_scope_of(c->view, &cmd->find);
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
	struct find_scope scope = {.mailbox_id = ref->info.id,
		.owner_id = ref->info.account_id,
		.wants_scores = find_wants_scores(&cmd->find)};
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
	struct find_scope scope = find_scope_of(c->view, &cmd->find);
	struct mailbox_ref ref = {.seen_name = c->view->seen_name};

	ref.info.uidvalidity = c->view->uidvalidity;
	return search_one(c, cmd, &ref, &scope, e);
}

static bool names_selected(const struct imap_find *f)
{
	for (size_t i = 0; i < f->source_count; i++)
		if (f->sources[i].kind == IMAP_SOURCE_SELECTED)
			return true;
	return false;
}

static FIBER int search_several(struct imapd_conn *c, const struct imap_command *cmd, struct err *e)
{
	bool is_selected_told = !c->view || !names_selected(&cmd->find);
	struct mailbox_ref *list;
	size_t count;

	if (imapd_sources(c, cmd->find.sources, cmd->find.source_count, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		bool is_selected = c->view && c->view->mailbox_id == list[i].info.id;
		int rc = 0;

		/* it counts for nothing without the right to read (RFC 7377 section 2.2) */
		if (!(list[i].rights & MAILBOX_RIGHT_READ))
			continue;
		is_selected_told = is_selected_told || is_selected;
		rc = is_selected ? search_selected(c, cmd, e)
				 : open_and_search(c, cmd, &list[i], e);
		if (rc < 0 || imap_progress(c->s, i, count, e) < 0)
			return -1;
	}
	return is_selected_told ? 0 : search_selected(c, cmd, e);
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
