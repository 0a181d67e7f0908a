/* The questions of an exchange. Whoever asks must not learn from the answer, or from how long it takes,
 * whether an account is there: a wrong password costs one derivation for everybody, and a name that cannot
 * log in gets the challenge of one that nobody has. */

#include <string.h>

#include "proto/sasl/sasl_prep.h"
#include "proto/sasl/sasl_scram.h"
#include "store/verifier_import.h"
#include "services/auth/auth_priv.h"

/* The queue of the hash lane is full. RFC 4954 section 6. */
static int auth_busy(struct err *e)
{
	return err_smtp(e, 454, 4, 7, 0);
}

/* ---- SCRAM ---- */

static bool keys_read(struct arena *a, struct span text, bool is_sha1, struct sasl_keys *keys)
{
	struct verifier v;

	if (!verifier_parse(a, text, is_sha1 ? VERIFIER_SHA1 : VERIFIER_SHA256, &v) ||
		v.salt.len > sizeof(keys->salt))
		return false;
	keys->iterations = v.iterations;
	keys->salt_len = v.salt.len;
	memcpy(keys->salt, v.salt.ptr, v.salt.len);
	memcpy(keys->stored, v.stored.ptr, v.stored.len);
	memcpy(keys->server, v.server.ptr, v.server.len);
	return true;
}

/* Nobody's salt: of the address, as that of somebody who is there; else two ways to write one name would
 * tell whether he is. */
static void fake_salt(
	const struct auth *a, const struct auth_try *t, bool is_sha1, struct sasl_keys *keys)
{
	unsigned char digest[SCRAM_HASH_MAX];
	ptrdiff_t mark = span_rfind(t->name, AUTH_APP_MARK);
	struct span name = t->login.address.len ? t->login.address : t->name;
	/* an app password that is not there has another one than the account */
	struct span app = t->login.address.len && mark > 0 && span_find(name, AUTH_APP_MARK) < 0
		? span_skip(t->name, (size_t)mark)
		: SPAN_NONE;

	if (!scram_sign(SCRAM_SHA256, (const unsigned char *)a->secret,
		    span_str(arena_printf(t->arena, "salt %s " SPAN_FMT SPAN_FMT,
			    is_sha1 ? "sha1" : "sha256", SPAN_ARG(name), SPAN_ARG(app))),
		    digest))
		return;
	keys->salt_len = SASL_SERVER_FAKE_SALT;
	memcpy(keys->salt, digest, SASL_SERVER_FAKE_SALT);
}

static FIBER int ask_keys(void *ctx, struct span user, bool is_sha1, struct sasl_keys *keys_r,
	bool *yes_r, struct err *e)
{
	struct auth_conn *c = ctx;
	struct span text;
	struct auth_try *t;

	if (auth_try_begin(c, user, e) < 0 || auth_try_find(c, user, e) < 0)
		return -1;
	t = c->try;
	if (t->why) {
		fake_salt(c->auth, t, is_sha1, keys_r);
		return 0;
	}
	if (t->app)
		text = is_sha1 ? SPAN_NONE : t->app->scram_sha256;
	else if (t->login.has_second)
		text = SPAN_NONE; /* app passwords only */
	else
		text = is_sha1 ? t->login.scram_sha1 : t->login.scram_sha256;
	*yes_r = keys_read(t->arena, text, is_sha1, keys_r);
	if (!*yes_r) {
		t->why = t->login.has_second && !t->app ? "there is a second factor"
							: "no verifier for this mechanism";
		fake_salt(c->auth, t, is_sha1, keys_r);
	}
	return 0;
}

/* ---- passwords ---- */

/* Work of the hash lane; borrowed. */
struct password_job {
	struct span verifier, imported;
	struct span typed, prepared;
	bool fits, fits_imported;
};

static int password_work(void *arg, struct err *e)
{
	struct password_job *job = arg;

	(void)e;
	if (job->imported.len) {
		job->fits_imported = verifier_imported_fits(job->imported, job->prepared);
		/* Another system hashed what was typed. */
		if (!job->fits_imported && !span_eq(job->typed, job->prepared))
			job->fits_imported = verifier_imported_fits(job->imported, job->typed);
	}
	if (job->fits_imported)
		return 0;
	/* Everybody pays for one, and for a second where SASLprep changes what was typed: a verifier may
	 * be of a password that was taken over as it was. */
	job->fits = verifier_fits(job->verifier, job->prepared);
	if (!job->fits && !span_eq(job->typed, job->prepared))
		job->fits = verifier_fits(job->verifier, job->typed);
	return 0;
}

/* All are looked at, whichever it is. */
static const struct account_app_password *app_typed(const struct auth_try *t, struct span password)
{
	const struct account_app_password *found = NULL;
	struct buf hex;

	buf_init(&hex, 2 * AUTH_MARK_KEY);
	if (auth_app_hash(password, &hex)) {
		for (size_t i = 0; t->is_found && i < t->login.app_count; i++) {
			if (secret_eq(t->login.apps[i].key_hash, buf_span(&hex)))
				found = &t->login.apps[i];
		}
	}
	buf_fini(&hex);
	return found;
}

/* True: it is a good app password. Whatever is wrong with another one is known in t->why. */
static bool app_fits(struct auth_conn *c, struct span password)
{
	struct auth_try *t = c->try;
	const struct account_app_password *app = app_typed(t, password);

	if (!app || (t->app && t->app != app))
		return false;
	t->app = app;
	if (!t->why)
		t->why = auth_app_why(c, app);
	return !t->why;
}

static FIBER void upgrade(struct auth_conn *c, struct span password)
{
	const struct auth_opts *o = &c->auth->opts;
	struct auth_try *t = c->try;
	struct err e = {0};

	if (account_password_upgrade(
		    o->store, t->login.id, t->login.imported, password, o->is_sha1, &e) < 0)
		log_event(o->log, LOG_WARN, "auth.upgrade.failed", LF("user", t->login.address),
			LF_STR("error", e.text));
	else
		log_event(o->log, LOG_INFO, "auth.upgraded", LF("user", t->login.address));
}

/* The account's own password, on the hash lane. */
static FIBER int own_fits(struct auth_conn *c, const struct auth_cache_key *key,
	struct span prepared, bool *yes_r, struct err *e)
{
	struct auth *a = c->auth;
	struct auth_try *t = c->try;
	/* Whoever names an app password wants no other. */
	bool has_own = t->is_found && !t->app;
	struct password_job job = {.typed = key->password, .prepared = prepared};

	if (has_own) {
		job.verifier = t->login.scram_sha256;
		job.imported = t->login.imported;
	}
	if (verifier_run(a->opts.store, password_work, &job, e) < 0)
		return auth_busy(e);
	atomic_fetch_add(&a->derived, 1);
	*yes_r = has_own && (job.fits || job.fits_imported) && !t->why;
	if (!*yes_r) {
		if (!t->why)
			t->why = "password";
		return 0;
	}
	if (job.fits_imported)
		upgrade(c, prepared);
	t->is_own = true;
	if (t->login.has_second) {
		/* never remembered: half a login must not be taken for a whole one */
		*yes_r = c->is_second_asked;
		t->is_weak = !*yes_r;
		if (t->is_weak)
			t->why = "there is a second factor";
		return 0;
	}
	struct auth_cached what = {t->login.id, t->login.credential, t->generation,
		t->login.address, t->login.name, t->login.imap_off};

	auth_cache_put(a->cache, key, loop_now_ns(), &what);
	return 0;
}

/* Found right lately, and nothing has changed since. */
static FIBER int cache_fits(
	struct auth_conn *c, const struct auth_cache_key *key, bool *yes_r, struct err *e)
{
	struct auth *a = c->auth;
	struct auth_try *t = c->try;
	struct auth_cached was;

	if (!auth_cache_get(a->cache, t->arena, key, loop_now_ns(), &was))
		return 0;
	if (was.generation != store_directory_generation(a->opts.store)) {
		if (auth_try_find(c, key->user, e) < 0)
			return -1;
		if (!t->is_found || t->app || t->login.id != was.account_id ||
			t->login.credential != was.credential) {
			auth_cache_drop(a->cache, key);
			return 0;
		}
		if (t->why)
			return 0;
		was.generation = t->generation;
		auth_cache_confirm(a->cache, key, &was);
	} else {
		t->login = (struct account_login){.id = was.account_id,
			.credential = was.credential,
			.address = was.address,
			.name = was.name,
			.imap_off = was.imap_off};
		t->generation = was.generation;
		t->is_found = t->is_cached = true;
		t->why = NULL;
	}
	atomic_fetch_add(&a->cached, 1);
	*yes_r = true;
	return 0;
}

static FIBER int password_fits(struct auth_conn *c, const struct auth_cache_key *key,
	struct span prepared, bool *yes_r, struct err *e)
{
	if (cache_fits(c, key, yes_r, e) < 0)
		return -1;
	if (*yes_r)
		return 0;
	if (auth_try_find(c, key->user, e) < 0)
		return -1;
	if (app_fits(c, key->password)) {
		*yes_r = true;
		return 0;
	}
	return own_fits(c, key, prepared, yes_r, e);
}

static FIBER int ask_password(
	void *ctx, struct span user, struct span password, bool *yes_r, struct err *e)
{
	struct auth_conn *c = ctx;
	struct auth_cache_key key = {c->scope, user, password};
	struct buf prepared;
	int rc;

	if (auth_try_begin(c, user, e) < 0)
		return -1;
	c->try->mark = auth_cache_mark(c->auth->cache, c->try->name, password);
	buf_init(&prepared, AUTH_PASSWORD_PREP_MAX);
	/* What cannot be a password of ours may be another system's. */
	bool is_prepared = sasl_prep(password, &prepared, NULL) == 0 && buf_ok(&prepared);

	rc = password_fits(c, &key, is_prepared ? buf_span(&prepared) : password, yes_r, e);
	if (prepared.mem)
		secret_wipe(prepared.mem, prepared.cap);
	buf_fini(&prepared);
	return rc;
}

/* ---- acting for another ---- */

/* RFC 4422 section 2: for itself under any of its names; for a team or a group that it may send as. What
 * it may do is what it could do as itself: submission asks who has logged in. */
FIBER int auth_may_act(struct auth_conn *c, struct span authzid, bool *yes_r, struct err *e)
{
	struct store *store = c->auth->opts.store;
	struct auth_try *t = c->try;
	enum account_way way = ACCOUNT_NOT_ITS;
	struct account_login other;
	bool is_found = false;

	*yes_r = false;
	if (!t || !t->is_open || !t->is_found)
		return 0;
	if (account_login_find(store, t->arena, authzid, &other, &is_found, e) < 0)
		return -1;
	if (!is_found || other.is_suspended || other.is_removed)
		return 0;
	if (other.id == t->login.id) {
		*yes_r = true;
		return 0;
	}
	if (other.kind == ACCOUNT_PERSON)
		return 0;
	if (account_may_send(store, t->login.id, other.address, 0, &way, e) < 0)
		return -1;
	*yes_r = way == ACCOUNT_MEMBER;
	return 0;
}

static FIBER int ask_may_act(
	void *ctx, struct span user, struct span authzid, bool *yes_r, struct err *e)
{
	(void)user;
	return auth_may_act(ctx, authzid, yes_r, e);
}

static FIBER int ask_token(void *ctx, struct span claimed, struct span token, struct buf *user_r,
	bool *yes_r, struct err *e)
{
	return auth_token(ctx, claimed, token, user_r, yes_r, e);
}

static FIBER int ask_external(void *ctx, struct buf *user_r, bool *yes_r, struct err *e)
{
	return auth_external(ctx, user_r, yes_r, e);
}

const struct sasl_decider auth_decider = {
	.keys = ask_keys,
	.password = ask_password,
	.token = ask_token,
	.external = ask_external,
	.may_act = ask_may_act,
};
