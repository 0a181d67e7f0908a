/* The way of any octets is read within bounds, and all that is said of it can be written. */
#include "proto/mail/journey.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct span trust[] = {{"b.example", 9}, {"192.0.2.0/24", 12}};
	struct journey_options o = {.now_sec = 1795415400, .trust = trust, .trust_count = 2};
	struct arena *a = arena_new();
	struct journey *j = ARENA_NEW(a, struct journey);
	struct buf b;

	buf_init(&b, 64 * size + 4096);
	journey_read(a, span_of(data, size), &o, j);
	MUST(j->hop_count <= JOURNEY_HOPS_MAX && j->claims <= j->hop_count);
	journey_summary_put(&b, j);
	for (size_t i = 0; i < j->hop_count; i++) {
		MUST(j->hops[i].delay_sec >= 0);
		buf_clear(&b);
		for (unsigned k = 0; k < JOURNEY_REMARK_COUNT; k++)
			if (journey_has(&j->hops[i], (enum journey_remark)k))
				journey_remark_put(&b, j, i, (enum journey_remark)k);
	}
	buf_fini(&b);
	arena_free(&a);
	return 0;
}
