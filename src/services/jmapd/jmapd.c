#include "services/jmapd/jmapd.h"

#include <stdlib.h>

#include "base/mem.h"
#include "services/jmapd/jmapd_core_priv.h"
#include "services/jmapd/jmapd_tasks.h"

static const unsigned slots_max[JMAP_SLOT_KINDS] = {
	[JMAP_SLOT_REQUEST] = JMAP_REQUESTS_AT_ONCE,
	[JMAP_SLOT_UPLOAD] = JMAP_UPLOADS_AT_ONCE,
	[JMAP_SLOT_STREAM] = JMAP_STREAMS_MAX,
};

struct jmapd *jmapd_new(const struct jmapd_opts *opts)
{
	struct jmapd *d = NEW(struct jmapd);

	d->opts = *opts;
	pthread_mutex_init(&d->lock, NULL);
	list_init(&d->slots);
	list_init(&d->large_waiting);
	fiber_cond_init(&d->changed);
	d->capabilities = jmap_methods_capabilities();
	if (opts->web) {
		jmap_session_add(d);
		jmap_api_add(d);
		jmap_export_add(d);
		jmap_import_add(d);
		if (opts->fetch)
			jmap_unsubscribe_add(d);
		jmap_upload_add(d);
		jmap_events_add(d);
	}
	return d;
}

void jmapd_free(struct jmapd **dp)
{
	struct jmapd *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	MUST(list_empty(&d->slots) && list_empty(&d->large_waiting));
	pthread_mutex_destroy(&d->lock);
	free(d);
}

const struct jmapd_opts *jmapd_opts_of(const struct jmapd *d)
{
	return &d->opts;
}

/* ---- how much at once ---- */

/* Under the lock. There are as many as requests are under way. */
static struct jmap_slots *slots_of(struct jmapd *d, uint64_t account_id)
{
	LIST_EACH (n, &d->slots) {
		struct jmap_slots *s = LIST_ITEM(n, struct jmap_slots, node);

		if (s->account_id == account_id)
			return s;
	}
	return NULL;
}

bool jmap_slot_take(struct jmapd *d, uint64_t account_id, enum jmap_slot_kind kind)
{
	struct jmap_slots *s;
	bool is_free;

	pthread_mutex_lock(&d->lock);
	s = slots_of(d, account_id);
	if (!s) {
		s = NEW(struct jmap_slots);
		s->account_id = account_id;
		list_push_back(&d->slots, &s->node);
	}
	is_free = s->counts[kind] < slots_max[kind];
	s->counts[kind] += is_free;
	pthread_mutex_unlock(&d->lock);
	return is_free;
}

void jmap_slot_give(struct jmapd *d, uint64_t account_id, enum jmap_slot_kind kind)
{
	struct jmap_slots *s;
	unsigned left = 0;

	pthread_mutex_lock(&d->lock);
	s = slots_of(d, account_id);
	MUST(s && s->counts[kind]);
	s->counts[kind]--;
	for (size_t i = 0; i < JMAP_SLOT_KINDS; i++)
		left += s->counts[i];
	if (!left) {
		list_remove(&s->node);
		free(s);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- beside the requests ---- */

static void due_arrived(struct loop_msg *msg)
{
	struct jmapd *d = CONTAINER_OF(msg, struct jmapd, due);

	atomic_store(&d->is_posted, false);
	d->is_due = true;
	fiber_cond_broadcast(&d->changed);
}

/* On the writer's thread. */
static void is_due(void *arg)
{
	struct jmapd *d = arg;

	if (!atomic_exchange(&d->is_posted, true))
		loop_post(d->tasks_loop, &d->due);
}

FIBER int jmapd_run(struct jmapd *d, struct err *e)
{
	struct err why = {0};
	int64_t next;

	d->tasks_loop = loop_current();
	d->due.fn = due_arrived;
	store_subscribe(d->opts.store, STORE_DUE, is_due, d);
	while (!d->is_stopping) {
		d->is_due = false;
		jmap_tasks(d, &next);
		err_clear(&why);
		if (d->is_stopping || d->is_due || fiber_cond_wait(&d->changed, next, &why) == 0 ||
			why.code == ERR_TIMEOUT)
			continue;
		return why.code == ERR_CANCELLED ? 0 : err_copy(e, &why);
	}
	return 0;
}

void jmapd_stop(struct jmapd *d)
{
	d->is_stopping = true;
	fiber_cond_broadcast(&d->changed);
}
