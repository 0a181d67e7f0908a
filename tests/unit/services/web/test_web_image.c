/* What octets are pictures, whatever they are called; and those that are kept. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/web/web_image.h"
#include "services/web/web_image_kept.h"

#define PNG(size) SPAN("\x89PNG\r\n\x1a\n\0\0\0\rIHDR" size "\x08\x06\0\0\0")

static const struct {
	const char *name;
	struct span octets;
	const char *type;
} cases[] = {
	{"png", PNG("\0\0\0\x10\0\0\0\x10"), "image/png"},
	{"png of too many pixels", PNG("\0\0\xff\xff\0\0\xff\xff"), NULL},
	{"png of very many pixels", PNG("\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
	{"png that is cut", SPAN("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0"), NULL},
	{"gif", SPAN("GIF89a\x10\0\x10\0\x80\0\0"), "image/gif"},
	{"old gif", SPAN("GIF87a\x10\0\x10\0\x80\0\0"), "image/gif"},
	{"gif of too many pixels", SPAN("GIF89a\xff\xff\xff\xff\x80\0\0"), NULL},
	{"jpeg", SPAN("\xff\xd8\xff\xe0\0\x04JF\xff\xc0\0\x11\x08\0\x10\0\x10\x03\x01"),
		"image/jpeg"},
	{"jpeg of too many pixels",
		SPAN("\xff\xd8\xff\xe0\0\x04JF\xff\xc2\0\x11\x08\xff\xff\xff\xff\x03\x01"), NULL},
	{"jpeg without a frame", SPAN("\xff\xd8\xff\xe0\0\x04JF\xff\xd9zzzzzzzzzz"), NULL},
	{"webp", SPAN("RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x0f\0\0\x0f\0\0"), "image/webp"},
	{"webp of too many pixels",
		SPAN("RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff"), NULL},
	{"avif",
		SPAN("\0\0\0\x1c"
		     "ftypavif\0\0\0\0\0\0\0\x14ispe\0\0\0\0\0\0\0\x10\0\0\0\x10"),
		"image/avif"},
	{"avif without a size",
		SPAN("\0\0\0\x1c"
		     "ftypavif\0\0\0\0mif1miafMA1B"),
		NULL},
	{"svg", SPAN("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>1</script></svg>"), NULL},
	{"svg with a declaration", SPAN("<?xml version=\"1.0\"?><svg/>"), NULL},
	{"html", SPAN("<!doctype html><script>alert(1)</script>"), NULL},
	{"html behind a name of gif", SPAN("GIF89"), NULL},
	{"pdf", SPAN("%PDF-1.7"), NULL},
	{"bmp", SPAN("BM\x1e\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\x01\0\x01\0\x01\0\x18\0"), NULL},
	{"nothing", SPAN(""), NULL},
};

static void only_pixels_are_pictures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *type = web_image_type(cases[i].octets);

		if (!type != !cases[i].type || (type && strcmp(type, cases[i].type) != 0))
			fail_msg("%s: %s", cases[i].name, type ? type : "none");
	}
}

static void any_cut_is_read_within_its_bounds(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t n = 0; n < cases[i].octets.len; n++) {
			char *copy = malloc(n ? n : 1);

			memcpy(copy, cases[i].octets.ptr, n);
			web_image_type(span_of(copy, n));
			free(copy);
		}
	}
}

/* ---- what is kept ---- */

static const struct web_picture small = {{"octets", 6}, "image/png"};

static bool is_kept(struct web_image_kept *k, uint64_t account_id, struct span url, int64_t now_ns)
{
	struct web_picture *p = web_image_kept_get(k, account_id, url, now_ns);
	bool is_there = p;

	if (p)
		assert_true(span_eq(p->octets, small.octets) && p->type == small.type);
	web_image_kept_done(k, &p);
	return is_there;
}

static void a_picture_is_kept_for_its_account_and_a_day(void **state)
{
	struct web_image_kept *k = web_image_kept_new(WEB_IMAGE_KEPT_BUDGET);

	(void)state;
	web_image_kept_put(k, 1, SPAN("http://a/"), &small, 5);
	assert_true(is_kept(k, 1, SPAN("http://a/"), 5));
	assert_false(is_kept(k, 2, SPAN("http://a/"), 5));
	assert_false(is_kept(k, 1, SPAN("http://a/b"), 5));
	assert_true(is_kept(k, 1, SPAN("http://a/"), 4 + WEB_IMAGE_KEPT_NS));
	assert_false(is_kept(k, 1, SPAN("http://a/"), 5 + WEB_IMAGE_KEPT_NS));
	assert_false(is_kept(k, 1, SPAN("http://a/"), 5));
	web_image_kept_free(&k);
}

static void the_oldest_make_room_and_who_reads_keeps_his(void **state)
{
	struct web_image_kept *k = web_image_kept_new(4000);
	struct web_picture *read;

	(void)state;
	web_image_kept_put(k, 0, SPAN("first"), &small, 0);
	read = web_image_kept_get(k, 0, SPAN("first"), 0);
	for (uint64_t i = 1; i < 100; i++)
		web_image_kept_put(k, i, SPAN("u"), &small, 0);
	assert_false(is_kept(k, 0, SPAN("first"), 0));
	assert_false(is_kept(k, 1, SPAN("u"), 0));
	assert_true(is_kept(k, 99, SPAN("u"), 0));
	assert_true(span_eq(read->octets, small.octets));
	web_image_kept_done(k, &read);
	/* a newer one takes its place, and costs what it costs once */
	for (int i = 0; i < 100; i++)
		web_image_kept_put(k, 99, SPAN("u"), &small, 0);
	assert_true(is_kept(k, 98, SPAN("u"), 0));
	web_image_kept_free(&k);
}

static void what_is_too_large_is_not_kept(void **state)
{
	struct web_image_kept *k = web_image_kept_new(4000);
	char *octets = calloc(1, 5000);
	struct web_picture large = {span_of(octets, 5000), "image/png"};

	(void)state;
	web_image_kept_put(k, 1, SPAN("u"), &small, 0);
	web_image_kept_put(k, 1, SPAN("v"), &large, 0);
	assert_null(web_image_kept_get(k, 1, SPAN("v"), 0));
	assert_true(is_kept(k, 1, SPAN("u"), 0));
	free(octets);
	web_image_kept_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_is_kept_for_its_account_and_a_day),
		cmocka_unit_test(the_oldest_make_room_and_who_reads_keeps_his),
		cmocka_unit_test(what_is_too_large_is_not_kept),
		cmocka_unit_test(only_pixels_are_pictures),
		cmocka_unit_test(any_cut_is_read_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
