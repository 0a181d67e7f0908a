#include <string.h>

#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

/* `yizhan cert`: the certificates in use, and the authority that gives them. */

static bool is_same(const char *label, const struct certificate *row)
{
	struct span text = span_str(label);

	return span_starts(text, SPAN("acme ")) && span_eq(span_skip(text, 5), row->name);
}

static const struct certificate *row_of(
	const char *label, const struct certificate *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(label, &rows[i]))
			return &rows[i];
	return NULL;
}

static void put_row_state(struct json_out *j, const struct certificate *row)
{
	ops_put_time(j, "next_renewal", row ? row->next_ns : 0);
	json_kv_i64(j, "failed_tries", row ? row->tries : 0);
	json_kv_span(j, "last_error", row ? row->error : SPAN_NONE);
}

static FIBER int put_in_use(struct ops_call *c, const struct tls_ring_cert *x,
	const struct certificate *row, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "name", x->label);
	json_kv_str(j, "names", x->names);
	json_kv_bool(j, "default", x->is_fallback);
	json_kv_str(j, "issuer", x->cert.issuer);
	json_kv_str(j, "key", x->cert.key);
	ops_put_time(j, "valid_from", x->cert.not_before * CLOCK_SEC);
	ops_put_time(j, "valid_until", x->cert.not_after * CLOCK_SEC);
	json_kv_i64(j, "days_left", (x->cert.not_after - clock_wall_ns() / CLOCK_SEC) / 86400);
	json_kv_str(j, "source", row ? "acme" : x->file);
	json_kv_bool(j, "in_use", true);
	json_kv_str(j, "sha256", x->cert.sha256);
	put_row_state(j, row);
	return ops_row_end(c, e);
}

/* One that the authority has not given yet, or of a store whose server does not run. */
static FIBER int put_row(struct ops_call *c, const struct certificate *row, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "name", arena_printf(c->arena, "acme " SPAN_FMT, SPAN_ARG(row->name)));
	json_kv_span(j, "names", row->names);
	ops_put_time(j, "valid_from", row->not_before_ns);
	ops_put_time(j, "valid_until", row->not_after_ns);
	json_kv_str(j, "source", "acme");
	json_kv_bool(j, "in_use", false);
	put_row_state(j, row);
	return ops_row_end(c, e);
}

FIBER int op_cert_list(struct ops_call *c, struct err *e)
{
	struct tls_ring_cert *list = NULL;
	struct certificate *rows;
	size_t count = 0, row_count;

	if (certificate_list(c->ctx->store, c->arena, &rows, &row_count, e) < 0)
		return -1;
	if (c->ctx->host)
		count = tls_ring_certs(c->ctx->host->tls_ring, c->arena, &list);
	for (size_t i = 0; i < count; i++)
		if (put_in_use(c, &list[i], row_of(list[i].label, rows, row_count), e) < 0)
			return -1;
	for (size_t i = 0; i < row_count; i++) {
		size_t k = 0;

		while (k < count && !is_same(list[k].label, &rows[i]))
			k++;
		if (k == count && put_row(c, &rows[i], e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the authority ---- */

static FIBER int put_step(void *arg, const char *text, struct err *e)
{
	struct ops_call *c = arg;

	json_kv_str(ops_row(c), "step", text);
	return ops_row_end(c, e);
}

FIBER int op_cert_request(struct ops_call *c, struct err *e)
{
	const struct json_in *names = json_in_get(c->args, "names");
	struct buf *b = arena_buf(c->arena, ACME_NAMES_MAX * 256);

	for (size_t i = 0; i < json_in_count(names); i++) {
		buf_str(b, i ? " " : "");
		buf_span_put(b, json_in_span(json_in_at(names, i)));
	}
	return acme_request(c->ctx->host->acme, buf_span(b), json_in_bool(c->args, "new_account"),
		put_step, c, e);
}

FIBER int op_cert_renew(struct ops_call *c, struct err *e)
{
	struct span name = json_in_text(c->args, "name");
	struct certificate *rows;
	size_t count, done = 0;
	struct err why = {0};
	int rc = 0;

	if (certificate_list(c->ctx->store, c->arena, &rows, &count, e) < 0)
		return -1;
	/* what fails for one is told, and leaves the others alone */
	for (size_t i = 0; i < count; i++) {
		if (name.len && !span_eq_nocase(name, rows[i].name))
			continue;
		done++;
		if (acme_request(c->ctx->host->acme, rows[i].names, false, put_step, c, &why) == 0)
			continue;
		rc = -1;
		if (why.code == ERR_CANCELLED || count == 1 || name.len)
			break;
		if (put_step(c, why.text, e) < 0)
			return -1;
	}
	if (rc < 0)
		return err_copy(e, &why);
	if (!done && name.len)
		return err_set(e, ERR_NOT_FOUND,
			"there is no certificate of an authority with the name '" SPAN_FMT
			"': yizhan cert request asks for one",
			SPAN_ARG(name));
	return 0;
}

FIBER int op_cert_remove(struct ops_call *c, struct err *e)
{
	struct span name;

	if (ops_need(c, "name", &name, e) < 0 || certificate_remove(c->ctx->store, name, e) < 0)
		return -1;
	if (c->ctx->host)
		host_tls_refresh(c->ctx->host);
	json_kv_span(ops_row(c), "name", name);
	return ops_row_end(c, e);
}

/* ---- check ---- */

static FIBER int put_finding(struct ops_call *c, const char *text, struct err *e)
{
	json_kv_str(ops_row(c), "finding", text);
	return ops_row_end(c, e);
}

static FIBER int check_rows(struct ops_call *c, struct err *e)
{
	struct certificate *rows;
	size_t count;

	if (certificate_list(c->ctx->store, c->arena, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (rows[i].error.len &&
			put_finding(c,
				arena_printf(c->arena, SPAN_FMT ": " SPAN_FMT,
					SPAN_ARG(rows[i].name), SPAN_ARG(rows[i].error)),
				e) < 0)
			return -1;
	return 0;
}

/* Do mail programs and servers find the host's own name in what they are shown? */
static FIBER int check_hostname(struct ops_call *c, struct err *e)
{
	struct host *h = c->ctx->host;
	struct tls_cert *certs;
	size_t count = tls_ring_for(h->tls_ring, span_str(h->config->hostname), c->arena, &certs);
	bool is_self = count > 0;

	for (size_t i = 0; i < count; i++)
		is_self = is_self && certs[i].is_self_issued;
	if (!is_self || h->config->is_demo)
		return 0;
	return put_finding(c,
		arena_printf(c->arena,
			"%s has a certificate that is signed by itself: mail programs will not trust it. "
			"Set up the section acme, or certificate files in the section tls",
			h->config->hostname),
		e);
}

static FIBER int no_step(void *arg, const char *text, struct err *e)
{
	return 0;
}

FIBER int op_cert_check(struct ops_call *c, struct err *e)
{
	struct host *h = c->ctx->host;
	const char **texts;
	size_t n = host_tls_troubles(h, c->arena, &texts);
	struct err why = {0};

	for (size_t i = 0; i < n; i++)
		if (put_finding(c, texts[i], e) < 0)
			return -1;
	if (check_rows(c, e) < 0 || check_hostname(c, e) < 0)
		return -1;
	if (!acme_is_on(h->acme) || acme_look(h->acme, no_step, NULL, &why) == 0)
		return 0;
	return why.code == ERR_CANCELLED ? err_copy(e, &why) : put_finding(c, why.text, e);
}
