#include "proto/http/http_server_priv.h"

#include "base/must.h"
#include "run/loop.h"

void http_server_limits_default(struct http_server_limits *l)
{
	*l = (struct http_server_limits){
		.requests = 1000,
		.body_octets = 64 * 1024,
		.unread_octets = 256 * 1024,
		.head_ns = 10 * CLOCK_SEC,
		.idle_ns = 60 * CLOCK_SEC,
		.body_ns = 30 * CLOCK_SEC,
		.write_ns = 60 * CLOCK_SEC,
		.event_ns = 15 * CLOCK_SEC,
	};
}

bool http_server_is_draining(const struct http_server *sv)
{
	const bool *flag = sv->opts->is_draining;

	return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/* ---- who asks ---- */

static bool is_proxy(const struct http_server_opts *o, const struct addr *a)
{
	for (size_t i = 0; i < o->proxy_count; i++)
		if (addr_net_has(&o->proxies[i], a))
			return true;
	return false;
}

/* One step back: true when `node` is an address, and it is another proxy whose word counts. */
static bool step_back(const struct http_server_opts *o, struct http_request *r, struct span node)
{
	struct addr a;

	if (!addr_parse_ip(node, 0, &a))
		return false;
	addr_unmap(&a);
	r->client = a;
	return is_proxy(o, &a);
}

/* A quote that a client leaves open would make what the proxy adds behind it a part of his own element. */
static bool is_quote_open(struct span list)
{
	bool is_open = false;

	for (size_t i = 0; i < list.len; i++) {
		if (is_open && list.ptr[i] == '\\')
			i++;
		else if (list.ptr[i] == '"')
			is_open = !is_open;
	}
	return is_open;
}

/* The elements of a list, the last first, as each proxy has added its own at the end. */
static void from_behind(const struct http_server_opts *o, struct http_request *r)
{
	bool is_rfc = o->proxy_field == HTTP_PROXY_FORWARDED;
	struct span list = http_head_list(
		r->arena, &r->head, is_rfc ? "Forwarded" : "X-Forwarded-For");
	struct http_forwarded *items = ARENA_ARRAY(r->arena, struct http_forwarded, HTTP_LIST_MAX);
	size_t n = 0;

	if (is_quote_open(list))
		return;
	while (n < HTTP_LIST_MAX) {
		if (is_rfc ? !http_forwarded_next(r->arena, &list, &items[n])
			   : !http_list_next(&list, &items[n].node))
			break;
		if (!is_rfc)
			items[n].node = http_forwarded_node(items[n].node);
		n++;
	}
	if (n == HTTP_LIST_MAX)
		return; /* whoever makes such a list is not believed */
	while (n > 0) {
		n--;
		if (items[n].proto.len)
			r->is_https = span_eq_nocase(items[n].proto, SPAN("https"));
		if (!step_back(o, r, items[n].node))
			break;
	}
}

static void find_client(const struct http_server *sv, struct http_request *r)
{
	struct span list, proto;

	r->peer = r->client = sv->stream->peer;
	addr_unmap(&r->peer);
	r->client = r->peer;
	r->is_tls = r->is_https = sv->stream->tls != NULL;
	if (!is_proxy(sv->opts, &r->peer))
		return;
	from_behind(sv->opts, r);
	if (sv->opts->proxy_field != HTTP_PROXY_X_FORWARDED)
		return;
	list = http_head_list(r->arena, &r->head, "X-Forwarded-Proto");
	while (http_list_next(&list, &proto)) /* the last one is our own proxy's */
		r->is_https = span_eq_nocase(proto, SPAN("https"));
}

/* ---- a request ---- */

static void exchange_init(struct http_exchange *x, struct http_server *sv)
{
	*x = (struct http_exchange){.sv = sv, .modified_sec = -1};
	x->said_end = &x->said;
	x->start_ns = loop_now_ns();
	x->body_max = sv->opts->limits.body_octets;
	x->r.arena = sv->turn;
	x->r.id = loop_random();
	log_child(&x->r.log, &sv->log);
	log_add(&x->r.log, LF_ID("request", x->r.id));
}

static void log_request(const struct http_exchange *x, const struct err *e)
{
	const struct http_head *h = &x->r.head;
	struct buf client;
	bool is_ours = e->code && (x->status >= 500 || !x->status);

	buf_init(&client, ADDR_TEXT_MAX);
	addr_put_ip(&client, &x->r.client);
	/* The query stays out: it may hold what only the client and we should know. */
	log_event(&x->r.log, is_ours ? LOG_WARN : LOG_INFO, "http.request",
		LF("method", h->method_name), LF("host", h->host), LF("path", h->path),
		LF_INT("status", x->status), LF_INT("in", x->body_taken), LF_INT("out", x->sent),
		LF_INT("ms", (loop_now_ns() - x->start_ns) / CLOCK_MS),
		LF("client", buf_span(&client)), e->code ? LF_STR("error", e->text) : LF_NONE);
	buf_fini(&client);
}

/* The handler is done, well or not: see to it that the client has one whole answer, or none that it
 * could take for whole. */
static FIBER int settle(struct http_exchange *x, int rc, struct err *why, struct err *e)
{
	struct http_server *sv = x->sv;
	bool is_gone = sv->stream->is_broken || sv->stream->is_eof ||
		fiber_is_cancelled(fiber_self());

	if (x->answer == HTTP_ANSWER_BEGUN && rc == 0)
		rc = http_reply_end(x, why);
	if (x->answer == HTTP_ANSWER_NONE && !is_gone) {
		unsigned status = rc == 0 ? 500 : x->is_body_late ? 408 : http_status_from_err(why);

		if (rc == 0)
			err_set(why, ERR_STATE, "the handler said nothing");
		http_unsay(x);
		sv->is_closing = sv->is_closing || status == 408;
		return http_reply_error(x, status, NULL, e);
	}
	if (rc < 0 || is_gone || x->answer != HTTP_ANSWER_ENDED)
		return err_copy(e, why);
	return 0;
}

static FIBER int serve(struct http_exchange *x, struct err *e)
{
	struct http_server *sv = x->sv;
	struct err why = {0};
	int rc;

	/* An answer to an earlier request does not wait until this one is done. */
	stream_set_timeout(sv->stream, sv->opts->limits.write_ns);
	if (stream_flush(sv->stream, e) < 0)
		return -1;
	rc = sv->opts->handle(sv->ctx, x, &why);
	rc = settle(x, rc, &why, e);
	log_request(x, &why);
	if (rc == 0 && sv->is_closing && !x->is_body_over && !x->is_body_late)
		sv->is_lingering = true;
	if (rc < 0 || sv->is_closing)
		return rc;
	if (http_body_drop(x, &why) < 0)
		sv->is_closing = sv->is_lingering = true;
	return 0;
}

static FIBER int refuse(struct http_exchange *x, const struct err *why, struct err *e)
{
	struct http_server *sv = x->sv;
	int rc;

	/* Where the next request would begin nobody knows. */
	sv->is_closing = sv->is_lingering = true;
	x->is_body_over = true;
	rc = http_reply_error(x, x->r.head.status, x->r.head.status == 408 ? NULL : why->text, e);
	log_request(x, why);
	return rc;
}

/* A whole head in the stream's buffer. -1 with *status_r: what came is none, and that is owed. */
static FIBER int read_head(struct http_server *sv, size_t *len_r, unsigned *status_r, struct err *e)
{
	const struct http_server_limits *l = &sv->opts->limits;
	struct http_head_scan scan = {0};
	struct stream *st = sv->stream;
	bool is_begun = false;
	int rc;

	*status_r = 0;
	stream_set_timeout(st, sv->conn->requests ? l->idle_ns : l->head_ns);
	for (;;) {
		struct span in = stream_peek(st);

		if (in.len && !is_begun) {
			is_begun = true;
			stream_set_timeout(st, l->head_ns);
		}
		if (http_head_scan(&scan, in, len_r, status_r, e) < 0)
			return -1;
		if (*len_r)
			return 0;
		if (!is_begun && http_server_is_draining(sv))
			return err_set(e, ERR_CANCELLED, "we stop");
		sv->conn->is_idle = !is_begun;
		rc = stream_fill(st, e);
		sv->conn->is_idle = false;
		if (rc < 0) {
			if (is_begun && e->code == ERR_TIMEOUT)
				*status_r = 408;
			return -1;
		}
	}
}

/* Memory that an idle connection does not need. */
static void rest(struct http_server *sv)
{
	if (stream_peek(sv->stream).len && sv->turn)
		arena_reset(sv->turn);
	else
		arena_free(&sv->turn);
}

/* One request and its answer. -1: the connection is gone. */
static FIBER int serve_one(struct http_server *sv, struct err *e)
{
	struct http_exchange x;
	struct err why = {0};
	unsigned status;
	size_t len = 0;
	int rc;

	rest(sv);
	rc = read_head(sv, &len, &status, &why);
	if (rc < 0 && !status)
		return err_copy(e, &why);
	if (!sv->turn)
		sv->turn = arena_new();
	exchange_init(&x, sv);
	find_client(sv, &x.r);
	if (rc < 0) {
		x.r.head.status = status;
		return refuse(&x, &why, e);
	}
	sv->conn->requests++;
	rc = http_head_parse(sv->turn,
		arena_span(sv->turn, span_sub(stream_peek(sv->stream), 0, len)), &x.r.head, &why);
	stream_consume(sv->stream, len);
	if (rc < 0)
		return refuse(&x, &why, e);
	find_client(sv, &x.r);
	x.r.has_body = x.r.head.framing == HTTP_FRAMING_CHUNKED || x.r.head.length > 0;
	x.is_body_over = !x.r.has_body;
	if (x.r.head.is_close || sv->conn->requests >= sv->opts->limits.requests)
		sv->is_closing = true;
	if (serve(&x, e) < 0)
		return -1;
	return fiber_breathe(e);
}

/* ---- the connection ---- */

/* Somebody who still sends would lose our last words to a reset: hear him out for a moment
 * (RFC 9112 section 9.6). */
static FIBER void linger(struct http_server *sv)
{
	struct stream *st = sv->stream;
	uint64_t until = st->bytes_in + sv->opts->limits.unread_octets;

	stream_set_timeout(st, HTTP_SERVER_LINGER_NS);
	if (stream_shutdown(st, NULL) < 0)
		return;
	stream_drop_input(st);
	while (st->bytes_in < until && stream_fill(st, NULL) == 0)
		stream_drop_input(st);
}

static void start(struct http_server *sv)
{
	struct buf peer;

	sv->arena = arena_new();
	buf_init(&peer, ADDR_TEXT_MAX);
	addr_put(&peer, &sv->stream->peer);
	log_child(&sv->log, sv->opts->log);
	log_add(&sv->log, LF_ID("session", loop_random()));
	log_add(&sv->log, LF("peer", arena_span(sv->arena, buf_span(&peer))));
	buf_fini(&peer);
}

FIBER int http_server_run(struct stream *stream, const struct http_server_opts *opts,
	struct http_conn *conn, void *ctx, struct err *e)
{
	struct http_server sv = {.stream = stream, .opts = opts, .conn = conn, .ctx = ctx};
	struct err why = {0};
	int rc = 0;

	start(&sv);
	stream_set_timeout(stream, opts->limits.head_ns);
	conn->is_idle = true;
	if (opts->is_tls_implicit)
		rc = tls_accept(stream, opts->tls, &why);
	conn->is_idle = false;
	while (rc == 0 && !sv.is_closing)
		rc = serve_one(&sv, &why);
	stream_set_timeout(stream, HTTP_SERVER_LINGER_NS);
	stream_flush(stream, NULL);
	if (sv.is_lingering)
		linger(&sv);
	log_event(&sv.log, LOG_DEBUG, "http.session", LF_INT("requests", conn->requests),
		LF_STR("tls", stream->tls ? stream->tls->version : "no"),
		LF_INT("in", stream->bytes_in), LF_INT("out", stream->bytes_out),
		why.code ? LF_STR("error", why.text) : LF_NONE);
	arena_free(&sv.turn);
	arena_free(&sv.arena);
	if (rc < 0 && (why.code == ERR_EOF || why.code == ERR_CANCELLED))
		return 0;
	return rc < 0 ? err_copy(e, &why) : 0;
}
