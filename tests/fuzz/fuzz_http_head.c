/* Any head: whole or byte by byte, it ends in the same place or is refused; what is taken is one request. */
#include "base/must.h"
#include "proto/http/http_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head_scan whole = {0}, cut = {0};
	struct span in = span_of(data, size);
	size_t len, len_cut = 0;
	unsigned status = 0, status_cut = 0;
	struct arena *a = arena_new();
	struct http_head h;
	int rc = http_head_scan(&whole, in, &len, &status, NULL), rc_cut = 0;

	for (size_t n = 0; n <= size && rc_cut == 0 && !len_cut; n++)
		rc_cut = http_head_scan(&cut, span_sub(in, 0, n), &len_cut, &status_cut, NULL);
	MUST(rc == rc_cut && len == len_cut && status == status_cut);
	if (len && http_head_parse(a, span_sub(in, 0, len), &h, NULL) < 0)
		MUST(h.status >= 400 && h.status <= 505);
	else if (len)
		MUST(!(http_head_count(&h, "Content-Length") &&
			     http_head_count(&h, "Transfer-Encoding")) &&
			!span_has_line_break(h.path) && h.path.len && (h.host.len || !h.minor));
	arena_free(&a);
	return 0;
}
