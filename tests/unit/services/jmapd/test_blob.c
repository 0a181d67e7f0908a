/* Ids of blobs (docs/jmap.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/jmapd/jmapd_core_priv.h"

#define M "G0SARPVCPG0002"
#define U "GU0SARPVCPG0002"

static const struct id_case {
	const char *id;
	char kind; /* m message, p part, u upload, i inner, - none */
	uint64_t offset, octets;
	unsigned encoding;
} ids[] = {
	{M, 'm', 0, 0, 0},
	{M "-1f0-2c1-3", 'p', 0x1f0, 0x2c1, 3},
	{M "-0-0-0", 'p', 0, 0, 0},
	{U, 'u', 0, 0, 0},
	{U "-10-20-3", 'i', 0x10, 0x20, 3},
	{M "-1-2-3-4-5-0", 'i', 4, 5, 0},
	{M "-1-2-3-4-5-0-6-7-0-8-9-0", 'i', 8, 9, 0},
	{M "-1-2-3-4-5-0-6-7-0-8-9-0-1-1-0", '-', 0, 0, 0}, /* too deep */
	{M "-1-2", '-', 0, 0, 0},
	{M "-01-2-3", '-', 0, 0, 0},
	{M "-1-2-99", '-', 0, 0, 0},
	{M "-1-2-", '-', 0, 0, 0},
	{M "-x-2-3", '-', 0, 0, 0},
	{M "-1-2-3-x-5-0", '-', 0, 0, 0},
	{U "-1-2-3-", '-', 0, 0, 0},
	{"G", '-', 0, 0, 0},
	{"GU", '-', 0, 0, 0},
	{"", '-', 0, 0, 0},
	{"-", '-', 0, 0, 0},
	{"---", '-', 0, 0, 0},
	{"M0SARPVCPG0002", '-', 0, 0, 0},
};

static void what_an_id_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct jmap_blob_name n;
		bool is_good = jmap_blob_id(span_str(ids[i].id), &n);
		char kind = !is_good  ? '-'
			: n.is_inner  ? 'i'
			: n.is_part   ? 'p'
			: n.is_upload ? 'u'
				      : 'm';

		if (kind != ids[i].kind ||
			(is_good &&
				(n.offset != ids[i].offset || n.octets != ids[i].octets ||
					n.encoding != ids[i].encoding)))
			fail_msg("%s: %c", ids[i].id, kind);
	}
}

static void written_and_read(void **state)
{
	struct buf b;
	struct json_out j;
	struct jmap_blob_name n;
	struct span id;

	(void)state;
	buf_init(&b, 1000);
	json_out_init(&j, &b);
	jmap_put_blob_within(&j, SPAN(U), 0xabc, 0xdef, 4);
	id = span_sub(buf_span(&b), 1, buf_len(&b) - 2);
	assert_true(jmap_blob_id(id, &n));
	assert_true(span_eq(n.outer, SPAN(U)));
	assert_int_equal(n.offset, 0xabc);
	assert_int_equal(n.octets, 0xdef);
	assert_int_equal(n.encoding, 4);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_id_says),
		cmocka_unit_test(written_and_read),
	};

	return cmocka_run_group_tests_name("services/jmapd_blob", tests, NULL, NULL);
}
