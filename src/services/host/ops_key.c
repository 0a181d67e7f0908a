#include "services/host/ops_key.h"

#include "base/clock.h"
#include "proto/trust/dkim_key.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

#define KEY_DNS_NS (10 * CLOCK_SEC)

/* ---- rows ---- */

/* All but what is secret. */
static int put_key(
	struct json_out *j, struct arena *a, const struct dkim_keys_row *r, struct err *e)
{
	struct sign_key_public p;

	if (sign_key_public(a, r, &p, e) < 0)
		return -1;
	json_kv_span(j, "domain", r->domain);
	json_kv_span(j, "selector", r->selector);
	json_kv_span(j, "algorithm", r->algorithm);
	json_kv_u64(j, "bits", p.bits);
	json_kv_str(j, "state", dkim_keys_state_str(r->state));
	json_kv_bool(j, "subdomains", r->is_wide);
	ops_put_time(j, "created", r->created_ns);
	ops_put_time(j, "changed", r->changed_ns);
	json_kv_span(j, "name", p.name);
	json_kv_str(j, "type", "TXT");
	json_kv_span(j, "record", p.record);
	json_kv_span(j, "zone", p.zone);
	return 0;
}

static FIBER int send_key(struct ops_call *c, const struct dkim_keys_row *r, struct err *e)
{
	return put_key(ops_row(c), c->arena, r, e) < 0 ? -1 : ops_row_end(c, e);
}

static void log_key(struct ops_call *c, const char *what, struct span domain, struct span selector)
{
	if (c->ctx->host)
		log_event(&c->ctx->host->log, LOG_INFO, "key.changed", LF_STR("what", what),
			LF("domain", domain), LF("selector", selector), LF("by", c->ctx->by));
}

/* Rows of the arguments "domain" and "selector", either of which may be missing. */
static FIBER int read_keys(
	struct ops_call *c, struct dkim_keys_row **rows_r, size_t *count_r, struct err *e)
{
	struct span domain = json_in_text(c->args, "domain");
	struct span selector = json_in_text(c->args, "selector");
	struct dkim_keys_row *rows;
	size_t count, n = 0;

	if (dkim_keys_list(c->ctx->store, c->arena, domain, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!selector.len || span_eq(rows[i].selector, selector))
			rows[n++] = rows[i];
	}
	*rows_r = rows;
	*count_r = n;
	if (!n && selector.len)
		return err_set(e, ERR_NOT_FOUND,
			SPAN_FMT " has no key with the selector \"" SPAN_FMT
				 "\": yizhan key list " SPAN_FMT,
			SPAN_ARG(domain), SPAN_ARG(span_sub(selector, 0, 80)), SPAN_ARG(domain));
	return 0;
}

static bool has_state(const struct dkim_keys_row *rows, size_t count, enum dkim_keys_state state)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].state == state)
			return true;
	}
	return false;
}

/* ---- new keys ---- */

static int read_new(struct ops_call *c, struct sign_key_new *n, struct err *e)
{
	struct span algorithm = json_in_text(c->args, "algorithm");
	uint64_t bits = 0;

	*n = (struct sign_key_new){.selector = json_in_text(c->args, "selector"),
		.is_wide = json_in_bool(c->args, "subdomains")};
	if (ops_need(c, "domain", &n->domain, e) < 0)
		return -1;
	n->has_rsa = !algorithm.len || span_eq(algorithm, SPAN("both")) ||
		span_eq(algorithm, SPAN("rsa"));
	n->has_ed25519 = !algorithm.len || span_eq(algorithm, SPAN("both")) ||
		span_eq(algorithm, SPAN("ed25519"));
	if (!n->has_rsa && !n->has_ed25519)
		return err_set(e, ERR_SYNTAX, "an algorithm is rsa, ed25519 or both");
	if (json_in_u64(c->args, "bits", &bits) &&
		(bits < DKIM_SIGN_BITS_MIN || bits > DKIM_SIGN_BITS_MAX))
		return err_set(e, ERR_SYNTAX, "an RSA key has %d to %d bits here",
			DKIM_SIGN_BITS_MIN, DKIM_SIGN_BITS_MAX);
	n->bits = (unsigned)bits;
	return 0;
}

/* A domain's first key signs at once: until its record is published its signatures are as good as none.
 * A later one waits for `key activate`. */
static FIBER int state_of_new(struct ops_call *c, struct sign_key_new *n, struct err *e)
{
	struct dkim_keys_row *rows;
	size_t count;

	if (dkim_keys_list(c->ctx->store, c->arena, n->domain, &rows, &count, e) < 0)
		return -1;
	n->state = !count || json_in_bool(c->args, "activate") ? DKIM_KEYS_ACTIVE
							       : DKIM_KEYS_PENDING;
	return 0;
}

static FIBER int make(struct ops_call *c, const struct sign_key_new *n, struct err *e)
{
	struct dkim_keys_row *rows;
	size_t count;
	int rc = sign_key_make(c->ctx->store, c->ctx->lane, c->arena, n, &rows, &count, e);

	for (size_t i = 0; i < count; i++)
		log_key(c, "added", rows[i].domain, rows[i].selector);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = send_key(c, &rows[i], e);
	return rc;
}

FIBER int op_key_add(struct ops_call *c, struct err *e)
{
	struct sign_key_new n;

	if (read_new(c, &n, e) < 0 || state_of_new(c, &n, e) < 0)
		return -1;
	return make(c, &n, e);
}

FIBER int op_key_import(struct ops_call *c, struct err *e)
{
	struct dkim_keys_row row;
	struct sign_key_new n;
	struct span pem;

	if (read_new(c, &n, e) < 0 || ops_need(c, "pem", &pem, e) < 0 || state_of_new(c, &n, e) < 0)
		return -1;
	if (!n.selector.len)
		return err_set(e, ERR_SYNTAX,
			"which selector? It is the first label of the name that the key's record has "
			"in DNS (--selector)");
	if (sign_key_import(c->ctx->store, c->arena, &n, pem, &row, e) < 0)
		return -1;
	log_key(c, "imported", row.domain, row.selector);
	return send_key(c, &row, e);
}

/* ---- looking ---- */

FIBER int op_key_list(struct ops_call *c, struct err *e)
{
	struct dkim_keys_row *rows;
	size_t count;

	if (read_keys(c, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (send_key(c, &rows[i], e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_key_export(struct ops_call *c, struct err *e)
{
	struct dkim_keys_row *rows;
	struct json_out *j;
	struct span need;
	size_t count;

	if (ops_need(c, "domain", &need, e) < 0 || ops_need(c, "selector", &need, e) < 0 ||
		read_keys(c, &rows, &count, e) < 0)
		return -1;
	log_key(c, "exported", rows[0].domain, rows[0].selector);
	j = ops_row(c);
	json_kv_span(j, "domain", rows[0].domain);
	json_kv_span(j, "selector", rows[0].selector);
	json_kv_span(j, "pem", rows[0].pem);
	return ops_row_end(c, e);
}

static void judge(struct arena *a, const struct dkim_keys_row *row, struct ops_key_found *f)
{
	bool is_old = row->state == DKIM_KEYS_RETIRING;
	const char *why;

	if (f->found.status == DNS_FAIL || f->found.status == DNS_BOGUS) {
		f->state = DNS_ADVICE_UNKNOWN;
		f->why = f->found.status == DNS_BOGUS
			? "its DNSSEC signatures are not valid: nobody who validates can look it up"
			: "the look-up failed; try again later";
		return;
	}
	if (!f->found.count) {
		f->state = is_old ? DNS_ADVICE_OPTIONAL : DNS_ADVICE_MISSING;
		f->why = is_old
			? "it signs no more: needed while letters that it signed are under way"
			: row->state == DKIM_KEYS_ACTIVE
			? "signatures with this key cannot be verified until its record is there"
			: "publish it, then: yizhan key activate";
		return;
	}
	why = sign_key_judge(a, &f->key, f->found.rr[0].text);
	if (f->found.count > 1)
		why = "more than one record is as bad as none; keep one";
	f->state = why ? DNS_ADVICE_WRONG : DNS_ADVICE_OK;
	f->why = why     ? why
		: is_old ? "the key signs no more: the record may go once it has been so for a week"
		: row->state == DKIM_KEYS_ACTIVE ? "signatures with this key can be verified"
						 : "published: yizhan key activate";
}

FIBER int ops_key_look(struct dns *dns, struct arena *a, const struct dkim_keys_row *row,
	struct ops_key_found *found_r, struct err *e)
{
	*found_r = (struct ops_key_found){.found.status = DNS_NXDOMAIN};
	if (sign_key_public(a, row, &found_r->key, e) < 0 ||
		(dns &&
			dns_query(dns, a, found_r->key.name, DNS_TXT, loop_now_ns() + KEY_DNS_NS,
				&found_r->found, e) < 0))
		return -1;
	judge(a, row, found_r);
	return 0;
}

static FIBER int need_dns(struct ops_call *c, struct err *e)
{
	if (!c->ctx->host)
		return err_set(e, ERR_STATE,
			"DNS is asked by the running server: start it, or --no-check");
	return c->ctx->host->dns ? 0
				 : err_set(e, ERR_BUSY, "the resolver is not ready yet; try again");
}

FIBER int op_key_check(struct ops_call *c, struct err *e)
{
	struct dkim_keys_row *rows;
	size_t count;

	if (need_dns(c, e) < 0 || read_keys(c, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct ops_key_found f;
		struct json_out *j;

		if (ops_key_look(c->ctx->host->dns, c->arena, &rows[i], &f, e) < 0)
			return -1;
		j = ops_row(c);
		json_kv_span(j, "domain", rows[i].domain);
		json_kv_span(j, "selector", rows[i].selector);
		json_kv_str(j, "key", dkim_keys_state_str(rows[i].state));
		json_kv_str(j, "state", dns_advice_str(f.state));
		json_kv_span(j, "name", f.key.name);
		json_kv_str(j, "why", f.why);
		json_kv_span(j, "publish", f.state == DNS_ADVICE_OK ? SPAN_NONE : f.key.record);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- moving ---- */

static FIBER int tell(struct ops_call *c, struct span domain, struct span selector,
	const char *state, struct err *e)
{
	struct json_out *j = ops_row(c);

	log_key(c, state, domain, selector);
	json_kv_span(j, "domain", domain);
	json_kv_span(j, "selector", selector);
	json_kv_str(j, "state", state);
	return ops_row_end(c, e);
}

static FIBER int move(struct ops_call *c, enum dkim_keys_state to, struct err *e)
{
	struct span domain, selector;

	if (ops_need(c, "domain", &domain, e) < 0 || ops_need(c, "selector", &selector, e) < 0 ||
		dkim_keys_move(c->ctx->store, domain, selector, to, e) < 0)
		return -1;
	return tell(c, domain, selector, dkim_keys_state_str(to), e);
}

FIBER int op_key_activate(struct ops_call *c, struct err *e)
{
	return move(c, DKIM_KEYS_ACTIVE, e);
}

FIBER int op_key_retire(struct ops_call *c, struct err *e)
{
	return move(c, DKIM_KEYS_RETIRING, e);
}

FIBER int op_key_remove(struct ops_call *c, struct err *e)
{
	bool is_forced = json_in_bool(c->args, "force");
	struct span domain, selector;
	struct dkim_keys_row *rows;
	size_t count;

	if (ops_need(c, "domain", &domain, e) < 0 || ops_need(c, "selector", &selector, e) < 0 ||
		read_keys(c, &rows, &count, e) < 0)
		return -1;
	if (!is_forced && rows[0].state == DKIM_KEYS_RETIRING &&
		loop_wall_ns() < rows[0].changed_ns + SIGN_RETIRE_NS)
		return err_set(e, ERR_STATE,
			"letters that it signed may still be under way: leave the key and its record "
			"for a week after it retired, or --force");
	if (dkim_keys_remove(c->ctx->store, domain, selector, is_forced, e) < 0)
		return -1;
	return tell(c, domain, selector, "removed", e);
}

/* ---- rotation ---- */

/* New keys like those that sign now. */
static FIBER int rotate_begin(
	struct ops_call *c, const struct dkim_keys_row *rows, size_t count, struct err *e)
{
	struct sign_key_new n;
	bool is_any = false;

	if (has_state(rows, count, DKIM_KEYS_PENDING))
		return err_set(e, ERR_STATE,
			"keys are pending already: publish their records, then --finish");
	if (read_new(c, &n, e) < 0)
		return -1;
	if (!json_in_text(c->args, "algorithm").len)
		n.has_rsa = n.has_ed25519 = false;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].state != DKIM_KEYS_ACTIVE)
			continue;
		is_any = true;
		n.is_wide = n.is_wide || rows[i].is_wide;
		n.has_rsa = n.has_rsa || span_eq(rows[i].algorithm, SPAN("rsa"));
		n.has_ed25519 = n.has_ed25519 || span_eq(rows[i].algorithm, SPAN("ed25519"));
	}
	if (!is_any)
		return err_set(e, ERR_STATE, "no key of the domain is active: yizhan key add");
	return make(c, &n, e);
}

/* Each pending key must be seen in DNS, or no one could verify what it signs from now on. */
static FIBER int rotate_finish(
	struct ops_call *c, const struct dkim_keys_row *rows, size_t count, struct err *e)
{
	bool is_checked = !json_in_bool(c->args, "no_check");

	if (is_checked && need_dns(c, e) < 0)
		return -1;
	for (size_t i = 0; is_checked && i < count; i++) {
		struct ops_key_found f;

		if (rows[i].state != DKIM_KEYS_PENDING)
			continue;
		if (ops_key_look(c->ctx->host->dns, c->arena, &rows[i], &f, e) < 0)
			return -1;
		if (f.state != DNS_ADVICE_OK)
			return err_set(e, ERR_STATE, SPAN_FMT " is not as it must be (%s): %s",
				SPAN_ARG(f.key.name), dns_advice_str(f.state), f.why);
	}
	return dkim_keys_turn(c->ctx->store, rows[0].domain, e);
}

FIBER int op_key_rotate(struct ops_call *c, struct err *e)
{
	struct span domain;
	struct dkim_keys_row *rows;
	size_t count;

	if (ops_need(c, "domain", &domain, e) < 0 ||
		dkim_keys_list(c->ctx->store, c->arena, domain, &rows, &count, e) < 0)
		return -1;
	if (!json_in_bool(c->args, "finish"))
		return rotate_begin(c, rows, count, e);
	if (!has_state(rows, count, DKIM_KEYS_PENDING))
		return err_set(e, ERR_STATE, "no key is pending: yizhan key rotate " SPAN_FMT,
			SPAN_ARG(domain));
	if (rotate_finish(c, rows, count, e) < 0 ||
		dkim_keys_list(c->ctx->store, c->arena, domain, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (tell(c, rows[i].domain, rows[i].selector, dkim_keys_state_str(rows[i].state),
			    e) < 0)
			return -1;
	}
	return 0;
}
