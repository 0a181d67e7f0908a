/* In which order the letters for one site are sent: the highest priority first; within a priority
 * each sender and recipient domain in turn, so that one bulk letter does not starve the others. The
 * flows are a fixed number of lists chosen by a keyed hash: two senders may share one, but nobody can
 * choose whose. */

#include <stdlib.h>

#include "base/mem.h"
#include "services/queue/queue_priv.h"

void queue_flows_init(struct queue_flows *f)
{
	list_init(&f->levels);
	f->count = 0;
}

void queue_flows_fini(struct queue_flows *f)
{
	struct outbound_parcel *p;
	struct list_node *n;

	while ((p = queue_flows_pop(f)))
		outbound_parcel_free(&p);
	while ((n = list_pop_front(&f->levels)))
		free(LIST_ITEM(n, struct queue_level, node));
}

static struct queue_level *level_of(struct queue_flows *f, int priority)
{
	struct list_node *at = &f->levels;
	struct queue_level *l;

	LIST_EACH (n, &f->levels) {
		l = LIST_ITEM(n, struct queue_level, node);
		if (l->priority == priority)
			return l;
		if (l->priority < priority) {
			at = n;
			break;
		}
	}
	l = NEW(struct queue_level);
	l->priority = priority;
	list_init(&l->turns);
	for (size_t i = 0; i < QUEUE_FLOWS; i++) {
		list_init(&l->flows[i].turn);
		list_init(&l->flows[i].parcels);
	}
	list_insert_before(at, &l->node);
	return l;
}

void queue_flows_push(struct queue_flows *f, const struct hash_key *key, struct outbound_parcel *p)
{
	struct queue_level *l = level_of(f, p->env.priority);
	uint64_t hash = hash_bytes(key, p->env.reverse_path) ^ hash_bytes(key, p->destination);
	struct queue_flow *flow = &l->flows[hash % QUEUE_FLOWS];

	if (!list_linked(&flow->turn))
		list_push_back(&l->turns, &flow->turn);
	list_push_back(&flow->parcels, &p->node);
	l->count++;
	f->count++;
}

struct outbound_parcel *queue_flows_pop(struct queue_flows *f)
{
	LIST_EACH (n, &f->levels) {
		struct queue_level *l = LIST_ITEM(n, struct queue_level, node);
		struct queue_flow *flow;
		struct list_node *parcel;

		if (l->count == 0)
			continue;
		flow = LIST_ITEM(list_pop_front(&l->turns), struct queue_flow, turn);
		parcel = list_pop_front(&flow->parcels);
		if (!list_empty(&flow->parcels))
			list_push_back(&l->turns, &flow->turn);
		l->count--;
		f->count--;
		return LIST_ITEM(parcel, struct outbound_parcel, node);
	}
	return NULL;
}

/* Its deadline (RFC 2852) has passed, and somebody is to be told of it. */
static bool is_overdue(const struct outbound_parcel *p, int64_t wall_ns)
{
	if (p->env.by_mode == SPOOL_BY_NONE || p->env.by_ns > wall_ns ||
		p->env.by_ns <= p->arrived_ns)
		return false;
	for (size_t i = 0; i < p->rcpt_count; i++) {
		if (p->env.by_mode == SPOOL_BY_RETURN || !p->rcpts[i].is_by_told)
			return true;
	}
	return false;
}

static struct outbound_parcel *overdue_of(struct queue_level *l, int64_t wall_ns, int64_t *next_ns)
{
	LIST_EACH (t, &l->turns) {
		struct queue_flow *flow = LIST_ITEM(t, struct queue_flow, turn);

		LIST_EACH (n, &flow->parcels) {
			struct outbound_parcel *p = LIST_ITEM(n, struct outbound_parcel, node);

			if (p->env.by_mode && p->env.by_ns > wall_ns && p->env.by_ns < *next_ns)
				*next_ns = p->env.by_ns;
			if (!is_overdue(p, wall_ns))
				continue;
			list_remove(&p->node);
			if (list_empty(&flow->parcels))
				list_remove(&flow->turn);
			return p;
		}
	}
	return NULL;
}

struct outbound_parcel *queue_flows_pop_overdue(
	struct queue_flows *f, int64_t wall_ns, int64_t *next_ns)
{
	LIST_EACH (n, &f->levels) {
		struct queue_level *l = LIST_ITEM(n, struct queue_level, node);
		struct outbound_parcel *p = overdue_of(l, wall_ns, next_ns);

		if (!p)
			continue;
		l->count--;
		f->count--;
		return p;
	}
	return NULL;
}
