#pragma once
/* The capabilities of IMAP that there are here: one table. What is offered, what ENABLE takes and what
 * a command belongs to are sets of these bits, so that what is switched off is neither advertised nor
 * honoured. Pure. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* Where one is shown: IMAP_SHOW_EARLY before a login too, LATE behind it only, CLEAR only before a
 * login, NEVER by itself (RFC 9051 takes it for granted, or it is a part of another). Honoured it is
 * wherever its bit is set.
 * id, name, RFC, shown, can be enabled (RFC 5161) */
#define IMAP_CAPABILITIES(X)                                                                       \
	X(IMAP4REV2, "IMAP4rev2", 9051, EARLY, true)                                               \
	X(IMAP4REV1, "IMAP4rev1", 3501, EARLY, false)                                              \
	X(STARTTLS, "STARTTLS", 9051, CLEAR, false)                                                \
	X(LOGINDISABLED, "LOGINDISABLED", 9051, CLEAR, false)                                      \
	X(SASL_IR, "SASL-IR", 4959, EARLY, false)                                                  \
	X(LITERAL_PLUS, "LITERAL+", 7888, EARLY, false)                                            \
	X(LITERAL_MINUS, "LITERAL-", 7888, EARLY, false)                                           \
	X(ENABLE, "ENABLE", 5161, EARLY, false)                                                    \
	X(ID, "ID", 2971, EARLY, false)                                                            \
	X(IDLE, "IDLE", 2177, EARLY, false)                                                        \
	X(NAMESPACE, "NAMESPACE", 2342, LATE, false)                                               \
	X(UIDPLUS, "UIDPLUS", 4315, LATE, false)                                                   \
	X(MOVE, "MOVE", 6851, LATE, false)                                                         \
	X(UNSELECT, "UNSELECT", 3691, LATE, false)                                                 \
	X(CHILDREN, "CHILDREN", 3348, LATE, false)                                                 \
	X(LIST_EXTENDED, "LIST-EXTENDED", 5258, LATE, false)                                       \
	X(LIST_STATUS, "LIST-STATUS", 5819, LATE, false)                                           \
	X(LIST_MYRIGHTS, "LIST-MYRIGHTS", 8440, LATE, false)                                       \
	X(LIST_METADATA, "LIST-METADATA", 9590, LATE, false)                                       \
	X(SPECIAL_USE, "SPECIAL-USE", 6154, LATE, false)                                           \
	X(CREATE_SPECIAL_USE, "CREATE-SPECIAL-USE", 6154, LATE, false)                             \
	X(STATUS_SIZE, "STATUS=SIZE", 8438, LATE, false)                                           \
	X(CONDSTORE, "CONDSTORE", 7162, LATE, true)                                                \
	X(QRESYNC, "QRESYNC", 7162, LATE, true)                                                    \
	X(ESEARCH, "ESEARCH", 4731, LATE, false)                                                   \
	X(SEARCHRES, "SEARCHRES", 5182, LATE, false)                                               \
	X(WITHIN, "WITHIN", 5032, LATE, false)                                                     \
	X(SEARCH_FUZZY, "SEARCH=FUZZY", 6203, LATE, false)                                         \
	X(MULTISEARCH, "MULTISEARCH", 7377, LATE, false)                                           \
	X(SORT, "SORT", 5256, LATE, false)                                                         \
	X(SORT_DISPLAY, "SORT=DISPLAY", 5957, LATE, false)                                         \
	X(ESORT, "ESORT", 5267, LATE, false)                                                       \
	X(THREAD_ORDEREDSUBJECT, "THREAD=ORDEREDSUBJECT", 5256, LATE, false)                       \
	X(THREAD_REFERENCES, "THREAD=REFERENCES", 5256, LATE, false)                               \
	X(PARTIAL, "PARTIAL", 9394, LATE, false)                                                   \
	X(I18NLEVEL_1, "I18NLEVEL=1", 5255, LATE, false)                                           \
	X(MULTIAPPEND, "MULTIAPPEND", 3502, LATE, false)                                           \
	X(APPENDLIMIT, "APPENDLIMIT", 7889, LATE, false) /* with a value */                        \
	X(BINARY, "BINARY", 3516, LATE, false)                                                     \
	X(CATENATE, "CATENATE", 4469, LATE, false)                                                 \
	X(REPLACE, "REPLACE", 8508, LATE, false)                                                   \
	X(QUOTA, "QUOTA", 9208, LATE, false)                                                       \
	X(QUOTA_RES_STORAGE, "QUOTA=RES-STORAGE", 9208, LATE, false)                               \
	X(QUOTA_RES_MESSAGE, "QUOTA=RES-MESSAGE", 9208, LATE, false)                               \
	X(QUOTASET, "QUOTASET", 9208, LATE, false)                                                 \
	X(ACL, "ACL", 4314, LATE, false)                                                           \
	X(RIGHTS_TEKX, "RIGHTS=tekx", 4314, LATE, false)                                           \
	X(METADATA, "METADATA", 5464, LATE, true)                                                  \
	X(METADATA_SERVER, "METADATA-SERVER", 5464, LATE, true)                                    \
	X(OBJECTID, "OBJECTID", 8474, LATE, false)                                                 \
	X(SAVEDATE, "SAVEDATE", 8514, LATE, false)                                                 \
	X(PREVIEW, "PREVIEW", 8970, LATE, false)                                                   \
	X(UTF8_ACCEPT, "UTF8=ACCEPT", 9755, LATE, true)                                            \
	X(NOTIFY, "NOTIFY", 5465, LATE, false)                                                     \
	X(UNAUTHENTICATE, "UNAUTHENTICATE", 8437, LATE, false)                                     \
	X(COMPRESS_DEFLATE, "COMPRESS=DEFLATE", 4978, LATE, false)                                 \
	X(INPROGRESS, "INPROGRESS", 9585, LATE, false)                                             \
	X(MESSAGELIMIT, "MESSAGELIMIT", 9738, LATE, false) /* with a value */                      \
	X(JMAPACCESS, "JMAPACCESS", 9698, LATE, false)                                             \
	X(UIDONLY, "UIDONLY", 9586, LATE, true)

enum imap_cap {
#define X(id, name, rfc, shown, is_enable) IMAP_CAP_##id,
	IMAP_CAPABILITIES(X)
#undef X
		IMAP_CAP_COUNT
};
_Static_assert(IMAP_CAP_COUNT <= 64, "a set of capabilities is a uint64_t");

/** A set: IMAP_BIT(IDLE) | IMAP_BIT(MOVE). */
#define IMAP_BIT(id) (UINT64_C(1) << IMAP_CAP_##id)
#define IMAP_BITS_ALL                                                                              \
	(IMAP_CAP_COUNT == 64 ? UINT64_MAX : (UINT64_C(1) << (IMAP_CAP_COUNT & 63)) - 1)

enum imap_show { IMAP_SHOW_EARLY, IMAP_SHOW_LATE, IMAP_SHOW_CLEAR };

struct imap_cap_row {
	const char *name;
	unsigned rfc;
	enum imap_show shown;
	bool is_enable;
};

const struct imap_cap_row *imap_cap_row(enum imap_cap cap);
/** By name, without case; -1: there is none of that name. */
int imap_cap_find(struct span name);
/** Capabilities that make no sense without others are taken out, until all that is left holds together
 * (QRESYNC wants CONDSTORE and ENABLE; ESORT wants SORT and ESEARCH …). */
uint64_t imap_caps_close(uint64_t caps);
/** Append the names of the bits shown in that situation, a blank before each. Values (APPENDLIMIT;
 * 0: the name alone; MESSAGELIMIT; 0: not at all) are put in. LITERAL- is left out beside LITERAL+ (RFC 7888). */
struct imap_cap_values {
	uint64_t append_limit, message_limit;
};
void imap_caps_put(
	struct buf *b, uint64_t caps, bool is_logged_in, const struct imap_cap_values *values);
