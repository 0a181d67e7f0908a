/* A chunked body, whole and cut into pieces of one size: the same content, the same end. */
#include "base/buf.h"
#include "base/must.h"
#include "proto/http/http_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf got[2];
	size_t end[2];
	bool is_done[2], is_bad[2] = {false, false};

	for (int k = 0; k < 2; k++) {
		struct http_chunks c = {0};
		size_t at = 0, step = k ? 1 + size % 13 : size + 1;

		buf_init(&got[k], 1 << 20);
		while (at < size && !c.is_done && !is_bad[k]) {
			struct span in = span_sub(span_of(data, size), at, step), before = in,
				    piece;

			is_bad[k] = http_chunks_take(&c, &in, &piece, NULL) < 0;
			at += before.len - in.len;
			buf_span_put(&got[k], piece);
		}
		end[k] = at;
		is_done[k] = c.is_done;
	}
	MUST(is_bad[0] == is_bad[1] && is_done[0] == is_done[1] && end[0] == end[1]);
	MUST(span_eq(buf_span(&got[0]), buf_span(&got[1])));
	buf_fini(&got[0]);
	buf_fini(&got[1]);
	return 0;
}
