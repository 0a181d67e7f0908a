#include "proto/smtp/smtp_syntax.h"

#include <string.h>

/* RFC 5321 sections 2.3.8 and 4.1.1.4: lines end with CRLF and with nothing else; the data ends
 * with CRLF "." CRLF and with nothing else. What a state holds back has not been given out yet. */
enum data_state {
	DATA_LINE_START, /* behind a CRLF, or at the very beginning */
	DATA_MID,
	DATA_CR,     /* in a line, a CR held back */
	DATA_DOT,    /* at a line start, the dot taken away */
	DATA_DOT_CR, /* and a CR held back behind it */
};

/* In normalise mode each bare CR ends a run; a window keeps the search for the next LF from being
 * repeated over a whole buffer for each of them. */
#define DATA_NORMALISE_WINDOW 1024

static const struct span crlf = {"\r\n", 2}, cr = {"\r", 1};

void smtp_data_parser_init(struct smtp_data_parser *p, bool is_normalise, size_t line_max)
{
	memset(p, 0, sizeof(*p));
	p->is_normalise = is_normalise;
	p->line_max = line_max;
}

static void line_grows(struct smtp_data_parser *p, size_t n)
{
	p->line_len += n;
	if (p->line_max && p->line_len > p->line_max)
		p->troubles |= SMTP_DATA_LONG_LINE;
}

/* A CR that no LF follows was held back: what stands in its place. */
static struct span bare_cr(struct smtp_data_parser *p)
{
	p->troubles |= SMTP_DATA_BARE_CR;
	p->state = DATA_MID;
	if (!p->is_normalise) {
		line_grows(p, 1);
		return cr;
	}
	p->line_len = 0;
	return crlf;
}

/* What was held back meets the next octet. True: a run (or the end) has come of it. */
static bool take_held(struct smtp_data_parser *p, char c, size_t *used, struct span *content_r)
{
	switch (p->state) {
	case DATA_DOT:
		if (c == '\r') {
			p->state = DATA_DOT_CR;
			*used += 1;
			return true;
		}
		/* RFC 5321 section 4.5.2: more on the line, so the dot was stuffed */
		p->state = DATA_MID;
		return false;
	case DATA_DOT_CR:
		if (c == '\n') {
			p->is_done = true;
			*used += 1;
			return true;
		}
		*content_r = bare_cr(p);
		return true;
	case DATA_CR:
		if (c != '\n') {
			*content_r = bare_cr(p);
			return true;
		}
		line_grows(p, 2);
		p->line_len = 0;
		p->state = DATA_LINE_START;
		*content_r = crlf;
		*used += 1;
		return true;
	default: return false;
	}
}

struct run {
	struct span in;
	size_t at;      /* start of the current line, or where the run ends */
	size_t used;    /* octets used, when that is more than `at` */
	bool is_broken; /* the run ends here */
};

/* From r->at to a line end at `lf` (in.len: none in sight): look for bare CRs. Returns false when
 * one ends the run. */
static bool check_crs(struct smtp_data_parser *p, struct run *r, size_t end)
{
	const char *at = r->in.ptr + r->at, *stop = r->in.ptr + end;
	const char *c;

	while (at < stop && (c = memchr(at, '\r', (size_t)(stop - at)))) {
		if (p->is_normalise) {
			line_grows(p, (size_t)(c - r->in.ptr) - r->at);
			r->at = (size_t)(c - r->in.ptr);
			r->used = r->at + 1;
			p->state = DATA_CR; /* the next octet tells that it is bare */
			r->is_broken = true;
			return false;
		}
		p->troubles |= SMTP_DATA_BARE_CR;
		at = c + 1;
	}
	return true;
}

/* One line (or what there is of it) joins the run. */
static void take_line(struct smtp_data_parser *p, struct run *r)
{
	size_t left = r->in.len - r->at;
	const char *line = r->in.ptr + r->at, *lf = memchr(line, '\n', left);
	size_t n = lf ? (size_t)(lf - line) : left;

	if (lf && n > 0 && line[n - 1] == '\r') {
		if (!check_crs(p, r, r->at + n - 1))
			return;
		line_grows(p, n + 1);
		p->line_len = 0;
		p->state = DATA_LINE_START;
		r->at += n + 1;
		return;
	}
	if (!lf && n > 0 && line[n - 1] == '\r') {
		if (!check_crs(p, r, r->at + n - 1))
			return;
		line_grows(p, n - 1);
		p->state = DATA_CR;
		r->at += n - 1;
		r->used = r->at + 1;
		r->is_broken = true;
		return;
	}
	if (!check_crs(p, r, r->at + n))
		return;
	line_grows(p, n);
	p->state = DATA_MID;
	r->at += n;
	if (!lf)
		return;
	if (p->is_normalise) { /* the next call begins with it */
		r->is_broken = true;
		return;
	}
	p->troubles |= SMTP_DATA_BARE_LF;
	line_grows(p, 1);
	r->at += 1;
}

/* Content octets hold no NUL (RFC 5321 section 2.3.8 speaks of ASCII characters; RFC 5322 section
 * 4.1 forbids to make them): reported, the caller decides. */
static void check_nul(struct smtp_data_parser *p, struct span run)
{
	if (run.len && !(p->troubles & SMTP_DATA_NUL) && memchr(run.ptr, 0, run.len))
		p->troubles |= SMTP_DATA_NUL;
}

/* A bare LF in normalise mode: the line before it went out as a run; its CRLF is a run of its own. */
static size_t take_normalised_lf(struct smtp_data_parser *p, struct span *content_r)
{
	p->troubles |= SMTP_DATA_BARE_LF;
	p->line_len = 0;
	p->state = DATA_MID; /* not a line start: a dot here ends nothing and loses nothing */
	*content_r = crlf;
	return 1;
}

size_t smtp_data_take(struct smtp_data_parser *p, struct span in, struct span *content_r)
{
	struct run r = {in, 0, 0, false};

	*content_r = SPAN_NONE;
	if (in.len == 0 || p->is_done)
		return 0;
	if (take_held(p, in.ptr[0], &r.used, content_r))
		return r.used;
	if (p->state == DATA_LINE_START && in.ptr[0] == '.' && !p->is_chunked) {
		p->state = DATA_DOT;
		return 1;
	}
	if (p->is_normalise && in.ptr[0] == '\n')
		return take_normalised_lf(p, content_r);
	if (p->is_normalise && r.in.len > DATA_NORMALISE_WINDOW)
		r.in.len = DATA_NORMALISE_WINDOW;
	do {
		take_line(p, &r);
		if (p->state == DATA_LINE_START && r.at < r.in.len && r.in.ptr[r.at] == '.' &&
			!p->is_chunked)
			break;
	} while (r.at < r.in.len && !r.is_broken);
	*content_r = span_sub(in, 0, r.at);
	check_nul(p, *content_r);
	return r.used ? r.used : r.at;
}

struct span smtp_data_finish(struct smtp_data_parser *p)
{
	struct span tail = SPAN_NONE;

	/* A chunked body that is lines ends with a line end; a CR at its very end was half of one. */
	if (p->state != DATA_LINE_START)
		tail = crlf;
	if (p->state == DATA_CR)
		p->troubles |= SMTP_DATA_BARE_CR;
	p->state = DATA_LINE_START;
	p->line_len = 0;
	p->is_done = true;
	return tail;
}

size_t smtp_data_parse(struct smtp_data_parser *p, struct span in, struct buf *out)
{
	size_t used = 0;
	struct span content;

	while (used < in.len && !p->is_done) {
		used += smtp_data_take(p, span_skip(in, used), &content);
		buf_span_put(out, content);
	}
	return used;
}

size_t smtp_dot_next(struct smtp_dot_writer *w, struct span in)
{
	size_t at = 0;

	while (at < in.len) {
		const char *line = in.ptr + at, *lf, *c;
		size_t left = in.len - at, n;

		if (!w->is_mid_line && line[0] == '.') {
			w->is_mid_line = true; /* the dot that the caller writes is the first */
			return at;
		}
		if (w->has_cr && line[0] != '\n')
			w->has_bare = true;
		lf = memchr(line, '\n', left);
		n = lf ? (size_t)(lf - line) : left;
		if (lf && !(n > 0 ? line[n - 1] == '\r' : w->has_cr))
			w->has_bare = true;
		c = n > 1 ? memchr(line, '\r', n - 1) : NULL;
		if (c)
			w->has_bare = true;
		w->has_cr = !lf && line[n - 1] == '\r';
		w->is_mid_line = !lf;
		at += lf ? n + 1 : n;
	}
	return at;
}

void smtp_dot_stuff(struct buf *out, struct span in, bool *at_line_start)
{
	struct smtp_dot_writer w = {.is_mid_line = !*at_line_start};

	while (in.len) {
		size_t n = smtp_dot_next(&w, in);

		buf_span_put(out, span_sub(in, 0, n));
		in = span_skip(in, n);
		if (in.len)
			buf_char(out, '.');
	}
	*at_line_start = !w.is_mid_line;
}
