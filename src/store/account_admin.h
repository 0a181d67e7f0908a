#pragma once
/* Administration of accounts: further addresses, members of teams and groups, send-as, renaming, and the
 * end of an account. Making and changing one is directory_account_set(). All are ERR_NOT_FOUND,
 * ERR_EXISTS, ERR_SYNTAX, ERR_LIMIT with a text that says what to do. What takes a right away moves the
 * credential of who loses it. */

#include "store/account.h"

#define ACCOUNT_ADDRESSES_MAX 200 /* further ones */
#define ACCOUNT_GRACE_NS      (30 * CLOCK_DAY)
#define ACCOUNT_PURGE_SLICE   256 /* rows that one closure takes */

/** Is the local part one that the world expects to reach somebody by (RFC 2142), or to mean the machine
 * itself? Pure; any case. */
bool account_is_reserved(struct span local);

/** A further address of the account. */
FIBER int account_address_add(
	struct store *s, struct span address, struct span further, struct err *e);
FIBER int account_address_remove(
	struct store *s, struct span address, struct span further, struct err *e);
FIBER int account_address_list(struct store *s, struct arena *a, uint64_t id, struct span **list_r,
	size_t *count_r, struct err *e);

struct account_member {
	struct span address; /* of the member */
	struct span name;
	unsigned rights; /* enum account_right */
};
/** `is_add`: ERR_EXISTS when it is one; else ERR_NOT_FOUND when it is none. `address`: a team or group. */
FIBER int account_member_set(struct store *s, struct span address, struct span member,
	unsigned rights, bool is_add, struct err *e);
FIBER int account_member_remove(
	struct store *s, struct span address, struct span member, struct err *e);
FIBER int account_member_list(struct store *s, struct arena *a, uint64_t id,
	struct account_member **list_r, size_t *count_r, struct err *e);

/** `pattern`: "user@domain" or "@domain". */
FIBER int account_send_as_add(
	struct store *s, struct span address, struct span pattern, struct err *e);
FIBER int account_send_as_remove(
	struct store *s, struct span address, struct span pattern, struct err *e);
FIBER int account_send_as_list(struct store *s, struct arena *a, uint64_t id, struct span **list_r,
	size_t *count_r, struct err *e);

/** Another primary address; the old one stays as a further one when `is_kept`. */
FIBER int account_rename(
	struct store *s, struct span address, struct span to, bool is_kept, struct err *e);

/** Nobody logs in until a password is set. */
FIBER int account_password_remove(struct store *s, uint64_t id, struct err *e);

/* The end: marked (its mail is refused, nobody logs in), and after the grace time gone for good. */
FIBER int account_remove(struct store *s, struct span address, int64_t now_ns, struct err *e);
/** ERR_STATE: it is not removed. */
FIBER int account_restore(struct store *s, struct span address, struct err *e);
/** Its mail, its rows, at last itself, in slices; `id` is marked first when it is not. */
FIBER int account_purge(struct store *s, uint64_t id, struct err *e);
/** The same for one that was removed before `before_ns`, or was begun with. ERR_STATE: it is not, because
 * it has been taken back meanwhile. */
FIBER int account_purge_due(struct store *s, uint64_t id, int64_t before_ns, struct err *e);
/** The account that was removed first before `before_ns`; 0 none. */
FIBER int account_next_to_purge(struct store *s, int64_t before_ns, uint64_t *id_r, struct err *e);

/* Room of several accounts, asked in one read. */
struct account_fit {
	uint64_t id;
	bool is_full;  /* result: `octets` more do not fit (0: not a single one more) */
	bool is_never; /* result: they are more than all that it may have */
};
#define ACCOUNT_FITS_MAX 256
/** An account that is gone is not full. */
FIBER int account_fits(
	struct store *s, struct account_fit *fits, size_t count, uint64_t octets, struct err *e);
