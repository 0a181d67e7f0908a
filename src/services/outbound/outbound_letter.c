/* One letter on an open connection. */

#include <sys/socket.h>

#include "base/must.h"
#include "run/fault.h"
#include "run/fiber.h"
#include "services/outbound/outbound_priv.h"

#define STALE_AFTER_NS (100 * CLOCK_MS) /* a connection that was idle for longer is looked at */

/* ---- content ---------------------------------------------------------------------------------- */

/* Our Received lines, then the stored body, chunk by chunk. */
struct content {
	struct smtp_source source;
	const struct outbound_parcel *parcel;
	struct arena *arena; /* holds one chunk */
	uint64_t chunk;
	bool is_begun;
};

static FIBER int content_next(struct smtp_source *source, struct span *octets_r, struct err *e)
{
	struct content *c = CONTAINER_OF(source, struct content, source);

	if (!c->is_begun) {
		c->is_begun = true;
		*octets_r = c->parcel->prefix;
		if (octets_r->len > 0)
			return 0;
	}
	if (c->chunk * BODY_CHUNK >= body_len(c->parcel->body)) {
		*octets_r = SPAN_NONE;
		return 0;
	}
	arena_reset(c->arena);
	return body_chunk(c->parcel->body, c->chunk++, c->arena, octets_r, e);
}

static void content_rewind(struct smtp_source *source)
{
	struct content *c = CONTAINER_OF(source, struct content, source);

	c->is_begun = false;
	c->chunk = 0;
}

/* ---- verdicts --------------------------------------------------------------------------------- */

bool outbound_is_untouched(const struct outbound_parcel *p)
{
	for (size_t i = 0; i < p->rcpt_count; i++) {
		if (p->rcpts[i].verdict != OUTBOUND_PENDING)
			return false;
	}
	return true;
}

bool outbound_is_delivered(const struct outbound_parcel *p)
{
	for (size_t i = 0; i < p->rcpt_count; i++) {
		if (p->rcpts[i].verdict == OUTBOUND_DELIVERED)
			return true;
	}
	return false;
}

void outbound_give_up(const struct outbound_link *l, struct outbound_parcel *p, const struct err *e)
{
	p->host = arena_span(p->arena, l->host);
	p->is_cut = e->code != ERR_CANCELLED && e->scope == ERR_SCOPE_PEER &&
		outbound_is_untouched(p);
	if (e->code == ERR_CANCELLED) { /* we stop: it is nobody's failure */
		p->is_untried = true;
		p->next_ns = loop_wall_ns();
	}
	/* Content that cannot be sent as it is will not be any better tomorrow. */
	outbound_parcel_settle(p,
		e->scope == ERR_SCOPE_MSG && e->code == ERR_SYNTAX ? OUTBOUND_PERMANENT
								   : OUTBOUND_TEMPORARY,
		e);
}

/* The reply's text on one line, cut to what is kept. */
static struct span reply_text(struct arena *a, const struct smtp_reply *r)
{
	struct span text = span_sub(buf_span(&r->text), 0, OUTBOUND_TEXT_MAX);
	char *copy = arena_str(a, text);

	for (size_t i = 0; i < text.len; i++) {
		if (copy[i] == '\n' || copy[i] == '\r')
			copy[i] = ' ';
	}
	return span_of(copy, text.len);
}

static struct span enhanced(struct arena *a, const struct smtp_reply *r)
{
	if (r->cls == 0)
		return SPAN_NONE;
	return span_str(arena_printf(a, "%u.%u.%u", r->cls, r->subject, r->detail));
}

/* RFC 5321 section 4.5.3.1.10: 452, and 552 from old servers, to RCPT: too many at once. */
static bool is_too_many(const struct smtp_txn_rcpt *t)
{
	return t->fate == SMTP_FATE_REFUSED && t->stage == SMTP_STAGE_RCPT && !t->is_ours &&
		(t->reply.code == 452 || t->reply.code == 552);
}

static void judge(struct arena *a, const struct smtp_txn_rcpt *t, struct outbound_rcpt *r)
{
	switch (t->fate) {
	case SMTP_FATE_NONE: return; /* the connection's error is its reason */
	case SMTP_FATE_UNKNOWN:
		r->verdict = OUTBOUND_TEMPORARY;
		r->enhanced = SPAN("4.4.2");
		r->text = SPAN("the connection was lost after the end of the message; it may have "
			       "arrived");
		return;
	case SMTP_FATE_ACCEPTED:
		r->verdict = OUTBOUND_DELIVERED;
		r->is_dsn_passed = t->is_dsn_passed;
		break;
	case SMTP_FATE_REFUSED:
		r->verdict = t->reply.code >= 500 && !is_too_many(t) ? OUTBOUND_PERMANENT
								     : OUTBOUND_TEMPORARY;
		break;
	}
	r->code = t->is_ours ? 0 : (uint16_t)t->reply.code;
	r->enhanced = enhanced(a, &t->reply);
	r->text = reply_text(a, &t->reply);
}

/* ---- transactions ----------------------------------------------------------------------------- */

/* DELIVERBY (RFC 2852): the seconds that are left, as close to MAIL as can be. What is handed to a
 * mailbox server is delivered, not relayed: there it may be left out (section 4.1). */
static void fill_deadline(
	const struct outbound_link *l, struct outbound_parcel *p, struct smtp_txn *t)
{
	bool has = smtp_client_has(&l->client, SMTP_DELIVERBY);

	p->is_by_passed = has;
	if (p->env.by_mode == SPOOL_BY_NONE || (p->is_lmtp && !has))
		return;
	t->by_mode = p->env.by_mode == SPOOL_BY_RETURN ? 'R' : 'N';
	t->by_trace = p->env.by_trace;
	t->by_seconds = (p->env.by_ns - loop_wall_ns()) / CLOCK_SEC;
	if (t->by_seconds > SMTP_SECONDS_MAX)
		t->by_seconds = SMTP_SECONDS_MAX;
	if (t->by_seconds < -SMTP_SECONDS_MAX)
		t->by_seconds = -SMTP_SECONDS_MAX;
}

/* In mode R nothing is sent that has less than a second left: zero must not be asked for. The settler
 * gives it up. */
static bool is_too_late(const struct outbound_parcel *p)
{
	return p->env.by_mode == SPOOL_BY_RETURN && p->env.by_ns < loop_wall_ns() + CLOCK_SEC;
}

/* RFC 2852 section 4.1.4.2: in mode N a host that does not know of the deadline is to tell of delays,
 * which nobody asked of it before. */
static unsigned notify_for(const struct outbound_link *l, const struct outbound_parcel *p,
	const struct outbound_rcpt *r)
{
	if (p->env.by_mode != SPOOL_BY_NOTIFY || p->env.by_ns <= loop_wall_ns() || p->is_lmtp ||
		smtp_client_has(&l->client, SMTP_DELIVERBY) || r->notify & SPOOL_NOTIFY_NEVER)
		return r->notify;
	return r->notify ? r->notify | SPOOL_NOTIFY_DELAY
			 : SPOOL_NOTIFY_FAILURE | SPOOL_NOTIFY_DELAY;
}

static void fill_txn(struct outbound_parcel *p, struct content *content, struct smtp_txn *t)
{
	static const enum smtp_body_type bodies[] = {[SPOOL_BODY_7BIT] = SMTP_BODY_7BIT,
		[SPOOL_BODY_8BIT] = SMTP_BODY_8BITMIME,
		[SPOOL_BODY_BINARY] = SMTP_BODY_BINARYMIME};
	static const enum smtp_ret rets[] = {[SPOOL_RET_NONE] = SMTP_RET_NONE,
		[SPOOL_RET_FULL] = SMTP_RET_FULL,
		[SPOOL_RET_HDRS] = SMTP_RET_HDRS};

	*t = (struct smtp_txn){.reverse_path = p->env.reverse_path,
		.size = p->prefix.len + body_len(p->body),
		.body = bodies[p->env.body_type],
		.is_smtputf8 = p->env.is_smtputf8,
		.is_requiretls = p->env.is_requiretls,
		.has_priority = p->env.priority != 0, /* RFC 6710 section 4.3 */
		.priority = p->env.priority,
		/* A report cannot be returned: better in 8 bits than never. */
		.is_8bit_anyway = p->env.reverse_path.len == 0,
		.ret = rets[p->env.ret],
		.envid = p->env.envid,
		.source = &content->source};
}

/* Those that wait for their transaction, as many as one may have. */
static size_t gather(struct outbound_link *l, struct outbound_parcel *p,
	struct smtp_txn_rcpt *rcpts, struct outbound_rcpt **who)
{
	uint64_t max = l->client.caps.rcpt_max;
	size_t count = 0;

	if (l->carrier->rcpt_max && (!max || l->carrier->rcpt_max < max))
		max = l->carrier->rcpt_max;

	for (size_t i = 0; i < p->rcpt_count && count < OUTBOUND_RCPT_MAX; i++) {
		struct outbound_rcpt *r = &p->rcpts[i];

		if (r->verdict != OUTBOUND_PENDING || (max && count == max))
			continue;
		rcpts[count] = (struct smtp_txn_rcpt){
			.address = r->address, .notify = notify_for(l, p, r), .orcpt = r->orcpt};
		who[count++] = r;
	}
	return count;
}

/* Take over what the transaction decided. When somebody was accepted, those of whom there were too
 * many wait for the next transaction; otherwise they wait for a later attempt. */
static void take_fates(
	struct outbound_parcel *p, const struct smtp_txn *t, struct outbound_rcpt **who)
{
	bool is_any = false;

	for (size_t i = 0; i < t->rcpt_count; i++)
		is_any = is_any || t->rcpts[i].fate == SMTP_FATE_ACCEPTED;
	for (size_t i = 0; i < t->rcpt_count; i++) {
		if (!is_any || !is_too_many(&t->rcpts[i]))
			judge(p->arena, &t->rcpts[i], who[i]);
	}
}

FIBER int outbound_send(struct outbound_link *l, struct outbound_parcel *p, struct err *e)
{
	struct arena *a = l->txn;
	struct content content = {.source = {.next = content_next, .rewind = content_rewind},
		.parcel = p,
		.arena = l->chunk};
	struct smtp_txn_rcpt *rcpts = ARENA_ARRAY(a, struct smtp_txn_rcpt, p->rcpt_count);
	struct outbound_rcpt **who = ARENA_ARRAY(a, struct outbound_rcpt *, p->rcpt_count);
	struct smtp_txn t;
	size_t count;
	int rc = 0;

	outbound_talk_mark(l);
	p->host = arena_span(p->arena, l->host);
	p->is_tls = l->stream->tls != NULL;
	if (p->is_tls)
		p->tls = span_str(arena_printf(p->arena, "%s %s%s", l->stream->tls->version,
			l->stream->tls->cipher, l->stream->tls->is_verified ? ", verified" : ""));
	if (l->policy)
		p->tls_policy = span_str(
			arena_printf(p->arena, "%s: %s", tls_level_str(l->tls.level), l->tls.why));
	p->is_lmtp = l->is_lmtp;
	if (is_too_late(p)) {
		struct err late = {0};

		p->is_untried = true;
		err_set(&late, ERR_TIMEOUT, "its turn came too late");
		outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &late);
	}
	while (rc == 0 && (count = gather(l, p, rcpts, who)) > 0) {
		if (l->client.is_over) { /* 421 between two transactions of one letter */
			rc = err_set(e, ERR_EOF, "the connection was closed");
			err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
			break;
		}
		fill_txn(p, &content, &t);
		fill_deadline(l, p, &t);
		/* A socket of this machine is no hop that anybody could listen on. */
		t.is_requiretls &= !addr_is_unix(&l->stream->peer);
		/* A report is not lost for the lack of a promise (RFC 8689 section 5). */
		if (!spool_is_tls_demanded(&p->env))
			t.is_requiretls &= l->stream->tls &&
				smtp_client_has(&l->client, SMTP_REQUIRETLS);
		t.rcpts = rcpts;
		t.rcpt_count = count;
		rc = smtp_client_send(&l->client, &t, e);
		FAULT(DELIVER_REPLIED);
		/* The host closed an idle connection just when it was used again. What may have
		 * arrived is sent again in any case: better at once than in a minute. */
		if (rc == 0 || !t.is_unanswered || l->letters == 0)
			take_fates(p, &t, who);
		smtp_txn_fini(&t);
	}
	outbound_talk_keep(l, p);
	arena_reset(l->chunk);
	arena_reset(a);
	l->spoken_ns = loop_now_ns();
	return rc;
}

bool outbound_is_stale(const struct outbound_link *l)
{
	int fd = net_fd(l->stream);
	char octet;

	if (loop_now_ns() - l->spoken_ns < STALE_AFTER_NS)
		return false;
	if (stream_peek(l->stream).len > 0)
		return true;
	/* -1 and EAGAIN: open and silent, as it should be. */
	return fd >= 0 && recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}
