#pragma once
/* Dates and Message-IDs of header fields. Pure. */

#include "base/arena.h"
#include "base/buf.h"

#define MIME_IDS_MAX 1000 /* of one References field */

struct mime_date {
	int64_t unix_sec;
	int zone_minutes; /* east of UTC */
	bool has_zone;    /* false: "-0000", or none was told (RFC 5322 section 3.3) */
	bool is_obsolete; /* section 4.3, or a form of RFC 850 or asctime() */
};
/** date-time of RFC 5322 sections 3.3 and 4.3, and the forms seen beside it. */
bool mime_date_parse(struct span value, struct mime_date *date_r);

struct mime_ids {
	struct span *items; /* "<left@right>" with their brackets, blanks and comments gone */
	size_t count;
	bool has_defects; /* something else stood between them */
};
/** Message-ID, In-Reply-To, References (RFC 5322 sections 3.6.4 and 4.5.4). Lives in `a`. */
void mime_ids_parse(struct arena *a, struct span value, struct mime_ids *ids_r);
