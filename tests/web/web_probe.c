/* A small web server for tests: `web_probe DATA` prints its port and serves until SIGTERM.
 *
 *	GET  /events        an event each 50 ms, numbered on from Last-Event-ID; for ever
 *	POST /upload        at most 1 MiB into a stage of the store in DATA; answers length and checksum
 *	GET  /big/{n}       n octets of "0123456789", read where they are wanted
 *	GET  /chunks/{n}    the same, its length not told
 *	POST /late          says 413 without a look at the body
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/fiber.h"
#include "net/net.h"
#include "store/stage.h"
#include "services/web/web.h"

#define UPLOAD_MAX (1024 * 1024)
#define STAGE_MEM  (512 * 1024)

struct probe {
	struct store *store;
	struct web *web;
	struct http_server_opts opts;
	struct fiber_group conns;
	struct list_node list;
	struct fiber *main;
	bool is_draining;
};

struct probe_conn {
	struct list_node node;
	struct probe *probe;
	struct stream *stream;
	struct fiber *fiber;
	struct http_conn http;
};

static FIBER int events(void *arg, struct web_call *c, struct err *e)
{
	struct stream_bell never = {0};
	uint64_t n = 0;

	span_u64(http_events_last_id(c->x), &n);
	if (http_events_begin(c->x, 1000, e) < 0)
		return -1;
	for (;;) {
		const char *id = arena_printf(c->r->arena, "%llu", (unsigned long long)++n);
		struct http_event event = {
			.id = span_str(id), .name = SPAN("tick"), .data = span_str(id)};

		if (http_events_send(c->x, &event, e) < 0 ||
			http_events_wait(c->x, &never, loop_now_ns() + 50 * CLOCK_MS, e) < 0)
			return -1;
	}
}

static FIBER int upload(void *arg, struct web_call *c, struct err *e)
{
	struct probe *p = arg;
	struct stage *st;
	unsigned char *piece = arena_alloc(c->r->arena, 4096);
	uint64_t at = 0, sum = 0;
	size_t got;

	if (web_upload(c, p->store, UPLOAD_MAX, &st, e) < 0)
		return -1;
	while (at < stage_len(st) && stage_read(st, at, piece, 4096, &got, e) == 0 && got) {
		for (size_t i = 0; i < got; i++)
			sum = (sum * 31 + piece[i]) % 1000000007;
		at += got;
	}
	stage_free(&st);
	return http_reply(c->x, 201, "text/plain",
		span_str(arena_printf(c->r->arena, "%llu %llu\n", (unsigned long long)at,
			(unsigned long long)sum)),
		e);
}

static FIBER int digits(void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		((char *)p)[i] = (char)('0' + (offset + i) % 10);
	*got_r = n;
	return 0;
}

static FIBER int big(void *arg, struct web_call *c, struct err *e)
{
	struct http_source source = {.read = digits};

	if (!span_u64(c->captures[0], &source.size))
		return http_reply_error(c->x, 404, NULL, e);
	return http_reply_source(c->x, "text/plain", &source, e);
}

static FIBER int chunks(void *arg, struct web_call *c, struct err *e)
{
	char *piece = arena_alloc(c->r->arena, 1000);
	uint64_t n;
	size_t got;

	if (!span_u64(c->captures[0], &n))
		return http_reply_error(c->x, 404, NULL, e);
	if (http_reply_begin(c->x, 200, "text/plain", HTTP_LENGTH_UNKNOWN, e) < 0)
		return -1;
	for (uint64_t at = 0; at < n; at += got) {
		digits(NULL, at, piece, n - at < 1000 ? (size_t)(n - at) : 1000, &got, e);
		if (http_reply_write(c->x, span_of(piece, got), e) < 0)
			return -1;
	}
	return http_reply_end(c->x, e);
}

static FIBER int late(void *arg, struct web_call *c, struct err *e)
{
	return http_reply_error(c->x, 413, "Not that much.", e);
}

static FIBER int serve(void *arg)
{
	struct probe_conn *c = arg;

	c->fiber = fiber_self();
	http_server_run(c->stream, &c->probe->opts, &c->http, c->probe->web, NULL);
	stream_free(&c->stream);
	list_remove(&c->node);
	free(c);
	return 0;
}

static void stop(int signo, void *arg)
{
	struct probe *p = arg;

	p->is_draining = true;
	LIST_EACH (n, &p->list) {
		struct probe_conn *c = LIST_ITEM(n, struct probe_conn, node);

		if (c->fiber && c->http.is_idle)
			fiber_cancel(c->fiber);
	}
	fiber_cancel(p->main);
}

static FIBER int probe_main(void *arg)
{
	struct probe *p = arg;
	struct net_listen_opts listen = {.fd = -1};
	struct net_listener *l;
	struct stream *stream;
	struct err e = {0};

	p->main = fiber_self();
	fiber_group_init(&p->conns);
	list_init(&p->list);
	MUST(addr_parse(SPAN("127.0.0.1:0"), 0, &listen.addr, &e) == 0);
	l = net_listen(&listen, &e);
	MUST(l && loop_signal(loop_current(), SIGTERM, stop, p, &e) == 0);
	printf("%u\n", addr_port(net_listener_addr(l)));
	fflush(stdout);
	while (net_accept(l, p->opts.log, &stream, &e) == 0) {
		struct probe_conn *c = NEW(struct probe_conn);

		c->probe = p;
		c->stream = stream;
		list_push_back(&p->list, &c->node);
		MUST(fiber_start(&p->conns, "conn", serve, c, &e) == 0);
	}
	net_listener_free(&l);
	fiber_group_join(&p->conns);
	loop_signal(loop_current(), SIGTERM, NULL, NULL, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct log log = {0};
	struct log_sink sink = {0};
	struct probe p = {.opts = {.handle = web_handle, .log = &log}};
	struct store_opts store = {.dir = argc > 1 ? argv[1] : ".",
		.readers = 1,
		.stage_mem_max = STAGE_MEM,
		.stage_disk_max = 3 * UPLOAD_MAX,
		.log = &log};
	struct err e = {0};
	struct loop *l = loop_new_uv(&(struct loop_opts){.name = "probe"}, &e);

	signal(SIGPIPE, SIG_IGN);
	log_root(&log, &sink);
	p.store = store_open(&store, &e);
	MUST(l && p.store);
	p.web = web_new();
	p.opts.is_draining = &p.is_draining;
	http_server_limits_default(&p.opts.limits);
	web_add(p.web, &(struct web_route){NULL, "/events", WEB_GET, 0, events, NULL});
	web_add(p.web, &(struct web_route){NULL, "/upload", WEB_POST, 0, upload, &p});
	web_add(p.web, &(struct web_route){NULL, "/big/{n}", WEB_GET, 0, big, NULL});
	web_add(p.web, &(struct web_route){NULL, "/chunks/{n}", WEB_GET, 0, chunks, NULL});
	web_add(p.web, &(struct web_route){NULL, "/late", WEB_POST, 0, late, NULL});
	MUST(loop_run(l, probe_main, &p, &e) == 0);
	store_close(&p.store);
	loop_free(&l);
	web_free(&p.web);
	return 0;
}
