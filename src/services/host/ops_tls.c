/* TLS to other servers: the administrator's overrides, and the reports that RFC 8460 asks for. */

#include "store/tls_facts.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/router/router.h"

/* "host:port" and its kin are kept as the router's keys; everything else is the store's to judge. */
static int read_match(struct ops_call *c, struct span *match_r, struct err *e)
{
	if (ops_need(c, "match", match_r, e) < 0)
		return -1;
	if (span_find(*match_r, ':') < 0 || span_starts(*match_r, SPAN("pool:")) ||
		span_starts(*match_r, SPAN("lmtp:")))
		return 0;
	return router_hop_key(c->arena, *match_r, false, match_r, e);
}

static void put_override(struct json_out *j, const struct tls_override *o)
{
	json_kv_span(j, "match", o->match);
	json_kv_str(j, "level", tls_level_str(o->level));
	json_kv_span(j, "note", o->note);
}

FIBER int op_tls_set(struct ops_call *c, struct err *e)
{
	struct tls_override o = {.note = json_in_text(c->args, "note")};
	struct span level;

	if (read_match(c, &o.match, e) < 0 || ops_need(c, "level", &level, e) < 0)
		return -1;
	if (!tls_level_parse(level, &o.level))
		return err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "' is no level: none, may, encrypt, verify, dane, dane-only",
			SPAN_ARG(span_sub(level, 0, 40)));
	if (tls_override_set(c->ctx->store, &o, e) < 0)
		return -1;
	put_override(ops_row(c), &o);
	return ops_row_end(c, e);
}

FIBER int op_tls_remove(struct ops_call *c, struct err *e)
{
	struct span match;

	if (read_match(c, &match, e) < 0 || tls_override_remove(c->ctx->store, match, e) < 0)
		return -1;
	json_kv_span(ops_row(c), "match", match);
	return ops_row_end(c, e);
}

FIBER int op_tls_list(struct ops_call *c, struct err *e)
{
	struct tls_override *list = NULL;
	size_t count = 0;

	if (tls_override_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		put_override(ops_row(c), &list[i]);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- reports ---- */

#define OPS_TLS_PAGE 256 /* rows of tls_result_list() */

struct report {
	struct ops_call *call;
	struct span domain; /* asked for; "" all */
	int64_t day;
	bool is_rfc;
	/* RFC 8460: one document a domain, rows of a policy together */
	struct tls_result at; /* the row before; its domain "" at the start */
	uint64_t good, bad;
	struct arena *texts;
};

/* "2026-11-23" */
static bool read_day(struct span text, int64_t *day_r)
{
	struct clock_civil civil = {0};
	struct span year, month, day, rest;
	uint64_t y, m, d;

	if (!span_cut(text, '-', &year, &rest) || !span_cut(rest, '-', &month, &day) ||
		year.len != 4 || !span_u64(year, &y) || !span_u64_max(month, 12, &m) ||
		!span_u64_max(day, 31, &d) || m == 0 || d == 0)
		return false;
	civil.year = (int)y;
	civil.month = (int)m;
	civil.day = (int)d;
	*day_r = clock_from_civil(&civil) / (CLOCK_DAY / CLOCK_SEC);
	return true;
}

static struct span day_text(struct arena *a, int64_t day, const char *time)
{
	struct clock_civil civil;

	clock_to_civil(day * (CLOCK_DAY / CLOCK_SEC), 0, &civil);
	return span_str(
		arena_printf(a, "%04d-%02d-%02d%s", civil.year, civil.month, civil.day, time));
}

static FIBER int put_flat(struct report *r, const struct tls_result *row, struct err *e)
{
	struct json_out *j = ops_row(r->call);

	json_kv_span(j, "day", day_text(r->call->arena, r->day, ""));
	json_kv_span(j, "domain", row->domain);
	json_kv_span(j, "policy", row->policy);
	json_kv_span(j, "mx", row->mx);
	json_kv_span(j, "result", row->kind.len ? row->kind : SPAN("success"));
	json_kv_u64(j, "sessions", row->sessions);
	json_kv_span(j, "peer", row->peer);
	json_kv_span(j, "detail", row->detail);
	return ops_row_end(r->call, e);
}

/* Lines that are not empty; of them only the values of `key` when it is given. */
static void put_lines(struct json_out *j, const char *name, struct span text, struct span key)
{
	struct span line, head, value;
	bool is_more = true;

	json_key(j, name);
	json_open_array(j);
	while (is_more) {
		is_more = span_cut(text, '\n', &line, &text);
		line = span_trim(line);
		if (key.len && (!span_cut(line, ':', &head, &value) || !span_eq(head, key)))
			continue;
		if (key.len)
			line = span_trim(value);
		if (line.len)
			json_span(j, line);
	}
	json_close(j);
}

/* RFC 8460 section 4.4: the head of a document. */
static void open_domain(struct report *r, const struct tls_result *row)
{
	struct ops_call *c = r->call;
	const char *host = c->ctx->config ? c->ctx->config->hostname : "localhost";
	struct json_out *j = ops_row(c);

	json_kv_str(j, "organization-name", host);
	json_key(j, "date-range");
	json_open_object(j);
	json_kv_span(j, "start-datetime", day_text(r->texts, r->day, "T00:00:00Z"));
	json_kv_span(j, "end-datetime", day_text(r->texts, r->day, "T23:59:59Z"));
	json_close(j);
	json_kv_str(j, "contact-info", arena_printf(r->texts, "postmaster@%s", host));
	json_kv_str(j, "report-id",
		arena_printf(r->texts, SPAN_FMT "." SPAN_FMT "@%s",
			SPAN_ARG(day_text(r->texts, r->day, "")), SPAN_ARG(row->domain), host));
	json_key(j, "policies");
	json_open_array(j);
}

static void open_policy(struct report *r, const struct tls_result *row)
{
	struct json_out *j = &r->call->json;
	bool is_sts = span_eq(row->policy, SPAN("sts")),
	     is_tlsa = span_eq(row->policy, SPAN("tlsa"));

	r->good = r->bad = 0;
	json_open_object(j);
	json_key(j, "policy");
	json_open_object(j);
	json_kv_span(j, "policy-type", row->policy);
	if (is_sts || is_tlsa)
		put_lines(j, "policy-string", row->policy_text, SPAN_NONE);
	json_kv_span(j, "policy-domain", row->domain);
	if (is_sts)
		put_lines(j, "mx-host", row->policy_text, SPAN("mx"));
	json_close(j);
	json_key(j, "failure-details");
	json_open_array(j);
}

static void close_policy(struct report *r)
{
	struct json_out *j = &r->call->json;

	json_close(j);
	json_key(j, "summary");
	json_open_object(j);
	json_kv_u64(j, "total-successful-session-count", r->good);
	json_kv_u64(j, "total-failure-session-count", r->bad);
	json_close(j);
	json_close(j);
}

static FIBER int close_domain(struct report *r, struct err *e)
{
	close_policy(r);
	json_close(&r->call->json);
	return ops_row_end(r->call, e);
}

/* TLSA records belong to a host, all other policies to the domain. */
static bool is_same_policy(const struct tls_result *a, const struct tls_result *b)
{
	return span_eq(a->domain, b->domain) && span_eq(a->policy, b->policy) &&
		(!span_eq(a->policy, SPAN("tlsa")) || span_eq(a->mx, b->mx));
}

static FIBER int put_rfc(struct report *r, const struct tls_result *row, struct err *e)
{
	struct json_out *j = &r->call->json;
	bool is_new = !span_eq(r->at.domain, row->domain);

	if (is_new && r->at.domain.len) {
		if (close_domain(r, e) < 0)
			return -1;
	} else if (!is_new && !is_same_policy(&r->at, row)) {
		close_policy(r);
	}
	if (is_new)
		open_domain(r, row);
	if (is_new || !is_same_policy(&r->at, row))
		open_policy(r, row);
	r->at = *row;
	if (row->kind.len == 0) {
		r->good += row->sessions;
		return 0;
	}
	r->bad += row->sessions;
	json_open_object(j);
	json_kv_span(j, "result-type", row->kind);
	if (row->mx.len)
		json_kv_span(j, "receiving-mx-hostname", row->mx);
	if (row->peer.len)
		json_kv_span(j, "receiving-ip", row->peer);
	json_kv_u64(j, "failed-session-count", row->sessions);
	if (row->detail.len)
		json_kv_span(j, "failure-reason-code", row->detail);
	json_close(j);
	return 0;
}

static FIBER int report_all(struct report *r, struct err *e)
{
	struct tls_result *rows, after = {0};
	size_t count;

	do {
		struct arena *page = arena_new();
		int rc = tls_result_list(
			r->call->ctx->store, page, r->day, r->domain, &after, &rows, &count, e);

		for (size_t i = 0; i < count && rc == 0; i++)
			rc = r->is_rfc ? put_rfc(r, &rows[i], e) : put_flat(r, &rows[i], e);
		if (count)
			after = rows[count - 1];
		/* the next page is asked for with words of this one */
		arena_free(&r->texts);
		r->texts = page;
		if (rc < 0)
			return -1;
	} while (count == OPS_TLS_PAGE);
	return r->is_rfc && r->at.domain.len ? close_domain(r, e) : 0;
}

FIBER int op_tls_report(struct ops_call *c, struct err *e)
{
	struct report r = {.call = c,
		.domain = json_in_text(c->args, "domain"),
		.day = loop_wall_ns() / CLOCK_DAY,
		.is_rfc = json_in_bool(c->args, "rfc8460")};
	struct span day = json_in_text(c->args, "day");
	int rc;

	if (day.len && !read_day(day, &r.day))
		return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no day: 2026-11-23",
			SPAN_ARG(span_sub(day, 0, 40)));
	if (c->ctx->host && c->ctx->host->tls_policy &&
		tlspolicy_flush(c->ctx->host->tls_policy, e) < 0)
		return -1;
	r.texts = arena_new();
	rc = report_all(&r, e);
	arena_free(&r.texts);
	return rc;
}
