#pragma once
/* Reading JSON with jansson, behind names that do not clash with base/json_out.h. A document is
 * owned by whoever parsed it; what is taken out of it borrows from it. */

#include "base/buf.h"
#include "base/err.h"

struct json_in; /* a value of any kind */

#define JSON_IN_MAX   (1024 * 1024)            /* octets of one document */
#define JSON_IN_DEPTH 32                       /* jansson itself allows 2048 */
#define JSON_IN_INT   ((INT64_C(1) << 53) - 1) /* I-JSON (RFC 7493 section 2.2) */

/** NULL and ERR_SYNTAX when it is not one JSON object in UTF-8 without duplicate names. */
struct json_in *json_in_parse(struct span text, struct err *e);
/** Any value, of at most `max` octets and `depth` levels (both ERR_LIMIT); else ERR_SYNTAX unless it is I-JSON
 * (RFC 7493). Strings may hold NUL. It takes about a second for 100 MB: much of it belongs on a lane. */
struct json_in *json_in_parse_any(struct span text, size_t max, unsigned depth, struct err *e);
void json_in_free(struct json_in **doc);
/** How many values it has at most: two octets of text become some hundred of memory, so who takes much counts
 * before he parses. */
size_t json_in_values(struct span text);
/** Has it at most `max` levels? */
bool json_in_is_shallow(struct span text, unsigned max);

/* Making values: each is counted, who makes or refs one frees it; what is put into another one is counted
 * there by itself. What was parsed is not changed. */
struct json_in *json_in_ref(const struct json_in *v);
struct json_in *json_in_new_object(void);
struct json_in *json_in_new_array(void);
/** `name` replaced if it is there. */
void json_in_set(struct json_in *object, const char *name, const struct json_in *v);
void json_in_remove(struct json_in *object, const char *name);
void json_in_add(struct json_in *array, const struct json_in *v);
/** The same value; the order of members does not count. */
bool json_in_is_same(const struct json_in *a, const struct json_in *b);
/** How many members or elements. */
size_t json_in_size(const struct json_in *v);

/** A member, or NULL. NULL objects have no members. */
const struct json_in *json_in_get(const struct json_in *object, const char *name);
bool json_in_is_text(const struct json_in *v);
bool json_in_is_object(const struct json_in *v);
bool json_in_is_array(const struct json_in *v);
bool json_in_is_null(const struct json_in *v); /* null itself; a member that is missing is none */
bool json_in_is_bool(const struct json_in *v);
/** A number without a fraction. */
bool json_in_is_int(const struct json_in *v);
/** The value itself; false and 0 when it is of another kind. */
bool json_in_truth(const struct json_in *v);
int64_t json_in_int(const struct json_in *v);
/** The value, or an empty / zero / false one when it is missing or of another kind. */
struct span json_in_text(const struct json_in *object, const char *name);
bool json_in_u64(const struct json_in *object, const char *name, uint64_t *n_r);
bool json_in_bool(const struct json_in *object, const char *name);
size_t json_in_count(const struct json_in *array);
const struct json_in *json_in_at(const struct json_in *array, size_t i);
struct span json_in_span(const struct json_in *text);
/** Walk an object in the order it was written: start with *at = NULL; false at the end. */
bool json_in_next(const struct json_in *object, void **at, const char **name_r,
	const struct json_in **value_r);

/** As a line for people: texts without quotes, numbers, yes/no, lists with commas. */
void json_in_put_plain(struct buf *b, const struct json_in *v);
/** As JSON on one line. */
void json_in_put(struct buf *b, const struct json_in *v);
