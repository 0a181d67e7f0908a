/* Any text: a policy is refused with a reason, or has what the RFC says it must have. */
#include "base/must.h"
#include "proto/trust/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct mta_sts_policy p;
	struct err e = {0};

	if (mta_sts_parse(a, span_of(data, size), &p, &e) < 0) {
		MUST(e.code != ERR_NONE && e.text[0]);
	} else {
		MUST(p.max_age <= MTA_STS_AGE_MAX && p.mx_count <= MTA_STS_PATTERNS_MAX);
		MUST(p.mode == MTA_STS_NONE || p.mx_count > 0);
		for (size_t i = 0; i < p.mx_count; i++)
			MUST(p.mx[i].len &&
				(p.mx[i].ptr[0] == '*' || mta_sts_fits(p.mx[i], p.mx[i])));
		mta_sts_allows(&p, span_of(data, size));
	}
	arena_free(&a);
	return 0;
}
