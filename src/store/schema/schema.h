#pragma once
/* The schema's history: numbered texts, run in order, each in a transaction of its own. The table
 * schema_version holds the number of the last one. A file that a newer version wrote is refused
 * (ERR_VERSION). Blocking; before any other connection is open. */

#include "store/db/db.h"

struct schema_step {
	unsigned number;
	const char *name;
	const char *text; /* with the driver's @words */
};

extern const struct schema_step schema_steps[]; /* made from the numbered .sql files */
extern const unsigned schema_newest;

/** Bring the open store `db` to the newest version. An existing one is first copied to
 * `FILE.before-NNN` (NNN: the first number that will be run), which is left there; a copy that is
 * already there from an interrupted run is replaced. *from_r is the version found (0: a new
 * store). */
int schema_migrate(struct db *db, const char *file, unsigned *from_r, struct err *e);
/** Does this version know the schema of `db` (a backup)? ERR_VERSION or ERR_CORRUPT when not. */
int schema_look(struct db *db, const char *file, struct err *e);
/** The same with other steps (tests). */
int schema_migrate_to(struct db *db, const char *file, const struct schema_step *steps,
	unsigned newest, unsigned *from_r, struct err *e);
