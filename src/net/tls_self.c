/* A certificate of one's own, for the first minute. */

#include "net/tls_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/addr.h"

#define SELF_DAYS      3652
#define SELF_EARLY     3600 /* seconds: clocks differ */
#define SELF_DUE_DAYS  30
#define SELF_NAMES_MAX 4096
#define SELF_PEM_MAX   65536

static int self_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int ok = ext && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return ok;
}

static bool self_is_host(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (span_find(
			    SPAN("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*"),
			    name.ptr[i]) < 0)
			return false;
	return name.len > 0 && name.len <= TLS_NAME_MAX;
}

/* "a.example,127.0.0.1" as "DNS:a.example,IP:127.0.0.1". A name with anything that the extension's
 * own syntax knows is refused. */
static bool self_alt_names(struct span names, struct buf *alt)
{
	struct span name;
	struct addr ip;
	bool is_ip;

	while (names.len) {
		span_cut(names, ',', &name, &names);
		name = span_trim(name);
		is_ip = addr_parse_ip(name, 0, &ip);
		if (!is_ip && !self_is_host(name))
			return false;
		buf_str(alt, buf_len(alt) ? "," : "");
		buf_str(alt, is_ip ? "IP:" : "DNS:");
		buf_span_put(alt, name);
	}
	return buf_len(alt) && buf_ok(alt);
}

static bool self_fill(X509 *cert, EVP_PKEY *key, struct span first, const char *alt)
{
	unsigned char serial[16];
	X509_NAME *subject = X509_get_subject_name(cert);
	BIGNUM *number;
	bool ok;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return false;
	serial[0] = (serial[0] & 0x3f) | 0x40; /* positive, and never shorter */
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	/* X.520: a common name has at most 64 characters; the alternative names are what counts. */
	if (first.len > 64)
		first.len = 64;
	return ok && X509_set_version(cert, X509_VERSION_3) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -SELF_EARLY) &&
		X509_time_adj_ex(X509_getm_notAfter(cert), SELF_DAYS, 0, NULL) &&
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
			(const unsigned char *)first.ptr, (int)first.len, -1, 0) &&
		X509_set_issuer_name(cert, subject) && X509_set_pubkey(cert, key) &&
		self_extension(cert, NID_subject_alt_name, alt) &&
		self_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
		self_extension(cert, NID_key_usage, "critical,digitalSignature") &&
		self_extension(cert, NID_ext_key_usage, "serverAuth") &&
		X509_sign(cert, key, EVP_sha256()) > 0;
}

/* The whole file or none: written beside, then renamed. */
static int self_write(const char *path, mode_t mode, BIO *pem, struct err *e)
{
	struct buf beside;
	char *bytes;
	long len = BIO_get_mem_data(pem, &bytes);
	int fd, rc = -1;

	buf_init(&beside, SELF_NAMES_MAX);
	buf_printf(&beside, "%s.new", path);
	fd = open(buf_cstr(&beside), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		err_sys(e, errno, "writing %s", path);
		buf_fini(&beside);
		return -1;
	}
	if (fchmod(fd, mode) < 0 || write(fd, bytes, (size_t)len) != len || fsync(fd) < 0 ||
		rename(buf_cstr(&beside), path) < 0) {
		err_sys(e, errno, "writing %s", path);
		unlink(buf_cstr(&beside));
	} else {
		rc = 0;
	}
	close(fd);
	buf_fini(&beside);
	return rc;
}

static int self_save(
	X509 *cert, EVP_PKEY *key, const char *cert_file, const char *key_file, struct err *e)
{
	BIO *cert_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_secmem());
	int rc;

	if (!cert_pem || !key_pem || !PEM_write_bio_X509(cert_pem, cert) ||
		!PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL))
		rc = tls_err(e, "encoding the certificate");
	else if ((rc = self_write(key_file, 0600, key_pem, e)) == 0)
		rc = self_write(cert_file, 0644, cert_pem, e);
	BIO_free(cert_pem);
	BIO_free(key_pem);
	return rc;
}

/* The key that is there: what was published of it (TLSA) stays true. */
static EVP_PKEY *self_key(const char *key_file)
{
	BIO *bio = BIO_new_file(key_file, "r");
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (char *)(uintptr_t) "")
			    : NULL;

	BIO_free(bio);
	if (key && !EVP_PKEY_is_a(key, "EC")) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key ? key : EVP_EC_gen("P-256");
}

static X509 *self_read(const char *cert_file)
{
	BIO *bio = BIO_new_file(cert_file, "r");
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return cert;
}

/* Nobody else makes them so. */
static bool self_is_ours(X509 *cert)
{
	int days = 0, seconds = 0;

	return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0 &&
		ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert),
			X509_get0_notAfter(cert)) == 1 &&
		days == SELF_DAYS && seconds == SELF_EARLY && X509_get_ext_count(cert) == 4;
}

static bool self_has_names(X509 *cert, const char *alt)
{
	X509_EXTENSION *want = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
	bool is_same = want && at >= 0 &&
		ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(want),
			X509_EXTENSION_get_data(X509_get_ext(cert, at))) == 0;

	X509_EXTENSION_free(want);
	return is_same;
}

bool tls_self_signed_is_due(const char *names, const char *cert_file, int64_t now_sec)
{
	X509 *cert = self_read(cert_file);
	time_t soon = (time_t)(now_sec + SELF_DUE_DAYS * 86400);
	struct buf alt;
	bool is_due = false;

	buf_init(&alt, SELF_NAMES_MAX);
	if (cert && self_is_ours(cert) && self_alt_names(span_str(names), &alt))
		is_due = X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0 ||
			!self_has_names(cert, buf_cstr(&alt));
	buf_fini(&alt);
	X509_free(cert);
	ERR_clear_error();
	return is_due;
}

int tls_make_self_signed(
	const char *names, const char *cert_file, const char *key_file, struct err *e)
{
	struct span first, rest;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	struct buf alt;
	int rc;

	buf_init(&alt, SELF_NAMES_MAX);
	span_cut(span_str(names), ',', &first, &rest);
	if (!self_alt_names(span_str(names), &alt)) {
		err_set(e, ERR_CONFIG, "'%s' are no names for a certificate", names);
		buf_fini(&alt);
		return -1;
	}
	key = self_key(key_file);
	cert = X509_new();
	if (!key || !cert || !self_fill(cert, key, span_trim(first), buf_cstr(&alt)))
		rc = tls_err(e, "making a certificate");
	else
		rc = self_save(cert, key, cert_file, key_file, e);
	X509_free(cert);
	EVP_PKEY_free(key);
	buf_fini(&alt);
	return rc;
}
