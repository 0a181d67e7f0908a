#include <errno.h>
#include <limits.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/fault.h"
#include "store/maildrop.h"
#include "services/host/host_priv.h"
#include "services/local/hand.h"

/* What sendmail has left while no server ran, or could not hand over: each letter is spoken to our own
 * server over a stream in memory, as the user whose file it is. Its name is kept in the transaction that
 * accepts it; then the file goes, then the name. So a crash anywhere neither loses nor doubles it. */

#define LOOK_NS      CLOCK_MIN /* also without a notice: what could not be taken is tried again */
#define LOOK_SOON_NS (2 * CLOCK_SEC) /* where notices cannot be had */
#define EVENTS_BYTES 1024

struct maildrop {
	struct host_worker *worker;
	struct host *host;
	const char *path;
	int fd; /* of inotify; -1: none */
	struct loop_io *io;
};

/* ---- on the lane ---- */

enum file_job { FILE_LIST, FILE_OPEN, FILE_REMOVE, FILE_REFUSE };

struct file_work {
	enum file_job job;
	struct arena *a;
	const char *path, *name;
	const char **names;
	size_t count, skip;
	int64_t now_ns;
	struct drop drop;
};

static int do_file(void *arg, struct err *e)
{
	struct file_work *f = arg;

	switch (f->job) {
	case FILE_LIST:
		return drop_list(f->a, f->path, f->now_ns, f->skip, &f->names, &f->count, e);
	case FILE_OPEN: return drop_open(f->a, f->path, f->name, &f->drop, e);
	case FILE_REMOVE: return drop_remove(f->path, f->name, e);
	case FILE_REFUSE: return drop_refuse(f->path, f->name, e);
	}
	return 0;
}

static FIBER int file(struct maildrop *m, struct file_work *f, enum file_job job, struct err *e)
{
	f->job = job;
	return work_run(m->host->lane, do_file, f, e);
}

/* ---- our own server at the other end ---- */

struct talk {
	struct maildrop *m;
	struct host_settings *settings;
	struct stream *stream;
	struct host_user user;
	struct span once;
	bool was_there, is_user_known;
	struct err err;
};

static FIBER int serve_main(void *arg)
{
	struct talk *t = arg;
	struct host *h = t->m->host;
	struct inbound_conn in;
	struct submission_conn sub;
	struct submission_local who = {.uid = t->user.uid,
		.login = t->user.login,
		.gecos = t->user.name,
		.is_trusted = host_is_trusted(t->settings->config, &t->user)};

	inbound_conn_init(&in, t->m->worker->inbound, &t->settings->policy, false, false);
	submission_conn_init(&sub, h->submission, &t->settings->submission, t->stream, NULL);
	in.submission = &sub;
	in.once = t->once;
	t->is_user_known = submission_local(&sub, &who, &t->err) == 0;
	if (t->is_user_known)
		smtp_server_run(t->stream, t->settings->drop_smtp, &inbound_decider, &in, &t->err);
	t->was_there = in.was_there;
	submission_conn_fini(&sub);
	stream_free(&t->stream);
	return 0;
}

static FIBER int hand_over(
	struct maildrop *m, struct talk *t, struct local_hand *hand, struct err *e)
{
	struct fiber_group group;
	struct stream *client;
	int rc;

	t->settings = host_settings_ref(m->worker->settings);
	stream_pair(&client, &t->stream, 0);
	t->stream->peer.un.sun_family = AF_UNIX; /* as over the socket */
	t->stream->peer.len = sizeof(sa_family_t);
	fiber_group_init(&group);
	rc = fiber_start(&group, "maildrop.smtp", serve_main, t, e);
	if (rc < 0)
		stream_free(&t->stream);
	else
		rc = local_hand(client, hand, e);
	/* the end of the stream ends the server's side, wherever it is */
	stream_free(&client);
	fiber_group_join(&group);
	host_settings_unref(&t->settings);
	if (rc < 0 && t->err.code && !t->is_user_known)
		err_copy(e, &t->err);
	return rc;
}

/* ---- a letter ---- */

/* True: it stays, because it cannot be moved out of the way. */
static FIBER bool forget(struct maildrop *m, struct file_work *f, bool is_kept)
{
	struct span name = span_str(f->name);
	struct err e = {0};

	FAULT(DROP_ACCEPTED);
	if (file(m, f, is_kept ? FILE_REFUSE : FILE_REMOVE, &e) == 0) {
		FAULT(DROP_REMOVED);
		if (maildrop_forget(m->host->store, &name, 1, &e) == 0)
			return false;
	}
	/* the name stays, so it is not taken again; the next look tries once more */
	log_event(&m->worker->log, LOG_ERROR, "host.maildrop.stays", LF_STR("file", f->name),
		LF_STR("error", e.text));
	return true;
}

/* True: it stays, as above (a directory of somebody's may stand where it would go). */
static FIBER bool refuse(struct maildrop *m, struct file_work *f, uint64_t uid, struct span why)
{
	struct err e = {0};

	log_event(&m->worker->log, LOG_ERROR, "host.maildrop.refused", LF_STR("file", f->name),
		LF_INT("uid", uid), LF("reason", why));
	if (file(m, f, FILE_REFUSE, &e) == 0)
		return false;
	log_event(&m->worker->log, LOG_ERROR, "host.maildrop.stays", LF_STR("file", f->name),
		LF_STR("error", e.text));
	return true;
}

static void log_later(struct maildrop *m, const char *name, const char *why)
{
	log_event(&m->worker->log, LOG_WARN, "host.maildrop.later", LF_STR("file", name),
		LF_STR("reason", why));
}

/* Not now. What is put off for as long as the queue would try is put aside. True: it stays. */
static FIBER bool put_off(struct maildrop *m, struct file_work *f, struct span why)
{
	int64_t age = loop_wall_ns() - f->drop.written_ns;

	if (age > m->worker->settings->config->queue.expire)
		return refuse(m, f, f->drop.uid, why);
	log_later(m, f->name, arena_str(f->a, why));
	return true;
}

/* True: it stays where it is. */
static FIBER bool take_opened(struct maildrop *m, struct file_work *f)
{
	struct talk t = {.m = m, .once = span_str(f->name)};
	struct local_hand hand = {.drop = &f->drop,
		.hostname = m->host->config->hostname,
		.lane = m->host->lane,
		.arena = f->a};
	struct err e = {0};

	FAULT(DROP_OPENED);
	if (host_user_of(m->host, f->a, f->drop.uid, &t.user, &e) < 0 ||
		hand_over(m, &t, &hand, &e) < 0) {
		if (t.was_there)
			return forget(m, f, false);
		if (e.smtp / 100 == 5)
			return refuse(m, f, f->drop.uid, span_str(e.text));
		return put_off(m, f, span_str(e.text));
	}
	if (hand.is_accepted || t.was_there) {
		if (hand.refused)
			log_event(&m->worker->log, LOG_ERROR, "host.maildrop.partly",
				LF_STR("file", f->name), LF_INT("refused", hand.refused),
				LF("reason", hand.refusal));
		else
			log_event(&m->worker->log, LOG_INFO, "host.maildrop.taken",
				LF_STR("file", f->name), LF_INT("uid", f->drop.uid),
				LF("reply", hand.text));
		return forget(m, f, hand.refused > 0);
	}
	if (hand.code / 100 == 5)
		return refuse(m, f, f->drop.uid, hand.text);
	return put_off(m, f, hand.text);
}

static FIBER bool take(struct maildrop *m, const char *name)
{
	bool stays = false;
	struct arena *a = arena_new();
	struct file_work f = {.a = a, .path = m->path, .name = name, .drop.fd = -1};
	struct err e = {0};

	if (file(m, &f, FILE_OPEN, &e) == 0)
		stays = take_opened(m, &f);
	else if (e.code == ERR_DENIED || e.code == ERR_CORRUPT)
		stays = refuse(m, &f, 0, span_str(e.text));
	else if (e.code != ERR_NOT_FOUND) {
		log_later(m, name, e.text);
		stays = true;
	}
	drop_close(&f.drop);
	arena_free(&a);
	return stays;
}

/* All of it, however much of it somebody has to leave there: who sends too much is in nobody's way. */
static FIBER void take_all(struct maildrop *m)
{
	struct err e = {0};
	size_t stayed = 0, count;

	do {
		struct arena *a = arena_new();
		struct file_work f = {
			.a = a, .path = m->path, .now_ns = loop_wall_ns(), .skip = stayed};

		if (file(m, &f, FILE_LIST, &e) < 0)
			log_event(&m->worker->log, LOG_ERROR, "host.maildrop.failed",
				LF_STR("error", e.text));
		count = f.count;
		for (size_t i = 0; i < count && !fiber_is_cancelled(fiber_self()); i++)
			stayed += take(m, f.names[i]);
		arena_free(&a);
	} while (count == DROP_SCAN_MAX && !fiber_is_cancelled(fiber_self()));
}

/* Names of files that went, while a crash kept us from forgetting them. */
static FIBER void forget_gone(struct maildrop *m)
{
	struct arena *a = arena_new();
	struct span *names, after = SPAN_NONE;
	size_t count = 0, gone;

	do {
		if (maildrop_list(m->host->store, a, after, &names, &count, NULL) < 0)
			break;
		gone = 0;
		for (size_t i = 0; i < count; i++) {
			struct file_work f = {
				.a = a, .path = m->path, .name = arena_str(a, names[i])};
			struct err e = {0};

			after = names[i];
			if (file(m, &f, FILE_OPEN, &e) < 0 && e.code == ERR_NOT_FOUND)
				names[gone++] = names[i];
			drop_close(&f.drop);
		}
		maildrop_forget(m->host->store, names, gone, NULL);
	} while (count == MAILDROP_PAGE);
	arena_free(&a);
}

/* ---- notices ---- */

static void watch(struct maildrop *m)
{
	struct err e = {0};

	m->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (m->fd >= 0 && inotify_add_watch(m->fd, m->path, IN_MOVED_TO) >= 0)
		m->io = loop_io_new(m->fd, &e);
	if (!m->io)
		log_event(&m->worker->log, LOG_WARN, "host.maildrop.unwatched",
			LF_STR("error", e.code ? e.text : "no notices of the file system"));
}

/* -1: we are to end. */
static FIBER int wait_for_more(struct maildrop *m)
{
	char events[EVENTS_BYTES];
	struct err e = {0};

	if (!m->io)
		return fiber_sleep(LOOK_SOON_NS, NULL);
	if (loop_io_wait(m->io, LOOP_READ, loop_now_ns() + LOOK_NS, &e) < 0)
		return e.code == ERR_TIMEOUT ? 0 : -1;
	while (read(m->fd, events, sizeof(events)) > 0)
		;
	return 0;
}

FIBER int host_maildrop_main(void *arg)
{
	struct host_worker *w = arg;
	struct maildrop m = {
		.worker = w, .host = w->host, .path = w->host->place.maildrop, .fd = -1};

	watch(&m);
	forget_gone(&m);
	do {
		take_all(&m);
	} while (wait_for_more(&m) == 0 && !fiber_is_cancelled(fiber_self()));
	if (m.io)
		loop_io_free(&m.io);
	/* closing it waits for the kernel's readers, some milliseconds: not on a loop */
	m.host->maildrop_fd = m.fd;
	return 0;
}
