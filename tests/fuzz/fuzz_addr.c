/* Any text: what is an address is the same again when written, and so is a network. */
#include "base/must.h"
#include "net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct addr a, again;
	struct addr_net net;
	struct buf b;

	buf_init(&b, ADDR_TEXT_MAX);
	if (addr_parse(text, 25, &a, NULL) == 0) {
		addr_put(&b, &a);
		MUST(buf_ok(&b) && addr_parse(buf_span(&b), 0, &again, NULL) == 0);
		MUST(addr_eq(&a, &again));
	}
	if (addr_net_parse(text, &net, NULL) == 0)
		MUST(addr_net_has(&net, &net.base));
	buf_fini(&b);
	return 0;
}
