/* One conversation with a mail server, in whichever of the three protocols. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "net/net.h"
#include "cli/probe.h"

const struct probe_kind probe_kinds[PROBE_KIND_COUNT] = {
#define X(id, name, port, family, is_tls)                                                          \
	[PROBE_##id] = {name, port, PROBE_FAMILY_##family, is_tls},
	PROBE_KINDS(X)
#undef X
};

const char *probe_answer_str(enum probe_answer a)
{
	static const char *const names[] = {"untried", "no", "yes", "unsure"};

	return names[a];
}

void probe_talk_init(struct probe_talk *t, const struct probe_port_job *job)
{
	memset(t, 0, sizeof(*t));
	t->p = job->p;
	t->port = job->port;
	t->kind = job->port->kind;
	smtp_reply_parser_init(&t->reply);
	t->reply.keeps_lines = true;
}

void probe_talk_fini(struct probe_talk *t)
{
	if (t->s)
		stream_free(&t->s);
	smtp_reply_parser_fini(&t->reply);
}

static void step_done(struct probe_talk *t, const char *name, int64_t began_ns)
{
	if (t->is_timed && t->port->step_count < PROBE_STEPS_MAX)
		t->port->steps[t->port->step_count++] = (struct probe_step){
			name, loop_now_ns() - began_ns};
}

const char *probe_talk_why(const struct probe_talk *t)
{
	if (t->e.code == ERR_TIMEOUT)
		return "no answer in time";
	if (t->e.code == ERR_EOF)
		return "the server closed the connection";
	if (t->e.sys_errno == ECONNREFUSED)
		return "connection refused";
	if (t->e.sys_errno == ECONNRESET || t->e.sys_errno == EPIPE)
		return "the server broke the connection";
	if (t->e.sys_errno)
		return strerror(t->e.sys_errno);
	return arena_str(t->p->arena, span_str(t->e.text));
}

/* ---- lines ---- */

static FIBER int smtp_reply(struct probe_talk *t)
{
	struct span line;

	smtp_reply_parser_reset(&t->reply);
	while (!t->reply.is_complete)
		if (stream_read_line(t->s, SMTP_REPLY_LINE_MAX, &line, NULL, &t->e) < 0 ||
			smtp_reply_parser_line(&t->reply, line, &t->e) < 0)
			return -1;
	return (int)t->reply.reply.code;
}

struct span probe_talk_text(const struct probe_talk *t)
{
	return buf_span(&t->reply.reply.lines);
}

FIBER int probe_talk_command(struct probe_talk *t, const char *line)
{
	stream_set_timeout(t->s, t->p->timeout_ns);
	stream_printf(t->s, "%s\r\n", line);
	return smtp_reply(t);
}

static void keep_line(struct probe *p, struct probe_caps *c, struct span line)
{
	line = span_trim(line);
	if (line.len && c->count < PROBE_CAPS_MAX)
		c->lines[c->count++] = arena_str(p->arena, line);
}

/* " PLAIN LOGIN" once each, in capitals. */
static void add_auth(struct probe *p, struct probe_caps *c, struct span words)
{
	struct span word;

	while ((word = span_word(&words)).len) {
		char *upper = arena_str(p->arena, word);
		struct span had = span_str(c->auth), one;
		bool is_new = true;

		for (char *at = upper; *at; at++)
			*at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
		while ((one = span_word(&had)).len)
			is_new = is_new && !span_eq(one, span_str(upper));
		if (is_new)
			c->auth = arena_printf(
				p->arena, "%s%s%s", c->auth, c->auth[0] ? " " : "", upper);
	}
}

/* ---- SMTP ---- */

static FIBER int smtp_greet(struct probe_talk *t)
{
	int code = smtp_reply(t);

	if (code < 0)
		return -1;
	t->greeting = arena_str(t->p->arena, probe_talk_text(t));
	if (code == 220)
		return 0;
	return err_set(&t->e, ERR_REPLY, "it greets with %d " SPAN_FMT, code,
		SPAN_ARG(probe_talk_text(t)));
}

static const char *hello_name(struct probe_talk *t)
{
	char name[256] = "";
	const char *text;
	struct buf b;

	if (t->p->hello)
		return t->p->hello;
	if (gethostname(name, sizeof(name) - 1) == 0 && strchr(name, '.') &&
		smtp_domain_is_valid(span_str(name), false))
		return arena_str(t->p->arena, span_str(name));
	/* RFC 5321 section 4.1.3 */
	buf_init(&b, ADDR_TEXT_MAX);
	addr_put_literal(&b, &t->s->local);
	text = arena_str(t->p->arena, buf_span(&b));
	buf_fini(&b);
	return text;
}

static FIBER int smtp_hello(struct probe_talk *t, struct probe_caps *c)
{
	struct span text, line, word;
	bool is_more;
	int code;

	stream_printf(t->s, "EHLO %s\r\n", hello_name(t));
	code = smtp_reply(t);
	if (code >= 500 && code != 521 && code != 554) {
		stream_set_timeout(t->s, t->p->timeout_ns);
		stream_printf(t->s, "HELO %s\r\n", hello_name(t));
		code = smtp_reply(t);
	}
	if (code < 0)
		return -1;
	if (code != 250)
		return err_set(&t->e, ERR_REPLY, "EHLO is answered with %d " SPAN_FMT, code,
			SPAN_ARG(probe_talk_text(t)));
	text = probe_talk_text(t);
	for (is_more = span_cut(text, '\n', &line, &text); is_more;) {
		is_more = span_cut(text, '\n', &line, &text);
		keep_line(t->p, c, line);
		word = span_word(&line);
		if (span_eq_nocase(word, SPAN("STARTTLS")))
			c->has_starttls = true;
		else if (span_eq_nocase(word, SPAN("AUTH")))
			add_auth(t->p, c, line);
		else if (span_starts_nocase(word, SPAN("AUTH=")))
			add_auth(t->p, c, span_skip(word, 5));
	}
	return 0;
}

static FIBER int smtp_starttls(struct probe_talk *t)
{
	int code;

	stream_put(t->s, SPAN("STARTTLS\r\n"));
	code = smtp_reply(t);
	if (code < 0 || code == 220)
		return code < 0 ? -1 : 0;
	return err_set(&t->e, ERR_REPLY, "STARTTLS is answered with %d " SPAN_FMT, code,
		SPAN_ARG(probe_talk_text(t)));
}

/* ---- IMAP ---- */

static FIBER int read_line(struct probe_talk *t, struct span *line_r)
{
	return stream_read_line(t->s, PROBE_LINE_MAX, line_r, NULL, &t->e);
}

static void imap_take_caps(struct probe_talk *t, struct probe_caps *c, struct span words)
{
	struct span word;

	while ((word = span_word(&words)).len) {
		keep_line(t->p, c, word);
		if (span_eq_nocase(word, SPAN("STARTTLS")))
			c->has_starttls = true;
		else if (span_starts_nocase(word, SPAN("AUTH=")))
			add_auth(t->p, c, span_skip(word, 5));
	}
}

static FIBER int imap_greet(struct probe_talk *t)
{
	struct span line;

	if (read_line(t, &line) < 0)
		return -1;
	t->greeting = arena_str(t->p->arena, line);
	if (span_starts_nocase(line, SPAN("* OK")) || span_starts_nocase(line, SPAN("* PREAUTH")))
		return 0;
	return err_set(&t->e, ERR_REPLY, "it greets with " SPAN_FMT, SPAN_ARG(line));
}

/* Until the tagged line; CAPABILITY on the way is taken. */
static FIBER int imap_command(struct probe_talk *t, const char *verb, struct probe_caps *c)
{
	char tag[16];
	struct span line;

	snprintf(tag, sizeof(tag), "p%u ", ++t->tag);
	stream_printf(t->s, "%s%s\r\n", tag, verb);
	for (size_t n = 0; n < PROBE_CAPS_MAX; n++) {
		if (read_line(t, &line) < 0)
			return -1;
		if (c && span_starts_nocase(line, SPAN("* CAPABILITY ")))
			imap_take_caps(t, c, span_skip(line, 13));
		if (!span_starts(line, span_str(tag)))
			continue;
		if (span_starts_nocase(span_skip(line, strlen(tag)), SPAN("OK")))
			return 0;
		return err_set(&t->e, ERR_REPLY, "%s is answered with " SPAN_FMT, verb,
			SPAN_ARG(span_skip(line, strlen(tag))));
	}
	return err_set(&t->e, ERR_LIMIT, "%s has no end of answers", verb);
}

static FIBER int imap_hello(struct probe_talk *t, struct probe_caps *c)
{
	return imap_command(t, "CAPABILITY", c);
}

static FIBER int imap_starttls(struct probe_talk *t)
{
	return imap_command(t, "STARTTLS", NULL);
}

/* ---- POP3 ---- */

static FIBER int pop3_answer(struct probe_talk *t, const char *verb, struct span *line_r)
{
	if (read_line(t, line_r) < 0)
		return -1;
	if (span_starts_nocase(*line_r, SPAN("+OK")))
		return 0;
	return err_set(&t->e, ERR_REPLY, "%s with " SPAN_FMT, verb, SPAN_ARG(*line_r));
}

static FIBER int pop3_greet(struct probe_talk *t)
{
	struct span line;
	int rc = pop3_answer(t, "it greets", &line);

	if (rc == 0)
		t->greeting = arena_str(t->p->arena, line);
	return rc;
}

static FIBER int pop3_hello(struct probe_talk *t, struct probe_caps *c)
{
	struct span line, word;

	stream_put(t->s, SPAN("CAPA\r\n"));
	/* RFC 1939's APOP is offered by a time stamp in the greeting. */
	if (t->greeting && strchr(t->greeting, '<') && strchr(t->greeting, '@'))
		add_auth(t->p, c, SPAN("APOP"));
	if (pop3_answer(t, "CAPA is answered", &line) < 0)
		return t->e.code == ERR_REPLY ? 0 : -1; /* RFC 2449: may be unknown */
	for (size_t n = 0; n < PROBE_CAPS_MAX; n++) {
		if (read_line(t, &line) < 0)
			return -1;
		if (span_eq(line, SPAN(".")))
			return 0;
		keep_line(t->p, c, line);
		word = span_word(&line);
		if (span_eq_nocase(word, SPAN("STLS")))
			c->has_starttls = true;
		else if (span_eq_nocase(word, SPAN("SASL")))
			add_auth(t->p, c, line);
		else if (span_eq_nocase(word, SPAN("USER")))
			add_auth(t->p, c, SPAN("USER"));
	}
	return err_set(&t->e, ERR_LIMIT, "CAPA has no end");
}

static FIBER int pop3_starttls(struct probe_talk *t)
{
	struct span line;

	stream_put(t->s, SPAN("STLS\r\n"));
	return pop3_answer(t, "STLS is answered", &line);
}

/* ---- the three ---- */

static const struct family {
	FIBER int (*greet)(struct probe_talk *t);
	FIBER int (*hello)(struct probe_talk *t, struct probe_caps *c);
	FIBER int (*starttls)(struct probe_talk *t);
	const char *hello_step;
	const char *quit;
	const char *injected; /* sent in one segment */
	const char *closing;  /* sent under TLS: how many lines come before the end? */
} families[PROBE_FAMILY_COUNT] = {
	[PROBE_FAMILY_SMTP] = {smtp_greet, smtp_hello, smtp_starttls, "EHLO", "QUIT\r\n",
		"STARTTLS\r\nNOOP\r\n", "QUIT\r\n"},
	[PROBE_FAMILY_IMAP] = {imap_greet, imap_hello, imap_starttls, "CAPABILITY", "q LOGOUT\r\n",
		"i1 STARTTLS\r\ni2 NOOP\r\n", "q LOGOUT\r\n"},
	[PROBE_FAMILY_POP3] = {pop3_greet, pop3_hello, pop3_starttls, "CAPA", "QUIT\r\n",
		"STLS\r\nCAPA\r\n", "QUIT\r\n"},
};

FIBER int probe_talk_connect(struct probe_talk *t)
{
	struct addr to = t->port->addr->addr;
	int64_t began = loop_now_ns();
	uint16_t port = t->port->port;

	for (size_t i = 0; i < t->p->map_count; i++)
		if (t->p->maps[i].from == t->port->port || t->p->maps[i].from == 0)
			port = t->p->maps[i].to;
	addr_set_port(&to, port);
	t->s = net_connect(&to, NULL, began + t->p->timeout_ns, &t->e);
	if (!t->s)
		return -1;
	step_done(t, "connect", began);
	return 0;
}

static FIBER int handshake(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r)
{
	int64_t began = loop_now_ns();

	stream_set_timeout(t->s, t->p->timeout_ns);
	if (tls_connect_with(t->s, tls, opts, verdict_r, &t->e) < 0)
		return -1;
	step_done(t, "TLS", began);
	return 0;
}

FIBER int probe_talk_open(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r)
{
	int64_t began;

	if (probe_talk_connect(t) < 0 ||
		(t->kind->is_tls && handshake(t, tls, opts, verdict_r) < 0))
		return -1;
	began = loop_now_ns();
	stream_set_timeout(t->s, t->p->timeout_ns);
	if (families[t->kind->family].greet(t) < 0)
		return -1;
	step_done(t, "greeting", began);
	return 0;
}

FIBER int probe_talk_hello(struct probe_talk *t, struct probe_caps *c)
{
	int64_t began = loop_now_ns();

	memset(c, 0, sizeof(*c));
	c->lines = ARENA_ARRAY(t->p->arena, const char *, PROBE_CAPS_MAX);
	c->auth = "";
	stream_set_timeout(t->s, t->p->timeout_ns);
	if (families[t->kind->family].hello(t, c) < 0)
		return -1;
	step_done(t, families[t->kind->family].hello_step, began);
	return 0;
}

FIBER int probe_talk_starttls(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r)
{
	int64_t began = loop_now_ns();

	stream_set_timeout(t->s, t->p->timeout_ns);
	if (families[t->kind->family].starttls(t) < 0)
		return -1;
	step_done(t, "STARTTLS", began);
	return handshake(t, tls, opts, verdict_r);
}

FIBER void probe_talk_quit(struct probe_talk *t)
{
	if (!t->s || t->s->is_broken)
		return;
	stream_set_timeout(t->s, CLOCK_SEC);
	stream_put(t->s, span_str(families[t->kind->family].quit));
	while (stream_fill(t->s, NULL) == 0)
		stream_drop_input(t->s);
}

/* Lines that come in answer to the last command, until the server hangs up. */
static FIBER size_t count_answers(struct probe_talk *t, struct span *first_r, bool *is_i2_r)
{
	struct span line;
	size_t count = 0;

	while (count < PROBE_CAPS_MAX && read_line(t, &line) == 0) {
		if (count++ == 0)
			*first_r = arena_span(t->p->arena, line);
		*is_i2_r = *is_i2_r || span_starts(line, SPAN("i2 "));
	}
	return count;
}

FIBER enum probe_answer probe_talk_inject(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, const char **why_r)
{
	const struct family *f = &families[t->kind->family];
	struct span line = SPAN(""), first = SPAN("");
	bool is_i2 = false, is_bad;
	size_t count;

	stream_set_timeout(t->s, t->p->timeout_ns);
	stream_put(t->s, span_str(f->injected));
	do {
		if (read_line(t, &line) < 0) {
			*why_r = "the server hangs up";
			return PROBE_NO;
		}
	} while (span_starts(line, SPAN("* ")) || span_starts(line, SPAN("220-")));
	if (!span_starts(line, SPAN("220")) && !span_starts_nocase(line, SPAN("+OK")) &&
		!span_starts_nocase(line, SPAN("i1 OK"))) {
		*why_r = arena_printf(t->p->arena, "refused: " SPAN_FMT, SPAN_ARG(line));
		return PROBE_NO;
	}
	if (handshake(t, tls, opts, NULL) < 0) {
		*why_r = "the server ends it in the handshake";
		return PROBE_NO;
	}
	stream_set_timeout(t->s, t->p->timeout_ns);
	stream_put(t->s, span_str(f->closing));
	count = count_answers(t, &first, &is_i2);
	switch (t->kind->family) {
	case PROBE_FAMILY_SMTP: is_bad = count && !span_starts(first, SPAN("221")); break;
	case PROBE_FAMILY_IMAP: is_bad = is_i2; break;
	default: is_bad = count > 1; break;
	}
	if (count == 0) {
		*why_r = "the server hangs up";
		return PROBE_NO;
	}
	*why_r = is_bad
		? arena_printf(t->p->arena, "answered under TLS: " SPAN_FMT, SPAN_ARG(first))
		: "what came before the handshake is forgotten";
	return is_bad ? PROBE_YES : PROBE_NO;
}
