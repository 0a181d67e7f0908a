#pragma once
/* The watch, an adviser: wakes those who look at a mailbox when it has changed, whoever changed it. One hub a
 * process takes the store's change feed; each loop has a struct watch, whose watchers are fibers of that
 * loop. A watcher is an edge: it says that something may have changed, not what; who is woken asks the
 * store what happened since his MODSEQ. Nothing here yields. */

#include "run/fiber.h"
#include "store/store.h"

struct watch_hub;
struct watch;

/** Before the loops run; after the store is open. */
struct watch_hub *watch_hub_new(struct store *s);
/** After the store is closed. */
void watch_hub_free(struct watch_hub **h);

/** On the loop's own thread; freed there when nobody watches any more. */
struct watch *watch_new(struct watch_hub *h);
void watch_free(struct watch **w);

struct watcher { /* in the owner's struct */
	struct list_node node;
	uint64_t account_id,
		mailbox_id; /* 0: the account's names and rights, of which who watches a mailbox
			     * hears too; WATCH_ALL: all of the account */
	bool is_changed;    /* set before it is woken; the owner clears it BEFORE he looks */
	void (*wake)(struct watcher *w); /* on the loop's thread, outside fibers; must not yield */
	void *arg;
};
#define WATCH_ALL UINT64_MAX
void watch_add(struct watch *w, struct watcher *x);
void watch_remove(struct watch *w, struct watcher *x);
