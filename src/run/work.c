/* Lanes: threads for blocking work, a bounded queue before them, and an answer by message. */

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/bell.h"
#include "run/loop_priv.h"

#define WORK_STACK_BYTES (1024 * 1024)
#define WORK_THREADS_MAX 64

/* One piece of work; lives in the frame of the fiber that waits for it. */
struct work_job {
	struct fiber_call call;
	struct work_job *next;
	work_fn *fn;
	void *arg;
	struct err *e;
	int result;
};

struct work_lane {
	pthread_mutex_t lock;
	struct bell bell;
	struct work_job *first, **last;
	size_t waiting, max;
	bool is_closing;
	unsigned thread_count;
	int niceness;
	pthread_t *threads;
	char name[LOOP_NAME_MAX];
};

static struct work_job *lane_take(struct work_lane *w)
{
	struct work_job *job;

	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->is_closing)
		bell_sleep(&w->bell, &w->lock);
	job = w->first;
	if (job) {
		w->first = job->next;
		if (!w->first)
			w->last = &w->first;
		w->waiting--;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *lane_thread(void *arg)
{
	struct work_lane *w = arg;
	struct work_job *job;

	pthread_setname_np(pthread_self(), w->name);
	/* That it fails where the kernel does not allow it harms nobody. */
	if (w->niceness)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), w->niceness);
	while ((job = lane_take(w))) {
		job->result = job->fn(job->arg, job->e);
		/* The job is gone after this. */
		fiber_call_done(&job->call);
	}
	return NULL;
}

/* Threads of a lane take no signals: those are the loop's. */
static void lane_start(struct work_lane *w)
{
	pthread_attr_t attr;
	sigset_t all, before;

	sigfillset(&all);
	MUST(pthread_attr_init(&attr) == 0);
	MUST(pthread_attr_setstacksize(&attr, WORK_STACK_BYTES) == 0);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < w->thread_count; i++)
		MUST(pthread_create(&w->threads[i], &attr, lane_thread, w) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

struct work_lane *work_lane_new(const char *name, unsigned threads, size_t queue_max)
{
	return work_lane_new_nice(name, threads, queue_max, 0);
}

struct work_lane *work_lane_new_nice(
	const char *name, unsigned threads, size_t queue_max, int niceness)
{
	struct work_lane *w = NEW(struct work_lane);

	MUST(threads > 0 && threads <= WORK_THREADS_MAX && queue_max > 0);
	pthread_mutex_init(&w->lock, NULL);
	bell_init(&w->bell);
	w->last = &w->first;
	w->max = queue_max;
	w->niceness = niceness;
	w->thread_count = threads;
	w->threads = mem_alloc(threads * sizeof(*w->threads));
	snprintf(w->name, sizeof(w->name), "%s", name);
	lane_start(w);
	return w;
}

void work_lane_free(struct work_lane **lane)
{
	struct work_lane *w = *lane;

	if (!w)
		return;
	*lane = NULL;
	pthread_mutex_lock(&w->lock);
	MUST(!w->first);
	w->is_closing = true;
	bell_ring(&w->bell, bell_claim(&w->bell, w->thread_count));
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->thread_count; i++)
		pthread_join(w->threads[i], NULL);
	bell_fini(&w->bell);
	pthread_mutex_destroy(&w->lock);
	free(w->threads);
	free(w);
}

static bool lane_put(struct work_lane *w, struct work_job *job)
{
	unsigned idle = 0;
	bool is_taken;

	pthread_mutex_lock(&w->lock);
	is_taken = w->waiting < w->max;
	if (is_taken) {
		*w->last = job;
		w->last = &job->next;
		w->waiting++;
		/* Busy threads look at the queue before they sleep. */
		idle = bell_claim(&w->bell, 1);
	}
	pthread_mutex_unlock(&w->lock);
	bell_ring(&w->bell, idle);
	return is_taken;
}

/* loop_sim: on the loop's own stack, at the next turn. */
static void job_inline(struct loop_msg *msg)
{
	struct work_job *job = CONTAINER_OF(msg, struct work_job, call.msg);

	job->result = job->fn(job->arg, job->e);
	job->call.is_done = true;
	fiber_wake(job->call.fiber);
}

int work_run(struct work_lane *lane, work_fn *fn, void *arg, struct err *e)
{
	struct work_job job = {.fn = fn, .arg = arg, .e = e};

	fiber_call_init(&job.call);
	if (fiber_is_cancelled(job.call.fiber))
		return fiber_wait_result(FIBER_CANCELLED, e);
	if (job.call.loop->ops->is_virtual) {
		job.call.msg.fn = job_inline;
		loop_post(job.call.loop, &job.call.msg);
	} else if (!lane_put(lane, &job)) {
		return err_set(e, ERR_BUSY, "%s: %zu wait already", lane->name, lane->max);
	}
	fiber_call_wait(&job.call);
	return job.result;
}

void work_lane_depth(struct work_lane *lane, size_t *waiting_r, size_t *max_r)
{
	pthread_mutex_lock(&lane->lock);
	*waiting_r = lane->waiting;
	*max_r = lane->max;
	pthread_mutex_unlock(&lane->lock);
}
