#include <stdio.h>
#include <sys/resource.h>

#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

/* The server's counters in Prometheus' text exposition format, version 0.0.4: one family after the other,
 * each with its help and type. Names are for ever: dashboards stand on them. */

struct metrics {
	struct buf *b;
	const char *name; /* of the family at hand */
};

static void family(struct metrics *m, const char *name, const char *type, const char *help)
{
	m->name = name;
	buf_printf(m->b, "# HELP yizhan_%s %s\n# TYPE yizhan_%s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line feed are escaped. */
static void put_label(struct buf *b, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (c == '\n')
			buf_str(b, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else
			buf_char(b, c);
	}
}

static void sample(struct metrics *m, const char *label, struct span value, uint64_t n)
{
	buf_printf(m->b, "yizhan_%s", m->name);
	if (label) {
		buf_printf(m->b, "{%s=\"", label);
		put_label(m->b, value);
		buf_str(m->b, "\"}");
	}
	buf_printf(m->b, " %llu\n", (unsigned long long)n);
}

static void counter(struct metrics *m, const char *name, const char *help, uint64_t n)
{
	family(m, name, "counter", help);
	sample(m, NULL, SPAN_NONE, n);
}

static void gauge(struct metrics *m, const char *name, const char *help, uint64_t n)
{
	family(m, name, "gauge", help);
	sample(m, NULL, SPAN_NONE, n);
}

static void put_process(struct metrics *m, const struct host *h)
{
	struct rusage r = {0};

	getrusage(RUSAGE_SELF, &r);
	family(m, "build_info", "gauge", "The version that runs.");
	sample(m, "version", SPAN(YIZHAN_VERSION), 1);
	gauge(m, "start_time_seconds", "When the server was started, since 1970.",
		(uint64_t)(h->started_wall_ns / CLOCK_SEC));
	gauge(m, "threads", "Loop threads.", h->worker_count);
	family(m, "cpu_milliseconds_total", "counter", "Processor time of the process.");
	sample(m, "mode", SPAN("user"),
		(uint64_t)r.ru_utime.tv_sec * 1000 + (uint64_t)r.ru_utime.tv_usec / 1000);
	sample(m, "mode", SPAN("system"),
		(uint64_t)r.ru_stime.tv_sec * 1000 + (uint64_t)r.ru_stime.tv_usec / 1000);
	gauge(m, "resident_bytes_max", "The most memory that was resident.",
		(uint64_t)r.ru_maxrss * 1024);
	counter(m, "log_dropped_total", "Log events that found no room.",
		log_thread_dropped(h->log_thread));
}

/* When each ends: what an alarm is set on. */
static void put_certificates(struct metrics *m, struct host *h)
{
	struct arena *a = arena_new();
	struct tls_ring_cert *list;
	size_t count = tls_ring_certs(h->tls_ring, a, &list);

	family(m, "certificate_expires_seconds", "gauge", "When a certificate ends, since 1970.");
	for (size_t i = 0; i < count; i++)
		sample(m, "certificate", span_str(list[i].label),
			list[i].cert.not_after > 0 ? (uint64_t)list[i].cert.not_after : 0);
	arena_free(&a);
}

static void put_inbound(struct metrics *m, struct host *h)
{
	uint64_t connections;
	struct inbound_counters sum = host_inbound_sum(h, &connections);

	counter(m, "connections_total", "Connections taken.", connections);
	counter(m, "connections_refused_total", "Connections refused by a limit.",
		(uint64_t)__atomic_load_n(&h->admit.refused, __ATOMIC_RELAXED));
	family(m, "connections", "gauge", "Connections now.");
	for (size_t i = 0; i < h->config->listener_count; i++)
		sample(m, "listener", span_str(h->config->listeners[i].name),
			(uint64_t)__atomic_load_n(&h->admit.listeners[i], __ATOMIC_RELAXED));
	counter(m, "messages_accepted_total", "Messages accepted.", sum.messages);
	counter(m, "octets_accepted_total", "Octets of them.", sum.octets);
	family(m, "recipients_accepted_total", "counter", "Recipients accepted.");
	sample(m, "kind", SPAN("local"), sum.recipients_local);
	sample(m, "kind", SPAN("remote"), sum.recipients_remote);
	counter(m, "recipients_refused_total", "Recipients refused.", sum.refused_recipients);
	counter(m, "messages_refused_total", "Messages refused at their end.",
		sum.refused_messages);
}

static void put_auth(struct metrics *m, struct host *h)
{
	struct auth_counters c;

	auth_counters(h->auth, &c);
	counter(m, "logins_total", "Logins.", c.good);
	counter(m, "logins_wrong_total", "Logins with wrong credentials.", c.wrong);
	counter(m, "logins_refused_total", "Logins that the guard had wait.", c.refused);
	counter(m, "logins_cached_total", "Passwords that were found right lately.", c.cached);
	counter(m, "passwords_derived_total", "Keys derived from passwords.", c.derived);
}

static void put_pop3(struct metrics *m, const struct host *h)
{
	struct pop3d_counters c;

	pop3d_counters(h->pop3d, &c);
	counter(m, "pop3_sessions_total", "Connections of POP3 that were taken.", c.sessions);
	counter(m, "pop3_logins_total", "Logins by POP3.", c.logins);
	gauge(m, "pop3_open", "Mailboxes that are open by POP3.", c.open);
	counter(m, "pop3_retrieved_total", "Messages that were retrieved by POP3.", c.retrieved);
	counter(m, "pop3_retrieved_octets_total", "Octets of them.", c.octets);
	counter(m, "pop3_removed_total", "Messages that were removed by POP3.", c.removed);
}

static void put_submission(struct metrics *m, struct host *h)
{
	struct submission_counters c;

	submission_counters(h->submission, &c);
	counter(m, "submissions_total", "Messages of our own people that were accepted.",
		c.accepted);
	counter(m, "submissions_not_theirs_total",
		"Addresses that somebody wanted to write as and may not.", c.refused_senders);
	family(m, "submissions_limited_total", "counter", "What was refused beyond a rate.");
	sample(m, "kind", SPAN("messages"), c.limited_messages);
	sample(m, "kind", SPAN("recipients"), c.limited_recipients);
	gauge(m, "submission_accounts", "Accounts of which something is counted.", c.accounts);
}

static void put_guard(struct metrics *m, struct host *h)
{
	struct guard_counters c;

	guard_counters(h->guard, &c);
	counter(m, "login_failures_total", "Failed logins that count.", c.failures);
	counter(m, "login_failures_repeated_total", "The same wrong password again.", c.repeated);
	counter(m, "login_waits_total", "Logins that had to come later.", c.waits);
	counter(m, "bans_total", "Networks banned for failed logins.", c.bans);
	counter(m, "connections_banned_total", "Connections refused by a ban.", c.refused);
	gauge(m, "bans", "Bans and allowances now.", c.rules);
	gauge(m, "guard_networks", "Networks that the guard remembers.", c.networks);
	gauge(m, "guard_accounts", "Accounts that the guard remembers.", c.accounts);
}

static void put_queue(struct metrics *m, struct host *h, const struct store_stats *st)
{
	struct queue_stats q = {0};

	queue_stats(h->queue, &q);
	gauge(m, "queue_messages", "Messages in the queue.", st->queue_messages);
	gauge(m, "queue_recipients", "Recipients in the queue.", st->queue_rcpts);
	family(m, "queue_parcels", "gauge", "Letters in memory, one for each destination.");
	sample(m, "state", SPAN("ready"), q.ready);
	sample(m, "state", SPAN("under_way"), q.under_way);
	sample(m, "state", SPAN("unsettled"), q.unsettled);
	gauge(m, "queue_sites", "Destinations in memory.", q.sites);
	gauge(m, "queue_connections", "Connections to next hops.", q.connections);
	family(m, "deliveries_total", "counter", "What became of recipients that were tried.");
	sample(m, "result", SPAN("delivered"), q.delivered);
	sample(m, "result", SPAN("deferred"), q.deferred);
	sample(m, "result", SPAN("failed"), q.failed);
	counter(m, "reports_total", "Reports made to senders.", q.reports);
}

static void put_store(struct metrics *m, const struct host *h, const struct store_stats *st)
{
	struct trail_stats t;

	trail_stats(h->trail, &t);
	gauge(m, "mailbox_messages", "Messages in mailboxes.", st->messages);
	gauge(m, "store_bytes", "Size of the store.", st->db_bytes);
	gauge(m, "store_wal_bytes", "Size of its log.", st->wal_bytes);
	counter(m, "store_commits_total", "Commits.", st->commits);
	counter(m, "store_closures_total", "Changes; many share a commit.", st->closures);
	gauge(m, "store_last_commit_microseconds", "How long the last commit took.",
		(uint64_t)(st->last_commit_ns / CLOCK_US));
	gauge(m, "stage_memory_bytes", "Memory of messages on their way in.", st->stage_mem);
	gauge(m, "stage_disk_bytes", "Disk of messages on their way in.", st->stage_disk);
	counter(m, "trail_events_total", "Events of the station log.", t.written);
	counter(m, "trail_lost_total", "Events that it had no room for.", t.lost);
}

static void put_reading(struct metrics *m, const struct host *h)
{
	struct indexer_stats s;

	indexer_stats(h->indexer, &s);
	counter(m, "facts_made_total", "Messages whose facts were made behind the mail.", s.facts);
	gauge(m, "facts_missing", "Messages that wait for their facts.", s.missing_facts);
	counter(m, "search_documents_total", "Messages that were indexed.", s.documents);
	gauge(m, "search_documents_missing", "Messages that search does not know yet.",
		s.missing_documents);
	counter(m, "indexer_busy_microseconds_total", "Time spent on them.",
		(uint64_t)(s.busy_ns / CLOCK_US));
}

FIBER int host_metrics_put(struct host *h, struct buf *b, struct err *e)
{
	struct store_stats st = {0};
	struct metrics m = {.b = b};

	if (store_stats(h->store, &st, e) < 0)
		return -1;
	put_process(&m, h);
	put_certificates(&m, h);
	put_inbound(&m, h);
	put_auth(&m, h);
	put_submission(&m, h);
	put_pop3(&m, h);
	put_guard(&m, h);
	put_queue(&m, h, &st);
	put_store(&m, h, &st);
	put_reading(&m, h);
	if (!buf_ok(b))
		return err_set(e, ERR_LIMIT, "more metrics than there is room for");
	return 0;
}

FIBER int op_metrics(struct ops_call *c, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, HOST_METRICS_MAX);
	rc = host_metrics_put(c->ctx->host, &b, e);
	if (rc == 0) {
		json_kv_span(ops_row(c), "text", buf_span(&b));
		rc = ops_row_end(c, e);
	}
	buf_fini(&b);
	return rc;
}
