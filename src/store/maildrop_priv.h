#pragma once
/* For the transaction that accepts a letter. */

#include "store/db/db.h"
#include "store/maildrop.h"

/** Keep the name. ERR_EXISTS and *was_there_r when it is kept already. */
int maildrop_once_tx(
	struct db *db, struct span name, int64_t now_ns, bool *was_there_r, struct err *e);
