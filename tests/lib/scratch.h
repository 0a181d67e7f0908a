#pragma once
/* For unit tests: a directory of one's own below $TMPDIR (or /tmp), and its removal with everything
 * in it. */

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_MAX 200

/** Writes the new directory's path; false when there is none to be had. */
static inline bool scratch_new(char path_r[SCRATCH_MAX])
{
	const char *top = getenv("TMPDIR");

	snprintf(path_r, SCRATCH_MAX, "%s/yizhan-test-XXXXXX", top && *top ? top : "/tmp");
	return mkdtemp(path_r) != NULL;
}

static inline int scratch_remove_one(
	const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/** Removes the directory and all below it; true when nothing is left. */
static inline bool scratch_remove(const char *path)
{
	return nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}
