#pragma once
/* What the store keeps about TLS to other stations: the administrator's overrides, MTA-STS policies that
 * were fetched, and the results that TLSRPT counts. Spans of answers live in the arena given. */

#include "store/store.h"

/* How safe a hop must be, weakest first. level, name */
#define TLS_LEVELS(X)                                                                              \
	X(NONE, "none")           /* TLS is not used */                                            \
	X(MAY, "may")             /* used when offered, nobody's word is checked */                \
	X(ENCRYPT, "encrypt")     /* TLS or nothing; anybody's certificate */                      \
	X(VERIFY, "verify")       /* the host's certificate, from a known authority */             \
	X(DANE, "dane")           /* by its TLSA records, where it has some */                     \
	X(DANE_ONLY, "dane-only") /* by its TLSA records, or nothing */
enum tls_level {
#define X(id, name) TLS_LEVEL_##id,
	TLS_LEVELS(X)
#undef X
		TLS_LEVEL_COUNT
};
const char *tls_level_str(enum tls_level l);
/** false: no level has that name. */
bool tls_level_parse(struct span name, enum tls_level *level_r);

/* ---- overrides ---- */

#define TLS_MATCH_MAX 300
#define TLS_NOTE_MAX  200

struct tls_override {
	struct span match; /* "example.org", ".example.org" (all below it), or a next hop's key,
			      "[mx.example]:25" */
	enum tls_level level;
	struct span note;
};
/** Add or replace. ERR_SYNTAX: `match` is none of the forms. */
FIBER int tls_override_set(struct store *s, const struct tls_override *o, struct err *e);
/** ERR_NOT_FOUND. */
FIBER int tls_override_remove(struct store *s, struct span match, struct err *e);
FIBER int tls_override_list(struct store *s, struct arena *a, struct tls_override **list_r,
	size_t *count_r, struct err *e);
/** The row that decides for a destination (a domain as lower-case A-labels, or a next hop's key): its
 * own, else that of the longest ".suffix". */
FIBER int tls_override_find(struct store *s, struct arena *a, struct span destination,
	struct tls_override *row_r, bool *is_found_r, struct err *e);

/* ---- MTA-STS policies ---- */

struct sts_fact {
	struct span domain, id;
	struct span body; /* as it came; "" where a domain lost its policy */
	int64_t fetched_ns, refreshed_ns, expires_ns; /* wall clock */
};
FIBER int sts_fact_find(struct store *s, struct arena *a, struct span domain,
	struct sts_fact *fact_r, bool *is_found_r, struct err *e);
FIBER int sts_fact_put(struct store *s, const struct sts_fact *fact, struct err *e);
/** Remove those that expired before `before_ns`. */
FIBER int sts_fact_sweep(struct store *s, int64_t before_ns, struct err *e);

/* ---- results (RFC 8460) ---- */

#define TLS_RESULTS_BATCH 256
#define TLS_DETAIL_MAX    200
#define TLS_RESULT_DAYS   30 /* how long they are kept */

struct tls_result {
	int64_t day;        /* since 1970, UTC */
	struct span domain; /* of the policy */
	struct span policy; /* "tlsa", "sts", "no-policy-found" */
	struct span mx;     /* "" for failures before a host was known */
	struct span kind;   /* "" success, else RFC 8460 section 4.3 */
	uint64_t sessions;
	struct span detail;      /* of the last failure */
	struct span peer;        /* its address; "" before there was a connection */
	struct span policy_text; /* lines: mx patterns and modes, or TLSA records */
};
/** Add to the counts; at most TLS_RESULTS_BATCH rows in one transaction. */
FIBER int tls_result_add(
	struct store *s, const struct tls_result *rows, size_t count, struct err *e);
/** All of one day (`domain` "" of all), ordered by domain, policy, mx, kind; a page behind `after` (all
 * zero: from the start) of at most 256. */
FIBER int tls_result_list(struct store *s, struct arena *a, int64_t day, struct span domain,
	const struct tls_result *after, struct tls_result **rows_r, size_t *count_r, struct err *e);
FIBER int tls_result_sweep(struct store *s, int64_t before_day, struct err *e);
