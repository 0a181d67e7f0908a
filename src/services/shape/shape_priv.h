#pragma once
/* Inside the room: what is built in. */

#include "services/shape/shape.h"

#define SHAPE_LEFT (-1) /* as the next less special row says */

extern const struct shape_row shape_builtin[];
extern const size_t shape_builtin_count;
extern const struct shape_reply shape_builtin_replies[];
extern const size_t shape_builtin_reply_count;

/** Does a match fit? 0: no; more: the higher, the more special. */
unsigned shape_match_rank(struct span match, struct span destination, struct span key);
