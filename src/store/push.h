#pragma once
/* Push subscriptions (RFC 8620 section 7.2): where a client wants to be told that something has changed. */

#include "store/store.h"

#define PUSH_MAX 20 /* of one account */

struct push {
	uint64_t id, account_id;
	struct span device, url;
	struct span p256dh, auth; /* base64url; "" not encrypted */
	struct span types;        /* blanks between; "" all */
	struct span code;         /* that it is verified with */
	bool is_verified;
	int64_t expires_ns;
};
/** p->id is a result. ERR_LIMIT. */
FIBER int push_add(struct store *s, struct push *p, struct err *e);
/** Of an account (0: of all) that have not expired, in `a`. */
FIBER int push_list(struct store *s, struct arena *a, uint64_t account_id, struct push **list_r,
	size_t *count_r, struct err *e);
/** types, is_verified, expires_ns. ERR_NOT_FOUND. */
FIBER int push_update(struct store *s, const struct push *p, struct err *e);
/** ERR_NOT_FOUND. */
FIBER int push_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e);
