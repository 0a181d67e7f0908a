/* Any text as a key record: refused with a reason, or of use to the verifier without harm. */
#include "base/must.h"
#include "proto/trust/dkim_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char digest[DKIM_DIGEST_LEN];
	struct arena *a = arena_new();
	struct dkim_record r;
	struct err e = {0};
	struct buf b;

	if (dkim_record_parse(a, &dkim_rfc6376, span_of(data, size), &r, &e) < 0) {
		MUST(e.code != ERR_NONE && e.text[0]);
	} else {
		MUST(r.is_revoked == (r.key.len == 0));
		if (r.is_known && r.algorithm == DKIM_ED25519_SHA256 && !r.is_revoked)
			MUST(r.key.len == 32);
		if (dkim_record_bits(&r) <= DKIM_RSA_BITS_MAX)
			MUST(!dkim_record_verify(&r, digest, SPAN("no signature")));
	}
	buf_init(&b, 4 * size + 16);
	dkim_record_put_strings(&b, span_of(data, size));
	MUST(buf_ok(&b));
	buf_fini(&b);
	arena_free(&a);
	return 0;
}
