#include "lib/smtp_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

static const char *const kinds[] = {"connect", "EHLO", "HELO", "STARTTLS", "tls", "MAIL", "RCPT",
	"DATA", "body", "BDAT", "dot", "RSET", "QUIT", "NOOP", "other"};
_Static_assert(ARRAY_LEN(kinds) <= ARRAY_LEN(((struct peer_talk *)0)->seen), "room for all kinds");

static size_t kind_of(const char *at)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(kinds) && strcmp(kinds[i], at) != 0)
		i++;
	return i;
}

/* ---- rules ------------------------------------------------------------------------------------ */

static bool is_within(unsigned n, unsigned from, unsigned to)
{
	return n >= from && (to == 0 || n <= to);
}

static const struct peer_rule *rule_of(const struct peer_talk *t, const char *at, struct span line)
{
	int64_t age = loop_now_ns() - t->peer->began_ns;
	unsigned nth = t->seen[kind_of(at)];

	for (const struct peer_rule *r = t->peer->opts.rules; r && r->at; r++) {
		if ((strcmp(r->at, at) != 0 && strcmp(r->at, "*") != 0) ||
			!is_within(t->number, r->from, r->to) ||
			!is_within(nth, r->nth, r->nth_to) || age < r->since_ns ||
			(r->until_ns && age >= r->until_ns))
			continue;
		if (!r->has || span_find_span(line, span_str(r->has)) >= 0)
			return r;
	}
	return NULL;
}

/* Is there a rule for this very point, should it come now? */
static bool is_ruled(struct peer_talk *t, const char *at, struct span line)
{
	const struct peer_rule *r;

	t->seen[kind_of(at)]++; /* as say() will count it */
	r = rule_of(t, at, line);
	t->seen[kind_of(at)]--;
	return r && strcmp(r->at, at) == 0;
}

static FIBER void hear(struct peer_talk *t)
{
	if (stream_flush(t->s, NULL) < 0)
		t->is_broken = true;
}

static void put_text(struct peer_talk *t, const char *text, const char *end, unsigned lines)
{
	for (unsigned i = 0; i < lines; i++) {
		for (size_t k = 0; text[k]; k++) {
			char c = text[k] == 1 ? 0 : text[k];

			if (k == 3 && i + 1 < lines)
				c = '-';
			if (c == '\r' && end[0] == '\n')
				continue;
			stream_put(t->s, span_of(&c, 1));
		}
		stream_put(t->s, span_str(end));
	}
}

static bool is_positive(const char *text)
{
	return text[0] == '2' || text[0] == '3';
}

/* Say what is due at this point; true when the command takes effect. */
static FIBER bool say(struct peer_talk *t, const char *at, struct span line, const char *usual)
{
	const struct peer_rule *r;
	const char *text = usual;

	t->seen[kind_of(at)]++;
	r = rule_of(t, at, line);
	if (t->peer->opts.decide) {
		const char *other = t->peer->opts.decide(t, at, line);

		text = other ? other : text;
	}
	if (r && r->wait_ns) {
		if (!r->is_held)
			hear(t); /* what was said before */
		t->is_closed |= fiber_sleep(r->wait_ns, NULL) < 0;
	}
	if (r && r->say) {
		put_text(t, r->say, r->end ? r->end : "\r\n", r->lines ? r->lines : 1);
		text = r->is_twice ? text : r->say;
	}
	if (!(r && (r->is_silent || (r->say && !r->is_twice))))
		put_text(t, text, r && r->end ? r->end : "\r\n", 1);
	t->is_dumb = r && r->is_silent;
	t->is_odd |= r && r->is_odd;
	t->is_closed |= (r && r->closes) || strncmp(text, "421", 3) == 0;
	if (t->is_closed || strcmp(at, "dot") == 0 || strcmp(at, "BDAT") == 0)
		hear(t);
	return is_positive(text) && !(r && (r->is_final || r->is_silent));
}

/* ---- content ---------------------------------------------------------------------------------- */

static void forget(struct peer_talk *t)
{
	t->has_mail = false;
	while (t->rcpt_count > 0)
		free(t->rcpts[--t->rcpt_count]);
	free(t->sender);
	t->sender = NULL;
	buf_fini(&t->content);
}

static FIBER void end_message(struct peer_talk *t, const char *at, struct span line)
{
	struct peer *p = t->peer;
	enum peer_fate fate = say(t, at, line, "250 2.0.0 taken") ? PEER_TOOK : PEER_REFUSED;

	/* RFC 2033 section 4.2 */
	for (unsigned i = 1; p->opts.is_lmtp && i < t->rcpt_count; i++)
		say(t, at, line, "250 2.0.0 taken");
	if (t->is_broken || t->is_dumb || t->is_odd)
		fate = PEER_UNHEARD;
	p->messages++;
	p->rcpts += t->rcpt_count;
	t->messages++;
	for (unsigned i = 0; i < t->rcpt_count && p->opts.taken; i++) {
		struct peer_taken taken = {.peer = p,
			.content = buf_span(&t->content),
			.index = i,
			.rcpt = t->rcpts[i],
			.sender = t->sender,
			.fate = fate,
			.is_smtputf8 = t->is_smtputf8,
			.is_8bit = t->is_8bit,
			.is_tls = t->s->tls != NULL};

		p->opts.taken(p->opts.arg, &taken);
	}
	forget(t);
}

static FIBER void take_data(struct peer_talk *t)
{
	struct span line;

	if (!say(t, "DATA", SPAN_NONE, t->rcpt_count ? "354 go on" : "503 5.5.1 no recipients"))
		return;
	while (!t->is_closed && stream_read_line(t->s, PEER_LINE_MAX, &line, NULL, NULL) == 0) {
		if (span_eq(line, SPAN("."))) {
			end_message(t, "dot", SPAN_NONE);
			return;
		}
		if (span_starts(line, SPAN(".")))
			line = span_skip(line, 1);
		buf_span_put(&t->content, line);
		buf_str(&t->content, "\r\n");
		t->seen[kind_of("body")]++;
		t->is_closed |= is_ruled(t, "body", SPAN_NONE);
		t->seen[kind_of("body")]++;
	}
	t->is_closed = true;
}

static FIBER void take_bdat(struct peer_talk *t, struct span line)
{
	struct span args = span_skip(line, 4);
	bool is_last;
	uint64_t n;
	char *at;

	MUST(span_u64_max(span_word(&args), PEER_CONTENT_MAX, &n));
	is_last = span_eq_nocase(span_trim(args), SPAN("LAST"));
	at = buf_reserve(&t->content, n);
	MUST(at);
	if (stream_read_full(t->s, at, n, NULL) < 0) {
		t->is_closed = true;
		return;
	}
	buf_added(&t->content, n);
	if (t->rcpt_count == 0)
		say(t, "BDAT", line, "503 5.5.1 no recipients");
	else if (!is_last)
		say(t, "BDAT", line, "250 2.0.0 more");
	else
		end_message(t, is_ruled(t, "BDAT", line) ? "BDAT" : "dot", line);
}

/* ---- commands --------------------------------------------------------------------------------- */

static FIBER void take_ehlo(struct peer_talk *t, struct span line)
{
	struct span words = span_str(t->peer->opts.ehlo
				    ? t->peer->opts.ehlo
				    : "PIPELINING CHUNKING 8BITMIME DSN SMTPUTF8"),
		    w;
	struct buf b;

	buf_init(&b, PEER_LINE_MAX);
	buf_str(&b, "250-peer.test\r\n");
	while ((w = span_word(&words)).len) {
		if (t->s->tls && span_eq(w, SPAN("STARTTLS")))
			continue;
		buf_str(&b, "250-");
		for (size_t i = 0; i < w.len; i++) /* "SIZE=100" stands for "SIZE 100" */
			buf_char(&b, w.ptr[i] == '=' ? ' ' : w.ptr[i]);
		buf_str(&b, "\r\n");
	}
	buf_str(&b, "250 ENHANCEDSTATUSCODES");
	say(t, "EHLO", line, buf_cstr(&b));
	buf_fini(&b);
	forget(t);
}

static struct span path_of(struct span line)
{
	ptrdiff_t from = span_find(line, '<'), to = span_find(line, '>');

	return from < 0 || to < from ? SPAN_NONE
				     : span_sub(line, (size_t)from + 1, (size_t)(to - from) - 1);
}

static char *path_copy(struct span line)
{
	struct span path = path_of(line);

	return mem_dup(path.ptr ? path.ptr : "", path.len);
}

static FIBER void take_mail(struct peer_talk *t, struct span line)
{
	if (!say(t, "MAIL", line, "250 2.1.0 ok"))
		return;
	forget(t);
	t->has_mail = true;
	t->is_smtputf8 = span_find_span(line, SPAN("SMTPUTF8")) >= 0;
	t->is_8bit = span_find_span(line, SPAN("BODY=8BITMIME")) >= 0;
	t->sender = path_copy(line);
}

static FIBER void take_rcpt(struct peer_talk *t, struct span line)
{
	if (!say(t, "RCPT", line, t->has_mail ? "250 2.1.5 ok" : "503 5.5.1 no sender"))
		return;
	MUST(t->rcpt_count < PEER_RCPTS_MAX);
	t->rcpts[t->rcpt_count++] = path_copy(line);
}

static FIBER void take_starttls(struct peer_talk *t, struct span line)
{
	if (!say(t, "STARTTLS", line, "220 2.0.0 go on"))
		return;
	if (is_ruled(t, "tls", SPAN_NONE) || !t->peer->opts.tls) {
		struct err e = {0};

		hear(t);
		stream_fill(t->s, &e); /* ClientHello */
		say(t, "tls", SPAN_NONE, "this is no handshake at all");
		t->is_closed = true;
		hear(t);
		return;
	}
	t->is_closed = tls_accept(t->s, t->peer->opts.tls, NULL) < 0;
	forget(t);
}

static FIBER void take_rset(struct peer_talk *t, struct span line)
{
	forget(t);
	say(t, "RSET", line, "250 2.0.0 forgotten");
}

static FIBER void take_helo(struct peer_talk *t, struct span line)
{
	forget(t);
	say(t, "HELO", line, "250 peer.test");
}

static FIBER void take_data_command(struct peer_talk *t, struct span line)
{
	take_data(t);
}

static FIBER void take_quit(struct peer_talk *t, struct span line)
{
	t->peer->quits++;
	say(t, "QUIT", line, "221 2.0.0 bye");
	t->is_closed = true;
}

static const struct {
	const char *verb;
	FIBER void (*take)(struct peer_talk *t, struct span line);
} verbs[] = {{"HELO", take_helo}, {"STARTTLS", take_starttls}, {"MAIL", take_mail},
	{"RCPT", take_rcpt}, {"DATA", take_data_command}, {"BDAT", take_bdat}, {"RSET", take_rset},
	{"QUIT", take_quit}};

static FIBER void command(struct peer_talk *t, struct span line)
{
	struct span rest = line, verb = span_word(&rest);

	if (span_eq(verb, t->peer->opts.is_lmtp ? SPAN("LHLO") : SPAN("EHLO"))) {
		take_ehlo(t, line);
		return;
	}

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (span_eq(verb, span_str(verbs[i].verb))) {
			verbs[i].take(t, line);
			return;
		}
	}
	say(t, "other", line, "502 5.5.1 what?");
}

/* ---- connections ------------------------------------------------------------------------------ */

static FIBER int converse(void *arg)
{
	struct peer_talk *t = arg;
	struct span line;

	t->s->deadline_ns = CLOCK_NEVER;
	buf_init(&t->content, PEER_CONTENT_MAX);
	say(t, "connect", SPAN_NONE, "220 peer.test ESMTP");
	while (!t->is_closed) {
		char copy[PEER_LINE_MAX / 2];

		if (t->peer->opts.idle_ns)
			stream_set_timeout(t->s, t->peer->opts.idle_ns);
		if (stream_read_line(t->s, sizeof(copy), &line, NULL, NULL) < 0)
			break;
		memcpy(copy, line.ptr, line.len);
		command(t, span_of(copy, line.len));
	}
	hear(t);
	stream_free(&t->s);
	forget(t);
	t->peer->open--;
	free(t);
	return 0;
}

static FIBER int accept_all(void *arg)
{
	struct peer *p = arg;
	struct stream *s;

	while (net_accept(p->listener, NULL, &s, NULL) == 0) {
		struct peer_talk *t = NEW(struct peer_talk);

		MUST(p->sessions < PEER_TIMES_MAX);
		p->session_ns[p->sessions++] = loop_now_ns();
		if (++p->open > p->open_most)
			p->open_most = p->open;
		t->peer = p;
		t->s = s;
		t->number = p->sessions;
		MUST(fiber_start(&p->g, "peer-talk", converse, t, NULL) == 0);
	}
	return 0;
}

void peer_up(struct peer *p, const struct peer_opts *opts)
{
	struct net_listen_opts o = {.fd = -1};
	struct err e = {0};

	memset(p, 0, sizeof(*p));
	p->opts = *opts;
	p->began_ns = loop_now_ns();
	p->session_ns = mem_alloc(PEER_TIMES_MAX * sizeof(*p->session_ns));
	MUST(addr_parse(span_str(opts->address), 25, &o.addr, &e) == 0);
	p->listener = net_listen(&o, &e);
	MUST(p->listener);
	fiber_group_init(&p->g);
	MUST(fiber_start(&p->g, "peer", accept_all, p, NULL) == 0);
}

FIBER void peer_down(struct peer *p)
{
	fiber_group_cancel(&p->g);
	fiber_group_join(&p->g);
	net_listener_free(&p->listener);
	free(p->session_ns);
	p->session_ns = NULL;
}
