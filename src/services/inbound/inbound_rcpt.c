/* What the recipients of a letter become: one row each, loops told, reports promised or passed on. */

#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "services/inbound/inbound_priv.h"
#include "services/router/destination.h"

/* ---- accounts that have their copy already: several addresses may lead to one mailbox --------- */

struct id_set {
	uint64_t *slots; /* 0: free */
	size_t mask;
};

static void id_set_init(struct id_set *set, struct arena *a, size_t count)
{
	size_t size = 16;

	while (size < count * 2)
		size *= 2;
	set->slots = ARENA_ARRAY(a, uint64_t, size);
	set->mask = size - 1;
}

static bool id_set_add(struct id_set *set, uint64_t id)
{
	size_t at = (size_t)(id * 0x9e3779b97f4a7c15ULL >> 20) & set->mask;

	while (set->slots[at] && set->slots[at] != id)
		at = (at + 1) & set->mask;
	if (set->slots[at])
		return false;
	set->slots[at] = id;
	return true;
}

/* ---- refused, with nobody there to be told ----------------------------------------------------- */

void inbound_rcpt_refused(struct smtp_session *s, const struct smtp_rcpt *rcpt,
	struct router_answer *ans, const struct err *why)
{
	struct router_target *t = ARENA_NEW(s->txn, struct router_target);
	struct buf b;

	buf_init(&b, 1024);
	buf_printf(&b, "refused:5.%u.%u ", why->enh_subject, why->enh_detail);
	/* what stands behind '|' in a destination means something else */
	for (const char *p = why->text; *p; p++)
		buf_char(&b, *p == '|' ? '/' : *p);
	t->address = rcpt->to.whole;
	t->destination = arena_span(s->txn, buf_span(&b));
	buf_fini(&b);
	*ans = (struct router_answer){.verdict = ROUTER_OK, .target_count = 1, .targets = t};
}

/* ---- loops ------------------------------------------------------------------------------------ */

static bool is_all_loop(const struct router_delivered *d, const struct router_answer *ans)
{
	for (size_t i = 0; i < ans->target_count; i++) {
		if (!router_loop(d, &ans->targets[i]).len)
			return false;
	}
	return true;
}

int inbound_loops(struct inbound_conn *c, struct smtp_session *s, struct err *e)
{
	const struct router_delivered *d = &c->txn->delivered;
	struct span address = SPAN_NONE;
	size_t alive = 0;

	if (!d->count)
		return 0;
	for (size_t i = 0; i < s->rcpt_count; i++) {
		struct router_answer *ans = s->rcpts[i].user;

		if (!is_all_loop(d, ans)) {
			alive++;
			continue;
		}
		ans->verdict = ROUTER_LOOP;
		address = router_loop(d, &ans->targets[0]);
	}
	if (alive)
		return 0;
	err_set(e, ERR_LIMIT, "Mail loop: the message has been delivered to " SPAN_FMT " before",
		SPAN_ARG(span_sub(address, 0, 100)));
	return err_smtp(e, 554, 5, 4, 6);
}

/* ---- LMTP: a reply for each recipient behind the message -------------------------------------- */

bool inbound_is_late(const struct smtp_session *s, size_t i, struct err *e)
{
	const struct inbound_rcpt *known = s->rcpts[i].user;

	if (!s->is_lmtp)
		return false;
	if (known->late)
		err_copy(e, known->late);
	else if (known->answer.verdict == ROUTER_LOOP)
		router_verdict_err(ROUTER_LOOP, e);
	return known->late || known->answer.verdict == ROUTER_LOOP;
}

FIBER int inbound_late_room(
	struct inbound_conn *c, struct smtp_session *s, bool *is_any_r, struct err *e)
{
	uint64_t octets = stage_len(c->txn->stage);
	bool is_asked;

	*is_any_r = true;
	/* in SMTP one recipient's trouble has no reply of its own any more */
	if (!s->is_lmtp)
		return 0;
	*is_any_r = false;
	/* at RCPT it was asked with what SIZE had said; the filter's way back asks again */
	is_asked = !(s->mail.has_size && s->mail.size >= octets) && !inbound_filter_takes(c);
	for (size_t i = 0; i < s->rcpt_count; i++) {
		struct inbound_rcpt *known = s->rcpts[i].user;
		enum router_room room = ROUTER_ROOM;

		if (is_asked && known->answer.verdict == ROUTER_OK &&
			router_room(c->in->opts.router, s->txn, &known->answer, octets, &room, e) <
				0)
			return -1;
		if (room != ROUTER_ROOM) {
			known->late = ARENA_NEW(s->txn, struct err);
			router_room_err(room, c->policy->is_quota_refused, known->late);
			c->in->counters.refused_recipients++;
			log_event(&s->log, LOG_INFO, "smtp.in.rcpt.refused",
				LF("from", s->mail.from.whole), LF("to", s->rcpts[i].to.whole),
				LF_STR("reason", known->late->text));
		}
		*is_any_r |= !inbound_is_late(s, i, NULL);
	}
	return 0;
}

/* Such a row fails at its first attempt, and with it goes the report, in one transaction. */
static struct span loop_destination(struct arena *a, struct span address)
{
	struct span domain = span_skip(address, (size_t)(span_rfind(address, '@') + 1));

	return span_str(arena_printf(a, "loop:" SPAN_FMT, SPAN_ARG(domain)));
}

/* ---- reports: RFC 3461 section 5.2.7 ---------------------------------------------------------- */

/* What the next one is told to report to the sender about. One address that became another stays one for
 * him; of one that became several he hears "expanded" from us, and then of trouble alone. */
static void pass_reports(struct arena *a, const struct smtp_rcpt *rcpt,
	const struct router_answer *ans, struct spool_rcpt_new *n)
{
	n->orcpt = rcpt->orcpt;
	n->notify = rcpt->notify;
	if (!ans->is_alias)
		return;
	if (!n->orcpt.len)
		n->orcpt = span_str(arena_printf(a, "%s;" SPAN_FMT,
			rcpt->to.is_utf8 ? "utf-8" : "rfc822", SPAN_ARG(rcpt->to.whole)));
	if (ans->target_count < 2 || !(n->notify & SPOOL_NOTIFY_SUCCESS))
		return;
	n->notify &= ~(unsigned)SPOOL_NOTIFY_SUCCESS;
	if (!n->notify)
		n->notify = SPOOL_NOTIFY_NEVER;
}

static void note_expanded(const struct smtp_rcpt *rcpt, const struct router_answer *ans,
	struct inbound_counts *counts)
{
	if (ans->is_alias && ans->target_count > 1 && (rcpt->notify & SMTP_NOTIFY_SUCCESS))
		counts->expanded[counts->expanded_count++] = (struct spool_rcpt_new){
			.address = rcpt->to.whole, .orcpt = rcpt->orcpt, .notify = rcpt->notify};
}

/* ---- rows ------------------------------------------------------------------------------------- */

static void put_row(struct inbound_conn *c, struct smtp_session *s, const struct router_target *t,
	struct spool_new *letter, struct spool_rcpt_new *n)
{
	struct span loop = router_loop(&c->txn->delivered, t);

	router_spool_rcpt(t, n);
	if (loop.len) {
		*n = (struct spool_rcpt_new){
			.address = t->address, .destination = loop_destination(s->txn, loop)};
		log_event(&s->log, LOG_WARN, "smtp.in.loop", LF_ID("id", letter->id),
			LF("to", t->address), LF("address", loop));
	} else if (t->is_local) {
		n->prefix = mail_local_prefix(
			s->txn, letter->env.reverse_path, n->address, letter->prefix);
	} else {
		n->destination = destination_with_tls(s->txn, n->destination,
			spool_is_tls_demanded(&letter->env), letter->env.is_tls_optional);
	}
}

/* "alice+list": her folder "list", where she has it; delivering takes INBOX otherwise. Folders whose contents
 * mean something by themselves cannot be addressed: nobody else puts mail into Sent. */
static struct span own_folder(const struct inbound_conn *c, struct arena *a,
	const struct smtp_address *to, struct span folder)
{
	static const char *const closed[] = {"Sent", "Drafts", "Trash", "Junk", "Archive"};
	ptrdiff_t at = c->policy->folder_separator
		? span_find(to->local, c->policy->folder_separator)
		: -1;
	struct span name = at > 0 ? span_skip(to->local, (size_t)at + 1) : SPAN_NONE;

	for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
		if (span_eq_nocase(name, span_str(closed[i])))
			return folder;
	}
	return name.len ? arena_span(a, name) : folder;
}

void inbound_rcpts(struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter,
	struct inbound_counts *counts_r)
{
	struct inbound_counts *counts = counts_r;
	struct id_set seen;
	size_t total = 0;

	for (size_t i = 0; i < s->rcpt_count; i++)
		total += ((struct router_answer *)s->rcpts[i].user)->target_count;
	id_set_init(&seen, s->txn, total);
	letter->rcpts = ARENA_ARRAY(s->txn, struct spool_rcpt_new, total);
	*counts = (struct inbound_counts){
		.expanded = ARENA_ARRAY(s->txn, struct spool_rcpt_new, s->rcpt_count)};

	for (size_t i = 0; i < s->rcpt_count; i++) {
		const struct smtp_rcpt *rcpt = &s->rcpts[i];
		const struct router_answer *ans = rcpt->user;

		if (inbound_is_late(s, i, NULL)) /* it has a reply of its own */
			continue;
		note_expanded(rcpt, ans, counts);
		for (size_t k = 0; k < ans->target_count; k++) {
			const struct router_target *t = &ans->targets[k];
			struct spool_rcpt_new *n = &letter->rcpts[letter->rcpt_count];

			if (t->is_local && !id_set_add(&seen, t->account_id))
				continue;
			letter->rcpt_count++;
			put_row(c, s, t, letter, n);
			if (n->is_local && !ans->is_alias)
				n->folder = own_folder(c, s->txn, &rcpt->to, n->folder);
			pass_reports(s->txn, rcpt, ans, n);
			counts->local += n->is_local;
			counts->remote += !n->is_local;
			counts->is_success_wanted |= n->is_local &&
				(n->notify & SPOOL_NOTIFY_SUCCESS);
		}
	}
}
