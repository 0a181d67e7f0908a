#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/mem.h"
#include "net/gzip.h"

#define TEXT_OCTETS (300 * 1024)
#define OUT_MAX     (1024 * 1024)

/* Half words, half noise: matches, literals, and more than any inner buffer holds. */
static char *make_text(void)
{
	char *text = mem_alloc(TEXT_OCTETS);
	uint32_t n = 7;

	for (size_t i = 0; i < TEXT_OCTETS; i++) {
		n = n * 1664525 + 1013904223;
		text[i] = i / 1000 % 2 ? "letters and more letters "[i % 25] : (char)(n >> 24);
	}
	return text;
}

/* As a browser would, of what has come so far; how much it is. */
static size_t unpacked(struct span octets, char *text, size_t cap, bool is_whole)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)octets.ptr,
		.avail_in = (uInt)octets.len,
		.next_out = (Bytef *)text,
		.avail_out = (uInt)cap};
	int rc;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	rc = inflate(&z, Z_SYNC_FLUSH);
	assert_true(is_whole ? rc == Z_STREAM_END : rc == Z_OK);
	inflateEnd(&z);
	return cap - z.avail_out;
}

static void pack(struct span text, size_t step, size_t pad, struct buf *out)
{
	struct gzip *g = gzip_new(pad);

	while (text.len) {
		struct span piece = span_sub(text, 0, step);

		gzip_put(g, piece, out);
		text = span_skip(text, piece.len);
	}
	gzip_end(g, out);
	gzip_free(&g);
	assert_null(g);
	assert_true(buf_ok(out));
}

static void what_is_packed_comes_back_whatever_the_cut(void **state)
{
	static const size_t steps[] = {1, 61, 4096, 16 * 1024, TEXT_OCTETS};
	char *text = make_text(), *back = mem_alloc(TEXT_OCTETS + 1);
	struct buf out;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		buf_init(&out, OUT_MAX);
		pack(span_of(text, TEXT_OCTETS), steps[i], 0, &out);
		assert_true(buf_len(&out) < TEXT_OCTETS);
		assert_int_equal(
			unpacked(buf_span(&out), back, TEXT_OCTETS + 1, true), TEXT_OCTETS);
		assert_memory_equal(back, text, TEXT_OCTETS);
		buf_fini(&out);
	}
	free(text);
	free(back);
}

static void padding_makes_it_longer_and_changes_nothing(void **state)
{
	static const size_t pads[] = {1, 64, GZIP_PAD_MAX};
	struct buf bare, out;
	char back[16];

	buf_init(&bare, OUT_MAX);
	pack(SPAN("a letter"), 100, 0, &bare);
	for (size_t i = 0; i < sizeof(pads) / sizeof(pads[0]); i++) {
		buf_init(&out, OUT_MAX);
		pack(SPAN("a letter"), 100, pads[i], &out);
		/* RFC 1952 section 2.3: a comment ends with NUL */
		assert_int_equal(buf_len(&out), buf_len(&bare) + pads[i] + 1);
		assert_int_equal(unpacked(buf_span(&out), back, sizeof(back), true), 8);
		assert_memory_equal(back, "a letter", 8);
		buf_fini(&out);
	}
	buf_fini(&bare);
}

static void what_is_flushed_can_be_read(void **state)
{
	struct gzip *g = gzip_new(0);
	struct buf out;
	char back[64];

	buf_init(&out, OUT_MAX);
	gzip_put(g, SPAN("first "), &out);
	gzip_flush(g, &out);
	assert_int_equal(unpacked(buf_span(&out), back, sizeof(back), false), 6);
	gzip_put(g, SPAN("second"), &out);
	gzip_end(g, &out);
	assert_int_equal(unpacked(buf_span(&out), back, sizeof(back), true), 12);
	assert_memory_equal(back, "first second", 12);
	gzip_free(&g);
	buf_fini(&out);
}

static void a_full_buffer_tells(void **state)
{
	char *text = make_text();
	struct gzip *g = gzip_new(0);
	struct buf out;

	buf_init(&out, 8 * 1024);
	gzip_put(g, span_of(text, TEXT_OCTETS), &out);
	gzip_end(g, &out);
	assert_false(buf_ok(&out));
	gzip_free(&g);
	buf_fini(&out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_packed_comes_back_whatever_the_cut),
		cmocka_unit_test(padding_makes_it_longer_and_changes_nothing),
		cmocka_unit_test(what_is_flushed_can_be_read),
		cmocka_unit_test(a_full_buffer_tells),
	};

	return cmocka_run_group_tests_name("net/gzip", tests, NULL, NULL);
}
