#pragma once
/* Keys that sign, as an administrator sees them. */

#include "net/dns.h"
#include "services/host/ops_dns.h"
#include "services/sign/sign_key.h"

struct ops_key_found {
	struct sign_key_public key;
	enum dns_advice_state state;
	const char *why;
	struct dns_answer found;
};
/** Look the record of a key up, and judge it. `dns` NULL: it is taken as not published. All lives in `a`. -1: the row is no key, or cancelled. */
FIBER int ops_key_look(struct dns *dns, struct arena *a, const struct dkim_keys_row *row,
	struct ops_key_found *found_r, struct err *e);
