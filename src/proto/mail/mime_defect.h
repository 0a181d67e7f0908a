#pragma once
/* What can be wrong with a message. A defect is recorded, never fatal: reading goes on in the way
 * most readers do. A defect marked ambiguous is one where readers in the field are known to
 * disagree about what the message says (who it is from, where a part ends, what a file is called):
 * a strict reader refuses it, a filter should not trust what it saw. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/* id, name, do readers disagree? */
#define MIME_DEFECTS_HEADER(X)                                                                     \
	X(NO_SEPARATOR, "text-between-header-and-body", true)                                      \
	X(HEADER_TOO_LONG, "header-too-long", true)                                                \
	X(FIELD_CUT, "field-too-long", true)                                                       \
	X(FIELD_BLANK_NAME, "blank-before-colon", true)                                            \
	X(FIELD_NUL, "nul-in-header", true)                                                        \
	X(FIELD_BARE_CR, "bare-cr-in-header", true)                                                \
	X(FIELD_8BIT, "8-bit-header-not-utf-8", true)                                              \
	X(FIELD_DUPLICATE, "duplicate-field", true)                                                \
	X(FROM_MISSING, "no-from", false)                                                          \
	X(FROM_DUPLICATE, "two-from-fields", true)                                                 \
	X(FROM_MANY, "several-from-addresses", true)                                               \
	X(FROM_BAD, "from-is-no-address", true)                                                    \
	X(DATE_MISSING, "no-date", false)                                                          \
	X(DATE_BAD, "date-is-no-date", false)                                                      \
	X(ADDRESS_OBSOLETE, "obsolete-address-syntax", false)                                      \
	X(ADDRESS_BAD, "address-is-malformed", true)                                               \
	X(ADDRESS_TOO_MANY, "too-many-addresses", true)                                            \
	X(COMMENT_OPEN, "comment-not-closed", true)                                                \
	X(QUOTE_OPEN, "quoted-string-not-closed", true)                                            \
	X(MESSAGE_ID_BAD, "message-id-is-malformed", false)

#define MIME_DEFECTS_MIME(X)                                                                       \
	X(NO_VERSION, "no-mime-version", false)                                                    \
	X(VERSION_BAD, "mime-version-is-not-1.0", false)                                           \
	X(TYPE_BAD, "content-type-is-malformed", true)                                             \
	X(TYPE_DUPLICATE, "duplicate-content-type", true)                                          \
	X(DISPOSITION_BAD, "content-disposition-is-malformed", true)                               \
	X(PARAM_BAD, "parameter-is-malformed", true)                                               \
	X(PARAM_UNQUOTED, "parameter-should-be-quoted", false)                                     \
	X(PARAM_DUPLICATE, "duplicate-parameter", true)                                            \
	X(PARAM_GAP, "parameter-continuation-has-gaps", true)                                      \
	X(PARAM_TWO_FORMS, "parameter-in-two-forms", false)                                        \
	X(PARAM_TOO_MANY, "too-many-parameters", true)                                             \
	X(PARAM_WORD, "encoded-word-in-parameter", false)                                          \
	X(NAMES_DIFFER, "name-and-filename-differ", true)                                          \
	X(ENCODING_UNKNOWN, "unknown-transfer-encoding", true)                                     \
	X(ENCODING_DUPLICATE, "duplicate-transfer-encoding", true)                                 \
	X(ENCODING_COMPOSITE, "encoded-multipart-or-message", true)                                \
	X(ENCODING_8BIT, "8-bit-in-7bit-part", false)                                              \
	X(BOUNDARY_MISSING, "multipart-without-boundary", true)                                    \
	X(BOUNDARY_BAD, "boundary-has-forbidden-octets", true)                                     \
	X(BOUNDARY_LONG, "boundary-too-long", true)                                                \
	X(BOUNDARY_NESTED, "boundary-begins-with-an-outer-one", true)                              \
	X(BOUNDARY_TAIL, "text-behind-boundary", true)                                             \
	X(BOUNDARY_AGAIN, "boundary-behind-the-last", true)                                        \
	X(START_MISSING, "first-boundary-not-found", true)                                         \
	X(CLOSE_MISSING, "last-boundary-not-found", true)                                          \
	X(BODY_NUL, "nul-in-body", true)                                                           \
	X(BARE_CR, "bare-cr", true)                                                                \
	X(MIXED_LINE_ENDS, "mixed-line-ends", true)                                                \
	X(PARTS_TOO_MANY, "too-many-parts", true)                                                  \
	X(TOO_DEEP, "nested-too-deeply", true)

#define MIME_DEFECTS_CODING(X)                                                                     \
	X(BASE64_CHARACTER, "base64-foreign-character", true)                                      \
	X(BASE64_PADDING, "base64-padding-missing", false)                                         \
	X(BASE64_LENGTH, "base64-one-character-over", true)                                        \
	X(BASE64_AFTER_END, "base64-data-behind-padding", true)                                    \
	X(QP_ESCAPE, "quoted-printable-bad-escape", true)                                          \
	X(QP_8BIT, "quoted-printable-8-bit", false)                                                \
	X(CHARSET_UNKNOWN, "unknown-charset", true)                                                \
	X(CHARSET_BAD, "octets-not-in-charset", false)

#define MIME_DEFECTS(X) MIME_DEFECTS_HEADER(X) MIME_DEFECTS_MIME(X) MIME_DEFECTS_CODING(X)

enum mime_defect {
#define X(id, name, is_ambiguous) MIME_##id,
	MIME_DEFECTS(X)
#undef X
		MIME_DEFECT_COUNT
};

/* A set of defects: bit d is 1 << d (mime_bit). */
typedef char mime_defects_fit_a_set[MIME_DEFECT_COUNT <= 64 ? 1 : -1];

static inline uint64_t mime_bit(enum mime_defect d)
{
	return (uint64_t)1 << (unsigned)d;
}

/** "two-from-fields" … */
const char *mime_defect_str(enum mime_defect d);
bool mime_defect_is_ambiguous(enum mime_defect d);
/** The defects of a set about which readers disagree. */
uint64_t mime_defects_ambiguous(uint64_t set);
