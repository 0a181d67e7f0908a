/* The client's side of TLS: contexts, what a connection asks for, and who is believed. */

#include "net/tls_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"

/* Where the system keeps its authorities, beside what OpenSSL was built with. */
#define TLS_SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
/* For TLS 1.0 and 1.1: SHA-1 signatures and whatever else servers of that age have. */
#define TLS_CIPHERS_OLD "ALL:!aNULL:!eNULL:@SECLEVEL=0"

struct tls_client {
	struct tls_config *config;
};

/* ---- authorities ---- */

/* Every file of the directory that holds certificates; hashed names are links to others. */
static int tls_load_directory(SSL_CTX *ctx, const char *path, struct err *e)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	size_t looked = 0, taken = 0;
	struct buf file;

	if (!d)
		return err_sys(e, errno, "reading certificate authorities: %s", path);
	buf_init(&file, 4096);
	while ((entry = readdir(d)) && looked < TLS_CA_FILES) {
		if (entry->d_name[0] == '.')
			continue;
		looked++;
		buf_clear(&file);
		buf_printf(&file, "%s/%s", path, entry->d_name);
		if (buf_ok(&file) && SSL_CTX_load_verify_file(ctx, buf_cstr(&file)) == 1)
			taken++;
		ERR_clear_error();
	}
	buf_fini(&file);
	closedir(d);
	if (taken)
		return 0;
	return err_set(e, ERR_TLS, "reading certificate authorities: %s holds none", path);
}

/* All of them are read now: a look-up by hash would open files in the middle of a handshake, on a
 * loop's thread. None found: nothing can be verified, and so it is told at each connection. */
static int tls_load_authorities(SSL_CTX *ctx, const struct tls_client_opts *o, struct err *e)
{
	const char *env = getenv(X509_get_default_cert_file_env());
	const char *candidates[] = {env, X509_get_default_cert_file(), TLS_SYSTEM_CA};

	if (o->is_without_ca)
		return 0;
	if (o->ca_file && SSL_CTX_load_verify_file(ctx, o->ca_file) != 1) {
		tls_err(e, o->ca_file);
		return err_wrap(e, "reading certificate authorities");
	}
	if (o->ca_dir && tls_load_directory(ctx, o->ca_dir, e) < 0)
		return -1;
	if (o->ca_file || o->ca_dir || o->pins)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(candidates); i++)
		if (candidates[i] && access(candidates[i], R_OK) == 0 &&
			SSL_CTX_load_verify_file(ctx, candidates[i]) == 1)
			break;
	ERR_clear_error();
	return 0;
}

/* ---- the context ---- */

static int tls_version_number(int version, int unset)
{
	switch (version) {
	case 0: return unset;
	case 10: return TLS1_VERSION;
	case 11: return TLS1_1_VERSION;
	case 12: return TLS1_2_VERSION;
	case 13: return TLS1_3_VERSION;
	default: return -1;
	}
}

static int tls_set_versions(SSL_CTX *ctx, const struct tls_client_opts *o, struct err *e)
{
	int min = tls_version_number(o->min_version, TLS1_2_VERSION);
	int max = tls_version_number(o->max_version, 0);

	if (min < 0 || max < 0 || (max && max < min))
		return err_set(e, ERR_CONFIG, "TLS versions %d to %d: 10, 11, 12 and 13 are known",
			o->min_version, o->max_version);
	if (min < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ctx, 0);
	if (!SSL_CTX_set_min_proto_version(ctx, min) || !SSL_CTX_set_max_proto_version(ctx, max))
		return tls_err(e, "setting TLS versions");
	if (o->ciphers && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_CONFIG, "'%s': no cipher of that name", o->ciphers);
	}
	if (!o->ciphers && min < TLS1_2_VERSION)
		SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS_OLD);
	if (o->ciphersuites && SSL_CTX_set_ciphersuites(ctx, o->ciphersuites) != 1) {
		ERR_clear_error();
		return err_set(
			e, ERR_CONFIG, "'%s': no cipher suite of that name", o->ciphersuites);
	}
	return 0;
}

static int tls_give_password(char *to, int size, int is_write, void *arg)
{
	size_t len = strlen(arg);

	if (size <= 0 || len > (size_t)size)
		return -1;
	memcpy(to, arg, len);
	return (int)len;
}

static int tls_load_own(SSL_CTX *ctx, const struct tls_client_opts *o, struct err *e)
{
	int rc;

	if (!o->cert_file)
		return o->key_file ? err_set(e, ERR_CONFIG, "a key without its certificate") : 0;
	if (o->key_password) {
		SSL_CTX_set_default_passwd_cb(ctx, tls_give_password);
		SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)o->key_password);
	}
	rc = tls_load_pair(ctx, o->cert_file, o->key_file ? o->key_file : o->cert_file, e);
	/* The password is the caller's: nothing points to it afterwards. */
	SSL_CTX_set_default_passwd_cb(ctx, NULL);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return rc;
}

static int tls_load_pins(struct tls_config *c, const char *pins, struct err *e)
{
	struct span rest = span_str(pins), pin;
	bool is_more = pins != NULL;

	c->pins = mem_alloc(TLS_PINS_MAX * sizeof(c->pins[0]));
	while (is_more) {
		struct buf raw;
		bool is_good;

		is_more = span_cut(rest, ',', &pin, &rest);
		pin = span_trim(pin);
		buf_init(&raw, TLS_SHA256);
		is_good = span_starts_nocase(pin, SPAN("sha256:")) &&
			enc_get_hex(&raw, span_skip(pin, 7)) && buf_len(&raw) == TLS_SHA256 &&
			c->pin_count < TLS_PINS_MAX;
		if (is_good)
			memcpy(c->pins[c->pin_count++], buf_span(&raw).ptr, TLS_SHA256);
		buf_fini(&raw);
		if (!is_good)
			return err_set(e, ERR_CONFIG,
				"'" SPAN_FMT
				"' is no pin: sha256: and 64 hexadecimal digits, %d at most",
				SPAN_ARG(pin), TLS_PINS_MAX);
	}
	return 0;
}

/* A ticket came; it belongs to the connection that wants it. */
static int tls_on_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct tls_ask *ask = SSL_get_app_data(ssl);

	if (!ask || !ask->is_ticket_wanted)
		return 0;
	SSL_SESSION_free(ask->ticket);
	ask->ticket = session;
	return 1;
}

static int tls_client_setup(struct tls_config *c, const struct tls_client_opts *o, struct err *e)
{
	SSL_CTX *ctx = c->ctx;

	if (c->alpn.len &&
		SSL_CTX_set_alpn_protos(
			ctx, (const unsigned char *)c->alpn.ptr, (unsigned)c->alpn.len) != 0)
		return tls_err(e, "setting the application protocol");
	if (SSL_CTX_dane_enable(ctx) != 1)
		return tls_err(e, "setting up DANE");
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_chain, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, tls_on_ticket);
	if (tls_set_versions(ctx, o, e) < 0 || tls_load_pins(c, o->pins, e) < 0 ||
		tls_load_own(ctx, o, e) < 0)
		return -1;
	return tls_load_authorities(ctx, o, e);
}

struct tls_client *tls_client_new(const struct tls_client_opts *opts, struct err *e)
{
	struct tls_client *t = NEW(struct tls_client);
	struct span alpn = tls_alpn_wire(opts->alpn);
	struct tls_config *c = tls_config_new(alpn);

	tls_alpn_fini(&alpn);
	t->config = c;
	c->ctx = tls_ctx_new(TLS_client_method(), TLS1_2_VERSION, e);
	if (!c->ctx || tls_client_setup(c, opts, e) < 0)
		tls_client_free(&t);
	return t;
}

void tls_client_free(struct tls_client **t_p)
{
	struct tls_client *t = *t_p;

	if (!t)
		return;
	*t_p = NULL;
	tls_config_unref(t->config);
	free(t);
}

/* ---- tickets ---- */

/* A struct tls_ticket is OpenSSL's SSL_SESSION under a name of ours. */
void tls_ask_free(struct tls_ask *ask)
{
	if (!ask)
		return;
	SSL_SESSION_free(ask->ticket);
	free(ask);
}

struct tls_ticket *tls_ticket_take(struct stream *s)
{
	SSL *ssl = tls_ssl(s);
	struct tls_ask *ask = ssl ? SSL_get_app_data(ssl) : NULL;
	SSL_SESSION *session = ask ? ask->ticket : NULL;

	if (ask)
		ask->ticket = NULL;
	return (struct tls_ticket *)session;
}

void tls_ticket_free(struct tls_ticket **t)
{
	SSL_SESSION_free((SSL_SESSION *)*t);
	*t = NULL;
}

/* ---- who is believed ---- */

static bool tls_is_pinned(const struct tls_config *c, X509 *cert)
{
	unsigned char own[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE];

	if (!cert || !tls_cert_digest(cert, false, EVP_sha256(), own, NULL) ||
		!tls_cert_digest(cert, true, EVP_sha256(), key, NULL))
		return false;
	for (size_t i = 0; i < c->pin_count; i++)
		if (memcmp(c->pins[i], own, TLS_SHA256) == 0 ||
			memcmp(c->pins[i], key, TLS_SHA256) == 0)
			return true;
	return false;
}

/* In place of OpenSSL's own look at the chain. 0 ends the handshake where SSL_VERIFY_PEER is set, with
 * the alert that goes with the error. */
int tls_on_chain(X509_STORE_CTX *x, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct tls_ask *ask = SSL_get_app_data(ssl);
	struct tls_verdict *v = ask->verdict;
	bool is_good = X509_verify_cert(x) > 0;

	tls_verdict_set(v, X509_STORE_CTX_get_error(x));
	if (is_good && SSL_get0_dane_authority(ssl, NULL, NULL) >= 0)
		v->is_dane = true;
	if (ask->config->pin_count) {
		is_good = tls_is_pinned(ask->config, X509_STORE_CTX_get0_cert(x));
		tls_verdict_set(v, is_good ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
		if (!is_good)
			v->trust = TLS_TRUST_PIN_MISMATCH;
	}
	if (!is_good && v->error == X509_V_OK)
		tls_verdict_set(v, X509_V_ERR_UNSPECIFIED);
	X509_STORE_CTX_set_error(x, (int)v->error);
	if (!ask->opts->verify)
		return is_good;
	is_good = ask->opts->verify(ask->opts->verify_arg, v,
		(const struct tls_chain *)X509_STORE_CTX_get0_untrusted(x));
	if (!is_good && v->error == X509_V_OK)
		X509_STORE_CTX_set_error(x, X509_V_ERR_APPLICATION_VERIFICATION);
	return is_good;
}

/* ---- one connection ---- */

static struct span tls_without_dot(struct span name)
{
	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

static int tls_expect_name(SSL *ssl, struct span name, bool is_first, struct err *e)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct addr ip;
	char *text;
	bool is_set;

	name = tls_without_dot(name);
	if (name.len == 0)
		return 0;
	if (name.len > TLS_NAME_MAX || span_has_line_break(name))
		return err_set(e, ERR_TLS, "no name to verify");
	text = mem_dup(name.ptr, name.len);
	if (addr_parse_ip(name, 0, &ip))
		is_set = X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1;
	else if (is_first)
		is_set = X509_VERIFY_PARAM_set1_host(param, text, name.len) == 1;
	else
		is_set = X509_VERIFY_PARAM_add1_host(param, text, name.len) == 1;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	free(text);
	return is_set ? 0 : tls_err(e, "setting the name to verify");
}

/* An address is never asked for (RFC 6066 section 3). */
static int tls_ask_for(SSL *ssl, const struct tls_connect_opts *o, struct err *e)
{
	struct span sni = tls_without_dot(o->sni.len ? o->sni : o->name);
	struct addr ip;
	char *text;
	bool is_set;

	if (o->is_no_sni || sni.len == 0 || addr_parse_ip(sni, 0, &ip))
		return SSL_set_tlsext_host_name(ssl, NULL) == 1 ? 0 : tls_err(e, "leaving out SNI");
	if (sni.len > TLS_NAME_MAX || span_has_line_break(sni))
		return err_set(e, ERR_TLS, "no name to ask for");
	text = mem_dup(sni.ptr, sni.len);
	is_set = SSL_set_tlsext_host_name(ssl, text) == 1;
	free(text);
	return is_set ? 0 : tls_err(e, "setting the name to ask for");
}

static int tls_set_dane(SSL *ssl, const struct tls_connect_opts *o, struct err *e)
{
	bool is_on = false;
	char *base;

	for (size_t i = 0; i < o->tlsa_count; i++) {
		const struct tls_tlsa *r = &o->tlsa[i];

		if (!tls_tlsa_is_usable(r))
			continue;
		if (!is_on) {
			struct span name = tls_without_dot(o->name);

			if (name.len == 0 || name.len > TLS_NAME_MAX || span_has_line_break(name))
				return err_set(e, ERR_TLS, "no name for DANE");
			base = mem_dup(name.ptr, name.len);
			is_on = SSL_dane_enable(ssl, base) == 1;
			free(base);
			if (!is_on)
				return tls_err(e, "setting up DANE");
			/* RFC 7672 section 3.1.1: of a DANE-EE certificate the key alone counts. */
			SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		}
		/* A record with data that is no certificate or key is skipped by OpenSSL (0). */
		if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
			    (const unsigned char *)r->data.ptr, r->data.len) < 0)
			return tls_err(e, "taking a TLSA record");
		ERR_clear_error();
	}
	return 0;
}

static int tls_set_ask(struct tls_filter *t, const struct tls_connect_opts *o,
	struct tls_verdict *verdict, struct err *e)
{
	SSL *ssl = tls_filter_ssl(t);
	struct tls_ask *ask = NEW(struct tls_ask);
	bool is_strict = o->is_verify || o->verify;

	tls_filter_set_ask(t, ask);
	ask->opts = o;
	ask->verdict = verdict;
	ask->is_ticket_wanted = o->is_ticket_wanted;
	if (tls_set_dane(ssl, o, e) < 0 || tls_expect_name(ssl, o->name, true, e) < 0 ||
		tls_expect_name(ssl, o->also, false, e) < 0 || tls_ask_for(ssl, o, e) < 0)
		return -1;
	SSL_set_connect_state(ssl);
	/* Without SSL_VERIFY_PEER the chain is checked all the same and the verdict kept. */
	SSL_set_verify(ssl, is_strict ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (o->ticket && SSL_set_session(ssl, (SSL_SESSION *)(uintptr_t)o->ticket) != 1)
		return tls_err(e, "coming back with a ticket");
	return 0;
}

/* A resumed session shows no certificate: what was found the first time counts, and the name is
 * compared again. */
static int tls_check_resumed(struct stream *s, const struct tls_connect_opts *o,
	struct tls_verdict *verdict, struct err *e)
{
	SSL *ssl = tls_ssl(s);
	struct err why = {0};

	if (!SSL_session_reused(ssl))
		return 0;
	tls_verdict_set(verdict, SSL_get_verify_result(ssl));
	if (!o->is_verify ||
		(verdict->error == X509_V_OK && (!o->name.len || tls_is_named(s, o->name))))
		return 0;
	err_set(&why, ERR_TLS, "TLS handshake: the session was not verified for this name");
	err_scope_set(&why, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return stream_fail(s, &why, e);
}

static int tls_refuse_clear(struct stream *s, struct err *e)
{
	struct err why = {0};

	err_set(&why, ERR_TLS, "%zu octets came in clear where TLS begins", buf_len(&s->in));
	err_scope_set(&why, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return stream_fail(s, &why, e);
}

FIBER int tls_connect_with(struct stream *s, struct tls_client *client,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r, struct err *e)
{
	struct tls_verdict verdict = {.trust = TLS_TRUST_OTHER, .text = "no certificate was seen"};
	struct tls_config *c = client->config;
	struct tls_filter *t;
	struct tls_ask *ask;
	int64_t began_ns;
	int rc;

	if (verdict_r)
		*verdict_r = verdict;
	else
		verdict_r = &verdict;
	if (stream_flush(s, e) < 0)
		return -1;
	if (buf_len(&s->in))
		return tls_refuse_clear(s, e);
	if (opts->is_verify && opts->name.len == 0 && !c->pin_count)
		return err_set(e, ERR_TLS, "no name to verify");
	t = tls_filter_new(tls_config_ref(c), stream_base(s), e);
	if (!t)
		return -1;
	if (tls_set_ask(t, opts, verdict_r, e) < 0) {
		tls_filter_free(t);
		return -1;
	}
	began_ns = loop_now_ns();
	rc = tls_begin(s, t, e);
	verdict_r->began_ns = began_ns;
	verdict_r->ended_ns = loop_now_ns();
	if (rc < 0)
		return -1;
	ask = SSL_get_app_data(tls_ssl(s));
	ask->opts = NULL;
	ask->verdict = NULL;
	return tls_check_resumed(s, opts, verdict_r, e);
}

FIBER int tls_connect(struct stream *s, struct tls_client *client, struct span name, bool is_verify,
	struct err *e)
{
	struct tls_connect_opts o = {.name = name, .is_verify = is_verify};

	return tls_connect_with(s, client, &o, NULL, e);
}
