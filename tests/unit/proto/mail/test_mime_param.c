#include "mime_test.h"

#include "proto/mail/mime_param.h"

struct param_case {
	const char *name, *value;
	const char *want; /* "type/subtype name=text …" with charset'language' where told */
	const char *defects;
};

static const struct param_case types[] = {
	{"plain", " text/plain; charset=utf-8", "text/plain charset=utf-8", ""},
	{"case of names is lost, of values kept", "TEXT/Plain; CHARSET=UTF-8",
		"text/plain charset=UTF-8", ""},
	{"quoted", "a/b; x=\"a; \\\"b\\\" c\"", "a/b x=a; \"b\" c", ""},
	{"folded", "a/b;\r\n x=1;\r\n\ty=\"2\r\n 3\"", "a/b x=1 y=2 3", ""},
	{"comments", "(c) a (d) / (e) b (f) ; (g) x (h) = (i) y (j)", "a/b x=y", ""},
	{"semicolon at the end", "a/b; x=y;", "a/b x=y", ""},
	{"continuations", "a/b; x*0=\"12\"; x*1=34; x*2=\"56\"", "a/b x=123456", ""},
	{"continuations in any order", "a/b; x*2=c; x*0=a; x*1=b", "a/b x=abc", ""},
	{"charset and language", "a/b; x*=utf-8'de'gr%C3%BC%C3%9Fe",
		"a/b x=utf-8'de'gr\xc3\xbc\xc3\x9f"
		"e",
		""},
	{"charset and continuations", "a/b; x*0*=utf-8''%E9%A9; x*1*=%BF; x*2=\" %41\"",
		"a/b x=utf-8''\xe9\xa9\xbf %41", ""},
	{"extended wins over plain", "a/b; x=\"?\"; x*=utf-8''%41", "a/b x=utf-8''A",
		"parameter-in-two-forms"},
	{"boundary with equals", "multipart/mixed; boundary==_a=b",
		"multipart/mixed boundary==_a=b", "parameter-should-be-quoted"},
	{"blanks in a bare value", "a/b; name=my file.txt; x=y", "a/b name=my file.txt x=y",
		"parameter-is-malformed"},
	{"text behind a quoted value", "a/b; x=\"y\" z; u=v", "a/b x=y u=v",
		"parameter-is-malformed"},
	{"no value", "a/b; x; y=z", "a/b y=z", "parameter-is-malformed"},
	{"twice", "a/b; x=1; x=2", "a/b x=1", "duplicate-parameter"},
	{"section twice", "a/b; x*0=1; x*0=2", "a/b x=1", "duplicate-parameter"},
	{"gap", "a/b; x*0=1; x*2=3", "a/b x=1", "parameter-continuation-has-gaps"},
	{"no first section", "a/b; x*1=1", "a/b x=", "parameter-continuation-has-gaps"},
	{"section with a leading zero", "a/b; x*0=1; x*01=2", "a/b x=1 x*01=2", ""},
	{"broken percent", "a/b; x*=utf-8''%4; y*=utf-8''%zz%41", "a/b x=utf-8''%4 y=utf-8''%zzA",
		"parameter-is-malformed"},
	{"extended without charset", "a/b; x*=abc", "a/b x=abc", "parameter-is-malformed"},
	{"quote never closed", "a/b; x=\"abc", "a/b x=abc", "quoted-string-not-closed"},
	{"comment never closed", "a/b (abc; x=y", "a/b", "comment-not-closed"},
	{"comment ends with a backslash", "a/b (abc\\", "a/b", "comment-not-closed"},
	{"encoded word", "a/b; name=\"=?utf-8?q?=C3=A9?=\"", "a/b name=\xc3\xa9",
		"encoded-word-in-parameter"},
	{"no slash", "text; charset=x", "/ charset=x", "content-type-is-malformed"},
	{"two slashes", "a/b/c", "/", "content-type-is-malformed"},
	{"nothing", "", "/", "content-type-is-malformed"},
	{"semicolon missing", "text/plain charset=utf-8", "text/plain charset=utf-8",
		"content-type-is-malformed"},
};

static struct span tell(struct arena *a, const struct mime_value *v)
{
	struct buf b;
	struct span s;

	buf_init(&b, 10000);
	buf_printf(&b, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(v->type), SPAN_ARG(v->subtype));
	for (size_t i = 0; i < v->param_count; i++) {
		const struct mime_param *p = &v->params[i];
		uint64_t defects = 0;

		buf_printf(&b, " " SPAN_FMT "=", SPAN_ARG(p->name));
		if (p->charset.len)
			buf_printf(&b, SPAN_FMT "'" SPAN_FMT "'", SPAN_ARG(p->charset),
				SPAN_ARG(p->language));
		buf_span_put(&b, mime_param_text(a, p, &defects));
	}
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}

static void content_types(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct arena *a = arena_new();
		struct mime_value v;

		mime_type_parse(a, span_str(types[i].value), 100, &v);
		if (!span_eq(tell(a, &v), span_str(types[i].want)) ||
			!span_eq(defect_names(a, v.defects), span_str(types[i].defects)))
			fail_msg("%s: '" SPAN_FMT "' with '" SPAN_FMT "'", types[i].name,
				SPAN_ARG(tell(a, &v)), SPAN_ARG(defect_names(a, v.defects)));
		arena_free(&a);
	}
}

static void dispositions(void **state)
{
	struct arena *a = arena_new();
	struct mime_value v;

	mime_disposition_parse(a, SPAN(" Attachment; filename=\"x.txt\"; size=3"), 100, &v);
	assert_span(tell(a, &v), "attachment/ filename=x.txt size=3");
	assert_int_equal(v.defects, 0);
	mime_disposition_parse(a, SPAN("filename=x.txt"), 100, &v);
	assert_span(tell(a, &v), "/ filename=x.txt");
	assert_true(v.defects & mime_bit(MIME_DISPOSITION_BAD));
	arena_free(&a);
}

static void raw_parameters_stay_as_written(void **state)
{
	struct arena *a = arena_new();
	struct mime_value v;

	mime_type_parse(a, SPAN("a/b; X*0*=utf-8''%41; X*1=\"b\\\"c\""), 100, &v);
	assert_int_equal(v.raw_count, 2);
	assert_span(v.raw[0].name, "X*0*");
	assert_span(v.raw[0].value, "utf-8''%41");
	assert_span(v.raw[1].value, "b\"c");
	assert_span(mime_value_param(&v, SPAN("x"))->value, "Ab\"c");
	assert_null(mime_value_param(&v, SPAN("y")));
	arena_free(&a);
}

static void parameters_are_capped(void **state)
{
	struct arena *a = arena_new();
	struct mime_value v;

	mime_type_parse(a, SPAN("a/b; c=1; d=2; e=3"), 2, &v);
	assert_span(tell(a, &v), "a/b c=1 d=2");
	assert_true(v.defects & mime_bit(MIME_PARAM_TOO_MANY));
	mime_type_parse(a, SPAN("a/b; c=1; d=2;"), 2, &v);
	assert_int_equal(v.defects, 0);
	arena_free(&a);
}

static void tokens(void **state)
{
	struct arena *a = arena_new();
	bool is_clean;

	assert_span(mime_token_parse(a, SPAN(" (x) Base64 (y)\r\n"), &is_clean), "base64");
	assert_true(is_clean);
	assert_span(mime_token_parse(a, SPAN("base64 7bit"), &is_clean), "base64");
	assert_false(is_clean);
	mime_token_parse(a, SPAN(""), &is_clean);
	assert_false(is_clean);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_types),
		cmocka_unit_test(dispositions),
		cmocka_unit_test(raw_parameters_stay_as_written),
		cmocka_unit_test(parameters_are_capped),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_param", tests, NULL, NULL);
}
