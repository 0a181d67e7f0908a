#include "mime_test.h"

#include "proto/mail/mail_subject.h"

struct subject_case {
	const char *in, *want;
	bool is_reply;
};
/* RFC 5256 section 2.1, step by step */
static const struct subject_case cases[] = {
	{"", "", false},
	{"plain", "plain", false},
	{" two\t \r\n words ", "two words", false},
	{"=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?q?_x?=",
		"Gr\xc3\xbc\xc3\x9f"
		"e x",
		false},
	{"=?utf-8?q?Re=3A_x?=", "x", true},
	{"Re: x", "x", true},
	{"RE:x", "x", true},
	{"re : x", "x", true},
	{"Fw: x", "x", true},
	{"FWD: x", "x", true},
	{"Re: Re: fwd: x", "x", true},
	{"Re[2]: x", "x", true},
	{"Re [2] : x", "x", true},
	{"Rex: x", "Rex: x", false},
	{"Re x", "Re x", false},
	{"[list] x", "x", false},
	{"[list] [other] x", "x", false},
	{"[list] Re: x", "x", true},
	{"Re: [list] x", "x", true},
	{"Re: [list] Re: [list] x", "x", true},
	{"[list]", "[list]", false},
	{"[a] [b]", "[b]", false},
	{"Re: [list]", "[list]", true},
	{"[open x", "[open x", false},
	{"x (fwd)", "x", true},
	{"x (FWD) (fwd) ", "x", true},
	{"[fwd: x]", "x", true},
	{"[Fwd: Re: x (fwd)]", "x", true},
	{"[fwd: [fwd: x]]", "x", true},
	{"[fwd:]", "", true},
	{"Re:", "", true},
	{"Re: [\xc3\xbc] x", "x", true},
};

static void base_subjects(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		bool is_reply;
		struct span s = mail_base_subject(a, span_str(cases[i].in), &is_reply);

		print_message("# case %zu\n", i);
		assert_span(s, cases[i].want);
		assert_int_equal(is_reply, cases[i].is_reply);
		arena_free(&a);
	}
}

static void many_blobs_take_linear_time(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 1 << 20);
	bool is_reply;

	for (int i = 0; i < 20000; i++)
		buf_str(b, "[]");
	assert_true(mail_base_subject(a, buf_span(b), &is_reply).len <= 2);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_subjects),
		cmocka_unit_test(many_blobs_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
