#pragma once
/* A VFS for SQLite that can cut the power. It passes everything on to the default one, and keeps
 * aside what each file would hold if the power went now: only what xSync confirmed. At the chosen
 * sync everything fails from then on; when all connections are closed, powercut_reboot() puts that
 * content on the disk, with a random part of the unconfirmed writes when asked for, the last of them
 * torn in the middle of a page. It can also let writes fail while the machine lives. Thread-safe. */

#include <stdbool.h>
#include <stdint.h>

#define POWERCUT_VFS "powercut"

enum powercut_mode {
	POWERCUT_DROP, /* nothing that no xSync followed */
	POWERCUT_TEAR, /* each write alone may have reached the disk, whole or in part */
};

/** Register it (once a process) and forget all files. */
void powercut_reset(void);
/** Cut the power just before the n-th sync from now on (1 is the next one); 0 never. */
void powercut_at_sync(uint64_t n, enum powercut_mode mode, uint64_t seed);
/** Let `count` writes or syncs fail, beginning with the n-th from now on: disk full, or an input
 * and output error. */
void powercut_fail_writes(uint64_t n, uint64_t count, bool is_full);
uint64_t powercut_syncs(void);
uint64_t powercut_writes(void);
/** How many writes and syncs were failed since the reset. */
uint64_t powercut_failed(void);
bool powercut_is_dead(void);
/** With all files closed: the disk as it is after the cut. The power is back. */
void powercut_reboot(void);
