#pragma once
/* A filter that shows a conversation: each line that passes, with direction and time. */

#include "net/stream.h"

enum trace_dir { TRACE_IN, TRACE_OUT, TRACE_NOTE };

struct trace_opts {
	/* One line without its end; `is_cut` when it was longer than the line cap. Not FIBER. */
	void (*line)(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut);
	/* What trace_mask and trace_pause hide, in the pieces in which it is sent: `note` as given to
	 * trace_mask (then `line` does not show it), NULL for what passes unseen. May be NULL. Not
	 * FIBER. */
	void (*hidden)(void *arg, int64_t mono_ns, const char *note, struct span octets);
	void *arg;
	size_t line_max; /* 0: 512 */
};

/** Push a trace filter; it stays on top of filters pushed later, so that it shows what TLS
 * protects. AUTH exchanges are masked by the protocol code: trace_mask. */
void trace_push(struct stream *s, const struct trace_opts *opts);

/* The following do nothing on a stream without a trace. Both switches hold exactly for what is said
 * (stream_put, stream_write) between their two calls, whenever it is sent. */

/** Show `note` (a literal) once in place of what is written until trace_mask(s, NULL). */
void trace_mask(struct stream *s, const char *note);
/** While paused, what is written passes unseen, and so does what is read (message bodies). */
void trace_pause(struct stream *s, bool is_paused);
/** Show a remark of our own (TRACE_NOTE): "TLSv1.3 TLS_AES_256_GCM_SHA384". */
void trace_note(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define TRACE_LINE_MAX  512
#define TRACE_SPANS_MAX 64 /* switches under way; more are joined, never to show more */
