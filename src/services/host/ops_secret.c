/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#undef ERR_STATE

#include "base/enc.h"
#include "net/addr.h"
#include "store/account_admin.h"
#include "services/auth/auth.h"
#include "services/host/ops_priv.h"

/* App passwords and client certificates. */

#define PEM_MAX (64 * 1024)

static const struct {
	const char *word;
	unsigned bit;
} scopes[] = {
#define X(id, bit, word) {word, bit},
	ACCOUNT_SCOPES(X)
#undef X
};

int ops_scopes(struct span text, unsigned *scopes_r, struct err *e)
{
	struct span word;

	*scopes_r = 0;
	while (text.len) {
		unsigned bit = 0;

		span_cut(text, ',', &word, &text);
		for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
			if (span_eq(span_trim(word), span_str(scopes[i].word)))
				bit = scopes[i].bit;
		}
		if (!bit)
			return err_set(e, ERR_SYNTAX,
				"'" SPAN_FMT "' is no scope: submit, imap, pop3, sieve, web",
				SPAN_ARG(span_sub(word, 0, 40)));
		*scopes_r |= bit;
	}
	return 0;
}

static int scopes_arg(struct ops_call *c, unsigned *scopes_r, struct err *e)
{
	struct span text = json_in_text(c->args, "scope");

	if (text.len)
		return ops_scopes(text, scopes_r, e);
	*scopes_r = ACCOUNT_SCOPE_ALL & ~(unsigned)ACCOUNT_SCOPE_WEB;
	return 0;
}

/* "192.0.2.0/24,2001:db8::/32": blanks between, as they are kept. */
static int networks_arg(struct ops_call *c, struct span *networks_r, struct err *e)
{
	struct span text = json_in_text(c->args, "networks"), word;
	struct buf *b = arena_buf(c->arena, text.len + 1);
	struct addr_net net;

	while (text.len) {
		span_cut(text, ',', &word, &text);
		word = span_trim(word);
		if (addr_net_parse(word, &net, e) < 0)
			return -1;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, word);
	}
	*networks_r = buf_span(b);
	return 0;
}

static int expires_arg(struct ops_call *c, int64_t *expires_r, struct err *e)
{
	struct span text = json_in_text(c->args, "expires");
	int64_t ns;

	*expires_r = 0;
	if (!text.len || span_eq(text, SPAN("never")))
		return 0;
	if (!clock_parse_duration(text, &ns) || ns <= 0 || ns > 3650 * CLOCK_DAY)
		return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no time to come (90d, 1h, never)",
			SPAN_ARG(span_sub(text, 0, 40)));
	*expires_r = loop_wall_ns() + ns;
	return 0;
}

void ops_put_scopes(struct json_out *j, const char *key, unsigned given)
{
	json_key(j, key);
	json_open_array(j);
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
		if (given & scopes[i].bit)
			json_span(j, span_str(scopes[i].word));
	}
	json_close(j);
}

FIBER int op_app_add(struct ops_call *c, struct err *e)
{
	struct account_app_password app = {0};
	struct directory_account acc;
	struct span address, password;

	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "name", &app.name, e) < 0 ||
		scopes_arg(c, &app.scopes, e) < 0 || networks_arg(c, &app.networks, e) < 0 ||
		expires_arg(c, &app.expires_ns, e) < 0)
		return -1;
	app.account_id = acc.id;
	if (auth_app_make(c->ctx->store, c->arena, &app, &password, e) < 0 ||
		account_app_add(c->ctx->store, &app, e) < 0)
		return -1;
	struct json_out *j = ops_row(c);

	json_kv_span(j, "address", address);
	json_kv_span(j, "name", app.name);
	json_kv_span(j, "password", password);
	ops_put_scopes(j, "scope", app.scopes);
	ops_put_time(j, "expires_at", app.expires_ns);
	return ops_row_end(c, e);
}

FIBER int op_app_list(struct ops_call *c, struct err *e)
{
	struct account_app_password *list;
	struct directory_account acc;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_app_list(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "name", list[i].name);
		ops_put_scopes(j, "scope", list[i].scopes);
		json_kv_span(j, "networks", list[i].networks);
		ops_put_time(j, "created_at", list[i].created_ns);
		ops_put_time(j, "expires_at", list[i].expires_ns);
		ops_put_time(j, "used_at", list[i].used_ns);
		json_kv_span(j, "used_from", list[i].used_from);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_app_remove(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address, name;

	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "name", &name, e) < 0 ||
		account_app_remove(c->ctx->store, acc.id, name, e) < 0)
		return -1;
	return ops_tell(c, "name", name, e);
}

/* ---- client certificates ---- */

/* The SHA-256 of the public key in a certificate (PEM), in hex. */
static int pem_pin(struct arena *a, struct span pem, struct span *pin_r, struct err *e)
{
	struct buf *hex = arena_buf(a, 2 * EVP_MAX_MD_SIZE);
	unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
	unsigned len = 0;
	BIO *bio = pem.len <= PEM_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int der_len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
	bool is_ok = der_len > 0 &&
		EVP_Digest(der, (size_t)der_len, digest, &len, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	X509_free(cert);
	BIO_free(bio);
	if (!is_ok)
		return err_set(e, ERR_SYNTAX, "that is no certificate in PEM form");
	enc_put_hex(hex, span_of(digest, len));
	*pin_r = buf_span(hex);
	return 0;
}

FIBER int op_certificate_add(struct ops_call *c, struct err *e)
{
	struct account_certificate cert = {.note = json_in_text(c->args, "note")};
	struct span address, pem = json_in_text(c->args, "pem");
	struct directory_account acc;

	cert.spki_sha256 = json_in_text(c->args, "pin");
	if (ops_account(c, &acc, &address, e) < 0 || expires_arg(c, &cert.expires_ns, e) < 0 ||
		(pem.len && pem_pin(c->arena, pem, &cert.spki_sha256, e) < 0))
		return -1;
	cert.account_id = acc.id;
	if (account_certificate_add(c->ctx->store, &cert, e) < 0)
		return -1;
	return ops_tell(c, "pin", cert.spki_sha256, e);
}

FIBER int op_certificate_list(struct ops_call *c, struct err *e)
{
	struct account_certificate *list;
	struct directory_account acc;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_certificate_list(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "pin", list[i].spki_sha256);
		json_kv_span(j, "note", list[i].note);
		ops_put_time(j, "created_at", list[i].created_ns);
		ops_put_time(j, "expires_at", list[i].expires_ns);
		ops_put_time(j, "used_at", list[i].used_ns);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_certificate_remove(struct ops_call *c, struct err *e)
{
	struct span pin;

	if (ops_need(c, "pin", &pin, e) < 0 ||
		account_certificate_remove(c->ctx->store, pin, e) < 0)
		return -1;
	return ops_tell(c, "pin", pin, e);
}
