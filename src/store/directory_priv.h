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
#define DIRECTORY_EGRESS_MAX        64
#define DIRECTORY_HOP_MAX           (DIRECTORY_DOMAIN_MAX + 8)

/** Lower-case A-label form, without a last dot. */
int directory_domain_name(struct arena *a, struct span text, struct span *name_r, struct err *e);
int directory_address(struct arena *a, struct span text, struct span *local_r,
	struct span *domain_r, struct err *e);
struct span directory_join(struct arena *a, struct span local, struct span domain);
/** ERR_SYNTAX "'text' is not what"; returns -1. */
int directory_bad(struct err *e, const char *what, struct span text);
int directory_domain_kind(
	struct db *db, struct span name, enum directory_domain_kind *kind_r, struct err *e);

/* Lists are read in pages of DIRECTORY_PAGE rows, each its own read transaction. */
struct directory_page {
	struct arena *a;
	struct span after;       /* the last name seen: the next page begins behind it */
	struct span after_local; /* accounts and aliases: with the domain in `after` */
	struct span domain;      /* "" for all */
	char *rows;
	size_t size, count, cap, page_count;
};
/** Room for one more row. */
void *directory_row(struct directory_page *p, size_t size);
FIBER int directory_pages(
	struct store *s, const char *name, store_fn *page, struct directory_page *p, struct err *e);
/** ERR_EXISTS, ERR_NOT_FOUND with what and which; return -1. */
int directory_there(struct err *e, const char *what, struct span name);
int directory_missing(struct err *e, const char *what, struct span name);
int directory_must_be_local(struct db *db, struct span domain, struct err *e);
/** Addresses as they are stored: cut, lower-cased, joined. */
int directory_targets(struct arena *a, const struct span *targets, size_t count,
	struct span **targets_r, struct err *e);
