#pragma once
/* How to log in at a next hop. Any thread; nothing yields. */

#include "services/pool/pool.h"

/** The login for a destination ("[smart.example]:587|as=@example.org"): that of its sender, else the
 * one for all; a pool's counts for its members. false: none is kept, nobody logs in. It lives in `a`;
 * the caller wipes credential_r->secret. */
bool credential_find(struct pools *p, struct arena *a, struct span destination,
	struct road_credential *credential_r);
