#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/router/destination.h"

static const struct {
	const char *name, *key;
	enum destination_kind kind;
	bool is_lmtp;
	const char *what;
	unsigned port;
	const char *egress, *as;
} good[] = {
	{"a domain", "example.org", DESTINATION_DOMAIN, false, "example.org", 0, "", ""},
	{"a loop", "loop:our.example", DESTINATION_LOOP, false, "our.example", 0, "", ""},
	{"refused", "refused:5.1.1 No such mailbox", DESTINATION_REFUSED, false,
		"5.1.1 No such mailbox", 0, "", ""},
	{"an address as a domain", "[192.0.2.1]", DESTINATION_DOMAIN, false, "[192.0.2.1]", 0, "",
		""},
	{"an IPv6 address as a domain", "[ipv6:2001:db8::1]", DESTINATION_DOMAIN, false,
		"[ipv6:2001:db8::1]", 0, "", ""},
	{"a host", "[mx.example]:25", DESTINATION_HOST, false, "mx.example", 25, "", ""},
	{"an IPv6 address", "[2001:db8::1]:2525", DESTINATION_HOST, false, "2001:db8::1", 2525, "",
		""},
	{"LMTP to a host", "lmtp:[127.0.0.1]:24", DESTINATION_HOST, true, "127.0.0.1", 24, "", ""},
	{"a socket", "unix:/run/x", DESTINATION_UNIX, false, "/run/x", 0, "", ""},
	{"LMTP to a socket", "lmtp:unix:/run/x", DESTINATION_UNIX, true, "/run/x", 0, "", ""},
	{"a pool", "pool:hosts", DESTINATION_POOL, false, "hosts", 0, "", ""},
	{"a list", "list:17", DESTINATION_LIST, false, "17", 0, "", ""},
	{"a domain by its own way", "example.org|egress=bulk", DESTINATION_DOMAIN, false,
		"example.org", 0, "bulk", ""},
	{"a smarthost with a login", "[mx.example]:587|egress=b|as=@a.example", DESTINATION_HOST,
		false, "mx.example", 587, "b", "@a.example"},
};

static void a_key_says_kind_name_and_what_keeps_it_apart(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct destination d;

		print_message("%s\n", good[i].name);
		assert_int_equal(destination_cut(span_str(good[i].key), &d, NULL), 0);
		assert_int_equal(d.kind, good[i].kind);
		assert_int_equal(d.is_lmtp, good[i].is_lmtp);
		assert_true(span_eq(d.name, span_str(good[i].what)));
		assert_int_equal(d.port, good[i].port);
		assert_true(span_eq(d.egress, span_str(good[i].egress)));
		assert_true(span_eq(d.as, span_str(good[i].as)));
		assert_true(span_eq(destination_join(a, &d), span_str(good[i].key)));
	}
	arena_free(&a);
}

static void letters_about_tls_go_by_themselves(void **state)
{
	static const struct {
		const char *key, *required, *optional;
	} cases[] = {
		{"example.org", "example.org|tls=required", "example.org|tls=optional"},
		{"[mx.example]:25|egress=b|as=@a.example",
			"[mx.example]:25|egress=b|as=@a.example|tls=required",
			"[mx.example]:25|egress=b|as=@a.example|tls=optional"},
		{"pool:hosts", "pool:hosts|tls=required", "pool:hosts|tls=optional"},
		{"lmtp:unix:/run/x", "lmtp:unix:/run/x", "lmtp:unix:/run/x"},
		{"list:17", "list:17", "list:17"},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span key = span_str(cases[i].key);
		struct destination d;

		assert_true(span_eq(destination_with_tls(a, key, false, false), key));
		assert_true(span_eq(
			destination_with_tls(a, key, true, true), span_str(cases[i].required)));
		assert_true(span_eq(
			destination_with_tls(a, key, false, true), span_str(cases[i].optional)));
		assert_int_equal(destination_cut(span_str(cases[i].required), &d, NULL), 0);
		assert_true(span_eq(destination_join(a, &d), span_str(cases[i].required)));
	}
	arena_free(&a);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {"", "[]:25", "[a]", "[]", "lmtp:[192.0.2.1]",
		"[a]:", "[a]:0", "[a]:65536", "pool:", "lmtp:example.org", "lmtp:pool:x", "a|b=c",
		"|egress=x", "a|tls=maybe"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct destination d;
		struct err e = {0};

		print_message("\"%s\"\n", bad[i]);
		assert_int_equal(destination_cut(span_str(bad[i]), &d, &e), -1);
		assert_int_equal(e.code, ERR_SYNTAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_says_kind_name_and_what_keeps_it_apart),
		cmocka_unit_test(letters_about_tls_go_by_themselves),
		cmocka_unit_test(what_is_none_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("services/router/destination", tests, NULL, NULL);
}
