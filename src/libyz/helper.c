/* Blocking work that a session waits for with a deadline: look-ups of the C library, reading the
 * certificate authorities. It runs on a thread of the context's; all signals are blocked there. The
 * session may be gone before it ends: the job belongs to both, and nothing of the session is in it. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/must.h"

void helper_unref(struct helper_job *job)
{
	int before = atomic_fetch_sub(&job->refs, 1);

	MUST(before > 0);
	if (before > 1)
		return;
	if (job->done_fd >= 0)
		close(job->done_fd);
	job->free(job);
}

/* The next job, or none: then this thread is no more (counted so under the same lock). */
static struct helper_job *helper_next(struct yz_ctx *ctx)
{
	struct helper_job *job;

	pthread_mutex_lock(&ctx->lock);
	job = ctx->first;
	if (job) {
		ctx->first = job->next;
		if (!ctx->first)
			ctx->last = &ctx->first;
	} else {
		ctx->threads--;
	}
	pthread_mutex_unlock(&ctx->lock);
	return job;
}

static void *helper_main(void *arg)
{
	struct yz_ctx *ctx = arg;
	struct helper_job *job;
	const uint64_t one = 1;

	while ((job = helper_next(ctx))) {
		job->run(job);
		atomic_store(&job->is_done, true);
		/* An eventfd at zero always takes one more. */
		MUST(write(job->done_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
		helper_unref(job);
	}
	ctx_unref(&ctx);
	return NULL;
}

static int helper_thread(struct yz_ctx *ctx)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, YZ_HELPER_STACK);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, helper_main, ctx_ref(ctx));
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		ctx_unref(&ctx);
	return rc;
}

/* Behind those that wait; with a thread for it where there may be one more. */
static int helper_queue(struct yz_ctx *ctx, struct helper_job *job)
{
	int rc = 0;

	pthread_mutex_lock(&ctx->lock);
	if (ctx->threads < YZ_HELPERS_MAX) {
		rc = helper_thread(ctx);
		ctx->threads += rc == 0;
		/* Those that run take it as well, later. */
		if (ctx->threads > 0)
			rc = 0;
	}
	if (rc == 0) {
		atomic_fetch_add(&job->refs, 1);
		job->next = NULL;
		*ctx->last = job;
		ctx->last = &job->next;
	}
	pthread_mutex_unlock(&ctx->lock);
	return rc;
}

FIBER int helper_run(
	struct yz_session *s, struct helper_job *job, int64_t deadline_ns, struct err *e)
{
	int rc;

	atomic_init(&job->refs, 1);
	job->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->done_fd < 0) {
		err_sys(e, errno, "making an eventfd");
		helper_unref(job);
		return -1;
	}
	job->ctx = s->ctx;
	rc = helper_queue(s->ctx, job);
	if (rc != 0)
		err_sys(e, rc, "starting a thread");
	if (rc != 0 || step_wait(s->step, job->done_fd, YZ_READ, deadline_ns, e) < 0) {
		helper_unref(job);
		return -1;
	}
	MUST(atomic_load(&job->is_done));
	return 0;
}
