/* What is known of a TLS connection and of the certificates that came with it. */

#include "net/tls_priv.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/enc.h"

static const char *const trust_names[TLS_TRUST_COUNT] = {
#define X(id, text) [TLS_TRUST_##id] = text,
	TLS_TRUSTS(X)
#undef X
};

const char *tls_trust_str(enum tls_trust t)
{
	return (unsigned)t < TLS_TRUST_COUNT ? trust_names[t] : "?";
}

static enum tls_trust tls_trust_of(long error)
{
	switch (error) {
	case X509_V_OK: return TLS_TRUST_GOOD;
	case X509_V_ERR_CERT_HAS_EXPIRED: return TLS_TRUST_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_TRUST_NOT_YET;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return TLS_TRUST_SELF_SIGNED;
	/* The root came along, or is the last found: its name tells nobody we trust. */
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return TLS_TRUST_UNKNOWN_ISSUER;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH: return TLS_TRUST_WRONG_NAME;
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK: return TLS_TRUST_WEAK;
	case X509_V_ERR_CERT_REVOKED: return TLS_TRUST_REVOKED;
	case X509_V_ERR_DANE_NO_MATCH: return TLS_TRUST_DANE_MISMATCH;
	default: return TLS_TRUST_OTHER;
	}
}

void tls_verdict_set(struct tls_verdict *v, long error)
{
	v->error = error;
	v->trust = tls_trust_of(error);
	v->text = X509_verify_cert_error_string(error);
}

/* ---- the connection ---- */

static const char *tls_group(SSL *ssl)
{
	int group = (int)SSL_get_negotiated_group(ssl);
	const char *name = group ? SSL_group_to_name(ssl, group) : NULL;

	ERR_clear_error();
	return name;
}

bool tls_facts(const struct stream *s, struct tls_facts *facts_r)
{
	SSL *ssl = tls_ssl(s);
	const struct tls_ask *ask = ssl ? SSL_get_app_data(ssl) : NULL;

	memset(facts_r, 0, sizeof(*facts_r));
	if (!ssl)
		return false;
	tls_verdict_set(&facts_r->verdict, SSL_get_verify_result(ssl));
	if (ask && ask->config->pin_count && facts_r->verdict.error == X509_V_ERR_CERT_REJECTED)
		facts_r->verdict.trust = TLS_TRUST_PIN_MISMATCH;
	facts_r->verdict.is_dane = ask && facts_r->verdict.error == X509_V_OK &&
		SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;
	facts_r->group = tls_group(ssl);
	facts_r->is_resumed = SSL_session_reused(ssl) == 1;
	return true;
}

bool tls_is_named(const struct stream *s, struct span name)
{
	SSL *ssl = tls_ssl(s);
	X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	struct addr ip;
	unsigned char *octets;

	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (!cert || name.len == 0 || name.len > TLS_NAME_MAX)
		return false;
	if (!addr_parse_ip(name, 0, &ip))
		return X509_check_host(cert, name.ptr, name.len,
			       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
	octets = ip.sa.sa_family == AF_INET ? (unsigned char *)&ip.in4.sin_addr
					    : (unsigned char *)&ip.in6.sin6_addr;
	return X509_check_ip(cert, octets, ip.sa.sa_family == AF_INET ? 4 : 16, 0) == 1;
}

/* ---- DANE ---- */

/* Matching type 0: the certificate, or its key, itself. */
static bool tls_tlsa_decodes(const struct tls_tlsa *r)
{
	const unsigned char *at = (const unsigned char *)r->data.ptr, *end = at + r->data.len;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	bool is_good;

	if (r->data.len > TLS_TLSA_MAX)
		return false;
	if (r->selector == 0)
		cert = d2i_X509(NULL, &at, (long)r->data.len);
	else
		key = d2i_PUBKEY(NULL, &at, (long)r->data.len);
	is_good = (cert || key) && at == end;
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return is_good;
}

bool tls_tlsa_is_usable(const struct tls_tlsa *r)
{
	/* RFC 7672 section 3.1.3: PKIX-TA(0) and PKIX-EE(1) are not for SMTP. */
	if (r->usage != 2 && r->usage != 3)
		return false;
	if (r->selector > 1 || r->matching > 2 || r->data.len == 0)
		return false;
	if (r->matching == 0)
		return tls_tlsa_decodes(r);
	return r->data.len == (r->matching == 1 ? 32 : 64);
}

bool tls_cert_digest(X509 *cert, bool is_spki, const EVP_MD *md, unsigned char *to, unsigned *n_r)
{
	unsigned char *der = NULL;
	int len = is_spki ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
			  : i2d_X509(cert, &der);
	bool is_good = len > 0 && EVP_Digest(der, (size_t)len, to, n_r, md, NULL) == 1;

	OPENSSL_free(der);
	ERR_clear_error();
	return is_good;
}

static bool tls_tlsa_is_of(X509 *cert, const struct tls_tlsa *r)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned n = 0;
	int len;
	bool is_same;

	if (r->matching) {
		return tls_cert_digest(cert, r->selector == 1,
			       r->matching == 1 ? EVP_sha256() : EVP_sha512(), digest, &n) &&
			n == r->data.len && memcmp(digest, r->data.ptr, n) == 0;
	}
	len = r->selector == 1 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
			       : i2d_X509(cert, &der);
	is_same = len > 0 && (size_t)len == r->data.len &&
		memcmp(der, r->data.ptr, (size_t)len) == 0;
	OPENSSL_free(der);
	return is_same;
}

bool tls_tlsa_fits(const struct stream *s, const struct tls_tlsa *r)
{
	SSL *ssl = tls_ssl(s);
	STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
	int count = chain ? sk_X509_num(chain) : 0;

	if (!tls_tlsa_is_usable(r))
		return false;
	for (int i = 0; i < count && i < TLS_CERTS_MAX && (i == 0 || r->usage == 2); i++)
		if (tls_tlsa_is_of(sk_X509_value(chain, i), r))
			return true;
	return false;
}

/* ---- certificates ---- */

static const char *bio_text(struct arena *a, BIO *bio, size_t max)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);
	const char *text = arena_str(
		a, span_sub(span_of(bytes, len > 0 ? (size_t)len : 0), 0, max));

	(void)BIO_reset(bio);
	return text;
}

static const char *cert_name(struct arena *a, BIO *bio, const X509_NAME *name)
{
	/* Octets above 127 stay as they are: UTF-8 in, UTF-8 out. */
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	return bio_text(a, bio, TLS_CERT_TEXT);
}

/* What a certificate says of itself is foreign text: only what prints stays as it is. */
static void put_alt(struct buf *b, const char *kind, const ASN1_STRING *text)
{
	const unsigned char *p = ASN1_STRING_get0_data(text);

	buf_str(b, kind);
	for (int i = 0; i < ASN1_STRING_length(text); i++) {
		if (p[i] > ' ' && p[i] < 0x7f && p[i] != '\\')
			buf_char(b, (char)p[i]);
		else
			buf_printf(b, "\\x%02x", p[i]);
	}
}

static void put_alt_ip(struct buf *b, const ASN1_STRING *octets)
{
	char text[INET6_ADDRSTRLEN];
	int len = ASN1_STRING_length(octets);

	if ((len == 4 || len == 16) &&
		inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text,
			sizeof(text)))
		buf_printf(b, "IP:%s", text);
	else
		buf_str(b, "IP:?");
}

static const char *cert_names(struct arena *a, X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;
	const char *text;
	struct buf b;

	buf_init(&b, TLS_CERT_TEXT);
	for (int i = 0; i < count && buf_ok(&b); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		size_t before = buf_len(&b);

		if (before)
			buf_char(&b, ' ');
		switch (n->type) {
		case GEN_DNS: put_alt(&b, "DNS:", n->d.dNSName); break;
		case GEN_EMAIL: put_alt(&b, "email:", n->d.rfc822Name); break;
		case GEN_URI: put_alt(&b, "URI:", n->d.uniformResourceIdentifier); break;
		case GEN_IPADD: put_alt_ip(&b, n->d.iPAddress); break;
		default: buf_str(&b, "other:?"); break;
		}
		if (!buf_ok(&b))
			buf_truncate(&b, before);
	}
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	GENERAL_NAMES_free(names);
	return text;
}

static int64_t cert_time(const ASN1_TIME *t)
{
	struct tm tm = {0};

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static const char *cert_serial(struct arena *a, X509 *cert)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = n ? BN_bn2hex(n) : NULL;
	const char *text = arena_str(a, span_sub(span_str(hex), 0, TLS_CERT_TEXT));

	OPENSSL_free(hex);
	BN_free(n);
	return text;
}

static const char *cert_key(struct arena *a, X509 *cert, unsigned *bits_r)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int kind = key ? EVP_PKEY_get_base_id(key) : 0;
	int bits = key ? EVP_PKEY_get_bits(key) : 0;
	char group[64];
	size_t len;

	*bits_r = bits > 0 ? (unsigned)bits : 0;
	switch (kind) {
	case 0: return "unknown";
	case EVP_PKEY_RSA: return arena_printf(a, "RSA %d", bits);
	case EVP_PKEY_RSA_PSS: return arena_printf(a, "RSA-PSS %d", bits);
	case EVP_PKEY_ED25519: return "Ed25519";
	case EVP_PKEY_ED448: return "Ed448";
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) == 1) {
			const char *nist = EC_curve_nid2nist(OBJ_sn2nid(group));

			return arena_printf(a, "EC %s", nist ? nist : group);
		}
		return arena_printf(a, "EC %d", bits);
	default: return arena_printf(a, "%s %d", OBJ_nid2sn(kind), bits);
	}
}

static const char *cert_hex(struct arena *a, X509 *cert, bool is_spki)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	const char *text;
	struct buf b;

	if (!tls_cert_digest(cert, is_spki, EVP_sha256(), digest, NULL))
		return "";
	buf_init(&b, 2 * TLS_SHA256);
	enc_put_hex(&b, span_of(digest, TLS_SHA256));
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static void cert_fill(struct arena *a, BIO *bio, X509 *cert, struct tls_cert *c)
{
	c->subject = cert_name(a, bio, X509_get_subject_name(cert));
	c->issuer = cert_name(a, bio, X509_get_issuer_name(cert));
	c->names = cert_names(a, cert);
	c->not_before = cert_time(X509_get0_notBefore(cert));
	c->not_after = cert_time(X509_get0_notAfter(cert));
	c->serial = cert_serial(a, cert);
	c->key = cert_key(a, cert, &c->key_bits);
	c->signature = OBJ_nid2ln(X509_get_signature_nid(cert));
	c->sha256 = cert_hex(a, cert, false);
	c->spki_sha256 = cert_hex(a, cert, true);
	PEM_write_bio_X509(bio, cert);
	c->pem = bio_text(a, bio, SIZE_MAX);
	c->is_self_issued = X509_NAME_cmp(
				    X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

size_t tls_chain_certs(const struct tls_chain *chain, struct arena *a, struct tls_cert **certs_r)
{
	STACK_OF(X509) *stack = (STACK_OF(X509) *)(uintptr_t)chain;
	int count = stack ? sk_X509_num(stack) : 0;
	BIO *bio;

	*certs_r = NULL;
	if (count <= 0 || !(bio = BIO_new(BIO_s_mem())))
		return 0;
	if (count > TLS_CERTS_MAX)
		count = TLS_CERTS_MAX;
	*certs_r = ARENA_ARRAY(a, struct tls_cert, (size_t)count);
	for (int i = 0; i < count; i++)
		cert_fill(a, bio, sk_X509_value(stack, i), &(*certs_r)[i]);
	BIO_free(bio);
	ERR_clear_error();
	return (size_t)count;
}

size_t tls_cert_one(X509 *cert, struct arena *a, struct tls_cert **certs_r)
{
	BIO *bio = cert ? BIO_new(BIO_s_mem()) : NULL;

	*certs_r = NULL;
	if (!bio)
		return 0;
	*certs_r = ARENA_NEW(a, struct tls_cert);
	cert_fill(a, bio, cert, *certs_r);
	BIO_free(bio);
	ERR_clear_error();
	return 1;
}

size_t tls_certs(const struct stream *s, struct arena *a, struct tls_cert **certs_r)
{
	SSL *ssl = tls_ssl(s);

	*certs_r = NULL;
	if (!ssl || SSL_is_server(ssl))
		return 0;
	return tls_chain_certs((const struct tls_chain *)SSL_get_peer_cert_chain(ssl), a, certs_r);
}
