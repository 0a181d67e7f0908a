/* Messages that are read: parts, fields, defects. */
#include <string.h>

#include "base/must.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_bodies.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_lex.h"
#include "libyz/msg_priv.h"

const struct yz_entity *yz_mail_root(const struct yz_mail *m)
{
	return m->tree ? m->entities : NULL;
}

uint64_t yz_mail_size(const struct yz_mail *m)
{
	return m->tree ? m->tree->size : 0;
}

static size_t index_of(const struct yz_entity *e)
{
	return (size_t)(e - e->mail->entities);
}

struct yz_entity *mail_entity_of(const struct yz_mail *m, const struct mime_part *p)
{
	for (size_t i = 0; p && i < m->tree->part_count; i++)
		if (m->entities[i].part == p)
			return &m->entities[i];
	return NULL;
}

const struct yz_entity *yz_entity_parent(const struct yz_entity *e)
{
	return e->parent;
}

const struct yz_entity *yz_entity_child(const struct yz_entity *e, size_t i)
{
	const struct yz_entity *c = e + 1;

	if (i >= e->part->child_count)
		return NULL;
	while (i-- > 0)
		c = e->mail->entities + c->after;
	return c;
}

size_t yz_entity_children(const struct yz_entity *e)
{
	return e->part->child_count;
}

const struct yz_entity *yz_entity_next(const struct yz_entity *e)
{
	return index_of(e) + 1 < e->mail->tree->part_count ? e + 1 : NULL;
}

unsigned yz_entity_depth(const struct yz_entity *e)
{
	return e->part->depth;
}

void yz_entity_place(const struct yz_entity *e, struct yz_place *place_r)
{
	const struct mime_part *p = e->part;
	bool is_multi = p->kind == MIME_MULTIPART;

	*place_r = (struct yz_place){
		.header = p->header_offset,
		.body = p->body_offset,
		.end = p->end_offset,
		.preamble_end = is_multi ? p->preamble_end : p->body_offset,
		.epilogue = is_multi ? p->epilogue_offset : p->end_offset,
		.body_lines = p->body_lines,
		.has_8bit = p->has_8bit,
		.has_nul = p->has_nul,
	};
}

/* --- what was handed out before ------------------------------------------------------------------ */

/* Views are made once: a key of what was asked, and the answer in the message's arena. */
static void key_of(struct buf *b, const struct yz_entity *e, char kind, const char *name, size_t i)
{
	buf_printf(b, "%zu %c %zu ", index_of(e), kind, i);
	for (const char *c = name; *c; c++)
		buf_char(b, (char)span_lower((unsigned char)*c));
}

#define KEY_MAX 2000 /* of a longer name no view is kept: it is made anew */

static void *view_get(const struct yz_entity *e, char kind, const char *name, size_t i)
{
	struct buf b;
	void *found;

	buf_init(&b, KEY_MAX);
	key_of(&b, e, kind, name, i);
	found = buf_ok(&b) ? hash_map_get(&e->mail->views, buf_span(&b)) : NULL;
	buf_fini(&b);
	return found;
}

/* Returns the view. */
static void *view_set(const struct yz_entity *e, char kind, const char *name, size_t i, void *view)
{
	struct buf b;

	buf_init(&b, KEY_MAX);
	key_of(&b, e, kind, name, i);
	if (buf_ok(&b))
		hash_map_set(&e->mail->views, buf_span(&b), view);
	buf_fini(&b);
	return view;
}

static const char *view_text(
	const struct yz_entity *e, char kind, const char *name, size_t i, struct span s)
{
	return view_set(e, kind, name, i, arena_str(e->mail->a, s));
}

/* --- content ------------------------------------------------------------------------------------- */

const char *yz_entity_type(const struct yz_entity *e)
{
	const char *view = view_get(e, 't', "", 0);

	return view
		? view
		: view_set(e, 't', "", 0,
			  arena_printf(e->mail->a, SPAN_FMT "/" SPAN_FMT,
				  SPAN_ARG(e->part->type.type), SPAN_ARG(e->part->type.subtype)));
}

bool yz_entity_is(const struct yz_entity *e, const char *type)
{
	struct span want, subtype;

	if (!span_cut(span_str(type), '/', &want, &subtype))
		return false;
	return span_eq_nocase(e->part->type.type, want) &&
		(!subtype.len || span_eq_nocase(e->part->type.subtype, subtype));
}

bool yz_entity_is_multipart(const struct yz_entity *e)
{
	return e->part->kind == MIME_MULTIPART;
}

static const char *param_text(
	const struct yz_entity *e, char kind, const struct mime_value *v, const char *name)
{
	const char *view = view_get(e, kind, name, 0);
	uint64_t defects = 0;
	const struct mime_param *p;

	if (view)
		return view;
	p = mime_value_param(v, mime_lower(e->mail->a, span_str(name)));
	return p ? view_text(e, kind, name, 0, mime_param_text(e->mail->a, p, &defects)) : NULL;
}

const char *yz_entity_param(const struct yz_entity *e, const char *name)
{
	return param_text(e, 'p', &e->part->type, name);
}

const char *yz_entity_disposition_param(const struct yz_entity *e, const char *name)
{
	return param_text(e, 'd', &e->part->disposition, name);
}

const char *yz_entity_param_at(const struct yz_entity *e, size_t i, const char **value_r)
{
	const char *name;

	if (i >= e->part->type.param_count)
		return NULL;
	name = view_get(e, 'n', "", i);
	if (!name)
		name = view_text(e, 'n', "", i, e->part->type.params[i].name);
	if (value_r)
		*value_r = yz_entity_param(e, name);
	return name;
}

static const char *plain_text(const struct yz_entity *e, char kind, struct span s)
{
	const char *view = view_get(e, kind, "", 0);

	return view ? view : view_text(e, kind, "", 0, s);
}

const char *yz_entity_charset(const struct yz_entity *e)
{
	return plain_text(e, 'c', mime_part_charset(e->part));
}

const char *yz_entity_encoding(const struct yz_entity *e)
{
	return plain_text(e, 'e', e->part->encoding_text);
}

const char *yz_entity_disposition(const struct yz_entity *e)
{
	return plain_text(e, 's', e->part->disposition.type);
}

const char *yz_entity_filename(const struct yz_entity *e)
{
	const char *name = view_get(e, 'f', "", 0);

	if (!name)
		name = view_text(e, 'f', "", 0, mime_part_filename(e->mail->a, e->part));
	return *name ? name : NULL;
}

const char *yz_entity_id(const struct yz_entity *e)
{
	struct span id = span_trim(e->part->raw[MIME_FIELD_CONTENT_ID]);

	if (id.len > 1 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>')
		id = span_sub(id, 1, id.len - 2);
	return id.len ? plain_text(e, 'i', id) : NULL;
}

bool yz_entity_is_attachment(const struct yz_entity *e)
{
	return mime_part_is_attachment(e->part);
}

/* --- fields -------------------------------------------------------------------------------------- */

size_t yz_entity_fields(const struct yz_entity *e)
{
	return e->part->field_count;
}

int yz_entity_field(const struct yz_entity *e, size_t i, struct yz_field *field_r)
{
	const struct mime_field *f;
	const char *raw, *name;

	if (i >= e->part->field_count)
		return msg_error_set(&e->mail->error, YZ_E_INVAL, "no such field");
	f = &e->part->fields[i];
	name = view_get(e, 'N', "", i);
	raw = view_get(e, 'R', "", i);
	*field_r = (struct yz_field){
		.name = name ? name : view_text(e, 'N', "", i, f->name),
		.raw = raw ? raw : view_text(e, 'R', "", i, f->value),
		.raw_len = f->value.len,
		.offset = f->offset,
		.len = f->len,
		.value_offset = f->value_offset,
	};
	return YZ_OK;
}

static const struct mime_field *find(const struct yz_entity *e, const char *name, size_t i)
{
	for (size_t k = 0; k < e->part->field_count; k++)
		if (span_eq_nocase(e->part->fields[k].name, span_str(name)) && i-- == 0)
			return &e->part->fields[k];
	return NULL;
}

const char *yz_entity_get(const struct yz_entity *e, const char *name, size_t i)
{
	const char *view = view_get(e, 'g', name, i);
	const struct mime_field *f = view ? NULL : find(e, name, i);

	if (view || !f)
		return view;
	return view_text(e, 'g', name, i, mail_word_decode(e->mail->a, f->value));
}

const char *yz_entity_raw(const struct yz_entity *e, const char *name, size_t i)
{
	const char *view = view_get(e, 'r', name, i);
	const struct mime_field *f = view ? NULL : find(e, name, i);

	if (view || !f)
		return view;
	return view_text(e, 'r', name, i, mail_unfold(e->mail->a, f->value));
}

const char *yz_mail_get(const struct yz_mail *m, const char *name)
{
	return m->tree ? yz_entity_get(m->entities, name, 0) : NULL;
}

static void append(struct arena *a, struct mime_address_list *all, size_t *room,
	const struct mime_address_list *list)
{
	if (!list->count)
		return;
	if (all->count + list->count > *room) {
		struct mime_address *more;

		*room = 2 * (all->count + list->count);
		more = ARENA_ARRAY(a, struct mime_address, *room);
		if (all->count)
			memcpy(more, all->items, all->count * sizeof(*more));
		all->items = more;
	}
	memcpy(all->items + all->count, list->items, list->count * sizeof(*list->items));
	all->count += list->count;
}

const struct yz_addresses *yz_entity_addresses(const struct yz_entity *e, const char *name)
{
	struct yz_addresses *view = view_get(e, 'a', name, 0);
	struct mime_address_list list, all = {0};
	struct arena *a = e->mail->a;
	size_t room = 0;

	if (view)
		return view;
	for (size_t i = 0; i < e->part->field_count && all.count < MIME_ADDRESSES_MAX; i++) {
		const struct mime_field *f = &e->part->fields[i];

		if (!span_eq_nocase(f->name, span_str(name)))
			continue;
		mime_address_parse(a, f->value, MIME_ADDRESSES_MAX, &list);
		all.defects |= list.defects;
		append(a, &all, &room, &list);
	}
	view = ARENA_NEW(a, struct yz_addresses);
	msg_addresses_fill(a, &all, view);
	return view_set(e, 'a', name, 0, view);
}

int yz_entity_date(const struct yz_entity *e, const char *name, struct yz_date *date_r)
{
	const struct mime_field *f = find(e, name, 0);
	struct mime_date d;

	memset(date_r, 0, sizeof(*date_r));
	if (!f || !mime_date_parse(f->value, &d))
		return msg_error_set(&e->mail->error, YZ_E_INVAL, "no date in %.80s", name);
	msg_date_fill(&d, date_r);
	return msg_fine(&e->mail->error);
}

struct id_list {
	const char **items;
	size_t count;
};

const char *const *yz_entity_ids(const struct yz_entity *e, const char *name, size_t *count_r)
{
	struct id_list *view = view_get(e, 'm', name, 0);
	const struct mime_field *f = view ? NULL : find(e, name, 0);
	struct mime_ids ids = {0};

	if (!view) {
		view = ARENA_NEW(e->mail->a, struct id_list);
		if (f)
			mime_ids_parse(e->mail->a, f->value, &ids);
		view->items = ARENA_ARRAY(e->mail->a, const char *, ids.count + 1);
		for (size_t i = 0; i < ids.count; i++)
			view->items[view->count++] = arena_str(e->mail->a, ids.items[i]);
		view_set(e, 'm', name, 0, view);
	}
	*count_r = view->count;
	return view->items;
}

/* --- what is shown -------------------------------------------------------------------------------- */

static const struct yz_entity *first_of(
	const struct yz_mail *m, const struct mime_part_list *list, const char *subtype)
{
	for (size_t i = 0; i < list->count; i++)
		if (mime_part_is(list->items[i], SPAN("text"), span_str(subtype)))
			return mail_entity_of(m, list->items[i]);
	return NULL;
}

/* A part of this message, not of one within it, that is no attachment. */
static const struct yz_entity *find_type(const struct yz_mail *m, const char *type)
{
	for (size_t i = 0; i < m->tree->part_count;) {
		const struct yz_entity *e = &m->entities[i];

		if (!mime_part_is_attachment(e->part) && yz_entity_is(e, type))
			return e;
		i = e->part->kind == MIME_MESSAGE ? e->after : i + 1;
	}
	return NULL;
}

const struct yz_entity *yz_mail_body(const struct yz_mail *m, const char *preference)
{
	struct span rest = span_str(preference ? preference : "related html plain"), word;
	const struct yz_entity *found = NULL;
	struct arena *a = arena_new();
	struct mime_bodies bodies;

	if (m->tree)
		mime_bodies(a, m->tree, &bodies);
	while (m->tree && !found && (word = span_word(&rest)).len) {
		if (span_eq_nocase(word, SPAN("plain")))
			found = first_of(m, &bodies.text, "plain");
		else if (span_eq_nocase(word, SPAN("html")))
			found = first_of(m, &bodies.html, "html");
		else if (span_eq_nocase(word, SPAN("related")))
			found = find_type(m, "multipart/related");
		else if (span_eq_nocase(word, SPAN("calendar")))
			found = find_type(m, "text/calendar");
	}
	arena_free(&a);
	return found;
}

const struct yz_entity *const *yz_mail_attachments(const struct yz_mail *mail, size_t *count_r)
{
	struct yz_mail *m = (struct yz_mail *)mail; /* what is found is kept there */
	struct mime_bodies bodies;
	size_t at = 0;

	*count_r = 0;
	if (!m->tree)
		return NULL;
	if (!m->has_attachments) {
		mime_bodies(m->a, m->tree, &bodies);
		m->attachments = ARENA_ARRAY(
			m->a, const struct yz_entity *, bodies.attachments.count + 1);
		/* both are in the order of the message */
		for (size_t i = 0; i < m->tree->part_count && at < bodies.attachments.count; i++)
			if (m->entities[i].part == bodies.attachments.items[at])
				m->attachments[at++] = &m->entities[i];
		m->attachment_count = at;
		m->has_attachments = true;
	}
	*count_r = m->attachment_count;
	return m->attachments;
}

/* --- defects ------------------------------------------------------------------------------------- */

size_t yz_mail_defects(const struct yz_mail *m)
{
	return m->tree ? m->tree->noted_count : 0;
}

int yz_mail_defect(const struct yz_mail *m, size_t i, struct yz_defect *defect_r)
{
	const struct mime_noted *n;

	memset(defect_r, 0, sizeof(*defect_r));
	if (i >= yz_mail_defects(m))
		return YZ_E_INVAL;
	n = &m->tree->noted[i];
	defect_r->name = mime_defect_str(n->defect);
	defect_r->entity = mail_entity_of(m, n->part);
	defect_r->offset = n->offset;
	defect_r->is_ambiguous = mime_defect_is_ambiguous(n->defect);
	return YZ_OK;
}

const char *yz_defect_name(unsigned number)
{
	return number < MIME_DEFECT_COUNT ? mime_defect_str((enum mime_defect)number) : NULL;
}

bool yz_mail_is_ambiguous(const struct yz_mail *m)
{
	return m->tree && mime_tree_is_ambiguous(m->tree);
}

int yz_mail_check(struct yz_mail *m)
{
	struct err e = {0};

	if (!m->tree)
		return msg_error_set(&m->error, YZ_E_STATE, "the message has not ended");
	return msg_result(&m->error, mime_tree_check(m->tree, &e), &e);
}
