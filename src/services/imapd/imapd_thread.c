/* THREAD and UID THREAD (RFC 5256). */

#include "proto/imap/imap_out.h"
#include "store/search.h"
#include "services/imapd/imapd_answer.h"
#include "services/imapd/imapd_keys.h"
#include "services/imapd/imapd_thread_tree.h"

#define THREAD_ANSWER_MAX (64 * 1024 * 1024)

struct threading {
	const struct imap_command *cmd;
	const struct find_scope *scope;
	const struct find_keys *keys;
	struct buf *out;
};

static int make_threads(void *arg, struct err *e)
{
	struct threading *t = arg;
	struct arena *a = arena_new();
	struct thread_item *items = ARENA_ARRAY(a, struct thread_item, t->keys->count + 1);

	for (size_t i = 0; i < t->keys->count; i++) {
		const struct find_key *k = &t->keys->list[i];

		items[i] = (struct thread_item){
			.number = t->cmd->is_uid ? k->uid : uidset_seq(t->scope->uids, k->uid),
			.sent_ns = k->sent_ns,
			.is_reply = k->is_reply,
			.subject = k->subject,
			.message_id = k->message_id,
			.refs = k->refs};
	}
	if (t->cmd->find.thread == IMAP_THREAD_REFERENCES)
		thread_references(items, t->keys->count, t->out);
	else
		thread_ordered_subject(items, t->keys->count, t->out);
	arena_free(&a);
	return buf_ok(t->out) ? 0 : err_set(e, ERR_LIMIT, "the answer is too long");
}

static FIBER int thread_found(
	struct imapd_conn *c, struct threading *t, struct find_result *found, struct err *e)
{
	struct find_keys keys = {.wants = MAILBOX_WANT_FACTS, .has_ids = true};
	int rc = find_keys_read(c, t->scope, found, &keys, e);

	t->keys = &keys;
	if (rc == 0)
		rc = search_work(imapd_opts_of(c->d)->store, make_threads, t, e);
	find_keys_fini(&keys);
	return rc;
}

FIBER int imapd_thread(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct find_scope scope = find_scope_of(c->view, &cmd->find);
	struct imap_search program = cmd->find.search;
	struct threading t = {cmd, &scope, NULL, arena_buf(c->s->cmd, THREAD_ANSWER_MAX)};
	struct find_result found = {0};
	struct err why = {0};
	int rc;

	if (find_refuse(c, cmd, r))
		return 0;
	rc = imapd_find(c, &program, &scope, &found, &why);
	if (rc == 0)
		rc = thread_found(c, &t, &found, &why);
	if (rc < 0) {
		rc = find_failed(c, cmd, r, &why);
		if (rc < 0)
			err_copy(e, &why);
	} else {
		find_note_limit(c, &found, r);
		imap_put(c->s, buf_len(t.out) ? SPAN("* THREAD ") : SPAN("* THREAD"));
		rc = imap_write(c->s, buf_span(t.out), e);
		imap_put(c->s, SPAN("\r\n"));
	}
	find_result_fini(&found);
	return rc;
}
