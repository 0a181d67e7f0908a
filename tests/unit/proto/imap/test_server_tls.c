/* STARTTLS, COMPRESS, and what can go wrong around them. */

#include "../../net/tls_test.h"
#include "lib/imap_play.h"
#include "net/deflate.h"

struct tls_talk {
	struct imap_play p;
	struct tls_client *tls;
	const char *behind; /* said in one piece with STARTTLS */
	bool is_implicit;
};

static FIBER void expect(struct imap_play *p, const char *say, const char *hear)
{
	struct span want = span_str(hear);
	struct err e = {0};

	imap_play_say(p, span_str(say), 0);
	while (stream_peek(p->client).len < want.len)
		if (stream_fill(p->client, &e) < 0)
			break;
	if (!span_eq(span_sub(stream_peek(p->client), 0, want.len), want))
		fail_msg("to %s it said %.*s", say, SPAN_ARG(stream_peek(p->client)));
	stream_consume(p->client, want.len);
}

#define GREETING                                                                                   \
	"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED SASL-IR LITERAL+ ENABLE ID IDLE] "      \
	"imap.test Yizhan ready\r\n"
#define LOGIN "l LOGIN alice wonder\r\n"

static void prepare(struct tls_talk *t)
{
	imap_play_init(&t->p);
	t->p.is_clear = false;
	t->p.opts.caps = IMAP_BIT(IMAP4REV1) | IMAP_BIT(LITERAL_PLUS) | IMAP_BIT(SASL_IR) |
		IMAP_BIT(ENABLE) | IMAP_BIT(IDLE) | IMAP_BIT(ID) | IMAP_BIT(COMPRESS_DEFLATE);
	t->p.opts.tls = server_new("imap", "imap", false);
	t->p.opts.is_tls_implicit = t->is_implicit;
	t->tls = client_new("imap", 0);
	imap_play_start(&t->p);
	stream_set_timeout(t->p.client, CLOCK_HOUR);
}

static FIBER void finish(struct tls_talk *t)
{
	struct tls_server *server = t->p.opts.tls;

	imap_play_stop(&t->p);
	imap_play_fini(&t->p);
	tls_server_free(&server);
	tls_client_free(&t->tls);
}

static FIBER int starttls_main(void *arg)
{
	struct tls_talk *t = arg;
	struct imap_play *p = &t->p;
	struct err e = {0};

	prepare(t);
	expect(p, "i ID (\"name\" \"Evil\")\r\n",
		GREETING "* ID (\"name\" \"Yizhan\")\r\ni OK ID completed\r\n");
	expect(p, LOGIN, "l NO [PRIVACYREQUIRED] Not without TLS\r\n");
	expect(p, "s STARTTLS\r\n", "s OK Begin TLS now\r\n");
	assert_int_equal(tls_connect(p->client, t->tls, SPAN("mx.one.test"), true, &e), 0);
	expect(p, "a CAPABILITY\r\n",
		"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE AUTH=PLAIN\r\n"
		"a OK CAPABILITY completed\r\n");
	/* what was said in clear is forgotten */
	assert_int_equal(p->s->client_name.len, 0);
	expect(p, "b STARTTLS\r\n", "b BAD TLS is on already\r\n");
	expect(p, LOGIN,
		"l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE COMPRESS=DEFLATE] "
		"Logged in\r\n");
	finish(t);
	return 0;
}

static void a_login_comes_under_tls(void **state)
{
	struct tls_talk t = {0};

	test_run_sim(starttls_main, &t);
}

static FIBER int behind_main(void *arg)
{
	struct tls_talk *t = arg;

	prepare(t);
	expect(&t->p, "s STARTTLS\r\nx NOOP\r\n", GREETING "* BYE Nothing may follow STARTTLS\r\n");
	assert_int_equal(stream_fill(t->p.client, NULL), -1);
	assert_true(t->p.is_over);
	finish(t);
	return 0;
}

static void what_follows_starttls_in_clear_ends_it(void **state)
{
	struct tls_talk t = {0};

	test_run_sim(behind_main, &t);
}

static FIBER int compress_main(void *arg)
{
	struct tls_talk *t = arg;
	struct imap_play *p = &t->p;
	struct err e = {0};

	prepare(t);
	assert_int_equal(tls_connect(p->client, t->tls, SPAN("mx.one.test"), true, &e), 0);
	expect(p, LOGIN "a COMPRESS LZ4\r\nc COMPRESS DEFLATE\r\n",
		"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE AUTH=PLAIN] imap.test "
		"Yizhan ready\r\n"
		"l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE COMPRESS=DEFLATE] "
		"Logged in\r\na BAD There is DEFLATE only\r\nc OK Compressed from here on\r\n");
	deflate_push(p->client);
	expect(p, "d COMPRESS DEFLATE\r\ne CAPABILITY\r\n",
		"d NO [COMPRESSIONACTIVE] Compression is on already\r\n"
		"* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE\r\n"
		"e OK CAPABILITY completed\r\n");
	expect(p, "f SELECT INBOX\r\ng IDLE\r\n",
		"* 5 EXISTS\r\nf OK SELECT completed\r\n+ idling\r\n");
	/* a change is pushed through the filter as it comes */
	p->news = 1;
	imap_ring(p->s);
	expect(p, "", "* 6 EXISTS\r\n");
	expect(p, "DONE\r\nh LOGOUT\r\n",
		"g OK IDLE completed\r\n* BYE Good bye\r\nh OK LOGOUT completed\r\n");
	finish(t);
	return 0;
}

static void a_compressed_session_goes_on_as_before(void **state)
{
	struct tls_talk t = {.is_implicit = true};

	test_run_sim(compress_main, &t);
}

static FIBER int compress_behind_main(void *arg)
{
	struct tls_talk *t = arg;
	struct imap_play *p = &t->p;
	struct err e = {0};

	prepare(t);
	assert_int_equal(tls_connect(p->client, t->tls, SPAN("mx.one.test"), true, &e), 0);
	imap_play_hear(p);
	imap_play_say(p, SPAN(LOGIN "c COMPRESS DEFLATE\r\nd NOOP\r\n"), 0);
	fiber_sleep(CLOCK_SEC, &e);
	assert_true(p->is_over);
	assert_non_null(strstr(buf_cstr(&p->out), "* BYE Nothing may follow COMPRESS\r\n"));
	finish(t);
	return 0;
}

static void what_follows_compress_ends_it(void **state)
{
	struct tls_talk t = {.is_implicit = true};

	test_run_sim(compress_behind_main, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_comes_under_tls),
		cmocka_unit_test(what_follows_starttls_in_clear_ends_it),
		cmocka_unit_test(a_compressed_session_goes_on_as_before),
		cmocka_unit_test(what_follows_compress_ends_it),
	};

	return cmocka_run_group_tests_name(
		"imap_server_tls", tests, make_certificates, remove_certificates);
}
