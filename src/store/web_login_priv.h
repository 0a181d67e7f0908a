#pragma once
/* Inside the room of browsers' logins. */

#include "store/db/db.h"
#include "store/web_login.h"

/** For closures: the session goes on with the account's credential of now. `id` 0: nothing. */
int web_session_keep_tx(struct db *db, uint64_t account_id, uint64_t id, struct err *e);
