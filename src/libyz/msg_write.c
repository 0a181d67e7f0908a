/* Messages that are made: writing. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libyz/msg_priv.h"

int msg_out_put(struct msg_out *o, struct span s, struct err *e)
{
	while (s.len) {
		ptrdiff_t at = o->is_lf ? span_find(s, '\r') : -1;
		size_t n = at < 0 ? s.len : (size_t)at;

		/* a CR that is no line end's stays one */
		if (o->has_cr && s.ptr[0] != '\n' && o->write(o->arg, "\r", 1) != 0)
			return err_set(e, ERR_IO, "the caller takes no more");
		o->has_cr = false;
		if (n && o->write(o->arg, s.ptr, n) != 0)
			return err_set(e, ERR_IO, "the caller takes no more");
		o->has_cr = at >= 0;
		s = span_skip(s, at < 0 ? n : n + 1);
	}
	return 0;
}

int msg_out_end(struct msg_out *o, struct err *e)
{
	if (o->has_cr && o->write(o->arg, "\r", 1) != 0)
		return err_set(e, ERR_IO, "the caller takes no more");
	o->has_cr = false;
	return 0;
}

static int sink_put(void *arg, struct span octets, struct err *e)
{
	return msg_out_put(arg, octets, e);
}

int msg_to_buf(void *arg, const void *octets, size_t n)
{
	struct buf *b = arg;

	buf_put(b, octets, n);
	return buf_ok(b) ? 0 : -1;
}

/* write(2) without the SIGPIPE of a pipe that nobody reads: it is held back, and taken away when it was
 * not waiting before. */
static ssize_t quiet_write(int fd, const void *octets, size_t n)
{
	const struct timespec now = {0};
	sigset_t pipe_signal, before, pending;
	ssize_t done;
	int why;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	done = write(fd, octets, n);
	why = errno;
	if (done < 0 && why == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = why;
	return done;
}

int msg_to_fd(void *arg, const void *octets, size_t n)
{
	const int *fd = arg;
	const char *at = octets;

	while (n) {
		ssize_t done = quiet_write(*fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

int yz_msg_write(struct yz_msg *m, const struct yz_msg_options *o, yz_write_fn *write, void *arg)
{
	struct yz_msg_options own = {0};
	struct msg_out out = {.write = write, .arg = arg};
	const struct msg_sink sink = {sink_put, &out};
	struct msg_settings s;
	struct err e = {0};
	int rc;

	if (o)
		memcpy(&own, o, o->size < sizeof(own) ? o->size : sizeof(own));
	if ((unsigned)own.way > YZ_WAY_BINARY || own.fold > MSG_LINE_MUST)
		return msg_error_set(&m->error, YZ_E_INVAL, "no such way, or too wide a fold");
	out.is_lf = own.is_lf;
	msg_settings_of(m, &own, &s);
	rc = msg_write(m->m, &s, &sink, &e);
	if (rc == 0)
		rc = msg_out_end(&out, &e);
	return msg_result(&m->error, rc, &e);
}

int yz_msg_write_fd(struct yz_msg *m, const struct yz_msg_options *o, int fd)
{
	int rc;

	errno = 0;
	rc = yz_msg_write(m, o, msg_to_fd, &fd);
	if (rc == YZ_E_SOURCE && errno) {
		struct err e = {0};

		err_sys(&e, errno, "writing the message");
		return msg_error(&m->error, &e);
	}
	return rc;
}

int yz_msg_write_file(struct yz_msg *m, const struct yz_msg_options *o, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600), rc;
	struct err e = {0};

	if (fd < 0) {
		err_sys(&e, errno, "opening %s", path);
		return msg_error(&m->error, &e);
	}
	rc = yz_msg_write_fd(m, o, fd);
	if (close(fd) < 0 && rc == YZ_OK) {
		err_sys(&e, errno, "closing %s", path);
		return msg_error(&m->error, &e);
	}
	return rc;
}

int yz_msg_write_mem(
	struct yz_msg *m, const struct yz_msg_options *o, size_t max, char **octets_r, size_t *n_r)
{
	struct buf b;
	int rc;

	*octets_r = NULL;
	buf_init(&b, max);
	rc = yz_msg_write(m, o, msg_to_buf, &b);
	if (!buf_ok(&b))
		rc = msg_error_set(&m->error, YZ_E_LIMIT, "a message of more than %zu octets", max);
	if (rc == YZ_OK)
		*octets_r = msg_give(&b, n_r);
	buf_fini(&b);
	return rc;
}

bool yz_msg_needs_utf8(const struct yz_msg *m, bool also_domains)
{
	return also_domains ? msg_needs_utf8(m->m) : msg_needs_utf8_locals(m->m);
}
