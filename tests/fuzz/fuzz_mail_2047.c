/* Whatever a field holds, one line of well-formed UTF-8 comes out, and it can be written again. */
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span text = mail_word_decode(a, span_of(data, size)), list = span_of(data, size);
	struct mail_mailbox m;
	struct buf b;

	MUST(utf8_is_valid(text) && !span_has_line_break(text));
	MUST(utf8_is_valid(mail_word_text(a, span_of(data, size))));
	buf_init(&b, 16 * text.len + 100);
	mail_word_put(&b, text, size % 80);
	MUST(buf_ok(&b) &&
		(text.len > MAIL_WORD_TEXT_MAX / 4 ||
			span_eq(mail_word_decode(a, buf_span(&b)), text)));
	buf_fini(&b);
	while (mail_mailbox_next(a, &list, &m))
		MUST(!span_has_line_break(m.name) && !span_has_line_break(m.address));
	arena_free(&a);
	return 0;
}
