#include "services/local/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "services/local/drop_priv.h"

/* Writing a letter, and what both sides know. */

#define ID_OCTETS 16

static int dir_open(const char *path, struct err *e)
{
	/* O_PATH: one that others may not list can still be written to */
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	int why = errno;
	err_sys(e, why, "%s", path);
	if (e)
		e->code = why == ENOENT || why == ENOTDIR ? ERR_NOT_FOUND
			: why == EACCES                   ? ERR_DENIED
							  : ERR_IO;
	return -1;
}

bool drop_is_name(const char *name)
{
	size_t n = sizeof(DROP_NAME_PREFIX) - 1;

	return strncmp(name, DROP_NAME_PREFIX, n) == 0 &&
		strspn(name + n, "0123456789abcdef") == 2 * ID_OCTETS &&
		name[n + 2 * ID_OCTETS] == '\0';
}

/* ---- the head ---- */

static int put_value(struct buf *b, const char *key, struct span value, struct err *e)
{
	if (value.len > DROP_VALUE_MAX)
		return err_set(e, ERR_SYNTAX, "%s: over %d octets", key, DROP_VALUE_MAX);
	if (span_has_line_break(value))
		return err_set(e, ERR_SYNTAX, "%s: a line break or NUL in it", key);
	buf_printf(b, "%s %zu:", key, value.len);
	buf_span_put(b, value);
	buf_str(b, ",\n");
	return 0;
}

static int put_optional(struct buf *b, const char *key, struct span value, struct err *e)
{
	return value.len ? put_value(b, key, value, e) : 0;
}

static int put_head(struct buf *b, const struct drop_envelope *env, struct err *e)
{
	if (!env->rcpt_count || env->rcpt_count > DROP_RCPTS_MAX)
		return err_set(e, ERR_SYNTAX, "%zu recipients; 1 to %d can be had", env->rcpt_count,
			DROP_RCPTS_MAX);
	buf_str(b, DROP_MAGIC);
	if (put_value(b, "from", env->from, e) < 0 ||
		put_optional(b, "notify", env->notify, e) < 0 ||
		put_optional(b, "ret", env->ret, e) < 0 ||
		put_optional(b, "envid", env->envid, e) < 0 ||
		(env->is_utf8 && put_value(b, "utf8", SPAN("1"), e) < 0) ||
		(env->is_8bit && put_value(b, "8bit", SPAN("1"), e) < 0))
		return -1;
	for (size_t i = 0; i < env->rcpt_count; i++) {
		if (put_value(b, "rcpt", env->rcpts[i], e) < 0)
			return -1;
	}
	buf_printf(b, "body %0*d\n", DROP_LENGTH_DIGITS, 0);
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "the envelope is too large");
}

/* ---- files ---- */

static int write_failed(struct err *e)
{
	int why = errno;

	err_sys(e, why, "writing a letter");
	if (e)
		e->code = why == ENOSPC || why == EDQUOT || why == EFBIG ? ERR_FULL : ERR_IO;
	return -1;
}

static int write_all(int fd, struct span s, struct err *e)
{
	while (s.len) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_failed(e);
		s = span_skip(s, (size_t)n);
	}
	return 0;
}

static int new_file(struct drop_writer *w, struct err *e)
{
	unsigned char id[ID_OCTETS];
	struct stat dir, st;

	if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return err_sys(e, errno, "random numbers");
	struct buf *b = arena_buf(w->a, 64);
	buf_str(b, DROP_UNFINISHED_PREFIX);
	enc_put_hex(b, span_of(id, sizeof(id)));
	w->unfinished = buf_cstr(b);
	w->fd = openat(
		w->dir, w->unfinished, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->fd < 0) {
		int why = errno;

		w->unfinished = NULL;
		err_sys(e, why, "the drop directory");
		if (e)
			e->code = why == EACCES || why == EPERM || why == EROFS ? ERR_DENIED
				: why == ENOSPC || why == EDQUOT                ? ERR_FULL
										: ERR_IO;
		return -1;
	}
	/* A directory with the set-group-ID bit gives its group, the server's, to what is in it: that
	 * group reads, nobody else does. */
	if (fstat(w->dir, &dir) == 0 && (dir.st_mode & S_ISGID) && fstat(w->fd, &st) == 0 &&
		st.st_gid == dir.st_gid && fchmod(w->fd, 0640) < 0)
		return write_failed(e);
	return 0;
}

int drop_begin(struct drop_writer *w, struct arena *a, const char *path,
	const struct drop_envelope *env, struct err *e)
{
	struct buf *head = arena_buf(a, DROP_HEAD_MAX);

	*w = (struct drop_writer){.a = a, .dir = -1, .fd = -1};
	if (put_head(head, env, e) < 0)
		return -1;
	w->dir = dir_open(path, e);
	if (w->dir < 0 || new_file(w, e) < 0)
		return -1;
	w->body_at = (off_t)buf_len(head) - DROP_LENGTH_DIGITS - 1;
	return write_all(w->fd, buf_span(head), e);
}

int drop_put(struct drop_writer *w, struct span octets, struct err *e)
{
	if (octets.len > DROP_BODY_MAX - w->octets)
		return err_set(e, ERR_LIMIT, "the letter is over %d octets", DROP_BODY_MAX);
	w->octets += octets.len;
	return write_all(w->fd, octets, e);
}

/* Others may not list the directory, and so not sync it either: then the whole file system is. */
static int sync_dir(const struct drop_writer *w, struct err *e)
{
	int fd = openat(w->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 ? fsync(fd) : syncfs(w->fd), why = errno;

	if (fd >= 0)
		close(fd);
	return rc < 0 ? err_sys(e, why, "syncing the drop directory") : 0;
}

int drop_commit(struct drop_writer *w, struct span *id_r, struct err *e)
{
	const char *id = w->unfinished + sizeof(DROP_UNFINISHED_PREFIX) - 1;
	const char *name = arena_printf(w->a, DROP_NAME_PREFIX "%s", id);
	const char *length = arena_printf(
		w->a, "%0*llu", DROP_LENGTH_DIGITS, (unsigned long long)w->octets);

	if (pwrite(w->fd, length, DROP_LENGTH_DIGITS, w->body_at) != DROP_LENGTH_DIGITS ||
		fsync(w->fd) < 0)
		return write_failed(e);
	if (renameat(w->dir, w->unfinished, w->dir, name) < 0)
		return err_sys(e, errno, "the drop directory");
	w->unfinished = NULL;
	*id_r = span_str(arena_str(w->a, span_str(id)));
	int rc = sync_dir(w, e);
	/* not promised, so not left there: the caller would send it again */
	if (rc < 0)
		unlinkat(w->dir, name, 0);
	drop_abort(w);
	return rc;
}

void drop_abort(struct drop_writer *w)
{
	if (w->unfinished)
		unlinkat(w->dir, w->unfinished, 0);
	w->unfinished = NULL;
	if (w->fd >= 0)
		close(w->fd);
	if (w->dir >= 0)
		close(w->dir);
	w->fd = w->dir = -1;
}

int drop_make_dir(const char *path, mode_t mode, struct err *e)
{
	struct stat st;
	int fd;

	if (mkdir(path, 0700) < 0) {
		if (errno != EEXIST)
			return err_sys(e, errno, "%s", path);
		/* as an administrator made it, so it stays */
		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
			return err_set(e, ERR_EXISTS, "%s is no directory", path);
		return 0;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) < 0) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return err_sys(e, why, "%s", path);
	}
	close(fd);
	return 0;
}
