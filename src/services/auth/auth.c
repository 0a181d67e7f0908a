#include "services/auth/auth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/enc.h"
#include "proto/sasl/sasl_prep.h"
#include "store/verifier.h"
#include "services/auth/auth_priv.h"

#define AUTH_SECRET_KEY "auth.secret"

struct auth *auth_new(const struct auth_opts *opts)
{
	struct arena *arena = arena_new();
	struct auth *a = ARENA_NEW(arena, struct auth);

	a->arena = arena;
	a->opts = *opts;
	pthread_mutex_init(&a->lock, NULL);
	a->cache = auth_cache_new();
	a->events = ARENA_ARRAY(arena, struct auth_event_slot, AUTH_EVENT_SLOTS);
	MUST(getrandom(&a->event_key, sizeof(a->event_key), 0) == sizeof(a->event_key));
	auth_oauth_new(a);
	store_subscribe(opts->store, STORE_DIRECTORY, auth_book_ring, a);
	return a;
}

void auth_free(struct auth **a)
{
	struct auth *was = *a;
	struct arena *arena;

	*a = NULL;
	if (!was)
		return;
	auth_oauth_free(was);
	auth_cache_free(&was->cache);
	auth_bells_free(was);
	pthread_mutex_destroy(&was->lock);
	secret_wipe(was->secret, sizeof(was->secret));
	arena = was->arena;
	arena_free(&arena);
}

int64_t auth_wall_ns(const struct auth *a)
{
	return a->opts.wall_ns ? a->opts.wall_ns() : loop_wall_ns();
}

int64_t auth_end_ns(int64_t sec)
{
	return sec < CLOCK_NEVER / CLOCK_SEC ? sec * CLOCK_SEC : CLOCK_NEVER;
}

/* Strongest first: clients that take the first one they know take a good one. */
static const char *mechs(const struct auth *a, bool is_external)
{
	bool is_sha1 = a->opts.is_sha1, is_bound = !a->opts.is_unbound;

	return arena_printf(a->arena, "%sSCRAM-SHA-256%s%s PLAIN LOGIN%s%s",
		is_bound ? "SCRAM-SHA-256-PLUS " : "",
		is_sha1 && is_bound ? " SCRAM-SHA-1-PLUS" : "", is_sha1 ? " SCRAM-SHA-1" : "",
		a->oauth ? " OAUTHBEARER XOAUTH2" : "", is_external ? " EXTERNAL" : "");
}

FIBER int auth_begin(struct auth *a, struct err *e)
{
	struct arena *scratch = arena_new();
	struct span hex = SPAN_NONE;
	struct err why = {0};
	struct buf b;
	int rc = directory_setting(a->opts.store, scratch, SPAN(AUTH_SECRET_KEY), &hex, &why);

	buf_init(&b, 2 * sizeof(a->secret) + 1);
	if (rc < 0 && why.code != ERR_NOT_FOUND) {
		rc = err_copy(e, &why);
	} else if (rc == 0 && enc_get_hex(&b, hex) && buf_len(&b) == sizeof(a->secret)) {
		memcpy(a->secret, buf_span(&b).ptr, sizeof(a->secret));
	} else if (getrandom(a->secret, sizeof(a->secret), 0) != sizeof(a->secret)) {
		rc = err_set(e, ERR_IO, "no random numbers");
	} else {
		buf_clear(&b);
		enc_put_hex(&b, span_of(a->secret, sizeof(a->secret)));
		rc = directory_setting_set(a->opts.store, SPAN(AUTH_SECRET_KEY), buf_span(&b), e);
	}
	if (b.mem)
		secret_wipe(b.mem, b.cap);
	buf_fini(&b);
	arena_free(&scratch);
	a->mechs = mechs(a, false);
	a->mechs_external = mechs(a, true);
	a->has_secret = rc == 0;
	return rc;
}

void auth_conn_init(
	struct auth_conn *c, struct auth *a, enum account_scope scope, const struct stream *stream)
{
	*c = (struct auth_conn){.auth = a, .scope = scope, .stream = stream, .peer = &stream->peer};
}

void auth_conn_init_peer(
	struct auth_conn *c, struct auth *a, enum account_scope scope, const struct addr *peer)
{
	*c = (struct auth_conn){.auth = a, .scope = scope, .peer = peer};
}

void auth_conn_fini(struct auth_conn *c)
{
	auth_try_free(&c->try);
	arena_free(&c->arena);
	c->who = (struct auth_who){0};
}

bool auth_offer(const struct auth_conn *c, struct sasl_server_opts *o)
{
	const struct auth *a = c->auth;

	if (!a->has_secret)
		return false;
	o->mechs = c->is_external ? a->mechs_external : a->mechs;
	o->secret = span_of(a->secret, sizeof(a->secret));
	o->iterations = VERIFIER_ITERATIONS;
	o->oauth_scope = a->opts.oauth.scope;
	o->oauth_discovery = a->opts.oauth.discovery;
	return true;
}

int auth_password_prep(
	struct arena *a, struct span password, struct span *prepared_r, struct err *e)
{
	struct buf *b = arena_buf(a, AUTH_PASSWORD_PREP_MAX);

	if (sasl_prep(password, b, e) < 0 || !buf_ok(b)) {
		err_set(e, ERR_SYNTAX,
			"a password is UTF-8 without control characters, at most %d octets",
			VERIFIER_PASSWORD_MAX);
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	*prepared_r = buf_span(b);
	return 0;
}

bool auth_keeps_sha1(const struct auth *a)
{
	return a->opts.is_sha1;
}

void auth_counters(const struct auth *a, struct auth_counters *c_r)
{
	c_r->good = atomic_load(&a->good);
	c_r->wrong = atomic_load(&a->wrong);
	c_r->refused = atomic_load(&a->refused);
	c_r->cached = atomic_load(&a->cached);
	c_r->derived = atomic_load(&a->derived);
}
