#include "services/host/host_priv.h"

/* The wiring of IMAP: one hub of changes a process; a watch and the sessions' room each worker. */

void host_imap_new(struct host *h)
{
	h->watch_hub = watch_hub_new(h->store);
}

void host_imap_begin(struct host_worker *w)
{
	struct host *h = w->host;
	struct imapd_opts opts = {
		.store = h->store, .auth = h->auth, .book = w->book, .log = &w->log};

	opts.watch = w->watch = watch_new(h->watch_hub);
	w->imapd = imapd_new(&opts);
}

void host_imap_end(struct host_worker *w)
{
	imapd_free(&w->imapd);
	watch_free(&w->watch);
}

static uint64_t caps_named(const struct config_texts *names)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < names->count; i++) {
		int cap = imap_cap_find(span_str(names->items[i]));

		if (cap >= 0) /* it was checked */
			caps |= UINT64_C(1) << cap;
	}
	return caps;
}

static const char *jmap_url(struct host *h, struct arena *a, const struct config *c)
{
	const char *host = c->clients.server[0] ? c->clients.server : c->hostname;
	unsigned port = host_setup_jmap(h, NULL);

	if (!port)
		return NULL;
	return port == 443 ? arena_printf(a, "https://%s/.well-known/jmap", host)
			   : arena_printf(a, "https://%s:%u/.well-known/jmap", host, port);
}

void host_imap_policy(
	struct host *h, struct arena *a, const struct config *c, struct imapd_policy *p)
{
	struct imapd_client *clients = ARENA_ARRAY(
		a, struct imapd_client, c->imap_client_count + 1);

	for (size_t i = 0; i < c->imap_client_count; i++)
		clients[i] = (struct imapd_client){
			c->imap_clients[i].name, caps_named(&c->imap_clients[i].without)};
	*p = (struct imapd_policy){.keep_expunged_ns = c->reading.keep_expunged,
		.clients = clients,
		.client_count = c->imap_client_count,
		.jmap_url = jmap_url(h, a, c)};
}

void host_imap_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct imap_server_opts *o)
{
	*o = (struct imap_server_opts){
		.hostname = c->hostname,
		.software = "Yizhan",
		.caps = imapd_caps(),
		.is_tls_implicit = l->tls == CONFIG_TLS_IMPLICIT,
		.tls = l->tls == CONFIG_TLS_NONE ? NULL : h->tls[CONFIG_IMAP],
		.log = &h->log,
		.is_draining = &h->is_draining,
	};
	imap_server_limits_default(&o->limits);
	o->limits.message_limit = IMAPD_MESSAGE_LIMIT;
	o->limits.append_octets = (uint64_t)c->limits.message_octets;
	o->caps &= ~caps_named(&l->without);
	if (!host_setup_jmap(h, NULL))
		o->caps &= ~IMAP_BIT(JMAPACCESS);
}

FIBER void host_imap_serve(struct host_conn *c, const char *refuse)
{
	struct err e = {0};

	c->imap = NULL;
	if (imapd_serve(c->worker->imapd, c->stream, &c->settings->imap[c->bound->listener],
		    &c->settings->imap_policy, refuse, &c->imap, &e) < 0)
		log_event(&c->worker->log, LOG_DEBUG, "imap.broken", LF_STR("error", e.text));
}

bool host_imap_is_busy(const struct host_conn *c)
{
	return imapd_is_busy(c->imap);
}
