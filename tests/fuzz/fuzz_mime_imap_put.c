/* What is rendered for IMAP follows its grammar to the letter, a packed layout tells what the tree
 * told, and packed octets of any kind are refused or harmless. */
#include "proto/mail/mime_imap_put.h"

#include "lib/imap_text.h"
#include "lib/layout_check.h"
#include "proto/mail/mail_subject.h"

static void render(struct arena *a, const struct mime_part *p)
{
	struct buf *b = arena_buf(a, 64 << 20), *short_form = arena_buf(a, 64 << 20);
	struct span body = SPAN("");

	mime_imap_put_envelope(b, a, p);
	MUST(imap_text_is_envelope(buf_span(b)));
	for (int is_extended = 0; is_extended < 2; is_extended++) {
		buf_clear(b);
		mime_imap_put_body(b, a, p, is_extended);
		MUST(imap_text_is_body(buf_span(b), is_extended));
		if (is_extended) {
			MUST(mime_imap_put_body_of(short_form, buf_span(b)));
			MUST(span_eq(buf_span(short_form), body));
		} else {
			body = arena_span(a, buf_span(b));
		}
	}
}

static void unpack(struct span octets)
{
	struct mime_layout l;
	struct mime_layout_part p;

	if (!mime_layout_open(octets, &l))
		return;
	for (uint32_t i = 0; i < l.count; i++) {
		mime_layout_part(&l, i, &p);
		MUST(p.header_offset <= p.body_offset && p.body_offset <= p.end_offset);
	}
	mime_layout_at(&l, (const unsigned[]){1, 2, 1}, 3, &p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, in, NULL);
	bool is_reply;

	render(a, t->root);
	if (t->part_count < 200)
		layout_check(a, t);
	unpack(in);
	mime_imap_put_body_of(arena_buf(a, 64 << 20), in);
	MUST(mail_base_subject(a, in, &is_reply).len <= MAIL_SUBJECT_READ);
	arena_free(&a);
	return 0;
}
