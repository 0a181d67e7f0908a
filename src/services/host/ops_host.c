#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

/* What only the host can tell: its counters, its fibers. */

struct inbound_counters host_inbound_sum(const struct host *h, uint64_t *connections_r)
{
	struct inbound_counters sum = {0};
	uint64_t connections = 0;

	/* Each counter is written by one thread; read without a lock it is a moment old. */
	for (size_t i = 0; i < h->worker_count; i++) {
		const struct inbound *in = __atomic_load_n(
			&h->workers[i].inbound, __ATOMIC_ACQUIRE);
		const struct inbound_counters *c = in ? inbound_counters(in) : NULL;

		connections += __atomic_load_n(&h->workers[i].connections, __ATOMIC_RELAXED);
		if (!c)
			continue;
		sum.messages += __atomic_load_n(&c->messages, __ATOMIC_RELAXED);
		sum.octets += __atomic_load_n(&c->octets, __ATOMIC_RELAXED);
		sum.recipients_local += __atomic_load_n(&c->recipients_local, __ATOMIC_RELAXED);
		sum.recipients_remote += __atomic_load_n(&c->recipients_remote, __ATOMIC_RELAXED);
		sum.refused_recipients += __atomic_load_n(&c->refused_recipients, __ATOMIC_RELAXED);
		sum.refused_messages += __atomic_load_n(&c->refused_messages, __ATOMIC_RELAXED);
	}
	*connections_r = connections;
	return sum;
}

static void put_workers(struct host *h, struct json_out *j)
{
	uint64_t connections;
	struct inbound_counters sum = host_inbound_sum(h, &connections);

	json_key(j, "inbound");
	json_open_object(j);
	json_kv_u64(j, "connections", connections);
	json_kv_i64(j, "connections_now", __atomic_load_n(&h->admit.total, __ATOMIC_RELAXED));
	json_kv_i64(j, "connections_refused", __atomic_load_n(&h->admit.refused, __ATOMIC_RELAXED));
	json_kv_u64(j, "messages", sum.messages);
	json_kv_u64(j, "octets", sum.octets);
	json_kv_u64(j, "recipients_local", sum.recipients_local);
	json_kv_u64(j, "recipients_remote", sum.recipients_remote);
	json_kv_u64(j, "refused_recipients", sum.refused_recipients);
	json_kv_u64(j, "refused_messages", sum.refused_messages);
	json_close(j);
}

void host_put_status(struct host *h, struct json_out *j)
{
	struct host_place place;
	struct buf b;

	json_kv_i64(j, "pid", getpid());
	ops_put_time(j, "started_at", h->started_wall_ns);
	json_kv_i64(j, "uptime_s", (loop_now_ns() - h->started_mono_ns) / CLOCK_SEC);
	json_kv_u64(j, "threads", h->worker_count);
	json_kv_str(j, "hostname", h->config->hostname);
	buf_init(&b, 1024);
	json_key(j, "listeners");
	json_open_array(j);
	for (size_t i = 0; host_place(h, i, &place); i++) {
		json_open_object(j);
		json_kv_str(j, "name", place.listener);
		buf_clear(&b);
		addr_put(&b, place.addr);
		json_kv_span(j, "address", buf_span(&b));
		json_kv_i64(j, "connections",
			__atomic_load_n(
				&h->admit.listeners[h->bounds[i].listener], __ATOMIC_RELAXED));
		json_close(j);
	}
	json_close(j);
	buf_fini(&b);
	put_workers(h, j);
	host_auth_put_status(h, j);
	host_submission_put_status(h, j);
	host_pop3_put_status(h, j);
	host_guard_put_status(h, j);
	host_queue_put_status(h, j);
	host_road_put_status(h, j);
	host_tls_put_status(h, j);
	json_kv_u64(j, "log_dropped", log_thread_dropped(h->log_thread));
}

struct span host_spki(struct host *h, struct arena *a)
{
	struct tls_cert *certs;

	if (!tls_ring_for(h->tls_ring, span_str(h->config->hostname), a, &certs))
		return SPAN_NONE;
	return span_str(certs[0].spki_sha256);
}

/* What stands beside messages for those who read them (docs/reading.md). */
static void put_reading(struct indexer *x, struct json_out *j)
{
	struct indexer_stats s;

	indexer_stats(x, &s);
	json_key(j, "reading");
	json_open_object(j);
	json_kv_u64(j, "facts_made", s.facts);
	json_kv_u64(j, "facts_missing", s.missing_facts);
	json_kv_u64(j, "documents_made", s.documents);
	json_kv_u64(j, "documents_missing", s.missing_documents);
	json_kv_bool(j, "resting", s.is_resting);
	json_close(j);
}

FIBER int op_status(struct ops_call *c, struct err *e)
{
	struct store_stats st = {0};

	if (store_stats(c->ctx->store, &st, e) < 0)
		return -1;
	struct json_out *j = ops_row(c);

	json_kv_str(j, "version", YIZHAN_VERSION);
	json_kv_bool(j, "running", c->ctx->host != NULL);
	json_kv_str(j, "data", c->ctx->data);
	if (c->ctx->host)
		host_put_status(c->ctx->host, j);
	json_key(j, "store");
	json_open_object(j);
	json_kv_u64(j, "messages", st.messages);
	json_kv_u64(j, "queue_messages", st.queue_messages);
	json_kv_u64(j, "queue_recipients", st.queue_rcpts);
	json_kv_u64(j, "bytes", st.db_bytes);
	json_kv_u64(j, "wal_bytes", st.wal_bytes);
	json_kv_u64(j, "commits", st.commits);
	json_kv_u64(j, "closures", st.closures);
	json_kv_i64(j, "last_commit_us", st.last_commit_ns / CLOCK_US);
	json_kv_u64(j, "stage_memory", st.stage_mem);
	json_kv_u64(j, "stage_disk", st.stage_disk);
	json_close(j);
	if (c->ctx->host)
		put_reading(c->ctx->host->indexer, j);
	return ops_row_end(c, e);
}

FIBER int op_reload(struct ops_call *c, struct err *e)
{
	return host_reload(c->ctx->host, e);
}

/* ---- fibers: each loop lists its own, then they are told one after the other ---- */

#define FIBERS_TOLD_MAX 2000 /* of one loop */

struct fiber_line {
	char name[FIBER_NAME_MAX];
	struct fiber_info info;
};
struct fiber_list {
	struct loop_msg msg; /* first */
	struct fiber_call call;
	size_t count, total;
	struct fiber_line *lines;
};

static void list_one(const struct fiber_info *info, void *arg)
{
	struct fiber_list *l = arg;

	l->total++;
	if (l->count == FIBERS_TOLD_MAX)
		return;
	struct fiber_line *line = &l->lines[l->count++];
	struct span name = span_sub(span_str(info->name), 0, sizeof(line->name) - 1);

	line->info = *info;
	memcpy(line->name, name.ptr, name.len);
	line->name[name.len] = 0;
}

static void list_all(struct loop_msg *msg)
{
	struct fiber_list *l = (struct fiber_list *)msg;

	fiber_each(list_one, l);
	fiber_call_done(&l->call);
}

static FIBER int tell_fibers(
	struct ops_call *c, const char *loop, const struct fiber_list *l, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_str(j, "loop", loop);
		json_kv_str(j, "fiber", l->lines[i].name);
		json_kv_i64(j, "parked_ms", l->lines[i].info.parked_ns / CLOCK_MS);
		json_kv_i64(j, "longest_slice_us", l->lines[i].info.longest_slice_ns / CLOCK_US);
		json_kv_u64(j, "switches", l->lines[i].info.switches);
		json_kv_u64(j, "stack", l->lines[i].info.stack_used);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_fibers(struct ops_call *c, struct err *e)
{
	struct host *h = c->ctx->host;

	for (size_t i = 0; i < h->worker_count; i++) {
		struct arena *a = arena_new();
		struct fiber_list list = {.msg.fn = list_all};

		list.lines = ARENA_ARRAY(a, struct fiber_line, FIBERS_TOLD_MAX);
		fiber_call_init(&list.call);
		loop_post(h->workers[i].loop, &list.msg);
		fiber_call_wait(&list.call);
		int rc = tell_fibers(c, arena_printf(c->arena, "loop%zu", i), &list, e);
		arena_free(&a);
		if (rc < 0)
			return -1;
	}
	return 0;
}
