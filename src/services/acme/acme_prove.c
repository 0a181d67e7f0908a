#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "services/acme/acme_priv.h"

/* ---- answers of HTTP-01: asked for by any thread ---- */

static int answer_set(struct acme *acme, struct span token, struct span text, struct err *e)
{
	struct acme_answer *x = NEW(struct acme_answer);
	bool is_full;

	x->token = mem_dup(token.ptr, token.len);
	x->text = mem_dup(text.ptr, text.len);
	pthread_mutex_lock(&acme->lock);
	is_full = acme->answer_count >= ACME_ANSWERS_MAX;
	if (!is_full) {
		x->next = acme->answers;
		acme->answers = x;
		acme->answer_count++;
	}
	pthread_mutex_unlock(&acme->lock);
	if (!is_full)
		return 0;
	free(x->token);
	free(x->text);
	free(x);
	return err_set(e, ERR_LIMIT, "more than %d challenges", ACME_ANSWERS_MAX);
}

static void answer_remove(struct acme *acme, struct span token)
{
	struct acme_answer **at, *x;

	pthread_mutex_lock(&acme->lock);
	at = &acme->answers;
	while (*at && !span_eq(span_str((*at)->token), token))
		at = &(*at)->next;
	x = *at;
	if (x) {
		*at = x->next;
		acme->answer_count--;
	}
	pthread_mutex_unlock(&acme->lock);
	if (x) {
		free(x->token);
		free(x->text);
		free(x);
	}
}

bool acme_http_answer(struct acme *acme, struct span token, struct buf *out)
{
	const struct acme_answer *x;

	if (token.len > ACME_TOKEN_MAX)
		return false;
	pthread_mutex_lock(&acme->lock);
	x = acme->answers;
	while (x && !span_eq(span_str(x->token), token))
		x = x->next;
	if (x)
		buf_str(out, x->text);
	pthread_mutex_unlock(&acme->lock);
	return x != NULL;
}

/* ---- one name ---- */

struct proof {
	struct span name, token, authorization;
	enum acme_challenge kind;
	const char *url;
	bool is_ready; /* the answer stands */
};

static const char *kind_str(enum acme_challenge kind)
{
	return kind == ACME_HTTP ? "http-01" : "tls-alpn-01";
}

/* Section 8.1: base64url, so it is harmless in a path. */
static bool is_token(struct span token)
{
	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '-' || c == '_'))
			return false;
	}
	return token.len > 0 && token.len <= ACME_TOKEN_MAX;
}

static const struct acme_doc *find_challenge(
	const struct acme_doc *authorization, enum acme_challenge kind)
{
	const struct acme_doc *list = acme_doc_get(authorization, "challenges");

	for (size_t i = 0; i < acme_doc_count(list); i++) {
		const struct acme_doc *c = acme_doc_at(list, i);

		if (strcmp(acme_doc_text(c, "type"), kind_str(kind)) == 0)
			return c;
	}
	return NULL;
}

static int proof_ready(struct acme_talk *t, struct proof *p, struct err *e)
{
	struct span cert, key;
	int rc;

	if (p->kind == ACME_HTTP) {
		rc = answer_set(t->acme, p->token, p->authorization, e);
	} else {
		rc = acme_make_alpn(t->a, p->name, p->authorization, &cert, &key, e);
		if (rc == 0)
			rc = tls_ring_challenge_set(t->acme->opts.ring, p->name, cert, key, e);
	}
	p->is_ready = rc == 0;
	return rc;
}

static void proof_end(struct acme_talk *t, struct proof *p)
{
	if (p->is_ready && p->kind == ACME_HTTP)
		answer_remove(t->acme, p->token);
	else if (p->is_ready)
		tls_ring_challenge_remove(t->acme->opts.ring, p->name);
}

static int proof_new(
	struct acme_talk *t, const struct acme_doc *authorization, struct proof *p, struct err *e)
{
	const struct acme_doc *challenge = find_challenge(authorization, p->kind);
	struct buf *b = arena_buf(t->a, 1024);

	p->name = span_str(acme_doc_text(acme_doc_get(authorization, "identifier"), "value"));
	if (!challenge)
		return err_set(e, ERR_UNSUPPORTED, "the authority offers no %s for " SPAN_FMT,
			kind_str(p->kind), SPAN_ARG(p->name));
	p->token = span_str(acme_doc_text(challenge, "token"));
	p->url = acme_doc_text(challenge, "url");
	if (!is_token(p->token) || !p->url[0] || !p->name.len)
		return err_set(e, ERR_PROTO, "the authority's challenge for " SPAN_FMT " is broken",
			SPAN_ARG(p->name));
	/* section 8.1: token, a dot, the account key's thumbprint */
	buf_span_put(b, p->token);
	buf_char(b, '.');
	if (acme_put_thumbprint(b, t->key, e) < 0)
		return -1;
	p->authorization = buf_span(b);
	return 0;
}

/* Section 7.5.1: look until it is decided. */
static FIBER int proof_wait(
	struct acme_talk *t, const char *url, struct proof *p, bool *is_failed_r, struct err *e)
{
	int64_t deadline_ns = loop_now_ns() + ACME_POLL_NS;
	struct acme_reply reply;
	unsigned tries = 0;
	const char *status;

	for (;;) {
		if (acme_post(t, url, SPAN_NONE, &reply, e) < 0)
			return -1;
		status = acme_doc_text(reply.doc, "status");
		if (strcmp(status, "valid") == 0)
			return acme_say(t, e, SPAN_FMT " is proven", SPAN_ARG(p->name));
		if (strcmp(status, "pending") != 0)
			break;
		if (acme_wait(&reply, &tries, deadline_ns, e) < 0)
			return err_wrap(e, SPAN_FMT " (%s)", SPAN_ARG(p->name), kind_str(p->kind));
	}
	*is_failed_r = true;
	acme_problem(t, acme_doc_get(find_challenge(reply.doc, p->kind), "error"), e);
	return err_wrap(e, SPAN_FMT " was not proven by %s", SPAN_ARG(p->name), kind_str(p->kind));
}

FIBER int acme_prove(struct acme_talk *t, const char *url, enum acme_challenge kind,
	bool *is_failed_r, struct err *e)
{
	struct proof p = {.kind = kind};
	struct acme_reply reply;
	const char *status;
	int rc = -1;

	if (acme_post(t, url, SPAN_NONE, &reply, e) < 0)
		return -1;
	status = acme_doc_text(reply.doc, "status");
	if (strcmp(status, "valid") == 0)
		return acme_say(t, e, "%s was proven before",
			acme_doc_text(acme_doc_get(reply.doc, "identifier"), "value"));
	if (proof_new(t, reply.doc, &p, e) < 0)
		return -1;
	if (proof_ready(t, &p, e) == 0 &&
		acme_say(t, e, SPAN_FMT ": %s is ready to be looked at", SPAN_ARG(p.name),
			kind_str(kind)) == 0 &&
		acme_post(t, p.url, SPAN("{}"), &reply, e) == 0)
		rc = proof_wait(t, url, &p, is_failed_r, e);
	proof_end(t, &p);
	return rc;
}
