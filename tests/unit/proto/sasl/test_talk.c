#include "sasl_test.h"

#include "net/tls.h"
#include "proto/sasl/sasl_talk.h"
#include "run/loop.h"

static void test_responses(void **state)
{
	static const struct {
		const char *name, *text;
		bool is_initial, is_read;
		const char *response;
	} cases[] = {
		{"a response is base64", "c2VjcmV0", false, true, "secret"},
		{"an initial one too", "c2VjcmV0", true, true, "secret"},
		{"an empty initial one is written with =", "=", true, true, ""},
		{"later = is no base64", "=", false, false, ""},
		{"an empty line is an empty response", "", false, true, ""},
		{"anything else is refused", "se cret", false, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sasl_talk t;
		char text[16] = {0};
		size_t len = strlen(cases[i].text);

		memcpy(text, cases[i].text, len);
		sasl_talk_init(&t);
		if (sasl_talk_decode(&t, span_of(text, len), cases[i].is_initial) !=
			cases[i].is_read)
			fail_msg("%s", cases[i].name);
		if (cases[i].is_read) {
			assert_non_null(sasl_talk_response(&t).ptr);
			assert_true(span_eq(sasl_talk_response(&t), span_str(cases[i].response)));
		}
		/* what was read may be a password */
		for (size_t k = 0; k < len; k++)
			assert_int_equal(text[k], 0);
		sasl_talk_fini(&t);
	}
}

static FIBER int bind_main(void *arg)
{
	struct sasl_talk *t = arg;
	struct stream *a, *b;

	stream_pair(&a, &b, 0);
	sasl_talk_bind(t, a);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void test_binding(void **state)
{
	struct loop_opts opts = {.name = "talk"};
	struct loop *l = loop_new_sim(&opts, 0);
	struct sasl_talk t;
	struct err e = {0};

	(void)state;
	sasl_talk_init(&t);
	t.opts.mechs = "SCRAM-SHA-256-PLUS";
	assert_int_equal(loop_run(l, bind_main, &t, &e), 0);
	assert_false(t.opts.has_tls);
	assert_int_equal(t.opts.tls_exporter.len, 0);
	sasl_talk_fini(&t);
	loop_free(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
