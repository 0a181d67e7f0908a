/* SORT and UID SORT (RFC 5256, RFC 5957), with the return options of RFC 5267 and RFC 9394. */

#include <stdlib.h>

#include "base/mem.h"
#include "store/facts.h"
#include "store/search.h"
#include "services/imapd/imapd_answer.h"
#include "services/imapd/imapd_keys.h"

struct sorting {
	const struct imap_sort_by *by;
	size_t by_count;
	struct find_hit *hits;
	struct find_keys *keys; /* in the order of the hits */
	uint32_t *order;
};

static int compare_numbers(int64_t x, int64_t y)
{
	return x < y ? -1 : x > y;
}

static int compare_by(enum imap_sort_key key, const struct find_key *x, const struct find_key *y)
{
	switch (key) {
	case IMAP_SORT_ARRIVAL: return compare_numbers(x->received_ns, y->received_ns);
	case IMAP_SORT_DATE: return compare_numbers(x->sent_ns, y->sent_ns);
	case IMAP_SORT_SIZE: return compare_numbers((int64_t)x->size, (int64_t)y->size);
	case IMAP_SORT_SUBJECT: return span_cmp(x->subject, y->subject);
	case IMAP_SORT_FROM: return span_cmp(x->from, y->from);
	case IMAP_SORT_TO: return span_cmp(x->to, y->to);
	case IMAP_SORT_CC: return span_cmp(x->cc, y->cc);
	case IMAP_SORT_DISPLAYFROM: return span_cmp(x->from_name, y->from_name);
	case IMAP_SORT_DISPLAYTO: return span_cmp(x->to_name, y->to_name);
	case IMAP_SORT_RELEVANCY: break; /* the hits' */
	}
	return 0;
}

/* Equal in all: in the order of the mailbox, REVERSE or not (RFC 5256 section 3). */
static int compare(const void *a, const void *b, void *arg)
{
	const struct sorting *s = arg;
	uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;

	for (size_t n = 0; n < s->by_count; n++) {
		int order = compare_by(s->by[n].key, &s->keys->list[i], &s->keys->list[k]);

		/* RFC 6203 section 5: the most relevant first */
		if (s->by[n].key == IMAP_SORT_RELEVANCY)
			order = compare_numbers(find_score(&s->hits[k]), find_score(&s->hits[i]));
		if (order)
			return s->by[n].is_reverse ? -order : order;
	}
	return compare_numbers(s->hits[i].uid, s->hits[k].uid);
}

static int sort_all(void *arg, struct err *e)
{
	struct sorting *s = arg;
	struct find_hit *sorted = mem_alloc((s->keys->count + 1) * sizeof(*sorted));

	(void)e;
	qsort_r(s->order, s->keys->count, sizeof(*s->order), compare, s);
	for (size_t i = 0; i < s->keys->count; i++)
		sorted[i] = s->hits[s->order[i]];
	for (size_t i = 0; i < s->keys->count; i++)
		s->hits[i] = sorted[i];
	free(sorted);
	return 0;
}

static unsigned wants_of(const struct imap_find *f)
{
	for (size_t i = 0; i < f->sort_count; i++)
		if (f->sort[i].key != IMAP_SORT_ARRIVAL && f->sort[i].key != IMAP_SORT_SIZE &&
			f->sort[i].key != IMAP_SORT_RELEVANCY)
			return MAILBOX_WANT_FACTS;
	return MAILBOX_WANT_ROW;
}

/* Sort what was found. Messages that went meanwhile are left out. */
static FIBER int sort_found(struct imapd_conn *c, const struct imap_find *f,
	const struct find_scope *scope, struct find_result *found, struct err *e)
{
	struct find_keys keys = {.wants = wants_of(f)};
	struct sorting s = {
		.by = f->sort, .by_count = f->sort_count, .hits = found->hits, .keys = &keys};
	int rc = find_keys_read(c, scope, found, &keys, e);

	s.order = mem_alloc((keys.count + 1) * sizeof(*s.order));
	for (size_t i = 0; i < keys.count; i++)
		s.order[i] = (uint32_t)i;
	if (rc == 0)
		rc = search_work(imapd_opts_of(c->d)->store, sort_all, &s, e);
	free(s.order);
	find_keys_fini(&keys);
	return rc;
}

FIBER int imapd_sort(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct find_scope scope = find_scope_of(c->view, &cmd->find);
	struct imap_search program = cmd->find.search;
	struct find_answer_opts o = {.cmd = cmd,
		.scope = &scope,
		.word = "SORT",
		.is_uid = cmd->is_uid,
		.is_esearch = cmd->find.returns.is_given,
		.has_modseq = program.has_modseq,
		.is_sorted = true};
	struct find_result found = {0};
	struct err why = {0};
	int rc;

	if (find_refuse(c, cmd, r))
		return 0;
	rc = imapd_find(c, &program, &scope, &found, &why);
	if (rc == 0)
		rc = sort_found(c, &cmd->find, &scope, &found, &why);
	if (rc < 0) {
		rc = find_failed(c, cmd, r, &why);
		if (rc < 0)
			err_copy(e, &why);
	} else {
		find_note_limit(c, &found, r);
		rc = find_tell(c, &o, found.hits, found.count, e);
	}
	find_result_fini(&found);
	return rc;
}
