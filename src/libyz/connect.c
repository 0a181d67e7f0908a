/* From a URL to a connected stream: look up, try one address after the other and remember how each
 * went, the proxy's words before the first of the server's. */

#include "libyz/libyz_priv.h"

#include <string.h>

#include "base/must.h"
#include "net/proxy.h"
#include "net/socks.h"

#define ATTEMPTS_MAX (YZ_MX_MAX * YZ_ADDRESSES_MAX)

static const char *addr_text(struct arena *a, const struct addr *addr)
{
	struct buf b;
	const char *text;

	buf_init(&b, ADDR_TEXT_MAX);
	if (addr->len)
		addr_put(&b, addr);
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static void attempt_add(
	struct yz_session *s, const char *host, const char *address, int code, const struct err *e)
{
	size_t n = s->attempt_count;
	struct yz_attempt *more;

	if (n == ATTEMPTS_MAX)
		return;
	if ((n & (n - 1)) == 0) { /* grows at powers of two; the old ones stay in the arena */
		more = ARENA_ARRAY(s->conn, struct yz_attempt, n ? 2 * n : 1);
		if (n)
			memcpy(more, s->attempts, n * sizeof(more[0]));
		s->attempts = more;
	}
	s->attempts[s->attempt_count++] = (struct yz_attempt){
		.host = host,
		.address = address,
		.err = code,
		.os_errno = e ? e->sys_errno : 0,
		.text = arena_str(s->conn, span_str(e ? e->text : "connected")),
	};
}

/* An attempt's own code: refused is the address' fault, whatever the system calls it. */
static int attempt_code(const struct err *e)
{
	int code = error_code(e);

	return code == YZ_E_CLOSED || code == YZ_E_SYSTEM ? YZ_E_CONNECT : code;
}

/* ---- what goes before the conversation ---- */

/* haproxy's proxy-protocol.txt section 2: the very first octets. */
static int put_proxy_header(struct yz_session *s, struct stream *st, struct err *e)
{
	const struct yz_proxy_header *h = &s->opts.proxy_header;
	struct addr src = {0}, dst = {0};
	struct buf b;

	if (h->version == 0)
		return 0;
	if (!h->is_local &&
		(!addr_parse_ip(span_str(h->source), (uint16_t)h->source_port, &src) ||
			!addr_parse_ip(
				span_str(h->destination), (uint16_t)h->destination_port, &dst)))
		return err_set(e, ERR_CONFIG, "the PROXY header's addresses are none");
	buf_init(&b, PROXY_V2_MAX);
	if (h->version == 1)
		proxy_put_v1(&b, &src, &dst);
	else
		proxy_put_v2(&b, &src, &dst);
	stream_put(st, buf_span(&b));
	buf_fini(&b);
	return 0;
}

static FIBER struct stream *open_one(struct yz_session *s, const struct addr *to,
	const struct url *proxy, int64_t deadline_ns, int *fd_r, struct err *e)
{
	struct stream *st = connect_socket(s, to, deadline_ns, fd_r, e);

	if (!st)
		return NULL;
	st->deadline_ns = deadline_ns;
	if (proxy) {
		s->phase = YZ_PHASE_PROXY;
		if (socks_connect(st, span_str(proxy->user), span_str(proxy->password),
			    span_str(s->host), s->url->port, e) < 0)
			stream_free(&st);
		s->phase = YZ_PHASE_CONNECT;
	}
	if (st && put_proxy_header(s, st, e) < 0)
		stream_free(&st);
	return st;
}

/* ---- addresses in turn ---- */

/* YZ_OK, or the code of the last attempt without an error set: others may follow. */
static FIBER int try_address(
	struct yz_session *s, const struct addr *to, const struct url *proxy, struct err *e)
{
	int64_t deadline_ns = clock_mono_ns() + session_ns(s->opts.timeouts.connect, YZ_CONNECT_NS);
	const char *text = addr_text(s->conn, to);
	struct stream *st;
	int code, fd = -1;

	s->phase = YZ_PHASE_CONNECT;
	trace_event(s, YZ_TRACE_CONNECT, YZ_DIR_NONE, "connecting to %s", text);
	st = open_one(s, to, proxy, deadline_ns, &fd, e);
	if (!st) {
		code = attempt_code(e);
		err_wrap(e, "%s", text);
		trace_event(s, YZ_TRACE_CONNECT, YZ_DIR_NONE, "%s", e->text);
		attempt_add(s, s->host, text, code, e);
		return code;
	}
	trace_event(s, YZ_TRACE_CONNECT, YZ_DIR_NONE, "connected to %s", text);
	attempt_add(s, s->host, text, YZ_OK, NULL);
	s->fd = fd;
	s->is_unix = addr_is_unix(to);
	s->peer = addr_text(s->conn, &st->peer);
	s->local = s->is_unix ? "" : addr_text(s->conn, &st->local);
	session_take(s, st, s->url->is_lmtp);
	return YZ_OK;
}

/* All have failed: timed out only when every one of them did. */
static int all_failed(struct yz_session *s, size_t first, const struct err *last)
{
	size_t timed_out = 0, n = s->attempt_count - first;
	int code = YZ_E_CONNECT;

	for (size_t i = first; i < s->attempt_count; i++)
		timed_out += s->attempts[i].err == YZ_E_TIMEOUT;
	if (n && timed_out == n)
		code = YZ_E_TIMEOUT;
	if (n == 1)
		fail(s, code, "%s", last->text);
	else
		fail(s, code, "none of %zu addresses could be connected to; the last: %s", n,
			last->text);
	s->error.os_errno = last->sys_errno;
	return code;
}

static FIBER int try_host(struct yz_session *s, const struct url *proxy)
{
	const char *name = proxy ? proxy->host : s->host;
	int64_t deadline_ns = clock_mono_ns() + session_ns(s->opts.timeouts.connect, YZ_CONNECT_NS);
	size_t count = 0, first = s->attempt_count;
	struct addr *addrs = NULL;
	struct err e = {0};
	int rc = YZ_OK;

	s->phase = YZ_PHASE_RESOLVE;
	if (lookup_addresses(s, name, proxy ? proxy->port : s->url->port, deadline_ns, &addrs,
		    &count, &e) < 0) {
		attempt_add(s, s->host, "", error_code(&e), &e);
		fail_err(s, &e);
		s->error.is_temporary = e.code != ERR_NOT_FOUND;
		return s->error.code;
	}
	for (size_t i = 0; i < count; i++) {
		e = (struct err){0};
		rc = try_address(s, &addrs[i], proxy, &e);
		if (rc == YZ_OK || rc == YZ_E_CANCELLED)
			break;
	}
	if (rc == YZ_E_CANCELLED)
		return fail_err(s, &e);
	return rc == YZ_OK ? YZ_OK : all_failed(s, first, &e);
}

/* ---- by URL ---- */

static FIBER int try_unix(struct yz_session *s)
{
	struct err e = {0};
	struct addr to;
	int rc;

	memset(&to, 0, sizeof(to));
	to.un.sun_family = AF_UNIX;
	memcpy(to.un.sun_path, s->url->path, strlen(s->url->path) + 1);
	to.len = sizeof(to.un);
	rc = try_address(s, &to, NULL, &e);
	return rc == YZ_OK ? YZ_OK : rc == YZ_E_CANCELLED ? fail_err(s, &e) : all_failed(s, 0, &e);
}

/* RFC 5321 section 5.1: a host that cannot be reached, or does not greet, is passed over. */
static FIBER int try_mx(struct yz_session *s, const struct url *proxy)
{
	int64_t deadline_ns = clock_mono_ns() + session_ns(s->opts.timeouts.connect, YZ_CONNECT_NS);
	const char **hosts = NULL;
	struct err e = {0};
	struct addr ip;
	size_t count = 0;
	int rc = YZ_E_RESOLVE;

	s->phase = YZ_PHASE_RESOLVE;
	if (addr_parse_ip(span_str(s->url->host), 0, &ip))
		return fail(s, YZ_E_INVAL, "mx: takes a domain, not an address");
	if (lookup_mx(s, s->url->host, deadline_ns, &hosts, &count, &e) < 0) {
		fail_err(s, &e);
		s->error.is_temporary = e.code != ERR_NOT_FOUND;
		return s->error.code;
	}
	for (size_t i = 0; i < count; i++) {
		s->host = hosts[i];
		rc = try_host(s, proxy);
		if (rc == YZ_OK)
			rc = talk_greeting(s);
		if (rc == YZ_OK || rc == YZ_E_CANCELLED || rc == YZ_E_INVAL)
			break;
		session_close(s);
	}
	return rc;
}

static FIBER int connect_way(struct yz_session *s)
{
	struct url *proxy = NULL;
	struct err e = {0};

	if (s->url->path)
		return try_unix(s);
	if (s->opts.proxy) {
		proxy = ARENA_NEW(s->conn, struct url);
		if (url_parse(s->conn, s->opts.proxy, proxy, &e) < 0)
			return fail(s, YZ_E_INVAL, "proxy: %s", e.text);
	}
	return s->url->is_mx ? try_mx(s, proxy) : try_host(s, proxy);
}

FIBER int connect_url(struct yz_session *s, const char *text)
{
	struct err e = {0};
	struct url *url;
	int rc;

	if (s->stream)
		return fail(s, YZ_E_STATE, "connected already");
	rc = session_check_options(s);
	if (rc != YZ_OK)
		return rc;
	session_renew(s);
	url = ARENA_NEW(s->conn, struct url);
	if (!text || url_parse(s->conn, text, url, &e) < 0)
		return fail(s, YZ_E_INVAL, "%s", text ? e.text : "no URL");
	if (url->is_proxy)
		return fail(s, YZ_E_INVAL, "bad URL: that is a proxy's");
	s->url = url;
	s->host = url->host;
	return connect_way(s);
}
