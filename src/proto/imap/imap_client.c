#include "proto/imap/imap_client.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/imap/imap_client_priv.h"

void imap_client_init(
	struct imap_client *c, struct stream *stream, const struct imap_client_opts *opts)
{
	*c = (struct imap_client){.stream = stream, .opts = *opts};
	if (!c->opts.greeting_ns)
		c->opts.greeting_ns = CLOCK_MIN;
	if (!c->opts.answer_ns)
		c->opts.answer_ns = 5 * CLOCK_MIN;
	c->a = arena_new();
	buf_init(&c->text, IMAP_RESPONSE_MAX);
	buf_init(&c->out, IMAP_RESPONSE_MAX);
	buf_init(&c->caps, IMAP_CLIENT_CAPS_MAX);
}

void imap_client_fini(struct imap_client *c)
{
	arena_free(&c->a);
	buf_fini(&c->text);
	buf_fini(&c->out);
	buf_fini(&c->caps);
}

int imap_client_lost(struct imap_client *c, struct err *e)
{
	c->is_over = true;
	err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return -1;
}

/* ---- reading ---- */

/* Status responses and requests to go on have no literals, whatever their text ends with. */
static bool may_have_literal(struct span text)
{
	static const char *const names[] = {"OK ", "NO ", "BAD ", "BYE ", "PREAUTH "};

	if (!span_starts(text, SPAN("* ")))
		return false;
	text = span_skip(text, 2);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_starts_nocase(text, span_str(names[i])))
			return false;
	return true;
}

/* Does "BODY[] {n}" begin here, of a message that somebody takes piece by piece? */
static bool is_body(const struct imap_client *c, size_t at)
{
	struct span text = span_sub(buf_span(&c->text), 0, at), word, rest = span_skip(text, 2);

	if (!c->sink || !c->sink->octets || c->was_streamed)
		return false;
	span_cut(rest, ' ', &word, &rest);
	return span_starts_nocase(rest, SPAN("FETCH ")) && span_ends_nocase(text, SPAN("BODY[] "));
}

static FIBER int read_body(struct imap_client *c, uint64_t size, struct err *e)
{
	while (size) {
		struct span in = stream_peek(c->stream);

		if (!in.len) {
			stream_set_timeout(c->stream, c->opts.answer_ns);
			if (stream_fill(c->stream, e) < 0)
				return imap_client_lost(c, e);
			continue;
		}
		in = span_sub(in, 0, size < in.len ? (size_t)size : in.len);
		if (in.len > 65536)
			in.len = 65536;
		if (c->sink->octets(c->sink->arg, in, e) < 0)
			return imap_client_lost(c, e); /* half a message was read: no way on */
		stream_consume(c->stream, in.len);
		size -= in.len;
	}
	return 0;
}

/* A literal that stands at the end of what was read. */
static FIBER int read_literal(struct imap_client *c, uint64_t size, size_t at, struct err *e)
{
	char *p;

	if (is_body(c, at)) {
		c->was_streamed = true;
		buf_truncate(&c->text, at);
		buf_str(&c->text, "{0}\r\n");
		return read_body(c, size, e);
	}
	buf_str(&c->text, "\r\n");
	if (size > buf_room(&c->text) || !(p = buf_reserve(&c->text, (size_t)size))) {
		err_set(e, ERR_LIMIT, "the server sends %llu octets where a few were asked for",
			(unsigned long long)size);
		return imap_client_lost(c, e);
	}
	stream_set_timeout(c->stream, c->opts.answer_ns);
	if (stream_read_full(c->stream, p, (size_t)size, e) < 0)
		return imap_client_lost(c, e);
	buf_added(&c->text, (size_t)size);
	return 0;
}

static FIBER int read_text(struct imap_client *c, struct err *e)
{
	struct span line;
	uint64_t size;
	size_t at, from;

	buf_clear(&c->text);
	c->was_streamed = false;
	for (;;) {
		stream_set_timeout(c->stream, c->opts.answer_ns);
		if (stream_read_line(c->stream, IMAP_RESPONSE_LINE_MAX, &line, NULL, e) < 0)
			return imap_client_lost(c, e);
		from = buf_len(&c->text);
		buf_span_put(&c->text, line);
		if (!buf_ok(&c->text)) {
			err_set(e, ERR_LIMIT, "an answer of the server is over %d octets",
				IMAP_RESPONSE_MAX);
			return imap_client_lost(c, e);
		}
		if (!imap_response_literal(line, &size, &at) ||
			!may_have_literal(buf_span(&c->text)))
			return 0;
		if (read_literal(c, size, from + at, e) < 0)
			return -1;
	}
}

/* ---- what every command must know ---- */

static void note_capabilities(struct imap_client *c, struct span list)
{
	struct span word;

	buf_clear(&c->caps);
	buf_char(&c->caps, ' ');
	while ((word = span_word(&list)).len) {
		for (size_t i = 0; i < word.len; i++) {
			unsigned char ch = (unsigned char)word.ptr[i];

			buf_char(&c->caps, (char)(ch >= 'a' && ch <= 'z' ? ch - 32 : ch));
		}
		buf_char(&c->caps, ' ');
	}
}

bool imap_client_has(const struct imap_client *c, const char *name)
{
	struct span rest = buf_span(&c->caps), word;

	while ((word = span_word(&rest)).len)
		if (span_eq(word, span_str(name)))
			return true;
	return false;
}

static void note_code(struct imap_client *c, const struct imap_response *r)
{
	uint64_t n;

	if (span_eq_nocase(r->code, SPAN("CAPABILITY")))
		note_capabilities(c, r->args);
	else if (span_eq_nocase(r->code, SPAN("UIDVALIDITY")) &&
		span_u64_max(r->args, UINT32_MAX, &n))
		c->box.uidvalidity = (uint32_t)n;
	else if (span_eq_nocase(r->code, SPAN("UIDNEXT")) && span_u64_max(r->args, UINT32_MAX, &n))
		c->box.uidnext = (uint32_t)n;
	else if (span_eq_nocase(r->code, SPAN("HIGHESTMODSEQ")) && span_u64(r->args, &n))
		c->box.highest_modseq = n;
}

FIBER int imap_client_read(struct imap_client *c, struct imap_response *r, struct err *e)
{
	if (c->is_over)
		return err_set(e, ERR_EOF, "the session is over");
	if (++c->answers > IMAP_CLIENT_ANSWERS_MAX) {
		err_set(e, ERR_LIMIT, "the server does not stop answering");
		return imap_client_lost(c, e);
	}
	arena_reset(c->a);
	if (read_text(c, e) < 0)
		return -1;
	if (imap_response_parse(c->a, buf_span(&c->text), r, e) < 0)
		return imap_client_lost(c, e);
	if (r->said != IMAP_SAID_NONE)
		note_code(c, r);
	else if (span_eq_nocase(r->name, SPAN("CAPABILITY")))
		note_capabilities(c, r->words.rest);
	else if (r->has_number && span_eq_nocase(r->name, SPAN("EXISTS")))
		c->box.exists = r->number;
	return 0;
}

bool imap_client_is_reply(
	struct imap_client *c, const struct imap_response *r, int *rc_r, struct err *e)
{
	struct span tag = r->tag;
	uint64_t n;

	if (r->said == IMAP_SAID_BYE && span_eq(tag, SPAN("*"))) {
		err_set(e, ERR_EOF, "the server ends the session: " SPAN_FMT,
			SPAN_ARG(span_sub(r->text, 0, 200)));
		*rc_r = imap_client_lost(c, e);
		return true;
	}
	if (!span_starts(tag, SPAN("y")) || !span_u64(span_skip(tag, 1), &n) || n != c->tag)
		return false;
	switch (r->said) {
	case IMAP_SAID_OK: *rc_r = 0; return true;
	case IMAP_SAID_NO:
		*rc_r = err_set(e, ERR_REPLY, SPAN_FMT, SPAN_ARG(span_sub(r->text, 0, 250)));
		break;
	default:
		*rc_r = err_set(e, ERR_PROTO, "the server does not understand us: " SPAN_FMT,
			SPAN_ARG(span_sub(r->text, 0, 200)));
	}
	err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return true;
}

FIBER int imap_client_end(struct imap_client *c, imap_client_fn *fn, struct err *e)
{
	struct imap_response r;
	int rc;

	for (;;) {
		if (imap_client_read(c, &r, e) < 0)
			return -1;
		if (imap_client_is_reply(c, &r, &rc, e))
			return rc;
		if (!span_eq(r.tag, SPAN("*"))) {
			err_set(e, ERR_PROTO, "a reply to nothing: " SPAN_FMT,
				SPAN_ARG(span_sub(r.tag, 0, 60)));
			return imap_client_lost(c, e);
		}
		if (fn && fn(c, &r, e) < 0)
			return imap_client_lost(c, e);
	}
}

/* ---- saying ---- */

static bool is_quotable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || (unsigned char)s.ptr[i] >= 0x7f)
			return false;
	return s.len < 1000;
}

static void put_quoted(struct buf *b, struct span s)
{
	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buf_char(b, '\\');
		buf_char(b, s.ptr[i]);
	}
	buf_char(b, '"');
}

/* A literal's header, and the server's leave to send it (RFC 9051 section 4.3). */
static FIBER int ask_leave(struct imap_client *c, size_t size, struct err *e)
{
	struct imap_response r;
	int rc;

	buf_printf(&c->out, "{%zu}\r\n", size);
	stream_put(c->stream, buf_span(&c->out));
	buf_clear(&c->out);
	for (;;) {
		if (imap_client_read(c, &r, e) < 0)
			return -1;
		if (span_eq(r.tag, SPAN("+")))
			return 0;
		if (imap_client_is_reply(c, &r, &rc, e))
			return rc < 0 ? -1 : err_set(e, ERR_PROTO, "an answer before the question");
	}
}

FIBER int imap_client_say(
	struct imap_client *c, const struct imap_say *words, size_t count, struct err *e)
{
	int rc = 0;

	c->answers = 0;
	buf_clear(&c->out);
	buf_printf(&c->out, "y%u", ++c->tag);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		buf_char(&c->out, ' ');
		if (!words[i].is_string) {
			buf_span_put(&c->out, words[i].text);
		} else if (is_quotable(words[i].text)) {
			put_quoted(&c->out, words[i].text);
		} else {
			rc = ask_leave(c, words[i].text.len, e);
			buf_span_put(&c->out, words[i].text);
		}
	}
	buf_str(&c->out, "\r\n");
	if (rc == 0 && !buf_ok(&c->out))
		rc = err_set(e, ERR_LIMIT, "a command over %d octets", IMAP_RESPONSE_MAX);
	if (rc == 0)
		stream_put(c->stream, buf_span(&c->out));
	return rc;
}

FIBER int imap_client_do(struct imap_client *c, const struct imap_say *words, size_t count,
	imap_client_fn *fn, struct err *e)
{
	if (c->is_over)
		return err_set(e, ERR_EOF, "the session is over");
	return imap_client_say(c, words, count, e) < 0 ? -1 : imap_client_end(c, fn, e);
}

/* ---- mailboxes ---- */

FIBER int imap_client_examine(struct imap_client *c, struct span wire, struct err *e)
{
	bool is_condstore = imap_client_has(c, "CONDSTORE") || imap_client_has(c, "QRESYNC");
	struct imap_say words[] = {IMAP_RAW("EXAMINE"), IMAP_STR(wire), IMAP_RAW("(CONDSTORE)")};

	c->box = (struct imap_client_box){0};
	if (imap_client_do(c, words, is_condstore ? 3 : 2, NULL, e) < 0)
		return -1;
	if (c->box.uidvalidity)
		return 0;
	err_set(e, ERR_PROTO, "the server tells no UIDVALIDITY");
	return imap_client_lost(c, e);
}

static FIBER int take_fetch(struct imap_client *c, struct imap_response *r, struct err *e)
{
	struct imap_fetched f;

	if (!r->has_number || !span_eq_nocase(r->name, SPAN("FETCH")))
		return 0;
	if (imap_fetched_parse(&r->words, &f, e) < 0)
		return -1;
	if (f.has_body && !c->was_streamed && f.body.len && c->sink->octets &&
		c->sink->octets(c->sink->arg, f.body, e) < 0)
		return -1;
	return c->sink->fetched(c->sink->arg, &f, e);
}

FIBER int imap_client_fetch(struct imap_client *c, struct span uids, struct span items,
	struct imap_client_sink *sink, struct err *e)
{
	struct imap_say words[] = {IMAP_RAW("UID FETCH"), {uids, false}, {items, false}};

	c->sink = sink;
	int rc = imap_client_do(c, words, ARRAY_LEN(words), take_fetch, e);
	c->sink = NULL;
	return rc;
}

FIBER void imap_client_logout(struct imap_client *c)
{
	struct imap_say words[] = {IMAP_RAW("LOGOUT")};

	if (!c->is_over) {
		c->opts.answer_ns = 5 * CLOCK_SEC; /* nothing depends on the answer */
		imap_client_do(c, words, 1, NULL, NULL);
	}
	c->is_over = true;
}
