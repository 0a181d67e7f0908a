#pragma once
/* For tests of the auth room: a store with people, and a client that logs in by SASL. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/scratch.h"
#include "net/net.h"
#include "proto/sasl/sasl_client.h"
#include "services/auth/auth_priv.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/verifier.h"

#define BINDING "0123456789abcdef0123456789abcdef"

struct stage {
	struct arena *a;
	char dir[SCRATCH_MAX];
	struct loop *loop;
	struct store *store;
	struct guard *guard; /* NULL: nobody counts */
	struct auth *auth;
	struct log log;
	struct stream *near, *far; /* of one connection */
	uint64_t alice, bob;
};

/* ---- people ---- */

static __attribute__((noinline, unused)) FIBER uint64_t stage_account(
	struct stage *s, const char *address, const char *password)
{
	struct directory_account acc = {.address = span_str(address), .name = SPAN("Some One")};
	struct err e = {0};

	if (directory_account_set(s->store, &acc, span_str(password), true, &e) < 0 ||
		directory_account_find(s->store, s->a, acc.address, &acc, &e) < 0)
		fail_msg("%s: %s", address, e.text);
	return acc.id;
}

static __attribute__((noinline, unused)) FIBER void stage_password(
	struct stage *s, uint64_t id, const char *password)
{
	struct err e = {0};

	if (account_password_set(s->store, id, span_str(password), s->auth->opts.is_sha1, &e) < 0)
		fail_msg("%s", e.text);
}

static __attribute__((noinline, unused)) FIBER void stage_suspend(
	struct stage *s, const char *address, bool is_suspended)
{
	struct directory_account acc;
	struct err e = {0};

	if (directory_account_find(s->store, s->a, span_str(address), &acc, &e) < 0)
		fail_msg("%s", e.text);
	acc.is_suspended = is_suspended;
	if (directory_account_set(s->store, &acc, SPAN_NONE, false, &e) < 0)
		fail_msg("%s", e.text);
}

struct stage_sql {
	const struct db_sql *sql;
	uint64_t id;
};

static inline int stage_sql_write(struct db *db, void *arg, struct err *e)
{
	struct stage_sql *x = arg;

	return db_run(db, e, x->sql, "i", (int64_t)x->id);
}

/* What no command makes in one step: one statement with $1 the account's number. */
static __attribute__((noinline, unused)) FIBER void stage_sql(
	struct stage *s, const struct db_sql *sql, uint64_t id)
{
	struct stage_sql x = {sql, id};
	struct err e = {0};

	if (store_write(s->store, "test", stage_sql_write, &x, &e) < 0)
		fail_msg("%s", e.text);
}

static __attribute__((noinline, unused)) FIBER struct span stage_app(
	struct stage *s, uint64_t account, struct account_app_password app)
{
	struct span password;
	struct err e = {0};

	app.account_id = account;
	if (!app.scopes)
		app.scopes = ACCOUNT_SCOPE_ALL;
	if (auth_app_make(s->store, s->a, &app, &password, &e) < 0 ||
		account_app_add(s->store, &app, &e) < 0)
		fail_msg("%s", e.text);
	return arena_span(s->a, password); /* with a NUL behind it */
}

static __attribute__((noinline, unused)) FIBER void stage_domain(struct stage *s, const char *name)
{
	struct err e = {0};

	if (directory_domain_set(s->store, span_str(name), DIRECTORY_DOMAIN_LOCAL, true, &e) < 0)
		fail_msg("%s", e.text);
}

/* ---- a login ---- */

struct stage_login {
	const char *mech, *user, *password, *authzid;
	const char *binding; /* the client's idea of it; NULL: it has none */
	const char *from;    /* NULL: "192.0.2.7" */
	enum account_scope scope;
};

static __attribute__((noinline, unused)) FIBER enum sasl_verdict stage_talk(
	struct sasl_client *c, struct sasl_server *s, struct err *e)
{
	struct buf response, challenge;
	enum sasl_verdict verdict = SASL_MORE;
	struct err ignored = {0};
	bool is_said = false;

	buf_init(&response, SASL_RESPONSE_MAX);
	buf_init(&challenge, SASL_RESPONSE_MAX);
	while (verdict == SASL_MORE) {
		buf_clear(&challenge);
		if (sasl_server_step(s,
			    is_said ? span_of(buf_cstr(&response), buf_len(&response)) : SPAN_NONE,
			    &challenge, &verdict, e) < 0) {
			verdict = SASL_REFUSED;
			break;
		}
		buf_clear(&response);
		/* A server whose signature is no good is the client's business. */
		if (verdict == SASL_MORE)
			sasl_client_step(c, span_of(buf_cstr(&challenge), buf_len(&challenge)),
				&response, &ignored);
		is_said = true;
	}
	buf_fini(&response);
	buf_fini(&challenge);
	return verdict;
}

/* The reply's code, 235 for a login. */
static __attribute__((noinline, unused)) FIBER unsigned stage_sasl(
	struct auth_conn *c, const struct stage_login *l, struct err *e)
{
	struct sasl_server_opts so = {.has_tls = true, .tls_exporter = SPAN(BINDING)};
	struct sasl_client_opts co = {.user = span_str(l->user),
		.password = span_str(l->password),
		.authzid = span_str(l->authzid),
		.tls_exporter = span_str(l->binding),
		.host = SPAN("mail.our.example"),
		.has_tls = true};
	struct sasl_server *server;
	struct sasl_client *client;
	enum sasl_verdict verdict;
	unsigned code = 235;

	assert_true(auth_offer(c, &so));
	server = sasl_server_new(span_str(l->mech), &so, &auth_decider, c, e);
	if (!server)
		return 504;
	client = sasl_client_new(span_str(l->mech), &co, e);
	if (!client)
		fail_msg("%s", e->text);
	verdict = stage_talk(client, server, e);
	if (e->code)
		code = e->smtp ? e->smtp : e->code == ERR_SYNTAX ? 501 : 454;
	else if (auth_settle(c, sasl_server_user(server), sasl_server_identity(server), l->mech,
			 verdict == SASL_ACCEPTED, e) < 0)
		code = e->smtp;
	sasl_client_free(&client);
	sasl_server_free(&server);
	return code;
}

static inline void stage_from(struct stage *s, const char *from)
{
	assert_true(addr_parse_ip(span_str(from ? from : "192.0.2.7"), 1234, &s->near->peer));
}

static __attribute__((noinline, unused)) FIBER unsigned stage_log_in(
	struct stage *s, const struct stage_login *l)
{
	struct auth_conn c;
	struct err e = {0};
	unsigned code;

	stage_from(s, l->from);
	auth_conn_init(&c, s->auth, l->scope ? l->scope : ACCOUNT_SCOPE_SUBMIT, s->near);
	code = stage_sasl(&c, l, &e);
	assert_int_equal(c.who.account_id != 0, code == 235);
	auth_conn_fini(&c);
	return code;
}

/* PLAIN, for submission. */
static __attribute__((noinline, unused)) FIBER unsigned stage_plain(
	struct stage *s, const char *user, const char *password)
{
	return stage_log_in(s, &(struct stage_login){"PLAIN", user, password});
}

static inline uint64_t stage_derived(const struct stage *s)
{
	struct auth_counters c;

	auth_counters(s->auth, &c);
	return c.derived;
}

/* ---- a stage ---- */

static inline void stage_begin(struct stage *s, bool is_virtual, bool is_sha1, bool has_guard)
{
	const struct loop_opts opts = {.name = "test"};
	struct store_opts so = {.is_fsync_off = true};
	struct guard_opts go = {0};
	struct auth_opts ao = {.is_sha1 = is_sha1, .log = &s->log};
	struct err e = {0};

	s->a = arena_new();
	assert_true(scratch_new(s->dir));
	so.dir = s->dir;
	s->loop = is_virtual ? loop_new_sim(&opts, 20000 * CLOCK_DAY) : loop_new_uv(&opts, &e);
	assert_non_null(s->loop);
	s->store = store_open(&so, &e);
	if (!s->store)
		fail_msg("%s", e.text);
	if (has_guard) {
		go.store = s->store;
		go.log = &s->log;
		guard_limits_default(&go.limits);
		s->guard = guard_new(&go);
	}
	ao.store = s->store;
	ao.guard = s->guard;
	s->auth = auth_new(&ao);
}

static __attribute__((noinline, unused)) FIBER void stage_people(struct stage *s)
{
	struct err e = {0};

	if (auth_begin(s->auth, &e) < 0)
		fail_msg("%s", e.text);
	stage_domain(s, "our.example");
	s->alice = stage_account(s, "alice@our.example", "");
	s->bob = stage_account(s, "bob@our.example", "");
	stage_password(s, s->alice, "wonder");
	stage_password(s, s->bob, "wonder");
	if (!s->near)
		stream_pair(&s->near, &s->far, 0);
	stage_from(s, NULL);
}

static __attribute__((noinline, unused)) FIBER void stage_streams_free(struct stage *s)
{
	if (s->near)
		stream_free(&s->near);
	if (s->far)
		stream_free(&s->far);
}

static inline void stage_end(struct stage *s)
{
	store_close(&s->store);
	auth_free(&s->auth);
	guard_free(&s->guard);
	loop_free(&s->loop);
	assert_true(scratch_remove(s->dir));
	arena_free(&s->a);
}

/* Run fn(stage) as the loop's first fiber, on virtual time. */
static inline void stage_play(int (*fn)(void *arg), bool is_sha1, bool has_guard)
{
	struct stage s = {0};
	struct err e = {0};

	stage_begin(&s, true, is_sha1, has_guard);
	if (loop_run(s.loop, fn, &s, &e) < 0)
		fail_msg("the fiber failed: %s", e.text);
	stage_end(&s);
}
