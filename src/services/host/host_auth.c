#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "services/host/host_priv.h"

/* The wiring of logins: one auth room a process, a book of sessions each worker. */

#define AUTH_SECRET_MAX    1024 /* octets of the file with our secret at the provider */
#define AUTH_FETCH_THREADS 2
#define AUTH_FETCH_WAITING 256

/* Its first line. */
static int read_secret(struct host *h, const char *file, struct err *e)
{
	char *octets = arena_alloc(h->arena, AUTH_SECRET_MAX);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, octets, AUTH_SECRET_MAX);
	struct span line, rest;

	if (n < 0) {
		err_sys(e, errno, "oauth_client_secret_file %s", file);
	} else {
		span_cut(span_of(octets, (size_t)n), '\n', &line, &rest);
		secret_init(&h->provider_secret, span_trim(line));
	}
	secret_wipe(octets, AUTH_SECRET_MAX);
	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static int read_files(struct host *h, const struct config *c, struct err *e)
{
	if (c->auth.client_ca[0]) {
		h->client_authority = tls_authority_new(c->auth.client_ca, e);
		if (!h->client_authority)
			return -1;
	}
	if (c->auth.client_secret_file[0])
		return read_secret(h, c->auth.client_secret_file, e);
	return 0;
}

int host_auth_new(struct host *h, struct err *e)
{
	const struct config *c = h->config;
	struct auth_opts opts = {.store = h->store,
		.guard = h->guard,
		.log = &h->log,
		.is_sha1 = c->auth.is_sha1,
		.is_unbound = !c->auth.is_bound,
		.oauth = {.introspection_url = c->auth.introspection,
			.client_id = c->auth.client_id,
			.jwks_url = c->auth.jwks,
			.issuer = c->auth.issuer,
			.audience = c->auth.audience,
			.user_claim = c->auth.user_claim,
			.scope = c->auth.scope,
			.discovery = c->auth.discovery,
			.ca_file = c->auth.ca_file}};

	if (read_files(h, c, e) < 0)
		return -1;
	/* a lane of its own: a web server that has policies and is slow keeps nobody from his mail */
	if (c->auth.introspection[0] || c->auth.jwks[0])
		h->provider_lane = work_lane_new(
			"provider", AUTH_FETCH_THREADS, AUTH_FETCH_WAITING);
	opts.fetch_lane = h->provider_lane;
	opts.client_authority = h->client_authority;
	opts.oauth.client_secret = h->provider_secret.bytes;
	h->auth = auth_new(&opts);
	return 0;
}

void host_auth_free(struct host *h)
{
	auth_free(&h->auth);
	tls_authority_free(&h->client_authority);
	secret_fini(&h->provider_secret);
}

FIBER int host_auth_main(void *arg)
{
	struct host_worker *w = arg;

	return auth_book_main(w->book);
}

void host_auth_put_status(struct host *h, struct json_out *j)
{
	struct auth_counters c;

	auth_counters(h->auth, &c);
	json_key(j, "logins");
	json_open_object(j);
	json_kv_u64(j, "good", c.good);
	json_kv_u64(j, "wrong", c.wrong);
	json_kv_u64(j, "refused", c.refused);
	json_kv_u64(j, "cached", c.cached);
	json_kv_u64(j, "derived", c.derived);
	json_close(j);
}
