#pragma once
/* The deflate filter (RFC 1951; RFC 4978 section 4 for IMAP): raw deflate both ways on a stream, above
 * TLS and below a trace. What is flushed is sent whole (Z_SYNC_FLUSH).
 *
 * Memory: while a stream waits with nothing to say, the compressor's state (256 KiB) is given back: a new
 * one goes on where the old one has flushed, only without its dictionary. The other direction keeps its
 * window of at most 32 KiB, which the peer refers to. A read takes no more than the reader asked for, so
 * a bomb meets the reader's own budgets. */

#include "net/stream.h"

#define DEFLATE_LEVEL     4
#define DEFLATE_IN_BYTES  4096        /* compressed octets read at once */
#define DEFLATE_OUT_BYTES (16 * 1024) /* compressed octets written at once */

/** Put the filter on. What is in the input buffer already stays above it: for IMAP there must be nothing
 * there. Octets that are no deflate stream are ERR_PROTO; the end of the peer's deflate stream is the end
 * of the stream. */
void deflate_push(struct stream *s);
