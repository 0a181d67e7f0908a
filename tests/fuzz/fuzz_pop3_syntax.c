/* Command lines, and a message on its way out: however it is cut, the same octets come out, and what a
 * client takes for the end is ours. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "proto/pop3/pop3_syntax.h"

static void stuff(struct span text, size_t cut, uint32_t lines, bool is_top, struct buf *out)
{
	struct pop3_stuff f = {0};
	struct pop3_top top = {.lines = lines};
	struct span piece;

	for (size_t at = 0; at < text.len; at += cut) {
		struct span octets = span_sub(text, at, cut);

		if (is_top)
			octets.len = pop3_top_take(&top, octets);
		while (pop3_stuff_next(&f, &octets, &piece))
			buf_span_put(out, piece);
	}
	buf_span_put(out, pop3_stuff_end(&f));
}

/* As a client reads that ends lines at LF. */
static void check_end(struct span out)
{
	struct span line, rest = out;
	bool is_end = false;

	while (rest.len) {
		MUST(!is_end);
		MUST(span_cut(rest, '\n', &line, &rest));
		is_end = span_eq(line, SPAN(".\r")) || span_eq(line, SPAN("."));
	}
	MUST(is_end);
}

static void unstuff(struct span out, struct buf *text)
{
	struct span line, rest = out;

	while (span_cut(rest, '\n', &line, &rest) && rest.len) {
		buf_span_put(text, span_skip(line, line.len && line.ptr[0] == '.'));
		buf_char(text, '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_skip(span_of(data, size), 1);
	unsigned mode = size ? data[0] : 0;
	struct pop3_command c;
	struct buf whole, cut, back;
	struct err e = {0};

	if (pop3_command_parse(text, &c, &e) == 0)
		MUST(c.verb != POP3_UNKNOWN);
	else
		MUST(e.code == ERR_SYNTAX);
	buf_init(&whole, 8 * size + 64);
	buf_init(&cut, 8 * size + 64);
	buf_init(&back, 8 * size + 64);
	stuff(text, text.len ? text.len : 1, mode / 16 % 8, mode & 128, &whole);
	stuff(text, 1 + mode % 16, mode / 16 % 8, mode & 128, &cut);
	MUST(span_eq(buf_span(&whole), buf_span(&cut)));
	check_end(buf_span(&whole));
	unstuff(buf_span(&whole), &back);
	/* no octet is lost; a last line gets its end */
	if (!(mode & 128))
		MUST(span_starts(buf_span(&back), text) && buf_len(&back) <= text.len + 2);
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&back);
	return 0;
}
