#pragma once
/* The UIDs of a mailbox at one moment, in order: what sequence numbers count. Kept as runs of
 * neighbours, so that 100,000 messages cost a few runs. A set never changes once it is made; it is
 * counted, and shared by sessions of all threads (docs/memory.md). Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uidset;

struct uid_range {
	uint32_t first, last; /* first <= last */
};

/** Runs in ascending order that do not touch; copied. */
struct uidset *uidset_new(const struct uid_range *runs, size_t count);
struct uidset *uidset_ref(struct uidset *u);
void uidset_unref(struct uidset **u); /* NULL inside is allowed */
uint32_t uidset_count(const struct uidset *u);
/** The UID of a sequence number (1 …), 0 when there is none. */
uint32_t uidset_uid(const struct uidset *u, uint32_t seq);
/** The sequence number of a UID, 0 when it is not there; and how many UIDs are not above it. */
uint32_t uidset_seq(const struct uidset *u, uint32_t uid);
uint32_t uidset_rank(const struct uidset *u, uint32_t uid);
uint32_t uidset_last(const struct uidset *u); /* the greatest UID, 0 when empty */
size_t uidset_runs(const struct uidset *u, const struct uid_range **runs_r);
/** A new set: without the UIDs of `gone` (ascending, may overlap anything), with those of `added`
 * (ascending, all above the last). */
struct uidset *uidset_change(const struct uidset *u, const struct uid_range *gone,
	size_t gone_count, const struct uid_range *added, size_t added_count);
