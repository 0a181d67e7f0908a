/* Any TXT record: its policies are policies, what is not said is as the one before, and t=y is never
 * stricter. */
#include "base/must.h"
#include "proto/trust/dmarc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dmarc_record r;
	bool is_record = dmarc_parse(span_of(data, size), &r);

	MUST(r.p < DMARC_POLICY_COUNT && r.sp < DMARC_POLICY_COUNT && r.np < DMARC_POLICY_COUNT);
	MUST(r.psd == 'y' || r.psd == 'n' || r.psd == 'u');
	MUST(is_record || (!r.has_sp && !r.has_np));
	if (is_record)
		MUST((r.has_sp || r.sp == r.p) && (r.has_np || r.np == r.sp));
	MUST(dmarc_policy_for(&r, false, true) <= r.p && dmarc_policy_for(&r, true, true) <= r.sp);
	return 0;
}
