#pragma once
/* SASLprep (RFC 4013): names and passwords as they are compared. Pure; thread-safe. */

#include "base/buf.h"
#include "base/err.h"

/** SASLprep of a name or password, appended to `out`; unassigned code points pass, as in a query.
 * ERR_SYNTAX: not UTF-8, or characters that may not be, or nothing left. */
int sasl_prep(struct span text, struct buf *out, struct err *e);
