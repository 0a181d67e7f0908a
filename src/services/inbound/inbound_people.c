/* Whom one of ours has written to goes into his contacts, by whatever program he writes: when the letter is accepted
 * and answered for, nobody waits for it. */

#include "base/hash.h"
#include "proto/mail/mime_address.h"
#include "store/contact.h"
#include "services/inbound/inbound_priv.h"

static const struct hash_key met_key = {0x70656f706c652d6d, 0x65742d6c61746c79};

/* Machines' mail, and what answers by itself, is no acquaintance. */
void inbound_people_field(struct inbound_txn *t, const struct mail_field *f)
{
	if (f->id == MAIL_TO && !t->to.len)
		t->to = arena_span(t->arena, f->value);
	else if (f->id == MAIL_CC && !t->cc.len)
		t->cc = arena_span(t->arena, f->value);
	else if (span_eq_nocase(f->name, SPAN("Auto-Submitted")))
		t->is_machine |= !span_eq_nocase(span_trim(f->value), SPAN("no"));
	else if (span_eq_nocase(f->name, SPAN("List-Id")))
		t->is_machine = true;
}

/* As the header names them: who is in the envelope only has no name. */
static struct span name_of(
	struct arena *a, const struct mime_address_list *list, struct span address)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == MIME_MAILBOX &&
			span_eq_nocase(mime_address_spec(a, &list->items[i]), address))
			return list->items[i].name;
	return SPAN("");
}

/* Once a minute is enough: who sends all day costs the store nothing. */
static bool is_met(struct inbound *in, uint64_t account_id, struct span address)
{
	uint64_t h = hash_bytes(&met_key, address) ^ account_id * 0x9e3779b97f4a7c15ULL;
	uint64_t minute = (uint64_t)(loop_now_ns() / CLOCK_MIN);
	uint64_t *slot = &in->met[h % INBOUND_MET], now = (h & ~0xffffULL) | (minute & 0xffff);

	if (*slot == now)
		return true;
	*slot = now;
	return false;
}

void inbound_people(struct inbound_conn *c, const struct smtp_session *s)
{
	const struct submission_user *u = &c->submission->user;
	struct inbound_txn *t = c->txn;
	struct mime_address_list to, cc;
	struct contact_person *list;
	size_t count = 0;

	/* what the page sends is noted where its Bcc is known */
	if (!u->account_id || c->submission->is_given || t->is_machine || t->is_bulk ||
		!s->mail.from.whole.len || s->rcpt_count > CONTACT_SENT_MAX)
		return;
	mime_address_parse(t->arena, t->to, CONTACT_SENT_MAX, &to);
	mime_address_parse(t->arena, t->cc, CONTACT_SENT_MAX, &cc);
	list = ARENA_ARRAY(t->arena, struct contact_person, s->rcpt_count + 1);
	for (size_t i = 0; i < s->rcpt_count; i++) {
		struct span address = s->rcpts[i].to.whole, name;

		if (span_eq_nocase(address, u->address) || is_met(c->in, u->account_id, address))
			continue;
		name = name_of(t->arena, &to, address);
		list[count++] = (struct contact_person){
			name.len ? name : name_of(t->arena, &cc, address), address};
	}
	if (count)
		contact_sent_later(c->in->opts.store, u->account_id, list, count, loop_wall_ns());
}
