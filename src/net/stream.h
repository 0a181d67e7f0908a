#pragma once
/* Streams: a stack of filters (socket, proxy, TLS, deflate, trace) with one buffered face on top.
 *
 * The same face serves fibers in the server and blocking sockets in the library: only the bottom
 * filter differs. Every wait ends at stream->deadline_ns (absolute, monotonic); set it before each
 * stage of a protocol. Before it waits for input, a stream sends what it has to say, so replies
 * to pipelined commands leave in one segment and nobody needs to remember a flush.
 * A stream that waits for input with nothing buffered holds no buffers meanwhile.
 * Errors of the wire have scope peer, again later.
 * One fiber at a time reads; one at a time writes. Not thread-safe. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "run/fiber.h"
#include "net/addr.h"

struct filter;

struct filter_ops {
	const char *name;
	/* At least one and at most n bytes into p: their count; 0 at the end of the stream (an
	 * orderly one: TLS without close_notify is ERR_TLS); -1 on error or deadline. */
	FIBER ssize_t (*read)(
		struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e);
	/* All of the parts, or -1. */
	FIBER int (*write)(struct filter *f, const struct span *parts, size_t count,
		int64_t deadline_ns, struct err *e);
	/* Tell the peer that nothing follows (close_notify, FIN). May be NULL: pass down. */
	FIBER int (*shutdown)(struct filter *f, int64_t deadline_ns, struct err *e);
	/* Frees this filter only; `below` is freed by the stream. Does not yield. */
	void (*free)(struct filter *f);
	/* Park until a read would find something (bytes, the end, an error), holding no more memory
	 * than must be; or until the fiber is woken for another reason. May be NULL: pass down; at the
	 * bottom: this stream cannot wait without a buffer. */
	FIBER int (*wait)(struct filter *f, int64_t deadline_ns, struct err *e);
	/* May a read find something without waiting? Goes with `wait`; NULL: pass down. */
	bool (*has_input)(struct filter *f);
	/* Is something to be read at this moment? Asks the system, never waits; goes with `wait`. NULL:
	 * has_input says so, or pass down. */
	bool (*poll)(struct filter *f);
	/* This filter stays on top of those pushed later, except of others that want it too. */
	bool is_sticky;
};

/* Embedded first in each filter's own struct. */
struct filter {
	const struct filter_ops *ops;
	struct filter *below;
};

/* What is known of the TLS layer, for Received, logs and policy. Strings live in the filter. */
struct stream_tls {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
	unsigned bits;
	const char *sni;  /* server: name asked for, or NULL */
	const char *alpn; /* agreed protocol, or NULL */
	bool is_verified; /* the peer's certificate fits what was asked */
	bool is_resumed;
};

struct stream {
	struct filter *top;
	struct buf in;  /* received, not consumed */
	struct buf out; /* said, not sent */
	int64_t deadline_ns;
	struct addr peer, local;      /* after PROXY: the real ones */
	const struct stream_tls *tls; /* NULL without TLS */
	uint64_t bytes_in, bytes_out; /* at the top, after filters */
	bool is_eof;
	bool is_broken;  /* a read or write failed: nothing more is sent */
	struct err *why; /* owned; what broke it, reported by every later fill and flush */
	size_t want;     /* what the next fill asks for: grows while reads come back full */
	size_t scanned;  /* so many bytes of `in` are known to hold no LF */
};

#define STREAM_IN_BYTES  (16 * 1024)       /* what one fill asks for at first */
#define STREAM_IN_BULK   (64 * 1024)       /* and at most, while the peer sends in bulk */
#define STREAM_IN_MAX    (1024 * 1024)     /* cap of the input buffer */
#define STREAM_OUT_FLUSH (64 * 1024)       /* more than this is sent before more is read */
#define STREAM_OUT_MAX   (4 * 1024 * 1024) /* cap of the output buffer; beyond: flush yourself */

/** Takes over `bottom`. */
struct stream *stream_new(struct filter *bottom);
/** Frees all filters (closing the socket) without a goodbye; nothing more is sent. */
void stream_free(struct stream **s);

/** Put a filter on top (below a trace, which stays on top to show plaintext). Input that is
 * buffered already stays above it: for TLS call stream_drop_input first (RFC 3207 section 4.2: what
 * came before the handshake is forgotten). */
void stream_push(struct stream *s, struct filter *f);
/** For filters: ask the filter below, or the next one down that knows. */
FIBER int filter_wait(struct filter *below, int64_t deadline_ns, struct err *e);
bool filter_has_input(struct filter *below);
bool filter_poll(struct filter *below);
/** The filter that a filter pushed now would stand on. */
struct filter *stream_base(const struct stream *s);
/** Nothing more is sent or read: every later fill and flush reports `cause` (the first one that
 * was given). Fills `e` and returns -1. */
int stream_fail(struct stream *s, const struct err *cause, struct err *e);
/** Forget buffered input; returns how many bytes were dropped. */
size_t stream_drop_input(struct stream *s);

/** deadline = now + ns */
void stream_set_timeout(struct stream *s, int64_t ns);

/** Bytes received and not consumed; valid until the next fill. */
static inline struct span stream_peek(const struct stream *s)
{
	return buf_span(&s->in);
}
void stream_consume(struct stream *s, size_t n);

/** Send what is waiting, then read at least one more byte into the buffer. -1: ERR_EOF at the
 * end, ERR_LIMIT when STREAM_IN_MAX is full, ERR_TIMEOUT, ERR_CANCELLED, ERR_IO, ERR_TLS. */
FIBER int stream_fill(struct stream *s, struct err *e);

/* A bell beside the input: whoever rings it ends the wait of the fiber that waits for either. Zeroed at
 * first; belongs to the stream's loop. */
struct stream_bell {
	struct fiber *waiter; /* parked in stream_wait */
	bool is_rung;
};
/** Heard by the stream_wait that is under way, or by the next one. Does not yield. */
void stream_bell_ring(struct stream_bell *b);
/** Send what is waiting, then park without buffers until a fill would find something or the bell is
 * rung. *is_rung_r: it was, and may be rung anew; otherwise there is input (octets, the end, an error),
 * buffered or not. ERR_TIMEOUT and ERR_CANCELLED leave the stream as it was. */
FIBER int stream_wait(struct stream *s, struct stream_bell *b, bool *is_rung_r, struct err *e);

/** A line without its CRLF or LF (`*is_crlf_r`, may be NULL, says which); valid until the next
 * call on the stream's input. ERR_LIMIT when `max` bytes hold no LF (nothing is consumed). */
FIBER int stream_read_line(
	struct stream *s, size_t max, struct span *line_r, bool *is_crlf_r, struct err *e);
/** Exactly n bytes into p. */
FIBER int stream_read_full(struct stream *s, void *p, size_t n, struct err *e);

/** Would a fill find something now: octets (under TLS they need not be data), the end, an error? One
 * system call at most; never waits. */
bool stream_has_input(const struct stream *s);

/** Say something: buffered, sent at the next fill or flush, and when more than STREAM_OUT_FLUSH has
 * gathered at the next read of any kind. More than STREAM_OUT_MAX breaks the stream (ERR_LIMIT). A
 * failure sticks and is reported by the next fill or flush. These do not yield. */
void stream_put(struct stream *s, struct span bytes);
void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
FIBER int stream_flush(struct stream *s, struct err *e);
/** Send at once, after what is buffered, without copying `parts`. */
FIBER int stream_write(struct stream *s, const struct span *parts, size_t count, struct err *e);
/** Flush, then tell the peer that nothing follows. */
FIBER int stream_shutdown(struct stream *s, struct err *e);

/** Two connected in-memory streams on this loop (tests, loop_sim). `latency_ns` each way. */
void stream_pair(struct stream **a_r, struct stream **b_r, int64_t latency_ns);

#define STREAM_PAIR_BYTES (256 * 1024) /* under way in one direction; the writer waits beyond */
