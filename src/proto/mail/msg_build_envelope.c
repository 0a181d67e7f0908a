/* Who gets a message, by its header: smtplib's send_message. */
#include <string.h>

#include "base/hash.h"
#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/msg_build_priv.h"

struct gathering {
	struct arena *a;
	struct msg_envelope *env;
	struct hash_map seen;
	size_t room;
};

static void add_rcpt(struct gathering *g, struct span spec)
{
	struct msg_envelope *env = g->env;

	if (hash_map_get(&g->seen, spec))
		return;
	if (env->rcpt_count == g->room) {
		struct span *more;

		g->room = g->room ? g->room * 2 : 8;
		more = ARENA_ARRAY(g->a, struct span, g->room);
		if (env->rcpt_count)
			memcpy(more, env->rcpts, env->rcpt_count * sizeof(*more));
		env->rcpts = more;
	}
	env->rcpts[env->rcpt_count++] = spec;
	hash_map_set(&g->seen, spec, g);
	env->needs_utf8 |= !span_is_ascii(spec);
}

/* Of a very long field only the beginning was kept. */
static bool is_cut(const struct mime_field *f)
{
	return f->value_offset - f->offset + f->value.len + 2 < f->len;
}

/* All fields of that name, for some have several (RFC 5322 section 3.6.6). Nobody may be forgotten
 * in silence: what could not be read as a whole is refused. */
static int add_fields(
	struct gathering *g, const struct mime_part *root, enum mime_field_id id, struct err *e)
{
	struct mime_address_list list;

	for (size_t i = 0; i < root->field_count; i++) {
		const struct mime_field *f = &root->fields[i];

		if (f->id != id)
			continue;
		mime_address_parse(g->a, f->value, MIME_ADDRESSES_MAX, &list);
		if (is_cut(f) || (list.defects & mime_bit(MIME_ADDRESS_TOO_MANY)))
			return err_set(e, ERR_LIMIT, "too many recipients in one field");
		for (size_t k = 0; k < list.count; k++)
			if (list.items[k].kind == MIME_MAILBOX && list.items[k].local.len)
				add_rcpt(g, mime_address_spec(g->a, &list.items[k]));
	}
	return 0;
}

static struct span first_address(struct arena *a, struct span value)
{
	struct mime_address_list list;

	if (!value.ptr)
		return SPAN("");
	mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].kind == MIME_MAILBOX && list.items[i].local.len)
			return mime_address_spec(a, &list.items[i]);
	return SPAN("");
}

static size_t count_fields(const struct mime_part *root, enum mime_field_id id)
{
	size_t n = 0;

	for (size_t i = 0; i < root->field_count; i++)
		n += root->fields[i].id == id;
	return n;
}

static int refuse_blocks(struct err *e)
{
	return msg_refuse(e, "several Resent blocks: nobody can tell which one counts");
}

int msg_envelope_of(
	struct arena *a, const struct mime_part *root, struct msg_envelope *env_r, struct err *e)
{
	struct gathering g = {.a = a, .env = env_r};
	size_t resent = count_fields(root, MIME_FIELD_RESENT_DATE);
	const struct span *raw = root->raw;
	bool is_resent = resent == 1;
	int rc;

	memset(env_r, 0, sizeof(*env_r));
	if (root->defects & mime_bit(MIME_HEADER_TOO_LONG))
		return err_set(e, ERR_LIMIT, "a header section that is too long");
	if (resent > 1)
		return refuse_blocks(e);
	hash_map_init(&g.seen, (struct hash_key){(uintptr_t)a, (uintptr_t)root});
	env_r->is_resent = is_resent;
	env_r->from = first_address(
		a, raw[is_resent ? MIME_FIELD_RESENT_SENDER : MIME_FIELD_SENDER]);
	if (!env_r->from.len)
		env_r->from = first_address(
			a, raw[is_resent ? MIME_FIELD_RESENT_FROM : MIME_FIELD_FROM]);
	env_r->needs_utf8 = !span_is_ascii(env_r->from);
	rc = add_fields(&g, root, is_resent ? MIME_FIELD_RESENT_TO : MIME_FIELD_TO, e);
	if (rc == 0)
		rc = add_fields(&g, root, is_resent ? MIME_FIELD_RESENT_BCC : MIME_FIELD_BCC, e);
	if (rc == 0)
		rc = add_fields(&g, root, is_resent ? MIME_FIELD_RESENT_CC : MIME_FIELD_CC, e);
	hash_map_fini(&g.seen);
	return rc;
}

static size_t count_built(const struct msg *m, enum mime_field_id id)
{
	size_t n = 0;

	for (const struct msg_field *f = m->fields; f; f = f->next)
		n += mime_field_id_of(f->name) == id;
	return n;
}

static void add_built(struct gathering *g, const struct msg *m, enum mime_field_id id)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		for (size_t i = 0; mime_field_id_of(f->name) == id && i < f->list.count; i++)
			if (f->list.items[i].kind == MIME_MAILBOX && f->list.items[i].local.len)
				add_rcpt(g, mime_address_spec(g->a, &f->list.items[i]));
}

static struct span first_built(struct arena *a, const struct msg *m, enum mime_field_id id)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		for (size_t i = 0; mime_field_id_of(f->name) == id && i < f->list.count; i++)
			if (f->list.items[i].kind == MIME_MAILBOX && f->list.items[i].local.len)
				return mime_address_spec(a, &f->list.items[i]);
	return SPAN("");
}

int msg_envelope(struct arena *a, const struct msg *m, struct msg_envelope *env_r, struct err *e)
{
	struct gathering g = {.a = a, .env = env_r};
	size_t resent = count_built(m, MIME_FIELD_RESENT_DATE);
	bool is_resent = resent == 1;

	memset(env_r, 0, sizeof(*env_r));
	if (resent > 1)
		return refuse_blocks(e);
	hash_map_init(&g.seen, (struct hash_key){(uintptr_t)a, (uintptr_t)m});
	env_r->is_resent = is_resent;
	env_r->from = first_built(a, m, is_resent ? MIME_FIELD_RESENT_SENDER : MIME_FIELD_SENDER);
	if (!env_r->from.len)
		env_r->from = first_built(
			a, m, is_resent ? MIME_FIELD_RESENT_FROM : MIME_FIELD_FROM);
	env_r->needs_utf8 = !span_is_ascii(env_r->from);
	add_built(&g, m, is_resent ? MIME_FIELD_RESENT_TO : MIME_FIELD_TO);
	add_built(&g, m, is_resent ? MIME_FIELD_RESENT_BCC : MIME_FIELD_BCC);
	add_built(&g, m, is_resent ? MIME_FIELD_RESENT_CC : MIME_FIELD_CC);
	hash_map_fini(&g.seen);
	return 0;
}

int msg_header_put(struct buf *b, const struct mime_part *root, struct span message,
	const struct msg_settings *s, struct err *e)
{
	uint64_t at = root->header_offset;

	/* a Bcc could stand in what was not read */
	if (root->defects & mime_bit(MIME_HEADER_TOO_LONG))
		return err_set(e, ERR_LIMIT, "a header section that is too long");

	for (size_t i = 0; i < root->field_count; i++) {
		const struct mime_field *f = &root->fields[i];

		if (f->id != MIME_FIELD_BCC && f->id != MIME_FIELD_RESENT_BCC)
			buf_span_put(b, span_sub(message, (size_t)f->offset, (size_t)f->len));
		at = f->offset + f->len;
	}
	/* what of the section is not in a field that was kept, but for its empty line */
	while (at < root->body_offset) {
		struct span line;

		span_cut(span_sub(message, (size_t)at, (size_t)(root->body_offset - at)), '\n',
			&line, &(struct span){0});
		if (span_trim(line).len)
			buf_span_put(b, span_sub(message, (size_t)at, line.len + 1));
		at += line.len + 1;
	}
	if (buf_len(b) && b->mem[b->to - 1] != '\n')
		buf_str(b, "\r\n");
	if (s && !root->raw[MIME_FIELD_DATE].ptr)
		mail_date_put(b, s->now_sec, s->zone_minutes);
	if (s && s->host.len && !root->raw[MIME_FIELD_MESSAGE_ID].ptr) {
		buf_str(b, "Message-ID: ");
		mail_message_id_put(b, s->id, s->random, s->host);
		buf_str(b, "\r\n");
	}
	buf_str(b, "\r\n");
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "a header section that does not fit");
}
