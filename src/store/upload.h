#pragma once
/* What somebody has uploaded (RFC 8620 section 6.1) and not used yet: a body with one reference, for a time. Only
 * who uploaded it can read it. Who uses it (an import, a draft's attachment) takes a copy of its octets. When
 * there are too many, the oldest go. */

#include "store/db/db.h"
#include "store/stage.h"

#define UPLOAD_KEPT_MAX   1000         /* of one user, whichever account he uploads to */
#define UPLOAD_OCTETS_MAX (1ull << 30) /* … together */

struct upload {
	uint64_t id, account_id;
	uint64_t user_id; /* who uploaded it */
	uint64_t blob_id, octets;
	struct span type; /* "" none told */
	int64_t expires_ns;
};
/** The stage is taken over when it returns 0; u->id, blob_id and octets are results. ERR_FULL: the disk. */
FIBER int upload_add(struct store *s, struct stage **stage, struct upload *u, struct err *e);
/** In `a`. Expired ones are not found. */
FIBER int upload_get(struct store *s, struct arena *a, uint64_t account_id, uint64_t id,
	struct upload *u_r, bool *is_found_r, struct err *e);
/** Forget what has expired, in slices. */
FIBER int upload_sweep(struct store *s, int64_t now_ns, uint64_t *swept_r, struct err *e);
