#include "store/uidset.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

struct uidset {
	_Atomic int refs;
	uint32_t count;
	size_t run_count;
	struct uid_range *runs;
	uint32_t *before; /* how many UIDs lie in front of each run */
};

/* ---- making one, run by run ---- */

static struct uidset *make(size_t room)
{
	struct uidset *u = NEW(struct uidset);

	atomic_init(&u->refs, 1);
	u->runs = mem_alloc((room + 1) * sizeof(*u->runs));
	return u;
}

/* Ascending; joined with the last run when it touches it. */
static void put(struct uidset *u, uint32_t first, uint32_t last)
{
	struct uid_range *end = u->run_count ? &u->runs[u->run_count - 1] : NULL;

	MUST(first && first <= last && (!end || first > end->last));
	u->count += last - first + 1;
	if (end && first == end->last + 1)
		end->last = last;
	else
		u->runs[u->run_count++] = (struct uid_range){first, last};
}

static struct uidset *finish(struct uidset *u)
{
	uint32_t before = 0;

	u->runs = mem_realloc(u->runs, (u->run_count + 1) * sizeof(*u->runs));
	u->before = mem_alloc((u->run_count + 1) * sizeof(*u->before));
	for (size_t i = 0; i < u->run_count; i++) {
		u->before[i] = before;
		before += u->runs[i].last - u->runs[i].first + 1;
	}
	return u;
}

struct uidset *uidset_new(const struct uid_range *runs, size_t count)
{
	struct uidset *u = make(count);

	for (size_t i = 0; i < count; i++)
		put(u, runs[i].first, runs[i].last);
	return finish(u);
}

struct uidset *uidset_ref(struct uidset *u)
{
	MUST(atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed) > 0);
	return u;
}

void uidset_unref(struct uidset **u)
{
	struct uidset *x = *u;
	int before;

	*u = NULL;
	if (!x)
		return;
	before = atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel);
	MUST(before > 0);
	if (before > 1)
		return;
	free(x->runs);
	free(x->before);
	free(x);
}

/* ---- looking ---- */

uint32_t uidset_count(const struct uidset *u)
{
	return u->count;
}

uint32_t uidset_last(const struct uidset *u)
{
	return u->run_count ? u->runs[u->run_count - 1].last : 0;
}

size_t uidset_runs(const struct uidset *u, const struct uid_range **runs_r)
{
	*runs_r = u->runs;
	return u->run_count;
}

uint32_t uidset_uid(const struct uidset *u, uint32_t seq)
{
	size_t from = 0, to = u->run_count;

	if (!seq || seq > u->count)
		return 0;
	while (to - from > 1) {
		size_t mid = from + (to - from) / 2;

		if (u->before[mid] < seq)
			from = mid;
		else
			to = mid;
	}
	return u->runs[from].first + (seq - u->before[from] - 1);
}

/* The last run that does not begin above; run_count when there is none. */
static size_t run_at(const struct uidset *u, uint32_t uid)
{
	size_t from = 0, to = u->run_count;

	if (!to || u->runs[0].first > uid)
		return to;
	while (to - from > 1) {
		size_t mid = from + (to - from) / 2;

		if (u->runs[mid].first <= uid)
			from = mid;
		else
			to = mid;
	}
	return from;
}

uint32_t uidset_seq(const struct uidset *u, uint32_t uid)
{
	size_t i = run_at(u, uid);

	if (i == u->run_count || uid > u->runs[i].last)
		return 0;
	return u->before[i] + (uid - u->runs[i].first) + 1;
}

uint32_t uidset_rank(const struct uidset *u, uint32_t uid)
{
	size_t i = run_at(u, uid);

	if (i == u->run_count)
		return 0;
	if (uid > u->runs[i].last)
		uid = u->runs[i].last;
	return u->before[i] + (uid - u->runs[i].first) + 1;
}

/* ---- changing ---- */

static void put_without(struct uidset *to, struct uid_range run, const struct uid_range *gone,
	size_t gone_count, size_t *at)
{
	uint64_t first = run.first;

	while (*at < gone_count && gone[*at].last < run.first)
		++*at;
	for (size_t i = *at; i < gone_count && gone[i].first <= run.last && first <= run.last;
		i++) {
		if (gone[i].first > first)
			put(to, (uint32_t)first, gone[i].first - 1);
		if (first <= gone[i].last)
			first = (uint64_t)gone[i].last + 1;
	}
	if (first <= run.last)
		put(to, (uint32_t)first, run.last);
}

struct uidset *uidset_change(const struct uidset *u, const struct uid_range *gone,
	size_t gone_count, const struct uid_range *added, size_t added_count)
{
	struct uidset *to = make(u->run_count + gone_count + added_count);
	size_t at = 0;

	for (size_t i = 0; i < u->run_count; i++)
		put_without(to, u->runs[i], gone, gone_count, &at);
	for (size_t i = 0; i < added_count; i++)
		put(to, added[i].first, added[i].last);
	return finish(to);
}
