#pragma once
/* SMTP TLS reporting (RFC 8460): the record that says where a domain wants its reports, and the names
 * of what went well and wrong. Pure. */

#include "base/arena.h"
#include "base/err.h"

#define TLSRPT_TXT_MAX 4096
#define TLSRPT_RUA_MAX 8 /* further ones are not used */

/* Section 4.3, in its words; and what is no failure. */
#define TLSRPT_RESULTS(X)                                                                          \
	X(SUCCESS, "")                                                                             \
	X(STARTTLS_NOT_SUPPORTED, "starttls-not-supported")                                        \
	X(CERTIFICATE_HOST_MISMATCH, "certificate-host-mismatch")                                  \
	X(CERTIFICATE_EXPIRED, "certificate-expired")                                              \
	X(CERTIFICATE_NOT_TRUSTED, "certificate-not-trusted")                                      \
	X(VALIDATION_FAILURE, "validation-failure")                                                \
	X(TLSA_INVALID, "tlsa-invalid")                                                            \
	X(DNSSEC_INVALID, "dnssec-invalid")                                                        \
	X(DANE_REQUIRED, "dane-required")                                                          \
	X(STS_POLICY_FETCH_ERROR, "sts-policy-fetch-error")                                        \
	X(STS_POLICY_INVALID, "sts-policy-invalid")                                                \
	X(STS_WEBPKI_INVALID, "sts-webpki-invalid")
enum tlsrpt_result {
#define X(id, name) TLSRPT_##id,
	TLSRPT_RESULTS(X)
#undef X
		TLSRPT_RESULT_COUNT
};
const char *tlsrpt_result_str(enum tlsrpt_result r);

/* Section 4.2, "policy-type". */
#define TLSRPT_POLICIES(X)                                                                         \
	X(NO_POLICY, "no-policy-found")                                                            \
	X(STS, "sts")                                                                              \
	X(TLSA, "tlsa")
enum tlsrpt_policy {
#define X(id, name) TLSRPT_POLICY_##id,
	TLSRPT_POLICIES(X)
#undef X
		TLSRPT_POLICY_COUNT
};
const char *tlsrpt_policy_str(enum tlsrpt_policy p);

/** "v=TLSRPTv1" and no letter behind: others at the name do not count. */
bool tlsrpt_txt_claims(struct span text);
struct tlsrpt_record {
	size_t count;
	struct span rua[TLSRPT_RUA_MAX]; /* "mailto:..." or "https:...", within the text */
};
/** Section 3. Other schemes are passed over. ERR_SYNTAX: it is none, or has no address of use. */
int tlsrpt_txt_parse(struct span text, struct tlsrpt_record *record_r, struct err *e);
