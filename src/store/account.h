#pragma once
/* People: what an account logs in with, what it may send as, whom a team or group consists of, and how
 * much room it has. The directory (store/directory.h) says where mail for an address goes; this says who
 * may do what. Each change that takes a right away moves account.credential and the directory's
 * generation, by which sessions and caches notice. Names are stored as the directory stores them. */

#include "store/directory.h"

/* id, word */
#define ACCOUNT_KINDS(X)                                                                           \
	X(PERSON, "person")                                                                        \
	X(TEAM, "team")   /* a mailbox of several; nobody logs in as it */                         \
	X(GROUP, "group") /* an address whose mail its members get in their own mailboxes */
enum account_kind {
#define X(id, word) ACCOUNT_##id,
	ACCOUNT_KINDS(X)
#undef X
		ACCOUNT_KIND_COUNT
};
const char *account_kind_str(enum account_kind k);

/* What a credential is good for. id, bit, word */
#define ACCOUNT_SCOPES(X)                                                                          \
	X(SUBMIT, 1, "submit")                                                                     \
	X(IMAP, 2, "imap")                                                                         \
	X(POP3, 4, "pop3")                                                                         \
	X(SIEVE, 8, "sieve")                                                                       \
	X(WEB, 16, "web") /* the page, JMAP */
enum account_scope {
#define X(id, bit, word) ACCOUNT_SCOPE_##id = bit,
	ACCOUNT_SCOPES(X)
#undef X
		ACCOUNT_SCOPE_ALL = 31
};

/* What a member may do with a team or group. id, bit, word */
#define ACCOUNT_RIGHTS(X)                                                                          \
	X(READ, 1, "read")                                                                         \
	X(WRITE, 2, "write")     /* flags, move, delete */                                         \
	X(SEND, 4, "send-as")    /* write under its address */                                     \
	X(RECEIVE, 8, "receive") /* group: gets its mail */                                        \
	X(MANAGE, 16, "manage")  /* members and settings */
enum account_right {
#define X(id, bit, word) ACCOUNT_RIGHT_##id = bit,
	ACCOUNT_RIGHTS(X)
#undef X
		ACCOUNT_RIGHT_ALL = 31
};

#define ACCOUNT_APP_PASSWORDS_MAX 50
#define ACCOUNT_MEMBERS_MAX       1000
#define ACCOUNT_SEND_AS_MAX       100
#define ACCOUNT_CERTIFICATES_MAX  20
#define ACCOUNT_IMPORTED_MAX      512 /* octets of an imported hash */

/* ---- logging in ---- */

struct account_app_password {
	uint64_t id, account_id;
	struct span name;
	struct span key_hash;     /* hex SHA-256 of the password */
	struct span scram_sha256; /* verifier */
	unsigned scopes;          /* enum account_scope */
	struct span networks;     /* "192.0.2.0/24 2001:db8::/32"; "" anywhere */
	int64_t created_ns, expires_ns, used_ns;
	struct span used_from;
};

struct account_login {
	uint64_t id;
	struct span address; /* primary */
	struct span name;
	enum account_kind kind;
	bool is_suspended;
	bool is_removed;      /* it waits for its end */
	unsigned scopes_off;  /* enum account_scope: not for these */
	struct span imap_off; /* capabilities that it is not told of */
	uint64_t credential;  /* moves with what it logs in with */
	bool has_second;      /* a second factor: its password alone is no login */
	struct span scram_sha256, scram_sha1, imported; /* "": none */
	size_t app_count;
	struct account_app_password *apps;
};
/** The name by which account_login_find looks for `user`: all ways to write an address (a dot at the end, an
 * ideographic one, what the domain's form leaves out) are one. In `a`; a local part alone stays so, and
 * what is no address is in lower case. Pure. */
struct span account_login_name(struct arena *a, struct span user);
/** Who logs in under this name: any address of an account; a local part alone when there is exactly one
 * local domain. In one read, app passwords with it. The answer lives in `a`. When nobody
 * is found login_r->address is the one that was looked for ("": it can be none). */
FIBER int account_login_find(struct store *s, struct arena *a, struct span user,
	struct account_login *login_r, bool *is_found_r, struct err *e);
/** The same by number. */
FIBER int account_login_get(struct store *s, struct arena *a, uint64_t id,
	struct account_login *login_r, bool *is_found_r, struct err *e);

/** The account of an app password, by hex SHA-256 of it; login_r->apps has that one alone. */
FIBER int account_login_app(struct store *s, struct arena *a, struct span key_hash,
	struct account_login *login_r, bool *is_found_r, struct err *e);

/* Whether what was proven still counts: one row of account_states. */
struct account_state {
	uint64_t id, credential; /* in: as the session knows it */
	uint64_t app_id;         /* in: of the app password; 0 none */
	bool is_good;            /* result: there, not suspended or removed, the same credential */
};
#define ACCOUNT_STATES_MAX 256
FIBER int account_states(
	struct store *s, struct account_state *states, size_t count, struct err *e);

/** Replace what it logs in with. `password` goes through SASLprep by the caller. `is_sha1`: keep a
 * SCRAM-SHA-1 verifier as well. ERR_NOT_FOUND, ERR_SYNTAX. Moves `credential`. */
FIBER int account_password_set(
	struct store *s, uint64_t id, struct span password, bool is_sha1, struct err *e);
/** The first login after an import: verifiers take the hash's place, unless it changed meanwhile.
 * `credential` stays. */
FIBER int account_password_upgrade(struct store *s, uint64_t id, struct span imported,
	struct span password, bool is_sha1, struct err *e);
/** A hash of another system instead of a password; ERR_SYNTAX names what is not known. */
FIBER int account_import_hash(
	struct store *s, struct span address, struct span hash, struct err *e);

/** `app->id` is given; key_hash and scram_sha256 come from the caller. ERR_EXISTS, ERR_LIMIT. */
FIBER int account_app_add(struct store *s, struct account_app_password *app, struct err *e);
/** By name. Ends the sessions that used it. */
FIBER int account_app_remove(struct store *s, uint64_t account_id, struct span name, struct err *e);
FIBER int account_app_list(struct store *s, struct arena *a, uint64_t account_id,
	struct account_app_password **list_r, size_t *count_r, struct err *e);
/** Its last use. Cheap to call often: written at most once a minute and app password. */
FIBER int account_app_used(
	struct store *s, uint64_t id, int64_t now_ns, struct span from, struct err *e);

/* ---- client certificates ---- */

struct account_certificate {
	struct span spki_sha256; /* hex, lower case */
	uint64_t account_id;
	struct span note;
	int64_t created_ns, expires_ns, used_ns;
};
FIBER int account_certificate_find(struct store *s, struct arena *a, struct span spki_sha256,
	struct account_certificate *cert_r, bool *is_found_r, struct err *e);
/** Its last use, `cert` as it was found for that. Written at most once a minute and certificate. */
FIBER int account_certificate_used(
	struct store *s, const struct account_certificate *cert, int64_t now_ns, struct err *e);
FIBER int account_certificate_add(
	struct store *s, const struct account_certificate *cert, struct err *e);
FIBER int account_certificate_remove(struct store *s, struct span spki_sha256, struct err *e);
FIBER int account_certificate_list(struct store *s, struct arena *a, uint64_t account_id,
	struct account_certificate **list_r, size_t *count_r, struct err *e);

/* ---- writing under an address ---- */

enum account_way {
	ACCOUNT_NOT_ITS, /* somebody else's, or nobody's */
	ACCOUNT_OWN,     /* one of its addresses, a sub-address of one */
	ACCOUNT_ALIAS,   /* an alias with this account as its only target */
	ACCOUNT_MEMBER,  /* of a team or group that it may send as */
	ACCOUNT_LISTED,  /* send_as */
};
/** May the account write as `address` ("local@domain")? `separator` as in struct directory_question. */
FIBER int account_may_send(struct store *s, uint64_t id, struct span address, char separator,
	enum account_way *way_r, struct err *e);
/* What an identity list shows. */
struct account_identity {
	struct span address; /* or a pattern '@domain' */
	struct span name;
	enum account_way way;
};
FIBER int account_identities(struct store *s, struct arena *a, uint64_t id,
	struct account_identity **list_r, size_t *count_r, struct err *e);

/* What sending asks of an account. */
struct account_sending {
	uint64_t id;
	struct span address, name;
	struct span message_rate, recipient_rate; /* "" as the configuration says */
	bool is_sent_copied, is_suspended;
};
FIBER int account_sending(struct store *s, struct arena *a, uint64_t id,
	struct account_sending *sending_r, struct err *e);
/** Whose local mail a user of this machine sends. ERR_NOT_FOUND: nobody's. */
FIBER int account_of_system_user(struct store *s, struct arena *a, struct span login,
	struct account_sending *sending_r, struct err *e);

/* ---- room ---- */

struct account_room {
	bool has_quota;
	uint64_t octets, messages, quota_octets, quota_messages;
};
/** Would a message of `octets` (0: not known) still fit? ERR_NOT_FOUND. */
FIBER int account_room(struct store *s, uint64_t id, struct account_room *room_r, struct err *e);
