/* TLS of a session: the context's settings, the policy, the handshake, and what is told of it. */

#include "libyz/libyz_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"

/* ---- settings, shared by all sessions of a context ---- */

/* Where systems keep their authorities. No environment variable moves them. */
static const char *system_authorities(void)
{
	static const char *const files[] = {"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}

static void map_options(const struct yz_tls_options *o, struct tls_client_opts *to)
{
	*to = (struct tls_client_opts){
		.alpn = o->alpn,
		.ca_file = o->ca_file,
		.ca_dir = o->ca_dir,
		.cert_file = o->cert_file,
		.key_file = o->key_file,
		.key_password = o->key_password,
		.min_version = o->min_version,
		.max_version = o->max_version,
		.ciphers = o->ciphers,
		.ciphersuites = o->ciphersuites,
		.pins = o->pins,
	};
	if (o->ca_file || o->ca_dir || o->pins)
		return;
	to->ca_file = system_authorities();
	to->is_without_ca = !to->ca_file;
}

int yz_ctx_set_tls(
	struct yz_ctx *ctx, const struct yz_tls_options *options, struct yz_error *error_r)
{
	struct yz_tls_options o = {0};
	struct tls_client_opts opts;
	struct tls_client *fresh;
	struct err e = {0};
	int code;

	if (error_r)
		error_fill(error_r, YZ_OK, YZ_PHASE_NONE, "");
	if (!options || options->size < sizeof(options->size)) {
		if (error_r)
			error_fill(
				error_r, YZ_E_INVAL, YZ_PHASE_TLS, "the options' size is not set");
		return YZ_E_INVAL;
	}
	memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	map_options(&o, &opts);
	fresh = tls_client_new(&opts, &e);
	if (!fresh) {
		code = e.code == ERR_CONFIG ? YZ_E_INVAL : YZ_E_TLS;
		if (error_r)
			error_fill(error_r, code, YZ_PHASE_TLS, e.text);
		return code;
	}
	pthread_mutex_lock(&ctx->lock);
	tls_client_free(&ctx->tls);
	ctx->tls = fresh;
	ctx->verify = o.verify;
	ctx->verify_arg = o.verify_arg;
	pthread_mutex_unlock(&ctx->lock);
	return YZ_OK;
}

/* The defaults are read when the first session needs them: 20 ms of certificates. */
static struct tls_client *ctx_tls(struct yz_ctx *ctx, struct err *e)
{
	const struct yz_tls_options none = {0};
	struct tls_client_opts opts;
	struct tls_client *t;

	pthread_mutex_lock(&ctx->tls_lock);
	pthread_mutex_lock(&ctx->lock);
	t = ctx->tls;
	pthread_mutex_unlock(&ctx->lock);
	if (!t) {
		map_options(&none, &opts);
		t = tls_client_new(&opts, e);
		pthread_mutex_lock(&ctx->lock);
		ctx->tls = t;
		pthread_mutex_unlock(&ctx->lock);
	}
	pthread_mutex_unlock(&ctx->tls_lock);
	return t;
}

struct tls_job {
	struct helper_job job;
	struct tls_client *tls; /* the context's */
	struct err err;
};

static void tls_job_run(struct helper_job *job)
{
	struct tls_job *t = (struct tls_job *)job;

	t->tls = ctx_tls(job->ctx, &t->err);
}

static void tls_job_free(struct helper_job *job)
{
	free(job);
}

static FIBER struct tls_client *session_tls(
	struct yz_session *s, int64_t deadline_ns, struct err *e)
{
	struct tls_client *tls;
	struct tls_job *t;

	pthread_mutex_lock(&s->ctx->lock);
	tls = s->ctx->tls;
	pthread_mutex_unlock(&s->ctx->lock);
	if (tls || !step_is_nonblocking(s->step))
		return tls ? tls : ctx_tls(s->ctx, e);
	t = NEW(struct tls_job);
	t->job.run = tls_job_run;
	t->job.free = tls_job_free;
	if (helper_run(s, &t->job, deadline_ns, e) < 0)
		return NULL;
	tls = t->tls;
	if (!tls)
		err_copy(e, &t->err);
	helper_unref(&t->job);
	return tls;
}

/* ---- policy ---- */

enum yz_tls_policy tls_policy(const struct yz_session *s)
{
	if (s->opts.tls != YZ_TLS_DEFAULT)
		return s->opts.tls;
	if (s->is_unix)
		return YZ_TLS_NEVER;
	return s->url && s->url->is_submission ? YZ_TLS_REQUIRED : YZ_TLS_OPTIONAL;
}

/* Mail servers' certificates are rarely fit to be verified, and clear text would be next. */
static bool is_verifying(const struct yz_session *s)
{
	if (s->opts.verify != YZ_VERIFY_DEFAULT)
		return s->opts.verify == YZ_VERIFY_YES;
	return !(s->url && s->url->is_mx && tls_policy(s) == YZ_TLS_OPTIONAL);
}

/* ---- the handshake ---- */

struct hook {
	struct yz_session *session;
	bool has_refused;
};

static bool on_verify(void *arg, const struct tls_verdict *verdict, const struct tls_chain *chain)
{
	struct hook *h = arg;
	const struct yz_ctx *ctx = h->session->ctx;

	h->has_refused = ctx->verify(ctx->verify_arg, h->session, verdict->error) != 0;
	return !h->has_refused;
}

static void learn_certs(struct yz_session *s, struct yz_tls_info *info)
{
	struct tls_cert *from;
	struct yz_cert *to;

	info->cert_count = tls_certs(s->stream, s->conn, &from);
	to = ARENA_ARRAY(s->conn, struct yz_cert, info->cert_count);
	for (size_t i = 0; i < info->cert_count; i++)
		to[i] = (struct yz_cert){
			.subject = from[i].subject,
			.issuer = from[i].issuer,
			.names = from[i].names,
			.not_before = from[i].not_before,
			.not_after = from[i].not_after,
			.serial = from[i].serial,
			.key = from[i].key,
			.signature = from[i].signature,
			.sha256 = from[i].sha256,
			.spki_sha256 = from[i].spki_sha256,
			.pem = from[i].pem,
		};
	info->certs = to;
}

static void learn(struct yz_session *s, const char *name)
{
	const struct stream_tls *tls = s->stream->tls;
	struct yz_tls_info *info = ARENA_NEW(s->conn, struct yz_tls_info);
	struct tls_facts facts = {0};

	tls_facts(s->stream, &facts);
	info->version = arena_str(s->conn, span_str(tls->version));
	info->cipher = arena_str(s->conn, span_str(tls->cipher));
	info->bits = tls->bits;
	info->group = facts.group;
	info->name = name;
	info->alpn = tls->alpn ? arena_str(s->conn, span_str(tls->alpn)) : NULL;
	info->is_verified = tls->is_verified;
	info->is_resumed = tls->is_resumed;
	info->verify_error = facts.verdict.error;
	info->verify_text = facts.verdict.text;
	learn_certs(s, info);
	s->tls_info = info;
	trace_event(s, YZ_TRACE_TLS, YZ_DIR_NONE, "%s %s, %s: %s", info->version, info->cipher,
		name, info->is_verified ? "verified" : tls_trust_str(facts.verdict.trust));
}

static int handshake_failed(
	struct yz_session *s, const struct tls_verdict *v, bool has_refused, const struct err *e)
{
	int code = YZ_E_TLS_VERIFY;

	trace_event(s, YZ_TRACE_TLS, YZ_DIR_NONE, "%s", e->text);
	if (e->code != ERR_TLS)
		return fail_err(s, e);
	if (has_refused && v->error == 0)
		return fail(s, code, "the certificate was refused by the caller");
	if (v->trust == TLS_TRUST_GOOD || v->error == 0)
		return fail_err(s, e);
	fail(s, code, "the certificate of %s is not to be trusted: %s (%s)", s->host,
		tls_trust_str(v->trust), v->text);
	s->error.tls_verify = v->error;
	return code;
}

/* By the caller's transport itself. */
static int own_handshake(struct yz_session *s, const char *name)
{
	if (s->starttls(s->starttls_arg, name) < 0)
		return fail(s, YZ_E_TLS, "the transport could not begin TLS");
	s->has_own_tls = true;
	trace_event(s, YZ_TRACE_TLS, YZ_DIR_NONE, "begun by the transport");
	return YZ_OK;
}

FIBER int tls_begin_session(struct yz_session *s)
{
	const char *name = s->opts.tls_name ? s->opts.tls_name : s->host;
	struct hook hook = {.session = s};
	struct tls_connect_opts o = {
		.name = span_str(name),
		.is_no_sni = s->opts.no_sni,
		.is_verify = is_verifying(s),
		.verify = s->ctx->verify ? on_verify : NULL,
		.verify_arg = &hook,
	};
	struct tls_verdict verdict = {.trust = TLS_TRUST_OTHER};
	struct tls_client *tls;
	struct err e = {0};

	s->phase = YZ_PHASE_TLS;
	if (s->starttls)
		return own_handshake(s, name);
	if (o.is_verify && o.name.len == 0)
		return fail(s, YZ_E_TLS, "no name to verify: set tls_name");
	stream_set_timeout(s->stream, s->client.opts.timeouts.hello_ns);
	tls = session_tls(s, s->stream->deadline_ns, &e);
	if (!tls)
		return fail_err(s, &e);
	if (tls_connect_with(s->stream, tls, &o, &verdict, &e) < 0)
		return handshake_failed(s, &verdict, hook.has_refused, &e);
	learn(s, name);
	return YZ_OK;
}

FIBER int tls_starttls_alone(struct yz_session *s)
{
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_TLS;
	if (session_has_tls(s))
		return fail(s, YZ_E_STATE, "TLS is there already");
	rc = smtp_client_starttls_ask(&s->client, &e);
	rc = talk_result(s, rc, YZ_E_REPLY, &e);
	if (rc != YZ_OK)
		return rc;
	reply_forget(&s->hello);
	return tls_begin_session(s);
}

FIBER int tls_starttls(struct yz_session *s)
{
	int rc;

	if (session_has_tls(s))
		return fail(s, YZ_E_STATE, "TLS is there already");
	if (s->client.hello.code == 0) {
		rc = talk_hello(s, SMTP_HELLO_ANY, NULL);
		if (rc != YZ_OK)
			return rc;
	}
	s->phase = YZ_PHASE_TLS;
	if (!smtp_client_has(&s->client, SMTP_FEATURE_STARTTLS))
		return fail(s, YZ_E_NOTSUPP, "the server does not offer STARTTLS");
	rc = tls_starttls_alone(s);
	return rc == YZ_OK ? talk_hello(s, SMTP_HELLO_ANY, NULL) : rc;
}

const struct yz_tls_info *yz_tls(const struct yz_session *s)
{
	return s->stream ? s->tls_info : NULL;
}
