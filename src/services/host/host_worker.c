#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "services/host/host_priv.h"

/* A message from loop 0 to a worker. */
struct word {
	struct loop_msg msg; /* first */
	struct host_worker *worker;
	enum host_word word;
	struct host_settings *settings; /* HOST_WORD_SETTINGS: with a reference */
};

/* On the worker's loop. */
static void on_word(struct loop_msg *msg)
{
	struct word *word = (struct word *)msg;
	struct host_worker *w = word->worker;
	struct host_settings *was;

	switch (word->word) {
	case HOST_WORD_SETTINGS:
		was = w->settings;
		w->settings = word->settings;
		host_settings_unref(&was);
		break;
	case HOST_WORD_QUEUE: w->is_queue_ready = true; break;
	case HOST_WORD_STOP: w->is_stopping = true; break;
	}
	fiber_cond_broadcast(&w->changed);
	free(word);
}

void host_worker_tell(struct host_worker *w, enum host_word what, struct host_settings *settings)
{
	struct word *word = NEW(struct word);

	word->msg.fn = on_word;
	word->worker = w;
	word->word = what;
	word->settings = settings ? host_settings_ref(settings) : NULL;
	loop_post(w->loop, &word->msg);
}

/* On loop 0: a worker is ready, or has ended. */
struct report {
	struct loop_msg msg; /* first */
	struct host *host;
	bool is_end;
};

static void on_report(struct loop_msg *msg)
{
	struct report *r = (struct report *)msg;

	if (r->is_end)
		r->host->workers_ended++;
	else
		r->host->workers_ready++;
	fiber_cond_broadcast(&r->host->changed);
	free(r);
}

static void report(struct host_worker *w, bool is_end)
{
	struct report *r = NEW(struct report);

	r->msg.fn = on_report;
	r->host = w->host;
	r->is_end = is_end;
	loop_post(w->host->workers[0].loop, &r->msg);
}

static int start_acceptors(struct host_worker *w, struct err *e)
{
	for (size_t i = 0; i < w->host->bound_count; i++) {
		struct host_acceptor *a = NEW(struct host_acceptor);

		a->worker = w;
		a->bound = &w->host->bounds[i];
		if (fiber_start(&w->accepts, "accept", host_accept_main, a, e) < 0) {
			free(a);
			return -1;
		}
	}
	return 0;
}

/* Stop accepting, let those who are in a message end it, then end. */
static FIBER void drain(struct host_worker *w)
{
	int64_t deadline = loop_now_ns() + w->settings->config->limits.drain_time;

	fiber_group_cancel(&w->accepts);
	fiber_group_join(&w->accepts);
	host_conn_drain(w);
	if (fiber_group_wait(&w->conns, deadline, NULL) < 0) {
		log_event(
			&w->log, LOG_WARN, "host.drain.cut", LF_INT("connections", w->conns.count));
		fiber_group_cancel(&w->conns);
	}
	fiber_group_join(&w->conns);
	/* host.c has told the queue to stop; connections that ended late still gave it letters */
	fiber_group_join(&w->queue);
	fiber_group_cancel(&w->auth);
	fiber_group_join(&w->auth);
	trail_stop(w->host->trail, w->index);
	fiber_group_join(&w->trail);
}

FIBER int host_worker_main(void *arg)
{
	struct host_worker *w = arg;
	struct host *h = w->host;
	struct router_opts router = {.store = h->store,
		.hostname = h->config->hostname,
		.separator = h->config->separator[0],
		.log = &w->log,
		.ask = host_router_ask,
		.is_user = host_is_user,
		.ask_arg = w};
	struct inbound_opts inbound = {.store = h->store,
		.hostname = h->config->hostname,
		.log = &w->log,
		.signer = h->signer};

	fiber_group_init(&w->accepts);
	fiber_group_init(&w->conns);
	fiber_group_init(&w->queue);
	fiber_group_init(&w->trail);
	fiber_group_init(&w->auth);
	fiber_cond_init(&w->changed);
	list_init(&w->conn_list);
	w->book = auth_book_new(h->auth);
	host_imap_begin(w);
	w->router = router_new(&router);
	inbound.router = w->router;
	host_queue_wire(w, &inbound);
	__atomic_store_n(&w->inbound, inbound_new(&inbound), __ATOMIC_RELEASE);
	if (fiber_start(&w->trail, "trail", host_trail_main, w, &w->err) == 0 &&
		fiber_start(&w->auth, "auth", host_auth_main, w, &w->err) == 0 &&
		fiber_start(&w->queue, "queue", host_queue_main, w, &w->err) == 0 &&
		(w->index || !h->place.maildrop ||
			fiber_start(&w->accepts, "maildrop", host_maildrop_main, w, &w->err) ==
				0) &&
		start_acceptors(w, &w->err) == 0) {
		w->is_ready = true;
		report(w, false);
		while (!w->is_stopping)
			fiber_cond_wait(&w->changed, CLOCK_NEVER, NULL);
	}
	drain(w);
	router_free(&w->router);
	host_imap_end(w);
	auth_book_free(&w->book);
	host_settings_unref(&w->settings);
	report(w, true);
	return 0;
}

static void *thread_main(void *arg)
{
	struct host_worker *w = arg;
	struct err e = {0};

	if (loop_run(w->loop, host_worker_main, w, &e) < 0)
		log_event(&w->log, LOG_ERROR, "host.loop.failed", LF_STR("error", e.text));
	return NULL;
}

int host_worker_start(struct host_worker *w, struct err *e)
{
	sigset_t all, was;

	/* Signals are loop 0's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	int rc = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return rc ? err_sys(e, rc, "starting a loop thread") : 0;
}
