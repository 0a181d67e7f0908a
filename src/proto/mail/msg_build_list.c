/* Fields that hold addresses. */
#include <string.h>

#include "proto/mail/msg_build_priv.h"

/* local@domain, as it may stand in a header: what cannot be quoted is refused. */
static int check_address(const struct mime_address *m, struct err *e)
{
	if (m->kind != MIME_MAILBOX)
		return 0;
	if (m->local.len + m->domain.len > MSG_ADDRESS_MAX)
		return err_set(e, ERR_LIMIT, "an address of more than %d octets", MSG_ADDRESS_MAX);
	for (size_t i = 0; i < m->local.len; i++)
		if ((unsigned char)m->local.ptr[i] < ' ' || m->local.ptr[i] == 0x7f)
			return msg_refuse(e, "an address with control characters");
	for (size_t i = 0; m->domain.len && m->domain.ptr[0] == '[' && i < m->domain.len; i++)
		if (m->domain.ptr[i] <= ' ' || m->domain.ptr[i] >= 0x7f)
			return msg_refuse(e, "an address literal with forbidden characters");
	return 0;
}

static int parse_list(
	struct msg *m, struct span list, struct mime_address_list *parsed, struct err *e)
{
	if (msg_check_value(list, e) < 0)
		return -1;
	mime_address_parse(m->a, arena_span(m->a, list), MIME_ADDRESSES_MAX, parsed);
	if (mime_defects_ambiguous(parsed->defects))
		return msg_refuse(e, "a malformed address list");
	for (size_t i = 0; i < parsed->count; i++) {
		if (check_address(&parsed->items[i], e) < 0)
			return -1;
		parsed->items[i].name = mime_address_name(m->a, &parsed->items[i]);
	}
	return 0;
}

/* The field of that name that addresses may join; NULL: none yet. */
static struct msg_field *list_field(const struct msg *m, struct span name)
{
	struct msg_field *f = msg_find_field(m, name);

	return f && f->kind == MSG_FIELD_MAILBOXES ? f : NULL;
}

static int join(struct msg *m, struct msg_field *f, const struct mime_address *items, size_t count,
	struct err *e)
{
	struct mime_address_list *l = &f->list;

	if (count > MIME_ADDRESSES_MAX || l->count + count > MIME_ADDRESSES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d addresses", MIME_ADDRESSES_MAX);
	if (l->count + count > f->room) {
		size_t room = 2 * (l->count + count);
		struct mime_address *more = ARENA_ARRAY(m->a, struct mime_address, room);

		if (l->count)
			memcpy(more, l->items, l->count * sizeof(*more));
		l->items = more;
		f->room = room;
	}
	for (size_t i = 0; i < count; i++) {
		l->items[l->count++] = items[i];
		l->mailboxes += items[i].kind == MIME_MAILBOX;
	}
	return 0;
}

int msg_add_mailboxes(struct msg *m, struct span name, struct span list, struct err *e)
{
	struct mime_address_list parsed;
	struct msg_field *f;

	if (parse_list(m, list, &parsed, e) < 0)
		return -1;
	f = msg_add_field(m, MSG_FIELD_MAILBOXES, name, list, e);
	if (!f)
		return -1;
	f->list = parsed;
	f->room = parsed.count;
	return 0;
}

int msg_join_mailboxes(struct msg *m, struct span name, struct span list, struct err *e)
{
	struct msg_field *f = list_field(m, name);
	struct mime_address_list parsed;

	if (!f)
		return msg_add_mailboxes(m, name, list, e);
	if (parse_list(m, list, &parsed, e) < 0)
		return -1;
	return join(m, f, parsed.items, parsed.count, e);
}

/* One address, made of what a caller gives. */
static int make_mailbox(struct msg *m, struct span display, struct span address,
	struct mime_address *item_r, struct err *e)
{
	struct mime_address_list parsed;

	if (msg_check_value(display, e) < 0 || msg_check_value(address, e) < 0)
		return -1;
	mime_address_parse(m->a, arena_span(m->a, address), 2, &parsed);
	if (parsed.count != 1 || parsed.mailboxes != 1 || parsed.items[0].name.len ||
		mime_defects_ambiguous(parsed.defects))
		return msg_refuse(e, "not an address");
	if (check_address(&parsed.items[0], e) < 0)
		return -1;
	*item_r = parsed.items[0];
	item_r->name = arena_span(m->a, display);
	return 0;
}

int msg_add_mailbox(
	struct msg *m, struct span name, struct span display, struct span address, struct err *e)
{
	struct msg_field *f = list_field(m, name);
	struct mime_address item;

	if (make_mailbox(m, display, address, &item, e) < 0)
		return -1;
	if (!f)
		f = msg_add_field(m, MSG_FIELD_MAILBOXES, name, address, e);
	return f ? join(m, f, &item, 1, e) : -1;
}

int msg_add_group(struct msg *m, struct span name, struct span group,
	const struct msg_mailbox *items, size_t count, struct err *e)
{
	struct msg_field *f = list_field(m, name);
	struct mime_address *all;

	if (count > MIME_ADDRESSES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d addresses", MIME_ADDRESSES_MAX);
	if (!span_trim(group).len)
		return msg_refuse(e, "a group without a name");
	if (msg_check_value(group, e) < 0)
		return -1;
	all = ARENA_ARRAY(m->a, struct mime_address, count + 2);
	all[0].kind = MIME_GROUP_START;
	all[0].name = arena_span(m->a, group);
	for (size_t i = 0; i < count; i++)
		if (make_mailbox(m, items[i].display, items[i].address, &all[i + 1], e) < 0)
			return -1;
	all[count + 1].kind = MIME_GROUP_END;
	if (!f)
		f = msg_add_field(m, MSG_FIELD_MAILBOXES, name, SPAN(""), e);
	return f ? join(m, f, all, count + 2, e) : -1;
}

struct span msg_value(struct arena *a, const struct msg_field *f)
{
	const struct msg_settings s = {.is_utf8 = true, .line_max = MSG_FIELD_MAX};
	struct msg_fold fold;
	struct span text;
	struct buf b;

	if (f->kind != MSG_FIELD_MAILBOXES)
		return f->value;
	buf_init(&b, 16 * MSG_FIELD_MAX);
	msg_fold_init(&fold, &b, &s, SPAN(""));
	msg_fold_mailboxes(&fold, &f->list, NULL);
	text = arena_span(a, span_trim(span_skip(buf_span(&b), 1)));
	buf_fini(&b);
	return text;
}
