/* The preload library does what integration tests trust it to do. Runs with it loaded. */

#include "../unit/run/run_test.h"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>

static void try_open(void)
{
	int fd = open("/etc/hostname", O_RDONLY);

	if (fd >= 0)
		close(fd);
}
static void try_openat(void)
{
	int fd = openat(AT_FDCWD, "/etc/hostname", O_RDONLY);

	if (fd >= 0)
		close(fd);
}
static void try_create(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd >= 0)
		close(fd);
}
static void try_fopen(void)
{
	FILE *f = fopen("/etc/hostname", "r");

	if (f)
		fclose(f);
}
static void try_fsync(void)
{
	fsync(0);
}
static void try_fdatasync(void)
{
	fdatasync(0);
}
static void try_getaddrinfo(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *res;

	if (getaddrinfo("127.0.0.1", NULL, &hints, &res) == 0)
		freeaddrinfo(res);
}
static void try_sqlite3_step(void)
{
	sqlite3_step(NULL);
}
static void try_usleep(void)
{
	usleep(1);
}
static void try_harmless(void)
{
	int fd = open("/dev/urandom", O_RDONLY);

	assert_true(fd >= 0);
	close(fd);
}

static const struct {
	void (*act)(void);
	const char *says; /* NULL: nothing */
} acts[] = {
	{try_open, "no_block: open"},
	{try_openat, "no_block: openat"},
	{try_create, "no_block: open"},
	{try_fopen, "no_block: fopen"},
	{try_fsync, "no_block: fsync() on thread loop0"},
	{try_fdatasync, "no_block: fdatasync() on thread loop0"},
	{try_getaddrinfo, "no_block: getaddrinfo(127.0.0.1) on thread loop0"},
	{try_sqlite3_step, "no_block: sqlite3_step() on thread loop0"},
	{try_usleep, "no_block: usleep() on thread loop0"},
	{try_harmless, NULL},
};

static FIBER int act_main(void *arg)
{
	acts[*(size_t *)arg].act();
	return 0;
}

static void act_on_loop(void *arg)
{
	run_uv(act_main, arg);
}

static int act_work(void *arg, struct err *e)
{
	acts[*(size_t *)arg].act();
	return 0;
}

static FIBER int act_lane_main(void *arg)
{
	/* A lane may have any name but one like a loop's. */
	struct work_lane *lane = work_lane_new("disk", 1, 1);

	assert_int_equal(work_run(lane, act_work, arg, NULL), 0);
	work_lane_free(&lane);
	return 0;
}

static void act_elsewhere(void *arg)
{
	acts[*(size_t *)arg].act();
	run_uv(act_lane_main, arg);
	acts[*(size_t *)arg].act();
}

static void a_loop_thread_that_blocks_dies(void **state)
{
	char said[2048];

	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		int status = run_child(act_on_loop, &i, said, sizeof(said));

		if (acts[i].says) {
			assert_non_null(strstr(said, acts[i].says));
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), SIGABRT);
		} else {
			assert_string_equal(said, "");
			assert_int_equal(status, 0);
		}
	}
}

static void other_threads_may_block(void **state)
{
	char said[2048];

	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (acts[i].act == try_sqlite3_step)
			continue; /* SQLite itself complains about NULL */
		assert_int_equal(run_child(act_elsewhere, &i, said, sizeof(said)), 0);
		assert_string_equal(said, "");
	}
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static FIBER int take_lock_main(void *arg)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

static void disk_with_lock(void *arg)
{
	if (*(bool *)arg)
		run_uv(take_lock_main, NULL);
	pthread_mutex_lock(&lock);
	try_fsync();
	pthread_mutex_unlock(&lock);
}

static void disk_after_lock(void *arg)
{
	run_uv(take_lock_main, NULL);
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	try_fsync();
}

static void nobody_goes_to_the_disk_with_a_lock_that_loops_take(void **state)
{
	char said[2048];
	bool of_loops = true;
	int status = run_child(disk_with_lock, &of_loops, said, sizeof(said));

	assert_non_null(strstr(said, "no_block: fsync() on thread"));
	assert_non_null(strstr(said, "with a lock that loops take"));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	of_loops = false;
	assert_int_equal(run_child(disk_with_lock, &of_loops, said, sizeof(said)), 0);
	assert_string_equal(said, "");
	assert_int_equal(run_child(disk_after_lock, NULL, said, sizeof(said)), 0);
	assert_string_equal(said, "");
}

static void act_reporting(void *arg)
{
	setenv("YIZHAN_NO_BLOCK", "report", 1);
	run_uv(act_main, arg);
}

static void reporting_goes_on(void **state)
{
	char said[2048];
	size_t first = 0;

	assert_int_equal(run_child(act_reporting, &first, said, sizeof(said)), 0);
	assert_non_null(strstr(said, acts[0].says));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_thread_that_blocks_dies),
		cmocka_unit_test(other_threads_may_block),
		cmocka_unit_test(nobody_goes_to_the_disk_with_a_lock_that_loops_take),
		cmocka_unit_test(reporting_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
