#include "services/host/host_priv.h"

/* What mail programs are told of this server: its own listeners. */

static void add_server(struct setup_facts *f, struct setup_server *servers, int protocol, int tls,
	const struct addr *at)
{
	static const enum setup_protocol known[CONFIG_PROTOCOLS] = {
		[CONFIG_SUBMISSION] = SETUP_SUBMISSION,
		[CONFIG_IMAP] = SETUP_IMAP,
		[CONFIG_POP3] = SETUP_POP3};
	struct setup_server s = {.protocol = known[protocol],
		.port = addr_port(at),
		.is_implicit = tls == CONFIG_TLS_IMPLICIT};

	/* nobody is told of a password in clear */
	if (!host_conn_logs_in(protocol) || tls == CONFIG_TLS_NONE || !addr_is_ip(at) || !s.port)
		return;
	/* a listener may have several addresses; programs are told of one */
	for (size_t i = 0; i < f->count; i++) {
		if (servers[i].protocol == s.protocol && servers[i].is_implicit == s.is_implicit)
			return;
	}
	if (f->count < SETUP_SERVERS_MAX)
		servers[f->count++] = s;
}

static void add_configured(
	struct setup_facts *f, struct setup_server *servers, const struct config_listener *l)
{
	for (size_t i = 0; i < l->addresses.count; i++) {
		struct addr at;

		if (addr_parse(span_str(l->addresses.items[i]), config_port(l), &at, NULL) == 0)
			add_server(f, servers, l->protocol, l->tls, &at);
	}
}

void host_setup_facts(
	const struct host *h, const struct config *c, struct arena *a, struct setup_facts *f)
{
	struct setup_server *servers = ARENA_ARRAY(a, struct setup_server, SETUP_SERVERS_MAX);
	const struct config *config = h ? h->config : c;

	f->servers = servers;
	f->count = 0;
	f->host = f->title = SPAN_NONE;
	if (!config)
		return;
	for (size_t i = 0; h && i < h->bound_count; i++)
		add_server(f, servers, h->bounds[i].protocol, h->bounds[i].tls, &h->bounds[i].addr);
	for (size_t i = 0; !h && i < config->listener_count; i++)
		add_configured(f, servers, &config->listeners[i]);
	f->host = span_str(config->clients.server[0] ? config->clients.server : config->hostname);
	f->title = span_str(config->clients.title);
	f->jmap_port = host_setup_jmap(h, config);
}

uint16_t host_setup_jmap(const struct host *h, const struct config *c)
{
	for (size_t i = 0; h && i < h->bound_count; i++)
		if (h->bounds[i].protocol == CONFIG_HTTP &&
			h->bounds[i].tls == CONFIG_TLS_IMPLICIT && addr_is_ip(&h->bounds[i].addr))
			return addr_port(&h->bounds[i].addr);
	for (size_t i = 0; !h && c && i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		struct addr at;

		if (l->protocol == CONFIG_HTTP && l->tls == CONFIG_TLS_IMPLICIT &&
			l->addresses.count &&
			addr_parse(span_str(l->addresses.items[0]), config_port(l), &at, NULL) == 0)
			return addr_port(&at);
	}
	return 0;
}

bool host_setup_is_served(const struct host *h, const struct config *c)
{
	const struct config *config = h ? h->config : c;

	for (size_t i = 0; config && i < config->listener_count; i++) {
		if (config->listeners[i].protocol == CONFIG_HTTP)
			return true;
	}
	return false;
}
