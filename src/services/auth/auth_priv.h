#pragma once
/* Between the files of the auth room:
 *
 *	auth.c		what a process has, a connection begins and ends; passwords that are made
 *	auth_sasl.c	the questions of an exchange (auth_decider)
 *	auth_try.c	one attempt: whose name it is, by which credential, whether that may be used
 *	auth_cache.c	passwords that were found right a moment ago
 *	auth_settle.c	the last word, and whether it still counts
 *	auth_book.c	sessions of a loop that end when their login does
 *	auth_app.c	app passwords
 *	auth_bearer.c	bearer tokens
 *	auth_event.c	who tried to log in, told to the account's owner
 *	auth_oauth.c	tokens of an identity provider
 *	auth_external.c	client certificates */

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/secret.h"
#include "run/fiber.h"
#include "services/auth/auth.h"

#define AUTH_PASSWORD_PREP_MAX (4 * SASL_SERVER_SECRET_MAX) /* SASLprep may make it longer */
#define AUTH_APP_CHARS         20                           /* of 32: 100 random bits */
#define AUTH_APP_TYPED         64 /* octets of a typed password that can be an app password */
#define AUTH_MARK_KEY          32
#define AUTH_BOOK_WAIT_NS      (1 * CLOCK_SEC) /* before a store that did not answer is asked again */

/* ---- one attempt ---- */

/* What the questions of one exchange have found; begins anew with each exchange. */
struct auth_try {
	struct arena *arena; /* of this attempt; no password is in it */
	bool is_open;        /* a question was asked and auth_settle has not been called */
	struct span name;    /* as it was asked for, in lower case: what the guard counts by */
	struct account_login login;
	const struct account_app_password *app; /* of login.apps; NULL: the account's own */
	const struct account_certificate *pin;  /* what it was found by; NULL: not by a pin */
	bool is_found;                          /* login is somebody's */
	bool is_cached;      /* login has id, credential, address and name only */
	uint64_t generation; /* of the directory, before login was read */
	uint64_t mark;       /* for guard_login_tell; 0 none */
	const char *why;     /* it cannot be used, for the log; NULL: it can */
	bool is_own;         /* the account's own password was right */
	bool is_weak;        /* … and is not enough: there is a second factor */
	int64_t expires_ns; /* of what was logged in with, wall clock; 0 never. Stays for auth_still */
};

/** Begin an attempt for `name`: asks the guard. -1 with 454 4.7.0: not now, whoever it is. Does not
 * yield. */
int auth_try_begin(struct auth_conn *c, struct span name, struct err *e);
/** Forget what it found, but for expires_ns. */
void auth_try_end(struct auth_try *t);
void auth_try_free(struct auth_try **t);
/** Whose name it is, into c->try: login, app ("name#app"), why. 0 and !is_found: nobody's. */
FIBER int auth_try_find(struct auth_conn *c, struct span name, struct err *e);
/** The same by account id (client certificates): after auth_try_begin. */
FIBER int auth_try_get(struct auth_conn *c, uint64_t account_id, struct err *e);
/** Why an account, an app password cannot be used here and now; NULL: it can. */
const char *auth_account_why(const struct account_login *l);
const char *auth_app_why(const struct auth_conn *c, const struct account_app_password *app);

/* ---- passwords found right ---- */

struct auth_cache;
struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache **c);
/* What is asked for: all of it counts. */
struct auth_cache_key {
	enum account_scope scope;
	struct span user, password;
};
/* What an entry says: whose password it is. */
struct auth_cached {
	uint64_t account_id, credential;
	uint64_t generation; /* of the directory, when that was last known to be so */
	struct span address, name, imap_off;
};
/** Was this password found right for this name and scope? Spans in `a`. A hit of an older generation
 * must be looked at again (auth_cache_confirm, auth_cache_drop). Any thread, like all here. */
bool auth_cache_get(struct auth_cache *c, struct arena *a, const struct auth_cache_key *key,
	int64_t now_ns, struct auth_cached *cached_r);
void auth_cache_put(struct auth_cache *c, const struct auth_cache_key *key, int64_t now_ns,
	const struct auth_cached *what);
/** It is still so in what->generation, for this account and credential. */
void auth_cache_confirm(
	struct auth_cache *c, const struct auth_cache_key *key, const struct auth_cached *what);
void auth_cache_drop(struct auth_cache *c, const struct auth_cache_key *key);
/** A keyed hash of name and password for guard_login_tell, never 0. */
uint64_t auth_cache_mark(const struct auth_cache *c, struct span user, struct span password);
size_t auth_cache_count(struct auth_cache *c);

/* ---- app passwords ---- */

/** What was typed, without blanks, dashes and case; its SHA-256 in hex. False: too long to be one. */
bool auth_app_hash(struct span typed, struct buf *hex);

/* ---- the process ---- */

/* A book's way to be told; the process keeps it, so that a notice under way never dangles. */
struct auth_bell {
	struct loop_msg msg; /* first */
	struct auth *auth;
	struct auth_bell *next;
	struct loop *loop;      /* under auth->lock, like the next two; NULL: nobody listens */
	struct auth_book *book; /* read on the loop only */
	bool is_posted;
};

#define AUTH_EVENT_SLOTS 4096 /* logins that were told of lately */

struct oauth;
struct auth {
	struct auth_opts opts;
	struct arena *arena;
	char secret[AUTH_SECRET];
	bool has_secret;
	const char *mechs, *mechs_external; /* without and with EXTERNAL */
	struct auth_cache *cache;
	struct oauth *oauth; /* auth_oauth.c's; NULL: no tokens */
	pthread_mutex_t lock;
	struct auth_bell *bells;
	struct auth_event_slot {
		uint64_t what;
		int64_t at_ns;
	} * events; /* under lock: AUTH_EVENT_SLOTS */
	struct hash_key event_key;
	atomic_uint_fast64_t good, wrong, refused, cached, derived;
};

struct auth_book {
	struct auth *auth;
	struct list_node marks;
	struct auth_bell *bell;
	struct fiber_cond changed;
	uint64_t generation; /* all marks were looked at then */
};

int64_t auth_wall_ns(const struct auth *a);
/** A certificate's or token's end, which may lie beyond what can be counted in nanoseconds (RFC 5280
 * section 4.1.2.5: 99991231235959Z is "never"). */
int64_t auth_end_ns(int64_t sec);
/** May who is logging in act for this name? */
FIBER int auth_may_act(struct auth_conn *c, struct span authzid, bool *yes_r, struct err *e);
/** The directory has changed: for store_subscribe, on any thread. */
void auth_book_ring(void *auth);
void auth_bells_free(struct auth *a);

/** Tell the owner of an account how a login ended; the same is told once an hour. Does not yield. */
void auth_event(struct auth_conn *c, uint64_t account_id, const char *mech, bool is_good,
	const char *reason);

/* ---- auth_oauth.c ---- */
/** For auth_new and auth_free. NULL in a->oauth: no provider is configured, so there are no tokens. */
void auth_oauth_new(struct auth *a);
void auth_oauth_free(struct auth *a);
/** Begins an attempt. Is the token good, and of whom? `claimed`: whom the client says it is for, "" nobody.
 * *yes_r, and the primary address in user_r. -1 with 454 4.7.0: the provider cannot be asked now. */
FIBER int auth_token(struct auth_conn *c, struct span claimed, struct span token,
	struct buf *user_r, bool *yes_r, struct err *e);

/* ---- auth_external.c ---- */
/** Begins an attempt when the client has shown a certificate. Whose is it? *yes_r, and the primary address
 * in user_r. */
FIBER int auth_external(struct auth_conn *c, struct buf *user_r, bool *yes_r, struct err *e);
