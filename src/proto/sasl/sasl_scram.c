#include "proto/sasl/sasl_scram.h"

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#undef ERR_STATE
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "base/utf8.h"

/* ---- messages: RFC 5802 section 7 ---- */

static bool scram_is_alpha(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Take the next attribute off the front: any letter, a value that is not empty. */
static bool scram_take_any(struct span *rest, struct span *attr_r)
{
	if (rest->len == 0)
		return false;
	if (span_cut(*rest, ',', attr_r, rest) && rest->len == 0)
		return false; /* a comma ends nothing */
	return attr_r->len > 2 && scram_is_alpha(attr_r->ptr[0]) && attr_r->ptr[1] == '=';
}

static bool scram_take(struct span *rest, char name, struct span *value_r)
{
	struct span attr;

	if (!scram_take_any(rest, &attr) || attr.ptr[0] != name)
		return false;
	*value_r = span_skip(attr, 2);
	return true;
}

/* What follows is for extensions, ignored when they are not known. */
static bool scram_skip_extensions(struct span rest)
{
	struct span attr;

	while (rest.len)
		if (!scram_take_any(&rest, &attr))
			return false;
	return true;
}

static bool scram_is_nonce(struct span nonce)
{
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.ptr[i] < 0x21 || nonce.ptr[i] > 0x7e || nonce.ptr[i] == ',')
			return false;
	return nonce.len > 0 && nonce.len <= SCRAM_NONCE_MAX;
}

static bool scram_is_text(struct span text)
{
	return text.len <= SCRAM_MESSAGE_MAX && utf8_is_valid(text) && span_find(text, 0) < 0;
}

static bool scram_is_binding_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!scram_is_alpha(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '.' &&
			(name.ptr[i] < '0' || name.ptr[i] > '9'))
			return false;
	return name.len > 0;
}

bool scram_parse_client_first(struct span text, struct scram_client_first *m)
{
	struct span flag, rest;

	memset(m, 0, sizeof(*m));
	if (!scram_is_text(text) || !span_cut(text, ',', &flag, &rest) || flag.len == 0)
		return false;
	m->flag = flag.ptr[0];
	if (m->flag == 'p') {
		if (flag.len < 2 || flag.ptr[1] != '=')
			return false;
		m->binding = span_skip(flag, 2);
		if (!scram_is_binding_name(m->binding))
			return false;
	} else if (flag.len != 1 || (m->flag != 'n' && m->flag != 'y')) {
		return false;
	}
	if (!span_cut(rest, ',', &m->authzid, &m->bare))
		return false;
	if (m->authzid.len && (m->authzid.len < 3 || !span_starts(m->authzid, SPAN("a="))))
		return false;
	m->authzid = span_skip(m->authzid, 2);
	m->gs2 = span_of(text.ptr, (size_t)(m->bare.ptr - text.ptr));
	rest = m->bare;
	/* An "m=" here is an extension that must be known: none is. */
	return scram_take(&rest, 'n', &m->user) && scram_take(&rest, 'r', &m->nonce) &&
		scram_is_nonce(m->nonce) && scram_skip_extensions(rest);
}

bool scram_parse_server_first(struct span text, struct scram_server_first *m)
{
	struct span count;

	memset(m, 0, sizeof(*m));
	if (!scram_is_text(text) || !scram_take(&text, 'r', &m->nonce) ||
		!scram_is_nonce(m->nonce) || !scram_take(&text, 's', &m->salt) ||
		!scram_take(&text, 'i', &count) || !scram_skip_extensions(text))
		return false;
	if (count.ptr[0] < '1' || count.ptr[0] > '9')
		return false;
	for (size_t i = 0; i < count.len; i++)
		if (count.ptr[i] < '0' || count.ptr[i] > '9')
			return false;
	if (!span_u64(count, &m->iterations))
		m->iterations = UINT64_MAX;
	return true;
}

bool scram_parse_client_final(struct span text, struct scram_client_final *m)
{
	ptrdiff_t last = span_rfind(text, ',');
	struct span rest;

	memset(m, 0, sizeof(*m));
	if (last < 0 || !scram_is_text(text))
		return false;
	m->unproved = span_sub(text, 0, (size_t)last);
	m->proof = span_skip(text, (size_t)last + 1);
	if (m->proof.len < 3 || !span_starts(m->proof, SPAN("p=")))
		return false;
	m->proof = span_skip(m->proof, 2);
	rest = m->unproved;
	return scram_take(&rest, 'c', &m->binding) && scram_take(&rest, 'r', &m->nonce) &&
		scram_is_nonce(m->nonce) && scram_skip_extensions(rest);
}

bool scram_parse_server_final(struct span text, struct scram_server_final *m)
{
	bool is_error = span_starts(text, SPAN("e="));

	memset(m, 0, sizeof(*m));
	return scram_is_text(text) &&
		scram_take(&text, is_error ? 'e' : 'v', is_error ? &m->error : &m->verifier) &&
		scram_skip_extensions(text);
}

void scram_put_name(struct buf *out, struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == ',')
			buf_str(out, "=2C");
		else if (name.ptr[i] == '=')
			buf_str(out, "=3D");
		else
			buf_char(out, name.ptr[i]);
	}
}

bool scram_get_name(struct buf *out, struct span text)
{
	if (text.len == 0 || !scram_is_text(text))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		struct span escape = span_sub(text, i, 3);

		if (text.ptr[i] == ',')
			return false;
		if (text.ptr[i] != '=') {
			buf_char(out, text.ptr[i]);
			continue;
		}
		if (span_eq(escape, SPAN("=2C")))
			buf_char(out, ',');
		else if (span_eq(escape, SPAN("=3D")))
			buf_char(out, '=');
		else
			return false;
		i += 2;
	}
	return buf_ok(out);
}

bool scram_put_nonce(struct buf *out)
{
	unsigned char random[SCRAM_NONCE_BYTES];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	enc_put_base64(out, span_of(random, sizeof(random)));
	return buf_ok(out);
}

/* ---- keys: RFC 5802 section 3 ---- */

static const EVP_MD *scram_md(enum scram_hash hash)
{
	return hash == SCRAM_SHA1 ? EVP_sha1() : EVP_sha256();
}

size_t scram_length(enum scram_hash hash)
{
	return hash == SCRAM_SHA1 ? 20 : 32;
}

static bool scram_digest(enum scram_hash hash, const unsigned char *p, unsigned char *out)
{
	unsigned len;

	return EVP_Digest(p, scram_length(hash), out, &len, scram_md(hash), NULL) == 1;
}

bool scram_sign(enum scram_hash hash, const unsigned char *key, struct span text,
	unsigned char out[SCRAM_HASH_MAX])
{
	unsigned len;

	return HMAC(scram_md(hash), key, (int)scram_length(hash), (const unsigned char *)text.ptr,
		       text.len, out, &len) != NULL;
}

bool scram_derive(enum scram_hash hash, struct span password, struct span salt, unsigned iterations,
	struct scram_keys *keys)
{
	unsigned char salted[SCRAM_HASH_MAX];
	bool is_ok = PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len,
			     (const unsigned char *)salt.ptr, (int)salt.len, (int)iterations,
			     scram_md(hash), (int)scram_length(hash), salted) == 1 &&
		scram_sign(hash, salted, SPAN("Client Key"), keys->client) &&
		scram_digest(hash, keys->client, keys->stored) &&
		scram_sign(hash, salted, SPAN("Server Key"), keys->server);

	secret_wipe(salted, sizeof(salted));
	return is_ok;
}

bool scram_prove(enum scram_hash hash, const struct scram_keys *keys, struct span text,
	unsigned char proof[SCRAM_HASH_MAX])
{
	if (!scram_sign(hash, keys->stored, text, proof))
		return false;
	for (size_t i = 0; i < scram_length(hash); i++)
		proof[i] ^= keys->client[i];
	return true;
}

bool scram_is_proof(
	enum scram_hash hash, const unsigned char *stored, struct span text, struct span proof)
{
	unsigned char key[SCRAM_HASH_MAX], digest[SCRAM_HASH_MAX];
	size_t len = scram_length(hash);
	bool is_proof;

	if (proof.len != len || !scram_sign(hash, stored, text, key))
		return false;
	for (size_t i = 0; i < len; i++)
		key[i] ^= (unsigned char)proof.ptr[i];
	is_proof = scram_digest(hash, key, digest) &&
		secret_eq(span_of(digest, len), span_of(stored, len));
	secret_wipe(key, sizeof(key));
	return is_proof;
}
