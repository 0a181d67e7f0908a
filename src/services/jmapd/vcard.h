#pragma once
/* vCards (RFC 6350, and what RFC 2426 and 2.1 had before): people in, people out. Pure. */

#include "base/arena.h"
#include "base/buf.h"
#include "store/contact.h"

#define VCARD_IMPORT_MAX 5000         /* cards of one import */
#define VCARD_VALUE_MAX  (256 * 1024) /* octets of one line, unfolded */

/** Cards of a text, in `a`; what has neither a name nor an address is passed over. *bad_r: how many cards were
 * not understood. False: too many. */
bool vcard_read(
	struct arena *a, struct span text, struct contact **list_r, size_t *count_r, size_t *bad_r);
/** One card; `version` 3 or 4. */
void vcard_put(struct buf *b, const struct contact *c, unsigned version);
