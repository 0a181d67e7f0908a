#pragma once
/* What the records of this room have in common: "v=X; name=value; name=value" in a TXT record
 * (RFC 8461 section 3.1, RFC 8460 section 3). Pure. */

#include "base/span.h"

struct trust_record {
	struct span rest, field; /* field: the last one, for people */
	bool is_good;            /* every field so far was name=value */
};

/** Does it begin with `version` ("v=STSv1"), and is that the whole of the first field? */
bool trust_record_claims(struct span text, struct span version);
/** Behind the version. */
void trust_record_begin(struct trust_record *r, struct span text);
/** The next field; false at the end, and where one is malformed (then !is_good). */
bool trust_record_next(struct trust_record *r, struct span *name_r, struct span *value_r);

bool trust_is_alnum(char c);
/** A field's name: a letter or digit, then at most 31 of these, "_", "-" and ".". */
bool trust_is_name(struct span name);
/** Letters, digits, "-" and "_" in labels of 1 to 63, at most 253 octets; a last dot may stand. */
bool trust_is_domain(struct span name);
/** Neither controls (tab excepted) nor NUL; octets above 127 stand where they are UTF-8's. */
bool trust_is_text(struct span text);
