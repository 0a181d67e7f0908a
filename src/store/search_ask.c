/* Asking the index, and the kept texts. Each page is one short read. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/search_priv.h"

DB_SQL(search_sql_find,
	"SELECT rowid FROM search_index WHERE search_index MATCH $1 AND rowid > $2 AND rowid <= $3 "
	"ORDER BY rowid LIMIT $4");
DB_SQL(search_sql_all,
	"SELECT id FROM search_text WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3");
DB_SQL(search_sql_kept, "SELECT kept FROM search_text WHERE id = $1");

/* ---- finding ---- */

/* One list of numbers, page by page: what an expression finds, or ("" ) all there are. */
struct find {
	uint64_t account_id;
	struct span match;
	struct search_set *set;
	uint64_t number, upto; /* of the account */
	uint64_t after;        /* got to here */
	bool is_done;
};

static int take_rows(struct find *f, struct db_stmt *st, uint64_t to, struct err *e)
{
	bool is_row = false;
	size_t rows = 0;
	int rc = st ? 0 : -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		f->after = (uint64_t)db_col_i64(st, 0) & SEARCH_N_MAX;
		search_set_put(f->set, f->after);
		rows++;
	}
	db_done(st);
	if (rc == 0 && rows < SEARCH_FIND_ROWS)
		f->after = to;
	return rc;
}

static int find_page(struct search_reader *r, void *arg, struct err *e)
{
	struct find *f = arg;
	uint64_t to = f->after + SEARCH_FIND_WINDOW;
	struct db_stmt *st;

	if (search_number(r->db, f->account_id, &f->number, &f->upto, e) < 0)
		return -1;
	if (to > SEARCH_N_MAX)
		to = SEARCH_N_MAX;
	if (f->number) {
		if (f->match.len)
			st = db_query(r->db, e, &search_sql_find, "tiii", f->match,
				search_id(f->number, f->after), search_id(f->number, to),
				(int64_t)SEARCH_FIND_ROWS);
		else
			st = db_query(r->db, e, &search_sql_all, "iii",
				search_id(f->number, f->after), search_id(f->number, to),
				(int64_t)SEARCH_FIND_ROWS);
		if (take_rows(f, st, to, e) < 0)
			return -1;
	}
	f->is_done = !f->number || f->after >= f->upto;
	return 0;
}

/* The lists that make up an answer, one after the other. */
struct asking {
	struct search_query query;
	struct find lists[3];
	size_t count, at;
};

static void ask_for(
	struct asking *q, uint64_t account_id, struct span match, struct search_set *set)
{
	q->lists[q->count++] = (struct find){.account_id = account_id, .match = match, .set = set};
}

static void asking_begin(struct asking *q, struct arena *a, uint64_t account_id,
	const struct search_needle *needle, struct search_hits *hits)
{
	search_query(a, needle, &q->query);
	if (q->query.sure.len)
		ask_for(q, account_id, q->query.sure, &hits->sure);
	/* what is cut may have anything */
	ask_for(q, account_id, SPAN("\"!\""), &hits->maybe);
	if (!q->query.is_exact)
		ask_for(q, account_id, q->query.maybe, &hits->maybe);
}

static void asking_end(struct asking *q, struct search_hits *hits)
{
	search_set_minus(&hits->maybe, &hits->sure);
	/* a marker that moved between two pages: what the first page may have missed has not been read */
	hits->upto = q->lists[0].upto;
	for (size_t i = 1; i < q->count; i++)
		if (q->lists[i].upto < hits->upto)
			hits->upto = q->lists[i].upto;
}

struct find_work {
	struct store *s;
	struct asking *q;
};

static int run_find(void *arg, struct err *e)
{
	struct find_work *w = arg;
	struct find *f = &w->q->lists[w->q->at];

	if (search_read(w->s, find_page, f, e) < 0)
		return -1;
	w->q->at += f->is_done;
	return 0;
}

static int look_at_time(
	const struct search_wait *wait, uint64_t done, uint64_t total, struct err *e)
{
	if (!wait)
		return 0;
	if (wait->deadline_ns && loop_now_ns() > wait->deadline_ns)
		return err_set(e, ERR_TIMEOUT, "the search took too long");
	if (wait->progress)
		wait->progress(wait->arg, done, total);
	return 0;
}

FIBER int search_find(struct store *s, uint64_t account_id, const struct search_needle *needle,
	const struct search_wait *wait, struct search_hits *hits_r, struct err *e)
{
	struct arena *a = arena_new();
	struct asking q = {.at = 0};
	struct find_work w = {s, &q};
	int rc = 0;

	*hits_r = (struct search_hits){.upto = 0};
	asking_begin(&q, a, account_id, needle, hits_r);
	while (rc == 0 && q.at < q.count) {
		rc = work_run(s->search->lane, run_find, &w, e);
		if (rc == 0 && fiber_is_cancelled(fiber_self()))
			rc = err_set(e, ERR_CANCELLED, "the search was given up");
		if (rc == 0)
			rc = look_at_time(wait, q.at, q.count, e);
	}
	asking_end(&q, hits_r);
	arena_free(&a);
	return rc;
}

int search_find_blocking(struct store *s, uint64_t account_id, const struct search_needle *needle,
	struct search_hits *hits_r, struct err *e)
{
	struct arena *a = arena_new();
	struct asking q = {.at = 0};
	struct find_work w = {s, &q};
	int rc = 0;

	*hits_r = (struct search_hits){.upto = 0};
	asking_begin(&q, a, account_id, needle, hits_r);
	while (rc == 0 && q.at < q.count)
		rc = run_find(&w, e);
	asking_end(&q, hits_r);
	arena_free(&a);
	return rc;
}

void search_hits_fini(struct search_hits *hits)
{
	search_set_fini(&hits->sure);
	search_set_fini(&hits->maybe);
}

/* ---- verifying ---- */

struct verify {
	struct store *s;
	const struct search_look *look;
	struct search_matcher *matcher;
	atomic_size_t *next; /* of the list, that nobody has taken yet */
	size_t at, end;      /* taken */
	bool is_done;
};

static int verify_one(struct search_reader *r, struct verify *v, uint64_t number,
	struct search_verdict *verdict, struct err *e)
{
	struct search_doc doc = {.n = verdict->n};
	struct db_stmt *st = db_query(
		r->db, e, &search_sql_kept, "i", search_id(number, verdict->n));
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	verdict->found = 0;
	verdict->is_kept = verdict->is_cut = false;
	verdict->matches = 0;
	if (rc == 0 && is_row) {
		bool is_whole = search_matcher_wants_body(v->matcher, verdict->asked);

		rc = search_unpack(r->packer, db_col_span(st, 0), is_whole, &doc, e);
		verdict->is_kept = rc == 0;
		verdict->is_cut = doc.is_cut;
	}
	if (verdict->is_kept)
		verdict->found = search_matcher_run(v->matcher, &doc, verdict->asked,
			v->look->is_counted ? &verdict->matches : NULL);
	db_done(st);
	return rc;
}

static bool take_texts(struct verify *v)
{
	if (v->at == v->end) {
		v->at = atomic_fetch_add(v->next, SEARCH_VERIFY_TEXTS);
		v->end = v->at + SEARCH_VERIFY_TEXTS;
		if (v->end > v->look->count)
			v->end = v->look->count;
		v->is_done = v->at >= v->end;
		if (v->is_done)
			v->at = v->end;
	}
	return !v->is_done;
}

/* Page by page, and once more for a page in which the file was found damaged: it goes on where it was. */
static int verify_page(struct search_reader *r, void *arg, struct err *e)
{
	struct verify *v = arg;
	int64_t until = clock_mono_ns() + SEARCH_VERIFY_NS;
	uint64_t number, upto;

	if (search_number(r->db, v->look->account_id, &number, &upto, e) < 0)
		return -1;
	do {
		if (!take_texts(v))
			return 0;
		for (; v->at < v->end; v->at++)
			if (verify_one(r, v, number, &v->look->list[v->at], e) < 0)
				return -1;
	} while (clock_mono_ns() < until);
	return 0;
}

static int run_verify(void *arg, struct err *e)
{
	struct verify *v = arg;

	return search_read(v->s, verify_page, v, e);
}

static void verify_begin(
	struct verify *v, struct store *s, const struct search_look *look, atomic_size_t *next)
{
	*v = (struct verify){.s = s,
		.look = look,
		.matcher = search_matcher_new(look->needles, look->needle_count),
		.next = next};
}

static FIBER int verify_next(struct verify *v, struct err *e)
{
	if (work_run(v->s->search->lane, run_verify, v, e) < 0)
		return -1;
	return fiber_is_cancelled(fiber_self())
		? err_set(e, ERR_CANCELLED, "the search was given up")
		: 0;
}

/* A second thread of the lane, on the same list. */
struct verify_help {
	struct verify v;
	struct err e;
	int rc;
};

static FIBER int run_help(void *arg)
{
	struct verify_help *h = arg;

	while (h->rc == 0 && !h->v.is_done)
		h->rc = verify_next(&h->v, &h->e);
	return h->rc;
}

static FIBER int verify_all(struct verify *v, const struct search_wait *wait, struct err *e)
{
	int rc = 0;

	while (rc == 0 && !v->is_done) {
		rc = verify_next(v, e);
		if (rc == 0)
			rc = look_at_time(wait, v->end, v->look->count, e);
	}
	return rc;
}

FIBER int search_verify(struct store *s, const struct search_look *look,
	const struct search_wait *wait, struct err *e)
{
	atomic_size_t next = 0;
	struct verify_help h = {.rc = 0};
	struct fiber_group g;
	struct verify v;
	int rc;

	verify_begin(&v, s, look, &next);
	verify_begin(&h.v, s, look, &next);
	fiber_group_init(&g);
	/* without a stack for it, it is done alone */
	if (look->count > SEARCH_VERIFY_TEXTS)
		(void)fiber_start(&g, "search.verify", run_help, &h, NULL);
	rc = verify_all(&v, wait, e);
	if (rc < 0)
		fiber_group_cancel(&g);
	fiber_group_join(&g);
	search_matcher_free(&v.matcher);
	search_matcher_free(&h.v.matcher);
	return rc < 0 || h.rc == 0 ? rc : err_copy(e, &h.e);
}

int search_verify_blocking(struct store *s, const struct search_look *look, struct err *e)
{
	atomic_size_t next = 0;
	struct verify v;
	int rc = 0;

	verify_begin(&v, s, look, &next);
	while (rc == 0 && !v.is_done)
		rc = run_verify(&v, e);
	search_matcher_free(&v.matcher);
	return rc;
}
