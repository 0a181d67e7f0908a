/* Any line: it parses, or the peer is owed a reply; what parsed can be copied. */
#include "proto/smtp/smtp_syntax.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct smtp_command c;
	struct err e = {0};
	unsigned features = size && data[size - 1] % 2 ? ~0u : size ? data[0] * 1025u : 0;

	if (smtp_command_parse(a, span_of(data, size), features, size & 1, &c, &e) < 0)
		MUST(e.smtp >= 500 && e.smtp <= 555 && e.enh_class == 5);
	else
		smtp_mail_copy(a, &c.mail, &c.mail), smtp_rcpt_copy(a, &c.rcpt, &c.rcpt);
	arena_free(&a);
	return 0;
}
