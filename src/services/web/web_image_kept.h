#pragma once
/* Pictures that were fetched a while ago, so that a letter that is opened again asks its sender's server nothing. In
 * memory, for each account by itself: how fast a picture comes tells nobody what others have read. Thread-safe. */

#include "base/clock.h"
#include "base/span.h"

struct web_picture {
	struct span octets;
	const char *type; /* static */
};

struct web_image_kept;
/** Keeps octets up to `budget`, with what each takes beside them; the oldest go first. */
struct web_image_kept *web_image_kept_new(uint64_t budget);
void web_image_kept_free(struct web_image_kept **k);
/** A copy of the octets is kept until now_ns + WEB_IMAGE_KEPT_NS, in place of an older one. Nothing is kept of a
 * picture larger than WEB_IMAGE_KEPT_MAX, and nothing when there is no memory. */
void web_image_kept_put(struct web_image_kept *k, uint64_t account_id, struct span url,
	const struct web_picture *picture, int64_t now_ns);
/** NULL: not kept, or too old. To be given back with web_image_kept_done. */
struct web_picture *web_image_kept_get(
	struct web_image_kept *k, uint64_t account_id, struct span url, int64_t now_ns);
void web_image_kept_done(struct web_image_kept *k, struct web_picture **picture);

#define WEB_IMAGE_KEPT_NS     CLOCK_DAY
#define WEB_IMAGE_KEPT_MAX    (2u << 20)
#define WEB_IMAGE_KEPT_BUDGET (32ull << 20)
