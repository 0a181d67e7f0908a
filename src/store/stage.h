#pragma once
/* A body on its way in: up to STAGE_MEM_MAX bytes in memory, beyond that in an unlinked file of
 * the data directory; both under budgets that all connections share. A spent budget is ERR_FULL
 * (452 4.3.1 on the wire). When it is complete it is handed to spool_accept, which references it. */

#include "store/store.h"

#define STAGE_MEM_MAX (256 * 1024)

struct stage;

struct stage *stage_new(struct store *s);
/** Drops the bytes and gives the budget back. NULL inside is allowed. */
void stage_free(struct stage **st);
/** Append. File writes go through a work lane. ERR_FULL when a budget or the disk is spent. */
FIBER int stage_put(struct stage *st, struct span bytes, struct err *e);
uint64_t stage_len(const struct stage *st);
/** The whole body while it is in memory; SPAN_NONE and false once it is in a file. */
bool stage_mem(const struct stage *st, struct span *bytes_r);
/** Read at an offset, from memory or file (for parsing and header rewriting before accept). */
FIBER int stage_read(
	struct stage *st, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e);
/** Copy a body that lies in a file into unreferenced chunk rows by short transactions; called by
 * spool_accept, does nothing for a body in memory. */
FIBER int stage_store(struct stage *st, struct err *e);
