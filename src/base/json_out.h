#pragma once
/* A streaming JSON writer over a struct buf: commas and quoting are its business, structure is
 * checked with MUST. Strings that are not UTF-8 come out with U+FFFD for each bad byte.
 *
 *	struct json_out j;
 *	json_out_init(&j, &b);
 *	json_open_object(&j);
 *	json_key(&j, "uid"); json_u64(&j, 7);
 *	json_close(&j);
 */

#include "base/buf.h"

#define JSON_OUT_DEPTH 216 /* JMAP tells a structure of MIME_DEPTH_MAX levels, two here for each */

struct json_out {
	struct buf *buf;
	unsigned depth;
	char closer[JSON_OUT_DEPTH];
	uint64_t has_item[(JSON_OUT_DEPTH + 63) / 64]; /* bits */
	bool is_after_key;
};

void json_out_init(struct json_out *j, struct buf *b);
void json_open_object(struct json_out *j);
void json_open_array(struct json_out *j);
void json_close(struct json_out *j);
void json_key(struct json_out *j, const char *key);
void json_key_span(struct json_out *j, struct span key);
void json_span(struct json_out *j, struct span s);
void json_str(struct json_out *j, const char *s); /* NULL gives null */
void json_u64(struct json_out *j, uint64_t v);
void json_i64(struct json_out *j, int64_t v);
void json_double(struct json_out *j, double v);
void json_bool(struct json_out *j, bool v);
void json_null(struct json_out *j);
/** A value that is JSON already. */
void json_raw(struct json_out *j, struct span s);

/* key and value in one call */
void json_kv_span(struct json_out *j, const char *key, struct span s);
void json_kv_str(struct json_out *j, const char *key, const char *s);
void json_kv_u64(struct json_out *j, const char *key, uint64_t v);
void json_kv_i64(struct json_out *j, const char *key, int64_t v);
void json_kv_bool(struct json_out *j, const char *key, bool v);

/** The JSON string of `s` with its quotes. Controls (C0, DEL, C1) and U+2028, U+2029 are escaped, so
 * that the result is one line for every reader and harmless on a terminal. */
void json_quote(struct buf *b, struct span s);
