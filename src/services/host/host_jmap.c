#include <string.h>
#include <sys/un.h>

#include "services/host/host_priv.h"

/* The wiring of JMAP. What somebody sends from there is spoken to our own server of
 * submission over a stream in memory: so it goes the very way of a letter that came over the network from
 * somebody who has logged in, with all its rules. */

#define REPLY_NS     (60 * CLOCK_SEC) /* for each reply */
#define REPLY_LINE   4096
#define LETTER_CHUNK (64 * 1024)

/* ---- the server's side ---- */

struct talk {
	struct host_worker *worker;
	struct host_settings *settings;
	struct stream *stream;
	uint64_t account_id;
	const struct outbox_row *outbox;
	struct err err;
};

static FIBER int serve_main(void *arg)
{
	struct talk *t = arg;
	struct inbound_conn in;
	struct submission_conn sub;

	inbound_conn_init(&in, t->worker->inbound, &t->settings->policy, false, false);
	submission_conn_init(
		&sub, t->worker->host->submission, &t->settings->submission, t->stream, NULL);
	in.submission = &sub;
	in.outbox = t->outbox;
	if (submission_account(&sub, t->account_id, &t->err) == 0) {
		/* who writes by JMAP keeps his letter himself (onSuccessUpdateEmail) */
		sub.user.is_sent_copied = false;
		smtp_server_run(t->stream, t->settings->drop_smtp, &inbound_decider, &in, &t->err);
	}
	submission_conn_fini(&sub);
	stream_free(&t->stream);
	return 0;
}

/* ---- the client's side ---- */

struct say {
	struct stream *stream;
	struct jmap_letter *letter;
	struct arena *a;
};

/* One reply; its last line. */
static FIBER int hear(struct say *y, struct err *e)
{
	struct span line;
	uint64_t code = 0;

	stream_set_timeout(y->stream, REPLY_NS);
	do {
		if (stream_read_line(y->stream, REPLY_LINE, &line, NULL, e) < 0)
			return -1;
		if (line.len < 4 || !span_u64_max(span_sub(line, 0, 3), 999, &code))
			return err_set(e, ERR_PROTO, "our own server's reply is not understood");
	} while (line.ptr[3] == '-');
	y->letter->code = (unsigned)code;
	y->letter->reply = arena_span(y->a, line);
	return 0;
}

static bool is_good(const struct say *y)
{
	return y->letter->code / 100 == 2;
}

/* All are asked, so that the client hears of each; one that is refused, and nothing is sent. */
static FIBER int say_rcpts(struct say *y, struct err *e)
{
	struct jmap_letter *l = y->letter;
	struct span refusal = SPAN_NONE;
	unsigned code = 0;

	l->replies = ARENA_ARRAY(y->a, struct span, l->rcpt_count + 1);
	for (size_t i = 0; i < l->rcpt_count; i++) {
		stream_printf(y->stream, "RCPT TO:<" SPAN_FMT ">" SPAN_FMT "\r\n",
			SPAN_ARG(l->rcpts[i].address), SPAN_ARG(l->rcpts[i].params));
		if (hear(y, e) < 0)
			return -1;
		l->replies[i] = l->reply;
		if (!is_good(y) && (!code || code / 100 == 4)) {
			refusal = l->reply;
			code = l->code;
		}
	}
	if (code) {
		l->code = code;
		l->reply = refusal;
	}
	return 0;
}

/* RFC 3030: chunks, so that no dot needs care. Each is answered before the next. */
static FIBER int say_body(struct say *y, struct err *e)
{
	const struct http_source *source = &y->letter->source;
	char *piece = arena_alloc(y->a, LETTER_CHUNK);
	uint64_t at = 0;
	size_t got = 0;
	bool is_last;

	do {
		uint64_t left = source->size - at;

		if (left &&
			source->read(source->arg, at, piece,
				left < LETTER_CHUNK ? (size_t)left : LETTER_CHUNK, &got, e) < 0)
			return -1;
		is_last = at + got >= source->size;
		stream_printf(y->stream, "BDAT %zu%s\r\n", got, is_last ? " LAST" : "");
		stream_put(y->stream, span_of(piece, got));
		if (hear(y, e) < 0)
			return -1;
		at += got;
	} while (is_good(y) && !is_last);
	return 0;
}

static FIBER int say_all(struct say *y, const char *hostname, struct err *e)
{
	struct jmap_letter *l = y->letter;
	int rc = hear(y, e);

	if (rc == 0 && is_good(y)) {
		stream_printf(y->stream, "EHLO %s\r\n", hostname);
		rc = hear(y, e);
	}
	if (rc == 0 && is_good(y)) {
		stream_printf(y->stream, "MAIL FROM:<" SPAN_FMT ">" SPAN_FMT "\r\n",
			SPAN_ARG(l->mail_from), SPAN_ARG(l->params));
		rc = hear(y, e);
	}
	if (rc == 0 && is_good(y))
		rc = say_rcpts(y, e);
	if (rc == 0 && is_good(y)) {
		if (l->is_coming)
			l->is_coming(l, l->arg);
		rc = say_body(y, e);
	}
	if (rc == 0) {
		stream_put(y->stream, SPAN("QUIT\r\n"));
		stream_set_timeout(y->stream, REPLY_NS);
		stream_flush(y->stream, NULL);
	}
	return rc;
}

/* What came from a client ends no line of ours. */
static int check(const struct jmap_letter *l, struct err *e)
{
	bool is_bad = span_has_line_break(l->mail_from) || span_has_line_break(l->params) ||
		!l->rcpt_count;

	for (size_t i = 0; i < l->rcpt_count; i++)
		is_bad = is_bad || span_has_line_break(l->rcpts[i].address) ||
			span_has_line_break(l->rcpts[i].params);
	return is_bad ? err_set(e, ERR_SYNTAX, "an envelope that cannot be said") : 0;
}

static struct host_worker *worker_here(struct host *h)
{
	for (size_t i = 0; i < h->worker_count; i++)
		if (h->workers[i].loop == loop_current())
			return &h->workers[i];
	return NULL;
}

static FIBER int submit(void *arg, struct arena *a, struct jmap_letter *letter, struct err *e)
{
	struct host *h = arg;
	struct talk t = {.worker = worker_here(h),
		.account_id = letter->account_id,
		.outbox = letter->outbox};
	struct say y = {.letter = letter, .a = a};
	struct fiber_group group;
	int rc;

	MUST(t.worker);
	if (check(letter, e) < 0)
		return -1;
	t.settings = host_settings_ref(t.worker->settings);
	stream_pair(&y.stream, &t.stream, 0);
	t.stream->peer.un.sun_family = AF_UNIX; /* of this machine */
	t.stream->peer.len = sizeof(sa_family_t);
	fiber_group_init(&group);
	rc = fiber_start(&group, "jmap.smtp", serve_main, &t, e);
	if (rc < 0)
		stream_free(&t.stream);
	else
		rc = say_all(&y, h->config->hostname, e);
	/* the end of the stream ends the server's side, wherever it is */
	stream_free(&y.stream);
	fiber_group_join(&group);
	host_settings_unref(&t.settings);
	if (rc < 0 && t.err.code && !letter->code)
		err_copy(e, &t.err);
	return rc;
}

/* ---- beginning and end ---- */

void host_jmap_new(struct host *h)
{
	const struct config *c = h->config;
	struct jmapd_opts jmap = {.store = h->store,
		.auth = h->auth,
		.hub = h->watch_hub,
		.web = h->web,
		.login = h->web_login,
		.fetch = &h->fetch_public,
		.hostname = c->hostname,
		.log = &h->log,
		.fetch_lane = h->fetch_lane,
		.message_max = (uint64_t)c->limits.message_octets,
		.delay_max_ns = c->queue.hold_max,
		.keep_expunged_ns = c->reading.keep_expunged,
		.separator = c->separator[0],
		.submit = submit,
		.arg = h};

	jmap.lane = h->jmap_lane = work_lane_new("jmap", HOST_JMAP_THREADS, HOST_JMAP_WAITING);
	h->jmapd = jmapd_new(&jmap);
}

void host_jmap_free(struct host *h)
{
	jmapd_free(&h->jmapd);
	if (h->jmap_lane)
		work_lane_free(&h->jmap_lane);
}

FIBER int host_jmap_main(void *host)
{
	struct host *h = host;
	struct err e = {0};

	if (jmapd_run(h->jmapd, &e) < 0)
		log_event(&h->log, LOG_ERROR, "jmap.run.failed", LF_STR("error", e.text));
	return 0;
}

void host_jmap_stop(struct host *h)
{
	jmapd_stop(h->jmapd);
}

FIBER int host_jmap_push_main(void *host)
{
	struct host *h = host;
	struct err e = {0};

	if (jmapd_push_run(h->jmapd, &e) < 0)
		log_event(&h->log, LOG_ERROR, "jmap.push.failed", LF_STR("error", e.text));
	return 0;
}
