/* Any TXT record: its addresses are within it and of a known scheme, or it is refused. */
#include "base/must.h"
#include "proto/trust/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct tlsrpt_record r;
	struct err e = {0};

	if (tlsrpt_txt_parse(text, &r, &e) < 0)
		MUST(e.text[0]);
	else
		MUST(r.count > 0 && r.count <= TLSRPT_RUA_MAX);
	for (size_t i = 0; i < r.count; i++)
		MUST(r.rua[i].ptr >= text.ptr &&
			r.rua[i].ptr + r.rua[i].len <= text.ptr + text.len);
	return 0;
}
