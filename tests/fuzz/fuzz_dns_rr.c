/* The first octet chooses the type, the rest is RDATA. What is taken is harmless text. */
#include "base/must.h"
#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {
		DNS_A, DNS_CNAME, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA, DNS_SRV, DNS_TLSA};
	struct arena *a = arena_new();
	struct dns_rr rr;

	if (size && dns_rr_decode(a, types[data[0] % 8], span_of(data + 1, size - 1), &rr)) {
		MUST(rr.data.len == size - 1 && rr.text.len < size);
		MUST(rr.name.len <= DNS_NAME_MAX && span_is_ascii(rr.name));
		MUST(!span_has_line_break(rr.name) && span_find(rr.name, ' ') < 0);
		MUST(rr.addr.len == 0 || addr_is_ip(&rr.addr));
	}
	arena_free(&a);
	return 0;
}
