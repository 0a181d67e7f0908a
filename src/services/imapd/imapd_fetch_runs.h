#pragma once
/* Runs of UIDs: which messages a FETCH is about. Pure. */

#include "base/arena.h"
#include "base/buf.h"
#include "store/uidset.h"

struct fetch_runs {
	struct uid_range *list;
	size_t count;
	uint64_t total; /* UIDs in them */
};

/** Those of ascending ranges that are in the view; lives in `a`. */
struct fetch_runs fetch_runs_in(
	struct arena *a, const struct uidset *view, const struct uid_range *ranges, size_t count);
/** `count` of them from position `from` on (0 is the lowest). */
struct fetch_runs fetch_runs_slice(
	struct arena *a, const struct fetch_runs *runs, uint64_t from, uint64_t count);

/* One after the other. */
struct fetch_walk {
	const struct fetch_runs *runs;
	size_t at;
	uint32_t next; /* 0: the run's first */
};
/** The next UID without taking it, 0 at the end. */
uint32_t fetch_walk_peek(const struct fetch_walk *w);
void fetch_walk_take(struct fetch_walk *w);

/* UIDs in any order, to be told as a set. */
struct fetch_gone {
	uint32_t *list;
	size_t count, room;
};
void fetch_gone_add(struct arena *a, struct fetch_gone *g, uint32_t uid);
/** "3:5,9"; sorts them. */
void fetch_gone_put(struct buf *b, struct fetch_gone *g);
