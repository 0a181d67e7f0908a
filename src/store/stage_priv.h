#pragma once
/* What spool_accept needs of a stage. */

#include "store/body_priv.h"
#include "store/stage.h"

/** The bytes of a body in memory (borrowed), or NULL when it lies in a file. */
struct body_mem *stage_body_mem(struct stage *st);
/** After stage_store: the body row (references 0) that holds it; 0 for a body in memory. */
uint64_t stage_blob_id(const struct stage *st);
/** The body row now belongs to an accepted letter: stage_free leaves it alone. */
void stage_gave_blob(struct stage *st);
