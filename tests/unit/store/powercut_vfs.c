#include "powercut_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"

#define SECTOR 512

struct op { /* a write, or a truncation (bytes NULL) */
	struct op *next;
	int64_t at;
	size_t len;
	char *bytes;
};

struct record { /* what is known of a path */
	struct list_node node;
	char *path;
	char *bytes; /* durable */
	size_t len;
	bool is_durable; /* the name is */
	bool is_deleted; /* and no sync has confirmed it */
	struct op *first, **last;
};

struct pfile {
	sqlite3_file base;
	struct record *record; /* NULL: files that do not matter (temporary) */
	sqlite3_file *real;
};

static struct {
	pthread_mutex_t lock;
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	struct list_node records;
	bool is_registered, is_dead, is_full;
	uint64_t syncs, writes, failed, cut_at, fail_from, fail_to, random;
	enum powercut_mode mode;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t roll(uint64_t sides)
{
	disk.random = disk.random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (disk.random >> 33) % sides;
}

static struct pfile *self(sqlite3_file *file)
{
	return (struct pfile *)(void *)file;
}

/* ---- what the disk would hold ---- */

static void grow(struct record *r, size_t len)
{
	if (len > r->len) {
		r->bytes = mem_realloc(r->bytes, len);
		memset(r->bytes + r->len, 0, len - r->len);
		r->len = len;
	}
}

static void apply(struct record *r, const struct op *op, size_t len)
{
	if (op->bytes && len) {
		grow(r, (size_t)op->at + len);
		memcpy(r->bytes + op->at, op->bytes, len);
	} else if (!op->bytes && (size_t)op->at < r->len) {
		r->len = (size_t)op->at;
	}
}

static void drop_ops(struct record *r)
{
	while (r->first) {
		struct op *op = r->first;

		r->first = op->next;
		free(op->bytes);
		free(op);
	}
	r->last = &r->first;
}

static void forget(struct record *r)
{
	drop_ops(r);
	list_remove(&r->node);
	free(r->bytes);
	free(r->path);
	free(r);
}

static struct record *record_of(const char *path)
{
	struct record *r;

	LIST_EACH (n, &disk.records) {
		r = LIST_ITEM(n, struct record, node);
		if (!strcmp(r->path, path) && !r->is_deleted)
			return r;
	}
	r = NEW(struct record);
	r->path = mem_dup(path, strlen(path));
	r->last = &r->first;
	list_push_back(&disk.records, &r->node);
	return r;
}

static void note(struct record *r, const void *bytes, size_t len, int64_t at)
{
	struct op *op;

	if (!r)
		return;
	op = NEW(struct op);
	op->bytes = bytes ? mem_dup(bytes, len) : NULL;
	op->len = len;
	op->at = at;
	*r->last = op;
	r->last = &op->next;
}

static void confirm(struct record *r)
{
	for (struct op *op = r->first; op; op = op->next)
		apply(r, op, op->len);
	drop_ops(r);
	r->is_durable = true;
	/* the journal of the file system is in order: what was deleted before is gone too */
	LIST_EACH_SAFE (n, &disk.records) {
		struct record *other = LIST_ITEM(n, struct record, node);

		if (other->is_deleted)
			forget(other);
	}
}

/* At the cut: some of what was not confirmed has reached the disk all the same. */
static void tear(struct record *r)
{
	for (struct op *op = r->first; op; op = op->next) {
		uint64_t fate = roll(3);

		if (fate == 1)
			apply(r, op, op->len);
		else if (fate == 2 && op->bytes)
			apply(r, op, roll(op->len / SECTOR + 1) * SECTOR);
		r->is_durable = r->is_durable || fate;
	}
}

/* ---- file methods ---- */

/* Called with the lock held: SQLITE_OK, or what the call fails with. */
static int trouble(void)
{
	uint64_t n = ++disk.writes;

	if (disk.is_dead)
		return SQLITE_IOERR;
	if (n >= disk.fail_from && n < disk.fail_to) {
		disk.failed++;
		return disk.is_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return SQLITE_OK;
}

static int p_close(sqlite3_file *file)
{
	struct pfile *p = self(file);
	int rc = p->real->pMethods ? p->real->pMethods->xClose(p->real) : SQLITE_OK;

	free(p->real);
	return rc;
}

static int p_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	struct pfile *p = self(file);

	if (powercut_is_dead())
		return SQLITE_IOERR_READ;
	return p->real->pMethods->xRead(p->real, to, n, at);
}

static int p_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct pfile *p = self(file);
	int rc;

	pthread_mutex_lock(&disk.lock);
	rc = trouble();
	if (rc == SQLITE_OK)
		rc = p->real->pMethods->xWrite(p->real, from, n, at);
	if (rc == SQLITE_OK)
		note(p->record, from, (size_t)n, at);
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int p_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct pfile *p = self(file);
	int rc;

	pthread_mutex_lock(&disk.lock);
	rc = trouble();
	if (rc == SQLITE_OK)
		rc = p->real->pMethods->xTruncate(p->real, size);
	if (rc == SQLITE_OK)
		note(p->record, NULL, 0, size);
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int p_sync(sqlite3_file *file, int flags)
{
	struct pfile *p = self(file);
	int rc;

	(void)flags;
	pthread_mutex_lock(&disk.lock);
	rc = trouble();
	if (rc == SQLITE_OK && ++disk.syncs == disk.cut_at) {
		disk.is_dead = true;
		rc = SQLITE_IOERR_FSYNC;
	}
	/* the real disk is not asked: it is only a stand-in */
	if (rc == SQLITE_OK && p->record)
		confirm(p->record);
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int p_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xFileSize(p->real, size);
}

static int p_lock(sqlite3_file *file, int level)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xLock(p->real, level);
}

static int p_unlock(sqlite3_file *file, int level)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xUnlock(p->real, level);
}

static int p_check_reserved(sqlite3_file *file, int *result)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xCheckReservedLock(p->real, result);
}

static int p_control(sqlite3_file *file, int op, void *arg)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xFileControl(p->real, op, arg);
}

static int p_sector(sqlite3_file *file)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xSectorSize(p->real);
}

static int p_traits(sqlite3_file *file)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xDeviceCharacteristics(p->real);
}

static int p_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **map)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xShmMap(p->real, page, size, extend, map);
}

static int p_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xShmLock(p->real, offset, n, flags);
}

static void p_shm_barrier(sqlite3_file *file)
{
	struct pfile *p = self(file);

	p->real->pMethods->xShmBarrier(p->real);
}

static int p_shm_unmap(sqlite3_file *file, int is_delete)
{
	struct pfile *p = self(file);

	return p->real->pMethods->xShmUnmap(p->real, is_delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = p_close,
	.xRead = p_read,
	.xWrite = p_write,
	.xTruncate = p_truncate,
	.xSync = p_sync,
	.xFileSize = p_file_size,
	.xLock = p_lock,
	.xUnlock = p_unlock,
	.xCheckReservedLock = p_check_reserved,
	.xFileControl = p_control,
	.xSectorSize = p_sector,
	.xDeviceCharacteristics = p_traits,
	.xShmMap = p_shm_map,
	.xShmLock = p_shm_lock,
	.xShmBarrier = p_shm_barrier,
	.xShmUnmap = p_shm_unmap,
};

/* ---- the VFS ---- */

static int v_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct pfile *p = self(file);
	int rc;

	(void)vfs;
	*p = (struct pfile){0};
	if (powercut_is_dead())
		return SQLITE_CANTOPEN;
	p->real = mem_alloc((size_t)disk.real->szOsFile);
	rc = disk.real->xOpen(disk.real, path, p->real, flags, out);
	if (rc != SQLITE_OK) {
		free(p->real);
		return rc;
	}
	p->base.pMethods = &methods;
	if (path && flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) {
		pthread_mutex_lock(&disk.lock);
		p->record = record_of(path);
		pthread_mutex_unlock(&disk.lock);
	}
	return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *path, int sync_dir)
{
	int rc = SQLITE_IOERR_DELETE;

	(void)vfs;
	pthread_mutex_lock(&disk.lock);
	if (!disk.is_dead) {
		rc = disk.real->xDelete(disk.real, path, 0);
		if (rc == SQLITE_OK) {
			struct record *r = record_of(path);

			if (r->is_durable && !sync_dir)
				r->is_deleted = true;
			else
				forget(r);
		}
	}
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

void powercut_reset(void)
{
	pthread_mutex_lock(&disk.lock);
	if (!disk.is_registered) {
		disk.real = sqlite3_vfs_find(NULL);
		disk.vfs = *disk.real;
		disk.vfs.pNext = NULL;
		disk.vfs.zName = POWERCUT_VFS;
		disk.vfs.szOsFile = sizeof(struct pfile);
		disk.vfs.xOpen = v_open;
		disk.vfs.xDelete = v_delete;
		MUST(sqlite3_vfs_register(&disk.vfs, 0) == SQLITE_OK);
		list_init(&disk.records);
		disk.is_registered = true;
	}
	LIST_EACH_SAFE (n, &disk.records)
		forget(LIST_ITEM(n, struct record, node));
	disk.is_dead = false;
	disk.syncs = disk.writes = disk.failed = disk.cut_at = disk.fail_from = disk.fail_to = 0;
	pthread_mutex_unlock(&disk.lock);
}

void powercut_at_sync(uint64_t n, enum powercut_mode mode, uint64_t seed)
{
	pthread_mutex_lock(&disk.lock);
	disk.cut_at = n ? disk.syncs + n : 0;
	disk.mode = mode;
	disk.random = seed;
	pthread_mutex_unlock(&disk.lock);
}

void powercut_fail_writes(uint64_t n, uint64_t count, bool is_full)
{
	pthread_mutex_lock(&disk.lock);
	disk.fail_from = disk.writes + n;
	disk.fail_to = disk.fail_from + count;
	disk.is_full = is_full;
	pthread_mutex_unlock(&disk.lock);
}

static uint64_t look(const uint64_t *figure)
{
	uint64_t value;

	pthread_mutex_lock(&disk.lock);
	value = *figure;
	pthread_mutex_unlock(&disk.lock);
	return value;
}

uint64_t powercut_syncs(void)
{
	return look(&disk.syncs);
}

uint64_t powercut_writes(void)
{
	return look(&disk.writes);
}

uint64_t powercut_failed(void)
{
	return look(&disk.failed);
}

bool powercut_is_dead(void)
{
	bool is_dead;

	pthread_mutex_lock(&disk.lock);
	is_dead = disk.is_dead;
	pthread_mutex_unlock(&disk.lock);
	return is_dead;
}

static void write_back(const struct record *r)
{
	FILE *file = fopen(r->path, "we");

	MUST(file && (!r->len || fwrite(r->bytes, 1, r->len, file) == r->len));
	MUST(fclose(file) == 0);
}

/* What never got a durable name is gone; what was deleted without a sync behind it is back. */
static void settle_names(void)
{
	LIST_EACH_SAFE (n, &disk.records) {
		struct record *r = LIST_ITEM(n, struct record, node);

		if (disk.mode == POWERCUT_TEAR)
			tear(r);
		drop_ops(r);
		if (r->is_deleted && disk.mode == POWERCUT_TEAR && roll(2)) {
			forget(r);
		} else if (!r->is_durable) {
			unlink(r->path);
			forget(r);
		}
	}
}

void powercut_reboot(void)
{
	pthread_mutex_lock(&disk.lock);
	settle_names();
	LIST_EACH (n, &disk.records) {
		struct record *r = LIST_ITEM(n, struct record, node);

		r->is_deleted = false;
		write_back(r);
	}
	disk.is_dead = false;
	disk.cut_at = 0;
	pthread_mutex_unlock(&disk.lock);
}
