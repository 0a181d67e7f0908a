#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "store/db/db.h"
#include "store/schema/schema.h"
#include "store/store_priv.h"

#define BACKUP_COPY (1024 * 1024)

/* A rename is durable once its directory is. */
static int backup_sync_dir(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd < 0 || fsync(fd) < 0 ? err_sys(e, errno, "syncing %s", dir) : 0;

	if (fd >= 0)
		close(fd);
	return result;
}

static int backup_sync_file(const char *file, struct err *e)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	int result = fd < 0 || fsync(fd) < 0 ? err_sys(e, errno, "syncing %s", file) : 0;

	if (fd >= 0)
		close(fd);
	return result;
}

static const char *backup_dir_of(struct arena *a, const char *file)
{
	ptrdiff_t slash = span_rfind(span_str(file), '/');

	if (slash < 0)
		return ".";
	return slash == 0 ? "/" : arena_str(a, span_of(file, (size_t)slash));
}

/* The copy gets its name only when it is whole and on disk. */
int store_backup(struct store *s, const char *file,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e)
{
	struct db_opts opts = {.path = s->file, .vfs = s->vfs, .role = DB_READER};
	struct arena *a = arena_new();
	const char *part = arena_printf(a, "%s.part", file);
	struct db *db = NULL;
	int result = -1;

	if (access(file, F_OK) == 0) {
		err_set(e, ERR_EXISTS, "%s is there already; choose another name", file);
		goto out;
	}
	if (unlink(part) < 0 && errno != ENOENT) {
		err_sys(e, errno, "removing %s", part);
		goto out;
	}
	if (db_open(&opts, &db, e) < 0)
		goto out;
	if (db_snapshot(db, part, progress, arg, e) < 0 || backup_sync_file(part, e) < 0)
		goto out;
	if (chmod(part, 0600) < 0 || rename(part, file) < 0) {
		err_sys(e, errno, "naming %s", file);
		goto out;
	}
	result = backup_sync_dir(backup_dir_of(a, file), e);
out:
	if (result < 0)
		unlink(part);
	db_close(&db);
	arena_free(&a);
	return result;
}

static int backup_copy(int from, int to, const char *name, struct err *e)
{
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, BACKUP_COPY, 0);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "copying to %s", name);
	}
	if (fsync(to) < 0)
		return err_sys(e, errno, "syncing %s", name);
	return 0;
}

/* A backup must be a sound store of a version that we know before it takes the old one's place. */
static int backup_look(const char *file, struct err *e)
{
	struct db_opts opts = {.path = file, .role = DB_READER};
	uint64_t findings = 0;
	struct db_stmt *st;
	struct db *db;
	bool is_row = false;
	int result = -1;

	if (db_open(&opts, &db, e) < 0)
		return err_wrap(e, "%s", file);
	st = db_query(db, e, db_sql_integrity(db), "");
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
		findings += !span_eq(db_col_span(st, 0), SPAN("ok"));
	db_done(st);
	if (result == 0 && findings)
		result = err_set(e, ERR_CORRUPT, "%s is damaged (%llu findings)", file,
			(unsigned long long)findings);
	if (result == 0)
		result = schema_look(db, file, e);
	db_close(&db);
	return result;
}

static int backup_put_aside(struct arena *a, const char *dir, struct err *e)
{
	static const char *const parts[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *from = arena_printf(a, "%s/yizhan.db%s", dir, parts[i]);
		const char *to = arena_printf(a, "%s/yizhan.db.before-restore%s", dir, parts[i]);

		if (unlink(to) < 0 && errno != ENOENT)
			return err_sys(e, errno, "removing %s", to);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_sys(e, errno, "putting %s aside", from);
	}
	return 0;
}

/* Numbers of messages mean others in another store: the search index is filled anew. */
static int backup_drop_search(struct arena *a, const char *dir, struct err *e)
{
	static const char *const parts[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *path = arena_printf(a, "%s/search.db%s", dir, parts[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return err_sys(e, errno, "removing %s", path);
	}
	return 0;
}

int store_restore(const char *dir, const char *file, struct err *e)
{
	struct arena *a = arena_new();
	const char *part = arena_printf(a, "%s/yizhan.db.part", dir);
	const char *target = arena_printf(a, "%s/yizhan.db", dir);
	int lock = -1, from = -1, to = -1, result = -1;

	if (backup_look(file, e) < 0)
		goto out;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		err_sys(e, errno, "making %s", dir);
		goto out;
	}
	if ((lock = store_lock(dir, e)) < 0)
		goto out;
	from = open(file, O_RDONLY | O_CLOEXEC);
	to = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (from < 0 || to < 0) {
		err_sys(e, errno, "opening %s", from < 0 ? file : part);
		goto out;
	}
	if (backup_copy(from, to, part, e) < 0 || backup_put_aside(a, dir, e) < 0 ||
		backup_drop_search(a, dir, e) < 0)
		goto out;
	if (rename(part, target) < 0) {
		err_sys(e, errno, "naming %s", target);
		goto out;
	}
	result = backup_sync_dir(dir, e);
out:
	if (result < 0 && to >= 0)
		unlink(part);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	if (lock >= 0)
		close(lock);
	arena_free(&a);
	return result;
}
