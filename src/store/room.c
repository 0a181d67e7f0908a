/* Room on the disk. Refusing in time is what keeps a full disk harmless: the log must always fit
 * back into the file, and a result, a drop or an expunge must always be written. */

#include <sys/statvfs.h>

#include "store/store_priv.h"

void store_look_for_room(struct store *s)
{
	struct statvfs fs;

	if (statvfs(s->dir, &fs) == 0)
		atomic_store(&s->room, (uint64_t)fs.f_bavail * fs.f_frsize);
}

static int look(struct db *db, void *arg, struct err *e)
{
	store_look_for_room(arg);
	return db_shrink(db, 0, STORE_SHRINK_SLICE, e);
}

int store_room_begin(struct store *s, uint64_t octets, struct err *e)
{
	uint64_t all = atomic_fetch_add(&s->room_spoken_for, octets) + octets;
	uint64_t wal = atomic_load_explicit(&s->wal_bytes, memory_order_relaxed);

	/* twice: once into the log, and once more when the log is copied back */
	if (atomic_load(&s->room) >= wal + STORE_ROOM_MIN + 2 * all)
		return 0;
	store_room_end(s, octets);
	/* nobody commits on a full disk: the writer has to look whether it still is. It gives free
	 * pages back, and starts the log over, for a short one needs less room. */
	if (!atomic_exchange(&s->is_room_asked, true))
		store_write_later(s, "look for room", look, s, NULL);
	err_set(e, ERR_FULL, "the disk is nearly full");
	return err_smtp(e, 452, 4, 3, 1);
}

void store_room_end(struct store *s, uint64_t octets)
{
	atomic_fetch_sub(&s->room_spoken_for, octets);
}
