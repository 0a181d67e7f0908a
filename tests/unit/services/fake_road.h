#pragma once
/* What the store says of roads, in memory: stands in place of store/road.c. A test program includes it
 * once. Rows are borrowed. */

#include <string.h>

#include "run/fiber.h"
#include "store/road.h"

static struct {
	size_t pool_count, egress_count, credential_count;
	struct road_pool *pools;
	struct road_egress *egresses;
	struct road_credential *credentials;
} the_roads;

FIBER int road_pool_list(
	struct store *s, struct arena *a, struct road_pool **list_r, size_t *count_r, struct err *e)
{
	(void)s;
	*count_r = the_roads.pool_count;
	*list_r = ARENA_ARRAY(a, struct road_pool, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++) {
		const struct road_pool *from = &the_roads.pools[i];
		struct road_pool *to = &(*list_r)[i];

		*to = *from;
		to->members = ARENA_ARRAY(a, struct road_member, from->member_count);
		memcpy(to->members, from->members, from->member_count * sizeof(to->members[0]));
	}
	return fiber_sleep(CLOCK_MS, e);
}

FIBER int road_egress_list(struct store *s, struct arena *a, struct road_egress **list_r,
	size_t *count_r, struct err *e)
{
	(void)s, (void)e;
	*count_r = the_roads.egress_count;
	*list_r = ARENA_ARRAY(a, struct road_egress, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++)
		(*list_r)[i] = the_roads.egresses[i];
	return 0;
}

/* Secrets are wiped when the tables go: they are copied. */
FIBER int road_credential_list(struct store *s, struct arena *a, struct road_credential **list_r,
	size_t *count_r, struct err *e)
{
	(void)s, (void)e;
	*count_r = the_roads.credential_count;
	*list_r = ARENA_ARRAY(a, struct road_credential, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++) {
		(*list_r)[i] = the_roads.credentials[i];
		(*list_r)[i].secret = arena_span(a, the_roads.credentials[i].secret);
	}
	return 0;
}
