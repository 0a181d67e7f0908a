/* Any cut gives what the whole gives. The first octet chooses the mode and the size of pieces. */
#include "proto/smtp/smtp_syntax.h"

#include "base/must.h"

static size_t parse(struct span in, unsigned mode, size_t step, struct buf *out, unsigned *troubles)
{
	struct smtp_data_parser p;
	size_t used = 0;

	smtp_data_parser_init(&p, mode & 1, 50);
	p.is_chunked = mode & 2;
	while (used < in.len && !p.is_done)
		used += smtp_data_parse(&p, span_sub(in, used, step), out);
	*troubles = p.troubles;
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0, one, two;
	struct span in = span_skip(span_of(data, size), 1);
	struct buf a, b;

	buf_init(&a, 2 * size + 2);
	buf_init(&b, 2 * size + 2);
	MUST(parse(in, mode, in.len, &a, &one) == parse(in, mode, mode / 4 % 8 + 1, &b, &two));
	MUST(one == two && span_eq(buf_span(&a), buf_span(&b)) && buf_ok(&a));
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
