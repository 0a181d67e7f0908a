#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/proxy.h"
#include "services/host/host_priv.h"

static bool nets_have(const struct config_nets *nets, const struct addr *a)
{
	for (size_t i = 0; i < nets->count; i++) {
		if (addr_net_has(&nets->items[i], a))
			return true;
	}
	return false;
}

/* Behind a proxy the real addresses come first. */
static FIBER int conn_proxy(struct host_conn *c, struct err *e)
{
	const struct config_listener *l = c->listener;

	if (!l->proxy_networks.count || !nets_have(&l->proxy_networks, &c->stream->peer))
		return 0;
	stream_set_timeout(c->stream, HOST_PROXY_NS);
	return proxy_read(c->stream, e);
}

static FIBER void serve_mail(struct host_conn *c, const char *refuse)
{
	struct err e = {0};

	inbound_conn_init(&c->inbound, c->worker->inbound, &c->settings->policy,
		c->listener->is_relay, c->listener->is_filtered);
	c->inbound.refuse = refuse;
	if (smtp_server_run(c->stream, &c->settings->smtp[c->bound->listener], &inbound_decider,
		    &c->inbound, &e) < 0)
		log_event(&c->worker->log, LOG_DEBUG, "smtp.in.broken", LF_STR("error", e.text));
}

static bool is_mail_busy(const struct host_conn *c)
{
	return c->inbound.txn != NULL;
}

#define SMTP_FULL SPAN("421 4.3.2 Too many connections, try again later\r\n")

/* A protocol that stands here is served. */
static const struct host_service conn_services[CONFIG_PROTOCOLS] = {
	[CONFIG_SMTP] = {serve_mail, is_mail_busy, SMTP_FULL},
	[CONFIG_LMTP] = {serve_mail, is_mail_busy, SMTP_FULL},
	[CONFIG_SUBMISSION] = {host_submission_serve, is_mail_busy, SMTP_FULL, .is_login = true},
	[CONFIG_IMAP] = {host_imap_serve, host_imap_is_busy, HOST_IMAP_FULL, .is_login = true},
	[CONFIG_HTTP] = {host_web_serve, host_web_is_busy, HOST_WEB_FULL},
	[CONFIG_POP3] = {host_pop3_serve, host_pop3_is_busy, HOST_POP3_FULL, .is_login = true},
};

bool host_conn_serves(int protocol)
{
	return conn_services[protocol].serve != NULL;
}

bool host_conn_logs_in(int protocol)
{
	return conn_services[protocol].is_login;
}

static const struct host_service *service_of(const struct host_bound *b)
{
	return &conn_services[b->protocol];
}

/* Whoever is banned hears it, and takes no place of others. Behind a proxy it is the client that counts. */
static FIBER bool conn_is_banned(struct host_conn *c)
{
	const struct host_service *service = service_of(c->bound);
	struct guard *guard = c->worker->host->guard;
	struct buf why;
	bool is_banned;

	buf_init(&why, HOST_REFUSAL_MAX);
	is_banned = !guard_admits(guard, &c->stream->peer, service->is_login, &why);
	if (is_banned)
		service->serve(c, buf_cstr(&why));
	buf_fini(&why);
	return is_banned;
}

/* Whom the listener is for. LMTP asks nobody who he is: without a word it is for this machine. */
static bool may_connect(const struct host_conn *c)
{
	const struct config_nets *nets = &c->listener->networks;
	const struct addr *peer = &c->stream->peer;

	if (!addr_is_ip(peer))
		return true;
	return nets->count ? nets_have(nets, peer)
			   : c->bound->protocol != CONFIG_LMTP || addr_is_loopback(peer);
}

static FIBER void conn_serve(struct host_conn *c)
{
	struct host *h = c->worker->host;
	struct host_settings *s = c->settings;
	struct err e = {0};
	bool is_free;

	if (conn_proxy(c, &e) < 0) {
		log_event(&c->worker->log, LOG_WARN, "host.proxy", LF_STR("error", e.text));
		return;
	}
	if (conn_is_banned(c))
		return;
	if (!may_connect(c)) {
		service_of(c->bound)->serve(c, "This listener is not for your network");
		return;
	}
	is_free = nets_have(&s->config->relay_networks, &c->stream->peer);
	const char *refuse = host_admit_enter(
		&h->admit, s, c->bound->listener, &c->stream->peer, is_free);

	service_of(c->bound)->serve(c, refuse);
	if (!refuse)
		host_admit_leave(&h->admit, c->bound->listener, &c->stream->peer, is_free);
}

static FIBER int conn_main(void *arg)
{
	struct host_conn *c = arg;

	c->fiber = fiber_self();
	conn_serve(c);
	stream_set_timeout(c->stream, HOST_CLOSE_NS);
	stream_shutdown(c->stream, NULL);
	stream_free(&c->stream);
	list_remove(&c->node);
	host_settings_unref(&c->settings);
	free(c);
	return 0;
}

/* No stack for a fiber: one line that fits every client of the protocol, then close. Nobody waits for it. */
static void conn_refuse(struct host_worker *w, const struct host_bound *b, struct stream **stream)
{
	struct span line = service_of(b)->full;

	if (line.len && b->tls != CONFIG_TLS_IMPLICIT && net_fd(*stream) >= 0)
		(void)!send(net_fd(*stream), line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	stream_free(stream);
	__atomic_add_fetch(&w->host->admit.refused, 1, __ATOMIC_RELAXED);
}

static void conn_start(struct host_worker *w, const struct host_bound *b, struct stream *stream)
{
	struct host_conn *c = NEW(struct host_conn);
	struct err e = {0};

	c->worker = w;
	c->bound = b;
	c->stream = stream;
	c->settings = host_settings_ref(w->settings);
	c->listener = &c->settings->config->listeners[b->listener];
	list_push_back(&w->conn_list, &c->node);
	w->connections++;
	if (fiber_start(&w->conns, b->name, conn_main, c, &e) == 0)
		return;
	log_event(&w->log, LOG_WARN, "host.connection.refused", LF_STR("error", e.text));
	list_remove(&c->node);
	conn_refuse(w, b, &c->stream);
	host_settings_unref(&c->settings);
	free(c);
}

FIBER int host_accept_main(void *arg)
{
	struct host_acceptor *a = arg;
	struct host_worker *w = a->worker;
	struct host_bound *b = a->bound;
	struct net_listen_opts opts = {.fd = b->fds[w->index]};
	struct err e = {0};
	struct net_listener *l = net_listen(&opts, &e);
	struct stream *stream = NULL;

	free(a);
	if (!l) {
		log_event(&w->log, LOG_ERROR, "host.listen.failed", LF_STR("error", e.text));
		return -1;
	}
	b->fds[w->index] = -1; /* the listener's now */
	while (net_accept(l, &w->log, &stream, &e) == 0)
		conn_start(w, b, stream);
	net_listener_free(&l);
	return 0;
}

/* Those that wait for a command hear 421 now; those within a message may finish it. */
void host_conn_drain(struct host_worker *w)
{
	LIST_EACH (n, &w->conn_list) {
		struct host_conn *c = LIST_ITEM(n, struct host_conn, node);

		if (c->fiber && !service_of(c->bound)->is_busy(c))
			fiber_cancel(c->fiber);
	}
}
