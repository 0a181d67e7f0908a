/* What octets are pictures, whatever they are called. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/web/web_image.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_pixels_are_pictures),
		cmocka_unit_test(any_cut_is_read_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
