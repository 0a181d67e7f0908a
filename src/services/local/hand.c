#include "services/local/hand.h"

#include "base/clock.h"

#define LINE_MAX_LEN 4096

/* One reply; its last line's text. */
static FIBER int reply(struct stream *s, struct local_hand *h, struct err *e)
{
	struct span line;
	uint64_t code = 0;

	stream_set_timeout(s, LOCAL_HAND_NS);
	do {
		if (stream_read_line(s, LINE_MAX_LEN, &line, NULL, e) < 0)
			return -1;
		if (line.len < 4 || !span_u64_max(span_sub(line, 0, 3), 999, &code))
			return err_set(e, ERR_PROTO, "our own server's reply is not understood");
	} while (line.ptr[3] == '-');
	h->code = (unsigned)code;
	h->text = arena_span(h->arena, span_skip(line, 4));
	return 0;
}

static bool is_good(const struct local_hand *h)
{
	return h->code / 100 == 2 || h->code == 354;
}

static struct span qualified(struct local_hand *h, struct span address)
{
	return !address.len || span_rfind(address, '@') >= 0
		? address
		: span_str(arena_printf(h->arena, SPAN_FMT "@%s", SPAN_ARG(address), h->hostname));
}

/* RFC 3461 section 4: xtext */
static void put_xtext(struct stream *s, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c > ' ' && c <= '~' && c != '+' && c != '=')
			stream_put(s, span_of(&c, 1));
		else
			stream_printf(s, "+%02X", c);
	}
}

static FIBER int say_mail(struct stream *s, struct local_hand *h, struct err *e)
{
	const struct drop_envelope *env = &h->drop->env;

	stream_printf(s, "MAIL FROM:<" SPAN_FMT ">%s%s", SPAN_ARG(qualified(h, env->from)),
		env->is_8bit ? " BODY=8BITMIME" : "", env->is_utf8 ? " SMTPUTF8" : "");
	if (env->ret.len)
		stream_printf(s, " RET=" SPAN_FMT, SPAN_ARG(env->ret));
	if (env->envid.len) {
		stream_put(s, SPAN(" ENVID="));
		put_xtext(s, env->envid);
	}
	stream_put(s, SPAN("\r\n"));
	return reply(s, h, e);
}

/* 1: at least one was taken; 0: none, or not now. */
static FIBER int say_rcpts(struct stream *s, struct local_hand *h, struct err *e)
{
	const struct drop_envelope *env = &h->drop->env;
	size_t taken = 0;

	for (size_t i = 0; i < env->rcpt_count; i++) {
		stream_printf(s, "RCPT TO:<" SPAN_FMT ">%s" SPAN_FMT "\r\n",
			SPAN_ARG(qualified(h, env->rcpts[i])), env->notify.len ? " NOTIFY=" : "",
			SPAN_ARG(env->notify));
		if (reply(s, h, e) < 0)
			return -1;
		taken += is_good(h);
		if (h->code / 100 == 4)
			return 0;
		if (!is_good(h)) {
			h->refused++;
			h->refusal = h->text;
		}
	}
	return taken > 0;
}

struct piece {
	const struct drop *drop;
	uint64_t at;
	char *to;
	size_t got;
};

static int read_piece(void *arg, struct err *e)
{
	struct piece *p = arg;
	ssize_t n = drop_read(p->drop, p->at, p->to, LOCAL_HAND_CHUNK, e);

	p->got = n < 0 ? 0 : (size_t)n;
	return n < 0 ? -1 : 0;
}

/* RFC 3030: chunks, so that no dot needs care. Each is answered before the next. */
static FIBER int say_body(struct stream *s, struct local_hand *h, struct err *e)
{
	struct piece p = {.drop = h->drop, .to = arena_alloc(h->arena, LOCAL_HAND_CHUNK)};
	bool is_last;

	do {
		if (work_run(h->lane, read_piece, &p, e) < 0)
			return -1;
		is_last = p.at + p.got >= h->drop->octets;
		stream_printf(s, "BDAT %zu%s\r\n", p.got, is_last ? " LAST" : "");
		stream_put(s, span_of(p.to, p.got));
		if (reply(s, h, e) < 0)
			return -1;
		p.at += p.got;
	} while (is_good(h) && !is_last);
	h->is_accepted = is_good(h);
	return 0;
}

FIBER int local_hand(struct stream *s, struct local_hand *h, struct err *e)
{
	int rc = reply(s, h, e);

	if (rc == 0 && is_good(h)) {
		stream_printf(s, "EHLO %s\r\n", h->hostname);
		rc = reply(s, h, e);
	}
	if (rc == 0 && is_good(h))
		rc = say_mail(s, h, e);
	if (rc == 0 && is_good(h)) {
		rc = say_rcpts(s, h, e);
		rc = rc > 0 ? say_body(s, h, e) : rc;
	}
	if (rc == 0) {
		stream_put(s, SPAN("QUIT\r\n"));
		stream_set_timeout(s, LOCAL_HAND_NS);
		stream_flush(s, NULL);
	}
	return rc;
}
