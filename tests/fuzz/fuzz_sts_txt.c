/* Any TXT record: it has an id of 1 to 32 letters and digits within it, or is refused. */
#include "base/must.h"
#include "proto/trust/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), id;
	struct err e = {0};

	if (mta_sts_txt_parse(text, &id, &e) < 0)
		MUST(e.text[0]);
	else
		MUST(id.len && id.len <= MTA_STS_ID_MAX && mta_sts_txt_claims(text) &&
			id.ptr >= text.ptr && id.ptr + id.len <= text.ptr + text.len);
	return 0;
}
