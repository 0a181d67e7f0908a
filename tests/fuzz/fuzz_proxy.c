/* Any bytes: a header is found at one length and at no shorter one, and its addresses are sound. */
#include "base/must.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size);
	struct proxy_header h, part;
	size_t used, shorter;
	int rc = proxy_parse(all, &h, &used, NULL);

	MUST(used <= size && used <= PROXY_V2_MAX && (rc == 0 || used == 0));
	if (used) {
		MUST(h.is_local ? !h.src.len : addr_is_ip(&h.src) && addr_is_ip(&h.dst));
		for (size_t n = 0; n < used; n += 1 + used / 64)
			MUST(proxy_parse(span_sub(all, 0, n), &part, &shorter, NULL) == 0 &&
				!shorter);
	}
	return 0;
}
