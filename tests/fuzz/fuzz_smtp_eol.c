/* Line ends at two cuts: the same comes out, nothing but CRLF ends a line, and strict says no exactly
 * where something was mended. */
#include "proto/smtp/smtp_syntax.h"

#include "base/must.h"

static void take_all(struct smtp_eol *f, struct span in, size_t cut, struct buf *out)
{
	struct span run;

	while (in.len && !f->is_bad) {
		struct span piece = span_sub(in, 0, cut);

		in = span_skip(in, piece.len);
		while (piece.len && !f->is_bad) {
			piece = span_skip(piece, smtp_eol_take(f, piece, &run));
			buf_span_put(out, run);
		}
	}
	buf_span_put(out, smtp_eol_finish(f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_eol a = {0}, b = {0}, strict = {.is_strict = true};
	struct span in = span_of(data, size), got;
	struct buf whole, cut, as_is;

	buf_init(&whole, 2 * size + 2);
	buf_init(&cut, 2 * size + 2);
	buf_init(&as_is, 2 * size + 2);
	take_all(&a, in, SIZE_MAX, &whole);
	take_all(&b, in, 1 + size % 5, &cut);
	take_all(&strict, in, 3, &as_is);
	got = buf_span(&whole);
	MUST(span_eq(got, buf_span(&cut)) && a.out == got.len && a.in == size);
	for (size_t i = 0; i < got.len; i++) {
		MUST(got.ptr[i] != '\n' || (i > 0 && got.ptr[i - 1] == '\r'));
		MUST(got.ptr[i] != '\r' || (i + 1 < got.len && got.ptr[i + 1] == '\n'));
	}
	MUST(strict.is_bad ? strict.bad_at < size : span_eq(buf_span(&as_is), got));
	buf_fini(&whole);
	buf_fini(&cut);
	buf_fini(&as_is);
	return 0;
}
