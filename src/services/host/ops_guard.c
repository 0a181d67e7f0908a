#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

/* Networks that may not connect, and those that nothing is held against. */

/* Without a server, a guard of this call's own: it reads and writes the same rows. */
static FIBER struct guard *guard_of(struct ops_call *c, struct err *e)
{
	struct guard *g;

	if (c->ctx->host)
		return c->ctx->host->guard;
	g = host_guard_make(c->ctx->config, c->ctx->store, NULL);
	if (guard_begin(g, e) < 0)
		guard_free(&g);
	return g;
}

static void guard_done(struct ops_call *c, struct guard *g)
{
	if (!c->ctx->host)
		guard_free(&g);
}

static void put_row(struct json_out *j, const struct guard_row *row)
{
	json_kv_span(j, "network", row->network);
	json_kv_str(j, "kind", row->kind == GUARD_ALLOW ? "allow" : "ban");
	json_kv_span(j, "reason", row->reason);
	json_kv_span(j, "made_by", row->made_by);
	ops_put_time(j, "made_at", row->made_ns);
	ops_put_time(j, "until", row->until_ns);
	json_kv_u64(j, "refused", row->refused);
}

static FIBER int list_kind(struct ops_call *c, enum guard_kind kind, struct err *e)
{
	struct guard *g = guard_of(c, e);
	struct guard_row *rows;
	size_t count;
	int rc = g ? guard_list(g, c->arena, &rows, &count, e) : -1;

	if (g)
		guard_done(c, g);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (rows[i].kind != kind)
			continue;
		put_row(ops_row(c), &rows[i]);
		rc = ops_row_end(c, e);
	}
	return rc;
}

FIBER int op_ban_list(struct ops_call *c, struct err *e)
{
	return list_kind(c, GUARD_BAN, e);
}

FIBER int op_ban_allowed(struct ops_call *c, struct err *e)
{
	return list_kind(c, GUARD_ALLOW, e);
}

static FIBER int set_row(struct ops_call *c, enum guard_kind kind, struct err *e)
{
	struct span lasts = json_in_text(c->args, "for");
	struct guard_row row = {.kind = kind,
		.reason = json_in_text(c->args, "reason"),
		.made_by = c->ctx->by.len ? c->ctx->by : SPAN("administrator"),
		.made_ns = loop_wall_ns()};
	struct guard *g;
	int64_t ns;
	int rc;

	if (ops_need(c, "network", &row.network, e) < 0)
		return -1;
	if (lasts.len) {
		if (!clock_parse_duration(lasts, &ns) || ns < CLOCK_SEC || ns > 3660 * CLOCK_DAY)
			return err_set(e, ERR_SYNTAX, "for how long: 1s to 3660d, as 90m or 7d");
		row.until_ns = row.made_ns + ns;
	}
	g = guard_of(c, e);
	if (!g)
		return -1;
	rc = guard_set(g, &row, e);
	guard_done(c, g);
	if (rc < 0)
		return -1;
	put_row(ops_row(c), &row);
	return ops_row_end(c, e);
}

FIBER int op_ban_add(struct ops_call *c, struct err *e)
{
	return set_row(c, GUARD_BAN, e);
}

FIBER int op_ban_allow(struct ops_call *c, struct err *e)
{
	return set_row(c, GUARD_ALLOW, e);
}

FIBER int op_ban_remove(struct ops_call *c, struct err *e)
{
	struct span network;
	struct guard *g;
	int rc;

	if (ops_need(c, "network", &network, e) < 0)
		return -1;
	g = guard_of(c, e);
	if (!g)
		return -1;
	rc = guard_remove(g, network, e);
	guard_done(c, g);
	if (rc < 0)
		return -1;
	json_kv_span(ops_row(c), "network", network);
	return ops_row_end(c, e);
}
