#include "services/queue/queue_priv.h"

static struct trail_book *book(const struct queue_shard *sh)
{
	return trail_book(sh->q->opts.trail, sh->index);
}

/* What came of it goes before how it went: with both, facts that are too long would be none. */
static void put_steps(struct json_out *j, struct span steps)
{
	static const char around[] = ",\"steps\":[]}";

	if (!steps.len || buf_room(j->buf) < steps.len + sizeof(around))
		return;
	json_key(j, "steps");
	json_open_array(j);
	json_raw(j, steps);
	json_close(j);
}

void queue_trail_result(struct queue_shard *sh, struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res)
{
	static const enum trail_kind kinds[] = {[SPOOL_DELIVERED] = TRAIL_DELIVERED,
		[SPOOL_FAILED] = TRAIL_FAILED,
		[SPOOL_DEFERRED] = TRAIL_DEFERRED};
	struct json_out *j;

	/* What only waits for its site says so in the queue; each turn of that would fill the log. */
	if (res->outcome == SPOOL_DEFERRED && !res->is_attempt)
		return;
	j = trail_begin(book(sh), p->msg_id, kinds[res->outcome], r->address);
	if (!j)
		return;
	json_kv_u64(j, "attempt", r->attempts + (res->is_attempt ? 1 : 0));
	json_kv_span(j, "destination", p->destination);
	json_kv_span(j, "host", res->host);
	if (p->tls.len)
		json_kv_span(j, "tls", p->tls);
	if (p->tls_policy.len)
		json_kv_span(j, "tls_policy", p->tls_policy);
	json_kv_u64(j, "code", res->code);
	json_kv_span(j, "enhanced", res->enhanced);
	json_kv_span(j, "reply", res->text);
	if (p->has_own_sender)
		json_kv_span(j, "from", p->env.reverse_path);
	if (res->outcome == SPOOL_DEFERRED)
		json_kv_i64(j, "next_s", (res->next_ns - res->at_ns) / CLOCK_SEC);
	put_steps(j, p->steps);
	trail_end(book(sh), p->talk);
	p->talk = p->steps = SPAN_NONE; /* once is enough for all recipients */
}

void queue_trail_letter(struct queue_shard *sh, const struct spool_new *letter)
{
	struct trail_letter l = {
		.msg_id = letter->id, .parent_id = letter->parent_id, .at_ns = letter->arrived_ns};
	bool is_report = span_eq(letter->env.origin, SPAN("dsn"));
	struct json_out *j;

	trail_letter(book(sh), &l);
	j = trail_begin(book(sh), letter->id, TRAIL_ACCEPTED, SPAN_NONE);
	if (j) {
		json_kv_span(j, "from", letter->env.reverse_path);
		json_kv_span(j, "origin", letter->env.origin);
		trail_end(book(sh), SPAN_NONE);
	}
	if (!letter->parent_id)
		return;
	j = trail_begin(book(sh), letter->parent_id, is_report ? TRAIL_REPORTED : TRAIL_COPIED,
		letter->rcpts[0].address);
	if (!j)
		return;
	json_kv_u64(j, "recipients", letter->rcpt_count);
	trail_end(book(sh), SPAN_NONE);
}
