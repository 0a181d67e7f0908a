#pragma once
/* Push subscriptions (RFC 8620 section 7.2): where a client wants to be told that something has changed. Each is tied to
 * what its maker has logged in with: once that has ended (another password, an app password that is gone, a session that
 * is over) it is not there any more. */

#include "store/store.h"

#define PUSH_MAX    20 /* of one account */
#define PUSH_BY_MAX 24

struct push {
	uint64_t id, account_id;
	struct span device, url;
	struct span p256dh, auth; /* base64url; "" not encrypted */
	struct span types;        /* blanks between; "" all */
	struct span code;         /* that it is verified with */
	struct span
		by; /* push_by; "": whatever the account logs in with (made by an older server) */
	bool is_verified;
	int64_t expires_ns;
};

/** What somebody has logged in with, as a word: the web session, else the app password, else what the account itself logs
 * in with (`credential`; a bearer token of the identity provider is another one than the password). */
void push_by(
	struct buf *b, uint64_t session_id, uint64_t app_id, uint64_t credential, bool is_token);

/** p->id is a result. ERR_LIMIT. */
FIBER int push_add(struct store *s, struct push *p, struct err *e);
/** Of an account (0: of all), in `a`. Those that have expired, or whose login has ended, are destroyed instead. */
FIBER int push_list(struct store *s, struct arena *a, uint64_t account_id, struct push **list_r,
	size_t *count_r, struct err *e);
/** Does it still count: neither expired nor its login ended? */
FIBER int push_still(struct store *s, const struct push *p, bool *is_r, struct err *e);
/** types, is_verified, expires_ns. ERR_NOT_FOUND. */
FIBER int push_update(struct store *s, const struct push *p, struct err *e);
/** URL and keys are overwritten where they lay. ERR_NOT_FOUND. */
FIBER int push_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e);
