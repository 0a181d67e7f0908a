#include "play/world.h"

#include <malloc.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "lib/scratch.h"
#include "services/bounce/bounce.h"
#include "services/inbound/inbound.h"
#include "store/mailbox.h"

#define WORLD_HOST       "mx.here.test"
#define WORLD_TEXT_MAX   (1024 * 1024)
#define WORLD_LATENCY_NS CLOCK_MS

struct world {
	struct world_opts opts;
	struct log_sink sink; /* first but one: sink_write finds the world by it */
	struct log log;
	char dir[SCRATCH_MAX];
	struct store *store;
	struct dns *dns;
	struct dns_row names[WORLD_NAMES]; /* what the resolver reads */
	struct tls_client *tls;
	struct outbound_opts outbound;
	struct queue *queue;
	struct router *router;
	struct inbound *inbound;
	struct inbound_policy policy;
	struct fiber_group shards;
	FIBER void (*story)(struct world *w, void *arg);
	void *arg;
	struct peer *peers[WORLD_PEERS];
	size_t peer_count;
	struct world_rcpt *rcpts[WORLD_RCPTS];
	size_t rcpt_count;
	uint32_t read_uid; /* of the sender's mailbox */
	struct buf faults;
};

void world_fault(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&w->faults, fmt, ap);
	va_end(ap);
	buf_char(&w->faults, '\n');
}

const char *world_faults(struct world *w)
{
	return buf_cstr(&w->faults);
}

struct world_rcpt *world_rcpt(struct world *w, const char *address)
{
	struct world_rcpt *r;

	for (size_t i = 0; i < w->rcpt_count; i++)
		if (strcmp(w->rcpts[i]->address, address) == 0)
			return w->rcpts[i];
	MUST(w->rcpt_count < WORLD_RCPTS);
	r = w->rcpts[w->rcpt_count++] = NEW(struct world_rcpt);
	snprintf(r->address, sizeof(r->address), "%s", address);
	buf_init(&r->told, WORLD_TEXT_MAX);
	return r;
}

static struct world_rcpt *rcpt_of(struct world *w, struct span address)
{
	char name[WORLD_NAME];

	snprintf(name, sizeof(name), SPAN_FMT, SPAN_ARG(address));
	return world_rcpt(w, name);
}

size_t world_rcpt_count(const struct world *w)
{
	return w->rcpt_count;
}

struct world_rcpt *world_rcpt_at(struct world *w, size_t i)
{
	return w->rcpts[i];
}

/* ---- the log: one line an attempt ------------------------------------------------------------- */

static struct span field(struct span line, const char *key)
{
	ptrdiff_t at = span_find_span(line, span_str(key));
	struct span value, rest;

	if (at < 0)
		return SPAN_NONE;
	span_cut(span_skip(line, (size_t)at + strlen(key)), ' ', &value, &rest);
	if (value.len >= 2 && value.ptr[0] == '"')
		value = span_sub(value, 1, value.len - 2);
	return value;
}

static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	struct world *w = CONTAINER_OF(sink, struct world, sink);
	struct world_rcpt *r;

	if (getenv("PLAY_LOG"))
		fprintf(stderr, "%10.3f " SPAN_FMT "\n", (double)loop_now_ns() / CLOCK_SEC,
			SPAN_ARG(line));
	if (span_find_span(line, SPAN("queue.attempt")) < 0)
		return;
	r = rcpt_of(w, field(line, " to="));
	if (r->attempts < WORLD_ATTEMPTS)
		r->attempt[r->attempts] = (struct world_attempt){
			loop_now_ns(), span_eq(field(line, " result="), SPAN("deferred"))};
	r->attempts++;
	r->ends += !span_eq(field(line, " result="), SPAN("deferred"));
	r->is_delivered |= span_eq(field(line, " result="), SPAN("delivered"));
}

/* ---- reports ---------------------------------------------------------------------------------- */

/* The value of the header-like line `name` behind `*from`; moves it behind. */
static struct span take_line(struct span *from, const char *name)
{
	ptrdiff_t at = span_find_span(*from, span_str(name));
	struct span value;

	if (at < 0)
		return SPAN_NONE;
	*from = span_skip(*from, (size_t)at + strlen(name));
	value = *from;
	span_cut(value, '\r', &value, from);
	return span_trim(value);
}

/* RFC 6533 section 3: "\x{F6}" stands for a character. */
static struct world_rcpt *rcpt_of_report(struct world *w, struct span text)
{
	struct world_rcpt *r;
	struct buf b;

	buf_init(&b, WORLD_NAME);
	while (text.len) {
		unsigned c;
		char tail[WORLD_NAME];

		snprintf(tail, sizeof(tail), SPAN_FMT, SPAN_ARG(text));
		if (sscanf(tail, "\\x{%x}", &c) == 1 && c < 0x800) {
			buf_char(&b, (char)(0xc0 | c >> 6));
			buf_char(&b, (char)(0x80 | (c & 0x3f)));
			text = span_skip(text, strcspn(tail, "}") + 1);
		} else {
			buf_char(&b, text.ptr[0]);
			text = span_skip(text, 1);
		}
	}
	r = rcpt_of(w, buf_span(&b));
	buf_fini(&b);
	return r;
}

static void read_report(struct world *w, struct span text, int64_t at_ns)
{
	struct span rest = text, address, action;

	while ((address = take_line(&rest, "\nFinal-Recipient: ")).len) {
		ptrdiff_t semicolon = span_find(address, ';');
		struct world_rcpt *r = rcpt_of_report(
			w, span_trim(span_skip(address, (size_t)(semicolon + 1))));

		action = take_line(&rest, "\nAction: ");
		buf_span_put(&r->told, text);
		if (span_eq(action, SPAN("failed"))) {
			r->failed++;
			r->failed_ns = at_ns;
		} else if (span_eq(action, SPAN("delayed"))) {
			if (r->delayed < WORLD_NOTICES)
				r->delayed_ns[r->delayed] = at_ns;
			r->delayed++;
		} else {
			r->relayed++;
		}
	}
}

static FIBER int read_message(struct world *w, struct arena *a, const struct mailbox_msg *m)
{
	struct body *b = body_open(w->store, m->blob_id, m->blob_len);
	struct buf text;
	struct span chunk;
	int rc = 0;

	buf_init(&text, WORLD_TEXT_MAX);
	for (uint64_t i = 0; rc == 0 && i * BODY_CHUNK < m->blob_len; i++) {
		rc = body_chunk(b, i, a, &chunk, NULL);
		if (rc == 0)
			buf_span_put(&text, chunk);
	}
	read_report(w, buf_span(&text), m->received_ns - (loop_wall_ns() - loop_now_ns()));
	buf_fini(&text);
	body_unref(&b);
	return rc;
}

FIBER void world_read_reports(struct world *w)
{
	struct arena *a = arena_new();
	struct directory_account acc;
	struct mailbox_info info;
	struct mailbox_msg *list;
	size_t count = 0;

	MUST(directory_account_find(w->store, a, SPAN(WORLD_SENDER), &acc, NULL) == 0);
	MUST(mailbox_find(w->store, a, acc.id, SPAN("INBOX"), &info, NULL) == 0);
	do {
		MUST(mailbox_list(w->store, a, info.id, w->read_uid, 0, &list, &count, NULL) == 0);
		for (size_t i = 0; i < count; i++) {
			MUST(read_message(w, a, &list[i]) == 0);
			w->read_uid = list[i].uid;
		}
	} while (count > 0);
	arena_free(&a);
}

/* ---- next hops -------------------------------------------------------------------------------- */

static void note_content(struct world *w, struct world_rcpt *r, struct span content)
{
	size_t extra = content.len - r->original.len;

	/* Ours came first, then what was sent, octet for octet. */
	r->is_damaged |= content.len < r->original.len ||
		!span_eq(span_skip(content, extra), r->original) ||
		!span_starts(content, SPAN("Received: "));
}

static void taken(void *arg, const struct peer_taken *t)
{
	struct world *w = arg;
	struct world_rcpt *r = world_rcpt(w, t->rcpt);

	if (span_find_span(t->content, SPAN("report-type=delivery-status")) < 0)
		note_content(w, r, t->content);
	else if (t->fate == PEER_TOOK)
		read_report(w, t->content, loop_now_ns());
	if (t->fate == PEER_TOOK) {
		r->taken++;
		r->taken_ns = loop_now_ns();
		r->is_tls = t->is_tls;
	} else if (t->fate == PEER_UNHEARD) {
		r->unheard++;
	}
}

struct peer *world_peer(struct world *w, const struct peer_opts *opts)
{
	struct peer_opts o = *opts;
	struct peer *p = NEW(struct peer);

	MUST(w->peer_count < WORLD_PEERS);
	w->peers[w->peer_count++] = p;
	o.taken = taken;
	o.arg = w;
	peer_up(p, &o);
	return p;
}

/* ---- handing letters in ----------------------------------------------------------------------- */

struct session {
	struct world *w;
	struct stream *s;
};

static FIBER int serve(void *arg)
{
	struct session *x = arg;
	struct smtp_server_opts o = {.hostname = WORLD_HOST, .log = &x->w->log};
	struct inbound_conn c;

	smtp_server_limits_default(&o.limits);
	inbound_conn_init(&c, x->w->inbound, &x->w->policy, true, false);
	smtp_server_run(x->s, &o, &inbound_decider, &c, NULL);
	stream_shutdown(x->s, NULL);
	stream_free(&x->s);
	return 0;
}

static const char default_text[] =
	"From: Alice <alice@here.test>\r\nSubject: hello\r\n\r\nWorld\r\n.dots\r\n..\r\n";

static void put_letter(struct world *w, const struct world_mail *mail, struct stream *s)
{
	struct span words = span_str(mail->to), text, line, rest, to;

	text = span_str(mail->text ? mail->text : default_text);
	stream_printf(s, "EHLO client.test\r\nMAIL FROM:<%s> %s\r\n",
		mail->from ? mail->from : WORLD_SENDER, mail->params ? mail->params : "");
	while ((to = span_word(&words)).len) {
		struct world_rcpt *r = rcpt_of(w, to);

		MUST(r->original.ptr == NULL);
		r->original = text;
		stream_printf(s, "RCPT TO:<" SPAN_FMT "> %s\r\n", SPAN_ARG(to),
			mail->rcpt_params ? mail->rcpt_params : "");
	}
	stream_printf(s, "DATA\r\n");
	for (rest = text; rest.len;) {
		span_cut(rest, '\n', &line, &rest);
		stream_printf(s, "%s" SPAN_FMT "\n", span_starts(line, SPAN(".")) ? "." : "",
			SPAN_ARG(line));
	}
	stream_printf(s, ".\r\nQUIT\r\n");
}

FIBER bool world_send(struct world *w, const struct world_mail *mail)
{
	struct session x = {.w = w};
	struct span words = span_str(mail->to), to;
	struct fiber_group g;
	struct stream *s;
	bool is_ok;

	stream_pair(&s, &x.s, WORLD_LATENCY_NS);
	fiber_group_init(&g);
	MUST(fiber_start(&g, "inbound", serve, &x, NULL) == 0);
	stream_set_timeout(s, CLOCK_HOUR);
	put_letter(w, mail, s);
	while (stream_fill(s, NULL) == 0)
		;
	is_ok = span_find_span(stream_peek(s), SPAN("Ok: queued as")) >= 0;
	if (!is_ok)
		world_fault(w, "the letter to %s was not taken: " SPAN_FMT, mail->to,
			SPAN_ARG(stream_peek(s)));
	while ((to = span_word(&words)).len)
		rcpt_of(w, to)->sent_ns = loop_now_ns();
	fiber_group_join(&g);
	stream_free(&s);
	return is_ok;
}

/* ---- the station ------------------------------------------------------------------------------ */

static bool wants(void *arg, const struct spool_new *letter)
{
	return queue_wants(((struct world *)arg)->queue, 0, letter);
}

static void leased(void *arg, const struct spool_new *letter)
{
	queue_put(((struct world *)arg)->queue, 0, letter);
}

static void left(void *arg)
{
	queue_left(((struct world *)arg)->queue);
}

static FIBER void delivered(void *arg, const struct spool_new *letter)
{
	struct world *w = arg;
	struct bounce_opts o = {.store = w->store, .hostname = WORLD_HOST, .log = &w->log};

	bounce_delivered(&o, w->router, letter);
}

void world_names_set(struct world *w, const struct dns_row *rows, size_t count)
{
	MUST(count <= WORLD_NAMES);
	for (size_t i = 0; i < WORLD_NAMES; i++)
		w->names[i] = i < count ? rows[i]
					: (struct dns_row){"none.invalid", DNS_TXT, "", false};
}

struct queue *world_queue(struct world *w)
{
	return w->queue;
}

uint64_t world_left(struct world *w)
{
	struct store_stats st;
	struct queue_stats q;

	MUST(store_stats(w->store, &st, NULL) == 0);
	queue_stats(w->queue, &q);
	return st.queue_rcpts + q.unsettled + q.ready + q.under_way;
}

FIBER bool world_wait_empty(struct world *w, int64_t at_most_ns)
{
	int64_t began = loop_now_ns(), step = 50 * CLOCK_MS;

	while (world_left(w) > 0) {
		int64_t gone = loop_now_ns() - began;

		if (gone >= at_most_ns)
			return false;
		/* finer where it matters: within one part in a hundred */
		fiber_sleep(gone / 100 > step ? gone / 100 : step, NULL);
	}
	return true;
}

struct shard {
	struct world *w;
	unsigned index;
};

static FIBER int run_shard(void *arg)
{
	struct shard *s = arg;

	return queue_run(s->w->queue, s->index, s->w->router, NULL);
}

static FIBER void begin_station(struct world *w, struct shard *shards)
{
	struct router_opts ro = {
		.store = w->store, .hostname = WORLD_HOST, .separator = '+', .log = &w->log};
	struct directory_account acc = {.address = SPAN(WORLD_SENDER)};
	struct inbound_opts io = {.store = w->store,
		.hostname = WORLD_HOST,
		.log = &w->log,
		.wants = wants,
		.leased = leased,
		.left = left,
		.delivered = delivered,
		.arg = w};

	MUST(directory_domain_set(
		     w->store, SPAN("here.test"), DIRECTORY_DOMAIN_LOCAL, false, NULL) == 0);
	MUST(directory_account_set(w->store, &acc, SPAN_NONE, true, NULL) == 0);
	io.router = w->router = router_new(&ro);
	w->inbound = inbound_new(&io);
	w->policy = (struct inbound_policy){
		.received_max = 100, .expire_ns = {WORLD_EXPIRE, WORLD_EXPIRE, WORLD_EXPIRE}};
	fiber_group_init(&w->shards);
	for (unsigned i = 0; i < w->opts.shards; i++) {
		shards[i] = (struct shard){w, i};
		MUST(fiber_start(&w->shards, "shard", run_shard, &shards[i], NULL) == 0);
	}
	fiber_yield(NULL);
}

static FIBER void end_station(struct world *w)
{
	world_read_reports(w);
	queue_stop(w->queue);
	fiber_group_join(&w->shards);
	/* The writer tells the queue of a commit after it has answered: wait for the last word. */
	MUST(directory_setting_set(w->store, SPAN("play"), SPAN("over"), NULL) == 0);
	inbound_free(&w->inbound);
	router_free(&w->router);
	for (size_t i = 0; i < w->peer_count; i++)
		peer_down(w->peers[i]);
}

static FIBER int world_main(void *arg)
{
	struct world *w = arg;
	struct shard shards[QUEUE_SHARDS_MAX];

	begin_station(w, shards);
	w->story(w, w->arg);
	end_station(w);
	return 0;
}

void world_play(struct world *w, FIBER void (*story)(struct world *w, void *arg), void *arg)
{
	struct loop_opts lo = {.name = "play", .slice_warn_ns = CLOCK_HOUR};
	struct loop *l = loop_new_sim(&lo, WORLD_WALL);
	struct err e = {0};

	w->story = story;
	w->arg = arg;
	MUST(loop_run(l, world_main, w, &e) == 0);
	loop_free(&l);
}

/* ---- what SQLite holds: the store keeps no statistics, so its allocator is counted ---------------- */

static sqlite3_mem_methods below;
static atomic_size_t sqlite_bytes;

static void *count_malloc(int n)
{
	void *p = below.xMalloc(n);

	if (p)
		atomic_fetch_add(&sqlite_bytes, (size_t)below.xSize(p));
	return p;
}

static void count_free(void *p)
{
	if (p)
		atomic_fetch_sub(&sqlite_bytes, (size_t)below.xSize(p));
	below.xFree(p);
}

static void *count_realloc(void *p, int n)
{
	size_t was = p ? (size_t)below.xSize(p) : 0;
	void *now = below.xRealloc(p, n);

	if (now) {
		atomic_fetch_add(&sqlite_bytes, (size_t)below.xSize(now));
		atomic_fetch_sub(&sqlite_bytes, was);
	}
	return now;
}

/* Once, before SQLite starts. */
static void count_sqlite(void)
{
	sqlite3_mem_methods counting;

	if (below.xMalloc)
		return;
	MUST(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &below) == SQLITE_OK);
	counting = below;
	counting.xMalloc = count_malloc;
	counting.xFree = count_free;
	counting.xRealloc = count_realloc;
	MUST(sqlite3_config(SQLITE_CONFIG_MALLOC, &counting) == SQLITE_OK);
}

struct world *world_new(const struct world_opts *opts)
{
	struct world *w = NEW(struct world);
	struct store_opts so = {.dir = w->dir, .is_fsync_off = true};
	struct tls_client_opts to = {.alpn = "smtp", .is_without_ca = true};
	struct queue_opts qo = {.outbound = &w->outbound, .hostname = WORLD_HOST, .log = &w->log};
	struct err e = {0};

	w->opts = *opts;
	if (w->opts.shards == 0)
		w->opts.shards = 1;
	count_sqlite();
	buf_init(&w->faults, WORLD_TEXT_MAX);
	buf_cstr(&w->faults);
	w->sink = (struct log_sink){.write = sink_write, .level = LOG_INFO};
	log_root(&w->log, &w->sink);
	MUST(scratch_new(w->dir));
	w->store = store_open(&so, &e);
	MUST(w->store);
	w->dns = dns_new_table(w->names, WORLD_NAMES);
	world_names_set(w, opts->rows, opts->row_count);
	if (opts->is_tls)
		w->tls = tls_client_new(&to, &e);
	w->outbound = (struct outbound_opts){
		.hostname = WORLD_HOST, .dns = w->dns, .tls = w->tls, .log = &w->log};
	qo.store = w->store;
	qo.shards = w->opts.shards;
	qo.connections = opts->connections;
	w->queue = queue_new(&qo);
	return w;
}

void world_free(struct world **wp)
{
	struct world *w = *wp;

	*wp = NULL;
	store_close(&w->store); /* its writer calls the queue */
	queue_free(&w->queue);
	dns_free(&w->dns);
	tls_client_free(&w->tls);
	MUST(scratch_remove(w->dir));
	for (size_t i = 0; i < w->peer_count; i++)
		free(w->peers[i]);
	for (size_t i = 0; i < w->rcpt_count; i++) {
		buf_fini(&w->rcpts[i]->told);
		free(w->rcpts[i]);
	}
	buf_fini(&w->faults);
	free(w);
}

/* ---- memory ----------------------------------------------------------------------------------- */

/* What the sanitizer counts, where there is one. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

size_t world_heap(const struct world *w)
{
	size_t own = w->faults.cap +
		w->peer_count * (sizeof(struct peer) + PEER_TIMES_MAX * sizeof(int64_t));

	size_t all = __sanitizer_get_current_allocated_bytes
		? __sanitizer_get_current_allocated_bytes()
		: mallinfo2().uordblks;

	for (size_t i = 0; i < w->rcpt_count; i++)
		own += sizeof(struct world_rcpt) + w->rcpts[i]->told.cap;
	return all - own - atomic_load(&sqlite_bytes);
}
