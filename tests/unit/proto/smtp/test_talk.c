#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_play.h"
#include "proto/smtp/smtp_client.h"

/* Our client and our server talk to each other: whatever extensions are used, the content arrives
 * as it was sent, and both sides agree on what became of each recipient. */

struct talk {
	struct play p;
	struct smtp_client_opts opts;
	struct span content;
	enum smtp_body_type body;
	size_t cut;
	size_t messages;
	unsigned accepted; /* fates ACCEPTED, over all messages */
};

struct memory_source {
	struct smtp_source source;
	struct span all;
	size_t at, cut;
};

static FIBER int memory_next(struct smtp_source *source, struct span *octets_r, struct err *e)
{
	struct memory_source *m = CONTAINER_OF(source, struct memory_source, source);

	*octets_r = span_sub(m->all, m->at, m->cut ? m->cut : m->all.len);
	m->at += octets_r->len;
	return 0;
}

static void memory_rewind(struct smtp_source *source)
{
	CONTAINER_OF(source, struct memory_source, source)->at = 0;
}

/* Addresses as smtp_play.h decides them, and what must become of each. */
static const struct {
	const char *address;
	enum smtp_fate fate, lmtp_fate;
	unsigned code;
} rcpts[] = {
	{"c@d", SMTP_FATE_ACCEPTED, SMTP_FATE_ACCEPTED, 250},
	{"refuse@d", SMTP_FATE_REFUSED, SMTP_FATE_REFUSED, 550},
	{"full@d", SMTP_FATE_ACCEPTED, SMTP_FATE_REFUSED, 250},
	{"later@d", SMTP_FATE_REFUSED, SMTP_FATE_REFUSED, 451},
	{"\"e f\"@d", SMTP_FATE_ACCEPTED, SMTP_FATE_ACCEPTED, 250},
};

static FIBER void send_one(struct talk *t, struct smtp_client *c)
{
	struct memory_source source = {{memory_next, memory_rewind}, t->content, 0, t->cut};
	struct smtp_txn_rcpt to[ARRAY_LEN(rcpts)] = {0};
	struct smtp_txn txn = {.reverse_path = SPAN("a@b"),
		.size = t->content.len,
		.body = t->body,
		.source = &source.source,
		.ret = SMTP_RET_HDRS,
		.envid = SPAN("id with + and ="),
		.rcpts = to,
		.rcpt_count = ARRAY_LEN(rcpts)};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++) {
		to[i].address = span_str(rcpts[i].address);
		to[i].notify = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;
		to[i].orcpt = SPAN("rfc822;some body+x@y");
	}
	if (smtp_client_send(c, &txn, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++) {
		enum smtp_fate want = t->opts.is_lmtp ? rcpts[i].lmtp_fate : rcpts[i].fate;

		if (to[i].fate != want)
			fail_msg("%s: fate %d, %u " SPAN_FMT, rcpts[i].address, to[i].fate,
				to[i].reply.code, SPAN_ARG(buf_span(&to[i].reply.text)));
		t->accepted += to[i].fate == SMTP_FATE_ACCEPTED;
	}
	smtp_txn_fini(&txn);
}

static FIBER int talk_main(void *arg)
{
	struct talk *t = arg;
	struct play *p = &t->p;
	struct smtp_client c;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&p->client, &p->server, CLOCK_MS);
	fiber_group_init(&g);
	fiber_start(&g, "server", play_serve, p, &e);
	smtp_client_init(&c, p->client, &t->opts);
	assert_int_equal(smtp_client_greet(&c, &e), 0);
	for (size_t i = 0; i < t->messages; i++)
		send_one(t, &c);
	smtp_client_quit(&c, NULL);
	smtp_client_fini(&c);
	fiber_group_join(&g);
	stream_free(&p->client);
	return 0;
}

static void talk_once(
	struct span content, enum smtp_body_type body, unsigned off, bool is_lmtp, size_t cut)
{
	struct talk t = {.content = content, .body = body, .cut = cut, .messages = 2};
	struct loop_opts opts = {.name = "talk", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct span got;
	struct err e = {0};

	play_init(&t.p, SPAN_NONE);
	t.opts = (struct smtp_client_opts){
		.hostname = "me.test", .is_lmtp = is_lmtp, .features_off = off};
	t.p.opts.is_lmtp = is_lmtp;
	t.p.opts.limits.errors_hard = t.p.opts.limits.errors_soft = 0;
	assert_int_equal(loop_run(l, talk_main, &t, &e), 0);
	loop_free(&l);
	got = buf_span(&t.p.body);
	assert_int_equal(got.len, 2 * content.len);
	assert_true(span_eq(span_sub(got, 0, content.len), content));
	assert_true(span_eq(span_skip(got, content.len), content));
	assert_int_equal(t.p.accepted, 2);
	assert_int_equal(t.p.begun, t.p.reset);
	assert_int_equal(t.accepted, is_lmtp ? 4 : 6);
	play_fini(&t.p);
}

static void fill_text(struct buf *b, size_t len)
{
	static const char *const lines[] = {"Subject: x\r\n", "\r\n", ".\r\n", "..dots\r\n",
		".a line that begins with a dot\r\n", "plain\r\n", "\xe9\xa9\xbf\xe7\xab\x99\r\n"};

	buf_init(b, 4 << 20);
	for (size_t i = 0; buf_len(b) < len; i++)
		buf_str(b, lines[i * 7 % 11 % ARRAY_LEN(lines)]);
}

static void content_arrives_as_it_was_sent(void **state)
{
	static const unsigned offs[] = {0, SMTP_CHUNKING, SMTP_PIPELINING,
		SMTP_CHUNKING | SMTP_PIPELINING, SMTP_DSN | SMTP_SIZE | SMTP_CHUNKING};
	static const size_t sizes[] = {0, 10, 3000, 300000};
	static const size_t cuts[] = {0, 1000, 7};

	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct buf text;

		fill_text(&text, sizes[s]);
		for (size_t o = 0; o < ARRAY_LEN(offs); o++)
			for (size_t c = 0; c < ARRAY_LEN(cuts); c++)
				for (int lmtp = 0; lmtp < 2; lmtp++)
					talk_once(buf_span(&text), SMTP_BODY_8BITMIME, offs[o],
						lmtp, cuts[c]);
		buf_fini(&text);
	}
}

static void binary_content_arrives_octet_for_octet(void **state)
{
	struct buf octets;

	buf_init(&octets, 1 << 20);
	for (int i = 0; i < 100000; i++)
		buf_char(&octets, (char)(i * 31 >> 3));
	talk_once(buf_span(&octets), SMTP_BODY_BINARYMIME, 0, false, 0);
	talk_once(buf_span(&octets), SMTP_BODY_BINARYMIME, SMTP_PIPELINING, true, 999);
	talk_once(span_sub(buf_span(&octets), 0, 5000), SMTP_BODY_BINARYMIME, 0, true, 10);
	buf_fini(&octets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_arrives_as_it_was_sent),
		cmocka_unit_test(binary_content_arrives_octet_for_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
