/* Any octets as a token, as a set of keys (behind the first LF) and as claims: nothing is verified that the
 * key of the test has not signed, and what parses says what it must. */
#include "base/must.h"
#include "services/auth/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jose_wanted w = {.issuer = "https://id.example",
		.audience = "mail",
		.user_claim = "email",
		.now_sec = 1795000000,
		.is_expiry_needed = true};
	struct arena *a = arena_new();
	struct span text, set;
	struct jose_claims claims;
	struct jose_keys *keys;
	struct jose_token t;
	struct err e = {0};
	bool is_active;

	span_cut(span_of(data, size), '\n', &text, &set);
	keys = jose_keys_parse(set, &e);
	MUST(!keys || (jose_keys_count(keys) > 0 && jose_keys_count(keys) <= JOSE_KEYS_MAX));
	if (jose_token_parse(a, text, &t, &e) == 0) {
		MUST(jose_is_token(text) && t.alg < JOSE_ALG_COUNT && t.signature.len);
		MUST(t.signed_part.ptr == text.ptr && t.signed_part.len < text.len);
		if (keys && jose_verify(keys, &t, &e) == 0)
			MUST(jose_keys_count(keys) > 0);
		jose_claims_check(a, t.claims, &w, &claims, &e);
	}
	if (jose_claims_check(a, text, &w, &claims, &e) == 0)
		MUST(claims.user.len && claims.user.len <= JOSE_NAME_MAX &&
			claims.expires_sec + JOSE_LEEWAY > w.now_sec);
	jose_is_active(text, &is_active, &e);
	jose_keys_unref(&keys);
	arena_free(&a);
	return 0;
}
