/* What is counted of each account: in memory, for all loops. What nobody has used for a while is no
 * different from what was never counted, so its place is free. */

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "services/submission/submission_priv.h"

#define WAYS 8 /* places that a key may have */
#define SETS (SUBMISSION_RATES / WAYS)

struct slot {
	uint64_t key;
	struct gcra count[SUBMISSION_RATE_KINDS];
};

struct submission_rates {
	pthread_mutex_t lock; /* never held across a yield */
	struct slot *slots;   /* untouched pages cost nothing */
};

struct submission_rates *submission_rates_new(void)
{
	struct submission_rates *r = NEW(struct submission_rates);

	pthread_mutex_init(&r->lock, NULL);
	r->slots = mem_alloc(sizeof(*r->slots) * SETS * WAYS);
	return r;
}

void submission_rates_free(struct submission_rates **r)
{
	if (!*r)
		return;
	pthread_mutex_destroy(&(*r)->lock);
	free((*r)->slots);
	free(*r);
	*r = NULL;
}

/* When nothing of it counts any more. */
static int64_t end_of(const struct slot *s)
{
	int64_t end = 0;

	for (size_t i = 0; i < SUBMISSION_RATE_KINDS; i++)
		end = s->count[i].next_ns > end ? s->count[i].next_ns : end;
	return end;
}

/* Its place, or the one that is forgotten for it: of all that it may have, the one with the least to
 * lose. */
static struct slot *slot_of(struct submission_rates *r, uint64_t key)
{
	struct slot *set = &r->slots[(key * 0x9e3779b97f4a7c15ULL >> 20) % SETS * WAYS],
		    *least = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (end_of(&set[i]) < end_of(least))
			least = &set[i];
	}
	*least = (struct slot){.key = key};
	return least;
}

int64_t submission_rates_take(struct submission_rates *r, uint64_t key, enum submission_rate kind,
	const struct gcra_rate *rate, int64_t now_ns)
{
	int64_t wait;

	if (!rate->count)
		return 0;
	pthread_mutex_lock(&r->lock);
	wait = gcra_take(&slot_of(r, key)->count[kind], rate, now_ns);
	pthread_mutex_unlock(&r->lock);
	return wait;
}

void submission_rates_give(struct submission_rates *r, uint64_t key, enum submission_rate kind,
	const struct gcra_rate *rate, unsigned count)
{
	if (!rate->count || !count)
		return;
	pthread_mutex_lock(&r->lock);
	gcra_give(&slot_of(r, key)->count[kind], rate, count);
	pthread_mutex_unlock(&r->lock);
}

size_t submission_rates_busy(struct submission_rates *r, int64_t now_ns)
{
	size_t busy = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < SETS * WAYS; i++)
		busy += end_of(&r->slots[i]) > now_ns;
	pthread_mutex_unlock(&r->lock);
	return busy;
}
