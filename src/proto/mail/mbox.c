#include "proto/mail/mbox_priv.h"

#include <string.h>

#include "base/must.h"

enum {
	AT_START,  /* no "From " line yet */
	AT_HEAD,   /* within a header section */
	AT_LENGTH, /* Content-Length is looked into */
	AT_BEGIN,  /* MBOX_BEGIN is owed, then the header section */
	AT_BODY,
	AT_FIXED, /* within as many octets as Content-Length told */
	AT_TAIL,  /* behind them */
};

void mbox_init(struct mbox *m, enum mbox_kind kind)
{
	*m = (struct mbox){.kind = kind, .state = AT_START, .is_blank_before = true};
	buf_init(&m->line, 2 * MBOX_FROM_MAX);
	buf_init(&m->head, MBOX_HEAD_MAX);
	buf_init(&m->out, MBOX_OUT_BYTES + 2 * MBOX_HEAD_MAX);
	buf_init(&m->text, 2 * MBOX_HEAD_MAX);
	buf_init(&m->next, 2 * MBOX_FROM_MAX);
}

void mbox_fini(struct mbox *m)
{
	buf_fini(&m->line);
	buf_fini(&m->head);
	buf_fini(&m->out);
	buf_fini(&m->text);
	buf_fini(&m->next);
}

void mbox_finish(struct mbox *m)
{
	m->is_finished = true;
}

/* ---- octets of the message ---- */

static void put_raw(struct mbox *m, struct span octets)
{
	buf_span_put(&m->out, octets);
	if (octets.len)
		m->is_cr = octets.ptr[octets.len - 1] == '\r';
}

/* The line end of the last line waits until it is known that another one follows (is_exact). */
static void put(struct mbox *m, struct span octets)
{
	if (octets.len && m->is_lf_held) {
		m->is_lf_held = false;
		put_raw(m, SPAN("\n"));
	}
	while (octets.len) {
		const char *lf = memchr(octets.ptr, '\n', octets.len);
		size_t n = lf ? (size_t)(lf - octets.ptr) : octets.len;

		put_raw(m, span_sub(octets, 0, n));
		octets = span_skip(octets, n);
		if (!octets.len)
			break;
		octets = span_skip(octets, 1);
		if (!m->is_exact)
			put_raw(m, m->is_cr ? SPAN("\n") : SPAN("\r\n"));
		else if (octets.len)
			put_raw(m, SPAN("\n"));
		else
			m->is_lf_held = true;
	}
}

/* What was held back because it may be the end of the message was not. */
static void put_blank(struct mbox *m)
{
	if (m->blank)
		put(m, m->blank == 2 ? SPAN("\r\n") : SPAN("\n"));
	m->blank = 0;
}

/* The empty line in front of the next message belongs to the file. A bare LF in a message that is taken as
 * it is says that it has no line end at its end. */
static void drop_blank(struct mbox *m)
{
	if (m->is_lf_held && !(m->is_exact && m->blank == 1))
		put_raw(m, SPAN("\n"));
	m->is_lf_held = false;
	m->blank = 0;
}

static bool is_blank(struct span line)
{
	return span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n"));
}

static void put_body_line(struct mbox *m, struct span line)
{
	bool is_open;
	int quotes = m->kind == MBOX_CL2 ? -1 : mbox_quotes(line, &is_open);

	put_blank(m);
	if (quotes > 0 && (quotes == 1 || (m->kind != MBOX_O && m->kind != MBOX_CL)))
		line = span_skip(line, 1);
	put(m, line);
}

/* ---- lines ---- */

static struct span without_end(struct span line)
{
	if (line.len && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_from(struct mbox *m, struct span line, bool is_whole)
{
	return is_whole && mbox_is_from(without_end(line), m->is_blank_before, NULL);
}

/* A "From " line: the message under way is over, the next one begins. */
static void take_from(struct mbox *m, struct span line)
{
	buf_clear(&m->next);
	buf_span_put(&m->next, without_end(line));
	m->is_next_exact = line.len >= 2 && line.ptr[line.len - 2] == '\r';
	m->next_at = m->line_at;
	m->is_next = true;
	if (m->state == AT_HEAD)
		m->state = AT_LENGTH; /* a header section alone; its MBOX_BEGIN first */
	else
		drop_blank(m);
}

static void begin_next(struct mbox *m)
{
	m->is_next = false;
	m->letter = (struct mbox_letter){.offset = m->next_at};
	m->is_exact = m->is_next_exact;
	mbox_is_from(buf_span(&m->next), true, &m->letter);
	buf_clear(&m->text);
	buf_span_put(&m->text, m->letter.sender);
	buf_clear(&m->head);
	m->state = AT_HEAD;
	m->is_cr = m->is_lf_held = m->is_blank_before = false;
	m->blank = 0;
}

/* Octets of a header section. One over MBOX_HEAD_MAX is text like any other. */
static void put_head(struct mbox *m, struct span octets)
{
	if (octets.len <= buf_room(&m->head)) {
		buf_span_put(&m->head, octets);
		return;
	}
	m->length = UINT64_MAX;
	m->state = AT_BEGIN;
	m->letter.sender = buf_span(&m->text);
	put(m, buf_span(&m->head));
	buf_clear(&m->head);
	put(m, octets);
}

/* A line of a header section. False: it is none, the body begins with it. */
static bool take_head_line(struct mbox *m, struct span line)
{
	if (is_blank(line)) {
		m->state = AT_LENGTH;
		m->is_blank_before = true;
	} else if (!mbox_is_head_line(line, buf_span(&m->head))) {
		m->state = AT_LENGTH;
		return false;
	}
	put_head(m, line);
	return true;
}

/* Decide on the line that begins with `line`; is_whole: it is all of it. False: it is to be looked at again. */
static bool decide(struct mbox *m, struct span line, bool is_whole)
{
	switch (m->state) {
	case AT_HEAD:
		if (is_from(m, line, is_whole)) {
			take_from(m, line);
			break;
		}
		return take_head_line(m, line);
	case AT_START:
	case AT_TAIL:
	case AT_BODY:
		if (is_from(m, line, is_whole))
			take_from(m, line);
		else if (m->state == AT_BODY && is_whole && is_blank(line)) {
			put_blank(m);
			m->blank = (unsigned)line.len;
		} else if (m->state == AT_BODY)
			put_body_line(m, line);
		else if (m->state == AT_TAIL && !is_blank(line)) {
			m->state = AT_BODY; /* cannot be: it was looked into */
			return false;
		}
		m->is_blank_before = is_whole && is_blank(line);
		break;
	default: put_body_line(m, line);
	}
	return true;
}

/* ---- events ---- */

/* The header section is over: what does it say? */
static bool look_at_head(struct mbox *m, struct mbox_event *ev)
{
	bool is_length = m->kind == MBOX_AUTO || m->kind == MBOX_CL || m->kind == MBOX_CL2;

	m->length = UINT64_MAX;
	mbox_read_head(m, &m->length);
	m->state = AT_BEGIN;
	/* it counts from the empty line on: there must be one */
	if (!is_length || m->is_next || buf_len(&m->line) || m->length > INT64_MAX) {
		m->length = UINT64_MAX;
		return false;
	}
	*ev = (struct mbox_event){.kind = MBOX_PROBE, .offset = m->offset + m->length};
	return true;
}

void mbox_probed(struct mbox *m, struct span octets, bool is_end)
{
	struct span line;

	for (int i = 0; i < 2 && octets.len; i++) {
		if (octets.ptr[0] == '\n')
			octets = span_skip(octets, 1);
		else if (span_starts(octets, SPAN("\r\n")))
			octets = span_skip(octets, 2);
	}
	if (octets.len ? !span_cut(octets, '\n', &line, &octets) ||
				!mbox_is_from(without_end(line), true, NULL)
		       : !is_end)
		m->length = UINT64_MAX;
}

static void begin(struct mbox *m, struct mbox_event *ev)
{
	bool is_length = m->length != UINT64_MAX;

	ev->kind = MBOX_BEGIN;
	m->is_open = true;
	mbox_strip_head(m, is_length, put);
	m->state = is_length ? AT_FIXED : AT_BODY;
	m->left = is_length ? m->length : 0;
	m->is_blank_before = buf_len(&m->head) > 0;
	buf_clear(&m->head);
	if (m->is_next)
		drop_blank(m);
}

static void end_length(struct mbox *m)
{
	m->state = AT_TAIL;
	m->is_blank_before = true;
	m->is_line_open = false;
	drop_blank(m);
}

/* An event that is owed before more is read. */
static bool owed(struct mbox *m, struct mbox_event *ev)
{
	*ev = (struct mbox_event){.offset = m->letter.offset};
	if (m->state == AT_LENGTH && look_at_head(m, ev))
		return true;
	if (m->state == AT_BEGIN) {
		begin(m, ev);
		return true;
	}
	if (buf_len(&m->out) >= MBOX_OUT_BYTES || (m->is_next && buf_len(&m->out))) {
		ev->kind = MBOX_OCTETS;
		ev->octets = buf_span(&m->out);
		return true;
	}
	if (!m->is_next)
		return false;
	if (m->is_open) {
		m->is_open = false;
		ev->kind = MBOX_END;
		return true;
	}
	begin_next(m);
	return false;
}

/* The rest of a line whose beginning was decided on. */
static void take_rest(struct mbox *m, struct span *in)
{
	size_t max = m->state == AT_FIXED && m->left < in->len ? (size_t)m->left : in->len;
	const char *lf = memchr(in->ptr, '\n', max);
	size_t n = lf ? (size_t)(lf - in->ptr) + 1 : max;
	struct span part = span_sub(*in, 0, n < MBOX_OUT_BYTES ? n : MBOX_OUT_BYTES);

	*in = span_skip(*in, part.len);
	m->offset += part.len;
	if (m->state == AT_HEAD)
		put_head(m, part);
	else if (m->state == AT_BODY || m->state == AT_FIXED)
		put(m, part);
	m->is_line_open = part.ptr[part.len - 1] != '\n';
	if (m->state == AT_FIXED) {
		m->left -= part.len;
		m->is_line_open = m->is_line_open && m->left;
	}
}

static void decided(struct mbox *m, struct span line, bool is_whole)
{
	if (m->state == AT_FIXED)
		m->left -= line.len;
	if (!decide(m, line, is_whole))
		return; /* look_at_head comes first */
	buf_clear(&m->line);
	m->is_line_open = !is_whole;
}

/* Gather the beginning of a line, at most MBOX_FROM_MAX, and decide on it. */
static void take_line(struct mbox *m, struct span *in)
{
	size_t have = buf_len(&m->line), max = MBOX_FROM_MAX + 2 - have;
	bool is_cut = m->state == AT_FIXED && m->left - have < max;

	if (is_cut)
		max = (size_t)m->left - have;
	if (max > in->len) {
		max = in->len;
		is_cut = false;
	}
	const char *lf = max ? memchr(in->ptr, '\n', max) : NULL;
	size_t n = lf ? (size_t)(lf - in->ptr) + 1 : max;

	if (!have)
		m->line_at = m->offset;
	buf_span_put(&m->line, span_sub(*in, 0, n));
	*in = span_skip(*in, n);
	m->offset += n;
	if (lf || is_cut || buf_len(&m->line) >= MBOX_FROM_MAX + 2) {
		struct span line = buf_span(&m->line);

		decided(m, line, lf || is_cut);
	}
}

/* The file is over: what is half read is a line without its end. */
static void end_of_file(struct mbox *m, struct mbox_event *ev)
{
	if (buf_len(&m->line)) {
		decided(m, buf_span(&m->line), true);
		return;
	}
	if (m->state == AT_HEAD) {
		m->state = AT_LENGTH;
		return;
	}
	if (m->is_open)
		drop_blank(m);
	ev->kind = buf_len(&m->out) ? MBOX_OCTETS : m->is_open ? MBOX_END : MBOX_OVER;
	ev->octets = buf_span(&m->out);
	if (ev->kind == MBOX_END)
		m->is_open = false;
}

/* A line that ended a header section waits to be looked at as one of the body. */
static bool take_again(struct mbox *m)
{
	struct span line = buf_span(&m->line);
	bool is_whole = line.len && (line.ptr[line.len - 1] == '\n' || m->is_finished);

	if (!line.len || (!is_whole && line.len < MBOX_FROM_MAX + 2))
		return false;
	decided(m, line, is_whole);
	return true;
}

static bool is_junk(struct mbox *m, struct mbox_event *ev)
{
	if (m->state != AT_START || m->is_junk_told || m->is_next ||
		(!m->is_line_open && m->is_blank_before) || buf_len(&m->line))
		return false;
	m->is_junk_told = true;
	*ev = (struct mbox_event){.kind = MBOX_JUNK, .offset = m->line_at};
	return true;
}

void mbox_next(struct mbox *m, struct span *in, struct mbox_event *ev)
{
	if (buf_len(&m->out) && m->is_given) {
		buf_clear(&m->out);
		m->is_given = false;
	}
	for (;;) {
		if (owed(m, ev) || is_junk(m, ev))
			break;
		if (m->state == AT_LENGTH || m->is_next)
			continue;
		if (m->state == AT_FIXED && !m->left)
			end_length(m);
		if (!m->is_line_open && take_again(m))
			continue;
		if (!in->len && m->is_finished) {
			*ev = (struct mbox_event){.kind = MBOX_MORE};
			end_of_file(m, ev);
			if (ev->kind != MBOX_MORE)
				break;
			continue;
		}
		if (!in->len) {
			*ev = (struct mbox_event){
				.kind = buf_len(&m->out) && m->is_open ? MBOX_OCTETS : MBOX_MORE,
				.octets = buf_span(&m->out)};
			break;
		}
		if (m->is_line_open)
			take_rest(m, in);
		else
			take_line(m, in);
	}
	m->is_given = ev->kind == MBOX_OCTETS;
}
