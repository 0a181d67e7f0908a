#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "store/blob.h"
#include "store/stage_priv.h"
#include "store/store_priv.h"
#include "store_fixture.h"

static char byte_at(uint64_t i)
{
	return (char)(i * 31 + i / 1000);
}

static int put_bytes(struct stage *st, uint64_t octets, size_t piece, struct err *e)
{
	char *p = malloc(piece);
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < octets; at += piece) {
		size_t n = octets - at < piece ? (size_t)(octets - at) : piece;

		for (size_t i = 0; i < n; i++)
			p[i] = byte_at(at + i);
		rc = stage_put(st, span_of(p, n), e);
	}
	free(p);
	return rc;
}

static void check_reads(struct stage *st, uint64_t octets)
{
	char *p = malloc(BODY_CHUNK * 3);
	const uint64_t offsets[] = {
		0, 1, BODY_CHUNK - 1, BODY_CHUNK, octets / 2, octets - 1, octets};
	size_t got;

	for (size_t k = 0; k < ARRAY_LEN(offsets); k++) {
		uint64_t from = offsets[k], want;

		if (from > octets)
			continue;
		want = octets - from < BODY_CHUNK * 2 ? octets - from : BODY_CHUNK * 2;
		assert_int_equal(stage_read(st, from, p, BODY_CHUNK * 2, &got, NULL), 0);
		assert_int_equal(got, want);
		for (uint64_t i = 0; i < got; i++)
			if (p[i] != byte_at(from + i))
				fail_msg("octet %llu differs", (unsigned long long)(from + i));
	}
	free(p);
}

static const struct {
	uint64_t octets;
	size_t piece;
} sizes[] = {
	{1, 1},
	{4096, 100},
	{5000, 5000},
	{BODY_CHUNK, 60000},
	{BODY_CHUNK + 1, 60000},
	{3 * BODY_CHUNK, BODY_CHUNK},
	{3 * BODY_CHUNK + 77, 999999},
};

static int sizes_main(void *arg)
{
	struct fixture *f = arg;

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct stage *st = stage_new(f->s);
		struct span bytes;

		assert_int_equal(put_bytes(st, sizes[i].octets, sizes[i].piece, NULL), 0);
		assert_int_equal(stage_len(st), sizes[i].octets);
		assert_int_equal(stage_mem(st, &bytes), sizes[i].octets <= STAGE_MEM_MAX);
		check_reads(st, sizes[i].octets);
		assert_int_equal(stage_store(st, NULL), 0);
		assert_int_equal(stage_blob_id(st) != 0, sizes[i].octets > STAGE_MEM_MAX);
		check_reads(st, sizes[i].octets);
		stage_free(&st);
	}
	assert_int_equal(atomic_load(&f->s->stage_mem), 0);
	assert_int_equal(atomic_load(&f->s->stage_disk), 0);
	return 0;
}

static void bodies_of_all_sizes_read_back(void **state)
{
	struct fixture *f = *state;

	fixture_run(f, sizes_main, f);
}

static int nothing(struct db *db, void *arg, struct err *e)
{
	return 0;
}

static void unaccepted_bodies_are_swept(void **state)
{
	struct fixture *f = *state;

	fixture_run(f, sizes_main, f);
	for (int i = 0; i < 100 && fixture_number(f, "SELECT count(*) FROM blob_chunk"); i++)
		store_write_blocking(f->s, "turn", nothing, NULL, NULL);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM blob_chunk"), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM blob"), 0);
}

static int half_written(struct db *db, void *arg, struct err *e)
{
	struct fixture *f = arg;
	uint64_t id = blob_new_id(f->s, 5 * BODY_CHUNK);

	return blob_insert_tx(db, id, 0, 5 * BODY_CHUNK, e) < 0 ||
			blob_chunk_tx(db, id, 0, SPAN("x"), e) < 0
		? -1
		: 0;
}

static void half_written_bodies_are_swept_at_start(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_write_blocking(f->s, "half", half_written, f, NULL), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM blob WHERE refs = 0"), 1);
	fixture_reopen(f);
	for (int i = 0; i < 100 && fixture_number(f, "SELECT count(*) FROM blob"); i++)
		store_write_blocking(f->s, "turn", nothing, NULL, NULL);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM blob"), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM blob_chunk"), 0);
}

static int budgets_main(void *arg)
{
	struct fixture *f = arg;
	struct stage *a = stage_new(f->s), *b = stage_new(f->s);
	struct err e = {0};

	f->s->stage_mem_max = 600 * 1024;
	f->s->stage_disk_max = 2 * BODY_CHUNK;
	/* memory: the second body does not fit beside the first */
	assert_int_equal(put_bytes(a, BODY_CHUNK, 50000, &e), 0);
	assert_int_equal(put_bytes(b, BODY_CHUNK, 50000, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(e.smtp, 452);
	assert_int_equal(e.enh_class * 100 + e.enh_subject * 10 + e.enh_detail, 431);
	stage_free(&b);
	/* disk: two chunks go, the third does not */
	err_clear(&e);
	assert_int_equal(put_bytes(a, 4 * BODY_CHUNK, 50000, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(e.smtp, 452);
	stage_free(&a);
	/* and all is given back */
	a = stage_new(f->s);
	assert_int_equal(put_bytes(a, 2 * BODY_CHUNK, 50000, &e), 0);
	stage_free(&a);
	assert_int_equal(atomic_load(&f->s->stage_mem), 0);
	assert_int_equal(atomic_load(&f->s->stage_disk), 0);
	return 0;
}

static void budgets_are_kept_and_given_back(void **state)
{
	struct fixture *f = *state;

	fixture_run(f, budgets_main, f);
}

static void the_cache_keeps_to_its_budget(void **state)
{
	struct body_cache *c = body_cache_new(10000);
	struct body_mem *m;

	for (uint64_t id = 1; id <= 20; id++) {
		m = body_mem_new(1000);
		body_cache_put(c, id << 22, m);
		body_mem_unref(&m);
	}
	assert_int_equal(body_cache_octets(c), 10000);
	assert_null(body_cache_get(c, 10ULL << 22));
	m = body_cache_get(c, 11ULL << 22);
	assert_non_null(m);
	body_cache_drop(c, 11ULL << 22);
	assert_null(body_cache_get(c, 11ULL << 22));
	assert_int_equal(m->cap, 1000); /* still ours */
	body_mem_unref(&m);
	assert_int_equal(body_cache_octets(c), 9000);
	body_cache_free(&c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bodies_of_all_sizes_read_back),
		CASE(unaccepted_bodies_are_swept),
		CASE(half_written_bodies_are_swept_at_start),
		CASE(budgets_are_kept_and_given_back),
		cmocka_unit_test(the_cache_keeps_to_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
