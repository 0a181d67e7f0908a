/* How the bodies travel: charset, transfer encoding, boundaries (RFC 2045, 2046). */
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_flowed.h"
#include "proto/mail/msg_build_priv.h"

struct survey {
	bool has_8bit;     /* octets above 127 */
	bool has_long;     /* lines above RFC 5322's 998 octets */
	bool has_controls; /* NUL, bare CR or LF: neither 7bit nor 8bit (RFC 2045 section 2.7) */
	size_t escapes;    /* octets that quoted-printable would escape */
};

static void survey(struct span s, struct survey *r)
{
	size_t line = 0;

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n') {
			line = 0;
			i++;
			continue;
		}
		if (c == '\r' || c == '\n' || c == '\0')
			r->has_controls = true;
		r->has_8bit |= c >= 0x80;
		r->escapes += c >= 0x80 || c == '=' || (c < ' ' && c != '\t');
		if (++line > MSG_LINE_MUST)
			r->has_long = true;
	}
}

/* LF, CR and CRLF alike become CRLF. */
static void put_lines(struct buf *b, struct span s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '\r' && s.ptr[i] != '\n')
			continue;
		buf_span_put(b, span_sub(s, from, i - from));
		buf_str(b, "\r\n");
		if (s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n')
			i++;
		from = i + 1;
	}
	buf_span_put(b, span_skip(s, from));
}

static enum mime_encoding choose(const struct survey *r, size_t len, const struct msg_settings *s)
{
	if (!r->has_8bit && !r->has_long && !r->has_controls)
		return MIME_CTE_7BIT;
	if (!r->has_long && !r->has_controls && s->way >= MSG_WAY_8BIT)
		return MIME_CTE_8BIT;
	if (s->way == MSG_WAY_BINARY)
		return MIME_CTE_BINARY;
	return r->escapes * 2 <= len / 3 ? MIME_CTE_QP : MIME_CTE_BASE64;
}

static int plan_text(struct msg_part *p, const struct msg_settings *s, struct err *e)
{
	struct buf lines;
	struct survey r;

	if (!utf8_is_valid(p->octets))
		return msg_refuse(e, "text that is not UTF-8");
	buf_init(&lines, p->octets.len * 6 + 64); /* marks of quoted lines that are wrapped */
	if (p->is_flowed)
		mime_flowed_put(&lines, p->octets);
	else
		put_lines(&lines, p->octets);
	if (!buf_ok(&lines)) {
		buf_fini(&lines);
		return err_set(e, ERR_LIMIT, "a text that does not fit");
	}
	p->charset = span_is_ascii(p->octets) ? SPAN("us-ascii") : SPAN("utf-8");
	buf_init(&p->text, lines.max * 4);
	p->has_text = true;
	if (span_eq(p->charset, SPAN("utf-8")) && s->charset.len &&
		s->charset.len <= MIME_CHARSET_NAME_MAX &&
		mime_charset_encode(&p->text, s->charset, buf_span(&lines))) {
		p->charset = s->charset;
		buf_fini(&lines);
	} else {
		buf_fini(&p->text);
		p->text = lines;
	}
	survey(buf_span(&p->text), &r);
	p->encoding = choose(&r, buf_len(&p->text), s);
	return 0;
}

/* RFC 2046 section 5.2.1: a message is not encoded, and what it holds is not ours to change. */
static int plan_message(struct msg_part *p, const struct msg_settings *s, struct err *e)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, p->octets, NULL);
	struct span header = span_sub(p->octets, 0, (size_t)t->root->body_offset);
	struct survey r;

	/* RFC 6532 section 3.7 */
	p->type = span_is_ascii(header) ? SPAN("message/rfc822") : SPAN("message/global");
	arena_free(&a);
	survey(p->octets, &r);
	p->encoding = r.has_long || r.has_controls ? MIME_CTE_BINARY
		: r.has_8bit                       ? MIME_CTE_8BIT
						   : MIME_CTE_7BIT;
	if ((p->encoding == MIME_CTE_8BIT && s->way < MSG_WAY_8BIT) ||
		(p->encoding == MIME_CTE_BINARY && s->way < MSG_WAY_BINARY)) {
		err_set(e, ERR_UNSUPPORTED, "a forwarded message of %s octets on a way without %s",
			mime_encoding_str(p->encoding),
			p->encoding == MIME_CTE_8BIT ? "8BITMIME" : "BINARYMIME");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	return 0;
}

struct span msg_body_of(const struct msg_part *p)
{
	return p->has_text ? buf_span(&p->text) : p->octets;
}

/* Does a part in it hold the boundary's text bare? Base64 has no '_', quoted-printable no "=_". */
static bool holds(const struct msg_part *p, struct span boundary)
{
	struct span body = msg_body_of(p);

	if (p->encoding != MIME_CTE_BASE64 && p->encoding != MIME_CTE_QP && body.len &&
		memmem(body.ptr, body.len, boundary.ptr, boundary.len))
		return true;
	for (const struct msg_part *c = p->first; c; c = c->next)
		if (holds(c, boundary))
			return true;
	return false;
}

static int plan_multi(struct arena *a, struct msg_part *p, const struct msg_settings *s,
	unsigned *counter, struct err *e)
{
	p->encoding = MIME_CTE_7BIT;
	for (struct msg_part *c = p->first; c; c = c->next) {
		if (msg_plan(a, c, s, counter, e) < 0)
			return -1;
		/* RFC 2045 section 6.4: what its parts need */
		if (c->encoding == MIME_CTE_BINARY ||
			(c->encoding == MIME_CTE_8BIT && p->encoding == MIME_CTE_7BIT))
			p->encoding = c->encoding;
	}
	if (!p->first) {
		err_set(e, ERR_STATE, "a multipart without parts");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	do {
		p->boundary = span_str(arena_printf(
			a, "=_%016llx.%u", (unsigned long long)s->random, (*counter)++));
	} while (holds(p, p->boundary));
	return 0;
}

int msg_plan(struct arena *a, struct msg_part *p, const struct msg_settings *s, unsigned *counter,
	struct err *e)
{
	switch (p->body) {
	case MSG_BODY_TEXT: return plan_text(p, s, e);
	case MSG_BODY_MESSAGE: return plan_message(p, s, e);
	case MSG_BODY_MULTI: return plan_multi(a, p, s, counter, e);
	case MSG_BODY_OCTETS:
	case MSG_BODY_SOURCE: break;
	}
	p->encoding = s->way == MSG_WAY_BINARY ? MIME_CTE_BINARY : MIME_CTE_BASE64;
	/* a boundary may be in what nobody has seen yet */
	if (p->body == MSG_BODY_SOURCE)
		p->encoding = MIME_CTE_BASE64;
	return 0;
}

void msg_unplan(struct msg_part *p)
{
	if (p->has_text)
		buf_fini(&p->text);
	p->has_text = false;
	for (struct msg_part *c = p->first; c; c = c->next)
		msg_unplan(c);
}

static void put_type(struct buf *b, const struct msg_part *p, const struct msg_settings *s)
{
	struct msg_fold f;

	msg_fold_init(&f, b, s, SPAN("Content-Type"));
	msg_fold_word(&f, p->type);
	if (p->body == MSG_BODY_TEXT)
		msg_fold_param(&f, SPAN("charset"), p->charset);
	if (p->is_flowed)
		msg_fold_param(&f, SPAN("format"), SPAN("flowed"));
	for (const struct msg_param *param = p->params; param; param = param->next)
		if (!span_eq(param->name, SPAN("boundary")) &&
			!span_eq(param->name, SPAN("format")) &&
			(p->body != MSG_BODY_TEXT || !span_eq(param->name, SPAN("charset"))))
			msg_fold_param(&f, param->name, param->value);
	if (p->body == MSG_BODY_MULTI)
		msg_fold_param(&f, SPAN("boundary"), p->boundary);
	msg_fold_end(&f);
}

void msg_put_content(struct buf *b, const struct msg_part *p, const struct msg_settings *s)
{
	struct msg_fold f;

	put_type(b, p, s);
	if (p->encoding != MIME_CTE_7BIT)
		buf_printf(b, "Content-Transfer-Encoding: %s\r\n", mime_encoding_str(p->encoding));
	if (p->disposition.len) {
		msg_fold_init(&f, b, s, SPAN("Content-Disposition"));
		msg_fold_word(&f, p->disposition);
		if (p->filename.len)
			msg_fold_param(&f, SPAN("filename"), p->filename);
		msg_fold_end(&f);
	}
	if (p->id.len)
		buf_printf(b, "Content-ID: <" SPAN_FMT ">\r\n", SPAN_ARG(p->id));
	if (p->description.len) {
		msg_fold_init(&f, b, s, SPAN("Content-Description"));
		msg_fold_text(&f, p->description);
		msg_fold_end(&f);
	}
}
