#include "base/must.h"
#include "services/host/host_priv.h"

_Static_assert(CONFIG_TIMES_MAX <= QUEUE_STEPS_MAX, "every step that can be written is kept");

/* The queue's wiring: what inbound accepts goes to the shard of the loop that accepted it, reports
 * go where the router says. Floors keep inbound and queue apart; they meet here. */

static struct span double_bounces(const struct host *h)
{
	return span_str(h->config->queue.double_bounces);
}

static int dns_start(struct host *h, struct err *e)
{
	const struct config *c = h->config;
	struct dns_opts opts = {.forwarders = c->resolver.forwarders.items,
		.forwarder_count = c->resolver.forwarders.count,
		.trust_anchor_file = c->resolver.trust_anchor[0] ? c->resolver.trust_anchor : NULL,
		.hosts_file = c->resolver.hosts[0] ? c->resolver.hosts : NULL,
		.is_dnssec_off = !c->resolver.is_dnssec,
		.log = &h->log};

	h->dns = dns_new(&opts, e);
	return h->dns ? 0 : err_wrap(e, "resolver");
}

static void put_steps(const struct config_times *t, struct queue_rule *r)
{
	if (t->count == 0)
		return;
	for (size_t i = 0; i < t->count; i++)
		r->steps_ns[i] = t->items[i];
	r->step_count = t->count;
}

static void put_notices(const struct config_times *t, struct queue_rule *r)
{
	r->notice_count = 0;
	for (size_t i = 0; i < t->count && r->notice_count < QUEUE_NOTICES_MAX; i++) {
		if (t->items[i] > 0) /* "0": never */
			r->notices_ns[r->notice_count++] = t->items[i];
	}
}

static void rules_of(const struct config *c, struct queue_rules *r)
{
	struct queue_rule *normal = &r->classes[SPOOL_CLASS_NORMAL];
	struct queue_rule *report = &r->classes[SPOOL_CLASS_REPORT];
	struct queue_rule *bulk = &r->classes[SPOOL_CLASS_BULK];

	queue_rules_default(r);
	put_steps(&c->queue.retry, normal);
	put_steps(c->queue.retry_report.count ? &c->queue.retry_report : &c->queue.retry, report);
	put_steps(c->queue.retry_bulk.count ? &c->queue.retry_bulk : &c->queue.retry, bulk);
	put_notices(&c->queue.delay_notice, normal);
	put_notices(&c->queue.delay_notice_bulk, bulk);
	normal->expire_ns = c->queue.expire;
	report->expire_ns = c->queue.expire_report;
	bulk->expire_ns = c->queue.expire_bulk;
}

int64_t host_queue_expires_ns(const struct host *h, const struct spool_item *it)
{
	struct queue_rules rules;

	if (it->is_expiry_fixed || it->env.class >= SPOOL_CLASSES)
		return it->expires_ns;
	rules_of(h->settings->config, &rules);
	return queue_rule_expires_ns(
		&rules.classes[it->env.class], it->arrived_ns, it->env.release_ns);
}

void host_queue_reload(struct host *h)
{
	struct queue_rules rules;

	rules_of(h->settings->config, &rules);
	queue_rules_set(h->queue, &rules);
}

/* The router of the loop that asks. */
static struct router *router_here(void *arg)
{
	struct host *h = arg;

	for (size_t i = 0; i < h->worker_count; i++) {
		if (h->workers[i].loop == loop_current())
			return h->workers[i].router;
	}
	MUST(!"a loop without a worker");
	return NULL;
}

void host_queue_new(struct host *h)
{
	const struct config *c = h->config;
	struct queue_rules rules;
	struct queue_opts opts = {.store = h->store,
		.outbound = &h->outbound,
		.hostname = c->hostname,
		.shards = (unsigned)h->worker_count,
		.connections = (unsigned)c->queue.connections,
		.rules = &rules,
		.drain_ns = c->queue.drain_time,
		.double_bounces = double_bounces(h),
		.bounce_language = c->queue.bounce_language,
		.log = &h->log};

	struct trail_opts trail = {.store = h->store,
		.books = (unsigned)h->worker_count,
		.keep_ns = c->trail.keep,
		.talk = (enum trail_talk)c->trail.conversations,
		.log = &h->log};

	struct signer_opts sign = {
		.store = h->store, .threads = (unsigned)h->worker_count, .log = &h->log};

	struct lists_opts lists = {.store = h->store,
		.dns = &h->dns,
		.hostname = c->hostname,
		.url = c->lists.url,
		.log = &h->log,
		.router = router_here,
		.arg = h};

	h->signer = signer_new(&sign);
	h->trail = trail_new(&trail);
	opts.trail = h->trail;
	opts.signer = lists.signer = h->signer;
	h->lists = lists_new(&lists);
	opts.carriers[0] = (struct queue_carrier){"list:", lists_carry, h->lists};
	h->outbound = (struct outbound_opts){.talk = c->trail.keep ? trail.talk : TRAIL_TALK_NONE,
		.hostname = c->hostname,
		.is_loopback_allowed = c->queue.is_loopback,
		.port = (uint16_t)c->queue.port,
		.log = &h->log};
	fiber_group_init(&h->tls_keeper);
	host_road_new(h);
	rules_of(c, &rules);
	h->queue = queue_new(&opts);
}

static int begin_work(void *arg, struct err *e)
{
	struct host *h = arg;
	const char *ca_file = h->config->tls_policy.ca_file;
	struct tls_client_opts tls = {.alpn = "smtp", .ca_file = ca_file[0] ? ca_file : NULL};

	if (dns_start(h, e) < 0)
		return -1;
	if (!h->config->queue.is_tls)
		return 0;
	h->tls_client = tls_client_new(&tls, e);
	return h->tls_client ? 0 : err_wrap(e, "TLS");
}

static int policy_begin(struct host *h, struct err *e)
{
	const struct config *c = h->config;
	struct tlspolicy_opts opts = {.store = h->store,
		.dns = h->dns,
		.is_dane_off = !c->tls_policy.is_dane,
		.is_sts_off = !c->tls_policy.is_sts,
		.fetch = {.dns = h->dns,
			.ca_file = c->tls_policy.ca_file[0] ? c->tls_policy.ca_file : NULL,
			.port = (uint16_t)c->tls_policy.sts_port,
			.address = c->tls_policy.sts_address[0] ? c->tls_policy.sts_address : NULL},
		.log = &h->log};

	if (!h->tls_client)
		return 0;
	h->fetch_lane = work_lane_new("fetch", HOST_FETCH_THREADS, HOST_FETCH_WAITING);
	opts.fetch.lane = h->fetch_lane;
	h->tls_policy = tlspolicy_new(&opts);
	h->outbound.policy = h->tls_policy;
	return fiber_start(&h->tls_keeper, "tls-results", tlspolicy_keep, h->tls_policy, e);
}

FIBER void host_queue_end(struct host *h)
{
	fiber_group_cancel(&h->tls_keeper);
	fiber_group_join(&h->tls_keeper);
	if (h->tls_policy)
		tlspolicy_flush(h->tls_policy, NULL);
}

FIBER int host_queue_begin(struct host *h, struct err *e)
{
	if (work_run(h->lane, begin_work, h, e) < 0)
		return -1;
	h->outbound.dns = h->dns;
	__atomic_store_n(&h->fetch_public.dns, h->dns, __ATOMIC_RELEASE);
	h->outbound.tls = h->tls_client;
	if (policy_begin(h, e) < 0 || host_road_begin(h, e) < 0 || host_shape_begin(h, e) < 0)
		return -1;
	for (size_t i = 0; i < h->worker_count; i++)
		host_worker_tell(&h->workers[i], HOST_WORD_QUEUE, NULL);
	return 0;
}

/* After every loop has ended. */
void host_queue_free(struct host *h)
{
	if (h->queue)
		queue_free(&h->queue);
	trail_free(&h->trail);
	lists_free(&h->lists);
	signer_free(&h->signer);
	tlspolicy_free(&h->tls_policy);
	if (h->fetch_lane)
		work_lane_free(&h->fetch_lane);
	if (h->tls_client)
		tls_client_free(&h->tls_client);
	if (h->dns)
		dns_free(&h->dns);
}

FIBER int host_trail_main(void *arg)
{
	struct host_worker *w = arg;

	return trail_run(w->host->trail, w->index, NULL);
}

FIBER int host_queue_main(void *arg)
{
	struct host_worker *w = arg;
	struct err e = {0};

	while (!w->is_queue_ready && !w->is_stopping)
		fiber_cond_wait(&w->changed, CLOCK_NEVER, NULL);
	if (!w->is_queue_ready)
		return 0;
	w->is_queue_running = true;
	if (queue_run(w->host->queue, w->index, w->router, &e) < 0)
		log_event(&w->log, LOG_ERROR, "queue.failed", LF_STR("error", e.text));
	return 0;
}

static bool wants(void *arg, const struct spool_new *letter)
{
	const struct host_worker *w = arg;

	/* Before its shard runs, a letter waits in the store for the loader. */
	return w->is_queue_running && queue_wants(w->host->queue, w->index, letter);
}

static void leased(void *arg, const struct spool_new *letter)
{
	struct host_worker *w = arg;

	queue_put(w->host->queue, w->index, letter);
}

static void left(void *arg)
{
	struct host_worker *w = arg;

	queue_left(w->host->queue);
}

static struct bounce_opts bounce_opts(const struct host_worker *w)
{
	return (struct bounce_opts){.store = w->host->store,
		.hostname = w->host->config->hostname,
		.double_bounces = double_bounces(w->host),
		.language = (enum bounce_language)w->host->config->queue.bounce_language,
		.signer = w->host->signer,
		.log = &w->log};
}

static FIBER void delivered(void *arg, const struct spool_new *letter)
{
	struct host_worker *w = arg;
	struct bounce_opts opts = bounce_opts(w);

	bounce_delivered(&opts, w->router, letter);
}

static FIBER void expanded(void *arg, const struct spool_new *letter,
	const struct spool_rcpt_new *aliases, size_t count)
{
	struct host_worker *w = arg;
	struct bounce_opts opts = bounce_opts(w);

	bounce_expanded(&opts, w->router, letter, aliases, count);
}

void host_queue_wire(struct host_worker *w, struct inbound_opts *opts)
{
	opts->wants = wants;
	opts->leased = leased;
	opts->left = left;
	opts->delivered = delivered;
	opts->expanded = expanded;
	opts->trail = trail_book(w->host->trail, w->index);
	opts->arg = w;
}

FIBER int host_queue_way(struct host *h, struct arena *a, struct span destination,
	struct outbound_way **way_r, struct err *e)
{
	return outbound_way_find(&h->outbound, a, destination, way_r, e);
}

FIBER void host_queue_sites(
	struct host *h, struct arena *a, struct queue_site_info **sites_r, size_t *count_r)
{
	queue_sites(h->queue, a, sites_r, count_r);
}

void host_queue_forgive(struct host *h)
{
	queue_forgive(h->queue);
	pools_forgive(h->pools);
}

void host_queue_recall(struct host *h)
{
	queue_recall(h->queue);
}

FIBER void host_trail_flush(struct host *h)
{
	trail_flush(h->trail);
}

static void put_signer(struct host *h, struct json_out *j)
{
	struct sign_stats st;

	signer_stats(h->signer, &st);
	json_key(j, "sign");
	json_open_object(j);
	json_kv_u64(j, "messages", st.messages);
	json_kv_u64(j, "signatures", st.signatures);
	json_kv_u64(j, "unsigned", st.unsigned_messages);
	json_kv_u64(j, "failures", st.failures);
	json_close(j);
}

void host_queue_put_status(struct host *h, struct json_out *j)
{
	struct queue_stats st = {0};
	struct trail_stats tr;

	queue_stats(h->queue, &st);
	json_key(j, "queue");
	json_open_object(j);
	json_kv_u64(j, "ready", st.ready);
	json_kv_u64(j, "under_way", st.under_way);
	json_kv_u64(j, "unsettled", st.unsettled);
	json_kv_u64(j, "sites", st.sites);
	json_kv_u64(j, "connections", st.connections);
	json_kv_u64(j, "delivered", st.delivered);
	json_kv_u64(j, "deferred", st.deferred);
	json_kv_u64(j, "failed", st.failed);
	json_kv_u64(j, "reports", st.reports);
	json_close(j);
	trail_stats(h->trail, &tr);
	json_key(j, "trail");
	json_open_object(j);
	json_kv_u64(j, "written", tr.written);
	json_kv_u64(j, "pending", tr.pending);
	json_kv_u64(j, "lost", tr.lost);
	json_close(j);
	put_signer(h, j);
}
