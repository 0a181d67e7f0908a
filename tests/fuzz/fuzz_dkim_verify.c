/* Any message, in any cut: each signature gets one verdict, with a reason, the same in every cut. The
 * first octet is the size of pieces. */
#include <string.h>

#include "base/must.h"
#include "proto/trust/dkim_verify.h"

static void verify(struct arena *a, struct span in, size_t step, struct buf *notes)
{
	static const struct span key = SPAN(
		"v=DKIM1; k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	struct dkim_verifier *v = dkim_verifier_new(a, &dkim_rfc6376, 1795000000);
	struct dkim_result *r;
	size_t count;

	for (size_t at = 0; at < in.len; at += step)
		dkim_verifier_feed(v, span_sub(in, at, step));
	count = dkim_verifier_end(v, &r);
	MUST(count <= DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < count; i++) {
		MUST(r[i].key_name.len == 0 || r[i].domain.len);
		dkim_verifier_key(v, i, DKIM_KEY_FOUND, &key, 1);
		MUST(r[i].key_name.len == 0 && r[i].reason);
		MUST(r[i].verdict == DKIM_PASS || r[i].reason[0]);
		buf_printf(notes, "%d %s;", r[i].verdict, r[i].reason);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_skip(span_of(data, size), 1);
	struct arena *a = arena_new();
	struct buf *whole = arena_buf(a, 4096), *cut = arena_buf(a, 4096);

	verify(a, in, in.len + 1, whole);
	verify(a, in, size ? data[0] % 16 + 1 : 1, cut);
	MUST(span_eq(buf_span(whole), buf_span(cut)));
	arena_free(&a);
	return 0;
}
