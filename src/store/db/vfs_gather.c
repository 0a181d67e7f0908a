#include "store/db/vfs_gather.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define GATHER_MAX  (1024 * 1024)
#define WRITE_PIECE (64 * 1024) /* SQLite's VFS takes less than 128 KiB in a call */

struct gather_vfs {
	sqlite3_vfs vfs; /* a copy of the base's, with another name and xOpen */
	sqlite3_vfs *base;
};

struct gather_file {
	sqlite3_file file;
	sqlite3_file *log; /* the base's file, behind this struct */
	char *bytes;       /* GATHER_MAX, from the first write on */
	size_t len;
	sqlite3_int64 at;
};

static struct gather_file *self(sqlite3_file *file)
{
	return (struct gather_file *)(void *)file;
}

/* SQLite says "full" of ENOSPC alone. A quota and a limit on file sizes are no broken disk either. */
static int put(struct gather_file *g, const void *from, int n, sqlite3_int64 at)
{
	int rc = g->log->pMethods->xWrite(g->log, from, n, at);
	int sys = 0;

	if (rc == SQLITE_IOERR_WRITE &&
		g->log->pMethods->xFileControl(g->log, SQLITE_FCNTL_LAST_ERRNO, &sys) ==
			SQLITE_OK &&
		(sys == EDQUOT || sys == EFBIG))
		return SQLITE_FULL;
	return rc;
}

static int flush(struct gather_file *g)
{
	size_t len = g->len;
	int rc = SQLITE_OK;

	/* what fails is not tried again: SQLite rolls the transaction back and writes anew */
	g->len = 0;
	for (size_t done = 0; rc == SQLITE_OK && done < len; done += WRITE_PIECE) {
		size_t n = len - done < WRITE_PIECE ? len - done : WRITE_PIECE;

		rc = put(g, g->bytes + done, (int)n, g->at + (sqlite3_int64)done);
	}
	return rc;
}

static int gather_close(sqlite3_file *file)
{
	struct gather_file *g = self(file);

	free(g->bytes); /* only of a transaction that was not committed */
	return g->log->pMethods->xClose(g->log);
}

static int gather_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at)
{
	struct gather_file *g = self(file);

	if (g->len && at < g->at + (sqlite3_int64)g->len && at + n > g->at) {
		int rc = flush(g);

		if (rc != SQLITE_OK)
			return rc;
	}
	return g->log->pMethods->xRead(g->log, to, n, at);
}

static int gather_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 at)
{
	struct gather_file *g = self(file);

	if (!g->bytes) {
		g->bytes = malloc(GATHER_MAX);
		if (!g->bytes)
			return SQLITE_NOMEM;
	}
	if (g->len && (at != g->at + (sqlite3_int64)g->len || g->len + (size_t)n > GATHER_MAX)) {
		int rc = flush(g);

		if (rc != SQLITE_OK)
			return rc;
	}
	if (n > GATHER_MAX)
		return put(g, from, n, at);
	if (!g->len)
		g->at = at;
	memcpy(g->bytes + g->len, from, (size_t)n);
	g->len += (size_t)n;
	return SQLITE_OK;
}

static int gather_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct gather_file *g = self(file);
	int rc = flush(g);

	return rc == SQLITE_OK ? g->log->pMethods->xTruncate(g->log, size) : rc;
}

static int gather_sync(sqlite3_file *file, int flags)
{
	struct gather_file *g = self(file);
	int rc = flush(g);

	return rc == SQLITE_OK ? g->log->pMethods->xSync(g->log, flags) : rc;
}

static int gather_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct gather_file *g = self(file);
	int rc = flush(g);

	return rc == SQLITE_OK ? g->log->pMethods->xFileSize(g->log, size) : rc;
}

/* The log itself is never locked and has no shared memory: those belong to the main file. */
static int gather_lock(sqlite3_file *file, int level)
{
	return self(file)->log->pMethods->xLock(self(file)->log, level);
}

static int gather_unlock(sqlite3_file *file, int level)
{
	return self(file)->log->pMethods->xUnlock(self(file)->log, level);
}

static int gather_check_reserved(sqlite3_file *file, int *result)
{
	return self(file)->log->pMethods->xCheckReservedLock(self(file)->log, result);
}

static int gather_control(sqlite3_file *file, int op, void *arg)
{
	return self(file)->log->pMethods->xFileControl(self(file)->log, op, arg);
}

static int gather_sector(sqlite3_file *file)
{
	return self(file)->log->pMethods->xSectorSize(self(file)->log);
}

static int gather_traits(sqlite3_file *file)
{
	return self(file)->log->pMethods->xDeviceCharacteristics(self(file)->log);
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = gather_close,
	.xRead = gather_read,
	.xWrite = gather_write,
	.xTruncate = gather_truncate,
	.xSync = gather_sync,
	.xFileSize = gather_file_size,
	.xLock = gather_lock,
	.xUnlock = gather_unlock,
	.xCheckReservedLock = gather_check_reserved,
	.xFileControl = gather_control,
	.xSectorSize = gather_sector,
	.xDeviceCharacteristics = gather_traits,
};

static int gather_open(
	sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *flags_r)
{
	sqlite3_vfs *base = ((struct gather_vfs *)(void *)vfs)->base;
	struct gather_file *g = self(file);
	int rc;

	if (!(flags & SQLITE_OPEN_WAL))
		return base->xOpen(base, path, file, flags, flags_r);
	*g = (struct gather_file){.log = (sqlite3_file *)(void *)(g + 1)};
	rc = base->xOpen(base, path, g->log, flags, flags_r);
	if (rc == SQLITE_OK)
		g->file.pMethods = &methods;
	return rc;
}

static const char *make(sqlite3_vfs *base)
{
	struct gather_vfs *g;
	struct buf name;
	sqlite3_vfs *found;

	buf_init(&name, 256);
	buf_printf(&name, "gather-%s", base->zName);
	found = sqlite3_vfs_find(buf_cstr(&name));
	if (found) {
		buf_fini(&name);
		return found->zName;
	}
	g = NEW(struct gather_vfs); /* SQLite's list holds it for ever */
	g->vfs = *base;
	g->vfs.pNext = NULL;
	g->vfs.zName = buf_steal(&name, NULL);
	g->vfs.szOsFile = (int)sizeof(struct gather_file) + base->szOsFile;
	g->vfs.xOpen = gather_open;
	g->base = base;
	if (sqlite3_vfs_register(&g->vfs, 0) != SQLITE_OK) {
		free((void *)(uintptr_t)g->vfs.zName);
		free(g);
		return NULL;
	}
	return g->vfs.zName;
}

const char *vfs_gather(const char *base)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* two stores may open at once */
	sqlite3_vfs *vfs;
	const char *name;

	pthread_mutex_lock(&lock);
	vfs = sqlite3_vfs_find(base);
	name = vfs ? make(vfs) : NULL;
	pthread_mutex_unlock(&lock);
	return name;
}
