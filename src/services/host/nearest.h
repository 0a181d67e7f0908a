#pragma once
/* "Did you mean …": the nearest of some names. Pure. */

#include "base/span.h"

#define NEAREST_NAME_MAX 64 /* longer words are near nothing */

/** How many letters must be put, dropped, changed or swapped with their neighbour. */
unsigned nearest_distance(struct span a, struct span b);

struct nearest {
	struct span word;
	const char *best; /* NULL: nothing is near enough */
	unsigned distance;
};
/** Begin with the word as typed, offer every right name, then read `best`. */
void nearest_init(struct nearest *n, struct span word);
void nearest_offer(struct nearest *n, const char *name);
