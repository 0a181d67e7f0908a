#pragma once
/* How to log in at a next hop. Any thread; nothing yields. */

#include "services/pool/pool.h"

/** The login for a destination ("[smart.example]:587|as=@example.org"): that of its sender, else the
 * one for all; a pool's counts for its members. false: none is kept, nobody logs in. It lives in `a`;
 * the caller wipes credential_r->secret. */
bool credential_find(struct pools *p, struct arena *a, struct span destination,
	struct road_credential *credential_r);
/** Which "as" a letter of `sender` ("user@domain") needs at this next hop (a key without "lmtp:" and
 * '|', "pool:NAME" too): "user@domain", "@domain", or "" when no login of its own is kept. It lives
 * in `a`. */
struct span credential_as(
	struct pools *p, struct arena *a, struct span next_hop, struct span sender);
