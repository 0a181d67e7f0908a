#pragma once
/* Content-Transfer-Encodings (RFC 2045 section 6), streaming: any cut of the octets gives the same
 * result. Decoding is lenient and tells what it met; encoding writes CRLF line ends. Pure; the
 * states are plain values that need no clean-up. Output goes to a buffer of the caller, who looks
 * at buf_ok() and drains it between calls: at most as many octets come out as went in (encoding:
 * three times as many, and a line end). */

#include "base/buf.h"
#include "proto/mail/mime_defect.h"

#define MIME_LINE_MAX  76  /* RFC 2045 sections 6.7 and 6.8 */
#define MIME_QP_BLANKS 256 /* octets of blanks that may wait for the end of their line */

/* token, words of RFC 2045 section 6.1 */
#define MIME_ENCODINGS(X)                                                                          \
	X(7BIT, "7bit")                                                                            \
	X(8BIT, "8bit") X(BINARY, "binary") X(BASE64, "base64") X(QP, "quoted-printable")
enum mime_encoding {
#define X(id, name) MIME_CTE_##id,
	MIME_ENCODINGS(X)
#undef X
		MIME_CTE_UNKNOWN, /* the octets are opaque (RFC 2045 section 6.4) */
	MIME_CTE_COUNT = MIME_CTE_UNKNOWN
};
const char *mime_encoding_str(enum mime_encoding e);
/** By name, case-blind; also the names found in the field ("8-bit", "quoted_printable" are not). */
enum mime_encoding mime_encoding_of(struct span token);

struct mime_base64 {
	uint32_t bits;
	unsigned count;   /* sextets in `bits` */
	unsigned padding; /* '=' seen */
	bool is_ended;    /* padding was complete: the rest is not data (RFC 2045 section 6.8) */
	uint64_t defects;
};
void mime_base64_feed(struct mime_base64 *d, struct span in, struct buf *out);
void mime_base64_end(struct mime_base64 *d, struct buf *out);

struct mime_qp {
	char held[3]; /* an escape that a cut went through: "=", "=X", "=\r" */
	unsigned held_len;
	char blanks[MIME_QP_BLANKS];
	unsigned blank_len;
	bool is_after_escape; /* `=` and blanks: a soft line break if the line ends here */
	uint64_t defects;
};
void mime_qp_feed(struct mime_qp *d, struct span in, struct buf *out);
void mime_qp_end(struct mime_qp *d, struct buf *out);

/* Either of them, or octets as they are. */
struct mime_decoder {
	enum mime_encoding encoding;
	union {
		struct mime_base64 base64;
		struct mime_qp qp;
	} as;
};
void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
void mime_decoder_feed(struct mime_decoder *d, struct span in, struct buf *out);
void mime_decoder_end(struct mime_decoder *d, struct buf *out);
uint64_t mime_decoder_defects(const struct mime_decoder *d);

struct mime_encoder {
	enum mime_encoding encoding; /* BASE64, QP, else octets as they are */
	bool is_text; /* QP: CRLF is a line end; otherwise CR and LF are escaped as octets */
	unsigned char held[3];
	unsigned held_len;
	unsigned column;
	char blank; /* QP: a blank that must not end a line waits */
	bool has_cr;
};
void mime_encoder_init(struct mime_encoder *c, enum mime_encoding encoding, bool is_text);
void mime_encoder_feed(struct mime_encoder *c, struct span in, struct buf *out);
/** The rest, and for base64 the end of the last line. */
void mime_encoder_end(struct mime_encoder *c, struct buf *out);
