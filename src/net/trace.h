#pragma once
/* A filter that shows a conversation: each line that passes, with direction and time. */

#include "net/stream.h"

enum trace_dir { TRACE_IN, TRACE_OUT, TRACE_NOTE };

struct trace_opts {
	/* One line without its end; `is_cut` when it was longer than the line cap. Not FIBER. */
	void (*line)(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut);
	void *arg;
	size_t line_max; /* 0: 512 */
};
/** Push a trace filter. AUTH exchanges are masked by the protocol code: trace_mask. */
void trace_push(struct stream *s, const struct trace_opts *opts);
/** Show `note` in place of what is written until trace_mask(s, NULL). */
void trace_mask(struct stream *s, const char *note);
/** While off, traffic passes unseen (message bodies). */
void trace_pause(struct stream *s, bool is_paused);
