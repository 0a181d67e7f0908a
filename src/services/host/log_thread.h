#pragma once
/* Where log lines go, without a loop thread ever waiting for a disk or a pipe: producers copy a
 * finished line into a bounded buffer, one thread writes. What does not fit is counted and told.
 *
 * Destinations: standard error (with "<3>" in front when it is a journal's pipe), journald's own
 * socket, a file that is opened again at SIGHUP. */

#include "base/err.h"
#include "base/log.h"

#define LOG_THREAD_BUFFER    (4 * 1024 * 1024) /* octets that may wait */
#define LOG_THREAD_GATHER_NS (20 * 1000000LL)  /* after the first line, wait for more this long */

struct log_thread;

struct log_thread_opts {
	const char *destination; /* "stderr", "journald" or a file's path */
	enum log_format format;
	enum log_level level;
	const char *journal_socket; /* NULL: /run/systemd/journal/socket (tests have their own) */
};

struct log_thread *log_thread_new(const struct log_thread_opts *opts, struct err *e);
/** Writes what waits, then ends. */
void log_thread_free(struct log_thread **t);
struct log_sink *log_thread_sink(struct log_thread *t);
/** Another destination, format or level, or the same file anew; on error all stays as it is. Any
 * thread, may block shortly for the opening of a file. */
int log_thread_reopen(struct log_thread *t, const struct log_thread_opts *opts, struct err *e);
/** Lines that did not fit, since the start. */
uint64_t log_thread_dropped(const struct log_thread *t);
