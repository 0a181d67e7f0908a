#include "services/host/host_priv.h"

/* HTTP: what the web listeners serve, and one connection of theirs. Rooms that have pages of their own
 * register them in host_web_new. */

/* ---- what is there ---- */

static FIBER int metrics(void *arg, struct web_call *c, struct err *e)
{
	struct host *h = arg;
	const struct config_nets *nets = &h->config->http.metrics_networks;
	struct buf *b = arena_buf(c->r->arena, HOST_METRICS_MAX);

	if (!web_client_is_in(c, nets->items, nets->count))
		return http_reply_error(
			c->x, 403, "Only networks that the configuration names may look here.", e);
	if (host_metrics_put(h, b, e) < 0)
		return -1;
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply(c->x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(b), e);
}

/* The page tells people what the documents tell their programs. */
static void add_site(struct host *h)
{
	static const enum web_service_kind kinds[SETUP_PROTOCOL_COUNT] = {
		[SETUP_SUBMISSION] = WEB_SERVICE_SUBMISSION,
		[SETUP_IMAP] = WEB_SERVICE_IMAP,
		[SETUP_POP3] = WEB_SERVICE_POP3};
	struct web_service *list = ARENA_ARRAY(h->arena, struct web_service, SETUP_SERVERS_MAX);
	struct setup_facts f = {0};

	host_setup_facts(h, NULL, h->arena, &f);
	for (size_t i = 0; i < f.count; i++)
		list[i] = (struct web_service){.kind = kinds[f.servers[i].protocol],
			.port = f.servers[i].port,
			.is_tls = f.servers[i].is_implicit,
			.is_starttls = !f.servers[i].is_implicit};
	web_add_site(h->web,
		&(struct web_site){.hostname = h->config->hostname,
			.server = arena_str(h->arena, f.host),
			.services = list,
			.service_count = f.count,
			.is_draining = &h->is_draining});
}

void host_web_new(struct host *h)
{
	h->web = web_new();
	lists_web_add(h->lists, h->web);
	add_site(h);
	web_add(h->web,
		&(struct web_route){
			.path = "/metrics", .methods = WEB_GET, .handle = metrics, .arg = h});
	h->web_login = web_login_new(&(struct web_login_opts){.store = h->store,
		.auth = h->auth,
		.guard = h->guard,
		.web = h->web,
		.hostname = h->config->hostname,
		.log = &h->log,
		.lane = h->lane});
	h->image_lane = work_lane_new("images", HOST_IMAGE_THREADS, HOST_IMAGE_WAITING);
	h->fetch_public = (struct fetch_public){.lane = h->image_lane,
		.agent = HOST_IMAGE_AGENT,
		.ca_file = h->config->tls_policy.ca_file[0] ? h->config->tls_policy.ca_file : NULL,
		.allowed = h->config->http.image_networks.items,
		.allowed_count = h->config->http.image_networks.count};
	h->web_image = web_image_new(&(struct web_image_opts){
		.web = h->web, .login = h->web_login, .fetch = &h->fetch_public, .log = &h->log});
	host_acme_web(h);
	host_setup_web(h);
	/* last: what stands for all of /mail would take what programs ask there */
	web_add_page(h->web,
		&(struct web_page_opts){
			.login = h->web_login, .lane = h->lane, .dir = h->opts->web_dir});
	host_jmap_new(h);
}

/* Tests that look at all routes learn them here. */
void host_web_tell(const struct host *h)
{
	const struct web_route *r;

	for (size_t i = 0; (r = web_route_at(h->web, i)); i++) {
		struct buf *methods = arena_buf(h->arena, 128);

		for (int m = 0; m < HTTP_METHOD_COUNT; m++)
			if (r->methods & HTTP_BIT(m))
				buf_printf(methods, "%s%s", buf_len(methods) ? "," : "",
					http_method_str((enum http_method)m));
		log_event(&h->log, LOG_DEBUG, "web.route", LF_STR("path", r->path),
			LF_STR("host", r->host ? r->host : ""), LF("methods", buf_span(methods)));
	}
}

/* ---- how it is served ---- */

void host_web_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct http_server_opts *o)
{
	*o = (struct http_server_opts){
		.is_tls_implicit = l->tls == CONFIG_TLS_IMPLICIT,
		.tls = h->tls[CONFIG_HTTP],
		.proxies = c->http.proxies.items,
		.proxy_count = c->http.proxies.count,
		.proxy_field = c->http.proxy_field ? HTTP_PROXY_FORWARDED : HTTP_PROXY_X_FORWARDED,
		.hsts_sec = c->http.hsts / CLOCK_SEC,
		.log = &h->log,
		.is_draining = &h->is_draining,
		.handle = web_handle,
		.error_page = web_error_page,
	};
	http_server_limits_default(&o->limits);
	o->limits.head_ns = c->http.head_time;
	o->limits.idle_ns = c->http.idle_time;
}

FIBER void host_web_serve(struct host_conn *c, const char *refuse)
{
	const struct http_server_opts *o = &c->settings->http[c->bound->listener];
	struct err e = {0};

	if (refuse) {
		/* no handshake for somebody who is sent away */
		if (!o->is_tls_implicit)
			stream_put(c->stream, HOST_WEB_FULL);
		return;
	}
	if (http_server_run(c->stream, o, &c->http, c->worker->host->web, &e) < 0)
		log_event(&c->worker->log, LOG_DEBUG, "http.broken", LF_STR("error", e.text));
}

bool host_web_is_busy(const struct host_conn *c)
{
	return !c->http.is_idle;
}
