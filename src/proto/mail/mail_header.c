#include "proto/mail/mail_header.h"

#include <string.h>

#include "base/must.h"

/* What the line under way is; a line's kind is known at its first octets. */
enum line_kind {
	LINE_UNKNOWN, /* its beginning waits in h->line */
	LINE_FIELD,   /* the first line of a field */
	LINE_MORE,    /* a continuation */
};

static const char *const names[MAIL_FIELD_COUNT + 1] = {
#define X(id, name) [MAIL_##id] = name,
	MAIL_FIELDS(X)
#undef X
		[MAIL_FIELD_OTHER] = "",
};

const char *mail_field_name(enum mail_field_id id)
{
	return names[(unsigned)id <= MAIL_FIELD_COUNT ? id : MAIL_FIELD_OTHER];
}

static enum mail_field_id id_of(struct span name)
{
	for (unsigned i = 0; i < MAIL_FIELD_COUNT; i++)
		if (span_eq_nocase(name, span_str(names[i])))
			return (enum mail_field_id)i;
	return MAIL_FIELD_OTHER;
}

void mail_header_init(
	struct mail_header *h, void (*field)(void *arg, const struct mail_field *f), void *arg)
{
	memset(h, 0, sizeof(*h));
	h->field = field;
	h->arg = arg;
	buf_init(&h->text, MAIL_FIELD_KEEP);
	buf_init(&h->line, MAIL_FIELD_NAME_MAX);
}

void mail_header_fini(struct mail_header *h)
{
	buf_fini(&h->text);
	buf_fini(&h->line);
}

/* Keep what fits. */
static void keep(struct mail_header *h, struct span s)
{
	size_t room = buf_room(&h->text);

	h->field_len += s.len;
	if (s.len > room)
		h->troubles |= MAIL_HEADER_FIELD_CUT;
	buf_span_put(&h->text, span_sub(s, 0, room));
}

static struct span without_line_end(struct span s)
{
	if (s.len && s.ptr[s.len - 1] == '\n')
		s.len--;
	if (s.len && s.ptr[s.len - 1] == '\r')
		s.len--;
	return s;
}

static void give_out(struct mail_header *h)
{
	struct mail_field f = {0};
	struct span text = buf_span(&h->text);

	if (h->field_len == 0)
		return;
	span_cut(text, ':', &f.name, &f.value);
	while (f.name.len &&
		(f.name.ptr[f.name.len - 1] == ' ' || f.name.ptr[f.name.len - 1] == '\t'))
		f.name.len--; /* obs-optional, RFC 5322 section 4.5.8 */
	f.is_cut = h->field_len > text.len;
	if (!f.is_cut)
		f.value = without_line_end(f.value);
	f.id = id_of(f.name);
	f.offset = h->field_at;
	f.len = h->field_len;
	h->count[f.id]++;
	h->fields++;
	if (h->field)
		h->field(h->arg, &f);
	buf_clear(&h->text);
	h->field_len = 0;
}

static void end(struct mail_header *h, uint64_t body_offset)
{
	give_out(h);
	h->body_offset = body_offset;
	h->is_done = true;
	buf_fini(&h->text);
	buf_fini(&h->line);
}

/* Is this the beginning of a field (1), surely not (0), or too little to tell (-1)?
 * field-name = 1*ftext (RFC 5322 section 3.6.8), obsolete blanks before the colon. */
static int begins_field(struct span line)
{
	size_t i = 0;

	while (i < line.len && line.ptr[i] > ' ' && line.ptr[i] < 0x7f && line.ptr[i] != ':')
		i++;
	if (i == 0 && line.len)
		return 0;
	while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
		i++;
	if (i < line.len)
		return line.ptr[i] == ':';
	return line.len < MAIL_FIELD_NAME_MAX ? -1 : 0;
}

/* The line's beginning is in h->line; find out what it is. */
static void classify(struct mail_header *h, bool is_whole)
{
	struct span line = buf_span(&h->line);
	uint64_t line_at = h->fed - line.len;
	int verdict;

	if (without_line_end(line).len == 0 && is_whole) {
		end(h, h->fed); /* the empty line belongs to the section */
		return;
	}
	if (line.len == 1 && line.ptr[0] == '\r' && !is_whole)
		return;
	if ((line.ptr[0] == ' ' || line.ptr[0] == '\t') && h->field_len) {
		h->line_kind = LINE_MORE;
	} else {
		verdict = begins_field(line);
		if (verdict < 0 && !is_whole)
			return;
		if (verdict <= 0) {
			h->troubles |= MAIL_HEADER_NO_FIELD;
			end(h, line_at);
			return;
		}
		give_out(h);
		if (h->fields >= MAIL_FIELDS_MAX) {
			h->troubles |= MAIL_HEADER_TOO_LONG;
			end(h, line_at);
			return;
		}
		h->line_kind = LINE_FIELD;
		h->field_at = line_at;
	}
	keep(h, line);
	buf_clear(&h->line);
}

/* A piece of one line; `is_end`: its line end is the last octet. */
static void take_piece(struct mail_header *h, struct span piece, bool is_end)
{
	struct span head = SPAN_NONE;

	if (h->line_kind == LINE_UNKNOWN) {
		head = span_sub(piece, 0, buf_room(&h->line));
		buf_span_put(&h->line, head);
		h->fed += head.len;
		classify(h, is_end && head.len == piece.len);
		if (h->is_done)
			return;
		piece = span_skip(piece, head.len);
	}
	if (h->line_kind != LINE_UNKNOWN)
		keep(h, piece);
	h->fed += piece.len;
	if (is_end)
		h->line_kind = LINE_UNKNOWN;
}

size_t mail_header_feed(struct mail_header *h, struct span octets)
{
	size_t at = 0;

	while (at < octets.len && !h->is_done) {
		struct span rest = span_skip(octets, at);
		ptrdiff_t lf;
		size_t before = (size_t)h->fed;

		if (h->fed >= MAIL_HEADER_MAX) {
			h->troubles |= MAIL_HEADER_TOO_LONG;
			end(h, h->fed);
			break;
		}
		rest = span_sub(rest, 0, MAIL_HEADER_MAX - (size_t)h->fed);
		lf = span_find(rest, '\n');
		take_piece(h, lf < 0 ? rest : span_sub(rest, 0, (size_t)lf + 1), lf >= 0);
		at += (size_t)h->fed - before;
	}
	if (h->is_done && h->fed > h->body_offset) {
		uint64_t over = h->fed - h->body_offset;

		h->fed = h->body_offset;
		return over < at ? at - (size_t)over : 0;
	}
	return at;
}

void mail_header_finish(struct mail_header *h)
{
	struct span line = buf_span(&h->line);

	if (h->is_done)
		return;
	if (line.len) { /* an unfinished last line whose kind is open: it is no field */
		if (without_line_end(line).len)
			h->troubles |= MAIL_HEADER_NO_FIELD;
		end(h, h->fed - (without_line_end(line).len ? line.len : 0));
	} else {
		end(h, h->fed);
	}
	h->fed = h->body_offset;
}

struct span mail_unfold(struct arena *a, struct span value)
{
	char *out = arena_alloc(a, value.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] != '\r' && value.ptr[i] != '\n')
			out[n++] = value.ptr[i];
	return span_trim(span_of(out, n));
}

struct finding {
	struct span name, value, message;
	bool is_found;
};

static void find_field(void *arg, const struct mail_field *f)
{
	struct finding *found = arg;

	if (found->is_found || !span_eq_nocase(f->name, found->name))
		return;
	/* The copy goes away; its place in the message stays. */
	found->value = span_sub(found->message,
		(size_t)f->offset + (size_t)(f->value.ptr - f->name.ptr), f->value.len);
	found->is_found = true;
}

bool mail_header_find(struct span message, struct span name, struct span *value_r)
{
	struct finding found = {.name = name, .message = message};
	struct mail_header h;

	mail_header_init(&h, find_field, &found);
	mail_header_feed(&h, message);
	mail_header_finish(&h);
	mail_header_fini(&h);
	if (found.is_found)
		*value_r = found.value;
	return found.is_found;
}
