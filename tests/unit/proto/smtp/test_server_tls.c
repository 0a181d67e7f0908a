/* STARTTLS and what can go wrong around it. */

#include "../../net/tls_test.h"
#include "lib/smtp_play.h"

struct talk {
	const char *name;
	struct span
		clear; /* said before the handshake, in one piece; ends with STARTTLS and more */
	struct span secret; /* said after it */
	size_t step;
	const char *plain; /* raw octets on the wire behind close_notify */
	bool is_implicit, no_handshake;
	unsigned extensions;
	/* outcome */
	const char *out;   /* what came through TLS */
	const char *notes; /* what the decider was asked */
	unsigned accepted;
	enum err_code end; /* ERR_NONE: an orderly one */
};

struct tls_talk {
	struct play p;
	const struct talk *c;
	struct tls_client *tls;
	struct buf in_clear;
};

static FIBER void read_clear(struct tls_talk *t)
{
	struct err e = {0};
	struct span line;
	bool is_last = false;

	/* up to "220 2.0.0 Ready" */
	while (!is_last && stream_read_line(t->p.client, 4096, &line, NULL, &e) == 0) {
		buf_span_put(&t->in_clear, line);
		buf_char(&t->in_clear, '\n');
		is_last = span_starts(line, SPAN("220 2.0.0 "));
	}
	assert_true(is_last);
}

static FIBER void say(struct stream *s, struct span text, size_t step)
{
	struct err e = {0};

	for (size_t at = 0, n = step ? step : text.len; at < text.len; at += n) {
		struct span piece = span_sub(text, at, n);

		if (stream_write(s, &piece, 1, &e) < 0)
			return;
		if (step)
			fiber_yield(&e);
	}
}

static FIBER int tls_main(void *arg)
{
	struct tls_talk *t = arg;
	struct play *p = &t->p;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&p->client, &p->server, 0);
	stream_set_timeout(p->client, CLOCK_HOUR);
	fiber_group_init(&g);
	fiber_start(&g, "server", play_serve, p, &e);
	if (!t->c->is_implicit) {
		say(p->client, t->c->clear, 0);
		read_clear(t);
	}
	if (t->c->no_handshake) {
		say(p->client, t->c->secret, 0);
		stream_shutdown(p->client, &e);
	} else {
		assert_int_equal(tls_connect(p->client, t->tls, SPAN("mx.one.test"), true, &e), 0);
		fiber_start(&g, "listen", play_listen, p, &e);
		say(p->client, t->c->secret, t->c->step);
		stream_shutdown(p->client, &e); /* close_notify */
		if (t->c->plain) {
			struct filter *wire = p->client->top->below;
			struct span plain = span_str(t->c->plain);

			wire->ops->write(wire, &plain, 1, CLOCK_HOUR, &e);
		}
	}
	fiber_group_join(&g);
	stream_free(&p->client);
	return 0;
}

#define HELLO    "EHLO c\r\n"
#define ENVELOPE "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
#define GREETED                                                                                    \
	"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-CHUNKING\r\n"   \
	"250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"                 \
	"250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n250-VRFY\r\n250 HELP\r\n"

static const struct talk cases[] = {
	{.name = "a message under TLS",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "DATA\r\nx\r\n.\r\nQUIT\r\n"),
		.out = GREETED
		"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
		"354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n",
		.notes = "mail a@b;rcpt c@d;end;reset;",
		.accepted = 1},
	{.name = "REQUIRETLS is offered and taken under TLS",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN("EHLO c\r\nMAIL FROM:<a@b> REQUIRETLS\r\nQUIT\r\n"),
		.out = "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
		       "250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
		       "250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n"
		       "250-REQUIRETLS\r\n250-VRFY\r\n250 HELP\r\n250 2.1.0 Ok\r\n221 2.0.0 Bye\r\n",
		.notes = "mail a@b;reset;",
		.extensions = SMTP_REQUIRETLS},
	{.name = "octet by octet, with chunks",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "BDAT 1\r\nxBDAT 2 LAST\r\n\r\nQUIT\r\n"),
		.step = 1,
		.out = GREETED "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 1 octets received\r\n"
			       "250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n",
		.notes = "mail a@b;rcpt c@d;end;reset;",
		.accepted = 1},
	{.name = "what is pipelined behind STARTTLS is dropped, what was said before forgotten",
		.clear = SPAN(HELLO "STARTTLS\r\n" HELLO "MAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\n"),
		.secret = SPAN("RCPT TO:<c@d>\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n" HELLO
			       "STARTTLS\r\nQUIT\r\n"),
		.out = "503 5.5.1 Say EHLO or HELO first\r\n503 5.5.1 Say EHLO or HELO first\r\n"
		       "503 5.5.1 Say EHLO or HELO first\r\n" GREETED
		       "503 5.5.1 TLS is on already\r\n221 2.0.0 Bye\r\n",
		.notes = ""},
	{.name = "TLS from the first octet",
		.is_implicit = true,
		.secret = SPAN("HELO c\r\nQUIT\r\n"),
		.out = "220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n221 2.0.0 Bye\r\n",
		.notes = ""},
	{.name = "plaintext where a handshake should be",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.no_handshake = true,
		.secret = SPAN(HELLO ENVELOPE "DATA\r\nx\r\n.\r\n"),
		.notes = "",
		.end = ERR_TLS},
	{.name = "close_notify in the middle of a chunk, then plaintext",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "BDAT 10 LAST\r\nabc"),
		.plain = "defghij\r\nQUIT\r\n",
		.out = GREETED "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
		.notes = "mail a@b;rcpt c@d;reset;"},
	{.name = "close_notify between two chunks, then plaintext",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "BDAT 3\r\nabc"),
		.plain = "x",
		.out = GREETED "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 3 octets received\r\n",
		.notes = "mail a@b;rcpt c@d;reset;"},
	{.name = "close_notify in the middle of the data, then the dot in clear",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "DATA\r\nabc\r\n"),
		.plain = ".\r\n",
		.out = GREETED
		"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n",
		.notes = "mail a@b;rcpt c@d;reset;"},
	{.name = "pipelined transactions and a close in the third",
		.clear = SPAN(HELLO "STARTTLS\r\n"),
		.secret = SPAN(HELLO ENVELOPE "BDAT 1 LAST\r\nx" ENVELOPE
					      "BDAT 1 LAST\r\nx" ENVELOPE "BDAT 5\r\nx"),
		.plain = "yyyyBDAT 0 LAST\r\n",
		.step = 3,
		.out = GREETED "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n"
			       "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n"
			       "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n",
		.notes =
			"mail a@b;rcpt c@d;end;reset;mail a@b;rcpt c@d;end;reset;mail a@b;rcpt c@d;"
			"reset;",
		.accepted = 2},
};

static void tls_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct talk *c = &cases[i];
		struct tls_talk t = {.c = c};
		struct tls_server *server = server_new("smtp", NULL, true);

		play_init(&t.p, SPAN_NONE);
		buf_init(&t.in_clear, 65536);
		t.p.extensions = c->extensions;
		t.p.opts.tls = server;
		t.p.opts.is_tls_implicit = c->is_implicit;
		t.tls = client_new(NULL, 0);
		test_run_sim(tls_main, &t);
		if (c->out && strcmp(buf_cstr(&t.p.out), c->out) != 0)
			fail_msg("%s:\n%s", c->name, buf_cstr(&t.p.out));
		if (strcmp(buf_cstr(&t.p.notes), c->notes) != 0)
			fail_msg("%s: %s", c->name, buf_cstr(&t.p.notes));
		assert_int_equal(t.p.accepted, c->accepted);
		assert_int_equal(t.p.begun, t.p.reset);
		assert_int_equal(t.p.rc, c->end ? -1 : 0);
		assert_int_equal(t.p.e.code, c->end);
		if (!c->is_implicit)
			assert_true(span_find_span(buf_span(&t.in_clear), SPAN("STARTTLS")) > 0);
		tls_client_free(&t.tls);
		tls_server_free(&server);
		buf_fini(&t.in_clear);
		play_fini(&t.p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_table),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
