#pragma once
/* A store in a scratch directory, and a loop to run fibers on. */

#include "lib/scratch.h"
#include "run/loop.h"
#include "store/spool.h"
#include "store/store.h"

#define FIXTURE_NOW (10 * CLOCK_DAY) /* when letters arrive */

struct fixture {
	struct arena *a;
	char dir[SCRATCH_MAX];
	struct store *s;
	struct loop *loop;
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);
/** Close and open again, as after a clean stop. */
void fixture_reopen(struct fixture *f);
/** Run fn(f) as the loop's first fiber; it must return 0. */
void fixture_run(struct fixture *f, int (*fn)(void *arg), void *arg);

/** Make an account (no directory here: straight rows); its id. */
uint64_t fixture_account(struct fixture *f, const char *local);
/** The one number that a query gives. */
int64_t fixture_number(struct fixture *f, const char *sql);
/** The first text of the first row, in the fixture's arena; "" without a row. */
char *fixture_text(struct fixture *f, const char *sql);

struct letter { /* a letter with room for what it needs */
	struct spool_new l;
	struct spool_rcpt_new rcpts[4];
};
/** A letter to nobody yet; body is `octets` long and begins with a header. FIBER. */
void letter_init(struct fixture *f, struct letter *x, size_t octets);
void letter_remote(struct letter *x, const char *address, const char *destination);
void letter_local(struct letter *x, uint64_t account_id);
void letter_fini(struct letter *x);
