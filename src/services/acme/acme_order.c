#include <string.h>

#include "base/json_out.h"
#include "services/acme/acme_priv.h"

/* RFC 8555 section 7.4: order, proofs, request, certificate. What is begun stands in the row, so that
 * after a restart the same order goes on. */

static FIBER int save(struct acme_talk *t, struct certificate *row, struct err *e)
{
	return certificate_put(t->acme->opts.store, row, e);
}

static FIBER int order_new(
	struct acme_talk *t, struct certificate *row, struct acme_reply *reply_r, struct err *e)
{
	struct buf *b = arena_buf(t->a, 65536);
	struct span names = row->names, name;
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "identifiers");
	json_open_array(&j);
	while ((name = span_word(&names)).len) {
		json_open_object(&j);
		json_kv_str(&j, "type", "dns");
		json_kv_span(&j, "value", name);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	if (acme_post(t, t->new_order, buf_span(b), reply_r, e) < 0)
		return err_wrap(e, "ordering a certificate");
	if (!reply_r->location[0])
		return err_set(e, ERR_PROTO, "the authority gives the order no address");
	row->order_url = span_str(reply_r->location);
	if (save(t, row, e) < 0)
		return -1;
	return acme_say(t, e, "ordered for " SPAN_FMT, SPAN_ARG(row->names));
}

static const char *status_of(const struct acme_reply *r)
{
	return acme_doc_text(r->doc, "status");
}

/* Is what the last run left still good for something, and for the same names? */
static bool is_alive(const struct acme_reply *r, struct span names)
{
	const struct acme_doc *list = acme_doc_get(r->doc, "identifiers");
	size_t count = 0;
	struct span name;

	while ((name = span_word(&names)).len) {
		size_t i = 0;

		while (i < acme_doc_count(list) &&
			!span_eq(name, span_str(acme_doc_text(acme_doc_at(list, i), "value"))))
			i++;
		if (i == acme_doc_count(list))
			return false;
		count++;
	}
	return count == acme_doc_count(list) && strcmp(status_of(r), "invalid") != 0;
}

static FIBER int order_find(
	struct acme_talk *t, struct certificate *row, struct acme_reply *reply_r, struct err *e)
{
	struct err why = {0};

	if (row->order_url.len) {
		if (acme_post(t, arena_str(t->a, row->order_url), SPAN_NONE, reply_r, &why) == 0 &&
			is_alive(reply_r, row->names))
			return acme_say(
				t, e, "the order goes on: " SPAN_FMT, SPAN_ARG(row->order_url));
		/* Of an order that is gone nothing is left; of one that could not be asked for,
		 * everything. */
		if (why.code && why.code != ERR_REPLY)
			return err_copy(e, &why);
		if (strcmp(t->problem, "accountDoesNotExist") == 0)
			return err_copy(e, &why);
		row->order_url = SPAN_NONE;
	}
	return order_new(t, row, reply_r, e);
}

static FIBER int order_prove(struct acme_talk *t, const struct acme_reply *order,
	enum acme_challenge kind, bool *is_failed_r, struct err *e)
{
	const struct acme_doc *list = acme_doc_get(order->doc, "authorizations");

	for (size_t i = 0; i < acme_doc_count(list) && i < ACME_NAMES_MAX; i++)
		if (acme_prove(t, acme_doc_str(acme_doc_at(list, i)), kind, is_failed_r, e) < 0)
			return -1;
	return 0;
}

/* Until it is no more what it was. */
static FIBER int order_wait(struct acme_talk *t, const struct certificate *row, const char *was,
	struct acme_reply *reply_r, struct err *e)
{
	int64_t deadline_ns = loop_now_ns() + ACME_POLL_NS;
	unsigned tries = 0;

	for (;;) {
		if (acme_post(t, arena_str(t->a, row->order_url), SPAN_NONE, reply_r, e) < 0)
			return -1;
		if (strcmp(status_of(reply_r), was) != 0)
			return 0;
		if (acme_wait(reply_r, &tries, deadline_ns, e) < 0)
			return err_wrap(e, "the order is still %s", was);
	}
}

/* The key of the certificate: the last one's, so that what was published of it (TLSA) stays true. It is
 * in the store before the authority sees it. */
static FIBER int order_key(
	struct acme_talk *t, struct certificate *row, EVP_PKEY **key_r, struct err *e)
{
	if (row->order_key_pem.len) {
		*key_r = acme_key_read(row->order_key_pem, NULL);
		if (*key_r)
			return 0;
	}
	*key_r = row->key_pem.len && !t->plan->s.is_key_renewed ? acme_key_read(row->key_pem, NULL)
								: NULL;
	if (!*key_r)
		*key_r = acme_key_new(e);
	if (!*key_r || acme_key_put(t->a, *key_r, &row->order_key_pem, e) < 0)
		return -1;
	return save(t, row, e);
}

static FIBER int order_finalize(struct acme_talk *t, struct certificate *row, const char *url,
	struct acme_reply *reply_r, struct err *e)
{
	struct buf *csr = arena_buf(t->a, 65536), *b = arena_buf(t->a, 131072),
		   *text = arena_buf(t->a, 131072);
	EVP_PKEY *key = NULL;
	struct json_out j;
	int rc = order_key(t, row, &key, e);

	if (rc == 0)
		rc = acme_put_csr(csr, key, row->names, e);
	EVP_PKEY_free(key);
	if (rc < 0)
		return -1;
	acme_put_b64(text, buf_span(csr));
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_span(&j, "csr", buf_span(text));
	json_close(&j);
	if (acme_post(t, url, buf_span(b), reply_r, e) < 0)
		return err_wrap(e, "asking for the certificate");
	return acme_say(t, e, "the certificate is asked for");
}

static FIBER int order_fetch(
	struct acme_talk *t, struct certificate *row, const char *url, struct err *e)
{
	struct acme_reply reply;

	if (!url[0])
		return err_set(e, ERR_PROTO, "the authority names no certificate");
	if (acme_post(t, url, SPAN_NONE, &reply, e) < 0)
		return err_wrap(e, "fetching the certificate");
	if (acme_check_chain(reply.body, row->order_key_pem, row->names, &row->not_before_ns,
		    &row->not_after_ns, e) < 0) {
		row->order_url = SPAN_NONE; /* it would not get better */
		return -1;
	}
	row->chain_pem = reply.body;
	row->key_pem = row->order_key_pem;
	row->order_url = row->order_key_pem = SPAN_NONE;
	return acme_say(t, e, "the certificate is here");
}

static FIBER int order_with(struct acme_talk *t, struct certificate *row, enum acme_challenge kind,
	bool *is_failed_r, struct err *e)
{
	struct acme_reply order;
	const char *finalize;

	if (order_find(t, row, &order, e) < 0)
		return -1;
	if (strcmp(status_of(&order), "pending") == 0 &&
		(order_prove(t, &order, kind, is_failed_r, e) < 0 ||
			order_wait(t, row, "pending", &order, e) < 0))
		return -1;
	finalize = acme_doc_text(order.doc, "finalize");
	if (strcmp(status_of(&order), "ready") == 0 &&
		(order_finalize(t, row, finalize, &order, e) < 0 ||
			order_wait(t, row, "ready", &order, e) < 0))
		return -1;
	if (strcmp(status_of(&order), "processing") == 0 &&
		order_wait(t, row, "processing", &order, e) < 0)
		return -1;
	if (strcmp(status_of(&order), "valid") == 0 && row->order_key_pem.len)
		return order_fetch(t, row, acme_doc_text(order.doc, "certificate"), e);
	/* section 7.1.6: there is no way back from here */
	row->order_url = SPAN_NONE;
	if (acme_doc_get(order.doc, "error"))
		return acme_problem(t, acme_doc_get(order.doc, "error"), e);
	return err_set(e, ERR_PROTO, "the order ended as \"%s\"", status_of(&order));
}

FIBER int acme_order(struct acme_talk *t, struct certificate *row, struct err *e)
{
	static const enum acme_challenge kinds[] = {ACME_HTTP, ACME_ALPN};
	int rc = -1;

	for (size_t i = 0; i < 2 && rc < 0; i++) {
		bool is_failed = false;
		struct err why = {0};

		if (!(t->plan->s.challenges & kinds[i]))
			continue;
		rc = order_with(t, row, kinds[i], &is_failed, &why);
		if (rc == 0)
			break;
		/* What failed takes its order with it; the other kind needs a new one. */
		if (is_failed)
			row->order_url = SPAN_NONE;
		err_copy(e, &why);
		if (!is_failed && why.code != ERR_UNSUPPORTED)
			break;
		if (i == 0 && (t->plan->s.challenges & ACME_ALPN) &&
			acme_say(t, e, "%s", why.text) < 0)
			break;
	}
	return rc;
}
