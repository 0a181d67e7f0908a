#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "services/local/drop_priv.h"

/* Reading letters: nothing here believes what is in the directory. */

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "%s", path) : fd;
}

/* As its owner has set it: any year at all. */
static int64_t written_ns(const struct stat *st)
{
	int64_t sec = st->st_mtime, most = INT64_MAX / CLOCK_SEC;

	return sec < 0 ? 0 : (sec < most ? sec : most) * CLOCK_SEC;
}

/* What a writer left that died. */
static void sweep(int dir, const char *name, int64_t now_ns)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (written_ns(&st) < now_ns - DROP_STALE_NS)
		unlinkat(dir, name, 0);
}

int drop_list(struct arena *a, const char *path, int64_t now_ns, size_t skip, const char ***names_r,
	size_t *count_r, struct err *e)
{
	struct span unfinished = SPAN(DROP_UNFINISHED_PREFIX);
	int fd = open_dir(path, e);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	*count_r = 0;
	if (!d) {
		if (fd >= 0) {
			err_sys(e, errno, "%s", path);
			close(fd);
		}
		return -1;
	}
	*names_r = ARENA_ARRAY(a, const char *, DROP_SCAN_MAX);
	while (*count_r < DROP_SCAN_MAX && (entry = readdir(d))) {
		if (drop_is_name(entry->d_name) && skip)
			skip--;
		else if (drop_is_name(entry->d_name))
			(*names_r)[(*count_r)++] = arena_str(a, span_str(entry->d_name));
		else if (span_starts(span_str(entry->d_name), unfinished))
			sweep(dirfd(d), entry->d_name, now_ns);
	}
	closedir(d);
	return 0;
}

/* ---- the head ---- */

static int corrupt(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "it is no letter: %s", what);
}

/* "17:alice@example.org,\n" */
static int take_value(struct span *rest, struct span *value_r, struct err *e)
{
	ptrdiff_t colon = span_find(span_sub(*rest, 0, 8), ':');
	uint64_t n;

	if (colon < 1 || !span_u64_max(span_sub(*rest, 0, (size_t)colon), DROP_VALUE_MAX, &n))
		return corrupt(e, "a length");
	*value_r = span_sub(*rest, (size_t)colon + 1, n);
	*rest = span_skip(*rest, (size_t)colon + 1 + n);
	if (value_r->len != n || !span_starts(*rest, SPAN(",\n")))
		return corrupt(e, "a value's end");
	if (span_has_line_break(*value_r))
		return corrupt(e, "a line break or NUL in a value");
	*rest = span_skip(*rest, 2);
	return 0;
}

static int take_field(struct arena *a, struct span *rest, struct drop_envelope *env, struct err *e)
{
	ptrdiff_t blank = span_find(span_sub(*rest, 0, 16), ' ');
	struct span key, value;

	if (blank < 0)
		return corrupt(e, "a line");
	key = span_sub(*rest, 0, (size_t)blank);
	*rest = span_skip(*rest, (size_t)blank + 1);
	if (take_value(rest, &value, e) < 0)
		return -1;
	value = arena_span(a, value);
	if (span_eq(key, SPAN("from"))) {
		env->from = value;
	} else if (span_eq(key, SPAN("notify"))) {
		env->notify = value;
	} else if (span_eq(key, SPAN("ret"))) {
		env->ret = value;
	} else if (span_eq(key, SPAN("envid"))) {
		env->envid = value;
	} else if (span_eq(key, SPAN("utf8"))) {
		env->is_utf8 = true;
	} else if (span_eq(key, SPAN("8bit"))) {
		env->is_8bit = true;
	} else if (span_eq(key, SPAN("rcpt"))) {
		if (env->rcpt_count == DROP_RCPTS_MAX)
			return corrupt(e, "too many recipients");
		env->rcpts[env->rcpt_count++] = value;
	} else {
		return corrupt(e, "a word that is not known");
	}
	return 0;
}

static int take_head(
	struct arena *a, struct span all, uint64_t file_octets, struct drop *d, struct err *e)
{
	static const struct span body = SPAN("body ");
	struct span rest = all;

	if (!span_starts(rest, SPAN(DROP_MAGIC)))
		return corrupt(e, "its first line");
	rest = span_skip(rest, sizeof(DROP_MAGIC) - 1);
	d->env.rcpts = ARENA_ARRAY(a, struct span, DROP_RCPTS_MAX);
	while (!span_starts(rest, body)) {
		if (take_field(a, &rest, &d->env, e) < 0)
			return -1;
	}
	rest = span_skip(rest, body.len);
	if (!span_u64_max(span_sub(rest, 0, DROP_LENGTH_DIGITS), DROP_BODY_MAX, &d->octets) ||
		rest.len <= DROP_LENGTH_DIGITS || rest.ptr[DROP_LENGTH_DIGITS] != '\n')
		return corrupt(e, "its length");
	rest = span_skip(rest, DROP_LENGTH_DIGITS + 1);
	d->body_at = (off_t)(all.len - rest.len);
	if (!d->env.rcpt_count)
		return corrupt(e, "no recipient");
	if (file_octets - (uint64_t)d->body_at != d->octets)
		return corrupt(e, "its length is not what it says");
	return 0;
}

static int read_head(struct arena *a, struct drop *d, uint64_t file_octets, struct err *e)
{
	size_t want = file_octets < DROP_HEAD_MAX ? (size_t)file_octets : DROP_HEAD_MAX, got = 0;
	struct buf b;
	char *p;

	buf_init(&b, DROP_HEAD_MAX);
	p = buf_reserve(&b, want ? want : 1);
	while (got < want) {
		ssize_t n = pread(d->fd, p + got, want - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	buf_added(&b, got);
	int rc = take_head(a, buf_span(&b), file_octets, d, e);
	buf_fini(&b);
	return rc;
}

/* ---- one letter ---- */

/* Whose a file is decides whose letter it is, so it must be a file of its own, with one name, that
 * nobody but its owner could have written. */
static int check_file(const struct stat *st, struct err *e)
{
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_DENIED, "it is no file");
	if (st->st_nlink != 1)
		return err_set(e, ERR_DENIED, "it has %d names", (int)st->st_nlink);
	if (st->st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID))
		return err_set(e, ERR_DENIED, "others than its owner may write it");
	return 0;
}

int drop_open(struct arena *a, const char *path, const char *name, struct drop *d_r, struct err *e)
{
	int dir = open_dir(path, e);
	struct stat st;

	*d_r = (struct drop){.name = arena_str(a, span_str(name)), .fd = -1};
	if (dir < 0)
		return -1;
	/* O_NONBLOCK: a pipe must not keep us */
	d_r->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int why = errno;
	close(dir);
	if (d_r->fd < 0) {
		err_sys(e, why, "%s", name);
		if (e)
			e->code = why == ENOENT                                   ? ERR_NOT_FOUND
				: why == EMFILE || why == ENFILE || why == ENOMEM ? ERR_BUSY
										  : ERR_DENIED;
		return -1;
	}
	if (fstat(d_r->fd, &st) < 0)
		err_sys(e, errno, "%s", name);
	else if (check_file(&st, e) == 0 && read_head(a, d_r, (uint64_t)st.st_size, e) == 0) {
		d_r->uid = st.st_uid;
		d_r->written_ns = written_ns(&st);
		return 0;
	}
	drop_close(d_r);
	return -1;
}

void drop_close(struct drop *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

ssize_t drop_read(const struct drop *d, uint64_t offset, void *p, size_t n, struct err *e)
{
	ssize_t got;

	if (offset >= d->octets)
		return 0;
	if (n > d->octets - offset)
		n = (size_t)(d->octets - offset);
	do {
		got = pread(d->fd, p, n, d->body_at + (off_t)offset);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, errno, "%s", d->name);
	return got ? got : err_set(e, ERR_CORRUPT, "%s became shorter", d->name);
}

static int in_dir(const char *path, const char *from, const char *to, struct err *e)
{
	int dir = open_dir(path, e), rc;

	if (dir < 0)
		return -1;
	rc = to ? renameat(dir, from, dir, to) : unlinkat(dir, from, 0);
	if (rc < 0 && errno == ENOENT)
		rc = 0;
	if (rc == 0)
		rc = fsync(dir);
	if (rc < 0)
		err_sys(e, errno, "%s/%s", path, from);
	close(dir);
	return rc;
}

int drop_remove(const char *path, const char *name, struct err *e)
{
	return in_dir(path, name, NULL, e);
}

int drop_refuse(const char *path, const char *name, struct err *e)
{
	struct arena *a = arena_new();
	int rc = in_dir(path, name,
		arena_printf(a, DROP_REFUSED_PREFIX "%s", name + sizeof(DROP_NAME_PREFIX) - 1), e);

	arena_free(&a);
	return rc;
}
