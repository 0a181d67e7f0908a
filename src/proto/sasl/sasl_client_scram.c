/* SCRAM as the client (RFC 5802, RFC 7677). Written here and not taken from GNU SASL, for what
 * docs/decisions/scram.md says. */

#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "proto/sasl/sasl_priv.h"

void sasl_client_scram_init(struct sasl_client_scram *s, enum scram_hash hash)
{
	s->hash = hash;
	buf_init(&s->nonce, SCRAM_NONCE_MAX);
	buf_init(&s->bound, SASL_RESPONSE_MAX);
	buf_init(&s->auth, 3 * SASL_RESPONSE_MAX);
}

void sasl_client_scram_fini(struct sasl_client_scram *s)
{
	secret_wipe(s->signature, sizeof(s->signature));
	buf_fini(&s->nonce);
	buf_fini(&s->bound);
	buf_fini(&s->auth);
}

/* RFC 5802 section 6. tls-unique is its default and exists up to TLS 1.2 only; RFC 9266 has the
 * exporter for TLS 1.3. */
static void sasl_scram_bind(struct sasl_client *c, struct buf *gs2)
{
	bool can_bind = c->opts.tls_unique.len || c->opts.tls_exporter.len;
	bool is_offered = sasl_lists(c->opts.offered, SPAN("SCRAM-SHA-256-PLUS")) ||
		sasl_lists(c->opts.offered, SPAN("SCRAM-SHA-1-PLUS"));

	if (c->mech->needs_binding)
		buf_str(gs2, c->opts.tls_unique.len ? "p=tls-unique," : "p=tls-exporter,");
	else
		buf_str(gs2, can_bind && c->opts.offered.len && !is_offered ? "y," : "n,");
	if (c->opts.authzid.len) {
		buf_str(gs2, "a=");
		scram_put_name(gs2, c->opts.authzid);
	}
	buf_char(gs2, ',');
}

static int sasl_scram_first(struct sasl_client *c, struct buf *out, struct err *e)
{
	struct sasl_client_scram *s = &c->scram;
	struct buf user;

	buf_init(&user, SASL_RESPONSE_MAX);
	if (sasl_prep(c->opts.user, &user, e) < 0) {
		buf_fini(&user);
		return err_wrap(e, "%s: the user name", c->mech->name);
	}
	buf_str(&s->auth, "n=");
	scram_put_name(&s->auth, buf_span(&user));
	buf_fini(&user);
	if (buf_len(&s->nonce) == 0 && !scram_put_nonce(&s->nonce))
		return err_set(e, ERR_STATE, "%s: no random octets", c->mech->name);
	buf_str(&s->auth, ",r=");
	buf_span_put(&s->auth, buf_span(&s->nonce));
	sasl_scram_bind(c, &s->bound);
	buf_span_put(out, buf_span(&s->bound));
	buf_span_put(out, buf_span(&s->auth));
	if (c->mech->needs_binding)
		buf_span_put(&s->bound,
			c->opts.tls_unique.len ? c->opts.tls_unique : c->opts.tls_exporter);
	return buf_ok(&s->bound) && buf_ok(&s->auth)
		? 0
		: err_set(e, ERR_LIMIT, "%s: the names are too long", c->mech->name);
}

/* What the server asks of us is checked before any work is done for it. */
static int sasl_scram_challenge(struct sasl_client *c, struct span challenge,
	struct scram_server_first *m, struct buf *salt, struct err *e)
{
	struct span ours = buf_span(&c->scram.nonce);
	const char *name = c->mech->name;

	if (!scram_parse_server_first(challenge, m))
		return sasl_fault(e, "%s: the server's first message cannot be read", name);
	/* RFC 5802 section 5.1: ours, and something of the server's */
	if (!span_starts(m->nonce, ours) || m->nonce.len == ours.len)
		return sasl_fault(e, "%s: the server answers with another nonce", name);
	if (!enc_get_base64(salt, m->salt) || buf_len(salt) == 0)
		return sasl_fault(e, "%s: the salt is not base64", name);
	if (m->iterations > SCRAM_ITERATIONS_MAX)
		return sasl_fault(
			e, "%s: more than %d iterations are asked for", name, SCRAM_ITERATIONS_MAX);
	if (m->iterations < SCRAM_ITERATIONS_MIN && !c->opts.has_tls)
		return sasl_fault(e,
			"%s: %u iterations protect no password that is shown without TLS", name,
			(unsigned)m->iterations);
	return 0;
}

static int sasl_scram_derive(struct sasl_client *c, struct span salt, unsigned iterations,
	struct scram_keys *keys, struct err *e)
{
	struct buf password;
	int rc;

	buf_init(&password, SASL_RESPONSE_MAX);
	rc = sasl_prep(c->opts.password, &password, e);
	if (rc < 0)
		err_wrap(e, "%s: the password", c->mech->name);
	else if (!scram_derive(c->scram.hash, buf_span(&password), salt, iterations, keys))
		rc = err_set(e, ERR_STATE, "%s: deriving the keys failed", c->mech->name);
	if (password.mem)
		secret_wipe(password.mem, password.cap);
	buf_fini(&password);
	return rc;
}

/* RFC 5802 section 3: AuthMessage, ClientProof, and the ServerSignature to expect. */
static int sasl_scram_prove(struct sasl_client *c, struct span challenge, struct span nonce,
	const struct scram_keys *keys, struct buf *out, struct err *e)
{
	struct sasl_client_scram *s = &c->scram;
	unsigned char proof[SCRAM_HASH_MAX];
	size_t from;
	int rc = 0;

	buf_char(&s->auth, ',');
	buf_span_put(&s->auth, challenge);
	buf_char(&s->auth, ',');
	from = buf_len(&s->auth);
	buf_str(&s->auth, "c=");
	enc_put_base64(&s->auth, buf_span(&s->bound));
	buf_str(&s->auth, ",r=");
	buf_span_put(&s->auth, nonce);
	if (!buf_ok(&s->auth))
		return err_set(e, ERR_LIMIT, "%s: the messages are too long", c->mech->name);
	if (!scram_prove(s->hash, keys, buf_span(&s->auth), proof) ||
		!scram_sign(s->hash, keys->server, buf_span(&s->auth), s->signature))
		rc = err_set(e, ERR_STATE, "%s: signing failed", c->mech->name);
	buf_span_put(out, span_skip(buf_span(&s->auth), from));
	buf_str(out, ",p=");
	enc_put_base64(out, span_of(proof, scram_length(s->hash)));
	secret_wipe(proof, sizeof(proof));
	return rc;
}

static int sasl_scram_final(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	struct scram_server_first m;
	struct scram_keys keys;
	struct buf salt;
	int rc;

	buf_init(&salt, SCRAM_SALT_MAX);
	rc = sasl_scram_challenge(c, challenge, &m, &salt, e);
	if (rc == 0)
		rc = sasl_scram_derive(c, buf_span(&salt), (unsigned)m.iterations, &keys, e);
	if (rc == 0)
		rc = sasl_scram_prove(c, challenge, m.nonce, &keys, out, e);
	secret_wipe(&keys, sizeof(keys));
	buf_fini(&salt);
	return rc;
}

static int sasl_scram_outcome(struct sasl_client *c, struct span challenge, struct err *e)
{
	struct sasl_client_scram *s = &c->scram;
	struct scram_server_final m;
	struct buf signature;
	bool is_good;

	c->is_over = true;
	if (!scram_parse_server_final(challenge, &m))
		return sasl_fault(e, "%s: the server's last message cannot be read", c->mech->name);
	if (m.error.len) {
		/* Its refusal follows our empty answer. */
		buf_span_put(&c->detail, span_sub(m.error, 0, SASL_DETAIL_MAX));
		return 0;
	}
	buf_init(&signature, SCRAM_SALT_MAX);
	is_good = enc_get_base64(&signature, m.verifier) &&
		secret_eq(buf_span(&signature), span_of(s->signature, scram_length(s->hash)));
	buf_fini(&signature);
	if (!is_good)
		return sasl_fault(e, "%s: the server does not know the password", c->mech->name);
	c->is_verified = true;
	return 0;
}

int sasl_client_scram(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	if (c->steps == 1)
		return sasl_scram_final(c, challenge, out, e);
	if (c->steps == 2)
		return sasl_scram_outcome(c, challenge, e);
	if (challenge.len)
		return sasl_fault(e, "%s: a challenge where none belongs", c->mech->name);
	return sasl_scram_first(c, out, e);
}
