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
