#include "services/trail/queue_why.h"

#include "base/clock.h"

#define WHY_MAX 4096 /* octets of a reason */

const char *queue_next_str(enum queue_next n)
{
	static const char *const words[QUEUE_NEXT_COUNT] = {
#define X(id, word) [QUEUE_NEXT_##id] = word,
		QUEUE_NEXTS(X)
#undef X
	};

	return (unsigned)n < QUEUE_NEXT_COUNT ? words[n] : "unknown";
}

static void put_time(struct buf *b, int64_t wall_ns)
{
	clock_put_rfc3339(b, wall_ns / CLOCK_SEC);
}

/* "450 4.2.0 mailbox busy (mx.example [192.0.2.1]:25)" */
static void put_last(struct buf *b, const struct spool_item *it)
{
	if (it->last_code)
		buf_printf(b, "%u ", it->last_code);
	if (it->last_enhanced.len)
		buf_printf(b, SPAN_FMT " ", SPAN_ARG(it->last_enhanced));
	buf_span_put(b, it->last_text.len ? it->last_text : SPAN("no reason was given"));
	if (it->last_host.len)
		buf_printf(b, " (" SPAN_FMT ")", SPAN_ARG(it->last_host));
}

static bool has_last(const struct spool_item *it)
{
	return it->attempts > 0 || it->last_text.len || it->last_code;
}

static void put_held(struct buf *b, const struct spool_item *it)
{
	if (it->held_by.len)
		buf_printf(b, "held by " SPAN_FMT, SPAN_ARG(it->held_by));
	else
		buf_str(b, "held since it was accepted (queue { hold })");
	if (it->held_by.len && it->held_ns) {
		buf_str(b, " since ");
		put_time(b, it->held_ns);
	}
	if (has_last(it)) {
		buf_str(b, "; before that: ");
		put_last(b, it);
	}
}

static void put_active(struct buf *b, const struct spool_item *it)
{
	buf_printf(
		b, "being tried, or next for a connection to " SPAN_FMT, SPAN_ARG(it->destination));
	if (it->is_drop_asked)
		buf_str(b, "; dropped if that does not succeed");
	else if (it->is_hold_asked)
		buf_str(b, "; held if that does not succeed");
	if (has_last(it)) {
		buf_str(b, "; last: ");
		put_last(b, it);
	}
}

static void put_waiting(struct buf *b, const struct spool_item *it)
{
	if (it->attempts == 0)
		buf_str(b, "not tried yet: ");
	if (has_last(it))
		put_last(b, it);
	else
		buf_printf(b, "waits for its turn to " SPAN_FMT, SPAN_ARG(it->destination));
}

static bool is_scheduled(const struct spool_item *it, int64_t now_ns)
{
	return it->env.release_ns > now_ns && it->next_ns >= it->env.release_ns;
}

static void why_waiting(
	struct buf *b, const struct spool_item *it, int64_t now_ns, struct queue_why *w)
{
	w->next_ns = it->next_ns;
	if (it->is_given_up) {
		w->next = QUEUE_NEXT_RETURN;
		buf_str(b, "given up by an administrator: goes back to its sender");
	} else if (is_scheduled(it, now_ns)) {
		w->next = QUEUE_NEXT_SCHEDULED;
		buf_str(b, "held until ");
		put_time(b, it->env.release_ns);
		buf_str(b, " as its sender asked");
	} else {
		if (it->env.by_mode && it->next_ns == it->env.by_ns)
			w->next = QUEUE_NEXT_DEADLINE;
		else
			w->next = it->next_ns >= it->expires_ns ? QUEUE_NEXT_LAST_TRY
								: QUEUE_NEXT_TRY;
		put_waiting(b, it);
	}
}

static void why_local(
	struct buf *b, const struct spool_item *it, int64_t now_ns, struct queue_why *w)
{
	w->next_ns = it->next_ns;
	w->next = QUEUE_NEXT_DELIVER;
	if (is_scheduled(it, now_ns)) {
		w->next = QUEUE_NEXT_SCHEDULED;
		buf_str(b, "held until ");
		put_time(b, it->env.release_ns);
		buf_str(b, " as its sender asked");
	} else {
		buf_str(b, "one of many for mailboxes here: delivered in a moment");
	}
}

void queue_why(struct arena *a, const struct spool_item *it, int64_t now_ns, struct queue_why *w_r)
{
	struct buf b;

	*w_r = (struct queue_why){0};
	buf_init(&b, WHY_MAX);
	switch (it->state) {
	case SPOOL_HELD:
		w_r->next = QUEUE_NEXT_WORD;
		put_held(&b, it);
		break;
	case SPOOL_ACTIVE:
		w_r->next = QUEUE_NEXT_RUNNING;
		w_r->next_ns = now_ns;
		put_active(&b, it);
		break;
	case SPOOL_LOCAL: why_local(&b, it, now_ns, w_r); break;
	case SPOOL_WAITING:
	case SPOOL_STATES: why_waiting(&b, it, now_ns, w_r); break;
	}
	if (it->rerouted_from.len)
		buf_printf(&b, "; rerouted to " SPAN_FMT, SPAN_ARG(it->destination));
	w_r->reason = arena_span(a, buf_span(&b));
	buf_fini(&b);
}
