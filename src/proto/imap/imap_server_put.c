/* What a command comes to, and writing answers. */

#include "base/must.h"
#include "proto/imap/imap_server_priv.h"

/* No octet of a text ends the line it stands in. */
static void keep_line(struct buf *b)
{
	struct span s = buf_span(b);

	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
			b->mem[b->from + i] = '?';
}

/* A text that does not fit is left out as a whole, a code too. */
static void set_text(struct buf *b, const char *fmt, va_list ap)
{
	buf_clear(b);
	buf_vprintf(b, fmt, ap);
	if (!buf_ok(b))
		buf_clear(b);
	keep_line(b);
}

static void set_all(struct imap_result *r, enum imap_reply status, const char *code,
	const char *fmt, va_list ap)
{
	r->status = status;
	buf_clear(&r->code);
	buf_str(&r->code, code ? code : "");
	keep_line(&r->code);
	set_text(&r->text, fmt, ap);
}

void imap_result_init(struct imap_result *r)
{
	r->status = IMAP_OK;
	buf_init(&r->code, IMAP_RESULT_CODE_MAX);
	buf_init(&r->text, IMAP_RESULT_TEXT_MAX);
}

void imap_result_fini(struct imap_result *r)
{
	buf_fini(&r->code);
	buf_fini(&r->text);
}

int imap_result_ok(struct imap_result *r, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_all(r, IMAP_OK, code, fmt, ap);
	va_end(ap);
	return 0;
}

int imap_result_no(struct imap_result *r, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_all(r, IMAP_NO, code, fmt, ap);
	va_end(ap);
	return 0;
}

int imap_result_bad(struct imap_result *r, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_all(r, IMAP_BAD, code, fmt, ap);
	va_end(ap);
	return 0;
}

void imap_result_code(struct imap_result *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_text(&r->code, fmt, ap);
	va_end(ap);
}

/* RFC 9051 section 7.1, RFC 5530 */
void imap_result_from_err(struct imap_result *r, const struct err *why)
{
	switch (why->code) {
	case ERR_SYNTAX: imap_result_bad(r, NULL, "%s", why->text); break;
	case ERR_NOT_FOUND: imap_result_no(r, "NONEXISTENT", "There is no such thing"); break;
	case ERR_EXISTS: imap_result_no(r, "ALREADYEXISTS", "It is there already"); break;
	case ERR_DENIED: imap_result_no(r, "NOPERM", "You may not do that"); break;
	case ERR_LIMIT: imap_result_no(r, "LIMIT", "That is more than is allowed here"); break;
	case ERR_FULL: imap_result_no(r, "OVERQUOTA", "There is no room for it"); break;
	case ERR_BUSY: imap_result_no(r, "UNAVAILABLE", "Too much to do now, try again"); break;
	case ERR_TIMEOUT: imap_result_no(r, "UNAVAILABLE", "It took too long, try again"); break;
	case ERR_CORRUPT: imap_result_no(r, "CORRUPTION", "What is stored there is damaged"); break;
	case ERR_UNSUPPORTED: imap_result_no(r, "CANNOT", "That cannot be done here"); break;
	default: imap_result_no(r, "SERVERBUG", "It went wrong here, try again later");
	}
}

/* ---- writing ---- */

void imap_put(struct imap_session *s, struct span octets)
{
	stream_put(s->stream, octets);
}

void imap_printf(struct imap_session *s, const char *fmt, ...)
{
	va_list ap;

	if (s->stream->is_broken)
		return;
	va_start(ap, fmt);
	buf_vprintf(&s->stream->out, fmt, ap);
	va_end(ap);
}

struct buf *imap_out(struct imap_session *s)
{
	return &s->stream->out;
}

FIBER int imap_flush(struct imap_session *s, struct err *e)
{
	stream_set_timeout(s->stream, s->opts->limits.write_ns);
	return stream_flush(s->stream, e);
}

FIBER int imap_relieve(struct imap_session *s, struct err *e)
{
	if (buf_len(&s->stream->out) > STREAM_OUT_FLUSH)
		return imap_flush(s, e);
	return fiber_breathe(e);
}

FIBER int imap_write(struct imap_session *s, struct span octets, struct err *e)
{
	if (octets.len < IMAP_SERVER_COPY_MAX) {
		stream_put(s->stream, octets);
		return imap_relieve(s, e);
	}
	stream_set_timeout(s->stream, s->opts->limits.write_ns);
	return stream_write(s->stream, &octets, 1, e);
}

FIBER int imap_progress(struct imap_session *s, uint64_t done, uint64_t total, struct err *e)
{
	struct imap_server *sv = imap_server_of(s);
	int64_t now = loop_now_ns();

	if (now < sv->progress_ns)
		return fiber_breathe(e);
	sv->progress_ns = now + s->opts->limits.progress_ns;
	if (imap_has(s, IMAP_BIT(INPROGRESS))) {
		imap_printf(s, "* OK [INPROGRESS (\"");
		/* A tag may hold '\' (RFC 9051 section 9, tag and ASTRING-CHAR): no quoting is needed
		 * but for that one. */
		for (size_t i = 0; i < s->tag.len; i++) {
			if (s->tag.ptr[i] == '\\' || s->tag.ptr[i] == '"')
				buf_char(imap_out(s), '\\');
			buf_char(imap_out(s), s->tag.ptr[i]);
		}
		imap_printf(s, "\" %llu ", (unsigned long long)done);
		if (total)
			imap_printf(s, "%llu", (unsigned long long)total);
		imap_printf(s, "%s)] Still at it\r\n", total ? "" : "NIL");
	} else {
		imap_printf(s, "* OK Still at it\r\n");
	}
	return imap_flush(s, e);
}
