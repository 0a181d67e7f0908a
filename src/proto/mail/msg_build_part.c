/* Parts, and the usual shapes that are made of them. */
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/msg_build_priv.h"

#define TYPE_MAX 127 /* RFC 6838 section 4.2, each half */

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80 || !mime_is_token(s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= TYPE_MAX;
}

static int check_type(struct span type, struct err *e)
{
	struct span head, tail;

	if (!span_cut(type, '/', &head, &tail) || !is_token(head) || !is_token(tail))
		return msg_refuse(e, "not a media type");
	if (span_eq_nocase(head, SPAN("multipart")))
		return msg_refuse(e, "a multipart type has parts, not octets");
	return 0;
}

static struct msg_part *part_new(struct msg *m, enum msg_body body, struct span type)
{
	struct msg_part *p = ARENA_NEW(m->a, struct msg_part);

	p->msg = m;
	p->body = body;
	p->type = arena_span(m->a, type);
	p->params_end = &p->params;
	return p;
}

struct msg_part *msg_part_text(struct msg *m, struct span subtype, struct span utf8)
{
	struct msg_part *p = part_new(m, MSG_BODY_TEXT, SPAN(""));

	p->type = span_str(arena_printf(
		m->a, "text/" SPAN_FMT, SPAN_ARG(is_token(subtype) ? subtype : SPAN("plain"))));
	p->octets = utf8;
	return p;
}

struct msg_part *msg_part_octets(struct msg *m, struct span type, struct span octets, struct err *e)
{
	struct msg_part *p;

	if (check_type(type, e) < 0)
		return NULL;
	p = part_new(m, MSG_BODY_OCTETS, type);
	p->octets = octets;
	return p;
}

struct msg_part *msg_part_source(
	struct msg *m, struct span type, const struct msg_source *source, struct err *e)
{
	struct msg_part *p;

	if (check_type(type, e) < 0)
		return NULL;
	p = part_new(m, MSG_BODY_SOURCE, type);
	p->source = *source;
	p->was_read = ARENA_NEW(m->a, bool);
	return p;
}

struct msg_part *msg_part_message(struct msg *m, struct span message)
{
	struct msg_part *p = part_new(m, MSG_BODY_MESSAGE, SPAN("message/rfc822"));

	p->octets = message;
	return p;
}

struct msg_part *msg_part_multi(struct msg *m, struct span subtype)
{
	struct msg_part *p = part_new(m, MSG_BODY_MULTI, SPAN(""));

	p->type = span_str(arena_printf(m->a, "multipart/" SPAN_FMT,
		SPAN_ARG(is_token(subtype) ? subtype : SPAN("mixed"))));
	return p;
}

static unsigned height_of(const struct msg_part *p)
{
	unsigned most = 0;

	for (const struct msg_part *c = p->first; c; c = c->next) {
		unsigned h = height_of(c); /* at most MSG_DEPTH_MAX deep: checked when added */

		most = h > most ? h : most;
	}
	return most + 1;
}

int msg_part_add(struct msg_part *parent, struct msg_part *child, struct err *e)
{
	unsigned depth = height_of(child);

	for (const struct msg_part *p = parent; p; p = p->parent) {
		if (p == child)
			return err_set(e, ERR_STATE, "a part cannot be in itself");
		depth++;
	}
	if (parent->body != MSG_BODY_MULTI || child->parent || child->msg != parent->msg)
		return err_set(e, ERR_STATE, "only a multipart has parts, each of them once");
	if (depth > MSG_DEPTH_MAX)
		return err_set(e, ERR_LIMIT, "parts nested deeper than %d", MSG_DEPTH_MAX);
	child->parent = parent;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	return 0;
}

static int check_param(struct span value, struct err *e)
{
	if (value.len > MSG_PARAM_MAX)
		return err_set(e, ERR_LIMIT, "a parameter of more than %d octets", MSG_PARAM_MAX);
	return msg_check_value(value, e);
}

int msg_part_param(struct msg_part *p, struct span name, struct span utf8, struct err *e)
{
	struct msg_param *param;

	if (!is_token(name) || span_find(name, '*') >= 0 || span_find(name, '\'') >= 0 ||
		span_find(name, '%') >= 0)
		return msg_refuse(e, "not a parameter name");
	if (check_param(utf8, e) < 0)
		return -1;
	for (param = p->params; param; param = param->next)
		if (span_eq_nocase(param->name, name)) {
			param->value = arena_span(p->msg->a, utf8);
			return 0;
		}
	param = ARENA_NEW(p->msg->a, struct msg_param);
	param->name = mime_lower(p->msg->a, name);
	param->value = arena_span(p->msg->a, utf8);
	*p->params_end = param;
	p->params_end = &param->next;
	return 0;
}

int msg_part_disposition(
	struct msg_part *p, struct span disposition, struct span filename, struct err *e)
{
	if (!is_token(disposition))
		return msg_refuse(e, "not a disposition");
	if (check_param(filename, e) < 0)
		return -1;
	p->disposition = arena_span(p->msg->a, disposition);
	p->filename = arena_span(p->msg->a, filename);
	return 0;
}

int msg_part_id(struct msg_part *p, struct span id, struct err *e)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] <= ' ' || id.ptr[i] >= 0x7f || id.ptr[i] == '<' || id.ptr[i] == '>')
			return msg_refuse(e, "not a content id");
	if (id.len == 0 || id.len > MSG_ADDRESS_MAX)
		return msg_refuse(e, "not a content id");
	p->id = arena_span(p->msg->a, id);
	return 0;
}

int msg_part_description(struct msg_part *p, struct span utf8, struct err *e)
{
	if (msg_check_value(utf8, e) < 0)
		return -1;
	p->description = arena_span(p->msg->a, utf8);
	return 0;
}

int msg_set_root(struct msg *m, struct msg_part *p, struct err *e)
{
	if (p && (p->parent || p->msg != m))
		return err_set(e, ERR_STATE, "the root is in no other part");
	m->root = p;
	return 0;
}

static int check_text(struct span utf8, struct err *e)
{
	return utf8_is_valid(utf8) ? 0 : msg_refuse(e, "text that is not UTF-8");
}

int msg_set_text(struct msg *m, struct span utf8, struct err *e)
{
	if (check_text(utf8, e) < 0)
		return -1;
	m->text = msg_part_text(m, SPAN("plain"), utf8);
	return 0;
}

int msg_set_html(struct msg *m, struct span utf8, struct err *e)
{
	if (check_text(utf8, e) < 0)
		return -1;
	m->html = msg_part_text(m, SPAN("html"), utf8);
	return 0;
}

void msg_set_flowed(struct msg *m, bool is_flowed)
{
	m->is_flowed = is_flowed;
}

static void append(struct msg_part ***end, struct msg_part *p)
{
	**end = p;
	*end = &p->next;
}

void msg_append_part(struct msg *m, struct msg_part *p, bool is_inline)
{
	append(is_inline ? &m->inlines_end : &m->attachments_end, p);
}

int msg_add_inline(struct msg *m, struct span id, struct span type, struct span octets,
	struct span filename, struct err *e)
{
	struct msg_part *p = msg_part_octets(m, type, octets, e);

	if (!p || msg_part_id(p, id, e) < 0 ||
		msg_part_disposition(p, SPAN("inline"), filename, e) < 0)
		return -1;
	append(&m->inlines_end, p);
	return 0;
}

int msg_add_calendar(struct msg *m, struct span method, struct span utf8, struct err *e)
{
	struct msg_part *p;

	if (check_text(utf8, e) < 0)
		return -1;
	if (!is_token(method))
		return msg_refuse(e, "not a calendar method");
	p = msg_part_text(m, SPAN("calendar"), utf8);
	if (msg_part_param(p, SPAN("method"), method, e) < 0)
		return -1;
	m->calendar = p;
	return 0;
}

static int attach(struct msg *m, struct msg_part *p, struct span filename, struct err *e)
{
	if (!p || msg_part_disposition(p, SPAN("attachment"), filename, e) < 0)
		return -1;
	append(&m->attachments_end, p);
	return 0;
}

int msg_attach(
	struct msg *m, struct span filename, struct span type, struct span octets, struct err *e)
{
	return attach(m, msg_part_octets(m, type, octets, e), filename, e);
}

int msg_attach_source(struct msg *m, struct span filename, struct span type,
	const struct msg_source *source, struct err *e)
{
	return attach(m, msg_part_source(m, type, source, e), filename, e);
}

int msg_attach_message(struct msg *m, struct span message, struct err *e)
{
	return attach(m, msg_part_message(m, message), SPAN(""), e);
}

/* A tree is planned and written as a copy of its own, so that several may be under way. */
static struct msg_part *fresh(struct arena *a, const struct msg_part *p)
{
	struct msg_part *copy = ARENA_NEW(a, struct msg_part);

	*copy = *p;
	copy->next = copy->parent = copy->first = copy->last = NULL;
	for (const struct msg_part *c = p->first; c; c = c->next) {
		struct msg_part *child = fresh(a, c); /* at most MSG_DEPTH_MAX deep */

		*(copy->last ? &copy->last->next : &copy->first) = child;
		copy->last = child;
		child->parent = copy;
	}
	return copy;
}

/* A multipart that begins with `first`. */
static struct msg_part *wrap(
	struct arena *a, struct msg *m, struct span type, struct msg_part *first)
{
	struct msg_part *p = ARENA_NEW(a, struct msg_part);

	p->msg = m;
	p->body = MSG_BODY_MULTI;
	p->type = type;
	MUST(msg_part_add(p, first, NULL) == 0);
	return p;
}

/* text, HTML and calendar; HTML with what is in it */
static struct msg_part *compose_body(struct arena *a, struct msg *m)
{
	struct msg_part *parts[3], *body;
	size_t count = 0;

	if (m->text) {
		parts[count] = fresh(a, m->text);
		parts[count++]->is_flowed = m->is_flowed;
	}
	if (m->html) {
		body = fresh(a, m->html);
		if (m->inlines) {
			body = wrap(a, m, SPAN("multipart/related"), body); /* RFC 2387 */
			body->params = ARENA_NEW(a, struct msg_param);
			body->params->name = SPAN("type");
			body->params->value = SPAN("text/html");
			for (struct msg_part *p = m->inlines; p; p = p->next)
				MUST(msg_part_add(body, fresh(a, p), NULL) == 0);
		}
		parts[count++] = body;
	}
	if (m->calendar)
		parts[count++] = fresh(a, m->calendar);
	if (count < 2)
		return count ? parts[0] : NULL;
	body = wrap(a, m, SPAN("multipart/alternative"), parts[0]);
	for (size_t i = 1; i < count; i++)
		MUST(msg_part_add(body, parts[i], NULL) == 0);
	return body;
}

int msg_compose(struct arena *a, struct msg *m, struct msg_part **root_r, struct err *e)
{
	struct msg_part *root = NULL;

	*root_r = NULL;
	if (m->root) {
		*root_r = fresh(a, m->root);
		return 0;
	}
	if (m->inlines && !m->html)
		return err_set(e, ERR_STATE, "inline parts need an HTML text that shows them");
	root = compose_body(a, m);
	if (root && m->attachments)
		root = wrap(a, m, SPAN("multipart/mixed"), root);
	for (struct msg_part *p = m->attachments; p; p = p->next) {
		if (!root)
			root = wrap(a, m, SPAN("multipart/mixed"), fresh(a, p));
		else
			MUST(msg_part_add(root, fresh(a, p), NULL) == 0);
	}
	*root_r = root;
	return 0;
}

void msg_clear_parts(struct msg *m)
{
	m->root = m->text = m->html = m->calendar = m->inlines = m->attachments = NULL;
	m->inlines_end = &m->inlines;
	m->attachments_end = &m->attachments;
	m->is_flowed = false;
}

/* As deep as MSG_DEPTH_MAX. */
static bool is_rewindable(const struct msg_part *p)
{
	for (; p; p = p->next)
		if ((p->body == MSG_BODY_SOURCE && !p->source.rewind) || !is_rewindable(p->first))
			return false;
	return true;
}

bool msg_is_rewindable(const struct msg *m)
{
	return m->root ? is_rewindable(m->root)
		       : is_rewindable(m->attachments) && is_rewindable(m->inlines);
}
