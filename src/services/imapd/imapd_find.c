#include "services/imapd/imapd_find.h"

#include <stdlib.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "store/facts.h"
#include "store/search_text.h"
#include "services/imapd/imapd_find_priv.h"

/* One search under way. */
struct find {
	struct imapd_conn *c;
	struct store *store;
	const struct find_scope *scope;
	struct find_plan plan;
	struct find_ranges ranges;
	uint64_t done, total; /* UIDs */
	struct find_result *result;
};

bool find_wants_scores(const struct imap_find *f)
{
	for (size_t i = 0; i < f->sort_count; i++)
		if (f->sort[i].key == IMAP_SORT_RELEVANCY)
			return true;
	return f->returns.what & IMAP_RETURN_RELEVANCY;
}

struct find_scope find_scope_of(const struct imapd_view *v, const struct imap_find *f)
{
	return (struct find_scope){
		v->mailbox_id, v->owner_id, v->uids, v->saved, find_wants_scores(f)};
}

uint8_t find_score(const struct find_hit *hit)
{
	/* once 34, three times 60, ten times 83: more is better, and never all */
	return hit->matches ? (uint8_t)(1 + 99ULL * hit->matches / (hit->matches + 2ULL)) : 100;
}

void find_result_fini(struct find_result *result)
{
	free(result->hits);
	*result = (struct find_result){0};
}

static void add(struct find *f, uint32_t uid, uint64_t modseq, unsigned matches)
{
	struct find_result *r = f->result;

	if (r->count == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->hits = mem_realloc(r->hits, r->room * sizeof(*r->hits));
	}
	r->hits[r->count++] = (struct find_hit){modseq, uid, matches};
}

/* ---- asking the index ---- */

static FIBER int ask_index(struct find *f, struct err *e)
{
	for (size_t i = 0; i < f->plan.needle_count; i++) {
		struct find_needle *n = &f->plan.needles[i];
		struct err why = {0};

		if (search_find(f->store, f->scope->owner_id, &n->as_asked, NULL, &n->hits, &why) ==
			0) {
			n->is_found = true;
		} else if (why.code == ERR_CANCELLED) {
			return err_copy(e, &why);
		} else {
			/* without an index the texts are read: slower, and right */
			log_event(&f->c->s->log, LOG_WARN, "imap.search.no-index",
				LF_STR("error", why.text));
		}
		if (imap_progress(f->c->s, 0, f->total, e) < 0)
			return -1;
	}
	return 0;
}

static void forget_index(struct find *f)
{
	for (size_t i = 0; i < f->plan.needle_count; i++)
		search_hits_fini(&f->plan.needles[i].hits);
}

/* What has not been indexed yet is above the lowest marker. */
static uint64_t indexed_upto(const struct find_plan *p)
{
	uint64_t upto = UINT64_MAX;

	for (size_t i = 0; i < p->needle_count; i++)
		if (p->needles[i].is_found && p->needles[i].hits.upto < upto)
			upto = p->needles[i].hits.upto;
	return upto;
}

static FIBER int look_up(struct find *f, const struct search_set *set, struct err *e)
{
	struct search_places p = {.account_id = f->scope->owner_id,
		.mailbox_id = f->scope->mailbox_id,
		.ns = set,
		.above = indexed_upto(&f->plan),
		.max = FIND_NARROW_MAX};
	struct arena *a = f->c->s->cmd;

	if (search_places(f->store, &p, e) < 0)
		return -1;
	if (!p.is_many) {
		struct find_ranges places = {ARENA_ARRAY(a, struct uid_range, p.count + 1), 0};

		for (size_t i = 0; i < p.count; i++)
			places.list[places.count++] = (struct uid_range){p.uids[i], p.uids[i]};
		f->ranges = find_ranges_and(a, f->ranges, places);
	}
	free(p.uids);
	return 0;
}

/* When only a few messages can be meant, only those are looked at. */
static FIBER int narrow(struct find *f, struct err *e)
{
	struct search_set set = {0};
	int rc = 0;

	if (f->plan.needle_count && find_candidates(&f->plan, f->plan.root, &set))
		rc = look_up(f, &set, e);
	search_set_fini(&set);
	return rc;
}

/* ---- pages ---- */

struct page {
	struct find *f;
	struct arena *a;
	struct mailbox_msg *list;
	struct find_message *known;
	enum find_answer *answers;
	unsigned *matches;
	size_t count;
};

static FIBER int need_facts(struct page *p, bool *is_made_r, struct err *e)
{
	struct facts_want *wants = ARENA_ARRAY(p->a, struct facts_want, p->count + 1);
	const struct find_plan *plan = &p->f->plan;
	size_t n = 0;

	for (size_t i = 0; i < p->count && n < FACTS_NEED_MAX; i++) {
		const struct mailbox_msg *m = &p->list[i];

		if ((plan->wants_facts && !m->facts) || (plan->wants_thread && !m->thread_id))
			wants[n++] = (struct facts_want){m->id, m->blob_id, m->blob_len};
	}
	*is_made_r = n > 0;
	return n ? facts_need(p->f->store, wants, n, e) : 0;
}

static FIBER int read_page(struct page *p, struct mailbox_cursor *cursor, struct err *e)
{
	unsigned want = p->f->plan.wants_facts ? MAILBOX_WANT_FACTS : MAILBOX_WANT_ROW;
	struct mailbox_cursor before = *cursor;
	bool is_made;

	if (mailbox_page(p->f->store, p->a, cursor, want, &p->list, &p->count, e) < 0 ||
		need_facts(p, &is_made, e) < 0)
		return -1;
	if (!is_made)
		return 0;
	*cursor = before;
	return mailbox_page(p->f->store, p->a, cursor, want, &p->list, &p->count, e);
}

static void judge(struct page *p, size_t i)
{
	struct find_message *m = &p->known[i];

	for (size_t g = 0; g < FIND_GROUPS; g++)
		m->asked[g] = 0;
	p->answers[i] = find_judge(&p->f->plan, p->f->plan.root, m);
}

/* The needles of one group, in the order of their bits. */
static size_t group_needles(const struct find_plan *p, size_t group, struct search_needle *list)
{
	size_t n = 0;

	for (size_t i = group * SEARCH_NEEDLES_MAX; i < p->needle_count && n < SEARCH_NEEDLES_MAX;
		i++)
		list[n++] = p->needles[i].as_asked;
	return n;
}

/* What is left open: the kept texts know it. */
static FIBER int verify_group(struct page *p, size_t group, struct err *e)
{
	struct search_needle *needles = ARENA_ARRAY(p->a, struct search_needle, SEARCH_NEEDLES_MAX);
	struct search_verdict *list = ARENA_ARRAY(p->a, struct search_verdict, p->count + 1);
	struct search_look look = {.account_id = p->f->scope->owner_id,
		.needles = needles,
		.needle_count = group_needles(&p->f->plan, group, needles),
		.list = list,
		.is_counted = p->f->scope->wants_scores};
	struct err why = {0};
	size_t at = 0;

	for (size_t i = 0; i < p->count; i++)
		if (p->answers[i] == FIND_OPEN && p->known[i].asked[group])
			list[look.count++] = (struct search_verdict){
				.n = p->list[i].n, .asked = p->known[i].asked[group]};
	if (!look.count)
		return 0;
	if (search_verify(p->f->store, &look, NULL, &why) < 0)
		return why.code == ERR_CANCELLED ? err_copy(e, &why) : 0;
	for (size_t i = 0; i < p->count; i++) {
		struct find_message *m = &p->known[i];
		const struct search_verdict *v = &list[at];

		if (p->answers[i] != FIND_OPEN || !m->asked[group])
			continue;
		at++;
		m->found[group] |= v->found;
		/* what a text that was cut does not have may be in the rest */
		if (v->is_kept)
			m->told[group] |= v->is_cut ? v->found : v->asked;
		p->matches[i] += v->matches;
	}
	return 0;
}

struct reading {
	struct page *p;
	const struct mailbox_msg *m;
	struct find_message *known;
	unsigned *matches;
};

static int match_message(void *arg, struct err *e)
{
	struct reading *r = arg;
	struct search_doc doc = {.n = r->m->n};
	struct arena *a = arena_new();
	int rc = search_text_make(
		r->p->f->store, a, r->m->prefix, r->m->blob_id, r->m->blob_len, &doc, e);

	for (size_t g = 0; rc == 0 && g < FIND_GROUPS; g++) {
		struct search_needle *needles = ARENA_ARRAY(
			a, struct search_needle, SEARCH_NEEDLES_MAX);
		size_t n = group_needles(&r->p->f->plan, g, needles);
		unsigned matches = 0;

		if (n && r->known->asked[g])
			r->known->found[g] |= search_match(
				needles, n, &doc, r->p->f->scope->wants_scores ? &matches : NULL);
		*r->matches += matches;
	}
	arena_free(&a);
	return rc;
}

/* Not kept (yet), or cut: the message itself is read. One that is gone meanwhile has nothing. */
static FIBER int read_message(struct page *p, size_t i, struct err *e)
{
	struct reading r = {p, NULL, &p->known[i], &p->matches[i]};
	struct arena *a = arena_new();
	struct mailbox_msg m;
	struct err why = {0};
	int rc = mailbox_message(p->f->store, a, p->f->scope->mailbox_id, p->list[i].uid, &m, &why);

	r.m = &m;
	if (rc == 0)
		rc = search_work(p->f->store, match_message, &r, &why);
	arena_free(&a);
	for (size_t g = 0; g < FIND_GROUPS; g++)
		p->known[i].told[g] |= p->known[i].asked[g];
	if (rc < 0 && why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	return imap_progress(p->f->c->s, p->f->done, p->f->total, e);
}

static FIBER int settle(struct page *p, struct err *e)
{
	for (size_t i = 0; i < p->count; i++)
		judge(p, i);
	for (size_t g = 0; g * SEARCH_NEEDLES_MAX < p->f->plan.needle_count; g++)
		if (verify_group(p, g, e) < 0)
			return -1;
	for (size_t i = 0; i < p->count; i++) {
		if (p->answers[i] == FIND_OPEN)
			judge(p, i);
		if (p->answers[i] != FIND_OPEN)
			continue;
		if (read_message(p, i, e) < 0)
			return -1;
		judge(p, i);
	}
	return 0;
}

static FIBER int one_page(
	struct find *f, struct page *p, struct mailbox_cursor *cursor, struct err *e)
{
	arena_reset(p->a);
	if (read_page(p, cursor, e) < 0)
		return -1;
	p->known = ARENA_ARRAY(p->a, struct find_message, p->count + 1);
	p->answers = ARENA_ARRAY(p->a, enum find_answer, p->count + 1);
	p->matches = ARENA_ARRAY(p->a, unsigned, p->count + 1);
	for (size_t i = 0; i < p->count; i++)
		p->known[i].m = &p->list[i];
	if (settle(p, e) < 0)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		if (p->answers[i] == FIND_YES)
			add(f, p->list[i].uid, p->list[i].modseq, p->matches[i]);
	f->done += p->count;
	return imap_progress(f->c->s, f->done, f->total, e);
}

static FIBER int walk(struct find *f, struct err *e)
{
	struct mailbox_cursor cursor = {.mailbox_id = f->scope->mailbox_id,
		.ranges = f->ranges.list,
		.count = f->ranges.count};
	struct page p = {.f = f, .a = arena_new()};
	int rc = 0;

	do {
		rc = one_page(f, &p, &cursor, e);
	} while (rc == 0 && p.count);
	arena_free(&p.a);
	return rc;
}

/* Numbers alone: the view knows. */
static FIBER int walk_numbers(struct find *f, struct err *e)
{
	struct mailbox_msg m = {0};
	struct find_message known = {.m = &m};

	for (size_t i = 0; i < f->ranges.count; i++) {
		for (uint64_t uid = f->ranges.list[i].first; uid <= f->ranges.list[i].last; uid++) {
			m.uid = (uint32_t)uid;
			if (find_judge(&f->plan, f->plan.root, &known) == FIND_YES)
				add(f, m.uid, 0, 0);
			if (uid % 4096 == 0 && imap_progress(f->c->s, f->done, f->total, e) < 0)
				return -1;
			f->done++;
		}
	}
	return 0;
}

/* ---- the whole ---- */

struct charset_work {
	struct arena *a;
	struct imap_search *program;
};

static int to_utf8(void *arg, struct err *e)
{
	struct charset_work *w = arg;

	return imap_search_to_utf8(w->a, w->program, e);
}

static FIBER int make_ready(struct find *f, struct imap_search *program, struct err *e)
{
	struct arena *a = f->c->s->cmd;
	struct charset_work w = {a, program};
	uint64_t limit = f->c->s->opts->limits.message_limit;
	const struct uid_range *runs;
	struct find_ranges all;

	if (program->is_foreign && search_work(f->store, to_utf8, &w, e) < 0)
		return -1;
	if (find_plan_make(a, program, f->scope, loop_wall_ns(), &f->plan, e) < 0)
		return -1;
	all.count = uidset_runs(f->scope->uids, &runs);
	all.list = ARENA_ARRAY(a, struct uid_range, all.count + 1);
	for (size_t i = 0; i < all.count; i++)
		all.list[i] = runs[i];
	f->ranges = find_bounds(a, f->plan.root, all);
	f->total = find_ranges_total(f->ranges);
	/* RFC 9738 section 3.1: the highest of them; the client goes on below */
	if (limit && f->total > limit && imap_has(f->c->s, IMAP_BIT(MESSAGELIMIT))) {
		f->ranges = find_ranges_highest(a, f->ranges, limit);
		f->total = limit;
		f->result->lowest = f->ranges.list[0].first;
	}
	return 0;
}

FIBER int imapd_find(struct imapd_conn *c, struct imap_search *program,
	const struct find_scope *scope, struct find_result *result_r, struct err *e)
{
	struct find f = {
		.c = c, .store = imapd_opts_of(c->d)->store, .scope = scope, .result = result_r};
	int rc;

	*result_r = (struct find_result){0};
	if (make_ready(&f, program, e) < 0)
		return -1;
	if (f.plan.is_numbers)
		return walk_numbers(&f, e);
	rc = ask_index(&f, e);
	if (rc == 0)
		rc = narrow(&f, e);
	if (rc == 0)
		rc = walk(&f, e);
	forget_index(&f);
	return rc;
}
