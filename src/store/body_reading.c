#include "store/body_reading.h"

void body_reading_init(struct body_reading *r, struct store *s, uint64_t blob_id, uint64_t octets)
{
	*r = (struct body_reading){.body = body_open(s, blob_id, octets), .arena = arena_new()};
}

void body_reading_fini(struct body_reading *r)
{
	body_unref(&r->body);
	arena_free(&r->arena);
}

int body_reading_at(
	struct body_reading *r, uint64_t at, uint64_t end, struct span *piece_r, struct err *e)
{
	uint64_t index = at / BODY_CHUNK;

	if (!r->chunk.ptr || r->index != index) {
		arena_reset(r->arena);
		r->chunk = SPAN_NONE;
		if (body_chunk_blocking(r->body, index, r->arena, &r->chunk, e) < 0)
			return -1;
		r->index = index;
	}
	*piece_r = span_sub(r->chunk, (size_t)(at % BODY_CHUNK), (size_t)(end - at));
	return 0;
}
