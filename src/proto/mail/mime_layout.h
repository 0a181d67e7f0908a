#pragma once
/* The layout of a message's parts, packed: what BODY[1.2.MIME], BINARY and JMAP need to find and
 * decode a part, without parsing the message again. Written once from a tree, read in place: a part
 * is found by its index or section number in a few steps, nothing is unpacked. Numbers are little
 * endian. Offsets count from the body's first octet, as the parser was fed. Pure. */

#include "base/buf.h"
#include "proto/mail/mime_parse.h"

#define MIME_LAYOUT_VERSION    1
#define MIME_LAYOUT_STRING_MAX 1000      /* octets of one text that are kept */
#define MIME_LAYOUT_MAX        (8 << 20) /* octets of a packed layout */

/* Texts of a part: id, what. In lower case: type, subtype, charset, disposition, encoding. */
#define MIME_LAYOUT_STRINGS(X)                                                                     \
	X(TYPE, "type")                                                                            \
	X(SUBTYPE, "subtype")                                                                      \
	X(CHARSET, "charset")         /* "" where none is told */                                  \
	X(NAME, "file name")          /* as people read it, UTF-8 */                               \
	X(DISPOSITION, "disposition") /* "" none */                                                \
	X(ENCODING, "encoding")                                                                    \
	X(ID, "Content-ID")                                                                        \
	X(LANGUAGE, "Content-Language")                                                            \
	X(LOCATION, "Content-Location")
enum mime_layout_string {
#define X(id, what) MIME_LAYOUT_##id,
	MIME_LAYOUT_STRINGS(X)
#undef X
		MIME_LAYOUT_STRING_COUNT
};

enum mime_layout_flag { /* of a part */
	MIME_LAYOUT_8BIT = 1,
	MIME_LAYOUT_NUL = 2,
	MIME_LAYOUT_FLOWED = 4, /* format=flowed (RFC 3676) */
	MIME_LAYOUT_DELSP = 8,
	MIME_LAYOUT_HAS_TYPE = 16 /* a Content-Type field is there */
};

enum mime_layout_tree_flag { MIME_LAYOUT_AMBIGUOUS = 1, MIME_LAYOUT_CRLF = 2 };

#define MIME_LAYOUT_NONE UINT32_MAX /* no such part */

struct mime_layout {
	struct span packed; /* borrowed */
	uint32_t count;
	unsigned flags; /* enum mime_layout_tree_flag */
};

struct mime_layout_part {
	uint32_t index, parent, next, first; /* MIME_LAYOUT_NONE: none */
	uint32_t number, depth;
	enum mime_kind kind;
	enum mime_encoding encoding;
	unsigned flags;
	uint64_t header_offset, body_offset, end_offset;
	uint64_t header_lines, body_lines;
	struct span strings[MIME_LAYOUT_STRING_COUNT]; /* point into the packed octets */
};

/** Append the layout (buf_ok tells whether it fitted). May use iconv (file names).
 * `a` is for the work. */
void mime_layout_put(struct buf *b, struct arena *a, const struct mime_tree *t);
/** Look at packed octets: false when they are not whole, or of another version. */
bool mime_layout_open(struct span packed, struct mime_layout *l_r);
/** index < count; 0 is the message itself, parts follow in the order of the message. */
void mime_layout_part(const struct mime_layout *l, uint32_t index, struct mime_layout_part *p_r);
/** The part of a section number, as mime_part_at(): false when there is none. */
bool mime_layout_at(const struct mime_layout *l, const unsigned *numbers, size_t count,
	struct mime_layout_part *p_r);

/** The tree of a layout, as far as it tells: enough for mime_bodies(), mime_text_new() and
 * mime_part_filename(). Fields are those of MIME_LAYOUT_STRINGS; parts stand in one array in the order
 * of the message, so that `part - tree->root` is a part's index. Lives in `a` and borrows from `l`. */
struct mime_tree *mime_layout_tree(struct arena *a, const struct mime_layout *l);
