#pragma once
/* A message from what a client describes (RFC 8621 section 4.6): header fields by name and form, a tree of
 * parts whose octets are texts of the request or blobs. Read and checked first (pure), then its blobs are
 * looked up, then it is written into a stage. All of it lives in one arena.
 *
 *	if (!jmap_make_read(&m, object, why_r))
 *		return 0;	// a SetError
 *	if (jmap_make_look(c, account, &m, why_r, e) < 0 || why_r->type)
 *		return …;
 *	jmap_make_write(&m, &settings, stage, e);
 */

#include "proto/mail/mime_codec.h"
#include "store/stage.h"
#include "services/jmapd/jmapd_priv.h"

#define JMAP_MAKE_PARTS  1000
#define JMAP_MAKE_FIELDS 1000
#define JMAP_MAKE_HEADER (256 * 1024)  /* octets of the fields of a part */
#define JMAP_MAKE_SURVEY (1024 * 1024) /* a blob of text that is larger is not looked through */

struct jmap_make_fields { /* header fields, as they will stand */
	struct arena *a;
	struct buf *text;
	struct span *names; /* each once, in lower case */
	size_t count;
};
void jmap_make_fields_init(struct jmap_make_fields *f, struct arena *a);
bool jmap_make_fields_have(const struct jmap_make_fields *f, struct span name);
enum jmap_make_field {
	JMAP_FIELD_NONE, /* the property is no header field */
	JMAP_FIELD_PUT,
	JMAP_FIELD_BAD
};
/** "from", "header:X-Foo:asText:all" …, with its value; `is_part`: of an EmailBodyPart. */
enum jmap_make_field jmap_make_field(struct jmap_make_fields *f, const char *property,
	const struct json_in *value, bool is_part);

enum jmap_make_kind { JMAP_PART_TEXT, JMAP_PART_BLOB, JMAP_PART_MULTI };
struct jmap_make_part {
	struct jmap_make_part *next, *first, *last;
	enum jmap_make_kind kind;
	struct span type; /* "text/plain", in lower case */
	struct span charset, disposition, name, cid, language, location;
	struct jmap_make_fields fields;
	struct span text, blob_id;
	/* decided by jmap_make_look */
	struct jmap_blob blob;
	enum mime_encoding encoding;
	struct span boundary;
};
struct jmap_make {
	struct arena *a;
	uint64_t max;    /* octets of the message */
	uint64_t octets; /* that it has at least */
	struct jmap_make_fields fields;
	struct jmap_make_part *root; /* NULL: no body */
	size_t parts;
	/* what stands beside the message */
	const struct json_in *mailbox_ids, *keywords;
	int64_t received_ns; /* 0: now */
};
/** m->a and m->max are given. False: *why_r. Pure. */
bool jmap_make_read(struct jmap_make *m, const struct json_in *email, struct jmap_set_error *why_r);
/** Blobs of the account (blobNotFound), how each part travels, and whether it can be as small as it must (tooLarge). */
FIBER int jmap_make_look(struct jmap_call *c, const struct jmap_account *account,
	struct jmap_make *m, struct jmap_set_error *why_r, struct err *e);
struct jmap_make_settings {
	int64_t wall_ns;
	uint64_t id, random;
	struct span host;
};
/** More than m->max octets: ERR_LIMIT. */
FIBER int jmap_make_write(struct jmap_make *m, const struct jmap_make_settings *s,
	struct stage *stage, struct err *e);
void jmap_make_too_large(
	struct jmap_call *c, const struct jmap_make *m, struct jmap_set_error *why_r);
