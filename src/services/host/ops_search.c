#include "store/search.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

#define FOLLOW_NS (200 * CLOCK_MS)

static int rebuild_work(void *arg, struct err *e)
{
	return search_rebuild(arg, e);
}

static int stats_work(void *arg, struct err *e)
{
	struct ops_call *c = arg;
	struct search_stats s = {0};
	struct json_out *j;

	if (search_stats(c->ctx->store, &s, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_u64(j, "documents", s.documents);
	json_kv_u64(j, "text_bytes", s.text_octets);
	json_kv_u64(j, "kept_bytes", s.kept_octets);
	json_kv_u64(j, "file_bytes", s.file_octets);
	return 0;
}

/* Until the indexer has nothing left to do; how far it is, on the way. */
static FIBER int follow(struct ops_call *c, struct indexer *x, uint64_t before, struct err *e)
{
	struct store_stats store;
	struct indexer_stats s;

	do {
		if (fiber_sleep(FOLLOW_NS, e) < 0 || store_stats(c->ctx->store, &store, e) < 0)
			return -1;
		indexer_stats(x, &s);
		if (ops_progress(c, s.documents - before, store.messages, e) < 0)
			return -1;
	} while (!s.is_idle);
	return 0;
}

FIBER int op_search_rebuild(struct ops_call *c, struct err *e)
{
	struct indexer *x = c->ctx->host ? c->ctx->host->indexer : NULL;
	struct indexer_stats before = {0};

	if (x)
		indexer_stats(x, &before);
	if (work_run(c->ctx->lane, rebuild_work, c->ctx->store, e) < 0)
		return -1;
	if (x) {
		indexer_look_again(x);
		if (follow(c, x, before.documents, e) < 0)
			return -1;
	}
	return op_search_status(c, e);
}

FIBER int op_search_status(struct ops_call *c, struct err *e)
{
	struct indexer_stats s;

	if (work_run(c->ctx->lane, stats_work, c, e) < 0)
		return -1;
	if (c->ctx->host) {
		indexer_stats(c->ctx->host->indexer, &s);
		json_kv_u64(&c->json, "missing", s.missing_documents);
		json_kv_bool(&c->json, "resting", s.is_resting);
	}
	return ops_row_end(c, e);
}
