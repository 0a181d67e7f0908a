/* Lines to a reply; what was understood is safe to write and reads back as the same. */
#include "proto/smtp/smtp_syntax.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_reply_parser p;
	struct span rest = span_of(data, size), line;
	struct arena *a = arena_new();
	struct smtp_caps caps;

	smtp_reply_parser_init(&p);
	p.keeps_lines = true;
	while (!p.is_complete && span_cut(rest, '\n', &line, &rest))
		if (smtp_reply_parser_line(&p, line, NULL) < 0)
			break;
	MUST(buf_len(&p.reply.text) <= SMTP_REPLY_TEXT_MAX);
	MUST(buf_len(&p.reply.lines) <= SMTP_REPLY_LINES_TEXT_MAX);
	smtp_caps_parse(a, buf_span(&p.reply.lines), &caps);
	MUST(caps.count <= SMTP_REPLY_LINES_MAX);
	for (size_t i = 0; i < caps.count; i++) /* each keyword once */
		MUST(caps.list[i].name.len &&
			smtp_caps_find(&caps, caps.list[i].name) == &caps.list[i]);
	smtp_reply_parser_fini(&p);
	arena_free(&a);
	return 0;
}
