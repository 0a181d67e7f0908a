#pragma once
/* EmailSubmission (RFC 8621 section 7): what its files share. */

#include "services/jmapd/jmapd_send.h"

extern const char *const jmap_submission_properties[];
extern const struct jmap_type jmap_submission_type;
jmap_method_fn jmap_submission_get, jmap_submission_changes, jmap_submission_query,
	jmap_submission_query_changes, jmap_submission_set;

/** The object as /get tells it: those of `properties` and the id; NULL: all. */
FIBER int jmap_submission_tell(struct jmap_call *c, struct jmap_account *account,
	const struct outbox_row *row, struct span *properties, size_t count, struct span *object_r,
	struct err *e);
