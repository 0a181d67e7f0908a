#include <stdlib.h>
#include <sys/resource.h>

#include "services/host/host_priv.h"

/* Some descriptors must stay for the store, for reading and for going out. */
static int64_t connections_max(const struct host *h, const struct config *c)
{
	struct rlimit r = {0};
	int64_t max = c->limits.connections;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
		int64_t fds = (int64_t)r.rlim_cur - (int64_t)r.rlim_cur / 10 - HOST_FDS_RESERVED -
			(int64_t)(h->bound_count * h->worker_count);

		if (fds < 4)
			fds = 4;
		if (max > fds)
			max = fds;
	}
	return max;
}

static void smtp_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct smtp_server_opts *o)
{
	*o = (struct smtp_server_opts){
		.hostname = c->hostname,
		.software = "Yizhan",
		.newlines = c->newlines ? SMTP_NEWLINES_NORMALISE : SMTP_NEWLINES_REFUSE,
		.is_lmtp = l->protocol == CONFIG_LMTP,
		.is_tls_implicit = l->tls == CONFIG_TLS_IMPLICIT,
		.tls = l->tls == CONFIG_TLS_NONE ? NULL : h->tls[l->protocol],
		.log = &h->log,
		.is_draining = &h->is_draining,
	};
	smtp_server_limits_default(&o->limits);
	o->limits.command_line = (size_t)c->limits.command_line;
	o->limits.text_line = (size_t)c->limits.text_line;
	o->limits.message_octets = (uint64_t)c->limits.message_octets;
	o->limits.recipients = (size_t)c->limits.recipients;
	o->limits.transactions = (size_t)c->limits.transactions;
	o->limits.errors_soft = (unsigned)c->limits.errors_soft;
	o->limits.errors_hard = (unsigned)c->limits.errors_hard;
	o->limits.errors_delay_ns = c->limits.errors_delay;
	o->limits.junk_commands = (unsigned)c->limits.junk_commands;
	o->limits.command_ns = c->limits.command_time;
	o->limits.data_ns = c->limits.data_time;
	o->limits.session_ns = c->limits.session_time;
	o->limits.hold_max_ns = c->queue.hold_max;
	o->limits.by_min_seconds = c->queue.deliver_by_min / CLOCK_SEC;
}

/* How a letter of the drop directory is heard: as on a Unix socket, and mistakes cost no time. */
static void drop_opts(struct host *h, const struct config *c, struct smtp_server_opts *o)
{
	static const struct config_listener l = {
		.name = "maildrop", .protocol = CONFIG_SUBMISSION, .tls = CONFIG_TLS_NONE};

	smtp_opts(h, c, &l, o);
	o->newlines = SMTP_NEWLINES_NORMALISE;
	o->limits.errors_soft = o->limits.errors_hard = DROP_RCPTS_MAX + 10;
	o->limits.recipients = DROP_RCPTS_MAX;
}

/* Takes over the caller's reference to `c`. */
struct host_settings *host_settings_new(struct host *h, struct config *c)
{
	struct arena *arena = arena_new();
	struct host_settings *s = ARENA_NEW(arena, struct host_settings);

	s->arena = arena;
	s->refs = 1;
	s->config = c;
	s->policy = (struct inbound_policy){
		.relay_networks = c->relay_networks.items,
		.relay_network_count = c->relay_networks.count,
		.received_max = (unsigned)c->limits.received,
		.is_quota_refused = c->accounts.over_quota == 1,
		.folder_separator = c->has_folders ? c->separator[0] : 0,
		.expire_ns = {[SPOOL_CLASS_NORMAL] = c->queue.expire,
			[SPOOL_CLASS_REPORT] = c->queue.expire_report,
			[SPOOL_CLASS_BULK] = c->queue.expire_bulk},
		.is_hold = c->queue.is_hold,
	};
	host_submission_policy(c, &s->submission);
	s->policy.filter_networks = c->filter.networks.items;
	s->policy.filter_network_count = c->filter.networks.count;
	s->policy.filter_key = span_of(h->filter_secret, sizeof(h->filter_secret));
	MUST(host_filter_hop(arena, c, &s->policy.filter, NULL) == 0); /* it was checked */
	s->policy.bypass = c->filter.on_failure ? h->pools : NULL;
	pools_watch(h->pools, s->policy.filter);
	s->connections_max = connections_max(h, c);
	s->smtp = ARENA_ARRAY(arena, struct smtp_server_opts, c->listener_count + 1);
	for (size_t i = 0; i < c->listener_count; i++)
		smtp_opts(h, c, &c->listeners[i], &s->smtp[i]);
	s->http = ARENA_ARRAY(arena, struct http_server_opts, c->listener_count + 1);
	for (size_t i = 0; i < c->listener_count; i++)
		host_web_opts(h, c, &c->listeners[i], &s->http[i]);
	s->pop3 = ARENA_ARRAY(arena, struct pop3_server_opts, c->listener_count + 1);
	for (size_t i = 0; i < c->listener_count; i++)
		host_pop3_opts(h, c, &c->listeners[i], &s->pop3[i]);
	host_pop3_policy(c, &s->pop3_policy);
	s->imap = ARENA_ARRAY(arena, struct imap_server_opts, c->listener_count + 1);
	for (size_t i = 0; i < c->listener_count; i++)
		host_imap_opts(h, c, &c->listeners[i], &s->imap[i]);
	host_imap_policy(h, arena, c, &s->imap_policy);
	drop_opts(h, c, &s->smtp[c->listener_count]);
	s->drop_smtp = &s->smtp[c->listener_count];
	return s;
}

struct host_settings *host_settings_ref(struct host_settings *s)
{
	MUST(__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED) > 0);
	return s;
}

void host_settings_unref(struct host_settings **s)
{
	struct host_settings *was = *s;

	*s = NULL;
	if (!was)
		return;
	int left = __atomic_sub_fetch(&was->refs, 1, __ATOMIC_ACQ_REL);
	MUST(left >= 0);
	if (left)
		return;
	struct arena *arena = was->arena;
	config_unref(&was->config);
	arena_free(&arena);
}
