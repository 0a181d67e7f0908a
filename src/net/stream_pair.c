/* Two streams joined in memory, for tests and loop_sim. What is written arrives at the other end
 * after the latency; a pipe holds STREAM_PAIR_BYTES, then the writer waits as on a socket. Both
 * ends belong to fibers of one loop. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/stream.h"

struct pair_chunk {
	struct list_node node;
	int64_t arrives_ns;
	size_t from, len;
	char bytes[];
};

/* One direction. */
struct pair_pipe {
	struct list_node chunks;
	size_t held;
	struct fiber *reader, *writer; /* parked in here */
	bool is_ended;                 /* the writer says no more */
	bool is_deaf;                  /* the reader is gone */
	int64_t end_ns;                /* when the end arrives */
};

struct pair {
	struct pair_pipe pipes[2];
	int64_t latency_ns;
	unsigned ends; /* not freed yet: 2, 1, 0 */
};

struct pair_end {
	struct filter filter;
	struct pair *pair;
	struct pair_pipe *in, *out;
};

static void pipe_init(struct pair_pipe *p)
{
	list_init(&p->chunks);
}

static void pipe_drop(struct pair_pipe *p)
{
	struct list_node *n;

	while ((n = list_pop_front(&p->chunks)))
		free(LIST_ITEM(n, struct pair_chunk, node));
	p->held = 0;
}

static void pipe_end(struct pair_pipe *p, int64_t latency_ns)
{
	if (p->is_ended)
		return;
	p->is_ended = true;
	p->end_ns = loop_now_ns() + latency_ns;
	if (p->reader)
		fiber_wake(p->reader);
}

/* Park as the pipe's reader or writer; the caller loops on its predicate. */
static FIBER int pipe_park(struct fiber **seat, int64_t until_ns, struct err *e)
{
	int rc;

	MUST(*seat == NULL);
	*seat = fiber_self();
	rc = fiber_park(until_ns, e);
	*seat = NULL;
	return rc;
}

/* What a read would find: 1 bytes, 0 the end, -1 nothing before *next_r. */
static int pipe_look(const struct pair_pipe *p, int64_t *next_r)
{
	bool has_bytes = !list_empty(&p->chunks);

	*next_r = CLOCK_NEVER;
	if (has_bytes)
		*next_r = LIST_ITEM(p->chunks.next, struct pair_chunk, node)->arrives_ns;
	else if (p->is_ended)
		*next_r = p->end_ns;
	return *next_r <= loop_now_ns() ? has_bytes : -1;
}

/* One wait: until there may be something, or the fiber is woken for another reason. */
static FIBER int pipe_wait_once(
	struct pair_pipe *p, int64_t next, int64_t deadline_ns, struct err *e)
{
	struct err why = {0};

	if (pipe_park(&p->reader, next < deadline_ns ? next : deadline_ns, &why) == 0)
		return 0;
	if (why.code == ERR_TIMEOUT && next < deadline_ns)
		return 0;
	return err_copy(e, &why);
}

/* Wait until a read would find something: 1 bytes, 0 the end, -1. */
static FIBER int pipe_wait(struct pair_pipe *p, int64_t deadline_ns, struct err *e)
{
	int64_t next;
	int found;

	while ((found = pipe_look(p, &next)) < 0)
		if (pipe_wait_once(p, next, deadline_ns, e) < 0)
			return -1;
	return found;
}

static FIBER int pair_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct pair_pipe *p = ((struct pair_end *)f)->in;
	int64_t next;

	return pipe_look(p, &next) >= 0 ? 0 : pipe_wait_once(p, next, deadline_ns, e);
}

static bool pair_has_input(struct filter *f)
{
	int64_t next;

	return pipe_look(((struct pair_end *)f)->in, &next) >= 0;
}

static FIBER ssize_t pair_read(
	struct filter *f, void *to, size_t n, int64_t deadline_ns, struct err *e)
{
	struct pair_pipe *p = ((struct pair_end *)f)->in;
	size_t got = 0;
	int rc = pipe_wait(p, deadline_ns, e);

	if (rc <= 0)
		return rc;
	while (got < n && !list_empty(&p->chunks)) {
		struct pair_chunk *c = LIST_ITEM(p->chunks.next, struct pair_chunk, node);
		size_t take = c->len - c->from < n - got ? c->len - c->from : n - got;

		if (c->arrives_ns > loop_now_ns())
			break;
		memcpy((char *)to + got, c->bytes + c->from, take);
		got += take;
		c->from += take;
		if (c->from == c->len) {
			list_remove(&c->node);
			free(c);
		}
	}
	p->held -= got;
	if (p->writer)
		fiber_wake(p->writer);
	return (ssize_t)got;
}

static FIBER int pipe_put(
	struct pair *pair, struct pair_pipe *p, struct span s, int64_t deadline_ns, struct err *e)
{
	while (s.len) {
		size_t room = STREAM_PAIR_BYTES - p->held;
		size_t n = s.len < room ? s.len : room;
		struct pair_chunk *c;

		if (p->is_deaf || p->is_ended) {
			err_set(e, ERR_IO, "the other end of the pipe is gone");
			return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		}
		if (n == 0) {
			if (pipe_park(&p->writer, deadline_ns, e) < 0)
				return -1;
			continue;
		}
		c = mem_alloc(sizeof(*c) + n);
		c->len = n;
		c->arrives_ns = loop_now_ns() + pair->latency_ns;
		memcpy(c->bytes, s.ptr, n);
		list_push_back(&p->chunks, &c->node);
		p->held += n;
		s = span_skip(s, n);
		if (p->reader)
			fiber_wake(p->reader);
	}
	return 0;
}

static FIBER int pair_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct pair_end *end = (struct pair_end *)f;

	for (size_t i = 0; i < count; i++)
		if (pipe_put(end->pair, end->out, parts[i], deadline_ns, e) < 0)
			return -1;
	return 0;
}

static FIBER int pair_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct pair_end *end = (struct pair_end *)f;

	pipe_end(end->out, end->pair->latency_ns);
	return 0;
}

static void pair_free(struct filter *f)
{
	struct pair_end *end = (struct pair_end *)f;
	struct pair *pair = end->pair;

	pipe_end(end->out, pair->latency_ns);
	end->in->is_deaf = true;
	pipe_drop(end->in);
	if (end->in->writer)
		fiber_wake(end->in->writer);
	free(end);
	if (--pair->ends)
		return;
	pipe_drop(&pair->pipes[0]);
	pipe_drop(&pair->pipes[1]);
	free(pair);
}

static const struct filter_ops pair_ops = {
	.name = "pair",
	.read = pair_read,
	.write = pair_write,
	.shutdown = pair_shutdown,
	.free = pair_free,
	.wait = pair_wait,
	.has_input = pair_has_input,
};

static struct stream *pair_stream(struct pair *pair, unsigned side)
{
	struct pair_end *end = NEW(struct pair_end);

	end->filter.ops = &pair_ops;
	end->pair = pair;
	end->in = &pair->pipes[side];
	end->out = &pair->pipes[!side];
	return stream_new(&end->filter);
}

void stream_pair(struct stream **a_r, struct stream **b_r, int64_t latency_ns)
{
	struct pair *pair = NEW(struct pair);

	pipe_init(&pair->pipes[0]);
	pipe_init(&pair->pipes[1]);
	pair->latency_ns = latency_ns;
	pair->ends = 2;
	*a_r = pair_stream(pair, 0);
	*b_r = pair_stream(pair, 1);
}
