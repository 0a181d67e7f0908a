#pragma once
/* Inside the router: the keys that addresses are looked up by. Pure. */

#include "services/router/router.h"

/** The local part as the directory has it: without quoting, ASCII letters lower-case. */
struct span router_local_key(struct arena *a, struct span local);
