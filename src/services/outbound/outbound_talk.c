/* What was said on a connection, for the station log: greeting and EHLO once, then one letter at a
 * time. Contents are not in it, logins are masked. */

#include <stdlib.h>

#include "base/mem.h"
#include "net/trace.h"
#include "services/outbound/outbound_priv.h"

#define TALK_LINE_MORE   32                   /* octets of a line beside its text */
#define TALK_SESSION_MAX (TRAIL_TALK_MAX / 4) /* of greeting, EHLO, STARTTLS */

struct outbound_talk {
	struct buf text;
	int64_t began_ns;
	size_t session; /* where the first letter begins; 0: it has not */
};

static void take_line(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut)
{
	static const char *const marks[] = {
		[TRACE_IN] = "S: ", [TRACE_OUT] = "C: ", [TRACE_NOTE] = "-- "};
	struct outbound_talk *t = arg;
	size_t max = t->session ? TRAIL_TALK_MAX : TALK_SESSION_MAX;

	if (!t->began_ns)
		t->began_ns = mono_ns;
	if (buf_len(&t->text) + text.len + TALK_LINE_MORE > max)
		return;
	buf_str(&t->text, marks[dir]);
	buf_span_put(&t->text, text);
	/* when, since the first one: TRAIL_TALK_TIME */
	buf_str(&t->text, is_cut ? "...\t" : "\t");
	buf_u64(&t->text, (uint64_t)((mono_ns - t->began_ns) / CLOCK_MS));
	buf_char(&t->text, '\n');
}

void outbound_talk_begin(struct outbound_link *l)
{
	struct outbound_talk *t;
	struct trace_opts opts = {.line = take_line};

	if (l->carrier->opts->talk == TRAIL_TALK_NONE)
		return;
	t = NEW(struct outbound_talk);
	buf_init(&t->text, TRAIL_TALK_MAX);
	opts.arg = t;
	l->talk = t;
	trace_push(l->stream, &opts);
}

void outbound_talk_end(struct outbound_link *l)
{
	if (!l->talk)
		return;
	buf_fini(&l->talk->text);
	free(l->talk);
	l->talk = NULL;
}

void outbound_talk_mark(struct outbound_link *l)
{
	struct outbound_talk *t = l->talk;

	if (!t)
		return;
	if (!t->session)
		t->session = buf_len(&t->text);
	buf_truncate(&t->text, t->session);
}

void outbound_talk_keep(struct outbound_link *l, struct outbound_parcel *p)
{
	/* Who sent it here wants to see how it went, also when it went well. */
	bool is_failure = span_eq(p->env.origin, SPAN("submission")) ||
		span_eq(p->env.origin, SPAN("web"));

	for (size_t i = 0; i < p->rcpt_count; i++)
		is_failure = is_failure || p->rcpts[i].verdict != OUTBOUND_DELIVERED;
	if (l->talk && (is_failure || l->carrier->opts->talk == TRAIL_TALK_ALL))
		p->talk = arena_span(p->arena, buf_span(&l->talk->text));
}
