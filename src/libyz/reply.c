/* A server's reply in the shape the caller sees. */

#include "libyz/libyz_priv.h"

#include "base/must.h"

static size_t count_lines(struct span text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

const struct yz_reply *reply_make(struct arena *a, const struct smtp_reply *r)
{
	/* A verdict of our own has no line on the wire. */
	struct span sent = buf_len(&r->lines) ? buf_span(&r->lines) : buf_span(&r->text), line;
	struct yz_reply *y;
	const char **lines;

	if (r->code == 0)
		return NULL;
	y = ARENA_NEW(a, struct yz_reply);
	y->code = (int)r->code;
	y->cls = r->cls;
	y->subject = r->subject;
	y->detail = r->detail;
	y->text = arena_str(a, buf_span(&r->text));
	y->line_count = count_lines(sent);
	lines = ARENA_ARRAY(a, const char *, y->line_count + 1);
	for (size_t i = 0; i < y->line_count; i++) {
		span_cut(sent, '\n', &line, &sent);
		lines[i] = arena_str(a, line);
	}
	y->lines = lines;
	return y;
}

void reply_forget(struct reply_box *box)
{
	box->reply = NULL;
}

void reply_keep(struct reply_box *box, const struct smtp_reply *r)
{
	if (box->arena)
		arena_reset(box->arena);
	else
		box->arena = arena_new();
	box->reply = reply_make(box->arena, r);
}

void reply_box_fini(struct reply_box *box)
{
	arena_free(&box->arena);
	box->reply = NULL;
}
