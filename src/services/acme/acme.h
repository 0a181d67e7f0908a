#pragma once
/* ACME (RFC 8555), an adviser: certificates from an authority, asked for, proven, fetched and renewed by
 * themselves. What is under way stands in the store (store/certificate.h), so that a restart goes on with
 * it. A host name is proven by HTTP-01 (acme_http_answer, behind port 80) or TLS-ALPN-01 (RFC 8737, the
 * ring of net/tls_ring.h, behind port 443).
 *
 *	acme = acme_new(&opts);			// before loops run
 *	acme_set(acme, &settings);		// now, and at each reload
 *	fiber_start(group, "acme", acme_keep, acme, &e);
 *	...
 *	acme_free(&acme);			// after its fibers
 *
 * Everything belongs to one loop, but acme_http_answer. Keys and account secrets are never logged. */

#include "net/dns.h"
#include "net/tls_ring.h"
#include "store/certificate.h"

struct acme;

#define ACME_TOKEN_MAX   128 /* octets; RFC 8555 section 8.1 asks for at least 22 */
#define ACME_NAMES_MAX   100 /* of one certificate */
#define ACME_BODY_MAX    (1024 * 1024)
#define ACME_STEP_MAX    1024
#define ACME_ANSWERS_MAX 1000

enum acme_challenge { ACME_HTTP = 1, ACME_ALPN = 2, ACME_BOTH = 3 };

/* All borrowed while the struct acme lives. */
struct acme_opts {
	struct store *store;
	struct tls_ring *ring;
	const struct log *log;
	/** A new certificate is in the store. */
	FIBER void (*changed)(void *arg);
	void *arg;
};

/* All borrowed during the call. */
struct acme_settings {
	const char *directory;    /* "" off */
	const char *email;        /* "" none */
	bool is_agreed;           /* to the authority's terms of service */
	unsigned challenges;      /* enum acme_challenge */
	const char *const *names; /* each a certificate: a name, or several with blanks between */
	size_t name_count;
	const char *eab_kid, *eab_key; /* external account binding (section 7.3.4); "" none */
	const char *ca_file; /* that the authority's own server is verified with; "" the system's */
	bool is_key_renewed; /* a new key with each certificate */
};

struct acme *acme_new(const struct acme_opts *opts);
void acme_free(struct acme **acme);
/** ERR_SYNTAX: a name that no authority would take; then nothing changes. */
int acme_set(struct acme *acme, const struct acme_settings *settings, struct err *e);
/** The same look, for whoever has no acme yet. */
int acme_check(const struct acme_settings *settings, struct err *e);
/** With what it goes to the web. Before acme_keep. */
void acme_connect(struct acme *acme, struct work_lane *lane, struct dns *dns);
/** A fiber: asks for what is missing and renews what is due, until it is cancelled. */
FIBER int acme_keep(void *acme);

/** What is done, in words. -1: whoever listened has gone, and is told no more; the work goes on. */
typedef FIBER int acme_step_fn(void *arg, const char *text, struct err *e);
/** Ask for a certificate now, whatever is due; `names` with blanks between. It is renewed from then on.
 * ERR_STATE: ACME is not set up. `is_new_account`: with a new key in place of the account's. */
FIBER int acme_request(struct acme *acme, struct span names, bool is_new_account,
	acme_step_fn *step, void *arg, struct err *e);
/** Look at the authority: is it there, does it take us? */
FIBER int acme_look(struct acme *acme, acme_step_fn *step, void *arg, struct err *e);

/** HTTP-01: what stands behind /.well-known/acme-challenge/TOKEN. False: nothing does. Any thread. */
bool acme_http_answer(struct acme *acme, struct span token, struct buf *out);

/** Is there an authority to ask? */
bool acme_is_on(const struct acme *acme);
