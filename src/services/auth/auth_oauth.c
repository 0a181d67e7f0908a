/* Tokens of an identity provider (OAUTHBEARER, RFC 7628; XOAUTH2). Two ways, by what is configured: a
 * token is asked about where it came from (RFC 7662), or it is a signed one (RFC 7519) and verified with
 * the provider's keys. With both, what has the shape of a signed one is verified here. What the provider
 * said of a token is remembered by the token's SHA-256, at most AUTH_CACHE_NS and never beyond its end:
 * so long a token that was revoked still opens. */

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/enc.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "services/auth/auth_priv.h"
#include "services/auth/jose.h"
#include "services/fetch/fetch.h"

#define OAUTH_NS         (10 * CLOCK_SEC) /* for an answer of the provider */
#define OAUTH_ANSWER_MAX (64 * 1024)
#define OAUTH_BODY_MAX   (4 * JOSE_TOKEN_MAX) /* a token with every octet escaped */
#define OAUTH_FIELD_MAX  (8 * 1024)
#define OAUTH_CACHE_MAX  8192
#define OAUTH_KEYS_NS    CLOCK_HOUR        /* keys are asked for again */
#define OAUTH_KEYS_OLD   (24 * CLOCK_HOUR) /* and are no good any more */
#define OAUTH_AGAIN_NS   CLOCK_MIN         /* between two tries to get them */
#define OAUTH_LOOK_NS    (20 * CLOCK_MS)   /* while another fiber gets them */

/* A token that was found good. */
struct oauth_entry {
	struct list_node node; /* oldest first */
	char hash[SHA256_DIGEST_LENGTH];
	int64_t until_ns;    /* monotonic */
	int64_t expires_sec; /* 0: not said */
	char *user;          /* owned */
};

struct oauth {
	pthread_mutex_t lock; /* guards all below; never held across a yield */
	struct hash_map cache;
	struct list_node entries;
	struct jose_keys *keys;
	int64_t keys_ns; /* when they came; monotonic */
	int64_t tried_ns;
	bool is_fetching;
};

static bool is_set(const char *s)
{
	return s && s[0];
}

void auth_oauth_new(struct auth *a)
{
	const struct auth_oauth *o = &a->opts.oauth;
	struct hash_key key;
	struct oauth *x;

	if (!is_set(o->introspection_url) && !is_set(o->jwks_url))
		return;
	MUST(getrandom(&key, sizeof(key), 0) == sizeof(key));
	x = NEW(struct oauth);
	pthread_mutex_init(&x->lock, NULL);
	hash_map_init(&x->cache, key);
	list_init(&x->entries);
	a->oauth = x;
}

static void entry_free(struct oauth *x, struct oauth_entry *n)
{
	hash_map_remove(&x->cache, span_of(n->hash, sizeof(n->hash)));
	list_remove(&n->node);
	free(n->user);
	free(n);
}

static struct oauth_entry *oldest(struct oauth *x)
{
	return LIST_ITEM(x->entries.next, struct oauth_entry, node);
}

void auth_oauth_free(struct auth *a)
{
	struct oauth *x = a->oauth;

	a->oauth = NULL;
	if (!x)
		return;
	while (!list_empty(&x->entries))
		entry_free(x, oldest(x));
	hash_map_fini(&x->cache);
	jose_keys_unref(&x->keys);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

/* What became of a token. */
struct verdict {
	bool is_good;
	struct span user;
	int64_t expires_sec;
	const char *why; /* not good */
};

/* For the log: the token is no good, which is no trouble of ours. */
static int no_good(struct arena *a, struct verdict *v, const struct err *why)
{
	v->why = arena_str(a, span_str(why->text));
	return 0;
}

/* RFC 4954 section 6: the provider cannot be asked, or does not answer as it should. */
static int not_now(const struct auth *a, const struct err *why, struct err *e)
{
	log_event(a->opts.log, LOG_WARN, "auth.provider.failed", LF_STR("error", why->text));
	err_set(e, ERR_BUSY, "identity provider: %s", why->text);
	err_scope_set(e, ERR_SCOPE_SELF, ERR_AGAIN_LATER);
	return err_smtp(e, 454, 4, 7, 0);
}

static struct jose_wanted wanted(const struct auth *a, bool is_signed)
{
	const struct auth_oauth *o = &a->opts.oauth;

	return (struct jose_wanted){.issuer = o->issuer,
		.audience = o->audience,
		.scope = o->scope,
		.user_claim = is_set(o->user_claim) ? o->user_claim : "email",
		.now_sec = auth_wall_ns(a) / CLOCK_SEC,
		.is_expiry_needed = is_signed};
}

static int read_claims(const struct auth *a, struct arena *arena, struct span json, bool is_signed,
	struct verdict *v)
{
	struct jose_wanted w = wanted(a, is_signed);
	struct jose_claims claims;
	struct err why = {0};

	if (jose_claims_check(arena, json, &w, &claims, &why) < 0)
		return no_good(arena, v, &why);
	v->is_good = true;
	v->user = claims.user;
	v->expires_sec = claims.expires_sec;
	return 0;
}

/* A request to the provider, url, body and the like given: redirects are refused, the answer is bounded
 * and has its time. */
static FIBER int ask(const struct auth *a, struct arena *arena, struct fetch_request *r,
	struct fetch_answer *answer, struct err *e)
{
	const struct auth_oauth *o = &a->opts.oauth;

	r->lane = a->opts.fetch_lane;
	r->timeout_ns = OAUTH_NS;
	r->ca_file = is_set(o->ca_file) ? o->ca_file : NULL;
	if (fetch_run(r, arena, answer, e) < 0)
		return -1;
	if (answer->status != 200)
		return err_set(e, ERR_REPLY, "%s answers with %ld", r->url, answer->status);
	return 0;
}

/* ---- introspection ---- */

static void hash_of(struct span token, char *hash_r)
{
	SHA256((const unsigned char *)token.ptr, token.len, (unsigned char *)hash_r);
}

static bool cache_get(struct oauth *x, struct arena *arena, const char *hash, struct verdict *v)
{
	struct oauth_entry *n;

	pthread_mutex_lock(&x->lock);
	n = hash_map_get(&x->cache, span_of(hash, SHA256_DIGEST_LENGTH));
	if (n && n->until_ns <= loop_now_ns()) {
		entry_free(x, n);
		n = NULL;
	}
	if (n) {
		v->is_good = true;
		v->user = arena_span(arena, span_str(n->user));
		v->expires_sec = n->expires_sec;
	}
	pthread_mutex_unlock(&x->lock);
	return n != NULL;
}

static void cache_put(struct oauth *x, const char *hash, const struct verdict *v, int64_t wall_ns)
{
	int64_t lasts = AUTH_CACHE_NS, left = auth_end_ns(v->expires_sec) - wall_ns;
	struct oauth_entry *n;

	if (v->expires_sec && left < lasts)
		lasts = left;
	if (lasts <= 0)
		return;
	pthread_mutex_lock(&x->lock);
	n = hash_map_get(&x->cache, span_of(hash, SHA256_DIGEST_LENGTH));
	if (n)
		entry_free(x, n);
	if (hash_map_count(&x->cache) >= OAUTH_CACHE_MAX)
		entry_free(x, oldest(x));
	n = NEW(struct oauth_entry);
	memcpy(n->hash, hash, sizeof(n->hash));
	n->until_ns = loop_now_ns() + lasts;
	n->expires_sec = v->expires_sec;
	n->user = mem_dup(v->user.ptr, v->user.len);
	hash_map_set(&x->cache, span_of(n->hash, sizeof(n->hash)), n);
	list_push_back(&x->entries, &n->node);
	pthread_mutex_unlock(&x->lock);
}

/* application/x-www-form-urlencoded: every octet that is not surely plain. */
static void put_form(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i], low = span_lower(c);

		if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			c == '.')
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static void wipe(struct buf *b)
{
	if (b->mem)
		secret_wipe(b->mem, b->cap);
	buf_fini(b);
}

/* RFC 6749 section 2.3.1: both are encoded as in a form before they are joined. */
static void put_basic(struct buf *field, const struct auth_oauth *o)
{
	struct buf pair;

	buf_init(&pair, OAUTH_FIELD_MAX / 2);
	put_form(&pair, span_str(o->client_id));
	buf_char(&pair, ':');
	put_form(&pair, span_str(o->client_secret));
	buf_str(field, "Authorization: Basic ");
	enc_put_base64(field, buf_span(&pair));
	wipe(&pair);
}

static FIBER int introspect_at(const struct auth *a, struct arena *arena, struct span token,
	struct fetch_answer *answer, struct err *e)
{
	const struct auth_oauth *o = &a->opts.oauth;
	const char *fields[3] = {
		"Accept: application/json", "Content-Type: application/x-www-form-urlencoded"};
	struct buf body, basic;
	size_t count = 2;
	int rc;

	buf_init(&body, OAUTH_BODY_MAX);
	buf_init(&basic, OAUTH_FIELD_MAX);
	buf_str(&body, "token=");
	put_form(&body, token);
	buf_str(&body, "&token_type_hint=access_token");
	if (is_set(o->client_id)) {
		put_basic(&basic, o);
		fields[count++] = buf_cstr(&basic);
	}
	struct fetch_request r = {.url = o->introspection_url,
		.body = buf_span(&body),
		.fields = fields,
		.field_count = count,
		.body_max = OAUTH_ANSWER_MAX};

	rc = buf_ok(&body) && buf_ok(&basic)
		? ask(a, arena, &r, answer, e)
		: err_set(e, ERR_LIMIT, "a token or client secret that is too long");
	wipe(&basic);
	wipe(&body);
	return rc;
}

static FIBER int introspect(const struct auth *a, struct arena *arena, struct span token,
	struct verdict *v, struct err *e)
{
	char *hash = arena_alloc(arena, SHA256_DIGEST_LENGTH);
	struct fetch_answer answer = {0};
	struct err why = {0};
	bool is_active;

	hash_of(token, hash);
	if (cache_get(a->oauth, arena, hash, v))
		return 0;
	if (introspect_at(a, arena, token, &answer, &why) < 0 ||
		jose_is_active(answer.body, &is_active, &why) < 0)
		return not_now(a, &why, e);
	if (!is_active) {
		v->why = "the provider says that the token is not good";
		return 0;
	}
	read_claims(a, arena, answer.body, false, v);
	if (v->is_good)
		cache_put(a->oauth, hash, v, auth_wall_ns(a));
	return 0;
}

/* ---- keys ---- */

static FIBER struct jose_keys *keys_fetch(const struct auth *a, struct err *e)
{
	static const char *const fields[] = {"Accept: application/json"};
	struct arena *arena = arena_new();
	struct fetch_request r = {.url = a->opts.oauth.jwks_url,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body_max = JOSE_SET_MAX};
	struct fetch_answer answer = {0};
	struct jose_keys *keys = NULL;

	if (ask(a, arena, &r, &answer, e) == 0)
		keys = jose_keys_parse(answer.body, e);
	arena_free(&arena);
	return keys;
}

/* One fiber fetches, those who must have what it brings wait for it. */
enum keys_step { KEYS_THERE, KEYS_FETCH, KEYS_WAIT, KEYS_NONE };

static enum keys_step keys_step(struct oauth *x, bool is_newer_wanted, struct jose_keys **keys_r)
{
	int64_t now = loop_now_ns();
	bool is_due, may_try, is_usable;
	enum keys_step step;

	pthread_mutex_lock(&x->lock);
	is_usable = x->keys && now - x->keys_ns < OAUTH_KEYS_OLD;
	is_due = is_newer_wanted || !x->keys || now - x->keys_ns >= OAUTH_KEYS_NS;
	may_try = !x->tried_ns || now - x->tried_ns >= OAUTH_AGAIN_NS;
	if (is_due && x->is_fetching && (is_newer_wanted || !is_usable))
		step = KEYS_WAIT;
	else if (is_due && may_try && !x->is_fetching)
		step = KEYS_FETCH;
	else
		step = is_usable ? KEYS_THERE : KEYS_NONE;
	if (step == KEYS_FETCH) {
		x->is_fetching = true;
		x->tried_ns = now;
	}
	if (step == KEYS_THERE)
		*keys_r = jose_keys_ref(x->keys);
	pthread_mutex_unlock(&x->lock);
	return step;
}

static void keys_came(struct oauth *x, struct jose_keys *keys)
{
	pthread_mutex_lock(&x->lock);
	x->is_fetching = false;
	if (keys) {
		jose_keys_unref(&x->keys);
		x->keys = keys;
		x->keys_ns = loop_now_ns();
	}
	pthread_mutex_unlock(&x->lock);
}

/* Has the provider answered when it was asked last? */
static bool keys_are_fresh(struct oauth *x)
{
	bool is;

	pthread_mutex_lock(&x->lock);
	is = x->keys && x->keys_ns >= x->tried_ns;
	pthread_mutex_unlock(&x->lock);
	return is;
}

/* The caller unrefs. NULL: there are none that could be used. */
static FIBER struct jose_keys *keys_get(const struct auth *a, bool is_newer_wanted, struct err *e)
{
	int64_t deadline = loop_now_ns() + OAUTH_NS;
	struct jose_keys *keys = NULL;
	struct err why = {0};

	for (;;) {
		switch (keys_step(a->oauth, is_newer_wanted, &keys)) {
		case KEYS_THERE: return keys;
		case KEYS_FETCH:
			keys_came(a->oauth, keys_fetch(a, &why));
			if (why.code)
				log_event(a->opts.log, LOG_WARN, "auth.provider.keys",
					LF_STR("error", why.text));
			/* what there is now is as new as can be */
			is_newer_wanted = false;
			break;
		case KEYS_WAIT:
			if (loop_now_ns() >= deadline || fiber_sleep(OAUTH_LOOK_NS, e) < 0) {
				err_set(e, ERR_TIMEOUT, "no keys within 10 s");
				return NULL;
			}
			break;
		case KEYS_NONE:
			if (why.code)
				err_copy(e, &why);
			else
				err_set(e, ERR_BUSY, "no keys, and asked for them a moment ago");
			return NULL;
		}
	}
}

static FIBER int verify(const struct auth *a, const struct jose_token *t, bool is_newer_wanted,
	struct err *why, struct err *e)
{
	struct jose_keys *keys = keys_get(a, is_newer_wanted, e);
	int rc;

	if (!keys)
		return -1;
	rc = jose_verify(keys, t, why);
	jose_keys_unref(&keys);
	if (rc == 0)
		err_clear(why);
	return 0;
}

static FIBER int verify_signed(const struct auth *a, struct arena *arena, struct span token,
	struct verdict *v, struct err *e)
{
	struct err why = {0}, trouble = {0};
	struct jose_token t;

	if (jose_token_parse(arena, token, &t, &why) < 0)
		return no_good(arena, v, &why);
	if (verify(a, &t, false, &why, &trouble) < 0)
		return not_now(a, &trouble, e);
	/* it may have got new ones; it is asked at most once a minute */
	if (why.code == ERR_NOT_FOUND && verify(a, &t, true, &why, &trouble) < 0)
		return not_now(a, &trouble, e);
	if (why.code == ERR_NOT_FOUND && !keys_are_fresh(a->oauth))
		return not_now(a, &why, e);
	if (why.code)
		return no_good(arena, v, &why);
	return read_claims(a, arena, t.claims, true, v);
}

/* ---- the question ---- */

static FIBER int judge(const struct auth *a, struct arena *arena, struct span token,
	struct verdict *v, struct err *e)
{
	const struct auth_oauth *o = &a->opts.oauth;

	if (is_set(o->jwks_url) && (jose_is_token(token) || !is_set(o->introspection_url)))
		return verify_signed(a, arena, token, v, e);
	return introspect(a, arena, token, v, e);
}

/* Whose token it is: an account here, and the one that the client says. */
static FIBER int find_account(
	struct auth_conn *c, const struct verdict *v, struct span claimed, struct err *e)
{
	struct auth_try *t = c->try;
	struct account_login other;
	bool is_found = false;

	if (span_find(v->user, AUTH_APP_MARK) >= 0) {
		t->why = "the token's user is no address";
		return 0;
	}
	if (auth_try_find(c, v->user, e) < 0)
		return -1;
	if (t->why || !claimed.len)
		return 0;
	if (account_login_find(c->auth->opts.store, t->arena, claimed, &other, &is_found, e) < 0)
		return -1;
	if (!is_found || other.id != t->login.id)
		t->why = "the token is somebody else's";
	return 0;
}

/* Who names nobody is counted by his token. */
static int begin(struct auth_conn *c, struct span claimed, struct span token, struct err *e)
{
	struct buf name;
	char hash[SHA256_DIGEST_LENGTH];
	int rc;

	buf_init(&name, 2 * SHA256_DIGEST_LENGTH + 8);
	hash_of(token, hash);
	buf_str(&name, "bearer ");
	enc_put_hex(&name, span_of(hash, sizeof(hash)));
	rc = auth_try_begin(c, claimed.len ? claimed : buf_span(&name), e);
	if (rc == 0)
		c->try->mark = auth_cache_mark(c->auth->cache, c->try->name, token);
	buf_fini(&name);
	return rc;
}

FIBER int auth_token(struct auth_conn *c, struct span claimed, struct span token,
	struct buf *user_r, bool *yes_r, struct err *e)
{
	struct verdict v = {0};
	struct auth_try *t;

	if (!c->auth->oauth)
		return 0;
	if (begin(c, claimed, token, e) < 0)
		return -1;
	t = c->try;
	if (judge(c->auth, t->arena, token, &v, e) < 0)
		return -1;
	if (!v.is_good) {
		t->why = v.why;
		return 0;
	}
	if (find_account(c, &v, claimed, e) < 0)
		return -1;
	if (!t->is_found || t->why)
		return 0;
	buf_span_put(user_r, t->login.address);
	t->expires_ns = auth_end_ns(v.expires_sec);
	*yes_r = true;
	return 0;
}
