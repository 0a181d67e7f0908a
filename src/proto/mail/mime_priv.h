#pragma once
/* The parser's insides, for the files of this room. */

#include "proto/mail/mime_parse.h"

/* What the scanner counted since the message began. */
struct mime_counts {
	uint64_t lf, crlf, cr, nul;
	uint64_t high; /* octets above 127 */
	char last;     /* the octet before */
};
void mime_count(struct mime_counts *c, struct span octets);

/* A container whose boundaries are looked for. */
struct mime_level {
	struct mime_part *part;
	bool is_closed; /* its last boundary was seen */
};

struct mime_parser {
	struct arena *a;
	struct mime_limits limits;
	struct mime_tree *tree;
	struct mime_part *part; /* where octets go */
	enum mime_section {
		SECTION_HEADER,
		SECTION_BODY, /* or preamble, or epilogue: nobody looks inside */
	} section;
	struct mail_header header;
	bool is_header_open; /* `header` was initialised and not finished */
	bool allows_from_line, is_in_from_line;

	struct mime_level *levels; /* multiparts only, outermost first */
	size_t level_count;
	uint32_t *hashes; /* of their boundaries */
	uint64_t at;      /* octets given to sections */
	bool is_line_start;
	unsigned line_end; /* octets of the line end in front of the current line: 0, 1, 2 */
	struct buf line;   /* one that may be a boundary */

	struct mime_counts counts, at_header, at_line; /* now; where header and line began */
	struct mime_counts *body_counts;               /* at the body of the part of each depth */
	struct mime_field *fields;                     /* of the header under way */
	size_t field_count, field_room;
	size_t params, total_fields, header_octets; /* spent */
};

void mime_note(struct mime_parser *p, struct mime_part *part, enum mime_defect d, uint64_t at);
/** Record each defect of a set. */
void mime_note_set(struct mime_parser *p, struct mime_part *part, uint64_t set, uint64_t at);
/** The header section of `part` is complete: read its fields (mime_header.c). */
void mime_interpret(struct mime_parser *p, struct mime_part *part);
/** One field, while the header section is scanned: the callback of mail_header. */
void mime_take_field(void *parser, const struct mail_field *f);
