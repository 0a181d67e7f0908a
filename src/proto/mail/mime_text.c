#include "proto/mail/mime_text.h"

#include <stdlib.h>

#include "base/mem.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_flowed.h"

#define SLICE (16 << 10) /* octets that go through the stages at a time */

struct mime_text {
	struct mime_decoder decoder;
	struct mime_charset *charset;
	struct mime_flowed flowed;
	bool is_flowed;
	struct buf octets, text; /* between the stages */
};

static bool has_value(const struct mime_part *part, const char *name, const char *value)
{
	const struct mime_param *p = mime_value_param(&part->type, span_str(name));

	return p && span_eq_nocase(p->value, span_str(value));
}

struct mime_text *mime_text_new(const struct mime_part *part, bool joins_flows)
{
	struct mime_text *t = NEW(struct mime_text);

	mime_decoder_init(&t->decoder, part->encoding);
	t->charset = mime_charset_new(mime_part_charset(part));
	t->is_flowed = joins_flows && mime_part_is(part, SPAN("text"), SPAN("plain")) &&
		has_value(part, "format", "flowed");
	t->flowed.is_delsp = has_value(part, "delsp", "yes");
	buf_init(&t->octets, 2 * SLICE);
	buf_init(&t->text, 8 * SLICE);
	return t;
}

void mime_text_free(struct mime_text **tp)
{
	struct mime_text *t = *tp;

	if (!t)
		return;
	*tp = NULL;
	mime_charset_free(&t->charset);
	buf_fini(&t->octets);
	buf_fini(&t->text);
	free(t);
}

/* What was decoded goes on to the charset, and from there to the paragraphs. */
static void pass_on(struct mime_text *t, bool is_end, struct buf *out)
{
	struct buf *to = t->is_flowed ? &t->text : out;

	mime_charset_feed(t->charset, buf_span(&t->octets), to);
	buf_clear(&t->octets);
	if (is_end)
		mime_charset_end(t->charset, to);
	if (!t->is_flowed)
		return;
	mime_flowed_feed(&t->flowed, buf_span(&t->text), out);
	buf_clear(&t->text);
	if (is_end)
		mime_flowed_end(&t->flowed, out);
}

void mime_text_feed(struct mime_text *t, struct span octets, struct buf *out)
{
	while (octets.len && buf_ok(out)) {
		struct span slice = span_sub(octets, 0, SLICE);

		mime_decoder_feed(&t->decoder, slice, &t->octets);
		pass_on(t, false, out);
		octets = span_skip(octets, slice.len);
	}
}

uint64_t mime_text_end(struct mime_text *t, struct buf *out)
{
	mime_decoder_end(&t->decoder, &t->octets);
	pass_on(t, true, out);
	return mime_text_defects(t);
}

uint64_t mime_text_defects(const struct mime_text *t)
{
	return mime_decoder_defects(&t->decoder) | mime_charset_defects(t->charset);
}
