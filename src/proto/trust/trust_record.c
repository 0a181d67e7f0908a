#include "proto/trust/trust_record.h"

#define NAME_MAX_LEN 32
#define LABEL_MAX    63
#define DOMAIN_MAX   253

bool trust_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool trust_is_name(struct span name)
{
	if (name.len == 0 || name.len > NAME_MAX_LEN || !trust_is_alnum(name.ptr[0]))
		return false;
	for (size_t i = 1; i < name.len; i++) {
		char c = name.ptr[i];

		if (!trust_is_alnum(c) && c != '_' && c != '-' && c != '.')
			return false;
	}
	return true;
}

bool trust_is_domain(struct span name)
{
	size_t label = 0;

	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (!(trust_is_alnum(c) || c == '-' || c == '_') || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

bool trust_is_text(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static struct span trim_blanks(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = span_skip(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

bool trust_record_claims(struct span text, struct span version)
{
	struct span head, rest;

	span_cut(text, ';', &head, &rest);
	while (head.len && (head.ptr[head.len - 1] == ' ' || head.ptr[head.len - 1] == '\t'))
		head.len--;
	return span_eq(head, version);
}

void trust_record_begin(struct trust_record *r, struct span text)
{
	struct span head;

	*r = (struct trust_record){.is_good = true};
	span_cut(text, ';', &head, &r->rest);
}

/* 1*(%x21-3A / %x3C / %x3E-7E), and "=" as in query strings of a rua */
static bool is_value(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		if ((c < 0x21 && c != ' ' && c != '\t') || c > 0x7e)
			return false;
	}
	return value.len > 0;
}

bool trust_record_next(struct trust_record *r, struct span *name_r, struct span *value_r)
{
	if (!r->is_good || r->rest.len == 0)
		return false;
	span_cut(r->rest, ';', &r->field, &r->rest);
	r->field = trim_blanks(r->field);
	if (r->field.len == 0 && trim_blanks(r->rest).len == 0) /* a last ";" */
		return false;
	r->is_good = span_cut(r->field, '=', name_r, value_r) && trust_is_name(*name_r) &&
		is_value(*value_r);
	return r->is_good;
}
