#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/secret.h"
#include "services/acme/acme_priv.h"

#define ACME_IDENTIFIER "1.3.6.1.5.5.7.1.31" /* RFC 8737 section 3 */
#define DIGEST_BYTES    32
#define ALPN_DAYS       7

static int fail(struct err *e, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return err_set(e, ERR_TLS, "%s: %s", what, reason ? reason : "unknown reason");
}

/* ---- keys ---- */

static int no_password(char *to, int size, int is_write, void *arg)
{
	return -1;
}

EVP_PKEY *acme_key_new(struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		fail(e, "making a key");
	return key;
}

EVP_PKEY *acme_key_read(struct span pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	if (!key)
		fail(e, "reading a key of ours");
	return key;
}

static struct span bio_span(struct arena *a, BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	return arena_span(a, span_of(bytes, len > 0 ? (size_t)len : 0));
}

int acme_key_put(struct arena *a, EVP_PKEY *key, struct span *pem_r, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	int rc = 0;

	if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		rc = fail(e, "writing a key");
	else
		*pem_r = bio_span(a, bio);
	if (rc == 0)
		secret_guard(a, *pem_r);
	BIO_free(bio);
	return rc;
}

/* ---- names ---- */

static bool is_host(struct span name)
{
	struct span label, rest = name;
	bool has_dot = span_find(name, '.') > 0;

	if (name.len == 0 || name.len > 253 || !has_dot)
		return false;
	while (rest.len) {
		if (!span_cut(rest, '.', &label, &rest))
			rest = SPAN_NONE;
		if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' ||
			label.ptr[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			unsigned char c = (unsigned char)label.ptr[i];

			if (!(c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')))
				return false;
		}
	}
	return name.ptr[name.len - 1] != '.' && span_cmp(label, SPAN("a")) >= 0;
}

static int put_name(struct buf *b, struct arena *a, struct span name, struct err *e)
{
	char *ascii = NULL;
	int rc = idn2_to_ascii_8z(arena_str(a, name), &ascii, IDN2_NONTRANSITIONAL);
	struct span text = rc == IDN2_OK ? span_str(ascii) : SPAN_NONE;

	if (span_starts(name, SPAN("*.")))
		rc = err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "': a wildcard needs DNS-01, which is not spoken here; name "
			"the hosts, or use certificate files",
			SPAN_ARG(name));
	else if (!is_host(text))
		rc = err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no name of a host",
			SPAN_ARG(span_sub(name, 0, 80)));
	else
		rc = 0;
	if (rc == 0) {
		buf_str(b, buf_len(b) ? " " : "");
		buf_span_put(b, text);
	}
	idn2_free(ascii);
	return rc;
}

int acme_names(struct arena *a, struct span text, struct span *names_r, struct err *e)
{
	struct buf *b = arena_buf(a, ACME_NAMES_MAX * 256);
	struct span word;
	size_t count = 0;

	while ((word = span_word(&text)).len) {
		if (++count > ACME_NAMES_MAX)
			return err_set(e, ERR_LIMIT, "more than %d names", ACME_NAMES_MAX);
		if (put_name(b, a, word, e) < 0)
			return -1;
	}
	if (!count)
		return err_set(e, ERR_SYNTAX, "a certificate needs a name");
	*names_r = buf_span(b);
	return 0;
}

/* "DNS:a.example,DNS:b.example" */
static X509_EXTENSION *alt_names(struct span names)
{
	X509_EXTENSION *ext;
	struct buf b;
	struct span word;

	buf_init(&b, ACME_NAMES_MAX * 260);
	while ((word = span_word(&names)).len) {
		buf_str(&b, buf_len(&b) ? ",DNS:" : "DNS:");
		buf_span_put(&b, word);
	}
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, buf_cstr(&b));
	buf_fini(&b);
	return ext;
}

/* ---- requests ---- */

int acme_put_csr(struct buf *b, EVP_PKEY *key, struct span names, struct err *e)
{
	X509_REQ *req = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *alt = alt_names(names);
	unsigned char *der = NULL;
	int len = -1;

	/* The names stand in the extension alone: a common name is for people, and short. */
	if (req && exts && alt && sk_X509_EXTENSION_push(exts, alt) > 0) {
		alt = NULL;
		if (X509_REQ_set_version(req, X509_REQ_VERSION_1) &&
			X509_REQ_set_pubkey(req, key) && X509_REQ_add_extensions(req, exts) &&
			X509_REQ_sign(req, key, EVP_sha256()) > 0)
			len = i2d_X509_REQ(req, &der);
	}
	if (len > 0)
		buf_put(b, der, (size_t)len);
	OPENSSL_free(der);
	X509_EXTENSION_free(alt);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(req);
	return len > 0 ? 0 : fail(e, "making a certificate request");
}

/* RFC 8737 section 3: acmeIdentifier, critical: an OCTET STRING of the digest. */
static X509_EXTENSION *identifier(struct span authorization)
{
	unsigned char value[2 + DIGEST_BYTES] = {V_ASN1_OCTET_STRING, DIGEST_BYTES};
	ASN1_OBJECT *object = OBJ_txt2obj(ACME_IDENTIFIER, 1);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;

	if (object && data &&
		EVP_Digest(authorization.ptr, authorization.len, value + 2, NULL, EVP_sha256(),
			NULL) == 1 &&
		ASN1_OCTET_STRING_set(data, value, sizeof(value)) == 1)
		ext = X509_EXTENSION_create_by_OBJ(NULL, object, 1, data);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(object);
	return ext;
}

static bool alpn_fill(X509 *cert, EVP_PKEY *key, struct span name, struct span authorization)
{
	X509_EXTENSION *alt = alt_names(name), *id = identifier(authorization);
	X509_NAME *subject = X509_get_subject_name(cert);
	uint64_t serial = 0;
	bool is_good = alt && id && RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1 | 1) &&
		X509_set_version(cert, X509_VERSION_3) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		X509_time_adj_ex(X509_getm_notAfter(cert), ALPN_DAYS, 0, NULL) &&
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
			(const unsigned char *)"acme-tls/1", -1, -1, 0) &&
		X509_set_issuer_name(cert, subject) && X509_set_pubkey(cert, key) &&
		X509_add_ext(cert, alt, -1) && X509_add_ext(cert, id, -1) &&
		X509_sign(cert, key, EVP_sha256()) > 0;

	X509_EXTENSION_free(alt);
	X509_EXTENSION_free(id);
	return is_good;
}

int acme_make_alpn(struct arena *a, struct span name, struct span authorization,
	struct span *cert_r, struct span *key_r, struct err *e)
{
	EVP_PKEY *key = acme_key_new(e);
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int rc = -1;

	if (key && cert && bio && alpn_fill(cert, key, name, authorization) &&
		PEM_write_bio_X509(bio, cert) == 1) {
		*cert_r = bio_span(a, bio);
		rc = acme_key_put(a, key, key_r, e);
	} else if (key) {
		fail(e, "making the certificate of a challenge");
	}
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

/* ---- what came ---- */

static bool time_of(const ASN1_TIME *t, int64_t *ns_r)
{
	struct tm tm = {0};

	int64_t sec;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	/* RFC 5280 section 4.1.2.5: the year 9999 stands for "never", and is more than nanoseconds count */
	sec = timegm(&tm);
	*ns_r = sec < 0 ? 0 : sec > INT64_MAX / CLOCK_SEC ? INT64_MAX : sec * CLOCK_SEC;
	return true;
}

static int check_names(X509 *cert, struct span names, struct err *e)
{
	struct span name;

	while ((name = span_word(&names)).len)
		if (X509_check_host(cert, name.ptr, name.len, 0, NULL) != 1)
			return err_set(e, ERR_PROTO,
				"the authority's certificate is not for " SPAN_FMT, SPAN_ARG(name));
	return 0;
}

int acme_check_chain(struct span chain, struct span key, struct span names,
	int64_t *not_before_ns_r, int64_t *not_after_ns_r, struct err *e)
{
	struct tls_ring_pair pair = {
		.label = "what the authority sent", .cert_pem = chain, .key_pem = key};
	BIO *bio;
	X509 *cert;
	int rc;

	/* the pair: would it be served at all? */
	if (chain.len > CERTIFICATE_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "the authority's chain is too long");
	if (tls_ring_check(&pair, e) < 0)
		return -1;
	bio = BIO_new_mem_buf(chain.ptr, (int)chain.len);
	cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	if (!cert || !time_of(X509_get0_notBefore(cert), not_before_ns_r) ||
		!time_of(X509_get0_notAfter(cert), not_after_ns_r))
		rc = fail(e, "reading the authority's certificate");
	else
		rc = check_names(cert, names, e);
	X509_free(cert);
	BIO_free(bio);
	return rc;
}
