/* Any cut of a body has the same canonical form, which is its own canonical form; so has a field. The
 * first octet is the size of pieces. */
#include "base/must.h"
#include "proto/trust/dkim_canon.h"

static void gather(void *arg, struct span s)
{
	buf_span_put(arg, s);
}

static void canon(struct span in, enum dkim_canon c, size_t step, struct buf *out)
{
	struct dkim_body b;

	dkim_body_init(&b, c, (struct dkim_sink){gather, out});
	for (size_t at = 0; at < in.len; at += step)
		dkim_body_feed(&b, span_sub(in, at, step));
	dkim_body_end(&b);
	MUST(b.put == buf_len(out));
}

static bool has_bare_cr(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\r' && (i + 1 == s.len || s.ptr[i + 1] != '\n'))
			return true;
	}
	return false;
}

static void check(struct span in, enum dkim_canon c, size_t step)
{
	struct buf whole, cut, again;

	buf_init(&whole, in.len + 2);
	buf_init(&cut, in.len + 2);
	buf_init(&again, in.len + 4);
	canon(in, c, in.len + 1, &whole);
	canon(in, c, step, &cut);
	canon(buf_span(&whole), c, step, &again);
	MUST(buf_ok(&whole) && span_eq(buf_span(&whole), buf_span(&cut)));
	MUST(span_eq(buf_span(&whole), buf_span(&again)));
	buf_clear(&whole);
	buf_clear(&again);
	dkim_canon_field((struct dkim_sink){gather, &whole}, c, in);
	dkim_canon_field((struct dkim_sink){gather, &again}, c, buf_span(&whole));
	/* A bare CR may come to stand in front of a bare LF when a fold goes: no header has such a field, for
	 * there the LF ends it. */
	if (span_find(in, ':') >= 0 && !has_bare_cr(in))
		MUST(span_eq(buf_span(&whole), buf_span(&again)));
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_skip(span_of(data, size), 1);
	size_t step = size ? data[0] % 16 + 1 : 1;

	check(in, DKIM_SIMPLE, step);
	check(in, DKIM_RELAXED, step);
	return 0;
}
