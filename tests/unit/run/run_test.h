#pragma once
/* What the tests of this floor share: a loop to run a main in, and a child process to die in. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "run/fiber.h"
#include "run/loop.h"

#if defined(__SANITIZE_THREAD__)
#define IS_TSAN 1
#else
#define IS_TSAN 0
#endif

#define SIM_WALL (1795000000 * CLOCK_SEC)

static inline void run_in(struct loop *l, int (*fn)(void *arg), void *arg)
{
	struct err e = {0};

	assert_non_null(l);
	assert_int_equal(loop_run(l, fn, arg, &e), 0);
	assert_null(loop_current());
	loop_free(&l);
	assert_null(l);
}

static inline void run_uv(int (*fn)(void *arg), void *arg)
{
	struct err e = {0};

	run_in(loop_new_uv(&(struct loop_opts){.name = "loop0"}, &e), fn, arg);
}

static inline void run_sim(int (*fn)(void *arg), void *arg)
{
	run_in(loop_new_sim(&(struct loop_opts){.name = "sim"}, SIM_WALL), fn, arg);
}

/* Run die(arg) in a child; its wait status, and what it wrote to standard error. */
static inline int run_child(void (*die)(void *arg), void *arg, char *said_r, size_t max)
{
	int fds[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		die(arg);
		_exit(0);
	}
	close(fds[1]);
	while (used < max - 1 && (n = read(fds[0], said_r + used, max - 1 - used)) > 0)
		used += (size_t)n;
	said_r[used] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}
