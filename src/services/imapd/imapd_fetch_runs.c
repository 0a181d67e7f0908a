#include "services/imapd/imapd_fetch_runs.h"

#include <stdlib.h>

#include "proto/imap/imap_set_syntax.h"

static void add(struct fetch_runs *r, uint32_t first, uint32_t last)
{
	r->list[r->count++] = (struct uid_range){first, last};
	r->total += last - first + 1ULL;
}

struct fetch_runs fetch_runs_in(
	struct arena *a, const struct uidset *view, const struct uid_range *ranges, size_t count)
{
	const struct uid_range *runs = NULL;
	size_t run_count = uidset_runs(view, &runs), i = 0, k = 0;
	struct fetch_runs r = {.list = ARENA_ARRAY(a, struct uid_range, run_count + count + 1)};

	while (i < count && k < run_count) {
		uint32_t first = ranges[i].first > runs[k].first ? ranges[i].first : runs[k].first;
		uint32_t last = ranges[i].last < runs[k].last ? ranges[i].last : runs[k].last;

		if (first <= last)
			add(&r, first, last);
		if (ranges[i].last < runs[k].last)
			i++;
		else
			k++;
	}
	return r;
}

struct fetch_runs fetch_runs_slice(
	struct arena *a, const struct fetch_runs *runs, uint64_t from, uint64_t count)
{
	struct fetch_runs r = {.list = ARENA_ARRAY(a, struct uid_range, runs->count + 1)};

	for (size_t i = 0; i < runs->count && count; i++) {
		uint32_t first = runs->list[i].first;
		uint64_t n = runs->list[i].last - first + 1ULL;

		if (from >= n) {
			from -= n;
			continue;
		}
		n -= from;
		if (n > count)
			n = count;
		first += (uint32_t)from;
		add(&r, first, first + (uint32_t)(n - 1));
		from = 0;
		count -= n;
	}
	return r;
}

uint32_t fetch_walk_peek(const struct fetch_walk *w)
{
	if (w->at >= w->runs->count)
		return 0;
	return w->next ? w->next : w->runs->list[w->at].first;
}

void fetch_walk_take(struct fetch_walk *w)
{
	uint32_t uid = fetch_walk_peek(w);

	if (!uid)
		return;
	if (uid < w->runs->list[w->at].last) {
		w->next = uid + 1;
	} else {
		w->at++;
		w->next = 0;
	}
}

void fetch_gone_add(struct arena *a, struct fetch_gone *g, uint32_t uid)
{
	if (g->count == g->room) {
		uint32_t *old = g->list;

		g->room = g->room ? 2 * g->room : 64;
		g->list = ARENA_ARRAY(a, uint32_t, g->room);
		for (size_t i = 0; i < g->count; i++)
			g->list[i] = old[i];
	}
	g->list[g->count++] = uid;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void fetch_gone_put(struct buf *b, struct fetch_gone *g)
{
	struct imap_set_writer w;

	qsort(g->list, g->count, sizeof(*g->list), by_number);
	imap_set_writer_init(&w, b);
	for (size_t i = 0; i < g->count; i++)
		if (!i || g->list[i] != g->list[i - 1])
			imap_set_writer_add(&w, g->list[i]);
	imap_set_writer_end(&w);
}
