/* Line ends of content on its way to the wire. */

#include <string.h>

#include "proto/smtp/smtp_syntax.h"

static const struct span crlf = {"\r\n", 2};

static void line_grows(struct smtp_eol *f, size_t n)
{
	f->line += n;
	if (f->line > f->line_max)
		f->line_max = f->line;
	f->is_mid_line = f->is_mid_line || n > 0;
}

static void line_ends(struct smtp_eol *f)
{
	f->line = 0;
	f->is_mid_line = false;
}

/* A CR or LF by itself. Its offset is `at`. */
static bool is_refused(struct smtp_eol *f, uint64_t at)
{
	if (!f->is_strict)
		return false;
	f->is_bad = true;
	f->bad_at = at;
	return true;
}

static size_t give(struct smtp_eol *f, size_t used, struct span out, struct span *out_r)
{
	f->in += used;
	f->out += out.len;
	f->is_8bit = f->is_8bit || !span_is_ascii(out);
	*out_r = out;
	return used;
}

/* The CR that was held back meets the next octet. */
static size_t take_held(struct smtp_eol *f, char c, struct span *out_r)
{
	if (c != '\n' && is_refused(f, f->in - 1))
		return 0;
	f->has_cr = false;
	line_ends(f);
	return give(f, c == '\n', crlf, out_r);
}

/* How far whole lines that end with CRLF, and the begin of one more, go; stops before what needs
 * another octet in its place. */
static size_t clean_run(struct smtp_eol *f, struct span in)
{
	size_t at = 0;

	while (at < in.len) {
		const char *line = in.ptr + at;
		const char *lf = memchr(line, '\n', in.len - at);
		size_t n = lf ? (size_t)(lf - line) : in.len - at;
		const char *cr = memchr(line, '\r', n);

		if (!lf && !cr) {
			line_grows(f, n);
			return in.len;
		}
		if (!lf || !cr || cr + 1 != lf) {
			n = cr ? (size_t)(cr - line) : n;
			line_grows(f, n);
			return at + n;
		}
		line_grows(f, n - 1);
		line_ends(f);
		at += n + 1;
	}
	return at;
}

size_t smtp_eol_take(struct smtp_eol *f, struct span in, struct span *out_r)
{
	size_t n;

	*out_r = SPAN_NONE;
	if (in.len == 0 || f->is_bad)
		return 0;
	if (f->has_cr)
		return take_held(f, in.ptr[0], out_r);
	n = clean_run(f, in);
	if (n > 0)
		return give(f, n, span_sub(in, 0, n), out_r);
	if (in.ptr[0] == '\r') { /* what it is, the next octet tells */
		f->has_cr = true;
		return give(f, 1, SPAN_NONE, out_r);
	}
	if (is_refused(f, f->in))
		return 0;
	line_ends(f);
	return give(f, 1, crlf, out_r);
}

struct span smtp_eol_finish(struct smtp_eol *f)
{
	struct span out = SPAN_NONE;

	if (f->is_bad || (!f->has_cr && !f->is_mid_line))
		return out;
	if (f->has_cr && is_refused(f, f->in - 1))
		return out;
	f->has_cr = false;
	line_ends(f);
	give(f, 0, crlf, &out);
	return out;
}
