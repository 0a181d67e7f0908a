/* What a client describes, read and checked (RFC 8621 section 4.6). */
#include "services/jmapd/jmapd_make.h"

#include "proto/mail/mime_lex.h"
#include "services/jmapd/jmapd_write.h"

/* Where the properties of a part are looked for, and what is wrong with them. */
struct reading {
	struct jmap_make *m;
	const struct json_in *values; /* bodyValues */
	const char *where;            /* the Email's property that is being read */
	const char *why;              /* NULL: nothing is wrong */
};

static bool bad(struct reading *r, const char *why)
{
	r->why = why;
	return false;
}

/* ---- a part ---- */

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] >= 0x80 || !mime_is_token(s.ptr[i]))
			return false;
	return s.len > 0 && s.len <= 127;
}

static bool is_type(struct span s)
{
	struct span head, tail;

	return span_cut(s, '/', &head, &tail) && is_token(head) && is_token(tail);
}

static struct span lower(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		p[i] = (char)span_lower((unsigned char)s.ptr[i]);
	return span_of(p, s.len);
}

/* A text, or null for none. */
static bool take_text(struct reading *r, const struct json_in *v, struct span *text_r)
{
	if (json_in_is_null(v))
		return true;
	*text_r = json_in_span(v);
	if (!json_in_is_text(v) || span_has_line_break(*text_r))
		return bad(r, "a property of a part has a value that it cannot have");
	return true;
}

static bool take_languages(struct reading *r, const struct json_in *v, struct span *text_r)
{
	struct buf *b = arena_buf(r->m->a, 1000);

	if (json_in_is_null(v))
		return true;
	for (size_t i = 0; i < json_in_count(v); i++) {
		struct span s = json_in_span(json_in_at(v, i));

		if (!is_token(s))
			return bad(r, "a language tag is no word");
		buf_str(b, i ? ", " : "");
		buf_span_put(b, s);
	}
	*text_r = buf_span(b);
	return json_in_is_array(v) && buf_ok(b) ? true : bad(r, "languages are a list of words");
}

static bool is_uri(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f || s.ptr[i] == '<' || s.ptr[i] == '>')
			return false;
	return s.len <= 900;
}

static bool is_name_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (span_eq(span_str(name), span_str(*names)))
			return true;
	return false;
}

static struct jmap_make_part *read_part(
	struct reading *r, const struct json_in *v, const char *usual_type);

static bool read_kids(struct reading *r, struct jmap_make_part *p, const struct json_in *list)
{
	if (json_in_is_null(list))
		return true;
	if (!json_in_is_array(list) || json_in_count(list) == 0)
		return bad(r, "subParts are a list of parts");
	p->kind = JMAP_PART_MULTI;
	for (size_t i = 0; i < json_in_count(list); i++) {
		struct jmap_make_part *kid = read_part(r, json_in_at(list, i), NULL);

		if (!kid)
			return false;
		if (p->last)
			p->last->next = kid;
		else
			p->first = kid;
		p->last = kid;
	}
	return true;
}

/* "text": the value of bodyValues that the part names. */
static bool read_value(struct reading *r, struct jmap_make_part *p, struct span part_id)
{
	const struct json_in *value = json_in_get(r->values, arena_str(r->m->a, part_id)), *text;

	if (!json_in_is_object(value))
		return bad(r, "a partId stands for no value in bodyValues");
	text = json_in_get(value, "value");
	if (!json_in_is_text(text))
		return bad(r, "a body value is a text");
	p->kind = JMAP_PART_TEXT;
	p->text = json_in_span(text);
	return true;
}

/* One member of an EmailBodyPart. */
static bool read_member(
	struct reading *r, struct jmap_make_part *p, const char *name, const struct json_in *v)
{
	static const char *const others[] = {"partId", "blobId", "size", "subParts", NULL};
	struct span key = span_str(name);

	if (span_eq(key, SPAN("type")))
		return take_text(r, v, &p->type);
	if (span_eq(key, SPAN("charset")))
		return take_text(r, v, &p->charset);
	if (span_eq(key, SPAN("disposition")))
		return take_text(r, v, &p->disposition);
	if (span_eq(key, SPAN("name")))
		return take_text(r, v, &p->name);
	if (span_eq(key, SPAN("cid")))
		return take_text(r, v, &p->cid);
	if (span_eq(key, SPAN("location")))
		return take_text(r, v, &p->location);
	if (span_eq(key, SPAN("language")))
		return take_languages(r, v, &p->language);
	if (is_name_of(name, others))
		return true;
	if (jmap_make_field(&p->fields, name, v, true) != JMAP_FIELD_PUT)
		return bad(r, "a part has a property that it cannot have, or not so");
	return true;
}

/* No header field is told by two properties (section 4.6). */
static bool check_doubles(struct reading *r, const struct jmap_make_part *p)
{
	if ((p->disposition.ptr &&
		    jmap_make_fields_have(&p->fields, SPAN("Content-Disposition"))) ||
		(p->cid.ptr && jmap_make_fields_have(&p->fields, SPAN("Content-ID"))) ||
		(p->language.ptr && jmap_make_fields_have(&p->fields, SPAN("Content-Language"))) ||
		(p->location.ptr && jmap_make_fields_have(&p->fields, SPAN("Content-Location"))))
		return bad(r, "two properties tell the same header field");
	return true;
}

static bool check_words(struct reading *r, const struct jmap_make_part *p)
{
	if (p->type.len && !is_type(p->type))
		return bad(r, "not a media type");
	if (p->charset.len && !is_token(p->charset))
		return bad(r, "not a charset");
	if (p->disposition.len && !is_token(p->disposition))
		return bad(r, "not a disposition");
	if (!is_uri(p->cid) || (p->cid.ptr && !p->cid.len) || !is_uri(p->location))
		return bad(r, "not a content id, or not a location");
	return true;
}

/* What it holds: parts, a value or a blob; exactly one of them. */
static bool read_content(struct reading *r, struct jmap_make_part *p, const struct json_in *v)
{
	const struct json_in *part_id = json_in_get(v, "partId"), *size = json_in_get(v, "size");
	const struct json_in *blob_id = json_in_get(v, "blobId");
	bool has_part = part_id && !json_in_is_null(part_id);
	bool has_blob = blob_id && !json_in_is_null(blob_id);
	bool is_multi = span_starts_nocase(p->type, SPAN("multipart/"));

	if (is_multi || json_in_count(json_in_get(v, "subParts"))) {
		if (p->type.len && !is_multi)
			return bad(r, "only a multipart type has parts");
		if (has_part || has_blob || !json_in_is_array(json_in_get(v, "subParts")))
			return bad(r, "a multipart type has parts, not octets");
		if (!p->type.len)
			p->type = SPAN("multipart/mixed");
		return read_kids(r, p, json_in_get(v, "subParts"));
	}
	if (has_part == has_blob)
		return bad(r, "a part has either a partId or a blobId");
	if (has_blob) {
		p->kind = JMAP_PART_BLOB;
		p->blob_id = json_in_span(blob_id);
		return json_in_is_text(blob_id) ? true : bad(r, "a blobId is a text");
	}
	if (p->charset.ptr)
		return bad(r, "the charset of a body value is the server's to choose");
	if (size && !json_in_is_null(size))
		return bad(r, "the size of a body value is not told");
	return json_in_is_text(part_id) ? read_value(r, p, json_in_span(part_id))
					: bad(r, "a partId is a text");
}

/* As deep as the request may be (JMAP_DEPTH_MAX). */
static struct jmap_make_part *read_part(
	struct reading *r, const struct json_in *v, const char *usual_type)
{
	struct jmap_make_part *p = ARENA_NEW(r->m->a, struct jmap_make_part);
	const struct json_in *member;
	const char *name;
	void *at = NULL;

	jmap_make_fields_init(&p->fields, r->m->a);
	if (!json_in_is_object(v) || ++r->m->parts > JMAP_MAKE_PARTS) {
		bad(r, "a part is an object, and there are not too many");
		return NULL;
	}
	while (json_in_next(v, &at, &name, &member))
		if (!read_member(r, p, name, member))
			return NULL;
	if (!check_doubles(r, p) || !check_words(r, p) || !read_content(r, p, v))
		return NULL;
	if (!p->type.len && usual_type)
		p->type = span_str(usual_type);
	else if (!p->type.len && p->kind == JMAP_PART_TEXT)
		p->type = SPAN("text/plain");
	p->type = lower(r->m->a, p->type);
	if (usual_type && !span_eq(p->type, span_str(usual_type))) {
		bad(r, "the part has not the type that it must have");
		return NULL;
	}
	return p;
}

/* ---- the usual shapes ---- */

static struct jmap_make_part *wrap(struct reading *r, const char *type)
{
	struct jmap_make_part *p = ARENA_NEW(r->m->a, struct jmap_make_part);

	jmap_make_fields_init(&p->fields, r->m->a);
	p->kind = JMAP_PART_MULTI;
	p->type = span_str(type);
	return p;
}

static void put_in(struct jmap_make_part *p, struct jmap_make_part *kid)
{
	kid->next = NULL;
	if (p->last)
		p->last->next = kid;
	else
		p->first = kid;
	p->last = kid;
}

static bool read_one(struct reading *r, const struct json_in *email, const char *property,
	const char *type, struct jmap_make_part **part_r)
{
	const struct json_in *list = json_in_get(email, property);

	*part_r = NULL;
	r->where = property;
	if (!list || json_in_is_null(list))
		return true;
	if (!json_in_is_array(list) || json_in_count(list) != 1)
		return bad(r, "exactly one part is expected");
	*part_r = read_part(r, json_in_at(list, 0), type);
	return *part_r != NULL;
}

static bool is_shown_in_html(const struct jmap_make_part *p)
{
	return p->cid.len && !span_eq_nocase(p->disposition, SPAN("attachment"));
}

/* Images that the HTML names travel with it (RFC 2387), the others beside the text. */
static bool read_attachments(struct reading *r, const struct json_in *list,
	struct jmap_make_part *html, struct jmap_make_part **related_r,
	struct jmap_make_part **mixed_r)
{
	r->where = "attachments";
	if (!list || json_in_is_null(list))
		return true;
	if (!json_in_is_array(list))
		return bad(r, "attachments are a list of parts");
	for (size_t i = 0; i < json_in_count(list); i++) {
		struct jmap_make_part *p = read_part(r, json_in_at(list, i), NULL);
		struct jmap_make_part **into = p && html && is_shown_in_html(p) ? related_r
										: mixed_r;

		if (!p)
			return false;
		if (!*into)
			*into = wrap(r, into == mixed_r ? "multipart/mixed" : "multipart/related");
		if (into == related_r && !(*into)->first)
			put_in(*into, html);
		if (into == mixed_r && !p->disposition.ptr &&
			!jmap_make_fields_have(&p->fields, SPAN("Content-Disposition")))
			p->disposition = SPAN("attachment");
		put_in(*into, p);
	}
	return true;
}

static bool read_shapes(struct reading *r, const struct json_in *email)
{
	struct jmap_make_part *text, *html, *related = NULL, *mixed = NULL, *body, *rest, *next;

	if (!read_one(r, email, "textBody", "text/plain", &text) ||
		!read_one(r, email, "htmlBody", "text/html", &html) ||
		!read_attachments(r, json_in_get(email, "attachments"), html, &related, &mixed))
		return false;
	body = related ? related : html;
	if (text && body) {
		struct jmap_make_part *both = wrap(r, "multipart/alternative");

		put_in(both, text);
		put_in(both, body);
		body = both;
	} else if (text) {
		body = text;
	}
	if (mixed && body) {
		rest = mixed->first;
		mixed->first = mixed->last = NULL;
		for (put_in(mixed, body); rest; rest = next) {
			next = rest->next;
			put_in(mixed, rest);
		}
	}
	r->m->root = mixed ? mixed : body;
	return true;
}

/* ---- the Email ---- */

static bool read_structure(
	struct reading *r, const struct json_in *email, const struct json_in *structure)
{
	static const char *const never[] = {"textBody", "htmlBody", "attachments", NULL};
	struct jmap_make *m = r->m;

	r->where = "bodyStructure";
	for (const char *const *n = never; *n; n++)
		if (json_in_get(email, *n) && !json_in_is_null(json_in_get(email, *n)))
			return bad(r, "bodyStructure tells the whole body");
	m->root = read_part(r, structure, NULL);
	if (!m->root)
		return false;
	for (size_t i = 0; i < m->root->fields.count; i++)
		if (jmap_make_fields_have(&m->fields, m->root->fields.names[i]))
			return bad(r, "a header field of the message is told twice");
	return true;
}

/* RFC 8621 section 4.6 asks it of each value, whether a part names it or not. */
static bool are_values_whole(const struct json_in *values)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	while (json_in_is_object(values) && json_in_next(values, &at, &name, &v))
		if (json_in_bool(v, "isEncodingProblem") || json_in_bool(v, "isTruncated"))
			return false;
	return true;
}

static bool read_body(struct reading *r, const struct json_in *email)
{
	const struct json_in *structure = json_in_get(email, "bodyStructure");

	r->values = json_in_get(email, "bodyValues");
	r->where = "bodyValues";
	if (r->values && !json_in_is_null(r->values) && !json_in_is_object(r->values))
		return bad(r, "bodyValues is an object");
	if (!are_values_whole(r->values))
		return bad(r, "a body value that is given is whole");
	if (structure && !json_in_is_null(structure))
		return read_structure(r, email, structure);
	return read_shapes(r, email);
}

static bool read_beside(struct jmap_make *m, const struct json_in *email, const char **at_r)
{
	const struct json_in *received = json_in_get(email, "receivedAt");

	m->mailbox_ids = json_in_get(email, "mailboxIds");
	m->keywords = json_in_get(email, "keywords");
	*at_r = "receivedAt";
	return !received || json_in_is_null(received) ||
		jmap_date(json_in_span(received), &m->received_ns);
}

bool jmap_make_read(struct jmap_make *m, const struct json_in *email, struct jmap_set_error *why_r)
{
	static const char *const others[] = {"mailboxIds", "keywords", "receivedAt",
		"bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments", NULL};
	struct reading r = {.m = m};
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	jmap_make_fields_init(&m->fields, m->a);
	while (json_in_next(email, &at, &name, &v)) {
		if (is_name_of(name, others))
			continue;
		if (jmap_make_field(&m->fields, name, v, false) == JMAP_FIELD_PUT)
			continue;
		jmap_bad_property(m->a, why_r, name,
			"it cannot be set, has not such a value, or is told twice");
		return false;
	}
	if (!read_beside(m, email, &name)) {
		jmap_bad_property(m->a, why_r, name, "not a date");
		return false;
	}
	if (!read_body(&r, email)) {
		jmap_bad_property(m->a, why_r, r.where, r.why);
		return false;
	}
	return true;
}
