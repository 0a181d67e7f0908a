/* What is seen of a letter while it comes in, and what the station log hears of it. */

#include "services/inbound/inbound_priv.h"

#define NAMED_OCTETS                                                                               \
	(TRAIL_FACTS_MAX / 2) /* recipients are named while there is room; then counted */

#define DELIVERED_MAX 1000 /* octets of a Delivered-To field; no address is as long */

static bool is_word(const struct mail_field *f, struct span word)
{
	return span_eq_nocase(span_trim(f->value), word);
}

static struct span bare_address(struct span s)
{
	return s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>' ? span_sub(s, 1, s.len - 2)
								       : s;
}

void inbound_note_field(void *arg, const struct mail_field *f)
{
	struct inbound_txn *t = arg;

	if (t->gate)
		inbound_people_field(t, f);
	if (f->id == MAIL_MESSAGE_ID && !t->message_id.len)
		t->message_id = arena_span(t->arena, trail_message_id(f->value));
	else if (f->id == MAIL_FROM && !t->from.len)
		t->from = arena_span(t->arena, f->value);
	else if (f->id == MAIL_DELIVERED_TO && f->value.len <= DELIVERED_MAX)
		router_delivered_add(&t->delivered, bare_address(mail_unfold(t->arena, f->value)));
	else if (f->id == MAIL_PRECEDENCE)
		t->is_bulk |= is_word(f, SPAN("bulk")) || is_word(f, SPAN("list")) ||
			is_word(f, SPAN("junk"));
	else if (f->id == MAIL_FIELD_OTHER && span_eq_nocase(f->name, SPAN("TLS-Required")))
		t->is_tls_optional |= is_word(
			f, SPAN("No")); /* RFC 8689 section 5: the one value */
}

static void put_session(
	struct json_out *j, const struct inbound_conn *c, const struct smtp_session *s)
{
	bool is_jmap = c->submission && c->submission->is_given;
	struct buf b;

	if (!is_jmap) { /* there we talk with ourselves */
		buf_init(&b, 128);
		addr_put_ip(&b, s->peer);
		json_kv_span(j, "peer", buf_span(&b));
		buf_fini(&b);
		json_kv_span(j, "helo", s->helo);
	}
	json_kv_str(j, "with",
		is_jmap               ? "JMAP"
			: s->is_lmtp  ? "LMTP"
			: s->is_esmtp ? "ESMTP"
				      : "SMTP");
	if (s->tls) {
		json_kv_str(j, "tls", s->tls->version);
		json_kv_str(j, "cipher", s->tls->cipher);
	}
	if (s->auth_user.len)
		json_kv_span(j, "login", s->auth_user);
	if (c->submission && c->submission->is_known) {
		buf_init(&b, 512);
		inbound_put_user(c, &b);
		json_kv_span(j, "user", buf_span(&b));
		buf_fini(&b);
	}
}

static bool has_room(const struct json_out *j)
{
	return buf_len(j->buf) < NAMED_OCTETS;
}

/* What one address of the envelope became. */
static void put_rcpt(
	struct json_out *j, const struct smtp_rcpt *rcpt, const struct router_answer *ans)
{
	size_t i = 0;

	json_open_object(j);
	json_kv_span(j, "to", rcpt->to.whole);
	json_key(j, "became");
	json_open_array(j);
	for (; i < ans->target_count && has_room(j); i++) {
		const struct router_target *t = &ans->targets[i];

		json_open_object(j);
		json_kv_span(j, "address", t->address);
		if (t->is_local)
			json_kv_str(j, "mailbox", "INBOX");
		else
			json_kv_span(j, "destination", t->destination);
		json_close(j);
	}
	json_close(j);
	if (i < ans->target_count)
		json_kv_u64(j, "more", ans->target_count - i);
	json_close(j);
}

void inbound_trail(
	const struct inbound_conn *c, const struct smtp_session *s, const struct spool_new *letter)
{
	struct trail_book *b = c->in->opts.trail;
	struct trail_letter l = {.msg_id = letter->id,
		.parent_id = letter->parent_id,
		.message_id = c->txn->message_id,
		.at_ns = letter->arrived_ns,
		.owner_id = c->submission ? c->submission->user.account_id : 0};
	struct json_out *j;
	size_t i = 0;

	trail_letter(b, &l);
	j = trail_begin(b, letter->id, TRAIL_ACCEPTED, SPAN_NONE);
	if (!j)
		return;
	json_kv_span(j, "from", letter->env.reverse_path);
	json_kv_u64(j, "octets", stage_len(letter->body));
	put_session(j, c, s);
	json_key(j, "recipients");
	json_open_array(j);
	for (; i < s->rcpt_count && has_room(j); i++)
		put_rcpt(j, &s->rcpts[i], s->rcpts[i].user);
	json_close(j);
	if (i < s->rcpt_count)
		json_kv_u64(j, "more", s->rcpt_count - i);
	trail_end(b, SPAN_NONE);
}

void inbound_trail_refused(const struct inbound_conn *c, const struct smtp_session *s, uint64_t id,
	const struct err *why)
{
	struct trail_book *b = c->in->opts.trail;
	struct trail_letter l = {.msg_id = id,
		.message_id = c->txn->message_id,
		.at_ns = loop_wall_ns(),
		.owner_id = c->submission ? c->submission->user.account_id : 0};
	struct json_out *j;

	trail_letter(b, &l);
	j = trail_begin(b, id, TRAIL_REFUSED, SPAN_NONE);
	if (!j)
		return;
	json_kv_span(j, "from", s->mail.from.whole);
	put_session(j, c, s);
	json_kv_span(j, "to", s->rcpt_count ? s->rcpts[0].to.whole : SPAN_NONE);
	json_kv_u64(j, "code", why->smtp);
	json_kv_str(j, "reason", why->text);
	trail_end(b, SPAN_NONE);
}
