#pragma once
/* Reading a stored body piece by piece on a thread that may block, one chunk in memory. */

#include "store/body.h"

struct body_reading {
	struct body *body;
	struct arena *arena; /* of the chunk at hand */
	struct span chunk;
	uint64_t index;
};
void body_reading_init(struct body_reading *r, struct store *s, uint64_t blob_id, uint64_t octets);
void body_reading_fini(struct body_reading *r);
/** What stands at `at`, as far as it is at hand and before `end`; valid until the next call. */
int body_reading_at(
	struct body_reading *r, uint64_t at, uint64_t end, struct span *piece_r, struct err *e);
