#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/received.h"
#include "received_vectors.h"

static void put(struct buf *b, const char *name, struct span value)
{
	if (value.len)
		buf_printf(b, "%s%s=" SPAN_FMT, buf_len(b) ? " " : "", name, SPAN_ARG(value));
}

static void flag(struct buf *b, const char *name, bool is_set)
{
	if (is_set)
		buf_printf(b, "%s%s", buf_len(b) ? " " : "", name);
}

/* All that was read, in one line. */
static void describe(struct buf *b, const struct received *r)
{
	put(b, "helo", r->helo);
	put(b, "reverse", r->reverse);
	flag(b, "no-reverse", r->is_reverse_unknown);
	flag(b, "doubtful", r->is_reverse_doubtful);
	put(b, "ip", r->from_ip.text);
	put(b, "by", r->by);
	put(b, "by-ip", r->by_ip.text);
	put(b, "software", r->software);
	put(b, "via", r->via);
	put(b, "kind", span_str(received_kind_name(r->kind)));
	flag(b, "esmtp", r->is_esmtp);
	flag(b, "auth", r->is_auth);
	flag(b, "utf8", r->is_utf8);
	flag(b, "no-tls", r->tls == RECEIVED_TLS_NO);
	flag(b, "tls", r->tls == RECEIVED_TLS_YES);
	put(b, "version", r->tls_version);
	put(b, "cipher", r->tls_cipher);
	if (r->tls_bits)
		buf_printf(b, " bits=%u", r->tls_bits);
	put(b, "id", r->id);
	put(b, "for", r->for_address);
	if (r->for_count > 1)
		buf_printf(b, " of=%u", r->for_count);
	put(b, "sender", r->sender);
	put(b, "login", r->login);
	if (r->has_date) {
		buf_str(b, " at=");
		clock_put_rfc3339(b, r->date.unix_sec);
		buf_printf(b, "%+d", r->date.zone_minutes);
	}
	for (unsigned i = 0; i < RECEIVED_DEFECT_COUNT; i++)
		if (received_has(r, (enum received_defect)i))
			buf_printf(b, " !%s", received_defect_name((enum received_defect)i));
}

static void behaviour_85_received_of_many_stations(void **state)
{
	bool is_well = true;

	for (size_t i = 0; i < ARRAY_LEN(received_vectors); i++) {
		struct arena *a = arena_new();
		struct received r;
		struct buf b;

		buf_init(&b, 65536);
		received_parse(a, span_str(received_vectors[i].in), &r);
		describe(&b, &r);
		if (!span_eq(buf_span(&b), span_str(received_vectors[i].out))) {
			print_message("%s\t=> %s\n", received_vectors[i].name, buf_cstr(&b));
			is_well = false;
		}
		buf_fini(&b);
		arena_free(&a);
	}
	assert_true(is_well);
}

static const struct {
	const char *text, *ip;
	bool is_private, is_loopback;
} addresses[] = {
	{"192.0.2.1", "192.0.2.1", false, false},
	{"[192.0.2.1]", "192.0.2.1", false, false},
	{"[192.0.2.1]:25", "192.0.2.1", false, false},
	{"[192.0.2.1:25]", "192.0.2.1", false, false},
	{"192.0.2.1:25", "192.0.2.1", false, false},
	{"[IPv6:2001:DB8:0::1]", "2001:db8::1", false, false},
	{"[IPv6:::ffff:192.0.2.1]", "192.0.2.1", false, false},
	{"[fe80::1%eth0]", "fe80::1", true, false},
	{"fd00::1", "fd00::1", true, false},
	{"::1", "::1", true, true},
	{"127.9.9.9", "127.9.9.9", true, true},
	{"10.1.2.3", "10.1.2.3", true, false},
	{"172.16.0.1", "172.16.0.1", true, false},
	{"172.32.0.1", "172.32.0.1", false, false},
	{"192.168.0.1", "192.168.0.1", true, false},
	{"100.64.0.1", "100.64.0.1", true, false},
	{"192.0.2.256", NULL, false, false},
	{"192.0.2.1.", NULL, false, false},
	{"[unix socket]", NULL, false, false},
	{"example.org:25", NULL, false, false},
	{"", NULL, false, false},
	{"[", NULL, false, false},
};

static void addresses_are_read(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct received_ip ip;
		bool is_one = received_ip(a, span_str(addresses[i].text), &ip);

		if (is_one != (addresses[i].ip != NULL) ||
			!span_eq(ip.text, span_str(addresses[i].ip)) ||
			received_ip_is_private(&ip) != addresses[i].is_private ||
			received_ip_is_loopback(&ip) != addresses[i].is_loopback)
			fail_msg("%s: " SPAN_FMT, addresses[i].text, SPAN_ARG(ip.text));
	}
	arena_free(&a);
}

static void networks_have_their_addresses(void **state)
{
	struct arena *a = arena_new();
	struct received_ip ip;

	assert_true(received_ip(a, SPAN("192.0.2.77"), &ip));
	assert_true(received_ip_in(&ip, SPAN("192.0.2.0/24")));
	assert_true(received_ip_in(&ip, SPAN("192.0.2.64/28")));
	assert_false(received_ip_in(&ip, SPAN("192.0.2.80/28")));
	assert_true(received_ip_in(&ip, SPAN("192.0.2.77")));
	assert_false(received_ip_in(&ip, SPAN("192.0.2.78")));
	assert_true(received_ip_in(&ip, SPAN("0.0.0.0/0")));
	assert_false(received_ip_in(&ip, SPAN("::/0")));
	assert_false(received_ip_in(&ip, SPAN("example.org")));
	assert_false(received_ip_in(&ip, SPAN("192.0.2.0/x")));
	assert_true(received_ip(a, SPAN("2001:db8:1::5"), &ip));
	assert_true(received_ip_in(&ip, SPAN("2001:db8::/32")));
	assert_false(received_ip_in(&ip, SPAN("2001:db9::/32")));
	arena_free(&a);
}

/* A megabyte of what would cost most, in linear time. */
static void bombs_end_at_once(void **state)
{
	static const char *const pieces[] = {"(", ")", "((a) ", "\"", "\"a", "[", "[ ", "<", ";",
		"; Mon, ", " Mon,", "Mon, (", "from ", "by (", "a ", "a,", "a=b ", "helo=", "\\",
		"()", "(tls)", "1/2 ", "for <a@b>,", "2026-11-23 ", "with /", "\r\n "};
	size_t size = 1024 * 1024;
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct arena *a = arena_new();
		int64_t begin = clock_mono_ns();
		struct received r;

		buf_init(&b, size + 64);
		buf_str(&b, "from x ");
		while (buf_len(&b) < size)
			buf_str(&b, pieces[i]);
		received_parse(a, buf_span(&b), &r);
		assert_true(received_has(&r, RECEIVED_CUT));
		assert_true(arena_used(a) < 1024 * 1024);
		/* some milliseconds, also under the sanitizers; a quadratic reader takes minutes */
		if (clock_mono_ns() - begin > 500 * CLOCK_MS)
			fail_msg("\"%s\": %d ms", pieces[i],
				(int)((clock_mono_ns() - begin) / CLOCK_MS));
		buf_fini(&b);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_85_received_of_many_stations),
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(networks_have_their_addresses),
		cmocka_unit_test(bombs_end_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
