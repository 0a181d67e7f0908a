#include "services/auth/jose.h"

#include <jansson.h>
#include <string.h>

#include "base/enc.h"
#include "base/must.h"

static const char *const alg_names[JOSE_ALG_COUNT] = {
#define X(id, name) [JOSE_##id] = name,
	JOSE_ALGS(X)
#undef X
};

/* ---- JSON ---- */

/* RFC 8725 section 2.4: of two claims of one name readers take different ones. */
static json_t *object_of(struct span text, struct err *e)
{
	json_error_t why;
	json_t *doc = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &why);

	if (!json_is_object(doc)) {
		err_set(e, ERR_SYNTAX, "no JSON object: %s", doc ? "something else" : why.text);
		json_decref(doc);
		return NULL;
	}
	return doc;
}

/* A text, of at most `max` octets; false when it is there and is none. Missing: "". */
static bool text_of(const json_t *object, const char *name, size_t max, struct span *text_r)
{
	const json_t *v = json_object_get(object, name);

	*text_r = SPAN_NONE;
	if (!v)
		return true;
	if (!json_is_string(v) || json_string_length(v) > max)
		return false;
	*text_r = span_of(json_string_value(v), json_string_length(v));
	return true;
}

/* ---- tokens ---- */

static struct span decode(struct arena *a, struct span text, size_t max)
{
	struct buf *b = arena_buf(a, max);

	return text.len && enc_get_base64url(b, text) ? buf_span(b) : SPAN_NONE;
}

/* RFC 8725 section 3.11: what is meant as something else is not taken for a token of ours. */
static bool is_typ(struct span typ)
{
	if (span_starts_nocase(typ, SPAN("application/")))
		typ = span_skip(typ, 12);
	return typ.len == 0 || span_eq_nocase(typ, SPAN("JWT")) ||
		span_eq_nocase(typ, SPAN("at+jwt"));
}

static int read_header(struct arena *a, const json_t *header, struct jose_token *t, struct err *e)
{
	struct span alg, typ, kid;

	if (!text_of(header, "alg", 32, &alg) || !text_of(header, "typ", 64, &typ) ||
		!text_of(header, "kid", JOSE_KID_MAX, &kid))
		return err_set(e, ERR_SYNTAX, "a token's header with odd members");
	/* RFC 7515 section 4.1.11: we understand no extension */
	if (json_object_get(header, "crit"))
		return err_set(e, ERR_UNSUPPORTED, "a token with critical extensions");
	if (!is_typ(typ))
		return err_set(e, ERR_UNSUPPORTED, "a token of another type");
	t->kid = arena_span(a, kid);
	for (size_t i = 0; i < JOSE_ALG_COUNT; i++) {
		t->alg = (enum jose_alg)i;
		if (span_eq(alg, span_str(alg_names[i])))
			return 0;
	}
	return err_set(e, ERR_UNSUPPORTED, "a token of algorithm '" SPAN_FMT "'",
		SPAN_ARG(span_sub(alg, 0, 32)));
}

bool jose_is_token(struct span text)
{
	struct span head, rest, claims, signature;

	return span_cut(text, '.', &head, &rest) && span_cut(rest, '.', &claims, &signature) &&
		span_find(signature, '.') < 0;
}

int jose_token_parse(struct arena *a, struct span text, struct jose_token *token_r, struct err *e)
{
	struct span head, rest, claims, signature;
	json_t *header;
	int rc;

	*token_r = (struct jose_token){0};
	if (text.len > JOSE_TOKEN_MAX || !jose_is_token(text))
		return err_set(e, ERR_SYNTAX, "no token of three parts");
	span_cut(text, '.', &head, &rest);
	span_cut(rest, '.', &claims, &signature);
	token_r->signed_part = span_sub(text, 0, head.len + 1 + claims.len);
	header = object_of(decode(a, head, JOSE_TOKEN_MAX), e);
	if (!header)
		return -1;
	rc = read_header(a, header, token_r, e);
	json_decref(header);
	if (rc < 0)
		return -1;
	token_r->claims = decode(a, claims, JOSE_TOKEN_MAX);
	token_r->signature = decode(a, signature, JOSE_TOKEN_MAX);
	if (!token_r->claims.len || !token_r->signature.len)
		return err_set(e, ERR_SYNTAX, "a token whose parts are not base64url");
	return 0;
}

/* ---- claims ---- */

/* NumericDate (RFC 7519 section 2). Missing: 0. */
static bool date_of(const json_t *object, const char *name, int64_t *sec_r)
{
	const json_t *v = json_object_get(object, name);
	double n = json_number_value(v);

	*sec_r = 0;
	if (!v || json_is_null(v))
		return true;
	/* beyond it, numbers are no longer exact (RFC 8259 section 6) */
	if (!json_is_number(v) || !(n > 0) || n > 9007199254740991.0)
		return false;
	*sec_r = (int64_t)n;
	return *sec_r > 0;
}

static bool is_text(const json_t *v, const char *wanted)
{
	return json_is_string(v) &&
		span_eq(span_of(json_string_value(v), json_string_length(v)), span_str(wanted));
}

/* A text, or an array of them (RFC 7519 section 4.1.3). */
static bool has_text(const json_t *v, const char *wanted)
{
	if (is_text(v, wanted))
		return true;
	for (size_t i = 0; i < json_array_size(v); i++) {
		if (is_text(json_array_get(v, i), wanted))
			return true;
	}
	return false;
}

/* "scope": words (RFC 8693 section 4.2); some say "scp", words or an array. */
static bool has_scope(const json_t *claims, const char *wanted)
{
	static const char *const names[] = {"scope", "scp"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(claims, names[i]);
		struct span words = json_is_string(v)
			? span_of(json_string_value(v), json_string_length(v))
			: SPAN_NONE;
		struct span word;

		while ((word = span_word(&words)).len) {
			if (span_eq(word, span_str(wanted)))
				return true;
		}
		if (json_is_array(v) && has_text(v, wanted))
			return true;
	}
	return false;
}

static bool is_set(const char *s)
{
	return s && s[0];
}

static int check_time(
	const json_t *claims, const struct jose_wanted *w, int64_t *expires_r, struct err *e)
{
	int64_t nbf, iat;

	if (!date_of(claims, "exp", expires_r) || !date_of(claims, "nbf", &nbf) ||
		!date_of(claims, "iat", &iat))
		return err_set(e, ERR_DENIED, "a token with odd dates");
	if (!*expires_r && w->is_expiry_needed)
		return err_set(e, ERR_DENIED, "a token without an end");
	if (*expires_r && w->now_sec >= *expires_r + JOSE_LEEWAY)
		return err_set(e, ERR_DENIED, "the token has expired");
	if (nbf > w->now_sec + JOSE_LEEWAY || iat > w->now_sec + JOSE_LEEWAY)
		return err_set(e, ERR_DENIED, "the token is of the future");
	return 0;
}

static int check_for_us(const json_t *claims, const struct jose_wanted *w, struct err *e)
{
	if (is_set(w->issuer) && !is_text(json_object_get(claims, "iss"), w->issuer))
		return err_set(e, ERR_DENIED, "the token is of another issuer");
	if (is_set(w->audience) && !has_text(json_object_get(claims, "aud"), w->audience))
		return err_set(e, ERR_DENIED, "the token is for another audience");
	if (is_set(w->scope) && !has_scope(claims, w->scope))
		return err_set(e, ERR_DENIED, "the token has not the scope %s", w->scope);
	/* Whoever may write any address into his account at the provider is not that person. */
	if (strcmp(w->user_claim, "email") == 0 &&
		json_is_false(json_object_get(claims, "email_verified")))
		return err_set(e, ERR_DENIED, "the token's address is not verified");
	return 0;
}

int jose_claims_check(struct arena *a, struct span json, const struct jose_wanted *w,
	struct jose_claims *claims_r, struct err *e)
{
	json_t *claims = object_of(json, e);
	struct span user;
	int rc;

	*claims_r = (struct jose_claims){0};
	if (!claims)
		return -1;
	rc = check_time(claims, w, &claims_r->expires_sec, e);
	if (rc == 0)
		rc = check_for_us(claims, w, e);
	if (rc == 0 &&
		(!text_of(claims, w->user_claim, JOSE_NAME_MAX, &user) || !user.len ||
			span_has_line_break(user)))
		rc = err_set(e, ERR_DENIED, "the token names nobody in \"%s\"", w->user_claim);
	if (rc == 0)
		claims_r->user = arena_span(a, user);
	json_decref(claims);
	return rc;
}

int jose_is_active(struct span json, bool *yes_r, struct err *e)
{
	json_t *doc = object_of(json, e);

	*yes_r = json_is_true(json_object_get(doc, "active"));
	if (!doc)
		return -1;
	if (!json_is_boolean(json_object_get(doc, "active"))) {
		json_decref(doc);
		return err_set(e, ERR_SYNTAX, "an answer without \"active\" (RFC 7662)");
	}
	json_decref(doc);
	return 0;
}
