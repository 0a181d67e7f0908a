#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "services/host/config.h"

static struct config *read_ok(const char *text)
{
	struct config_errors errs = {0};
	struct config *c = config_read_text("t.conf", span_str(text), &errs);

	for (size_t i = 0; i < errs.count; i++)
		print_message("line %u: %s\n", errs.items[i].line, errs.items[i].text);
	assert_non_null(c);
	assert_int_equal(errs.count, 0);
	config_errors_fini(&errs);
	return c;
}

/* "3: text|5: text" */
static void expect_errors(const char *text, const char *expected)
{
	struct config_errors errs = {0};
	struct config *c = config_read_text("t.conf", span_str(text), &errs);
	struct buf b;

	assert_null(c);
	buf_init(&b, 65536);
	for (size_t i = 0; i < errs.count; i++)
		buf_printf(&b, "%s%u: %s", i ? "|" : "", errs.items[i].line, errs.items[i].text);
	assert_string_equal(buf_cstr(&b), expected);
	buf_fini(&b);
	config_errors_fini(&errs);
}

static void test_presets(void **state)
{
	struct config *c = read_ok("");

	(void)state;
	assert_string_equal(c->data, "/var/lib/yizhan");
	assert_int_equal(c->limits.message_octets, 50 * 1024 * 1024);
	assert_int_equal(c->queue.expire, 5 * CLOCK_DAY);
	assert_int_equal(c->relay_networks.count, 0);
	assert_int_equal(c->listener_count, 0);
	assert_int_equal(c->log.level, 2);
	assert_true(c->hostname[0] != 0);
	assert_false(c->is_demo);
	config_unref(&c);
	assert_null(c);
}

static void test_values(void **state)
{
	struct config *c = read_ok(
		"# a comment\n"
		"hostname = mx.example.org // another\n"
		"data = \"/srv/mail\" /* and\none more */\n"
		"relay_networks = { \"10.0.0.0/8\", '::1' }\n"
		"newlines = normalise\n"
		"limits { message = 1G  command_time = \"1h30m\" }\n"
		"log { level = debug format = \"json\" destination = journald }\n"
		"tls { tls12 = no }\n"
		"listener mx { address = { \"0.0.0.0:25\", \"[::]:25\" } tls = none }\n"
		"listener \"local\" { address = { \"unix:/run/y\", } mode = 600\n"
		"  protocol = lmtp tls = starttls proxy_networks = {} }\n");

	(void)state;
	assert_string_equal(c->hostname, "mx.example.org");
	assert_string_equal(c->data, "/srv/mail");
	assert_int_equal(c->relay_networks.count, 2);
	assert_int_equal(c->relay_networks.items[0].bits, 8);
	assert_int_equal(c->relay_networks.items[1].bits, 128);
	assert_int_equal(c->newlines, 1);
	assert_int_equal(c->limits.message_octets, 1LL << 30);
	assert_int_equal(c->limits.command_time, 90 * CLOCK_MIN);
	assert_int_equal(c->log.level, 3);
	assert_int_equal(c->log.format, 1);
	assert_string_equal(c->log.destination, "journald");
	assert_false(c->tls.is_tls12);
	assert_int_equal(c->listener_count, 2);
	assert_string_equal(c->listeners[0].name, "mx");
	assert_int_equal(c->listeners[0].addresses.count, 2);
	assert_string_equal(c->listeners[0].addresses.items[1], "[::]:25");
	assert_int_equal(c->listeners[0].tls, CONFIG_TLS_NONE);
	assert_false(c->listeners[0].is_relay);
	assert_string_equal(c->listeners[1].name, "local");
	assert_int_equal(c->listeners[1].protocol, CONFIG_LMTP);
	assert_int_equal(c->listeners[1].unix_mode, 0600);
	assert_false(c->listeners[1].is_relay); /* LMTP delivers */
	assert_int_equal(c->listeners[1].tls, CONFIG_TLS_NONE);
	config_unref(&c);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *errors;
	} cases[] = {
		{"hostnme = a\n", "1: unknown name \"hostnme\": did you mean \"hostname\"?"},
		{"zzzzzz = 1", "1: unknown name \"zzzzzz\""},
		{"\n\nhostname = a\nhostname = b", "4: \"hostname\" stands twice: first in line 3"},
		{"data = \"/home/$USER\"",
			"1: \"$\" is not allowed: nothing is taken from the environment"},
		{"data = ${HOME}",
			"1: \"$\" is not allowed: nothing is taken from the environment"},
		{"limits {\n message = 1M\n", "1: this \"{\" has no \"}\""},
		{"}\n", "1: this \"}\" has no \"{\""},
		{"data = /srv\n", "1: put quotes round \"/srv\""},
		{"data = \"a\n", "1: this text has no closing quote"},
		{"/* a", "1: this comment has no end"},
		{"threads = 99", "1: threads: \"99\" is not within 0 to 64"},
		{"threads = many", "1: threads: \"many\" is no number"},
		{"threads = { 1 }", "1: \"threads\" takes one value, not a list"},
		{"relay_networks = \"10.0.0.0/8\"",
			"1: \"relay_networks\" takes a list: relay_networks = { \"10.0.0.0/8\" }"},
		{"newlines = normalize",
			"1: newlines: \"normalize\" is none of: refuse normalise (did you mean "
			"\"normalise\"?)"},
		{"message = 1M", "1: \"message\" belongs into the section \"limits\""},
		{"limits { hostname = a }", "1: \"hostname\" belongs into the top level"},
		{"listener { }", "1: a listener needs a name: listener NAME { … }"},
		{"tls x { }", "1: the section \"tls\" takes no name"},
		{"tls { }\ntls { }", "2: a second section \"tls\": the first is in line 1"},
		{"listener a { }\nlistener a { }",
			"2: a second listener with the name \"a\": the first is in line 1"},
		{"limit { a = 1 { } }", "1: unknown name \"limit\": did you mean \"limits\"?"},
		{"limits { message = 12x }", "1: message: \"12x\" is no size (512, 64K, 50M, 4G)"},
		{"limits {\n\n command_time = soon }",
			"3: command_time: \"soon\" is no time (90, 5m, 1h30m, 5d)"},
		{"hostname\n", "1: behind \"hostname\" \"=\" is missing"},
		{"hostname = \n", "1: \"hostname\" has no value"},
		{"limits { message = }", "1: \"message\" has no value"},
		{"tls { certificate = \"/a\" }", "0: tls: \"certificate\" and \"key\" go together"},
		{"tls { tls12 = maybe }", "1: tls12: \"maybe\" is neither yes nor no"},
		{"data = \"\"", "1: data: \"\" is empty"},
		{"pop3 { expire = \"36h\" }",
			"0: pop3: expire: \"36h\" is neither never nor a number of days (\"30d\")"},
		{"listener a { protocol = pop3 without = { \"UIDL\", \"IDLE\" } }",
			"1: listener a: without: \"IDLE\" is no capability of its protocol"},
		{"listener a { without = { \"SIZE\" } }",
			"1: listener a: without: \"SIZE\" is no capability of its protocol"},
		{"pop3 { idle_time = 5m }", "1: idle_time: \"5m\" is not within 10m to 1d"},
		{"listener a { mode = 689 }", "1: mode: \"689\" is not octal"},
		{"lists { url = \"http://lists.example\" }",
			"0: lists: url: \"http://lists.example\" is not like \"https://lists.example.org\""},
		{"lists { url = \"https://lists.example/\" }",
			"0: lists: url: \"https://lists.example/\" is not like \"https://lists.example.org\""},
		{"lists { url = \"https://a b\" }",
			"0: lists: url: \"https://a b\" is not like \"https://lists.example.org\""},
		{"resolver { forwarders = { \"a\" \"b\" } }", "1: a comma is missing before \"b\""},
		/* all in one run */
		{"hostnam = a\nthread = 1\n\nlimits { mesage = 2 }\n",
			"1: unknown name \"hostnam\": did you mean \"hostname\"?|"
			"2: unknown name \"thread\": did you mean \"threads\"?|"
			"4: unknown name \"mesage\": did you mean \"message\"?"},
		{"limits { errors_soft = 0 }\nthreads = x\n",
			"1: errors_soft: \"0\" is not within 1 to 1000000|2: threads: \"x\" is no number"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_errors(cases[i].text, cases[i].errors);
}

static void test_errors_are_bounded(void **state)
{
	struct config_errors errs = {0};
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	for (int i = 0; i < 500; i++)
		buf_str(&b, "wrongname = 1\n");
	assert_null(config_read_text("t.conf", buf_span(&b), &errs));
	assert_int_equal(errs.count, CONFIG_ERRORS_MAX);
	config_errors_fini(&errs);
	buf_fini(&b);
}

static void test_bad_octets(void **state)
{
	struct config_errors errs = {0};

	(void)state;
	assert_null(config_read_text("t.conf", SPAN("hostname = a\0b"), &errs));
	assert_int_equal(errs.count, 1);
	config_errors_fini(&errs);
	assert_null(config_read("/nowhere/at/all.conf", &errs));
	assert_int_equal(errs.count, 1);
	config_errors_fini(&errs);
}

/* Any cut of a right file, and any octet changed, gives a configuration or errors, never a fall. */
static void test_cut_and_changed(void **state)
{
	static const char text[] = "hostname = \"a\" # x\nlimits { message = 1M } /* c */\n"
				   "listener mx { address = { \"127.0.0.1:25\" } tls = none }\n";

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (int change = -1; change < 6; change++) {
			struct config_errors errs = {0};
			char copy[sizeof(text)];
			size_t len = sizeof(text) - 1;

			memcpy(copy, text, sizeof(text));
			if (change < 0)
				len = i;
			else
				copy[i] = "{}\"'/="[change];
			struct config *c = config_read_text("t.conf", span_of(copy, len), &errs);
			assert_true(c || errs.count);
			config_unref(&c);
			config_errors_fini(&errs);
		}
	}
}

/* Where an address names no port, and what of a listener is for imap and pop3 alone. */
static void test_reading_listeners(void **state)
{
	static const struct {
		int protocol, tls;
		uint16_t port;
	} cases[] = {
		{CONFIG_IMAP, CONFIG_TLS_STARTTLS, 143},
		{CONFIG_IMAP, CONFIG_TLS_IMPLICIT, 993},
		{CONFIG_POP3, CONFIG_TLS_STARTTLS, 110},
		{CONFIG_POP3, CONFIG_TLS_IMPLICIT, 995},
	};
	struct config *c = read_ok(
		"listener a { protocol = imap without = { \"IDLE\", \"UIDONLY\" } }\n"
		"listener b { protocol = pop3 tls = implicit }\n");
	uint32_t days;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(config_port(&(struct config_listener){
					 .protocol = cases[i].protocol, .tls = cases[i].tls}),
			cases[i].port);
	assert_int_equal(c->listeners[0].protocol, CONFIG_IMAP);
	assert_int_equal(c->listeners[0].tls, CONFIG_TLS_STARTTLS);
	assert_int_equal(c->listeners[0].without.count, 2);
	assert_string_equal(c->listeners[0].without.items[1], "UIDONLY");
	assert_int_equal(c->listeners[1].protocol, CONFIG_POP3);
	assert_int_equal(c->listeners[1].without.count, 0);
	assert_int_equal(c->reading.keep_expunged, 14 * CLOCK_DAY);
	assert_true(config_pop3_expire(c->pop3.expire, &days));
	assert_int_equal(days, UINT32_MAX);
	assert_true(config_pop3_expire("0", &days));
	assert_int_equal(days, 0);
	assert_true(config_pop3_expire("30d", &days));
	assert_int_equal(days, 30);
	config_unref(&c);
}

static void test_demo(void **state)
{
	struct config *c = config_demo("/tmp/x", 7), *d = read_ok("demo = yes");

	(void)state;
	assert_true(c->is_demo);
	assert_int_equal(c->port_offset, 7);
	assert_string_equal(c->data, "/tmp/x");
	assert_in_range(c->listener_count, 6, 8);
	assert_string_equal(c->listeners[0].addresses.items[0], "127.0.0.1:2525");
	assert_string_equal(c->listeners[1].addresses.items[0], "127.0.0.1:5870");
	assert_int_equal(c->listeners[1].protocol, CONFIG_SUBMISSION);
	assert_string_equal(c->listeners[2].addresses.items[0], "127.0.0.1:4650");
	assert_int_equal(c->listeners[2].tls, CONFIG_TLS_IMPLICIT);
	assert_string_equal(c->listeners[3].addresses.items[0], "127.0.0.1:8080");
	assert_int_equal(c->listeners[3].protocol, CONFIG_HTTP);
	assert_int_equal(c->listeners[3].tls, CONFIG_TLS_NONE);
	assert_int_equal(c->relay_networks.count, 0);
	assert_int_equal(d->listener_count, c->listener_count);
	assert_true(d->is_demo);
	config_unref(&d);
	d = config_ref(c);
	config_unref(&c);
	assert_string_equal(d->data, "/tmp/x");
	config_unref(&d);
}

static void count_diff(void *arg, const struct config_setting *s, struct span was, struct span is)
{
	struct buf *b = arg;

	buf_printf(b, "%s.%s:" SPAN_FMT ">" SPAN_FMT ";", s->section, s->name, SPAN_ARG(was),
		SPAN_ARG(is));
}

static void test_diff(void **state)
{
	struct config *a = read_ok("hostname = a\nrelay_networks = { \"10.0.0.0/8\" }");
	struct config *b = read_ok(
		"hostname = a\nlog { level = debug }\nlimits { errors_delay = 2s }");
	struct buf seen;

	(void)state;
	buf_init(&seen, 4096);
	config_diff(a, b, count_diff, &seen);
	assert_string_equal(buf_cstr(&seen),
		".relay_networks:10.0.0.0/8>;limits.errors_delay:1.0s>2.0s;log.level:info>debug;");
	buf_fini(&seen);
	config_unref(&a);
	config_unref(&b);
}

/* Help and man page name every setting; each row says something. */
static void test_help_is_whole(void **state)
{
	struct buf help, man;

	(void)state;
	buf_init(&help, 1024 * 1024);
	buf_init(&man, 1024 * 1024);
	config_put_help(&help);
	config_put_man(&man);
	for (size_t i = 0; i < config_setting_count; i++) {
		assert_true(strlen(config_settings[i].help) > 5);
		assert_true(
			span_find_span(buf_span(&help), span_str(config_settings[i].name)) >= 0);
		assert_true(span_find_span(buf_span(&man), span_str(config_settings[i].name)) >= 0);
	}
	assert_true(buf_ok(&help) && buf_ok(&man));
	buf_fini(&help);
	buf_fini(&man);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_errors_are_bounded),
		cmocka_unit_test(test_bad_octets),
		cmocka_unit_test(test_cut_and_changed),
		cmocka_unit_test(test_reading_listeners),
		cmocka_unit_test(test_demo),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_help_is_whole),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
