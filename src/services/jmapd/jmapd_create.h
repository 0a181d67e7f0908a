#pragma once
/* Methods that only create (Email/import, Email/copy): each object of an argument's by the type's `create`. */

#include "services/jmapd/jmapd_priv.h"

/** accountId, ifInState, then `argument`: {creation id: object}. Writes accountId, oldState, newState, created,
 * notCreated. */
FIBER int jmap_create_run(struct jmap_call *c, const struct jmap_set_type *type,
	const char *argument, void *arg, struct err *e);
