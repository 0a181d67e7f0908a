#include <stdlib.h>
#include <string.h>

#include "services/host/ops_priv.h"

#define FINDINGS_MAX 1000 /* told of one check; the rest is only counted */

/* Blocking work on a lane, while a fiber shows how far it is. The numbers cross threads as atomics,
 * the findings only after the work is done. */
struct long_work {
	struct ops_call *c;
	work_fn *fn;
	const char *file;
	uint64_t done, total; /* atomic */
	uint64_t findings;
	struct arena *arena;
	const char **texts;
	bool is_over;
	int rc;
	struct err err;
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct long_work *w = arg;

	__atomic_store_n(&w->done, done, __ATOMIC_RELAXED);
	__atomic_store_n(&w->total, total, __ATOMIC_RELAXED);
}

static FIBER int work_main(void *arg)
{
	struct long_work *w = arg;

	w->rc = work_run(w->c->ctx->lane, w->fn, w, &w->err);
	w->is_over = true;
	return 0;
}

#define PROGRESS_NS (200 * CLOCK_MS)

static FIBER int work_watch(struct long_work *w, struct err *e)
{
	struct fiber_group g;
	uint64_t shown = UINT64_MAX;
	int rc = 0;

	fiber_group_init(&g);
	if (fiber_start(&g, "ops-work", work_main, w, e) < 0)
		return -1;
	while (!w->is_over && rc == 0) {
		uint64_t done = __atomic_load_n(&w->done, __ATOMIC_RELAXED);

		if (fiber_group_wait(&g, loop_now_ns() + PROGRESS_NS, NULL) == 0)
			break;
		if (done != shown)
			rc = ops_progress(
				w->c, done, __atomic_load_n(&w->total, __ATOMIC_RELAXED), e);
		shown = done;
		if (fiber_self() && fiber_is_cancelled(fiber_self()))
			break;
	}
	fiber_group_join(&g);
	if (rc == 0 && w->rc < 0)
		rc = err_copy(e, &w->err);
	return rc;
}

static int backup_work(void *arg, struct err *e)
{
	struct long_work *w = arg;

	return store_backup(w->c->ctx->store, w->file, on_progress, w, e);
}

FIBER int op_backup(struct ops_call *c, struct err *e)
{
	struct long_work w = {.c = c, .fn = backup_work};
	struct span file;

	if (ops_need(c, "file", &file, e) < 0)
		return -1;
	if (file.ptr[0] != '/')
		return err_set(e, ERR_SYNTAX, "the file needs its whole path");
	w.file = arena_str(c->arena, file);
	if (work_watch(&w, e) < 0)
		return -1;
	json_kv_span(ops_row(c), "file", file);
	return ops_row_end(c, e);
}

static void on_finding(void *arg, const char *text)
{
	struct long_work *w = arg;

	if (w->findings < FINDINGS_MAX)
		w->texts[w->findings] = arena_str(w->arena, span_str(text));
	w->findings++;
}

static int check_work(void *arg, struct err *e)
{
	struct long_work *w = arg;
	uint64_t findings;

	return store_check(w->c->ctx->store, on_finding, w, on_progress, &findings, e);
}

static FIBER int check_tell(struct long_work *w, struct err *e)
{
	for (uint64_t i = 0; i < w->findings && i < FINDINGS_MAX; i++) {
		json_kv_str(ops_row(w->c), "finding", w->texts[i]);
		if (ops_row_end(w->c, e) < 0)
			return -1;
	}
	if (w->findings)
		return err_set(e, ERR_CORRUPT, "the store is not sound: %llu findings",
			(unsigned long long)w->findings);
	json_kv_u64(ops_row(w->c), "findings", 0);
	return ops_row_end(w->c, e);
}

FIBER int op_check(struct ops_call *c, struct err *e)
{
	struct long_work w = {.c = c, .fn = check_work};

	w.arena = arena_new();
	w.texts = ARENA_ARRAY(w.arena, const char *, FINDINGS_MAX);
	int rc = work_watch(&w, e);

	if (rc == 0)
		rc = check_tell(&w, e);
	arena_free(&w.arena);
	return rc;
}
