/* Any cut gives the same fields at the same places. The first octet is the size of pieces. */
#include "proto/mail/mail_header.h"

#include "base/must.h"

static void note(void *arg, const struct mail_field *f)
{
	buf_printf(arg, "%d %lu %lu %zu;", f->id, f->offset, f->len, f->value.len);
}

static void scan(struct span in, size_t step, struct buf *notes)
{
	struct mail_header h;

	mail_header_init(&h, note, notes);
	for (size_t at = 0; at < in.len && !h.is_done; at += step)
		mail_header_feed(&h, span_sub(in, at, step));
	mail_header_finish(&h);
	MUST(h.is_done && h.body_offset <= in.len);
	buf_printf(notes, "%lu %u", h.body_offset, h.troubles);
	mail_header_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_skip(span_of(data, size), 1);
	struct buf a, b;

	buf_init(&a, 64 * size + 100);
	buf_init(&b, 64 * size + 100);
	scan(in, in.len + 1, &a);
	scan(in, size ? data[0] % 16 + 1 : 1, &b);
	MUST(span_eq(buf_span(&a), buf_span(&b)));
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
