#pragma once
/* Canonicalisation (RFC 6376 section 3.4). The canonical octets go to a sink, in pieces of any size. Only
 * CRLF ends a line: a bare CR or LF is an octet like any other. Pure. */

#include "proto/trust/dkim.h"

struct dkim_sink {
	void (*put)(void *arg, struct span octets);
	void *arg;
};

/** One header field, from its name up to and with its CRLF (added when it is not there), in any case
 * ended by CRLF. */
void dkim_canon_field(struct dkim_sink sink, enum dkim_canon c, struct span field);
/* The signature's own field: what stands in [from, to) is its b=. */
struct dkim_own {
	struct span field;
	size_t from, to;
};
/** It without its b= (section 3.7), and without CRLF at the end. */
void dkim_canon_own(struct dkim_sink sink, enum dkim_canon c, const struct dkim_own *own);

/* A body that streams by, cut anywhere. In place; there is nothing to free. */
struct dkim_body {
	struct dkim_sink sink;
	enum dkim_canon canon;
	uint64_t put; /* canonical octets that went to the sink */
	/* private */
	uint64_t line_ends; /* seen, not yet put: they count only when something follows */
	bool has_cr, has_blank;
};
void dkim_body_init(struct dkim_body *b, enum dkim_canon c, struct dkim_sink sink);
void dkim_body_feed(struct dkim_body *b, struct span octets);
void dkim_body_end(struct dkim_body *b);
