#pragma once
/* MTA-STS (RFC 8461): the TXT record that says there is a policy, the policy's text, and which hosts
 * fit it. Pure: nothing is looked up or fetched here. Unknown fields are passed over; of a field that
 * stands twice the first counts (mx excepted), as section 3.2 asks. */

#include "base/arena.h"
#include "base/err.h"

#define MTA_STS_FILE_MAX     (64 * 1024) /* section 3.3 */
#define MTA_STS_PATTERNS_MAX 256
#define MTA_STS_ID_MAX       32
#define MTA_STS_TXT_MAX      2048
#define MTA_STS_AGE_MAX      31557600 /* seconds; a longer age is cut to it */

#define MTA_STS_MODES(X)                                                                           \
	X(NONE, "none")                                                                            \
	X(TESTING, "testing")                                                                      \
	X(ENFORCE, "enforce")
enum mta_sts_mode {
#define X(id, name) MTA_STS_##id,
	MTA_STS_MODES(X)
#undef X
		MTA_STS_MODE_COUNT
};
const char *mta_sts_mode_str(enum mta_sts_mode m);

struct mta_sts_policy {
	enum mta_sts_mode mode;
	uint64_t max_age; /* seconds */
	size_t mx_count;
	struct span *mx; /* lower case, without a last dot */
};

/** Does this TXT record claim to be one of MTA-STS ("v=STSv1" and no letter behind)? Others at the
 * name do not count. */
bool mta_sts_txt_claims(struct span text);
/** The id of the record (section 3.1), within `text`. ERR_SYNTAX: it is none. */
int mta_sts_txt_parse(struct span text, struct span *id_r, struct err *e);

/** The policy (section 3.2). It lives in `a`. ERR_SYNTAX with a text for people; ERR_LIMIT. */
int mta_sts_parse(
	struct arena *a, struct span text, struct mta_sts_policy *policy_r, struct err *e);

/** Section 4.1: one label stands for "*". Names are A-labels; case and a last dot do not count. */
bool mta_sts_fits(struct span pattern, struct span host);
bool mta_sts_allows(const struct mta_sts_policy *p, struct span host);
