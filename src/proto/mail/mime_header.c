/* From the fields of a header section to what a part is (RFC 2045, RFC 5322 section 3.6). */
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/mime_priv.h"

#define FROM_ADDRESSES_READ 10 /* of a From field: enough to tell that they are several */
#define BOUNDARY_SHOULD_MAX 70 /* RFC 2046 section 5.1.1 */

static const struct field_name {
	const char *name;
	bool is_single;
} field_names[MIME_FIELD_COUNT] = {
#define X(id, text, single) [MIME_FIELD_##id] = {text, single},
	MIME_FIELDS(X)
#undef X
};

enum mime_field_id mime_field_id_of(struct span name)
{
	for (unsigned i = 0; i < MIME_FIELD_COUNT; i++)
		if (span_eq_nocase(name, span_str(field_names[i].name)))
			return (enum mime_field_id)i;
	return MIME_FIELD_OTHER;
}

static void check_octets(struct mime_parser *p, const struct mail_field *f, uint64_t at)
{
	struct span v = f->value;
	size_t n = 0;
	bool has_high = false;

	if (f->is_cut)
		mime_note(p, p->part, MIME_FIELD_CUT, at);
	if (v.len && memchr(v.ptr, '\0', v.len))
		mime_note(p, p->part, MIME_FIELD_NUL, at);
	for (n = 0; n < v.len; n++) {
		has_high |= (unsigned char)v.ptr[n] >= 0x80;
		if (v.ptr[n] == '\r' && (n + 1 == v.len || v.ptr[n + 1] != '\n'))
			mime_note(p, p->part, MIME_FIELD_BARE_CR, at);
	}
	/* RFC 6532 section 3.2 */
	if (has_high && !f->is_cut && !utf8_is_valid(v))
		mime_note(p, p->part, MIME_FIELD_8BIT, at);
	if (f->name.ptr + f->name.len + 1 != f->value.ptr)
		mime_note(p, p->part, MIME_FIELD_BLANK_NAME, at);
}

void mime_take_field(void *parser, const struct mail_field *f)
{
	struct mime_parser *p = parser;
	struct mime_field *field;
	uint64_t at = p->part->header_offset + f->offset;
	size_t octets = f->name.len + f->value.len;

	check_octets(p, f, at);
	if (p->total_fields >= p->limits.fields ||
		p->header_octets + octets > p->limits.header_octets) {
		mime_note(p, p->part, MIME_HEADER_TOO_LONG, at);
		p->total_fields = p->limits.fields; /* and no more of them */
		return;
	}
	p->total_fields++;
	p->header_octets += octets;
	if (p->field_count == p->field_room) {
		struct mime_field *more;

		p->field_room = p->field_room ? p->field_room * 2 : 16;
		more = ARENA_ARRAY(p->a, struct mime_field, p->field_room);
		if (p->field_count)
			memcpy(more, p->fields, p->field_count * sizeof(*more));
		p->fields = more;
	}
	field = &p->fields[p->field_count++];
	memset(field, 0, sizeof(*field));
	field->id = mime_field_id_of(f->name);
	field->offset = at;
	field->len = f->len;
	field->value_offset = at + (uint64_t)(f->value.ptr - f->name.ptr);
	field->name = arena_span(p->a, f->name);
	field->value = arena_span(p->a, f->value);
}

static void gather(struct mime_parser *p, struct mime_part *part)
{
	for (size_t i = 0; i < part->field_count; i++) {
		struct mime_field *f = &part->fields[i];
		struct span *raw;

		if (f->id == MIME_FIELD_OTHER)
			continue;
		raw = &part->raw[f->id];
		if (!raw->ptr) {
			*raw = f->value;
			continue;
		}
		if (!field_names[f->id].is_single)
			continue;
		mime_note(p, part,
			f->id == MIME_FIELD_FROM                       ? MIME_FROM_DUPLICATE
				: f->id == MIME_FIELD_CONTENT_TYPE     ? MIME_TYPE_DUPLICATE
				: f->id == MIME_FIELD_CONTENT_ENCODING ? MIME_ENCODING_DUPLICATE
								       : MIME_FIELD_DUPLICATE,
			f->offset);
	}
}

/* RFC 2046 section 5.1.1: bchars. What most senders break is not counted ('=' unquoted is). */
static uint64_t check_boundary(struct span b)
{
	uint64_t defects = 0;

	if (b.len > BOUNDARY_SHOULD_MAX)
		defects |= mime_bit(MIME_BOUNDARY_LONG);
	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = (unsigned char)b.ptr[i];

		if (c < ' ' || c >= 0x7f || strchr("\"<>@;[]{}\\!#$%&*^`|~", c))
			defects |= mime_bit(MIME_BOUNDARY_BAD);
	}
	return defects;
}

static void set_boundary(struct mime_parser *p, struct mime_part *part)
{
	const struct mime_param *param = mime_value_param(&part->type, SPAN("boundary"));
	struct span b = param ? param->value : SPAN_NONE;

	if (b.len && (b.ptr[b.len - 1] == ' ' || b.ptr[b.len - 1] == '\t'))
		mime_note(p, part, MIME_BOUNDARY_BAD, part->header_offset);
	while (b.len && mime_is_blank(b.ptr[b.len - 1]))
		b.len--; /* it may not end with a blank, for transport may add some */
	if (!b.len || b.len > MIME_BOUNDARY_MAX || memchr(b.ptr, '\n', b.len) ||
		memchr(b.ptr, '\0', b.len)) {
		mime_note(p, part, b.len ? MIME_BOUNDARY_LONG : MIME_BOUNDARY_MISSING,
			part->header_offset);
		return;
	}
	mime_note_set(p, part, check_boundary(b), part->header_offset);
	for (size_t i = 0; i < p->level_count; i++)
		if (span_starts(b, p->levels[i].part->boundary) ||
			span_starts(p->levels[i].part->boundary, b))
			mime_note(p, part, MIME_BOUNDARY_NESTED, part->header_offset);
	part->boundary = b;
}

static void set_encoding(struct mime_parser *p, struct mime_part *part)
{
	struct span raw = part->raw[MIME_FIELD_CONTENT_ENCODING];
	bool is_clean = true;

	part->encoding_text = SPAN("7bit");
	part->encoding = MIME_CTE_7BIT;
	if (!raw.ptr)
		return;
	part->encoding_text = mime_token_parse(p->a, raw, &is_clean);
	part->encoding = mime_encoding_of(part->encoding_text);
	if (part->encoding == MIME_CTE_UNKNOWN || !is_clean)
		mime_note(p, part, MIME_ENCODING_UNKNOWN, part->header_offset);
}

/* RFC 2045 section 6.4: multipart and message have identity encodings only. message/global may be
 * encoded (RFC 6532 section 3.7), but is opaque then. */
static bool is_encoded(const struct mime_part *part)
{
	return part->encoding == MIME_CTE_BASE64 || part->encoding == MIME_CTE_QP ||
		part->encoding == MIME_CTE_UNKNOWN;
}

static void set_kind(struct mime_parser *p, struct mime_part *part)
{
	if (span_eq(part->type.type, SPAN("multipart"))) {
		part->kind = MIME_MULTIPART;
		if (is_encoded(part))
			mime_note(p, part, MIME_ENCODING_COMPOSITE, part->header_offset);
		set_boundary(p, part);
	} else if (mime_part_is(part, SPAN("message"), SPAN("rfc822")) ||
		mime_part_is(part, SPAN("message"), SPAN("global"))) {
		part->kind = MIME_MESSAGE;
		if (is_encoded(part)) {
			if (span_eq(part->type.subtype, SPAN("rfc822")))
				mime_note(p, part, MIME_ENCODING_COMPOSITE, part->header_offset);
			part->kind = MIME_LEAF;
		}
	}
	if (part->kind == MIME_LEAF)
		return;
	/* a level more than may be is not looked into */
	if (part->depth + 1 >= p->limits.depth) {
		mime_note(p, part, MIME_TOO_DEEP, part->header_offset);
		part->kind = MIME_LEAF;
		part->boundary = SPAN_NONE;
	}
}

static void set_type(struct mime_parser *p, struct mime_part *part)
{
	struct span raw = part->raw[MIME_FIELD_CONTENT_TYPE];
	bool is_in_digest = part->parent && part->parent->kind == MIME_MULTIPART &&
		span_eq(part->parent->type.subtype, SPAN("digest"));

	if (raw.ptr) {
		mime_type_parse(p->a, raw, p->limits.params - p->params, &part->type);
		p->params += part->type.raw_count;
		mime_note_set(p, part, part->type.defects, part->header_offset);
	}
	if (part->type.type.len)
		return;
	/* RFC 2045 section 5.2, RFC 2046 section 5.1.5 */
	if (is_in_digest && !raw.ptr) {
		part->type.type = SPAN("message");
		part->type.subtype = SPAN("rfc822");
	} else {
		part->type.type = SPAN("text");
		part->type.subtype = SPAN("plain");
	}
}

static void set_disposition(struct mime_parser *p, struct mime_part *part)
{
	struct span raw = part->raw[MIME_FIELD_CONTENT_DISPOSITION];
	const struct mime_param *filename, *name;

	if (!raw.ptr)
		return;
	mime_disposition_parse(p->a, raw, p->limits.params - p->params, &part->disposition);
	p->params += part->disposition.raw_count;
	mime_note_set(p, part, part->disposition.defects, part->header_offset);
	filename = mime_value_param(&part->disposition, SPAN("filename"));
	name = mime_value_param(&part->type, SPAN("name"));
	/* one may be an encoded word and the other RFC 2231: only like is compared with like */
	if (filename && name && filename->charset.len == name->charset.len &&
		span_find_span(filename->value, SPAN("=?")) < 0 &&
		span_find_span(name->value, SPAN("=?")) < 0 &&
		!span_eq(filename->value, name->value))
		mime_note(p, part, MIME_NAMES_DIFFER, part->header_offset);
}

static void check_from(struct mime_parser *p, struct mime_part *part)
{
	struct mime_address_list list;
	struct span raw = part->raw[MIME_FIELD_FROM];

	if (!raw.ptr) {
		mime_note(p, part, MIME_FROM_MISSING, part->header_offset);
		return;
	}
	mime_address_parse(p->a, raw, FROM_ADDRESSES_READ, &list);
	if (list.mailboxes == 0 || list.items[0].kind != MIME_MAILBOX ||
		!list.items[0].domain.len || (list.defects & mime_bit(MIME_ADDRESS_BAD)))
		mime_note(p, part, MIME_FROM_BAD, part->header_offset);
	if (list.mailboxes > 1)
		mime_note(p, part, MIME_FROM_MANY, part->header_offset);
	mime_note_set(p, part, list.defects & ~mime_bit(MIME_ADDRESS_BAD), part->header_offset);
}

/* A message has an origin and a date (RFC 5322 section 3.6). */
static void check_message(struct mime_parser *p, struct mime_part *part)
{
	struct span date = part->raw[MIME_FIELD_DATE], version = part->raw[MIME_FIELD_MIME_VERSION];
	struct span id = part->raw[MIME_FIELD_MESSAGE_ID];
	struct mime_date when;
	struct mime_ids ids;
	bool is_clean;

	check_from(p, part);
	if (!date.ptr)
		mime_note(p, part, MIME_DATE_MISSING, part->header_offset);
	else if (!mime_date_parse(date, &when))
		mime_note(p, part, MIME_DATE_BAD, part->header_offset);
	if (id.ptr) {
		mime_ids_parse(p->a, id, &ids);
		if (ids.count != 1 || ids.has_defects)
			mime_note(p, part, MIME_MESSAGE_ID_BAD, part->header_offset);
	}
	if (version.ptr) {
		if (!span_eq(mime_token_parse(p->a, version, &is_clean), SPAN("1.0")) || !is_clean)
			mime_note(p, part, MIME_VERSION_BAD, part->header_offset);
	} else if (part->raw[MIME_FIELD_CONTENT_TYPE].ptr ||
		part->raw[MIME_FIELD_CONTENT_ENCODING].ptr) {
		mime_note(p, part, MIME_NO_VERSION, part->header_offset);
	}
}

void mime_interpret(struct mime_parser *p, struct mime_part *part)
{
	unsigned troubles = p->header.troubles;

	part->fields = ARENA_ARRAY(p->a, struct mime_field, p->field_count);
	if (p->field_count)
		memcpy(part->fields, p->fields, p->field_count * sizeof(*part->fields));
	part->field_count = p->field_count;
	p->field_count = 0;
	if (troubles & MAIL_HEADER_TOO_LONG)
		mime_note(p, part, MIME_HEADER_TOO_LONG, part->body_offset);
	if (troubles & MAIL_HEADER_NO_FIELD)
		mime_note(p, part, MIME_NO_SEPARATOR, part->body_offset);
	gather(p, part);
	if (!part->parent || part->parent->kind == MIME_MESSAGE)
		check_message(p, part);
	set_type(p, part);
	set_encoding(p, part);
	set_disposition(p, part);
	set_kind(p, part);
}

struct span mime_part_charset(const struct mime_part *p)
{
	const struct mime_param *c = mime_value_param(&p->type, SPAN("charset"));

	return c && c->value.len ? c->value : SPAN("us-ascii");
}

struct span mime_part_filename(struct arena *a, const struct mime_part *p)
{
	const struct mime_param *n = mime_value_param(&p->disposition, SPAN("filename"));
	uint64_t defects = 0;

	if (!n)
		n = mime_value_param(&p->type, SPAN("name"));
	return n ? mime_param_text(a, n, &defects) : SPAN("");
}

bool mime_part_is_attachment(const struct mime_part *p)
{
	return span_eq(p->disposition.type, SPAN("attachment"));
}
