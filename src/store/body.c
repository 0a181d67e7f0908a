#include "store/body.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/blob.h"
#include "store/body_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_chunk, "SELECT data FROM blob_chunk WHERE id = $1");

struct body {
	_Atomic int refs;
	struct store *s;
	uint64_t blob_id, len;
	struct body_mem *mem;
};

struct body *body_new(struct store *s, uint64_t blob_id, uint64_t len, struct body_mem *m)
{
	struct body *b = NEW(struct body);

	atomic_init(&b->refs, 1);
	b->s = s;
	b->blob_id = blob_id;
	b->len = len;
	b->mem = m ? body_mem_ref(m) : NULL;
	return b;
}

struct body *body_open(struct store *s, uint64_t blob_id, uint64_t len)
{
	struct body_mem *m = body_cache_get(s->bodies, blob_id);
	struct body *b = body_new(s, blob_id, len, m);

	body_mem_unref(&m);
	return b;
}

struct body *body_ref(struct body *b)
{
	MUST(atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed) > 0);
	return b;
}

void body_unref(struct body **b)
{
	struct body *x = *b;
	int before;

	*b = NULL;
	if (!x)
		return;
	before = atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel);
	MUST(before > 0);
	if (before > 1)
		return;
	body_mem_unref(&x->mem);
	free(x);
}

uint64_t body_id(const struct body *b)
{
	return b->blob_id;
}

uint64_t body_len(const struct body *b)
{
	return b->len;
}

struct chunk_read {
	const struct body *b;
	uint64_t index;
	struct arena *a;
	struct span bytes;
};

static int read_chunk(struct db *db, void *arg, struct err *e)
{
	struct chunk_read *r = arg;
	uint64_t rest = r->b->len - r->index * BODY_CHUNK;
	bool is_found;

	if (db_get(db, e, r->a, &sql_chunk, &is_found, "i:b", (int64_t)(r->b->blob_id + r->index),
		    &r->bytes) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "chunk %llu of body %llu is gone",
			(unsigned long long)r->index, (unsigned long long)r->b->blob_id);
	if (r->bytes.len != (rest < BODY_CHUNK ? rest : BODY_CHUNK))
		return err_set(e, ERR_CORRUPT, "chunk %llu of body %llu has %zu octets",
			(unsigned long long)r->index, (unsigned long long)r->b->blob_id,
			r->bytes.len);
	return 0;
}

static bool chunk_in_memory(struct chunk_read *r)
{
	const struct body *b = r->b;

	if (r->index >= blob_chunks(b->len))
		return true;
	if (!b->mem)
		return false;
	r->bytes = span_sub(span_of(b->mem->bytes, b->mem->len), r->index * BODY_CHUNK, BODY_CHUNK);
	return true;
}

FIBER int body_chunk(
	struct body *b, uint64_t index, struct arena *a, struct span *bytes_r, struct err *e)
{
	struct chunk_read r = {b, index, a, SPAN_NONE};

	if (!chunk_in_memory(&r) && store_read(b->s, "body chunk", read_chunk, &r, e) < 0)
		return -1;
	*bytes_r = r.bytes;
	return 0;
}

int body_chunk_blocking(
	struct body *b, uint64_t index, struct arena *a, struct span *bytes_r, struct err *e)
{
	struct chunk_read r = {b, index, a, SPAN_NONE};

	if (!chunk_in_memory(&r) && store_read_blocking(b->s, "body chunk", read_chunk, &r, e) < 0)
		return -1;
	*bytes_r = r.bytes;
	return 0;
}
