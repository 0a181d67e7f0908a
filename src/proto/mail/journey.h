#pragma once
/* The way of a message by its own header: what each station wrote, oldest first, and what is odd about
 * it. Everything below the first field that no trusted station wrote is a claim of whoever sent it.
 * Pure; nothing yields. */

#include "base/json_out.h"
#include "proto/mail/received.h"

#define JOURNEY_HOPS_MAX  1000 /* Received fields that are looked at; the newest */
#define JOURNEY_HOPS_MANY 100  /* RFC 5321 section 6.3: more is a loop */
#define JOURNEY_LIST_MAX  100  /* fields of another kind, and results of one */
#define JOURNEY_NOISE_SEC 5    /* clocks differ by so much without being wrong */

/* id, name */
#define JOURNEY_REMARKS(X)                                                                         \
	X(NEGATIVE, "negative-delay")    /* earlier than the station before */                     \
	X(CLOCK, "clock-wrong")          /* its time fits none of the others' */                   \
	X(FUTURE, "future")              /* later than now */                                      \
	X(UNDATED, "no-date")            /* no date, or one that cannot be read */                 \
	X(LOOP, "loop")                  /* was here for the same recipient */                     \
	X(BREAK, "chain-break")          /* "from" is not the "by" of the station before */        \
	X(PRIVATE, "private-address")    /* a private address between two sites */                 \
	X(NAME, "name-mismatch")         /* its name is not that of its address */                 \
	X(NO_NAME, "no-reverse-name")    /* its address has no name */                             \
	X(DOUBTFUL, "may-be-forged")     /* said by the station itself */                          \
	X(CLEAR_LOGIN, "login-in-clear") /* logged in without TLS, as far as told */
enum journey_remark {
#define X(id, name) JOURNEY_##id,
	JOURNEY_REMARKS(X)
#undef X
		JOURNEY_REMARK_COUNT
};
const char *journey_remark_name(enum journey_remark remark);

struct journey_hop {
	struct received r;
	size_t place;    /* in the header: 0 is the topmost Received field */
	bool is_local;   /* within one host: nothing crossed a network */
	bool is_trusted; /* written by a station that is trusted */
	bool has_delay;
	bool is_since_written; /* the delay counts from the Date field */
	int64_t delay_sec;     /* since the last station whose clock fits; never negative */
	int64_t raw_sec;       /* by the clocks as they are, since the last dated one */
	int64_t skew_sec;      /* CLOCK: by so much ahead (or behind) at least */
	size_t loop_with;      /* LOOP: the earlier hop */
	uint64_t remarks;      /* bits: 1 << enum journey_remark */
};

/* "dkim=pass (reason) header.d=example.org" */
struct journey_verdict {
	struct span method, result;
	struct span detail; /* the property that names the subject: domain, address */
	struct span reason;
};
/* An Authentication-Results field (RFC 8601), or a Received-SPF (RFC 7208 section 9.1). */
struct journey_auth {
	struct span server;
	bool is_spf;     /* Received-SPF */
	bool is_trusted; /* stands above all claims, and its server is one of the trusted stations */
	const struct journey_verdict *items;
	size_t count;
};
struct journey_signature { /* DKIM-Signature, not verified here */
	struct span domain, selector, algorithm;
};

struct journey_options {
	int64_t now_sec; /* 0: nothing lies in the future */
	/* Names ("mx.example.net", "example.net" with all below it) and networks whose stations are
	 * trusted, besides that which wrote the topmost field. */
	const struct span *trust;
	size_t trust_count;
};

struct journey {
	struct journey_hop *hops; /* oldest first */
	size_t hop_count;
	size_t hops_left_out; /* older than JOURNEY_HOPS_MAX */
	size_t claims;        /* the first so many hops are claims */
	size_t fields;
	bool is_cut;                   /* the header is longer than is read (MAIL_HEADER_MAX) */
	struct span from, to, subject; /* decoded */
	struct span message_id, return_path, original_to;
	struct span delivered_to[JOURNEY_LIST_MAX];
	size_t delivered_count;
	struct span delivered_twice; /* "": none: an address with stations between */
	struct span date_text;
	bool has_date;
	struct mime_date date;
	struct journey_auth auth[JOURNEY_LIST_MAX];
	size_t auth_count;
	struct journey_signature signatures[JOURNEY_LIST_MAX];
	size_t signature_count;
	size_t x_received, arc_seals, arc_results, arc_signatures;
	/* sums */
	bool has_total;
	int64_t total_sec; /* from the first to the last station whose clocks fit */
	size_t slowest;    /* hop_count: none */
	size_t network, with_tls, without_tls; /* hops; of the rest it is not known */
	bool is_loop;
};

/** Read the header of a message (octets may end behind it). What is pointed at lives in `a`. False:
 * there is no header field at all. */
bool journey_read(struct arena *a, struct span message, const struct journey_options *options,
	struct journey *j_r);
/** A remark as a sentence in ASCII (names from the message as they are). */
void journey_remark_put(struct buf *b, const struct journey *j, size_t hop, enum journey_remark r);
/** "4 min 12 s", "2 h 5 min", "3 d 4 h" */
void journey_duration_put(struct buf *b, int64_t sec);
/** "6 hops, 4 min 12 s, all but 1 with TLS, slowest: mx.example.net (3 min 50 s)" */
void journey_summary_put(struct buf *b, const struct journey *j);
/** All of it as members of an open JSON object; what is not known is left out. */
void journey_json_put(struct json_out *out, const struct journey *j);
/** Do two host names belong to one site (the same registered domain, as far as names tell)? */
bool journey_same_site(struct span a, struct span b);

static inline bool journey_has(const struct journey_hop *h, enum journey_remark r)
{
	return (h->remarks >> r & 1) != 0;
}
