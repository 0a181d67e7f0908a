/* LD_PRELOAD library for integration tests: a loop thread that blocks is a bug.
 *
 * It stands before the calls that go to the disk or to a resolver, and ends the process with the
 * stack when one is made on a thread whose name begins with "loop", which is what loop_uv names a
 * thread while it runs a loop: start-up and worker threads do as they like. With
 * YIZHAN_NO_BLOCK=report it prints and goes on.
 *
 *	LD_PRELOAD=build/release/tests/preload/no_block.so yizhan serve ...
 *	LD_PRELOAD="$(gcc -print-file-name=libasan.so) build/asan/tests/preload/no_block.so" ...
 *
 * (AddressSanitizer wants to be the first library.) Only calls that cross from one library to
 * another are seen: glibc's own opens (time zones, locales) are not, which is as wanted. */

#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS /* it would make open another name for open64 */
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define STACK_MAX  48
#define THREAD_MAX 16

/* Answered by the kernel from memory. */
static const char *const harmless[] = {"/dev/", "/proc/self/", "/etc/localtime"};

static bool is_harmless(const char *path)
{
	for (size_t i = 0; path && i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strncmp(path, harmless[i], strlen(harmless[i])) == 0)
			return true;
	return false;
}

static bool is_loop_thread(char name[THREAD_MAX])
{
	return pthread_getname_np(pthread_self(), name, THREAD_MAX) == 0 &&
		strncmp(name, "loop", 4) == 0;
}

static void check(const char *call, const char *what)
{
	const char *mode = getenv("YIZHAN_NO_BLOCK");
	void *stack[STACK_MAX];
	char name[THREAD_MAX];

	if (is_harmless(what) || !is_loop_thread(name))
		return;
	fprintf(stderr, "no_block: %s(%s) on thread %s\n", call, what ? what : "", name);
	fflush(stderr);
	backtrace_symbols_fd(stack, backtrace(stack, STACK_MAX), STDERR_FILENO);
	if (!mode || strcmp(mode, "report") != 0)
		abort();
}

/* The real one: the next library's. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define WRAP_OPEN(fn)                                                                              \
	EXPORT int fn(const char *path, int flags, ...)                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		check(#fn, path);                                                                  \
		return REAL(fn)(path, flags, mode);                                                \
	}

#define WRAP_OPENAT(fn)                                                                            \
	EXPORT int fn(int dir, const char *path, int flags, ...)                                   \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		check(#fn, path);                                                                  \
		return REAL(fn)(dir, path, flags, mode);                                           \
	}

#define WRAP_FD(fn)                                                                                \
	EXPORT int fn(int fd)                                                                      \
	{                                                                                          \
		check(#fn, NULL);                                                                  \
		return REAL(fn)(fd);                                                               \
	}

#define WRAP_FOPEN(fn)                                                                             \
	EXPORT FILE *fn(const char *path, const char *mode)                                        \
	{                                                                                          \
		check(#fn, path);                                                                  \
		return REAL(fn)(path, mode);                                                       \
	}

/* What _FORTIFY_SOURCE turns open and openat into. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

#define WRAP_OPEN_2(fn)                                                                            \
	EXPORT int fn(const char *path, int flags)                                                 \
	{                                                                                          \
		check(#fn, path);                                                                  \
		return REAL(fn)(path, flags);                                                      \
	}

#define WRAP_OPENAT_2(fn)                                                                          \
	EXPORT int fn(int dir, const char *path, int flags)                                        \
	{                                                                                          \
		check(#fn, path);                                                                  \
		return REAL(fn)(dir, path, flags);                                                 \
	}

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_OPEN_2(__open_2)
WRAP_OPEN_2(__open64_2)
WRAP_OPENAT_2(__openat_2)
WRAP_OPENAT_2(__openat64_2)
WRAP_FOPEN(fopen)
WRAP_FOPEN(fopen64)
WRAP_FD(fsync)
WRAP_FD(fdatasync)

EXPORT int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	check("getaddrinfo", node ? node : "-");
	return REAL(getaddrinfo)(node, service, hints, res);
}

struct sqlite3_stmt;
int sqlite3_step(struct sqlite3_stmt *stmt);

EXPORT int sqlite3_step(struct sqlite3_stmt *stmt)
{
	check("sqlite3_step", NULL);
	return REAL(sqlite3_step)(stmt);
}
