#pragma once
/* libyizhan: Received fields and the way of a message. A part of yizhan.h, which includes it. */

#include "yizhan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a Received field says (RFC 5321 section 4.4), clauses and comments alike, as far as it can be
 * made out; NULL: it does not say. */
enum yz_told { YZ_NOT_TOLD, YZ_TOLD_NO, YZ_TOLD_YES };
struct yz_received {
	const char *by, *by_address;
	const char *software;           /* "Postfix" */
	const char *from;               /* the words behind "from" */
	const char *helo;               /* what the peer called itself */
	const char *reverse_name;       /* what its address resolved to */
	const char *address;            /* "192.0.2.1", "2001:db8::1" */
	const char *via, *with, *id;    /* as written */
	const char *recipient, *sender; /* of the envelope */
	const char *login;              /* who logged in, or the local user */
	const char *kind;               /* "smtp", "lmtp", "http", "local"; "" when not told */
	enum yz_told tls;               /* by RFC 3848's letters, or by what comments say */
	const char *tls_version;        /* "TLSv1.3" however it was written */
	const char *tls_cipher;
	unsigned tls_bits;
	bool is_auth, is_utf8, has_date;
	struct yz_date date;
	const char *date_text;
	const char *const *defects; /* "date-bad", …; NULL behind the last */
};
/** The value of a Received field, folds and all. Never NULL: what cannot be read is in `defects`. Any
 * thread; free it with yz_received_free(). */
YZ_API struct yz_received *yz_received_parse(const char *value, size_t n);
YZ_API void yz_received_free(struct yz_received **r);

struct yz_hop {
	struct yz_received received;
	bool is_local;   /* within one host */
	bool is_trusted; /* written by a station that is trusted */
	bool has_delay;
	int64_t delay_sec; /* since the station before whose clock fits; never negative. The first
			    * one's counts from the Date field */
	int64_t raw_sec;   /* by the clocks as they are: may be negative */
	int64_t skew_sec;  /* not 0: its clock is so far ahead (behind) of the others at least */
	const char *const *remarks; /* "loop", "chain-break", …; NULL behind the last */
	const char *const *texts;   /* a sentence for each */
};
/* One result of an Authentication-Results (RFC 8601) or Received-SPF field. */
struct yz_check {
	const char *server, *method, *result; /* "mx.example.net", "dkim", "pass" */
	const char *subject, *reason;         /* domain or address; "" when not told */
	bool is_trusted;                      /* false: a claim */
};
struct yz_journey {
	const struct yz_hop *hops; /* oldest first */
	size_t hop_count, hops_left_out;
	size_t claims; /* the first so many hops are what the sender claims */
	const struct yz_check *checks;
	size_t check_count;
	bool is_loop, has_total;
	int64_t total_sec;
	size_t network, with_tls; /* hops over a network, and those of them with TLS */
	const char *summary;      /* "3 hops, 12 s, all with TLS, slowest: mx.example.net (9 s)" */
};
struct yz_journey_options {
	size_t size;
	int64_t now; /* seconds since 1970; 0: nothing lies in the future */
	const char *const
		*trust; /* hosts (with all below them), addresses, networks; NULL behind the
				   * last. Who wrote the topmost field is trusted anyway */
};
/** The way of a message by its header (the body need not be there). NULL: it has no header field. Any
 * thread; free it with yz_journey_free(). */
YZ_API struct yz_journey *yz_journey_new(
	const void *octets, size_t n, const struct yz_journey_options *options);
YZ_API void yz_journey_free(struct yz_journey **j);

#ifdef __cplusplus
}
#endif
