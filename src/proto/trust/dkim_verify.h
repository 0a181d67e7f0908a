#pragma once
/* What the signatures of a message are worth (RFC 6376 section 6). Pure: the caller asks the DNS.
 *
 *	v = dkim_verifier_new(a, &dkim_rfc6376, now_sec);
 *	dkim_verifier_feed(v, octets);			// the whole message, any cut
 *	count = dkim_verifier_end(v, &results);
 *	for (i…) if (results[i].key_name.len)		// else it is decided already
 *		dkim_verifier_key(v, i, DKIM_KEY_FOUND, texts, text_count);
 */

#include "proto/trust/dkim_key.h"
#include "proto/trust/dkim_message.h"

#define DKIM_CLOCK_SEC 3600 /* signatures from the future: clocks differ by less */

/* In the words of RFC 8601 section 2.7.1. */
#define DKIM_VERDICTS(X)                                                                            \
	X(NEUTRAL,                                                                                  \
		"neutral") /* nothing can be said; so it is, too, when l= leaves some of the body \
				 unsigned: nobody's policy may build on that */ \
	X(PASS, "pass")                                                                             \
	X(FAIL, "fail")           /* header or body are not what was signed, or it is too old */    \
	X(PERMERROR, "permerror") /* the signature, or its key, is none */                          \
	X(TEMPERROR, "temperror") /* the key could not be looked up now */
enum dkim_verdict {
#define X(id, name) DKIM_##id,
	DKIM_VERDICTS(X)
#undef X
		DKIM_VERDICT_COUNT
};
const char *dkim_verdict_str(enum dkim_verdict v);

struct dkim_result {
	enum dkim_verdict verdict;
	const char *reason;    /* for people; "" with a pass */
	struct span key_name;  /* TXT to look up; "": its verdict stands */
	struct span domain;    /* d=, as A-labels in lower case; "" when there is none */
	struct span selector;  /* s= */
	struct span identity;  /* i=, or "@domain" */
	struct span names;     /* h= */
	struct span signature; /* octets of b=: equal ones in many letters are a replay */
	enum dkim_algorithm algorithm;
	unsigned key_bits;               /* of the key that was found */
	int64_t signed_sec, expires_sec; /* t= and x=; 0: not said */
	bool is_testing; /* t=y in its key: no better than no signature (section 3.6.1) */
	bool is_partial; /* l= leaves some of the body unsigned */
};

enum dkim_key_answer {
	DKIM_KEY_FOUND, /* TXT records: each one text, its strings joined */
	DKIM_KEY_NONE,  /* no such name, or no TXT there */
	DKIM_KEY_ERROR, /* the DNS did not say */
};

struct dkim_verifier;

/** Results live in `a`, which frees the rest as well. */
struct dkim_verifier *dkim_verifier_new(
	struct arena *a, const struct dkim_dialect *d, int64_t now_sec);
void dkim_verifier_feed(struct dkim_verifier *v, struct span octets);
/** How many signatures there are, from the top of the header down; at most DKIM_SIGNATURES_MAX, more are
 * passed over. */
size_t dkim_verifier_end(struct dkim_verifier *v, struct dkim_result **results_r);
/** The key of result `i`: its verdict stands after this. RSA takes some 15 µs. */
void dkim_verifier_key(struct dkim_verifier *v, size_t i, enum dkim_key_answer answer,
	const struct span *texts, size_t count);
