#pragma once
/* EmailSubmission (RFC 8621 section 7): what its files share. */

#include "services/jmapd/jmapd_send.h"

extern const char *const jmap_submission_properties[];
extern const struct jmap_type jmap_submission_type;
jmap_method_fn jmap_submission_get, jmap_submission_changes, jmap_submission_query,
	jmap_submission_query_changes, jmap_submission_set;
