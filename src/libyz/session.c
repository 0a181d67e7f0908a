/* A session: its options, its connection from birth to end. */

#include "libyz/libyz_priv.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"

int64_t session_ns(int64_t ms, int64_t default_ns)
{
	/* No limit: a thousand years, so that deadlines can still be added up. */
	const int64_t forever_ns = INT64_MAX / 4;

	if (ms == 0)
		return default_ns;
	return ms < 0 || ms > forever_ns / CLOCK_MS ? forever_ns : ms * CLOCK_MS;
}

/* ---- options ---- */

static void copy_str(struct arena *a, const char **p)
{
	if (*p)
		*p = arena_str(a, span_str(*p));
}

static void copy_options(struct yz_session *s, const struct yz_options *from)
{
	struct yz_options *o = &s->opts;

	memcpy(o, from, from->size < sizeof(*o) ? from->size : sizeof(*o));
	copy_str(s->arena, &o->hello_name);
	copy_str(s->arena, &o->tls_name);
	copy_str(s->arena, &o->source_address);
	copy_str(s->arena, &o->interface);
	copy_str(s->arena, &o->proxy);
	copy_str(s->arena, &o->proxy_header.source);
	copy_str(s->arena, &o->proxy_header.destination);
	copy_str(s->arena, &o->user);
	copy_str(s->arena, &o->password);
	copy_str(s->arena, &o->authzid);
	copy_str(s->arena, &o->mechanisms);
	copy_str(s->arena, &o->token);
	copy_str(s->arena, &o->local_certificate_name);
}

/* What would stand in a command: a domain or a literal has neither blanks nor control characters. */
static bool is_hello_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return len > 0 && len <= YZ_HELLO_MAX;
}

static const char *wrong_options(const struct yz_options *o)
{
	const struct yz_proxy_header *h = &o->proxy_header;
	struct addr a;

	if (o->hello_name && !is_hello_name(o->hello_name))
		return "hello_name has a blank, a control character, or nothing";
	if (o->family != 0 && o->family != 4 && o->family != 6)
		return "family is 0, 4 or 6";
	if (o->source_address &&
		(addr_parse(span_str(o->source_address), 0, &a, NULL) < 0 || !addr_is_ip(&a)))
		return "source_address is no IP address";
	if (o->tls < YZ_TLS_DEFAULT || o->tls > YZ_TLS_REQUIRED)
		return "tls is no policy";
	if (o->verify < YZ_VERIFY_DEFAULT || o->verify > YZ_VERIFY_NO)
		return "verify is none of its values";
	if (h->version < 0 || h->version > 2)
		return "the PROXY header's version is 1 or 2";
	if (h->version && !h->is_local && (!h->source || !h->destination))
		return "the PROXY header lacks addresses";
	return NULL;
}

int session_check_options(struct yz_session *s)
{
	struct arena *a;
	struct url url;
	struct err e = {0};
	int rc = YZ_OK;

	if (s->bad_options)
		return fail(s, YZ_E_INVAL, "%s", s->bad_options);
	if (!s->opts.proxy)
		return YZ_OK;
	a = arena_new();
	if (url_parse(a, s->opts.proxy, &url, &e) < 0 || !url.is_proxy)
		rc = fail(s, YZ_E_INVAL, "proxy: %s",
			e.code ? e.text : "the URL begins with socks5://");
	arena_free(&a);
	return rc;
}

struct yz_session *yz_session_new(struct yz_ctx *ctx, const struct yz_options *options)
{
	struct yz_session *s = NEW(struct yz_session);

	s->ctx = ctx ? ctx_ref(ctx) : yz_ctx_new();
	s->arena = arena_new();
	s->call_arena = arena_new();
	s->conn = arena_new();
	s->step = step_new();
	s->fd = -1;
	s->host = s->peer = s->local = "";
	if (options && options->size < sizeof(options->size))
		s->bad_options = "options.size is not set";
	else if (options)
		copy_options(s, options);
	if (!s->bad_options)
		s->bad_options = wrong_options(&s->opts);
	return s;
}

static void wipe_str(const char *text)
{
	if (text)
		secret_wipe((char *)(uintptr_t)text, strlen(text));
}

void yz_session_free(struct yz_session **s_p)
{
	struct yz_session *s = s_p ? *s_p : NULL;

	if (!s)
		return;
	*s_p = NULL;
	if (step_is_active(s->step))
		step_cancel(s->step);
	session_renew(s);
	wipe_str(s->opts.password);
	wipe_str(s->opts.token);
	step_free(&s->step);
	arena_free(&s->conn);
	arena_free(&s->call_arena);
	arena_free(&s->arena);
	ctx_unref(&s->ctx);
	free(s);
}

int yz_set_timeout(struct yz_session *s, int64_t ms)
{
	struct yz_timeouts *t = &s->opts.timeouts;
	struct smtp_client_timeouts *c = &s->client.opts.timeouts;
	int64_t ns = session_ns(ms, 0);

	if (call_plain(s) != YZ_OK)
		return YZ_E_STATE;
	if (ms == 0 || ms < YZ_FOREVER)
		return fail(s, YZ_E_INVAL, "a time of 0 would wait for nothing");
	*t = (struct yz_timeouts){ms, ms, ms, ms, ms, ms, ms};
	*c = (struct smtp_client_timeouts){ns, ns, ns, ns, ns, ns, ns};
	return YZ_OK;
}

/* ---- the connection ---- */

void session_close(struct yz_session *s)
{
	if (!s->stream)
		return;
	trace_event(s, YZ_TRACE_CLOSE, YZ_DIR_NONE, "closed");
	s->client.is_over = true;
	s->client.stream = NULL;
	s->fd = -1;
	s->is_traced = s->has_own_tls = false;
	stream_free(&s->stream);
}

void session_renew(struct yz_session *s)
{
	session_close(s);
	if (s->url)
		wipe_str(s->url->password);
	if (s->has_client) {
		smtp_client_fini(&s->client);
		s->has_client = false;
	}
	memset(&s->client, 0, sizeof(s->client));
	reply_box_fini(&s->last);
	reply_box_fini(&s->greeting);
	reply_box_fini(&s->hello);
	reply_box_fini(&s->auth);
	arena_reset(s->conn);
	s->url = NULL;
	s->host = s->peer = s->local = "";
	s->hello_name = s->auth_mechanism = NULL;
	s->attempts = NULL;
	s->attempt_count = 0;
	s->tls_info = NULL;
	s->starttls = NULL;
	s->is_unix = false;
}

/* RFC 5321 section 4.1.3: a machine without a full name says its address. */
static const char *own_name(struct yz_session *s)
{
	char *name = arena_alloc(s->conn, YZ_HELLO_MAX + 1);
	struct buf b;

	if (gethostname(name, YZ_HELLO_MAX) == 0 && strchr(name, '.') && is_hello_name(name))
		return name;
	if (!addr_is_ip(&s->stream->local))
		return "[127.0.0.1]";
	buf_init(&b, ADDR_TEXT_MAX);
	addr_put_literal(&b, &s->stream->local);
	name = arena_str(s->conn, buf_span(&b));
	buf_fini(&b);
	return name;
}

static unsigned features_off(unsigned flags)
{
	static const struct {
		unsigned flag, features;
	} map[] = {{YZ_NO_PIPELINING, SMTP_PIPELINING}, {YZ_NO_CHUNKING, SMTP_CHUNKING},
		{YZ_NO_8BITMIME, SMTP_8BITMIME}, {YZ_NO_SMTPUTF8, SMTP_SMTPUTF8},
		{YZ_NO_DSN, SMTP_DSN}, {YZ_NO_SIZE, SMTP_SIZE}};
	unsigned off = 0;

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (flags & map[i].flag)
			off |= map[i].features;
	return off;
}

void session_take(struct yz_session *s, struct stream *st, bool is_lmtp)
{
	const struct yz_timeouts *t = &s->opts.timeouts;
	struct smtp_client_opts o = {
		.is_lmtp = is_lmtp,
		.is_helo_only = (s->opts.flags & YZ_NO_EHLO) != 0,
		.no_rset = (s->opts.flags & YZ_NO_RSET) != 0,
		.features_off = features_off(s->opts.flags),
		.keeps_lines = true,
		.timeouts = {.greeting_ns = session_ns(t->greeting, YZ_GREETING_NS),
			.hello_ns = session_ns(t->command, YZ_COMMAND_NS),
			.mail_ns = session_ns(t->command, YZ_COMMAND_NS),
			.data_ns = session_ns(t->data, YZ_DATA_NS),
			.block_ns = session_ns(t->block, YZ_BLOCK_NS),
			.dot_ns = session_ns(t->final, YZ_FINAL_NS),
			.quit_ns = session_ns(t->quit, YZ_QUIT_NS)},
	};

	s->stream = st;
	s->hello_name = s->opts.hello_name ? s->opts.hello_name : own_name(s);
	o.hostname = s->hello_name;
	if (s->has_client)
		smtp_client_fini(&s->client);
	smtp_client_init(&s->client, st, &o);
	s->has_client = true;
	trace_attach(s);
}

bool session_has_tls(const struct yz_session *s)
{
	return s->stream && (s->stream->tls || s->has_own_tls);
}

int yz_attach(
	struct yz_session *s, const struct yz_transport *transport, const char *host, bool is_lmtp)
{
	struct yz_transport t = {0};
	int rc;

	if (call_plain(s) != YZ_OK)
		return YZ_E_STATE;
	if (s->stream)
		return fail(s, YZ_E_STATE, "connected already");
	rc = session_check_options(s);
	if (rc != YZ_OK)
		return rc;
	if (!transport || transport->size < sizeof(t.size) || !host)
		return fail(s, YZ_E_INVAL, "no transport, or its size is not set, or no host");
	memcpy(&t, transport, transport->size < sizeof(t) ? transport->size : sizeof(t));
	if (!t.read || !t.write)
		return fail(s, YZ_E_INVAL, "a transport reads and writes");
	session_renew(s);
	s->host = arena_str(s->conn, span_str(host));
	s->starttls = t.starttls;
	s->starttls_arg = t.arg;
	s->fd = t.fd;
	session_take(s, transport_open(s, &t), is_lmtp);
	return YZ_OK;
}

void yz_close(struct yz_session *s)
{
	if (call_plain(s) == YZ_OK)
		session_close(s);
}
