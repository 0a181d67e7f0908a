/* LD_PRELOAD library for integration tests: a loop thread that blocks is a bug.
 *
 * It stands before the calls that go to the disk or to a resolver, and before those that sleep, and
 * ends the process with the stack when one is made on a thread whose name begins with "loop", which
 * is what loop_uv names a thread while it runs a loop: start-up and worker threads do as they like.
 * But for one thing: no thread goes to the disk with a lock that some loop has ever taken, for a
 * loop would wait at that lock for the disk. So what blocks is told by what is called, and no clock
 * is asked, which would count other programs and the sanitizers' own locks. With
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
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define STACK_MAX  48
#define THREAD_MAX 16
#define HELD_MAX   32
#define LOCKS_MAX  65536 /* a power of 2; as many mutexes as loops may have taken */

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

/* ---- locks ---- */

/* What this thread holds; a stack, but for those that are let go in another order. */
static __thread pthread_mutex_t *held[HELD_MAX];
static __thread size_t held_count;

/* What loops have taken: open addressing; a place that was given up is FORGOTTEN, never NULL. */
#define FORGOTTEN ((uintptr_t)1)
static _Atomic(uintptr_t) of_loops[LOCKS_MAX];

/* The place of m, or the first one where it may stand. */
static _Atomic(uintptr_t) *lock_place(const pthread_mutex_t *m)
{
	uintptr_t key = (uintptr_t)m;
	size_t i = (key >> 4) * 0x9e3779b97f4a7c15u >> 48;

	for (size_t n = 0; n < LOCKS_MAX; n++, i++) {
		uintptr_t there = atomic_load(&of_loops[i % LOCKS_MAX]);

		if (there == key || there == 0)
			return &of_loops[i % LOCKS_MAX];
	}
	abort();
}

static bool is_of_loops(const pthread_mutex_t *m)
{
	return atomic_load(lock_place(m)) == (uintptr_t)m;
}

static void note_of_loop(const pthread_mutex_t *m)
{
	uintptr_t none = 0;

	while (!is_of_loops(m) && !atomic_compare_exchange_weak(lock_place(m), &none, (uintptr_t)m))
		none = 0;
}

static void note_taken(pthread_mutex_t *m)
{
	char name[THREAD_MAX];

	if (is_loop_thread(name))
		note_of_loop(m);
	if (held_count < HELD_MAX)
		held[held_count++] = m;
}

static void note_let_go(const pthread_mutex_t *m)
{
	for (size_t i = held_count; i-- > 0;)
		if (held[i] == m) {
			held[i] = held[--held_count];
			return;
		}
}

static bool holds_lock_of_loops(void)
{
	for (size_t i = 0; i < held_count; i++)
		if (is_of_loops(held[i]))
			return true;
	return false;
}

/* ---- the verdict ---- */

static void check(const char *call, const char *what)
{
	const char *mode = getenv("YIZHAN_NO_BLOCK");
	void *stack[STACK_MAX];
	char name[THREAD_MAX];
	bool on_loop = is_loop_thread(name);

	if (is_harmless(what) || (!on_loop && !holds_lock_of_loops()))
		return;
	fprintf(stderr, "no_block: %s(%s) on thread %s%s\n", call, what ? what : "", name,
		on_loop ? "" : " with a lock that loops take");
	fflush(stderr);
	backtrace_symbols_fd(stack, backtrace(stack, STACK_MAX), STDERR_FILENO);
	if (!mode || strcmp(mode, "report") != 0)
		abort();
}

/* The real one: the next library's. */
#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

/* Looked up once: locks are taken often. */
#define REAL_ONCE(name)                                                                            \
	({                                                                                         \
		static _Atomic(__typeof__(&name)) real;                                            \
		if (!atomic_load_explicit(&real, memory_order_relaxed))                            \
			atomic_store(&real, REAL(name));                                           \
		atomic_load_explicit(&real, memory_order_relaxed);                                 \
	})

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
	int code = REAL_ONCE(pthread_mutex_lock)(m);

	if (code == 0)
		note_taken(m);
	return code;
}

EXPORT int pthread_mutex_trylock(pthread_mutex_t *m)
{
	int code = REAL_ONCE(pthread_mutex_trylock)(m);

	if (code == 0)
		note_taken(m);
	return code;
}

EXPORT int pthread_mutex_unlock(pthread_mutex_t *m)
{
	note_let_go(m);
	return REAL_ONCE(pthread_mutex_unlock)(m);
}

/* Its memory may become another's lock. */
EXPORT int pthread_mutex_destroy(pthread_mutex_t *m)
{
	uintptr_t key = (uintptr_t)m;

	atomic_compare_exchange_strong(lock_place(m), &key, FORGOTTEN);
	return REAL_ONCE(pthread_mutex_destroy)(m);
}

EXPORT int nanosleep(const struct timespec *time, struct timespec *rest)
{
	check("nanosleep", NULL);
	return REAL(nanosleep)(time, rest);
}

EXPORT int usleep(useconds_t us)
{
	check("usleep", NULL);
	return REAL(usleep)(us);
}

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
