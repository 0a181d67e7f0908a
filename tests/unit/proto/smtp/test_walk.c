#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_play.h"

/* A random walk through the commands, beside a model that says what each reply must be. The
 * decider (smtp_play.h) aborts when it is asked out of turn; at the end every transaction that
 * began has ended. The same walk is sent in one piece and in small ones. */

#define WALKS 400
#define STEPS 120

static uint32_t choose_state;

static uint32_t choose(uint32_t n)
{
	choose_state = choose_state * 1664525u + 1013904223u;
	return (choose_state >> 8) % n;
}

struct model {
	bool is_lmtp, is_greeted, has_mail, is_binary, is_chunking;
	unsigned rcpts, refused, accepted;
	struct buf in, want; /* what is sent, and the codes that must come */
};

static void want(struct model *m, unsigned code)
{
	buf_printf(&m->want, "%u ", code);
}

static void forget(struct model *m)
{
	m->has_mail = m->is_binary = m->is_chunking = false;
	m->rcpts = m->refused = 0;
}

/* Replies to the end of a body. */
static void want_final(struct model *m, unsigned code)
{
	for (unsigned i = 0; i < (m->is_lmtp ? m->rcpts : 1); i++)
		want(m, code);
	m->accepted += code < 400;
	forget(m);
}

static unsigned no_body_code(const struct model *m)
{
	return m->has_mail && !m->rcpts && m->refused && !m->is_lmtp ? 554 : 503;
}

static void step_greet(struct model *m)
{
	static const char *const words[] = {"HELO", "EHLO", "LHLO"};
	unsigned w = choose(3);
	bool is_right = (w == 2) == m->is_lmtp;

	buf_printf(&m->in, "%s c\r\n", words[w]);
	want(m, is_right ? 250 : 500);
	if (is_right) {
		m->is_greeted = true;
		forget(m);
	}
}

static void step_mail(struct model *m)
{
	/* Parameters of extensions, and what they cost: badly written, beyond a limit. */
	static const struct {
		const char *text;
		unsigned syntax, limit;
	} params[] = {{"", 0, 0}, {"", 0, 0}, {"", 0, 0}, {" BY=60;RT", 0, 0}, {" BY=-5;N", 0, 0},
		{" BY=0;R", 501, 0}, {" HOLDFOR=10", 0, 0}, {" HOLDFOR=99999999", 0, 501},
		{" HOLDUNTIL=2001-01-01T00:00:00Z", 0, 501}, {" MT-PRIORITY=3", 0, 0},
		{" MT-PRIORITY=12", 501, 0}, {" REQUIRETLS", 555, 0}};
	bool is_refused = choose(6) == 0, is_binary = choose(4) == 0;
	unsigned i = choose(ARRAY_LEN(params));

	buf_printf(&m->in, "MAIL FROM:<%s@b>%s%s\r\n", is_refused ? "refuse" : "a",
		is_binary ? " BODY=BINARYMIME" : "", params[i].text);
	if (!m->is_greeted) {
		/* parameters are not known before EHLO */
		want(m, is_binary || *params[i].text ? 555 : 503);
		return;
	}
	if (params[i].syntax) {
		want(m, params[i].syntax);
		return;
	}
	if (m->has_mail) {
		want(m, 503);
		return;
	}
	if (params[i].limit) {
		want(m, params[i].limit);
		return;
	}
	want(m, is_refused ? 550 : 250);
	m->has_mail = !is_refused;
	m->is_binary = is_binary && !is_refused;
}

static void step_rcpt(struct model *m)
{
	bool is_refused = choose(4) == 0;

	buf_printf(&m->in, "RCPT TO:<%s@d>\r\n", is_refused ? "refuse" : "c");
	if (!m->has_mail || m->is_chunking) {
		want(m, 503);
		return;
	}
	want(m, is_refused ? 550 : 250);
	if (is_refused)
		m->refused++;
	else
		m->rcpts++;
}

static void step_data(struct model *m)
{
	static const struct {
		const char *text;
		unsigned code;
	} bodies[] = {
		{"S: x\r\n\r\nhi\r\n.\r\n", 250},
		{".\r\n", 250},
		{"a\nb\r\n.\r\n", 550},
		{"a\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n", 550},
		{"virus\r\nRCPT TO:<x@y>\r\n.\r\n", 554},
	};
	unsigned b = choose(5);

	if (choose(10) == 0) {
		buf_str(&m->in, "DATA now\r\n");
		want(m, 501);
		forget(m);
		return;
	}
	buf_str(&m->in, "DATA\r\n");
	if (m->is_chunking || !m->rcpts || m->is_binary) {
		want(m, m->rcpts ? 503 : no_body_code(m));
		forget(m);
		return;
	}
	want(m, 354);
	buf_str(&m->in, bodies[b].text);
	want_final(m, bodies[b].code);
}

static void step_bdat(struct model *m)
{
	static const struct {
		const char *text;
		unsigned code; /* when its octets are lines */
	} chunks[] = {{"", 250}, {"a\r\n", 250}, {".\r\n", 250}, {"QUIT\r\n", 250}, {"a\nb", 550},
		{"virus\r\n", 554}};
	unsigned c = choose(6), code = chunks[c].code;
	bool is_last = choose(3) == 0;

	buf_printf(&m->in, "BDAT %zu%s\r\n%s", strlen(chunks[c].text), is_last ? " LAST" : "",
		chunks[c].text);
	if (!m->rcpts) {
		want(m, no_body_code(m));
		forget(m);
		return;
	}
	if (m->is_binary && code == 550)
		code = 250;
	if (is_last) {
		want_final(m, code);
	} else if (code >= 400) {
		want(m, code);
		forget(m);
	} else {
		want(m, 250);
		m->is_chunking = true;
	}
}

static void step_other(struct model *m)
{
	static const struct {
		const char *text;
		unsigned code;
	} t[] = {{"NOOP", 250}, {"VRFY x", 252}, {"EXPN x", 502}, {"XYZZY", 500}, {"RSET x", 501},
		{"MAIL FROM:a@b", 501}, {"RCPT TO:<>", 501}, {"AUTH PLAIN", 502}};
	unsigned i = choose(10);

	if (i >= 8) {
		buf_str(&m->in, "RSET\r\n");
		want(m, 250);
		forget(m);
		return;
	}
	buf_printf(&m->in, "%s\r\n", t[i].text);
	want(m, t[i].code);
}

/* What a sensible client would do next. */
static void step_onward(struct model *m)
{
	if (!m->is_greeted)
		step_greet(m);
	else if (!m->has_mail)
		step_mail(m);
	else if (!m->rcpts)
		step_rcpt(m);
	else if (m->is_chunking || m->is_binary || choose(2))
		step_bdat(m);
	else
		step_data(m);
}

static void step_anywhere(struct model *m)
{
	static void (*const steps[])(struct model * m) = {
		step_greet, step_mail, step_rcpt, step_data, step_bdat, step_other};

	steps[choose(ARRAY_LEN(steps))](m);
}

static void walk(struct model *m)
{
	buf_init(&m->in, 1 << 20);
	buf_init(&m->want, 1 << 20);
	want(m, 220);
	for (int i = 0; i < STEPS; i++) {
		if (choose(3))
			step_onward(m);
		else
			step_anywhere(m);
	}
	buf_str(&m->in, "QUIT\r\n");
	want(m, 221);
}

/* "250 250 354 …": the last line of each reply. */
static void codes(struct span out, struct buf *b)
{
	struct span line;

	while (span_cut(out, '\n', &line, &out))
		if (line.len > 3 && line.ptr[3] == ' ')
			buf_printf(b, "%.3s ", line.ptr);
}

/* Returns how many messages were accepted. */
static unsigned walk_once(uint32_t seed, size_t step)
{
	struct model m = {0};
	struct play p;
	struct buf got;

	choose_state = seed;
	m.is_lmtp = choose(3) == 0;
	walk(&m);
	play_init(&p, buf_span(&m.in));
	p.step = step;
	p.extensions = SMTP_SERVER_EXTENSIONS;
	p.opts.is_lmtp = m.is_lmtp;
	p.opts.limits.errors_soft = p.opts.limits.errors_hard = 0;
	p.opts.limits.junk_commands = 0;
	play_run(&p);
	buf_init(&got, 1 << 20);
	codes(buf_span(&p.out), &got);
	if (!span_eq(buf_span(&got), buf_span(&m.want)))
		fail_msg("seed %u step %zu\nin:\n%s\nwant %s\ngot  %s", seed, step, buf_cstr(&m.in),
			buf_cstr(&m.want), buf_cstr(&got));
	assert_int_equal(p.accepted, m.accepted);
	buf_fini(&got);
	buf_fini(&m.in);
	buf_fini(&m.want);
	play_fini(&p);
	return m.accepted;
}

static void random_walks_follow_the_model(void **state)
{
	unsigned accepted = 0;

	for (uint32_t seed = 1; seed <= WALKS; seed++) {
		accepted += walk_once(seed, 0);
		if (seed % 8 == 0)
			walk_once(seed, seed % 5 + 1);
	}
	assert_true(accepted > 2 * WALKS); /* the walks do get somewhere */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_walks_follow_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
