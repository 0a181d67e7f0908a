#pragma once
/* Networks that may not connect, and those that nothing is held against, as they are kept over restarts.
 * services/guard decides by them and has them all in memory; here they are only written down. */

#include "store/store.h"

#define BAN_ROWS_MAX 65536
#define BAN_TEXT_MAX 200 /* octets of a reason, of who made it */

enum ban_kind { BAN_REFUSE, BAN_ALLOW };

struct ban_row {
	struct span network; /* "192.0.2.0/24": as the caller writes it, always the same way */
	enum ban_kind kind;
	struct span reason, made_by;
	int64_t made_ns, until_ns; /* wall clock; until 0: until it is taken back */
};

/** All that have not ended at `now_ns`, by network; they live in `a`. At most BAN_ROWS_MAX. */
FIBER int bans_load(struct store *s, struct arena *a, int64_t now_ns, struct ban_row **rows_r,
	size_t *count_r, struct err *e);
/** Replaces the row of its network. */
FIBER int ban_set(struct store *s, const struct ban_row *row, struct err *e);
/** The same, some time later: the row is copied, nobody waits, nothing yields. Any thread. */
void ban_set_later(struct store *s, const struct ban_row *row);
FIBER int ban_remove(struct store *s, struct span network, struct err *e); /* ERR_NOT_FOUND */
