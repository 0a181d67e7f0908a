#include "net/deflate.h"
#include "net_test.h"

#include <zlib.h>

struct talk {
	struct stream *a, *b;
	const char *text;
	size_t times;
};

static FIBER int say_fiber(void *arg)
{
	struct talk *t = arg;
	struct err e = {0};

	for (size_t i = 0; i < t->times; i++) {
		struct span parts[] = {span_str(t->text), SPAN("\r\n")};

		assert_int_equal(stream_write(t->a, parts, 2, &e), 0);
	}
	assert_int_equal(stream_shutdown(t->a, &e), 0);
	return 0;
}

static FIBER int both_main(void *arg)
{
	struct talk t = {.text = "* 1 FETCH (FLAGS (\\Seen))", .times = 30000};
	struct fiber_group g;
	struct span line;
	struct err e = {0};

	stream_pair(&t.a, &t.b, CLOCK_MS);
	deflate_push(t.a);
	deflate_push(t.b);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "say", say_fiber, &t, &e), 0);
	for (size_t i = 0; i < t.times; i++) {
		assert_int_equal(stream_read_line(t.b, 512, &line, NULL, &e), 0);
		assert_span_equal(line, t.text);
	}
	assert_int_equal(stream_read_line(t.b, 512, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	fiber_group_join(&g);
	stream_free(&t.a);
	stream_free(&t.b);
	return 0;
}

static void what_goes_in_comes_out(void **state)
{
	test_run_sim(both_main, NULL);
}

/* A hundred questions and answers with a rest between them: each begins with a compressor of its own. */
static FIBER int rest_main(void *arg)
{
	struct stream *a, *b;
	struct span line;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	deflate_push(a);
	deflate_push(b);
	for (int i = 0; i < 100; i++) {
		struct stream_bell bell = {.is_rung = true};
		bool is_rung;

		stream_printf(a, "%d is the question\r\n", i);
		assert_int_equal(stream_flush(a, &e), 0);
		assert_int_equal(stream_read_line(b, 512, &line, NULL, &e), 0);
		assert_int_equal(stream_wait(b, &bell, &is_rung, &e), 0);
		stream_printf(b, "%d is the answer\r\n", i);
		assert_int_equal(stream_flush(b, &e), 0);
		assert_int_equal(stream_read_line(a, 512, &line, NULL, &e), 0);
		assert_int_equal(line.len, i < 10 ? 15 : 16);
	}
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void it_rests_between_two_answers(void **state)
{
	test_run_sim(rest_main, NULL);
}

static FIBER int garbage_main(void *arg)
{
	struct stream *a, *b;
	struct span line;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	deflate_push(b);
	stream_put(a, SPAN("a1 NOOP in clear\r\n"));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 512, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_PROTO);
	assert_int_equal(e.scope, ERR_SCOPE_PEER);
	assert_true(b->is_broken);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void what_is_no_deflate_stream_is_refused(void **state)
{
	test_run_sim(garbage_main, NULL);
}

/* 64 MiB of zeros in 64 KiB. */
static FIBER int bomb_main(void *arg)
{
	struct stream *a, *b;
	size_t room = 256 * 1024;
	char *packed = mem_alloc(room), *zeros = mem_alloc(1024 * 1024);
	z_stream z = {0};
	struct span line;
	struct err e = {0};

	memset(zeros, 0, 1024 * 1024);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)room;
	for (int i = 0; i < 64; i++) {
		z.next_in = (Bytef *)zeros;
		z.avail_in = 1024 * 1024;
		assert_int_equal(deflate(&z, i == 63 ? Z_FINISH : Z_NO_FLUSH),
			i == 63 ? Z_STREAM_END : Z_OK);
	}
	deflateEnd(&z);
	stream_pair(&a, &b, 0);
	deflate_push(b);
	stream_put(a, span_of(packed, room - z.avail_out));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 8192, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_true(buf_len(&b->in) <= STREAM_IN_BYTES);
	stream_free(&a);
	stream_free(&b);
	free(packed);
	free(zeros);
	return 0;
}

static void a_bomb_meets_the_limit_of_its_reader(void **state)
{
	test_run_sim(bomb_main, NULL);
}

/* The peer's deflate stream is over: so is the stream, whatever follows. */
static FIBER int final_main(void *arg)
{
	/* "hi\r\n" in a stored block that is the last one */
	static const char packed[] = "\x01\x04\x00\xfb\xffhi\r\nmore";
	struct stream *a, *b;
	struct span line;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	deflate_push(b);
	stream_put(a, span_of(packed, sizeof(packed) - 1));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "hi");
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_last_block_is_the_end(void **state)
{
	test_run_sim(final_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(it_rests_between_two_answers),
		cmocka_unit_test(what_is_no_deflate_stream_is_refused),
		cmocka_unit_test(a_bomb_meets_the_limit_of_its_reader),
		cmocka_unit_test(a_last_block_is_the_end),
	};

	return cmocka_run_group_tests_name("net/deflate", tests, NULL, NULL);
}
