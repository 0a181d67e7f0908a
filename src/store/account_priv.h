#pragma once
/* Inside the room of accounts. */

#include "store/account.h"
#include "store/db/db.h"

#define ACCOUNT_PAGE         256 /* rows of one kind in a list */
#define ACCOUNT_APP_NAME_MAX 64
#define ACCOUNT_NETWORKS_MAX 1024
#define ACCOUNT_NOTE_MAX     200
#define ACCOUNT_USED_STEP_NS CLOCK_MIN /* how often a use is written down */
#define ACCOUNT_HEX_SHA256   64

/** What was proven before counts no more: credential moves, and caches and sessions hear of it. For
 * closures on the writer. */
int account_moved(struct db *db, uint64_t id, struct err *e);
/** ERR_NOT_FOUND "there is no account 'number'"; returns -1. */
int account_gone(struct err *e, uint64_t id);
/** ERR_NOT_FOUND unless it is there. For closures. */
int account_must_be(struct db *db, uint64_t id, struct err *e);
/** ERR_EXISTS when an account, an alias or a list bears the name. For closures. */
int account_address_is_free(struct db *db, struct span local, struct span domain, struct err *e);
