#include "proto/mail/mime_imap.h"

#include <string.h>

#include "proto/mail/mime_lex.h"

/* ptr NULL stays NULL; an empty value is "" */
static struct span unfolded(struct arena *a, struct span raw)
{
	struct span s;

	if (!raw.ptr)
		return SPAN_NONE;
	s = mail_unfold(a, raw);
	return s.ptr ? s : SPAN("");
}

static void addresses(struct arena *a, const struct mime_part *p, enum mime_field_id id,
	struct mime_address_list *list_r)
{
	mime_address_parse(a, p->raw[id], MIME_ENVELOPE_ADDRESSES_MAX, list_r);
}

void mime_envelope(struct arena *a, const struct mime_part *part, struct mime_envelope *env_r)
{
	memset(env_r, 0, sizeof(*env_r));
	env_r->date = unfolded(a, part->raw[MIME_FIELD_DATE]);
	env_r->subject = unfolded(a, part->raw[MIME_FIELD_SUBJECT]);
	env_r->in_reply_to = unfolded(a, part->raw[MIME_FIELD_IN_REPLY_TO]);
	env_r->message_id = unfolded(a, part->raw[MIME_FIELD_MESSAGE_ID]);
	addresses(a, part, MIME_FIELD_FROM, &env_r->from);
	addresses(a, part, MIME_FIELD_SENDER, &env_r->sender);
	addresses(a, part, MIME_FIELD_REPLY_TO, &env_r->reply_to);
	addresses(a, part, MIME_FIELD_TO, &env_r->to);
	addresses(a, part, MIME_FIELD_CC, &env_r->cc);
	addresses(a, part, MIME_FIELD_BCC, &env_r->bcc);
	if (!env_r->sender.count)
		env_r->sender = env_r->from;
	if (!env_r->reply_to.count)
		env_r->reply_to = env_r->from;
}

/* Content-Language: tags between commas (RFC 3282) */
static void languages(struct arena *a, struct span raw, struct mime_body *b)
{
	struct mime_lex l = {.rest = raw};

	if (!raw.ptr)
		return;
	b->languages = ARENA_ARRAY(a, struct span, MIME_LANGUAGES_MAX);
	while (b->language_count < MIME_LANGUAGES_MAX) {
		size_t n = 0;

		mime_skip_cfws(&l);
		while (n < l.rest.len && mime_is_token(l.rest.ptr[n]))
			n++;
		if (n)
			b->languages[b->language_count++] = arena_span(a, span_sub(l.rest, 0, n));
		else if (!l.rest.len)
			break;
		l.rest = span_skip(l.rest, n ? n : 1);
	}
}

void mime_body(struct arena *a, const struct mime_part *part, struct mime_body *body_r)
{
	memset(body_r, 0, sizeof(*body_r));
	body_r->type = part->type.type;
	body_r->subtype = part->type.subtype;
	body_r->params = part->type.raw;
	body_r->param_count = part->type.raw_count;
	if (span_eq(part->type.type, SPAN("multipart")) && !part->child_count) {
		body_r->type = SPAN("text");
		body_r->subtype = SPAN("plain");
		body_r->params = NULL;
		body_r->param_count = 0;
	} else if (part->kind == MIME_LEAF &&
		(mime_part_is(part, SPAN("message"), SPAN("rfc822")) ||
			mime_part_is(part, SPAN("message"), SPAN("global")))) {
		body_r->type = SPAN("application");
		body_r->subtype = SPAN("octet-stream");
	}
	body_r->id = unfolded(a, part->raw[MIME_FIELD_CONTENT_ID]);
	body_r->description = unfolded(a, part->raw[MIME_FIELD_CONTENT_DESCRIPTION]);
	body_r->md5 = unfolded(a, part->raw[MIME_FIELD_CONTENT_MD5]);
	body_r->location = unfolded(a, part->raw[MIME_FIELD_CONTENT_LOCATION]);
	body_r->encoding = part->encoding_text;
	body_r->octets = part->end_offset - part->body_offset;
	body_r->lines = part->body_lines;
	if (part->disposition.type.len) {
		body_r->disposition = part->disposition.type;
		body_r->disposition_params = part->disposition.raw;
		body_r->disposition_param_count = part->disposition.raw_count;
	}
	languages(a, part->raw[MIME_FIELD_CONTENT_LANGUAGE], body_r);
}

static const struct mime_part *child_at(const struct mime_part *p, unsigned number)
{
	const struct mime_part *c = p->first;

	while (c && c->number != number)
		c = c->next;
	return c;
}

const struct mime_part *mime_part_at(
	const struct mime_tree *t, const unsigned *numbers, size_t count)
{
	const struct mime_part *p = t->root;

	for (size_t i = 0; i < count; i++) {
		/* RFC 9051 section 6.4.5.1: through a message to what is in it */
		if (i && p->kind == MIME_MESSAGE)
			p = p->first;
		if (p && p->kind == MIME_MULTIPART && p->child_count)
			p = child_at(p, numbers[i]);
		else if (p && numbers[i] == 1 && (!p->parent || p->parent->kind == MIME_MESSAGE))
			continue; /* the body of a message without parts is its part 1 */
		else
			return NULL;
		if (!p)
			return NULL;
	}
	return p;
}

const struct mime_part *mime_text_part(const struct mime_tree *t)
{
	const struct mime_part *html = NULL, *p;

	for (p = t->root; p; p = mime_part_next(p)) {
		if (p->kind != MIME_LEAF || mime_part_is_attachment(p))
			continue;
		if (mime_part_is(p, SPAN("text"), SPAN("plain")))
			return p;
		if (!html && mime_part_is(p, SPAN("text"), SPAN_NONE))
			html = p;
	}
	return html;
}
