/* What the recipients of a letter become: one row each, loops told, reports promised or passed on. */

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

		if (s->is_lmtp && ans->verdict == ROUTER_LOOP) /* it has a reply of its own */
			continue;
		note_expanded(rcpt, ans, counts);
		for (size_t k = 0; k < ans->target_count; k++) {
			const struct router_target *t = &ans->targets[k];
			struct spool_rcpt_new *n = &letter->rcpts[letter->rcpt_count];

			if (t->is_local && !id_set_add(&seen, t->account_id))
				continue;
			letter->rcpt_count++;
			put_row(c, s, t, letter, n);
			pass_reports(s->txn, rcpt, ans, n);
			counts->local += n->is_local;
			counts->remote += !n->is_local;
			counts->is_success_wanted |= n->is_local &&
				(n->notify & SPOOL_NOTIFY_SUCCESS);
		}
	}
}
