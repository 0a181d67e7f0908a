/* Any text as an imported hash: what is taken for one names one scheme, and what it can be taken over as
 * is a verifier. No key is derived: that takes as long as the hash asks for. */
#include "base/must.h"
#include "store/verifier_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span hash = arena_span(a, span_of(data, size)), sha256, sha1, password;
	bool is_hash = verifier_import_check(hash, NULL) == 0;
	struct verifier v;

	verifier_import_scram(a, hash, &sha256, &sha1);
	MUST(!sha256.len || verifier_parse(a, sha256, VERIFIER_SHA256, &v));
	MUST(!sha1.len || verifier_parse(a, sha1, VERIFIER_SHA1, &v));
	MUST(is_hash || (!sha256.len && !sha1.len));
	if (verifier_import_plain(a, hash, &password))
		MUST(is_hash && password.len > 0 && !sha256.len && !sha1.len);
	arena_free(&a);
	return 0;
}
