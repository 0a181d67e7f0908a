#include <errno.h>
#include <stdio.h>

#include "base/secret.h"
#include "services/host/host_priv.h"

/* ACME as the configuration has it: services/acme does it, the certificates in use get the results. */

#define ACME_KEY_MAX    1024
#define ACME_ANSWER_MAX 1024
#define ACME_WAITING    16

void host_acme_settings(const struct config *c, struct acme_settings *s_r)
{
	static const unsigned challenges[] = {ACME_BOTH, ACME_HTTP, ACME_ALPN};

	*s_r = (struct acme_settings){.directory = c->acme.directory,
		.email = c->acme.email,
		.is_agreed = c->acme.is_agreed,
		.challenges = challenges[c->acme.challenge],
		.names = c->acme.names.items,
		.name_count = c->acme.names.count,
		.eab_kid = c->acme.eab_kid,
		.eab_key = "",
		.ca_file = c->acme.ca_file,
		.is_key_renewed = c->acme.is_key_renewed};
}

/* The key of an external account stands in a file of its own: the configuration is for many eyes. */
static int read_key(const char *file, struct buf *b, struct err *e)
{
	FILE *f = fopen(file, "re");
	int c;

	if (!f)
		return err_sys(e, errno, "acme: eab_key_file %s", file);
	while ((c = fgetc(f)) != EOF && buf_ok(b))
		if (c > ' ')
			buf_char(b, (char)c);
	fclose(f);
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "acme: %s is too long for a key", file);
}

int host_acme_key(const struct config *c, struct arena *a, const char **key_r, struct err *e)
{
	struct buf *b = arena_buf(a, ACME_KEY_MAX);

	*key_r = "";
	if (!c->acme.eab_key_file[0])
		return 0;
	if (read_key(c->acme.eab_key_file, b, e) < 0)
		return -1;
	*key_r = buf_cstr(b);
	secret_guard(a, buf_span(b));
	return 0;
}

/* Of both ways those that a listener can answer: a proof that must fail counts against us. */
static unsigned can_answer(const struct config *c)
{
	unsigned can = 0;

	for (size_t i = 0; i < c->listener_count; i++) {
		if (c->listeners[i].tls == CONFIG_TLS_IMPLICIT)
			can |= ACME_ALPN;
		else if (c->listeners[i].protocol == CONFIG_HTTP)
			can |= ACME_HTTP;
	}
	return can ? can : ACME_BOTH;
}

int host_acme_set(struct host *h, const struct config *c, const char *eab_key, struct err *e)
{
	const char *hostname = h->config->hostname;
	struct acme_settings s;

	host_acme_settings(c, &s);
	s.eab_key = eab_key;
	if (s.challenges == ACME_BOTH)
		s.challenges = can_answer(c);
	if (s.directory[0] && !s.name_count) {
		s.names = &hostname;
		s.name_count = 1;
	}
	if (acme_set(h->acme, &s, e) < 0)
		return -1;
	/* threads for those alone who use it */
	if (s.directory[0] && !h->acme_lane)
		h->acme_lane = work_lane_new("acme", 1, ACME_WAITING);
	acme_connect(h->acme, h->acme_lane, h->dns);
	return 0;
}

/* RFC 8555 section 8.3: the key authorization, for this very token; whatever host was asked. */
static FIBER int answer_challenge(void *arg, struct web_call *c, struct err *e)
{
	struct host *h = arg;
	struct buf *b = arena_buf(c->r->arena, ACME_ANSWER_MAX);

	if (!acme_http_answer(h->acme, c->captures[0], b))
		return http_reply_error(c->x, 404, "There is no such challenge here.", e);
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply(c->x, 200, "application/octet-stream", buf_span(b), e);
}

void host_acme_web(struct host *h)
{
	web_add(h->web,
		&(struct web_route){.path = "/.well-known/acme-challenge/{token}",
			.methods = WEB_GET,
			.handle = answer_challenge,
			.arg = h});
}

static FIBER void new_certificate(void *arg)
{
	host_tls_refresh(arg);
}

int host_acme_new(struct host *h, struct err *e)
{
	struct acme_opts opts = {.store = h->store,
		.ring = h->tls_ring,
		.log = &h->log,
		.changed = new_certificate,
		.arg = h};
	struct arena *a = arena_new();
	const char *key;
	int rc;

	h->acme = acme_new(&opts);
	rc = host_acme_key(h->config, a, &key, e);
	if (rc == 0)
		rc = host_acme_set(h, h->config, key, e);
	arena_free(&a);
	return rc;
}

FIBER int host_acme_begin(struct host *h, struct err *e)
{
	fiber_group_init(&h->acme_group);
	h->is_acme_begun = true;
	acme_connect(h->acme, h->acme_lane, h->dns);
	return fiber_start(&h->acme_group, "acme", acme_keep, h->acme, e);
}

FIBER void host_acme_end(struct host *h)
{
	if (!h->is_acme_begun)
		return;
	fiber_group_cancel(&h->acme_group);
	fiber_group_join(&h->acme_group);
}

void host_acme_free(struct host *h)
{
	if (h->acme_lane)
		work_lane_free(&h->acme_lane);
	acme_free(&h->acme);
}
