/* The resolver. libunbound runs as a thread of its own (ub_ctx_async with threads: a fork would
 * drag the server's descriptors and memory along), and one thread of ours stands between it and the
 * loops: libunbound's first call wants 199 KiB of stack and its pipes may block, so no fiber and no
 * loop ever calls it.
 *
 * A query is a struct in the asking fiber's frame. It is QUEUED (the asker may take it back),
 * RUNNING (only our thread lets go of it), then DONE: the asker's call is answered, once. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/dns_priv.h"

#define DNS_CLASS_IN    1
#define DNS_RCODE_OK    0
#define DNS_RCODE_NX    3
#define DNS_PORT        53
#define DNS_ROOT_KEY    "/usr/share/dns/root.key" /* Debian's dns-root-data */
#define DNS_FWD_MAX     (ADDR_TEXT_MAX + 8)
#define DNS_THREAD_NAME "dns"

enum dns_job_state { DNS_JOB_QUEUED, DNS_JOB_RUNNING, DNS_JOB_DONE };

struct dns_job {
	struct list_node node; /* in `queue`, or in `cancels`; guarded by the lock */
	enum dns_job_state state;
	struct fiber_call call;
	const char *name;
	enum dns_type type;
	int async_id;
	struct dns_unbound *owner;
	struct ub_result *result; /* the asker's once DONE; NULL: no answer */
};

struct dns_unbound {
	struct dns dns;
	const struct log *log;
	struct ub_ctx *ctx; /* of the thread alone */
	pthread_t thread;
	int wake_fd;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t is_up;
	struct list_node queue, cancels;
	size_t queued, running;
	bool is_set_up, is_stopping;
	/* for the thread's set-up, borrowed from dns_new */
	const struct dns_opts *opts;
	struct err setup;
};

/* ---- set-up, on the thread ---- */

static int dns_ub_check(int rc, const char *what, const char *about, struct err *e)
{
	if (rc == 0)
		return 0;
	return err_set(e, ERR_CONFIG, "DNS: %s%s%s: %s", what, about ? " " : "", about ? about : "",
		ub_strerror(rc));
}

/* "127.0.0.1:5353", "[::1]:5353" or libunbound's own "127.0.0.1@5353". */
static int dns_forwarder(struct ub_ctx *ctx, const char *text, struct err *e)
{
	struct span ip, port_text;
	struct addr a;
	uint64_t port;
	struct buf b;
	int rc;

	if (span_cut(span_str(text), '@', &ip, &port_text)) {
		if (!span_u64_max(port_text, UINT16_MAX, &port) ||
			!addr_parse_ip(ip, (uint16_t)port, &a))
			return err_set(e, ERR_CONFIG, "DNS: '%s' is no forwarder", text);
	} else if (addr_parse(span_str(text), DNS_PORT, &a, e) < 0) {
		return err_wrap(e, "DNS forwarder");
	}
	if (!addr_is_ip(&a))
		return err_set(e, ERR_CONFIG, "DNS: '%s' is no forwarder", text);
	buf_init(&b, DNS_FWD_MAX);
	addr_put_ip(&b, &a);
	buf_printf(&b, "@%u", addr_port(&a));
	rc = dns_ub_check(ub_ctx_set_fwd(ctx, buf_cstr(&b)), "forwarder", text, e);
	buf_fini(&b);
	return rc;
}

static int dns_options(struct ub_ctx *ctx, const struct dns_opts *o, struct err *e)
{
	static const char *const options[][2] = {
		/* A resolver on this machine, or a test's, is a forwarder like any other. */
		{"do-not-query-localhost:", "no"},
		/* RFC 6761 section 6.2: `test` is nobody's; a signed root must not deny it. */
		{"domain-insecure:", "test."},
		{"aggressive-nsec:", "no"},
		/* A server that was down is tried again within a minute, not a quarter of an hour. */
		{"infra-host-ttl:", "60"},
		{"infra-keep-probing:", "yes"},
		/* The library's own 16 would let so few slow servers hold up all others. */
		{"outgoing-range:", "256"},
		{"msg-cache-size:", "4m"},
		{"rrset-cache-size:", "8m"},
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (dns_ub_check(ub_ctx_set_option(ctx, options[i][0], options[i][1]),
			    options[i][0], options[i][1], e) < 0)
			return -1;
	if (o->is_dnssec_off &&
		dns_ub_check(ub_ctx_set_option(ctx, "module-config:", "iterator"), "module-config",
			NULL, e) < 0)
		return -1;
	/* Behind a forwarder private reverse zones have their answers; the root has none. */
	if (o->forwarder_count &&
		dns_ub_check(ub_ctx_set_option(ctx, "unblock-lan-zones:", "yes"),
			"unblock-lan-zones", NULL, e) < 0)
		return -1;
	for (size_t i = 0; i < o->forwarder_count; i++)
		if (dns_forwarder(ctx, o->forwarders[i], e) < 0)
			return -1;
	return 0;
}

static int dns_anchors(struct ub_ctx *ctx, const struct dns_opts *o, struct err *e)
{
	const char *file = o->trust_anchor_file;

	if (o->is_dnssec_off)
		return 0;
	if (!file && access(DNS_ROOT_KEY, R_OK) == 0)
		file = DNS_ROOT_KEY;
	if (file && access(file, R_OK) < 0)
		return err_sys(e, errno, "DNS: trust anchor file %s", file);
	if (file)
		return dns_ub_check(ub_ctx_add_ta_file(ctx, file), "trust anchor file", file, e);
	if (o->log)
		log_event(o->log, LOG_WARN, "dns.no-anchor", LF_STR("file", DNS_ROOT_KEY));
	return 0;
}

static int dns_setup(struct dns_unbound *d, struct err *e)
{
	const struct dns_opts *o = d->opts;

	d->ctx = ub_ctx_create();
	if (!d->ctx)
		return err_set(e, ERR_LIMIT, "DNS: no memory for a resolver");
	/* It would write to standard error by itself. */
	ub_ctx_debugout(d->ctx, NULL);
	if (dns_options(d->ctx, o, e) < 0 || dns_anchors(d->ctx, o, e) < 0)
		return -1;
	if (o->hosts_file &&
		dns_ub_check(ub_ctx_hosts(d->ctx, o->hosts_file), "hosts file", o->hosts_file, e) <
			0)
		return -1;
	if (dns_ub_check(ub_ctx_async(d->ctx, 1), "threads", NULL, e) < 0)
		return -1;
	/* Last, for it ends the set-up: libunbound answers `test` by itself otherwise. */
	return dns_ub_check(ub_ctx_zone_remove(d->ctx, "test."), "zone", "test.", e);
}

/* ---- the thread ---- */

/* The job leaves our hands: after this its memory is gone. The lock is held. */
static void dns_job_done(struct dns_unbound *d, struct dns_job *j, struct ub_result *result)
{
	j->result = result;
	j->state = DNS_JOB_DONE;
	list_remove(&j->node);
	d->running--;
	fiber_call_done(&j->call);
}

static void dns_on_answer(void *arg, int failed, struct ub_result *result)
{
	struct dns_job *j = arg;
	struct dns_unbound *d = j->owner;

	if (failed && result) {
		ub_resolve_free(result);
		result = NULL;
	}
	pthread_mutex_lock(&d->lock);
	dns_job_done(d, j, result);
	pthread_mutex_unlock(&d->lock);
}

static struct dns_job *dns_next(struct dns_unbound *d)
{
	struct list_node *n = NULL;

	pthread_mutex_lock(&d->lock);
	if (d->running < DNS_RUNNING_MAX)
		n = list_pop_front(&d->queue);
	if (n) {
		LIST_ITEM(n, struct dns_job, node)->state = DNS_JOB_RUNNING;
		d->queued--;
		d->running++;
	}
	pthread_mutex_unlock(&d->lock);
	return n ? LIST_ITEM(n, struct dns_job, node) : NULL;
}

static void dns_start_all(struct dns_unbound *d)
{
	struct dns_job *j;

	while ((j = dns_next(d))) {
		/* The callback comes from ub_process on this thread, so not before we return. */
		if (ub_resolve_async(d->ctx, j->name, (int)j->type, DNS_CLASS_IN, j, dns_on_answer,
			    &j->async_id) == 0)
			continue;
		pthread_mutex_lock(&d->lock);
		dns_job_done(d, j, NULL);
		pthread_mutex_unlock(&d->lock);
	}
}

static void dns_cancel_all(struct dns_unbound *d)
{
	struct list_node *n;

	/* With the lock held: an answer comes from this thread only, so none can cross. */
	pthread_mutex_lock(&d->lock);
	while ((n = list_pop_front(&d->cancels))) {
		struct dns_job *j = LIST_ITEM(n, struct dns_job, node);

		ub_cancel(d->ctx, j->async_id);
		dns_job_done(d, j, NULL);
	}
	pthread_mutex_unlock(&d->lock);
}

static bool dns_is_stopping(struct dns_unbound *d)
{
	bool is_stopping;

	pthread_mutex_lock(&d->lock);
	is_stopping = d->is_stopping;
	pthread_mutex_unlock(&d->lock);
	return is_stopping;
}

static void dns_serve(struct dns_unbound *d)
{
	struct pollfd fds[2] = {
		{.fd = d->wake_fd, .events = POLLIN}, {.fd = ub_fd(d->ctx), .events = POLLIN}};
	uint64_t count;

	while (!dns_is_stopping(d)) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0)
			MUST(errno == EINTR || errno == EAGAIN);
		if (fds[0].revents)
			(void)!read(d->wake_fd, &count, sizeof(count));
		if (fds[1].revents)
			ub_process(d->ctx);
		dns_cancel_all(d);
		dns_start_all(d);
	}
}

static void *dns_thread(void *arg)
{
	struct dns_unbound *d = arg;
	int rc;

	pthread_setname_np(pthread_self(), DNS_THREAD_NAME);
	rc = dns_setup(d, &d->setup);
	pthread_mutex_lock(&d->lock);
	d->is_set_up = true;
	pthread_cond_signal(&d->is_up);
	pthread_mutex_unlock(&d->lock);
	if (rc == 0)
		dns_serve(d);
	if (d->ctx)
		ub_ctx_delete(d->ctx);
	return NULL;
}

static void dns_wake(struct dns_unbound *d)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(d->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

/* ---- the asker, on its loop ---- */

static int dns_enqueue(struct dns_unbound *d, struct dns_job *j, struct err *e)
{
	bool is_full;

	pthread_mutex_lock(&d->lock);
	is_full = d->queued + d->running >= DNS_QUERIES_MAX;
	if (!is_full) {
		list_push_back(&d->queue, &j->node);
		d->queued++;
	}
	pthread_mutex_unlock(&d->lock);
	if (is_full)
		return err_set(e, ERR_BUSY, "DNS: %d queries wait", DNS_QUERIES_MAX);
	dns_wake(d);
	return 0;
}

/* Take the query back. true: it is ours again; false: the thread will answer the call soon. */
static bool dns_take_back(struct dns_unbound *d, struct dns_job *j)
{
	bool is_ours = false;

	pthread_mutex_lock(&d->lock);
	if (j->state == DNS_JOB_QUEUED) {
		list_remove(&j->node);
		d->queued--;
		is_ours = true;
	} else if (j->state == DNS_JOB_RUNNING) {
		list_push_back(&d->cancels, &j->node);
	}
	pthread_mutex_unlock(&d->lock);
	if (!is_ours)
		dns_wake(d);
	return is_ours;
}

/* Until the answer, the deadline or cancellation; in any case nobody else knows the job after. */
static FIBER int dns_await(
	struct dns_unbound *d, struct dns_job *j, int64_t deadline_ns, struct err *e)
{
	struct err why = {0};

	while (!j->call.is_done) {
		if (fiber_park(deadline_ns, &why) == 0)
			continue;
		if (!dns_take_back(d, j))
			fiber_call_wait(&j->call);
		break;
	}
	/* The answer can be here before the thread is through with posting it, and our loop may be
	 * gone right after us: it posts with the lock held. */
	pthread_mutex_lock(&d->lock);
	pthread_mutex_unlock(&d->lock);
	return why.code == ERR_CANCELLED ? err_copy(e, &why) : 0;
}

static enum dns_status dns_verdict(const struct ub_result *r)
{
	if (r->bogus)
		return DNS_BOGUS;
	if (r->rcode == DNS_RCODE_NX || r->nxdomain)
		return DNS_NXDOMAIN;
	if (r->rcode != DNS_RCODE_OK)
		return DNS_FAIL;
	return r->havedata ? DNS_OK : DNS_NODATA;
}

static void dns_translate(
	struct dns_unbound *d, struct arena *a, const struct dns_job *j, struct dns_answer *answer)
{
	const struct ub_result *r = j->result;
	struct span canonical;
	size_t came = 0;

	answer->status = dns_verdict(r);
	answer->is_secure = r->secure != 0;
	answer->ttl = r->ttl > 0 ? (uint32_t)r->ttl : 0;
	canonical = span_str(r->canonname);
	if (canonical.len && canonical.ptr[canonical.len - 1] == '.')
		canonical.len--;
	if (canonical.len && !span_eq_nocase(canonical, span_str(j->name)))
		answer->canonical = arena_span(a, canonical);
	for (; answer->status == DNS_OK && r->data[came]; came++)
		dns_answer_add(a, j->type, span_of(r->data[came], (size_t)r->len[came]), answer);
	dns_answer_end(answer, came);
	if (r->bogus && d->log)
		log_event(d->log, LOG_INFO, "dns.bogus", LF_STR("name", j->name),
			LF_INT("type", j->type), LF_STR("why", r->why_bogus));
}

static FIBER int dns_unbound_query(struct dns *base, struct arena *a, const char *name,
	enum dns_type type, int64_t deadline_ns, struct dns_answer *answer_r, struct err *e)
{
	struct dns_unbound *d = (struct dns_unbound *)base;
	struct dns_job j = {.name = name, .type = type, .owner = d};
	int rc;

	list_init(&j.node);
	fiber_call_init(&j.call);
	if (dns_enqueue(d, &j, e) < 0)
		return -1;
	rc = dns_await(d, &j, deadline_ns, e);
	if (rc == 0 && j.result)
		dns_translate(d, a, &j, answer_r);
	if (j.result)
		ub_resolve_free(j.result);
	return rc;
}

/* ---- life ---- */

static void dns_unbound_close(struct dns_unbound *d)
{
	pthread_cond_destroy(&d->is_up);
	pthread_mutex_destroy(&d->lock);
	close(d->wake_fd);
	free(d);
}

static void dns_unbound_free(struct dns *base)
{
	struct dns_unbound *d = (struct dns_unbound *)base;

	pthread_mutex_lock(&d->lock);
	MUST(d->queued + d->running == 0);
	d->is_stopping = true;
	pthread_mutex_unlock(&d->lock);
	dns_wake(d);
	pthread_join(d->thread, NULL);
	dns_unbound_close(d);
}

static const struct dns_ops dns_unbound_ops = {
	.query = dns_unbound_query,
	.free = dns_unbound_free,
};

/* Signals are the loops' business: neither our thread nor libunbound's takes one. */
static int dns_thread_start(struct dns_unbound *d, struct err *e)
{
	sigset_t all, was;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = pthread_create(&d->thread, NULL, dns_thread, d);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return rc ? err_sys(e, rc, "DNS: starting a thread") : 0;
}

struct dns *dns_new(const struct dns_opts *opts, struct err *e)
{
	struct dns_unbound *d = NEW(struct dns_unbound);

	d->dns.ops = &dns_unbound_ops;
	d->log = opts->log;
	d->opts = opts;
	list_init(&d->queue);
	list_init(&d->cancels);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->is_up, NULL);
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->wake_fd < 0)
		err_sys(e, errno, "DNS: eventfd");
	if (d->wake_fd < 0 || dns_thread_start(d, e) < 0) {
		dns_unbound_close(d);
		return NULL;
	}
	pthread_mutex_lock(&d->lock);
	while (!d->is_set_up)
		pthread_cond_wait(&d->is_up, &d->lock);
	pthread_mutex_unlock(&d->lock);
	d->opts = NULL;
	if (d->setup.code == ERR_NONE)
		return &d->dns;
	err_copy(e, &d->setup);
	pthread_join(d->thread, NULL);
	dns_unbound_close(d);
	return NULL;
}
