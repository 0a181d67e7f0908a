#pragma once
/* Inside the directory's room: names in the form they are stored in, and what the administrating
 * half shares with the looking-up half. */

#include "store/db/db.h"
#include "store/directory.h"

#define DIRECTORY_DOMAIN_MAX        253
#define DIRECTORY_LOCAL_MAX         64
#define DIRECTORY_NAME_MAX          200
#define DIRECTORY_ALIAS_TARGETS_MAX 1000
#define DIRECTORY_PAGE              256

/** Lower-case A-label form, without a last dot. */
int directory_domain_name(struct arena *a, struct span text, struct span *name_r, struct err *e);
struct span directory_local_part(struct arena *a, struct span local);
int directory_address(struct arena *a, struct span text, struct span *local_r,
	struct span *domain_r, struct err *e);
struct span directory_join(struct arena *a, struct span local, struct span domain);
/** ERR_SYNTAX "'text' is not what"; returns -1. */
int directory_bad(struct err *e, const char *what, struct span text);
int directory_domain_kind(
	struct db *db, struct span name, enum directory_domain_kind *kind_r, struct err *e);
