/* The carrier: a straight line from look-up to QUIT. outbound_letter.c has what happens to one
 * letter on the open connection. */

#include "services/outbound/outbound.h"

#include <string.h>

#include "base/must.h"
#include "run/fault.h"
#include "run/fiber.h"
#include "services/outbound/outbound_priv.h"

static void close_connection(struct outbound_link *l)
{
	if (l->stream) {
		smtp_client_fini(&l->client);
		stream_free(&l->stream);
		outbound_talk_end(l);
	}
}

/* "mx.example [192.0.2.1]:25", "[192.0.2.1]:25" or "unix:/path" */
static struct span host_text(struct arena *a, struct span name, const struct addr *addr)
{
	struct span text;
	struct buf b;

	buf_init(&b, OUTBOUND_TEXT_MAX);
	buf_span_put(&b, name);
	if (addr_is_ip(addr)) {
		buf_str(&b, name.len ? " [" : "[");
		addr_put_ip(&b, addr);
		buf_printf(&b, "]:%u", addr_port(addr));
	} else {
		addr_put(&b, addr);
	}
	text = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

/* Connect to one host, greet, upgrade. */
static FIBER int open_host(struct outbound_link *l, const struct outbound_hops *hops,
	const struct outbound_host *host, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	struct smtp_client_opts co = {.hostname = o->hostname, .is_lmtp = hops->is_lmtp};
	struct outbound_step connect = {.kind = OUTBOUND_STEP_CONNECT};
	struct addr peer = host->addrs[0];

	if (outbound_tls_host(l, hops, host, e) < 0)
		return -1;
	if (l->egress.hostname.len)
		co.hostname = arena_str(l->arena, l->egress.hostname);
	connect.began_ns = loop_now_ns();
	l->stream = outbound_connect(l, host, &peer, e);
	connect.host = host_text(l->arena, host->name, &peer);
	outbound_step_add(l->carrier->steps, &connect, l->stream ? NULL : e);
	if (!l->stream) {
		err_smtp(e, 0, 4, 4, 1); /* RFC 3463: no answer from host */
		return -1;
	}
	l->name = host->name;
	l->host = connect.host;
	outbound_talk_begin(l);
	smtp_client_init(&l->client, l->stream, &co);
	if (smtp_client_greet(&l->client, e) == 0 && outbound_tls_upgrade(l, e) == 0 &&
		(l->is_probe || outbound_login(l, e) == 0))
		return 0;
	if (!e->enh_class)
		err_smtp(e, e->smtp, 4, 4, 2); /* bad connection */
	close_connection(l);
	return -1;
}

/* A handshake that failed is tried again in clear, once: the site's memory says so now. */
static FIBER int open_host_twice(struct outbound_link *l, const struct outbound_hops *hops,
	const struct outbound_host *host, struct err *e)
{
	int64_t before = l->carrier->memory->tls_broken_ns;

	if (open_host(l, hops, host, e) == 0)
		return 0;
	if (e->code == ERR_CANCELLED || l->carrier->memory->tls_broken_ns == before)
		return -1;
	err_clear(e);
	return open_host(l, hops, host, e);
}

/* The error that is told when no host will do: one that may pass counts more than one that never
 * will; else the best host's. */
static void keep_error(struct err *kept, const struct err *e)
{
	if (kept->code == ERR_NONE ||
		(kept->again == ERR_AGAIN_NEVER && e->again != ERR_AGAIN_NEVER))
		err_copy(kept, e);
}

static FIBER int find_addrs(struct outbound_link *l, const struct outbound_hops *hops,
	struct outbound_host *host, struct err *e)
{
	struct outbound_step step = {
		.kind = OUTBOUND_STEP_ADDRESS, .began_ns = loop_now_ns(), .host = host->name};
	int rc;

	if (host->addr_count > 0)
		return 0;
	rc = outbound_addrs(l->carrier->opts, hops, host, e);
	outbound_step_add(l->carrier->steps, &step, rc < 0 ? e : NULL);
	return rc;
}

static FIBER int open_link(struct outbound_link *l, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	const struct outbound_way *way = l->carrier->way;
	struct outbound_way own = {0};
	struct outbound_hops *hops;
	struct err kept = {0};

	if (!way &&
		outbound_way_fill(
			o, l->arena, l->carrier->destination, &own, l->carrier->steps, e) < 0)
		return -1;
	/* addresses are filled in here */
	hops = way ? outbound_hops_deal(l->arena, way->hops) : own.hops;
	l->is_lmtp = hops->is_lmtp;
	l->policy = way ? way->tls : own.tls;
	if (outbound_egress(l, e) < 0)
		return -1;
	for (size_t i = 0; i < hops->count && i < OUTBOUND_HOSTS_MAX; i++) {
		struct outbound_host *host = &hops->hosts[i];
		struct err here = {0};

		if (find_addrs(l, hops, host, &here) == 0 &&
			open_host_twice(l, hops, host, &here) == 0)
			return 0;
		keep_error(&kept, &here);
		if (here.code == ERR_CANCELLED)
			return err_copy(e, &here);
		/* RFC 5321 section 5.1: behind ourselves no worse host is tried. */
		if (here.again == ERR_AGAIN_NEVER && here.enh_subject == 4 && here.enh_detail == 6)
			break;
	}
	return err_copy(e, &kept);
}

static bool is_worn(const struct outbound_link *l)
{
	uint64_t mail_max = l->client.caps.mail_max;

	return l->letters >= OUTBOUND_LETTERS_MAX || (mail_max && l->letters >= mail_max);
}

/* What was done for the first letter took none of the next one's time. */
static void reuse(const struct outbound_link *l)
{
	struct outbound_step step = {.kind = OUTBOUND_STEP_REUSED,
		.began_ns = l->opened_ns,
		.ended_ns = l->opened_ns,
		.host = l->host};

	outbound_steps_clear(l->carrier->steps);
	outbound_step_add(l->carrier->steps, &step, NULL);
}

/* Letters until the feed is empty. A parcel that could not even be begun, because the peer had
 * closed an idle connection, stays in *again_r for a fresh one. */
static FIBER int serve(struct outbound_link *l, struct outbound_parcel **again_r, struct err *e)
{
	struct outbound_carrier *c = l->carrier;
	struct outbound_parcel *p = *again_r;
	int rc;

	*again_r = NULL;
	while (!l->client.is_over && !is_worn(l)) {
		if (!p)
			p = c->feed->next(c->ctx);
		if (!p)
			return 0;
		FAULT(DELIVER_CLAIMED);
		if (l->letters > 0 && outbound_is_stale(l)) {
			*again_r = p;
			return 0;
		}
		outbound_steps_put(c->steps, false, p->arena, &p->steps);
		rc = outbound_send(l, p, e);
		if (l->letters == 0)
			reuse(l);
		if (rc < 0 && l->letters > 0 && outbound_is_untouched(p) &&
			e->code != ERR_CANCELLED) {
			*again_r = p;
			return 0;
		}
		l->letters++;
		if (rc < 0)
			outbound_give_up(l, p, e);
		c->delivered += outbound_is_delivered(p);
		c->feed->done(c->ctx, p);
		p = NULL;
		if (rc < 0)
			return -1;
	}
	return 0;
}

static void link_init(struct outbound_link *l, struct outbound_carrier *c)
{
	*l = (struct outbound_link){
		.carrier = c, .arena = arena_new(), .txn = arena_new(), .chunk = arena_new()};
}

static void link_fini(struct outbound_link *l)
{
	arena_free(&l->chunk);
	arena_free(&l->txn);
	arena_free(&l->arena);
}

struct probe {
	struct outbound_link link;
	struct outbound_question *question; /* NULL: only whether it answers */
	int rc;
	struct err err;
};

/* Would it take mail for this address? Nothing is sent. */
static FIBER int ask(struct smtp_client *c, struct outbound_question *q, struct err *e)
{
	struct span line = span_str(
		arena_printf(q->a, "RCPT TO:<" SPAN_FMT ">", SPAN_ARG(q->address)));
	const struct smtp_reply *r = &c->parser.reply;
	bool is_utf8 = !span_is_ascii(q->address);

	if (is_utf8 && !smtp_client_has(c, SMTP_SMTPUTF8))
		return err_set(e, ERR_UNSUPPORTED, "it does not offer SMTPUTF8");
	if (smtp_client_command(c, is_utf8 ? SPAN("MAIL FROM:<> SMTPUTF8") : SPAN("MAIL FROM:<>"),
		    OUTBOUND_ASK_NS, e) < 0)
		return -1;
	/* what MAIL is refused for says nothing of the recipient */
	if (r->code / 100 != 2)
		return err_set(e, ERR_REPLY, "it takes no bounces: %u " SPAN_FMT, r->code,
			SPAN_ARG(span_sub(buf_span(&r->text), 0, 100)));
	if (smtp_client_command(c, line, OUTBOUND_ASK_NS, e) < 0)
		return -1;
	q->code = r->code;
	q->text = arena_span(q->a, span_sub(buf_span(&r->text), 0, OUTBOUND_TEXT_MAX));
	return 0;
}

static FIBER int probe_main(void *arg)
{
	struct probe *b = arg;

	b->rc = open_link(&b->link, &b->err);
	if (b->rc == 0) {
		if (b->question)
			b->rc = ask(&b->link.client, b->question, &b->err);
		smtp_client_quit(&b->link.client, NULL);
		close_connection(&b->link);
	}
	return 0;
}

static FIBER int probe(const struct outbound_opts *o, struct span destination,
	struct outbound_question *q, int64_t until_ns, struct err *e)
{
	struct outbound_memory memory = {0};
	struct outbound_carrier c = {.opts = o, .destination = destination, .memory = &memory};
	struct arena *a = arena_new();
	struct probe *b = ARENA_NEW(a, struct probe);
	struct fiber_group g;
	int rc;

	link_init(&b->link, &c);
	b->link.is_probe = true;
	b->question = q;
	fiber_group_init(&g);
	/* A fiber of its own: so it ends in time, wherever the host lets it wait. */
	rc = fiber_start(&g, "probe", probe_main, b, e);
	if (rc == 0 && fiber_group_wait(&g, until_ns, e) < 0) {
		if (e->code == ERR_TIMEOUT)
			err_set(e, ERR_TIMEOUT, "no answer within the time of a probe");
		fiber_group_cancel(&g);
		fiber_group_join(&g);
		rc = b->rc == 0 ? 0 : -1;
	} else if (rc == 0) {
		rc = b->rc < 0 ? err_copy(e, &b->err) : 0;
	}
	link_fini(&b->link);
	arena_free(&a);
	return rc;
}

FIBER int outbound_probe(
	const struct outbound_opts *o, struct span destination, int64_t until_ns, struct err *e)
{
	return probe(o, destination, NULL, until_ns, e);
}

FIBER int outbound_ask(const struct outbound_opts *o, struct span destination,
	struct outbound_question *q, int64_t until_ns, struct err *e)
{
	return probe(o, destination, q, until_ns, e);
}

FIBER int outbound_carry(struct outbound_carrier *c, struct err *e)
{
	struct outbound_parcel *again = NULL;
	int rc = 0;

	do {
		struct outbound_link l;

		link_init(&l, c);
		outbound_steps_clear(c->steps);
		rc = open_link(&l, e);
		if (rc == 0) {
			l.opened_ns = loop_now_ns();
			if (!again)
				c->feed->up(c->ctx);
			rc = serve(&l, &again, e);
			smtp_client_quit(&l.client, NULL);
			close_connection(&l);
		} else if (again) {
			outbound_steps_put(c->steps, false, again->arena, &again->steps);
			outbound_give_up(&l, again, e);
			c->feed->done(c->ctx, again);
			again = NULL;
		}
		link_fini(&l);
	} while (again);
	/* A letter that could not be read from the store says nothing about the peer. */
	return rc < 0 && e->scope == ERR_SCOPE_MSG ? 0 : rc;
}
