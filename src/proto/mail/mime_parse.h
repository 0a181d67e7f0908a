#pragma once
/* The structure of a message (RFC 5322, 2045 to 2049, 6532): octets in any cut become a tree of
 * parts with their exact places. Nothing of the bodies is kept: the tree says where they are. Reading is
 * lenient; what is wrong is recorded, and the tree says whether readers may disagree about the
 * message (mime_tree_is_ambiguous). A strict reader refuses those (mime_tree_check).
 *
 *	struct mime_parser *p = mime_parser_new(a, NULL);
 *	while (… octets …)
 *		mime_parser_feed(p, octets);
 *	tree = mime_parser_end(&p);	// lives in `a`
 *
 * Header and body are told apart by mail_header.h, as everywhere. Time is linear in the octets,
 * memory is bounded by the limits, whatever is fed. Pure; one thread at a time; nothing yields.
 * Very large messages belong on a worker. */

#include "base/arena.h"
#include "base/err.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_codec.h"
#include "proto/mail/mime_param.h"

/* Budgets of one message. Beyond them the structure is not read further: what is left stays in the
 * part that holds it, with a defect. */
#define MIME_PARTS_MAX    10000
#define MIME_DEPTH_MAX    100       /* as Postfix and Dovecot have it */
#define MIME_PARAMS_MAX   10000     /* of all parts */
#define MIME_HEADERS_MAX  (4 << 20) /* octets of all header sections that are kept */
#define MIME_FIELDS_MAX   50000     /* of all header sections */
#define MIME_DEFECTS_MAX  1000      /* recorded one by one; the sets are always complete */
#define MIME_BOUNDARY_MAX 200       /* RFC 2046 section 5.1.1 allows 70; longer ones are seen */
#define MIME_LINE_HELD    1000      /* octets of a line that may be a boundary */

struct mime_limits {
	size_t parts, depth, params, header_octets, fields, defects;
};

/* The fields that structure and envelope are made of: id, name. A field that must not come twice
 * (RFC 5322 section 3.6, RFC 2045) is marked. */
#define MIME_FIELDS(X)                                                                             \
	X(CONTENT_TYPE, "Content-Type", true)                                                      \
	X(CONTENT_ENCODING, "Content-Transfer-Encoding", true)                                     \
	X(CONTENT_DISPOSITION, "Content-Disposition", true)                                        \
	X(CONTENT_ID, "Content-ID", true)                                                          \
	X(CONTENT_DESCRIPTION, "Content-Description", true)                                        \
	X(CONTENT_LANGUAGE, "Content-Language", false)                                             \
	X(CONTENT_LOCATION, "Content-Location", false)                                             \
	X(CONTENT_MD5, "Content-MD5", false)                                                       \
	X(MIME_VERSION, "MIME-Version", true)                                                      \
	X(DATE, "Date", true)                                                                      \
	X(SUBJECT, "Subject", true)                                                                \
	X(FROM, "From", true)                                                                      \
	X(SENDER, "Sender", true)                                                                  \
	X(REPLY_TO, "Reply-To", true)                                                              \
	X(TO, "To", true)                                                                          \
	X(CC, "Cc", true)                                                                          \
	X(BCC, "Bcc", true)                                                                        \
	X(MESSAGE_ID, "Message-ID", true)                                                          \
	X(IN_REPLY_TO, "In-Reply-To", true)                                                        \
	X(REFERENCES, "References", true)                                                          \
	X(RESENT_DATE, "Resent-Date", false)                                                       \
	X(RESENT_FROM, "Resent-From", false)                                                       \
	X(RESENT_SENDER, "Resent-Sender", false)                                                   \
	X(RESENT_TO, "Resent-To", false)                                                           \
	X(RESENT_CC, "Resent-Cc", false)                                                           \
	X(RESENT_BCC, "Resent-Bcc", false)

enum mime_field_id {
#define X(id, name, is_single) MIME_FIELD_##id,
	MIME_FIELDS(X)
#undef X
		MIME_FIELD_OTHER,
	MIME_FIELD_COUNT = MIME_FIELD_OTHER
};
enum mime_field_id mime_field_id_of(struct span name);

struct mime_field {
	enum mime_field_id id;
	uint64_t offset;       /* of the name, in the message */
	uint64_t len;          /* up to and with its last line end */
	uint64_t value_offset; /* behind the colon */
	struct span name;      /* as written */
	struct span value;     /* raw, folds and all, without the last line end; of a field longer
	                        * than MAIL_FIELD_KEEP its beginning */
};

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

struct mime_part {
	struct mime_part *parent, *next, *first, *last; /* siblings and children */
	size_t child_count, number;                     /* number: 1 for the first child */
	unsigned depth;                                 /* 0 for the message itself */
	enum mime_kind kind;

	uint64_t header_offset; /* first octet of the header section */
	uint64_t body_offset;   /* behind its empty line */
	uint64_t end_offset;    /* of the body; the line end before a boundary is the boundary's */
	uint64_t header_lines;  /* LFs in the header section, with its empty line */
	uint64_t body_lines;    /* LFs in the body */
	uint64_t preamble_end;  /* multipart: where the text before the first boundary ends */
	uint64_t
		epilogue_offset; /* multipart: behind the last boundary's line; end_offset if none */
	bool has_8bit, has_nul;  /* in the body */

	/* The last field of a kind stands for what it was worth: of equals the first is read. */
	struct mime_field *fields;
	size_t field_count;
	struct span raw[MIME_FIELD_COUNT]; /* raw value of the first of each kind; ptr NULL: none */

	struct mime_value type;        /* what counts: text/plain where nothing better is told */
	struct mime_value disposition; /* type "" when none is told */
	enum mime_encoding encoding;
	struct span encoding_text; /* lower case, "7bit" by default */
	struct span boundary;      /* of a multipart */
	uint64_t defects;          /* of this part itself: bits of mime_bit() */
};

struct mime_noted {
	enum mime_defect defect;
	const struct mime_part *part;
	uint64_t offset; /* where in the message */
};

struct mime_tree {
	struct mime_part *root;
	size_t part_count; /* with the root */
	uint64_t size;     /* octets of the message */
	uint64_t defects;  /* of all parts */
	struct mime_noted *noted;
	size_t noted_count;
	bool is_crlf; /* every line end is CRLF */
};

struct mime_parser;

/** `limits` NULL: the defaults above. The tree and the parser live in `a`. */
struct mime_parser *mime_parser_new(struct arena *a, const struct mime_limits *limits);
/** An mbox's "From " line may stand in front (it is in no part then). Before the first feed. */
void mime_parser_allow_from_line(struct mime_parser *p);
void mime_parser_feed(struct mime_parser *p, struct span octets);
/** The message has ended. The parser is freed, the tree stays in the arena. Never NULL. */
struct mime_tree *mime_parser_end(struct mime_parser **p);
/** A whole message in memory. */
struct mime_tree *mime_parse(
	struct arena *a, struct span message, const struct mime_limits *limits);

bool mime_tree_is_ambiguous(const struct mime_tree *t);
/** The strict reading: 0, or ERR_SYNTAX (scope message, never again) that names the first defect
 * about which readers disagree, and where it is. */
int mime_tree_check(const struct mime_tree *t, struct err *e);
/** A defect that somebody found in a part's body (decoding). */
void mime_tree_note(struct arena *a, struct mime_tree *t, struct mime_part *part,
	enum mime_defect defect, uint64_t offset);

/** The next part in the order of the message (depth first), NULL at the end. */
struct mime_part *mime_part_next(const struct mime_part *part);
static inline bool mime_part_is(const struct mime_part *p, struct span type, struct span subtype)
{
	return span_eq(p->type.type, type) && (!subtype.ptr || span_eq(p->type.subtype, subtype));
}
/** The charset parameter, "us-ascii" by default (RFC 2045 section 5.2). */
struct span mime_part_charset(const struct mime_part *p);
/** The file name as people read it: filename of the disposition, else name of the type; "" when
 * there is none. Lives in `a`; may use iconv. */
struct span mime_part_filename(struct arena *a, const struct mime_part *p);
/** Content-Disposition: attachment? */
bool mime_part_is_attachment(const struct mime_part *p);
