/* Anything posted: it is no request, or the document made of its address is bounded and nothing of it is
 * markup. */
#include "base/must.h"
#include "services/setup/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct setup_server servers[] = {
		{SETUP_SUBMISSION, 465, true}, {SETUP_IMAP, 993, true}};
	struct arena *a = arena_new();
	struct span address, domain;
	struct setup_question q;
	struct buf b;

	buf_init(&b, SETUP_DOCUMENT_MAX);
	if (setup_read_autodiscover(a, span_of(data, size), &q, NULL) == 0 &&
		setup_address(a, q.address, &address, &domain)) {
		struct setup_facts f = {.servers = servers,
			.count = ARRAY_LEN(servers),
			.domain = domain,
			.host = SPAN("mx.our.example")};
		struct span text = address;

		MUST(domain.len && domain.len < address.len);
		setup_put_autodiscover(&b, &f, address);
		setup_put_autoconfig(&b, &f);
		MUST(setup_put_profile(&b, &f, address, SPAN_NONE));
		MUST(buf_ok(&b));
		for (size_t i = 0; i < text.len; i++)
			MUST(text.ptr[i] != '<' && text.ptr[i] != '"' &&
				(unsigned char)text.ptr[i] > ' ');
	}
	buf_fini(&b);
	arena_free(&a);
	return 0;
}
