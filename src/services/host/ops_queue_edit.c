/* Orders that change where a recipient's mail goes, and what it is worth. */

#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "store/spool.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/router/destination.h"
#include "services/router/router.h"

/* ---- a router for one order --------------------------------------------------------------------- */

static struct router *router_for(const struct ops_call *c)
{
	const struct config *config = c->ctx->config;
	struct router_opts opts = {.store = c->ctx->store,
		.hostname = config ? config->hostname : NULL,
		.separator = config ? config->separator[0] : '+'};

	if (c->ctx->host)
		opts.log = &c->ctx->host->log;
	return router_new(&opts);
}

/* The one place that mail for an address goes to; more than one is no edit of a recipient. */
static FIBER int resolve_one(struct router *r, struct arena *a, struct span address,
	struct router_target *target_r, struct err *e)
{
	struct router_answer ans;

	if (router_resolve_address(r, a, address, true, &ans, e) < 0)
		return -1;
	if (ans.verdict != ROUTER_OK)
		return router_verdict_err(ans.verdict, e);
	if (ans.target_count != 1)
		return err_set(e, ERR_SYNTAX, SPAN_FMT " leads to %zu recipients: name one of them",
			SPAN_ARG(address), ans.target_count);
	*target_r = ans.targets[0];
	return 0;
}

static void amend_to(struct arena *a, const struct spool_item *it, const struct router_target *t,
	struct spool_amend *w)
{
	struct span sender = it->sender.len ? it->sender : it->env.reverse_path;
	struct spool_rcpt_new n;

	router_spool_rcpt(t, &n);
	*w = (struct spool_amend){.rcpt_id = it->rcpt_id,
		.was = it->address,
		.was_next = it->destination,
		.address = n.address,
		.destination = n.is_local
			? n.folder
			: destination_with_tls(a, n.destination, spool_is_tls_demanded(&it->env),
				  it->env.is_tls_optional),
		.is_local = n.is_local,
		.account_id = n.account_id};
	/* RFC 3461 section 4.2: reports name whom the sender wrote to */
	if (!it->orcpt.len && !span_eq(it->address, n.address))
		w->orcpt = span_str(arena_printf(a, "%s;" SPAN_FMT,
			span_is_ascii(it->address) ? "rfc822" : "utf-8", SPAN_ARG(it->address)));
	if (n.is_local)
		w->prefix = mail_local_prefix(a, span_eq(sender, SPAN("<>")) ? SPAN_NONE : sender,
			n.address,
			span_str(arena_printf(a, SPAN_FMT SPAN_FMT, SPAN_ARG(it->rcpt_prefix),
				SPAN_ARG(it->prefix))));
}

/* In one transaction; how many rows were changed. */
static FIBER int amend(struct ops_call *c, struct spool_amend *rows, size_t count,
	uint64_t *changed, struct err *e)
{
	if (count && spool_amend(c->ctx->store, rows, count, loop_wall_ns(), e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		*changed += rows[i].is_done;
	return 0;
}

static FIBER int answer(struct ops_call *c, uint64_t changed, struct err *e)
{
	if (c->ctx->host)
		host_queue_recall(c->ctx->host);
	json_kv_u64(ops_row(c), "changed", changed);
	return ops_row_end(c, e);
}

/* ---- reroute ------------------------------------------------------------------------------------ */

/* "host:port", "[192.0.2.1]", "unix:/path", with "lmtp:" in front, or "pool:NAME". */
static int next_hop_of(struct ops_call *c, struct span text, struct span *key_r, struct err *e)
{
	struct span lmtp = SPAN("lmtp:");
	struct destination d;
	bool is_lmtp = span_starts(text, lmtp);

	if (span_starts(text, SPAN("pool:"))) {
		*key_r = text;
		return destination_cut(text, &d, e);
	}
	return router_hop_key(
		c->arena, is_lmtp ? span_skip(text, lmtp.len) : text, is_lmtp, key_r, e);
}

/* A page of rows that were rerouted: each goes where the router says now. */
static FIBER int undo_page(struct ops_call *c, struct router *r, struct arena *a,
	const struct spool_item *items, size_t count, uint64_t *changed, struct err *e)
{
	struct spool_amend *rows = ARENA_ARRAY(a, struct spool_amend, count + 1);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct router_target t;

		if (!items[i].rerouted_from.len)
			continue;
		if (resolve_one(r, a, items[i].address, &t, e) < 0)
			return err_wrap(e, SPAN_FMT, SPAN_ARG(items[i].address));
		amend_to(a, &items[i], &t, &rows[n++]);
	}
	return amend(c, rows, n, changed, e);
}

static FIBER int undo(struct ops_call *c, struct spool_filter *f, struct err *e)
{
	struct router *r = router_for(c);
	uint64_t changed = 0;
	size_t count = 0;
	int rc;

	f->max = SPOOL_AMEND_MAX;
	do {
		struct arena *a = arena_new();
		struct spool_item *items;

		rc = spool_list(c->ctx->store, a, f, &items, &count, e);
		if (rc == 0 && count) {
			f->after_rcpt_id = items[count - 1].rcpt_id;
			rc = undo_page(c, r, a, items, count, &changed, e);
		}
		arena_free(&a);
	} while (rc == 0 && count);
	router_free(&r);
	if (rc == 0 || changed)
		ops_queue_log(c, "reroute --undo", SPAN_NONE, changed);
	return rc < 0 ? -1 : answer(c, changed, e);
}

FIBER int op_queue_reroute(struct ops_call *c, struct err *e)
{
	struct spool_order o = {.action = SPOOL_REROUTE};
	struct span hop = json_in_text(c->args, "next_hop");
	struct spool_filter f;
	bool is_any;

	if (json_in_bool(c->args, "undo")) {
		if (ops_queue_filter(c, &f, &is_any, e) < 0)
			return -1;
		if (hop.len)
			return err_set(e, ERR_SYNTAX, "--undo asks the router: name no next hop");
		if (!is_any && !json_in_bool(c->args, "all"))
			return err_set(e, ERR_SYNTAX, "say which: an id, a filter, or all");
		return undo(c, &f, e);
	}
	if (!hop.len)
		return err_set(e, ERR_SYNTAX,
			"say where: host:port, [address]:port, unix:/path, lmtp:…, pool:NAME, or --undo");
	if (next_hop_of(c, hop, &o.next_hop, e) < 0)
		return -1;
	return ops_queue_order(c, &o, e);
}

/* ---- edit --------------------------------------------------------------------------------------- */

static FIBER int edit_rows(struct ops_call *c, struct spool_filter *f, struct span to,
	uint64_t *changed, struct err *e)
{
	struct router *r = router_for(c);
	struct router_target t;
	struct spool_amend *rows;
	struct spool_item *items = NULL;
	size_t count = 0;
	int rc;

	f->max = SPOOL_AMEND_MAX;
	rc = spool_list(c->ctx->store, c->arena, f, &items, &count, e);
	if (rc == 0 && count == 0)
		rc = err_set(e, ERR_NOT_FOUND,
			"the message has no recipient " SPAN_FMT " that waits",
			SPAN_ARG(f->recipient));
	if (rc == 0)
		rc = resolve_one(r, c->arena, to, &t, e);
	if (rc == 0) {
		rows = ARENA_ARRAY(c->arena, struct spool_amend, count);
		for (size_t i = 0; i < count; i++)
			amend_to(c->arena, &items[i], &t, &rows[i]);
		rc = amend(c, rows, count, changed, e);
	}
	router_free(&r);
	if (rc == 0 && *changed == 0)
		rc = err_set(e, ERR_STATE,
			"nothing was changed: it was delivered meanwhile, or it is held and the new "
			"address is here (release it first)");
	return rc;
}

static FIBER int edit_recipient(struct ops_call *c, struct span to, struct err *e)
{
	struct spool_filter f;
	uint64_t changed = 0;
	bool is_any;

	if (ops_queue_filter(c, &f, &is_any, e) < 0)
		return -1;
	if (!f.msg_id || !f.recipient.len || span_starts(f.recipient, SPAN("@")))
		return err_set(e, ERR_SYNTAX,
			"say which recipient of which message: queue edit ID --recipient OLD NEW");
	if (edit_rows(c, &f, to, &changed, e) < 0)
		return -1;
	ops_queue_log(c, "recipient", to, changed);
	return answer(c, changed, e);
}

/* "2d" from now, or "2026-12-24T18:00:00Z". */
static int expiry_of(struct span text, int64_t *wall_ns_r, struct err *e)
{
	int64_t now = loop_wall_ns(), ns;

	if (clock_parse_rfc3339(text, &ns))
		*wall_ns_r = ns * CLOCK_SEC;
	else if (clock_parse_duration(text, &ns))
		*wall_ns_r = now + ns;
	else
		return err_set(e, ERR_SYNTAX,
			"\"" SPAN_FMT "\" is no time: 36h and 5d count from now, or write "
			"2026-12-24T18:00:00Z",
			SPAN_ARG(span_sub(text, 0, 64)));
	if (*wall_ns_r < now)
		return err_set(e, ERR_SYNTAX,
			"that time has passed: yizhan queue expire gives up at once");
	return 0;
}

static int priority_of(struct span text, int *priority_r, struct err *e)
{
	bool is_minus = span_starts(text, SPAN("-"));
	uint64_t n;

	if (!span_u64_max(span_skip(text, is_minus), SPOOL_PRIORITY_MAX, &n))
		return err_set(e, ERR_SYNTAX, "priority is a number from %d to %d",
			SPOOL_PRIORITY_MIN, SPOOL_PRIORITY_MAX);
	*priority_r = (int)n * (is_minus ? -1 : 1);
	return 0;
}

/* What was asked for, all of it understood before any of it is done. */
static FIBER int edit_worth(
	struct ops_call *c, struct span priority, struct span expire, struct err *e)
{
	struct spool_order rank = {.action = SPOOL_PRIORITY}, end = {.action = SPOOL_LIFETIME};
	uint64_t ranked = 0, ended = 0;

	if ((priority.len && priority_of(priority, &rank.priority, e) < 0) ||
		(expire.len && expiry_of(expire, &end.expires_ns, e) < 0))
		return -1;
	if ((priority.len && ops_queue_obey(c, &rank, &ranked, e) < 0) ||
		(expire.len && ops_queue_obey(c, &end, &ended, e) < 0))
		return -1;
	return ops_queue_tell(c, ranked > ended ? ranked : ended, e);
}

FIBER int op_queue_edit(struct ops_call *c, struct err *e)
{
	struct span to = json_in_text(c->args, "new"), priority = json_in_text(c->args, "priority"),
		    expire = json_in_text(c->args, "expire");

	if (!to.len && !priority.len && !expire.len)
		return err_set(e, ERR_SYNTAX,
			"say what: --recipient OLD NEW, --priority N, or --expire TIME");
	if (to.len && (priority.len || expire.len))
		return err_set(e, ERR_SYNTAX,
			"a recipient is edited by itself, without --priority and --expire");
	return to.len ? edit_recipient(c, to, e) : edit_worth(c, priority, expire, e);
}
