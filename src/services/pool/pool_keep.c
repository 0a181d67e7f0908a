/* What keeps pools up to date: the tables of the store, and probes of members that are down. */

#include <stdlib.h>

#include "base/mem.h"
#include "services/pool/pool_priv.h"

FIBER int pools_load(struct pools *p, struct err *e)
{
	struct arena *a = arena_new();
	struct pool_tables *t = ARENA_NEW(a, struct pool_tables);

	t->arena = a;
	if (road_pool_list(p->opts.store, a, &t->pools, &t->pool_count, e) < 0 ||
		road_egress_list(p->opts.store, a, &t->egresses, &t->egress_count, e) < 0 ||
		road_credential_list(p->opts.store, a, &t->credentials, &t->credential_count, e) <
			0) {
		pool_tables_free(&t);
		return err_wrap(e, "reading roads");
	}
	pthread_mutex_lock(&p->lock);
	t = pool_tables_swap(p, t);
	pthread_mutex_unlock(&p->lock);
	pool_tables_free(&t);
	return 0;
}

/* ---- the keeper ------------------------------------------------------------------------------- */

struct pool_probe {
	struct pools *p;
	struct span destination; /* owned */
};

static FIBER int probe_main(void *arg)
{
	struct pool_probe *job = arg;
	struct pools *p = job->p;
	struct pool_member *m;
	struct err e = {0};
	int64_t down_ns = -1;
	int rc = p->opts.probe(p->opts.arg, job->destination, loop_now_ns() + POOL_PROBE_NS, &e);

	pthread_mutex_lock(&p->lock);
	m = pool_member_of(p, job->destination);
	if (m) {
		m->is_probing = false;
		/* Its failures stay counted until it has taken mail: one that greets and then
		 * fails is asked ever more rarely. */
		if (rc == 0)
			down_ns = pool_put_up(m);
		if (rc == 0 && span_eq(m->next_hop, p->watched))
			m->fails = 0; /* nobody tells of its mail */
		else if (m->is_down && e.code != ERR_CANCELLED)
			pool_put_down(m, job->destination, &e);
	}
	pthread_mutex_unlock(&p->lock);
	pool_tell_up(p, pool_base(job->destination), down_ns, "probe");
	free((char *)job->destination.ptr);
	free(job);
	p->probing--;
	fiber_cond_broadcast(&p->changed);
	return 0;
}

/* Under the lock: the member whose probe is most overdue, or NULL with the time of the next. */
static struct pool_member *probe_due(struct pools *p, int64_t *next_ns_r)
{
	struct pool_member *due = NULL;
	struct span name;
	void *value;

	*next_ns_r = CLOCK_NEVER;
	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &value);) {
		struct pool_member *m = value;

		if (!m->is_down || m->is_probing || m->retry_ns >= *next_ns_r)
			continue;
		*next_ns_r = m->retry_ns;
		due = m;
	}
	return due && due->retry_ns <= loop_now_ns() ? due : NULL;
}

/* Start what is due. When to look again (mono). */
static int64_t probe_all(struct pools *p)
{
	int64_t next_ns = CLOCK_NEVER;
	struct err e = {0};

	while (p->opts.probe && p->probing < POOL_PROBES_MAX) {
		struct pool_probe *job = NULL;
		struct pool_member *m;

		pthread_mutex_lock(&p->lock);
		m = probe_due(p, &next_ns);
		if (m) {
			job = NEW(struct pool_probe);
			job->p = p;
			job->destination = span_of(
				mem_dup(m->probe.ptr, m->probe.len), m->probe.len);
			m->is_probing = true;
		}
		pthread_mutex_unlock(&p->lock);
		if (!job)
			return next_ns;
		p->probing++;
		if (fiber_start(&p->probes, "pool-probe", probe_main, job, &e) < 0) {
			pthread_mutex_lock(&p->lock);
			m->is_probing = false;
			m->retry_ns = loop_now_ns() + POOL_BACKOFF_FIRST_NS;
			pthread_mutex_unlock(&p->lock);
			p->probing--;
			free((char *)job->destination.ptr);
			free(job);
			log_event(p->opts.log, LOG_WARN, "pool.probe", LF_STR("reason", e.text));
		}
	}
	return CLOCK_NEVER; /* one that ends says so */
}

/* Runs on the writer's thread after each commit that touched the directory. */
static void tables_changed(void *arg)
{
	pool_keeper_wake(arg);
}

static FIBER int64_t tables_follow(struct pools *p)
{
	uint64_t now = store_directory_generation(p->opts.store);
	struct err e = {0};

	if (now == p->generation)
		return CLOCK_NEVER;
	if (pools_load(p, &e) == 0) {
		p->generation = now;
		return CLOCK_NEVER;
	}
	if (e.code != ERR_CANCELLED) /* the end is no trouble */
		log_event(p->opts.log, LOG_ERROR, "pool.load", LF_STR("reason", e.text));
	return loop_now_ns() + POOL_BACKOFF_FIRST_NS;
}

FIBER int pools_keep(void *pools)
{
	struct pools *p = pools;

	fiber_group_init(&p->probes);
	store_subscribe(p->opts.store, STORE_DIRECTORY, tables_changed, p);
	atomic_store(&p->loop, loop_current());
	while (!fiber_is_cancelled(fiber_self())) {
		int64_t load_ns, probe_ns;

		p->is_woken = false;
		load_ns = tables_follow(p);
		probe_ns = probe_all(p);
		if (!p->is_woken)
			fiber_cond_wait(&p->changed, load_ns < probe_ns ? load_ns : probe_ns, NULL);
	}
	atomic_store(&p->loop, NULL);
	fiber_group_cancel(&p->probes);
	fiber_group_join(&p->probes);
	return 0;
}
