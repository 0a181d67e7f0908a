#pragma once
/* Bodies as JMAP tells them (RFC 8621 section 4.1.4): EmailBodyPart, bodyStructure, the three lists, and the
 * decoded text of parts. Pure but for iconv: not on a loop's thread. */

#include "proto/mail/mime_bodies.h"
#include "services/jmapd/jmapd_email_header.h"

#define JMAP_BODY_VALUE_MAX (8u << 20)  /* octets of one value; longer ones are told as truncated */
#define JMAP_BODY_READ_MAX  (12u << 20) /* octets as they stand that are read for one */
#define JMAP_BODY_READ_MIN  (64u << 10)

/* Properties of EmailBodyPart: id, name, is it told unless said otherwise (section 4.2)? */
#define JMAP_PART_PROPERTIES(X)                                                                    \
	X(PART_ID, "partId", true)                                                                 \
	X(BLOB_ID, "blobId", true)                                                                 \
	X(SIZE, "size", true)                                                                      \
	X(HEADERS, "headers", false)                                                               \
	X(NAME, "name", true)                                                                      \
	X(TYPE, "type", true)                                                                      \
	X(CHARSET, "charset", true)                                                                \
	X(DISPOSITION, "disposition", true)                                                        \
	X(CID, "cid", true)                                                                        \
	X(LANGUAGE, "language", true)                                                              \
	X(LOCATION, "location", true)                                                              \
	X(SUB_PARTS, "subParts", false)                                                            \
	X(HEADER, "header:", false)
enum jmap_part_property_id {
#define X(id, name, is_default) JMAP_PART_##id,
	JMAP_PART_PROPERTIES(X)
#undef X
		JMAP_PART_PROPERTY_COUNT
};
struct jmap_part_property {
	enum jmap_part_property_id id;
	struct span said; /* as the client wrote it */
	struct jmap_header_want header;
};
struct jmap_part_want {
	struct jmap_part_property *list;
	size_t count;
	bool has_headers, has_sizes, has_sub_parts; /* some property needs them */
};
/** names NULL: the default ones. False: *bad_r is no property of a part. */
bool jmap_part_want_of(struct arena *a, const struct span *names, size_t count,
	struct jmap_part_want *w_r, struct span *bad_r);

/* Octets of a message that are at hand. */
struct jmap_piece {
	uint64_t offset;
	struct span octets;
};
/* A message to tell of. */
struct jmap_mail {
	struct mime_tree *tree;    /* jmap_mail_tidy() has seen it */
	struct jmap_piece *pieces; /* ascending */
	size_t piece_count;
	const uint64_t *sizes; /* decoded, by index (mime_layout_tree); NULL: all is at hand */
	struct jmap_headers headers; /* of the message, with the recipient's prefix */
	/* The blob of a part, a JSON string. */
	void (*put_blob)(struct json_out *j, const struct jmap_mail *m, const struct mime_part *p);
	/* whose blobs they are; for put_blob */
	uint64_t email_id;
	int64_t shift; /* of the message's first octet within the body as it is stored */
	struct span blob_id;
};

/** A whole message, as the facts are made of it (an mbox's "From " line may stand in front), and tidied. */
struct mime_tree *jmap_mail_parse(struct arena *a, struct span octets);
/** A multipart in which no part was found is read as text, as IMAP tells it (mime_imap.h). */
void jmap_mail_tidy(struct mime_tree *t);
/** The next part that is told of, in their order: not into messages that are attached. NULL at the end. */
const struct mime_part *jmap_part_next(const struct mime_part *p);
/** The header section of octets that begin a message. */
struct span jmap_mail_head(const struct jmap_mail *m, struct span octets);
/** [from, to) of the message, as far as it is at hand in one piece; else SPAN_NONE. */
struct span jmap_mail_octets(const struct jmap_mail *m, uint64_t from, uint64_t to);
/** How many octets it is once its transfer encoding is undone. */
uint64_t jmap_decoded_size(enum mime_encoding encoding, struct span octets);

void jmap_put_structure(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct jmap_part_want *w);
void jmap_put_parts(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part_list *parts, const struct jmap_part_want *w);

struct jmap_values_want {
	bool is_text, is_html, is_all;
	uint64_t max_octets; /* 0: none was told */
};
/** How many octets of a part, as they stand, are enough for its value. */
uint64_t jmap_value_read_max(const struct jmap_values_want *w);
/** Is the text of that part told? */
bool jmap_wants_value(const struct jmap_values_want *w, const struct mime_bodies *bodies,
	const struct mime_part *p);
/** {"1": {"value", "isEncodingProblem", "isTruncated"} …} */
void jmap_put_values(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_bodies *bodies, const struct jmap_values_want *w);

/** Where a text of more than `max` octets is cut: between characters, and not within a tag of HTML. */
size_t jmap_cut_text(struct span utf8, size_t max, bool is_html);
