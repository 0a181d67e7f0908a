#pragma once
/* DNS through libunbound: validating, asynchronous. One context on one thread of its own;
 * answers reach fibers as messages; each query has the caller's deadline and is cancelled then.
 *
 * Who asks must not trust what comes: names are checked (printable ASCII without dots inside a
 * label, or the record is dropped), lists are capped, and an answer all of whose records are
 * malformed is DNS_FAIL, never DNS_NODATA. */

#include "base/arena.h"
#include "run/fiber.h"
#include "net/addr.h"

struct dns;

struct dns_opts {
	const char *const *forwarders; /* "127.0.0.1@5353" or "127.0.0.1:5353"; none: root hints */
	size_t forwarder_count;
	const char *trust_anchor_file; /* NULL: Debian's root key when it is there */
	const char *hosts_file;        /* NULL: none is read */
	bool is_dnssec_off;
	const struct log *log;
};

/** Starts the thread and waits until it is set up: some milliseconds, files are read. Any thread
 * may ask it afterwards, from its fibers. */
struct dns *dns_new(const struct dns_opts *opts, struct err *e);
/** No query may be under way. */
void dns_free(struct dns **d);

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};

enum dns_status {
	DNS_OK,       /* at least one record */
	DNS_NODATA,   /* the name is there, the type is not */
	DNS_NXDOMAIN, /* the name is not there */
	DNS_FAIL,     /* no answer, SERVFAIL, deadline: temporary */
	DNS_BOGUS,    /* signatures do not fit: temporary, and to be told apart */
};

struct dns_rr {
	struct span data; /* raw RDATA */
	/* decoded by type: */
	uint16_t pref;    /* MX, SRV priority */
	struct span name; /* MX, CNAME, PTR, SRV target: text without the last dot; "" is root */
	struct addr addr; /* A, AAAA, port 0 */
	uint16_t weight, port; /* SRV */
	struct span text;      /* TXT: strings joined */
};

struct dns_answer {
	enum dns_status status;
	bool is_secure; /* validated by DNSSEC */
	uint32_t ttl;
	struct span canonical; /* after CNAMEs, "" when same */
	size_t count;          /* capped at DNS_RR_MAX */
	struct dns_rr *rr;
};

#define DNS_RR_MAX      100
#define DNS_NAME_MAX    253  /* octets of a name's text (RFC 1035 section 2.3.4) */
#define DNS_QUERIES_MAX 4096 /* waiting and under way, all loops together; more is ERR_BUSY */
#define DNS_RUNNING_MAX 1024 /* of them in libunbound's hands */

/** The answer lives in `a`. Trouble with DNS itself is a status, not an error; -1 only for
 * cancellation, a name that is none (ERR_SYNTAX) or a full queue (ERR_BUSY). */
FIBER int dns_query(struct dns *d, struct arena *a, struct span name, enum dns_type type,
	int64_t deadline_ns, struct dns_answer *answer_r, struct err *e);

/** Pure: decode RDATA of `type` (hostile bytes) into rr. false: malformed. */
bool dns_rr_decode(struct arena *a, enum dns_type type, struct span rdata, struct dns_rr *rr_r);
const char *dns_status_str(enum dns_status s);

/* A resolver that answers from a table in memory, for tests and loop_sim. */
struct dns_row {
	const char *name;
	enum dns_type type;
	/* A, AAAA: "192.0.2.1"; MX: "10 mx.example" ("0 ." is the null MX); CNAME, PTR: a name; SRV:
	 * "10 5 25 host.example"; TXT: the text; TLSA: hex. In their place: "!fail", "!bogus",
	 * "!nodata", "!nxdomain", or "!silent" (no answer before the deadline). */
	const char *value;
	bool is_secure;
};

#define DNS_TABLE_NS (2 * CLOCK_MS) /* what an answer takes */

/** `rows` is borrowed and may be changed between queries. A name without rows is not there. */
struct dns *dns_new_table(const struct dns_row *rows, size_t count);
