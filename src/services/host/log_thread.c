#include "services/host/log_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/bell.h"

enum target_kind { TARGET_STREAM, TARGET_JOURNAL };

struct target {
	enum target_kind kind;
	int fd;
	bool is_owned;    /* close it when it is replaced */
	bool is_prefixed; /* "<n>" in front of each line */
};

/* In the buffer each line is one octet of level, then the line, then LF. */
struct log_thread {
	struct log_sink sink; /* first */
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below; never held across a write(2) */
	struct bell bell;
	struct buf waiting, writing;
	struct target target;
	int old_fd; /* replaced by a reopen: the thread closes it; -1 */
	uint64_t dropped, dropped_told;
	bool is_ending;
};

static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	struct log_thread *t = (struct log_thread *)sink;
	unsigned asleep = 0;

	pthread_mutex_lock(&t->lock);
	if (buf_room(&t->waiting) < line.len + 2) {
		t->dropped++;
	} else {
		buf_char(&t->waiting, (char)level);
		buf_span_put(&t->waiting, line);
		buf_char(&t->waiting, '\n');
		asleep = bell_claim(&t->bell, 1);
	}
	pthread_mutex_unlock(&t->lock);
	bell_ring(&t->bell, asleep);
}

static int64_t sink_wall_ns(struct log_sink *sink)
{
	(void)sink;
	return clock_wall_ns();
}

/* sd-daemon(3) */
static char priority(enum log_level level)
{
	static const char priorities[] = {
		[LOG_ERROR] = '3', [LOG_WARN] = '4', [LOG_INFO] = '6', [LOG_DEBUG] = '7'};

	return priorities[level];
}

/* All octets, or as many as go: a log that cannot be written must not stop the mail. */
static void write_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = write(fd, s.ptr, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s = span_skip(s, (size_t)n);
	}
}

static void journal_send(int fd, enum log_level level, struct span line)
{
	struct buf b;

	/* journald's native protocol; a line has no LF within */
	buf_init(&b, LOG_LINE_MAX + 256);
	buf_str(&b, "SYSLOG_IDENTIFIER=yizhan\nPRIORITY=");
	buf_char(&b, priority(level));
	buf_str(&b, "\nMESSAGE=");
	buf_span_put(&b, line);
	buf_char(&b, '\n');
	if (send(fd, buf_span(&b).ptr, buf_len(&b), MSG_NOSIGNAL) < 0)
		write_all(STDERR_FILENO, span_of(line.ptr, line.len + 1));
	buf_fini(&b);
}

static void flush(struct target target, struct span lines)
{
	struct buf out;

	buf_init(&out, LOG_THREAD_BUFFER * 2);
	while (lines.len) {
		enum log_level level = (enum log_level)lines.ptr[0];
		ptrdiff_t end = span_find(span_skip(lines, 1), '\n');
		struct span line = span_sub(lines, 1, (size_t)end);

		lines = span_skip(lines, (size_t)end + 2);
		if (target.kind == TARGET_JOURNAL) {
			journal_send(target.fd, level, line);
			continue;
		}
		if (target.is_prefixed) {
			buf_char(&out, '<');
			buf_char(&out, priority(level));
			buf_char(&out, '>');
		}
		buf_put(&out, line.ptr, line.len + 1);
	}
	write_all(target.fd, buf_span(&out));
	buf_fini(&out);
}

/* With the lock held: what was lost is told once there is room again. */
static void tell_dropped(struct log_thread *t)
{
	struct buf b;

	if (t->dropped == t->dropped_told)
		return;
	buf_init(&b, 128);
	buf_char(&b, (char)LOG_WARN);
	if (t->sink.format == LOG_JSON)
		buf_printf(&b, "{\"level\":\"warn\",\"event\":\"log.dropped\",\"lines\":%llu}\n",
			(unsigned long long)(t->dropped - t->dropped_told));
	else
		buf_printf(&b, "level=warn event=log.dropped lines=%llu\n",
			(unsigned long long)(t->dropped - t->dropped_told));
	buf_span_put(&t->writing, buf_span(&b));
	buf_fini(&b);
	t->dropped_told = t->dropped;
}

static void *run(void *arg)
{
	struct log_thread *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (!buf_len(&t->waiting) && !t->is_ending)
			bell_sleep(&t->bell, &t->lock);
		if (!buf_len(&t->waiting))
			break;
		if (!t->is_ending) {
			/* gather: a burst is written at once, and wakes us once */
			struct timespec pause = {0, LOG_THREAD_GATHER_NS};

			pthread_mutex_unlock(&t->lock);
			nanosleep(&pause, NULL);
			pthread_mutex_lock(&t->lock);
		}
		struct buf swap = t->writing;
		t->writing = t->waiting;
		t->waiting = swap;
		buf_clear(&t->waiting);
		tell_dropped(t);
		struct target target = t->target;
		int old_fd = t->old_fd;
		t->old_fd = -1;
		pthread_mutex_unlock(&t->lock);

		if (old_fd >= 0)
			close(old_fd);
		flush(target, buf_span(&t->writing));
		buf_clear(&t->writing);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Is standard error the journal's pipe? systemd says which device and inode it gave. */
static bool is_journal_stream(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct span device, inode;
	uint64_t dev, ino;
	struct stat st;

	return stream && span_cut(span_str(stream), ':', &device, &inode) &&
		span_u64(device, &dev) && span_u64(inode, &ino) && fstat(STDERR_FILENO, &st) == 0 &&
		st.st_dev == dev && st.st_ino == ino;
}

static int journal_open(const char *path, struct err *e)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return err_set(e, ERR_CONFIG, "%s: too long for a socket", path);
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return err_sys(e, why, "journald's socket %s", path);
	}
	return fd;
}

static int target_open(const struct log_thread_opts *opts, struct target *target_r, struct err *e)
{
	*target_r = (struct target){.kind = TARGET_STREAM, .fd = STDERR_FILENO};
	if (strcmp(opts->destination, "stderr") == 0) {
		target_r->is_prefixed = is_journal_stream();
		return 0;
	}
	target_r->is_owned = true;
	if (strcmp(opts->destination, "journald") == 0) {
		target_r->kind = TARGET_JOURNAL;
		target_r->fd = journal_open(
			opts->journal_socket ? opts->journal_socket : "/run/systemd/journal/socket",
			e);
		return target_r->fd < 0 ? -1 : 0;
	}
	target_r->fd = open(
		opts->destination, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (target_r->fd < 0)
		return err_sys(e, errno, "log file %s", opts->destination);
	return 0;
}

struct log_thread *log_thread_new(const struct log_thread_opts *opts, struct err *e)
{
	struct target target;

	if (target_open(opts, &target, e) < 0)
		return NULL;
	struct log_thread *t = NEW(struct log_thread);

	t->sink = (struct log_sink){.write = sink_write,
		.wall_ns = sink_wall_ns,
		.level = opts->level,
		.format = opts->format};
	t->target = target;
	t->old_fd = -1;
	buf_init(&t->waiting, LOG_THREAD_BUFFER);
	buf_init(&t->writing, LOG_THREAD_BUFFER + 256);
	pthread_mutex_init(&t->lock, NULL);
	bell_init(&t->bell);
	int rc = pthread_create(&t->thread, NULL, run, t);
	if (rc) {
		err_sys(e, rc, "starting the log thread");
		if (target.is_owned)
			close(target.fd);
		free(t);
		return NULL;
	}
	return t;
}

void log_thread_free(struct log_thread **t)
{
	struct log_thread *was = *t;

	if (!was)
		return;
	pthread_mutex_lock(&was->lock);
	was->is_ending = true;
	bell_ring(&was->bell, bell_claim(&was->bell, 1));
	pthread_mutex_unlock(&was->lock);
	pthread_join(was->thread, NULL);
	if (was->target.is_owned)
		close(was->target.fd);
	if (was->old_fd >= 0)
		close(was->old_fd);
	buf_fini(&was->waiting);
	buf_fini(&was->writing);
	pthread_mutex_destroy(&was->lock);
	bell_fini(&was->bell);
	free(was);
	*t = NULL;
}

struct log_sink *log_thread_sink(struct log_thread *t)
{
	return &t->sink;
}

int log_thread_reopen(struct log_thread *t, const struct log_thread_opts *opts, struct err *e)
{
	struct target target;
	int stale = -1;

	if (target_open(opts, &target, e) < 0)
		return -1;
	pthread_mutex_lock(&t->lock);
	/* The thread may be writing to the old one: it closes it when it comes back. */
	stale = t->old_fd;
	t->old_fd = t->target.is_owned ? t->target.fd : -1;
	t->target = target;
	pthread_mutex_unlock(&t->lock);
	if (stale >= 0)
		close(stale);
	/* read without the lock by producers: whole words, a line more or less does not matter */
	__atomic_store_n(&t->sink.level, opts->level, __ATOMIC_RELAXED);
	__atomic_store_n(&t->sink.format, opts->format, __ATOMIC_RELAXED);
	return 0;
}

uint64_t log_thread_dropped(const struct log_thread *t)
{
	return __atomic_load_n(&t->dropped, __ATOMIC_RELAXED);
}
