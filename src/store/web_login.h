#pragma once
/* What logging in with a browser keeps: sessions, the second factor with its recovery codes, and who tried to
 * log in. Tokens and codes are here as their SHA-256 only; the secret of the second factor has to be itself.
 * All of an account's ends with it (account_purge). */

#include "store/store.h"

#define WEB_SESSION_PEER_MAX  128 /* octets of what is kept of peer and agent; more is cut off */
#define WEB_SESSION_AGENT_MAX 256
#define WEB_SESSION_STEP_NS   CLOCK_MIN /* how often a use is written down */
#define LOGIN_EVENTS_MAX      500       /* of an account; the oldest go */
#define TOTP_SECRET_MAX       64        /* octets */

/* ---- sessions ---- */

struct web_session {
	uint64_t id, account_id, credential;
	int64_t created_ns, used_ns, expires_ns;
	struct span peer, agent;
	/* of its account, where web_session_find says so */
	struct span address, name;
};
/** `s->id` is given; `token_hash` is what it is found by. At most `max` of an account: those that were used
 * longest ago go, and some that have ended, whoever's they are. */
FIBER int web_session_add(struct store *store, const struct web_session *s, struct span token_hash,
	size_t max, int64_t now_ns, struct err *e);
/** The session of a token, if it counts: not ended, its account there, not suspended, not barred from the web,
 * with the credential that it began with. Lives in `a`. */
FIBER int web_session_find(struct store *store, struct arena *a, struct span token_hash,
	int64_t now_ns, struct web_session *s_r, bool *is_found_r, struct err *e);
/** The same by number. */
FIBER int web_session_still(
	struct store *store, uint64_t id, int64_t now_ns, bool *is_r, struct err *e);
FIBER int web_session_used(
	struct store *store, uint64_t id, int64_t now_ns, int64_t expires_ns, struct err *e);
/** ERR_NOT_FOUND. */
FIBER int web_session_end(struct store *store, uint64_t account_id, uint64_t id, struct err *e);
/** All of the account but `but` (0: none is spared). */
FIBER int web_session_end_all(
	struct store *store, uint64_t account_id, uint64_t but, struct err *e);
/** The account's credential has moved; this session goes on with the new one. */
FIBER int web_session_keep(struct store *store, uint64_t account_id, uint64_t id, struct err *e);
/** Those that count, the one used last first, at most 256. */
FIBER int web_session_list(struct store *store, struct arena *a, uint64_t account_id,
	int64_t now_ns, struct web_session **list_r, size_t *count_r, struct err *e);

/* ---- the second factor ---- */

struct totp {
	struct span secret; /* "": nothing is begun */
	bool is_on;         /* else it was shown and not confirmed yet */
	int64_t last_step, created_ns;
	uint64_t codes_left; /* recovery codes that nobody has used */
};
FIBER int totp_get(struct store *store, struct arena *a, uint64_t account_id, struct totp *totp_r,
	struct err *e);
/** A secret that is to be confirmed; replaces one that was not. ERR_STATE: it is on already. */
FIBER int totp_begin(struct store *store, uint64_t account_id, struct span secret, int64_t now_ns,
	struct err *e);
/** It counts from now on: the code of `step` was right. `hashes`: of the recovery codes. All other sessions
 * and logins of the account end; the web session `keep` stays. ERR_STATE: nothing was begun. */
FIBER int totp_confirm(struct store *store, uint64_t account_id, int64_t step,
	const struct span *hashes, size_t count, uint64_t keep, struct err *e);
/** A code is taken once: *is_taken_r false when that step, or a later one, was. */
FIBER int totp_take(
	struct store *store, uint64_t account_id, int64_t step, bool *is_taken_r, struct err *e);
/** Off, the recovery codes with it. ERR_NOT_FOUND: it was not on. Logins go on. */
FIBER int totp_remove(struct store *store, uint64_t account_id, struct err *e);
FIBER int recovery_take(struct store *store, uint64_t account_id, struct span hash, int64_t now_ns,
	bool *is_taken_r, struct err *e);
/** New recovery codes in the place of all old ones. */
FIBER int recovery_renew(struct store *store, uint64_t account_id, const struct span *hashes,
	size_t count, struct err *e);

/* ---- who tried to log in ---- */

struct login_event {
	uint64_t id; /* its time: store_id_time */
	uint64_t account_id;
	bool is_good;
	struct span protocol, mechanism, peer, agent;
	struct span reason; /* why not; "" */
};
/** Nobody waits for it; copied. The oldest of the account beyond LOGIN_EVENTS_MAX go. Any thread. */
void login_event_later(struct store *store, const struct login_event *ev);
/** Newest first, with ids below `before` (0: from the newest), at most 256. */
FIBER int login_event_list(struct store *store, struct arena *a, uint64_t account_id,
	uint64_t before, size_t max, struct login_event **list_r, size_t *count_r, struct err *e);
