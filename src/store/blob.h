#pragma once
/* Rows of stored bodies, for closures on the writer (…_tx) and for readers. Chunk n of a body is the
 * row blob_id + n of blob_chunk: ids are allotted with blob_new_id, as many as there are chunks. */

#include "store/body.h"
#include "store/db/db.h"

#define BLOB_DROP_NOW    (1024 * 1024) /* larger bodies are swept later, in slices */
#define BLOB_SWEEP_SLICE 16            /* chunks */

static inline uint64_t blob_chunks(uint64_t octets)
{
	return (octets + BODY_CHUNK - 1) / BODY_CHUNK;
}

uint64_t blob_new_id(struct store *s, uint64_t octets);

/** The row of a body; refs 0 while its chunks are still being written. */
int blob_insert_tx(struct db *db, uint64_t id, int64_t refs, uint64_t octets, struct err *e);
/** Chunk `index`: all but the last have BODY_CHUNK octets. */
int blob_chunk_tx(struct db *db, uint64_t id, uint64_t index, struct span bytes, struct err *e);
/** Add references (more than 0). ERR_NOT_FOUND when the body is gone. */
int blob_ref_tx(struct db *db, uint64_t id, int64_t refs, struct err *e);
/** Give one reference back; with the last one the body goes (a large one later, by itself).
 * *is_gone_r may be NULL: nobody can open it any more, drop it from memory after the commit. */
int blob_unref_tx(struct db *db, uint64_t id, uint64_t octets, bool *is_gone_r, struct err *e);

/** A body with no references (on its way in) is not wanted any more. */
int blob_doom_tx(struct db *db, uint64_t id, struct err *e);
/** Bodies that nobody references: doom those that a crash left half written. Before any closure
 * runs. */
int blob_doom_orphans(struct db *db, struct err *e);
/** Remove doomed bodies in slices, in the background. Any thread. */
void blob_sweep_later(struct store *s);
