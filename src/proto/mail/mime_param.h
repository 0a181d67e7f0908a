#pragma once
/* Content-Type, Content-Disposition and their parameters (RFC 2045 section 5.1, RFC 2183), with
 * the continuations, character sets and languages of RFC 2231. Pure; linear in the field but for
 * the number of parameters, which is capped. */

#include "base/arena.h"
#include "proto/mail/mime_defect.h"

#define MIME_FIELD_PARAMS_MAX 200 /* of one field; what comes behind is not read */

struct mime_param {
	struct span name; /* lower case, without '*' */
	/* The value: UTF-8 or octets in `charset`; quotes and RFC 2231 are undone, see
	 * mime_param_text() for what people read. */
	struct span value;
	struct span charset, language; /* RFC 2231 section 4; "" when not told */
};

/* A parameter as it stands, which is what BODYSTRUCTURE tells: only quoting is undone. */
struct mime_raw_param {
	struct span name, value;
};

struct mime_value {
	struct span type;    /* lower case */
	struct span subtype; /* lower case, "" in a disposition */
	struct mime_raw_param *raw;
	size_t raw_count;
	struct mime_param *params;
	size_t param_count;
	uint64_t defects;
};

/** A Content-Type's raw value; at most `params_max` parameters are read. When the type cannot be
 * made out, type and subtype are "" (RFC 2045 section 5.2: text/plain then). Lives in `a`. */
void mime_type_parse(struct arena *a, struct span value, size_t params_max, struct mime_value *v_r);
/** The same for a Content-Disposition. */
void mime_disposition_parse(
	struct arena *a, struct span value, size_t params_max, struct mime_value *v_r);
/** The one token that a field such as Content-Transfer-Encoding has, lower case; *is_clean_r tells
 * whether there was nothing else (but comments). */
struct span mime_token_parse(struct arena *a, struct span value, bool *is_clean_r);

/** The parameter of that name (given in lower case), or NULL. */
const struct mime_param *mime_value_param(const struct mime_value *v, struct span name);
/** What a person reads: UTF-8, whatever way the sender wrote it (RFC 2231, an encoded word where
 * none may be, bare octets). May use iconv: not on a loop's thread. Defects are added. */
struct span mime_param_text(struct arena *a, const struct mime_param *p, uint64_t *defects);
