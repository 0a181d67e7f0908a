#pragma once
/* Login, an adviser: one room for all protocols. Who is it, by which credential, for what may it be used,
 * and does that still count? One struct auth a process, shared by all loops; what belongs to one
 * connection is a struct auth_conn, which is its fiber's alone.
 *
 * SASL: auth_decider answers what an exchange of proto/sasl asks. Other logins (IMAP's LOGIN, POP3's
 * USER and PASS, HTTP Basic) call auth_password. Either way auth_settle has the last word: a right
 * password of a suspended account, of another scope or while the network is slowed down is no login.
 *
 *	auth_conn_init(&c, auth, ACCOUNT_SCOPE_SUBMIT, stream);
 *	auth_offer(&c, &sasl_opts);
 *	… the exchange, with auth_decider and &c …
 *	if (auth_settle(&c, user, identity, mech, is_accepted, &e) < 0)
 *		… e has the reply: 535 5.7.8, 454 4.7.0, 432 4.7.12 …
 *	… c.who …
 *	auth_conn_fini(&c);
 *
 * Unknown users cost the same time and get the same replies as known ones. Passwords that were found
 * right are remembered for at most AUTH_CACHE_NS, as an HMAC under a key of this process over the whole
 * of (account, credential, scope, name, password): any change of the account makes it another one. */

#include "net/tls.h"
#include "proto/sasl/sasl_server.h"
#include "store/account.h"
#include "services/guard/guard.h"

struct auth;

#define AUTH_CACHE_NS  (5 * CLOCK_MIN)
#define AUTH_CACHE_MAX 65536
#define AUTH_SECRET    32
#define AUTH_APP_MARK  '#' /* "alice@our.example#phone": SCRAM with the app password "phone" */

/* Tokens of an identity provider (OAUTHBEARER, XOAUTH2): asked there (RFC 7662), or verified by its keys
 * (RFC 7517, 7519). */
struct auth_oauth {
	const char *introspection_url, *client_id, *client_secret;
	const char *jwks_url, *issuer, *audience;
	const char *user_claim; /* "email" */
	const char *scope;      /* that a token must have; "" any */
	const char *discovery;  /* the provider's openid-configuration, told to clients; "" */
	const char *ca_file;
};

struct auth_opts {
	struct store *store; /* borrowed, like all here */
	struct guard *guard; /* NULL: nobody counts */
	const struct log *log;
	bool is_sha1;            /* keep and offer SCRAM-SHA-1 as well */
	bool is_unbound;         /* do not offer -PLUS: some clients take it and cannot do it */
	struct auth_oauth oauth; /* both URLs NULL or "": no tokens */
	struct work_lane
		*fetch_lane; /* where the provider is asked; its name is looked up by the system */
	/* Who may sign clients' certificates for addresses of accounts (net/tls.h); NULL: nobody, only pins
	 * of accounts count. */
	struct tls_authority *client_authority;
	int64_t (*wall_ns)(void); /* NULL: loop_wall_ns; tests move it */
};
struct auth *auth_new(const struct auth_opts *opts);
/** After the store is closed: it tells us of changes until then. */
void auth_free(struct auth **a);
/** The secret of fake challenges (kept in the store, so that they stay the same over restarts). */
FIBER int auth_begin(struct auth *a, struct err *e);

/* Who has logged in. Spans live as long as the struct auth_conn. */
struct auth_who {
	uint64_t account_id; /* 0: nobody */
	uint64_t credential; /* as it was then */
	uint64_t app_id;     /* by which app password; 0 the account's own */
	struct span address; /* primary */
	struct span name;
	struct span app_name;
	const char *mech;
	struct span imap_off; /* capabilities that IMAP does not tell this account of */
	uint64_t generation;  /* of the directory, when it was last looked at */
	bool is_half;         /* the second factor is still to be asked for (is_second_asked) */
};

struct auth_conn {
	struct auth *auth;
	enum account_scope scope;
	const struct stream *stream; /* TLS and client certificate; NULL: only the peer is known */
	const struct addr *peer;     /* who asks: of a proxy's connection the client */
	struct span agent;           /* what it says of itself, for the list of logins; borrowed */
	/* The caller asks for the second factor itself, where there is one (who.is_half). Else the password of
	 * an account that has one is no login: 534 5.7.9, app passwords only. */
	bool is_second_asked;
	bool is_external; /* the certificate was somebody's when auth_look asked */
	struct auth_who who;
	struct arena *arena; /* own */
	/* the room's own: what the questions of this exchange have found */
	struct auth_try *try;
};
/** Does not yield. */
void auth_conn_init(
	struct auth_conn *c, struct auth *a, enum account_scope scope, const struct stream *stream);
/** Without a stream: of a request that came by HTTP. No certificates, no channel binding. */
void auth_conn_init_peer(
	struct auth_conn *c, struct auth *a, enum account_scope scope, const struct addr *peer);
void auth_conn_fini(struct auth_conn *c);
/** Before what can be done is told (EHLO, CAPABILITY): whose certificate has the client shown? EXTERNAL is
 * offered only where that is known. Nothing without a certificate. */
FIBER void auth_look(struct auth_conn *c);
/** For smtp_decider.auth_offer and its likes: mechs, secret, iterations. Does not yield. */
bool auth_offer(const struct auth_conn *c, struct sasl_server_opts *o);
/** Its ctx is a struct auth_conn. */
extern const struct sasl_decider auth_decider;
/** After an exchange. 0: c->who is set. -1: not logged in, whatever was accepted; e->smtp… is what the
 * client hears (other protocols translate the enhanced code). `identity` must be `user` or an account
 * that it may act for. */
FIBER int auth_settle(struct auth_conn *c, struct span user, struct span identity, const char *mech,
	bool is_accepted, struct err *e);
/** A login without SASL, whole: SASLprep, the question, auth_settle. */
FIBER int auth_password(struct auth_conn *c, struct span user, struct span password, struct err *e);

/** A bearer token (RFC 6750), whole: an app password, or a token of the identity provider. */
FIBER int auth_bearer(struct auth_conn *c, struct span token, struct err *e);
/** How the second factor of somebody with a right password ended: counted, and told to the guard and in the
 * list of logins. */
void auth_second(struct auth_conn *c, const struct account_login *l, bool is_good);

/** Does it still count? Free while the directory has not changed; else one read. False: the password has
 * changed, the account is suspended or gone: the session ends (421 4.7.0, BYE …). On an error of the
 * store it still counts. */
FIBER bool auth_still(struct auth_conn *c);

/* Idle sessions hear of it too: each loop has a book of who is logged in on it. */
struct auth_book;
struct auth_mark { /* of one session, in its struct */
	struct list_node node;
	struct auth_conn *conn;
	struct fiber *fiber; /* cancelled when the login counts no more … */
	bool is_ended;       /* … after this was set */
};
struct auth_book *auth_book_new(struct auth *a);
void auth_book_free(struct auth_book **b);
/** From the session's own fiber, once it is logged in. A session that is within a message leaves the book
 * meanwhile: its next MAIL asks auth_still. */
void auth_book_add(struct auth_book *b, struct auth_mark *m, struct auth_conn *c);
void auth_book_remove(struct auth_book *b, struct auth_mark *m);
/** A fiber of the loop: looks at all of the book whenever the directory has changed. `arg`: the book. */
FIBER int auth_book_main(void *arg);

/* ---- passwords ---- */

/** A password as it is compared (SASLprep, RFC 4013), in `a`. ERR_SYNTAX. */
int auth_password_prep(
	struct arena *a, struct span password, struct span *prepared_r, struct err *e);
/** Is a SCRAM-SHA-1 verifier kept of a new password? */
bool auth_keeps_sha1(const struct auth *a);
/** A new app password: five groups of four letters and digits, 100 random bits, in `a`; fills key_hash
 * and scram_sha256. */
FIBER int auth_app_make(struct store *s, struct arena *a, struct account_app_password *app,
	struct span *password_r, struct err *e);
/** What an administrator may know. */
struct auth_counters {
	uint64_t good, wrong, refused, cached, derived;
};
void auth_counters(const struct auth *a, struct auth_counters *c_r);
