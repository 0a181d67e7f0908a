#include "services/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "store/mailbox.h"
#include "services/host/host_priv.h"

bool host_place(const struct host *h, size_t i, struct host_place *place_r)
{
	if (i >= h->bound_count)
		return false;
	*place_r = (struct host_place){
		h->bounds[i].name, &h->bounds[i].addr, h->bounds[i].protocol, h->bounds[i].tls};
	return true;
}

const struct config *host_config(const struct host *h)
{
	return h->config;
}

const char *host_data(const struct host *h)
{
	return h->data;
}

static int complain(struct host *h, int exit_code, const struct err *e)
{
	if (h->opts->complain)
		h->opts->complain(h->opts->arg, 0, e->text);
	return exit_code;
}

static int load_config(struct host *h)
{
	struct config_errors errs = {0};

	if (!h->opts->config_file) {
		h->config = config_demo(h->opts->data, h->opts->port_offset);
		return 0;
	}
	h->config = config_read(h->opts->config_file, &errs);
	for (size_t i = 0; i < errs.count && h->opts->complain; i++)
		h->opts->complain(h->opts->arg, errs.items[i].line, errs.items[i].text);
	config_errors_fini(&errs);
	if (!h->config)
		return EX_CONFIG;
	h->config->port_offset = h->opts->port_offset;
	return 0;
}

static unsigned worker_count(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->threads)
		return (unsigned)c->threads;
	if (cores < 1)
		return 1;
	return cores < HOST_THREADS_DEFAULT_MAX ? (unsigned)cores : HOST_THREADS_DEFAULT_MAX;
}

/* Each connection is a descriptor. */
static void raise_fd_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* The kernel's table of descriptors doubles when it is full, and once there are threads it waits for
 * all of them to have seen that: 10 ms and more, within accept. So it grows now. */
static void grow_fd_table(const struct config *c)
{
	int64_t last = c->limits.connections + HOST_FDS_RESERVED;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), high;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && (rlim_t)last >= r.rlim_cur)
		last = (int64_t)r.rlim_cur - 1;
	high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, (int)last);
	if (high >= 0)
		close(high);
	if (fd >= 0)
		close(fd);
}

/* As root: the directory becomes the user's, then we become the user. */
static int drop_privileges(struct host *h, struct err *e)
{
	const char *name = h->config->user[0] ? h->config->user : "yizhan";
	struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(name);
	if (!pw && h->config->user[0])
		return err_set(e, ERR_CONFIG, "there is no user \"%s\"", name);
	if (!pw) /* nobody to become: a container, a laboratory */
		return 0;
	/* made as root, used as the user: a reload opens the log file again */
	if (chown(host_control_path(h->arena, h->data), pw->pw_uid, pw->pw_gid) < 0 ||
		(h->config->log.destination[0] == '/' &&
			chown(h->config->log.destination, pw->pw_uid, pw->pw_gid) < 0))
		return err_sys(e, errno, "giving files to %s", name);
	if (h->place.maildrop && chown(h->place.maildrop, pw->pw_uid, pw->pw_gid) < 0)
		return err_sys(e, errno, "giving %s to %s", h->place.maildrop, name);
	if (chown(h->data, pw->pw_uid, pw->pw_gid) < 0 || initgroups(name, pw->pw_gid) < 0 ||
		setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
		setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return err_sys(e, errno, "becoming %s", name);
	if (pw->pw_uid && setuid(0) == 0)
		return err_set(e, ERR_DENIED, "root could be had again");
	return 0;
}

static int make_data_dir(struct host *h, struct err *e)
{
	const char *data = h->opts->data ? h->opts->data : h->config->data;
	struct stat st;

	if (mkdir(data, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "data directory %s", data);
	if (stat(data, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, "%s is no directory", data);
	/* whole, so that it means the same to those who read demo.json */
	char *whole = realpath(data, NULL);
	if (!whole)
		return err_sys(e, errno, "data directory %s", data);
	h->data = arena_str(h->arena, span_str(whole));
	free(whole);
	return 0;
}

static int open_store(struct host *h, struct err *e)
{
	const struct config *c = h->config;
	struct store_opts opts = {.dir = h->data,
		.readers = (unsigned)c->store.readers,
		.stage_disk_max = (uint64_t)c->store.stage_disk,
		.stage_mem_max = (uint64_t)c->store.stage_memory,
		.is_fsync_off = !c->store.is_fsync,
		.log = &h->log};

	h->store = store_open(&opts, e);
	return h->store ? 0 : -1;
}

/* ---- loop 0 ---- */

static void on_signal(int signo, void *arg)
{
	struct host *h = arg;

	if (signo == SIGHUP) {
		h->is_reloading = true;
	} else {
		/* The second one does not wait: the store stands any end. */
		if (h->signals++)
			_exit(EX_TEMPFAIL);
		log_event(&h->log, LOG_INFO, "host.signal", LF_INT("signal", signo));
		h->is_stopping = true;
	}
	fiber_cond_broadcast(&h->changed);
}

static int watch_signals(struct host *h, struct err *e)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (loop_signal(h->workers[0].loop, signals[i], on_signal, h, e) < 0)
			return -1;
	}
	return 0;
}

static void unwatch_signals(struct host *h)
{
	loop_signal(h->workers[0].loop, SIGHUP, NULL, NULL, NULL);
	loop_signal(h->workers[0].loop, SIGINT, NULL, NULL, NULL);
	loop_signal(h->workers[0].loop, SIGTERM, NULL, NULL, NULL);
}

static FIBER int start_all(struct host *h, struct fiber_group *control, struct err *e)
{
	host_web_tell(h);
	/* The key is there before the first letter can need it. */
	if (host_demo_seed(h, e) < 0 || guard_begin(h->guard, e) < 0 ||
		auth_begin(h->auth, e) < 0 || web_login_begin(h->web_login, e) < 0 ||
		router_srs_turn(h->store, false, e) < 0 || host_filter_begin(h, e) < 0 ||
		mailbox_special_all(h->store, e) < 0 ||
		fiber_start(control, "srs", host_router_keep, h, e) < 0 ||
		fiber_start(control, "accounts", host_accounts_keep, h, e) < 0 ||
		fiber_start(control, "jmap", host_jmap_main, h, e) < 0 ||
		fiber_start(control, "push", host_jmap_push_main, h, e) < 0 ||
		fiber_start(control, "tls", host_tls_keep, h, e) < 0)
		return -1;
	for (size_t i = 1; i < h->worker_count; i++) {
		if (host_worker_start(&h->workers[i], e) < 0)
			return -1;
		h->workers_started++;
	}
	if (fiber_start(&h->group, "worker0", host_worker_main, &h->workers[0], e) < 0)
		return -1;
	h->workers_started++;
	if (fiber_start(control, "control", host_control_main, h, e) < 0)
		return -1;
	while (h->workers_ready < h->worker_count && !h->workers_ended)
		fiber_cond_wait(&h->changed, CLOCK_NEVER, NULL);
	if (h->workers_ended) {
		for (size_t i = 0; i < h->worker_count; i++) {
			if (!h->workers[i].is_ready)
				err_copy(e, &h->workers[i].err);
		}
		return -1;
	}
	return host_demo_write(h, e);
}

static FIBER void serve(struct host *h, struct fiber_group *control)
{
	struct err e = {0};

	log_event(&h->log, LOG_INFO, "host.ready", LF_INT("pid", getpid()),
		LF_INT("threads", h->worker_count), LF_STR("data", h->data),
		LF_INT("ms", (loop_now_ns() - h->started_mono_ns) / CLOCK_MS));
	if (h->opts->ready)
		h->opts->ready(h->opts->arg, h);
	notify_send("READY=1");
	if (host_queue_begin(h, &e) < 0 || host_acme_begin(h, &e) < 0) {
		log_event(&h->log, LOG_ERROR, "host.queue.failed", LF_STR("error", e.text));
		h->exit_code = complain(h, EX_CONFIG, &e);
		h->is_stopping = true;
	}
	if (h->config->is_demo)
		fiber_start(control, "demo-keys", host_demo_keys, h, NULL);
	while (!h->is_stopping) {
		if (h->is_reloading) {
			h->is_reloading = false;
			if (host_reload(h, &e) < 0)
				log_event(&h->log, LOG_ERROR, "host.reload.failed",
					LF_STR("error", e.text));
			continue;
		}
		fiber_cond_wait(&h->changed, CLOCK_NEVER, NULL);
	}
	notify_send("STOPPING=1");
	log_event(&h->log, LOG_INFO, "host.stopping",
		LF_INT("connections", __atomic_load_n(&h->admit.total, __ATOMIC_RELAXED)));
}

static FIBER void stop_all(struct host *h)
{
	__atomic_store_n(&h->is_draining, true, __ATOMIC_RELAXED);
	host_jmap_stop(h);
	host_road_end(h);
	queue_stop(h->queue);
	for (size_t i = 0; i < h->worker_count; i++) {
		if (i < h->workers_started || (i == 0 && h->workers_started))
			host_worker_tell(&h->workers[i], HOST_WORD_STOP, NULL);
	}
	while (h->workers_ended < h->workers_started)
		fiber_cond_wait(&h->changed, CLOCK_NEVER, NULL);
	host_acme_end(h);
	host_queue_end(h);
	fiber_group_join(&h->group);
}

static FIBER int host_main(void *arg)
{
	struct host *h = arg;
	struct fiber_group control;
	struct err e = {0};

	fiber_group_init(&h->group);
	fiber_group_init(&control);
	fiber_cond_init(&h->changed);
	if (watch_signals(h, &e) < 0 || start_all(h, &control, &e) < 0) {
		h->exit_code = complain(h, EX_UNAVAILABLE, &e);
		log_event(&h->log, LOG_ERROR, "host.start.failed", LF_STR("error", e.text));
	} else {
		serve(h, &control);
	}
	stop_all(h);
	fiber_group_cancel(&control);
	fiber_group_join(&control);
	unwatch_signals(h);
	return 0;
}

static int run_loops(struct host *h, struct err *e)
{
	/* Tests end at a slice of more milliseconds than these that computed or waited. */
	const char *fatal = getenv("YIZHAN_SLICE_FATAL"), *wait = getenv("YIZHAN_WAIT_FATAL");
	uint64_t fatal_ms = 0, wait_ms = 0;

	if ((fatal && !span_u64(span_str(fatal), &fatal_ms)) ||
		(wait && !span_u64(span_str(wait), &wait_ms)))
		return err_set(
			e, ERR_CONFIG, "YIZHAN_SLICE_FATAL or YIZHAN_WAIT_FATAL is no number");
	h->workers = ARENA_ARRAY(h->arena, struct host_worker, h->worker_count);
	for (size_t i = 0; i < h->worker_count; i++) {
		struct host_worker *w = &h->workers[i];
		struct loop_opts opts = {.log = &h->log,
			.slice_warn_ns = (int64_t)fatal_ms * CLOCK_MS,
			.is_slice_fatal = fatal_ms > 0,
			.wait_fatal_ns = (int64_t)wait_ms * CLOCK_MS,
			.name = arena_printf(h->arena, "loop%zu", i)};

		w->host = h;
		w->index = (unsigned)i;
		log_child(&w->log, &h->log);
		w->settings = host_settings_ref(h->settings);
		w->loop = loop_new_uv(&opts, e);
		if (!w->loop)
			return -1;
	}
	int rc = loop_run(h->workers[0].loop, host_main, h, e);

	for (size_t i = 1; i < h->worker_count; i++) {
		if (h->workers[i].thread)
			pthread_join(h->workers[i].thread, NULL);
	}
	return rc;
}

static void free_loops(struct host *h)
{
	for (size_t i = 0; h->workers && i < h->worker_count; i++) {
		if (h->workers[i].loop)
			loop_free(&h->workers[i].loop);
		inbound_free(&h->workers[i].inbound);
		host_settings_unref(&h->workers[i].settings);
	}
}

/* Everything that needs no loop, in the order that a second server, missing rights or a wrong word
 * is told of before anything is touched. */
static int prepare(struct host *h, struct err *e)
{
	if (make_data_dir(h, e) < 0)
		return EX_CANTCREAT;
	if (host_control_bind(h, e) < 0)
		return e->code == ERR_BUSY ? EX_TEMPFAIL : EX_CANTCREAT;
	host_local_prepare(h);
	if (host_bind_all(h, e) < 0)
		return e->code == ERR_EXISTS                             ? EX_TEMPFAIL
			: e->code == ERR_CONFIG || e->code == ERR_SYNTAX ? EX_CONFIG
									 : EX_UNAVAILABLE;
	if (drop_privileges(h, e) < 0)
		return e->code == ERR_CONFIG ? EX_CONFIG : EX_NOPERM;
	if (open_store(h, e) < 0)
		return e->code == ERR_BUSY                                 ? EX_TEMPFAIL
			: e->code == ERR_VERSION || e->code == ERR_CORRUPT ? EX_DATAERR
									   : EX_CANTCREAT;
	if (host_tls_new(h, h->config, e) < 0 || host_acme_new(h, e) < 0)
		return EX_CONFIG;
	/* what a process held that was killed */
	if (spool_recover_blocking(h->store, e) < 0)
		return EX_DATAERR;
	h->indexer = indexer_new(h->store, e);
	if (!h->indexer)
		return EX_OSERR;
	host_queue_new(h);
	if (host_filter_check(h, h->config, e) < 0)
		return EX_CONFIG;
	h->lane = work_lane_new("host", 1, 64);
	host_admit_init(&h->admit, h->config->listener_count);
	h->guard = host_guard_make(h->config, h->store, &h->log);
	if (host_auth_new(h, e) < 0)
		return EX_CONFIG;
	host_imap_new(h);
	host_submission_new(h);
	host_pop3_new(h);
	host_web_new(h);
	h->settings = host_settings_new(h, config_ref(h->config));
	return 0;
}

static void dispose(struct host *h)
{
	struct arena *a = h->arena;

	/* Threads that answer loops end first: one may still be in the call that woke a loop. */
	host_queue_free(h);
	host_acme_free(h);
	if (h->lane)
		work_lane_free(&h->lane);
	if (h->image_lane)
		work_lane_free(&h->image_lane);
	if (h->provider_lane)
		work_lane_free(&h->provider_lane);
	indexer_stop(h->indexer);
	if (h->store)
		store_close(&h->store);
	watch_hub_free(&h->watch_hub);
	indexer_free(&h->indexer);
	host_road_free(h);
	host_auth_free(h);
	submission_free(&h->submission);
	pop3d_free(&h->pop3d);
	guard_free(&h->guard);
	free_loops(h);
	host_settings_unref(&h->settings);
	if (h->admit.key)
		host_admit_fini(&h->admit);
	host_jmap_free(h);
	web_image_free(&h->web_image);
	web_login_free(&h->web_login);
	web_free(&h->web);
	host_tls_free(h);
	host_bind_close(h);
	if (h->control_fd >= 0)
		close(h->control_fd);
	if (h->maildrop_fd >= 0)
		close(h->maildrop_fd);
	config_unref(&h->config);
	log_thread_free(&h->log_thread);
	arena_free(&a);
}

/* Each block that is larger than this is a mapping of its own, which goes back when it is freed. Left to itself the
 * allocator takes the largest block that was ever freed for a usual one and keeps as much, in each thread. */
#define LARGE_BLOCK (1024 * 1024)
static void free_large_blocks(void)
{
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BLOCK);
}

int host_run(const struct host_opts *opts)
{
	struct arena *arena = arena_new();
	struct host *h = ARENA_NEW(arena, struct host);
	struct log_thread_opts log;
	struct err e = {0};

	h->arena = arena;
	h->opts = opts;
	h->control_fd = h->maildrop_fd = -1;
	h->started_mono_ns = clock_mono_ns();
	h->started_wall_ns = clock_wall_ns();
	h->passed_count = notify_take_fds(arena, h->passed, NOTIFY_FDS_MAX);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* EFBIG is a full disk */
	raise_fd_limit();
	free_large_blocks();

	h->exit_code = load_config(h);
	if (!h->exit_code) {
		grow_fd_table(h->config);
		h->worker_count = worker_count(h->config);
		host_log_opts(h, h->config, &log);
		h->log_thread = log_thread_new(&log, &e);
		if (!h->log_thread)
			h->exit_code = complain(h, EX_CONFIG, &e);
	}
	if (!h->exit_code) {
		log_root(&h->log, log_thread_sink(h->log_thread));
		h->exit_code = prepare(h, &e);
		if (h->exit_code)
			complain(h, h->exit_code, &e);
		else if (run_loops(h, &e) < 0)
			h->exit_code = complain(h, EX_SOFTWARE, &e);
	}
	int exit_code = h->exit_code;
	dispose(h);
	return exit_code;
}
