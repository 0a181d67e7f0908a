/* SCRAM as the server (RFC 5802, RFC 7677). */

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#undef ERR_STATE
#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "base/secret.h"
#include "proto/sasl/sasl_server_priv.h"

static enum scram_hash scram_hash_of(const struct sasl_server *s)
{
	return s->kind->hash;
}

/* The salt of a user who has none: always the same, and nobody can tell. */
static void scram_fake(struct sasl_server *s)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = sizeof(digest);
	struct buf what;

	s->keys.iterations = s->opts->iterations ? s->opts->iterations : 10000;
	if (s->keys.salt_len == SASL_SERVER_FAKE_SALT)
		return;
	buf_init(&what, SASL_SERVER_NAME_MAX + 64);
	buf_printf(&what, "salt %s ", scram_hash_of(s) == SCRAM_SHA1 ? "sha1" : "sha256");
	buf_span_put(&what, buf_span(&s->user));
	MUST(HMAC(EVP_sha256(), s->opts->secret.ptr, (int)s->opts->secret.len,
		(const unsigned char *)buf_span(&what).ptr, buf_len(&what), digest, &len));
	buf_fini(&what);
	s->keys.salt_len = SASL_SERVER_FAKE_SALT;
	memcpy(s->keys.salt, digest, SASL_SERVER_FAKE_SALT);
}

/* RFC 5802 section 6. NULL: this connection has no such binding. */
static const struct span *scram_binding(const struct sasl_server *s, struct span name)
{
	const struct sasl_server_opts *o = s->opts;
	const struct span *b = NULL;

	if (span_eq(name, SPAN("tls-exporter")))
		b = &o->tls_exporter;
	else if (span_eq(name, SPAN("tls-unique")))
		b = &o->tls_unique;
	else if (span_eq(name, SPAN("tls-server-end-point")))
		b = &o->tls_server_end_point;
	return b && b->len ? b : NULL;
}

/* The flag of the GS2 header against what we offer: why not, or NULL. */
static const char *scram_flag(struct sasl_server *s, const struct scram_client_first *m)
{
	const struct span *binding;

	if ((m->flag == 'p') != s->kind->needs_binding)
		return "channel binding and mechanism";
	/* The client could bind, and was told that we cannot: somebody shortened the list. */
	if (m->flag == 'y' && sasl_server_offers_plus(s->opts))
		return "downgrade";
	buf_span_put(&s->bound, m->gs2);
	if (m->flag != 'p')
		return NULL;
	binding = scram_binding(s, m->binding);
	if (!binding)
		return "channel binding not known";
	buf_span_put(&s->bound, *binding);
	return NULL;
}

/* Everything is parsed, and asked, before the answer is made. */
static FIBER int scram_first(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	struct scram_client_first m;
	const char *why;
	struct buf name;
	bool is_name;

	if (!scram_parse_client_first(response, &m))
		return sasl_server_malformed(s, e);
	buf_init(&name, SASL_SERVER_NAME_MAX);
	is_name = scram_get_name(&name, m.user) && sasl_server_name(&s->user, buf_span(&name));
	buf_clear(&name);
	if (is_name && m.authzid.len)
		is_name = scram_get_name(&name, m.authzid) &&
			sasl_server_name(&s->authzid, buf_span(&name));
	buf_fini(&name);
	if (!is_name)
		return sasl_server_malformed(s, e);
	buf_span_put(&s->auth, m.bare);
	why = scram_flag(s, &m);
	if (why) {
		sasl_server_refuse(s, why, verdict_r);
		return 0;
	}
	if (buf_len(&s->nonce) == 0 && !scram_put_nonce(&s->nonce))
		return err_set(e, ERR_STATE, "no random octets");
	name = s->nonce;
	buf_init(&s->nonce, 2 * SCRAM_NONCE_MAX);
	buf_span_put(&s->nonce, m.nonce);
	buf_span_put(&s->nonce, buf_span(&name));
	buf_fini(&name);
	/* Spans of the response are not used below: this may yield. */
	if (s->decider->keys &&
		s->decider->keys(s->ctx, buf_span(&s->user), scram_hash_of(s) == SCRAM_SHA1,
			&s->keys, &s->is_known, e) < 0)
		return -1;
	if (s->is_known &&
		(s->keys.iterations == 0 || s->keys.iterations > SCRAM_ITERATIONS_MAX ||
			s->keys.salt_len == 0 || s->keys.salt_len > SASL_SERVER_SALT_MAX)) {
		s->is_known = false;
		secret_wipe(&s->keys, sizeof(s->keys));
	}
	if (!s->is_known)
		scram_fake(s);
	buf_char(&s->auth, ',');
	buf_str(challenge, "r=");
	buf_span_put(challenge, buf_span(&s->nonce));
	buf_str(challenge, ",s=");
	enc_put_base64(challenge, span_of(s->keys.salt, s->keys.salt_len));
	buf_printf(challenge, ",i=%u", s->keys.iterations);
	return 0;
}

/* "c=": the GS2 header as it was, and what the binding it names is on our side. */
static bool scram_is_bound(const struct sasl_server *s, struct span text)
{
	struct buf bound;
	bool is_bound;

	buf_init(&bound, SASL_SERVER_RESPONSE_MAX);
	is_bound = enc_get_base64(&bound, text) && secret_eq(buf_span(&bound), buf_span(&s->bound));
	buf_fini(&bound);
	return is_bound;
}

static FIBER int scram_final(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	unsigned char signature[SCRAM_HASH_MAX];
	struct scram_client_final m;
	struct buf proof;
	bool is_proof;

	if (!scram_parse_client_final(response, &m))
		return sasl_server_malformed(s, e);
	buf_init(&proof, SCRAM_SALT_MAX);
	buf_char(&s->auth, ',');
	buf_span_put(&s->auth, m.unproved);
	/* An unknown user's proof is looked at as well, against keys of zeros. */
	is_proof = enc_get_base64(&proof, m.proof) && buf_ok(&s->auth) &&
		scram_is_proof(
			scram_hash_of(s), s->keys.stored, buf_span(&s->auth), buf_span(&proof));
	buf_fini(&proof);
	if (!span_eq(m.nonce, buf_span(&s->nonce)))
		sasl_server_refuse(s, "nonce", verdict_r);
	else if (!scram_is_bound(s, m.binding))
		sasl_server_refuse(s, "channel binding", verdict_r);
	else if (!is_proof || !s->is_known)
		sasl_server_refuse(s, s->is_known ? "password" : "no keys", verdict_r);
	if (s->is_over)
		return 0;
	if (!scram_sign(scram_hash_of(s), s->keys.server, buf_span(&s->auth), signature))
		return err_set(e, ERR_STATE, "signing failed");
	buf_str(challenge, "v=");
	enc_put_base64(challenge, span_of(signature, scram_length(scram_hash_of(s))));
	return 0;
}

FIBER int sasl_server_scram(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	size_t from = buf_len(challenge);

	if (s->steps == 1) {
		if (scram_first(s, response, challenge, verdict_r, e) < 0)
			return -1;
		buf_span_put(&s->auth, span_skip(buf_span(challenge), from));
		return 0;
	}
	if (s->steps == 2)
		return scram_final(s, response, challenge, verdict_r, e);
	/* The client takes our signature with an empty response. */
	if (response.len)
		return sasl_server_malformed(s, e);
	return sasl_server_accept(s, verdict_r, e);
}
