#pragma once
/* The algorithms of RFC 5256: messages become threads. Pure; long for many messages: on a lane. */

#include "base/arena.h"
#include "base/buf.h"

struct thread_item {     /* in the order of the mailbox */
	uint32_t number; /* as it is told */
	int64_t sent_ns;
	bool is_reply;
	struct span subject;          /* base subject, folded */
	struct span message_id, refs; /* refs: LF between */
};

/** Append "(2)(3 6 (4 23)(44 7 96))". */
void thread_references(const struct thread_item *items, size_t count, struct buf *out);
void thread_ordered_subject(const struct thread_item *items, size_t count, struct buf *out);
