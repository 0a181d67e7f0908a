#pragma once
/* What the page remembers of its owner: one JSON object an account, opaque here. Changes are told by
 * OBJECT_SETTINGS (store/object.h). */

#include "store/db/db.h"
#include "store/store.h"

#define WEB_SETTING_MAX 65536 /* octets */

/** "" : nothing is kept. In `a`. */
FIBER int web_setting_get(
	struct store *s, struct arena *a, uint64_t account_id, struct span *json_r, struct err *e);
/** Only while it still is what it was: else *done_r is false and nothing happens. ERR_LIMIT. */
FIBER int web_setting_replace(struct store *s, uint64_t account_id, struct span was,
	struct span now, bool *done_r, struct err *e);
