#include "services/jmapd/jmapd_trace.h"

#include "base/enc.h"
#include "base/hash.h"
#include "base/must.h"
#include "run/loop.h"
#include "net/addr.h"
#include "store/spool.h"

/* ---- what is not for everybody ---- */

uint64_t jmap_trace_id_of(struct span prefix)
{
	struct span rest = prefix, word;
	uint64_t id = 0;
	ptrdiff_t at;

	/* at the beginning of a line: the reverse-path above it may say whatever its sender likes */
	while (!span_starts(rest, SPAN("Received: "))) {
		at = span_find(rest, '\n');
		if (at < 0)
			return 0;
		rest = span_skip(rest, (size_t)at + 1);
	}
	while ((at = span_find_span(rest, SPAN("id "))) >= 0) {
		bool is_word = at > 0 && (rest.ptr[at - 1] == ' ' || rest.ptr[at - 1] == '\t');

		rest = span_skip(rest, (size_t)at + 3);
		word = span_sub(rest, 0, 13);
		if (is_word && enc_get_id(word, &id))
			return id;
	}
	return 0;
}

static bool is_private(struct span ip)
{
	static const char *const nets[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10", "fc00::/7", "fe80::/10"};
	struct err e = {0};
	struct addr addr;

	if (!addr_parse_ip(ip, 0, &addr))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		struct addr_net net;

		MUST(addr_net_parse(span_str(nets[i]), &net, &e) == 0);
		if (addr_net_has(&net, &addr))
			return true;
	}
	return false;
}

struct span jmap_trace_host(struct arena *a, struct span host)
{
	ptrdiff_t open = span_find(host, '['), close = span_find(host, ']');

	if (open < 0 || close < open ||
		!is_private(span_sub(host, (size_t)open + 1, (size_t)(close - open - 1))))
		return host;
	return span_str(
		arena_printf(a, SPAN_FMT "[internal]", SPAN_ARG(span_sub(host, 0, (size_t)open))));
}

/* ---- reading the log ---- */

static FIBER int read_events(struct jmapd *d, struct arena *a, struct jmap_trace *t, struct err *e)
{
	uint64_t after = 0;
	size_t count = TRAIL_SLICE;

	t->events = ARENA_ARRAY(a, struct trail_event, JMAP_TRACE_EVENTS_MAX);
	while (count == TRAIL_SLICE && t->event_count < JMAP_TRACE_EVENTS_MAX) {
		struct trail_event *list;

		if (trail_events(jmapd_opts_of(d)->store, a, t->letter.msg_id, after, &list, &count,
			    e) < 0)
			return -1;
		for (size_t i = 0; i < count && t->event_count < JMAP_TRACE_EVENTS_MAX; i++) {
			t->events[t->event_count++] = list[i];
			after = list[i].id;
		}
	}
	return 0;
}

static void read_facts(struct arena *a, struct jmap_trace *t)
{
	struct err e = {0};

	t->facts = ARENA_ARRAY(a, const struct json_in *, t->event_count + 1);
	t->shown_to = ARENA_ARRAY(a, struct span, t->event_count + 1);
	t->docs = ARENA_ARRAY(a, struct json_in *, t->event_count + 1);
	for (size_t i = 0; i < t->event_count; i++) {
		struct json_in *doc = json_in_parse(t->events[i].facts, &e);

		t->facts[i] = doc;
		t->shown_to[i] = SPAN("");
		if (doc)
			t->docs[t->doc_count++] = doc;
		err_clear(&e);
	}
}

/* ---- recipients ---- */

#define SETTLED_NS (5 * CLOCK_SEC)

/* Which address of the sender's each target came from. */
struct targets {
	struct arena *a;
	struct hash_map of; /* target -> index + 1 */
};

static struct jmap_trace_rcpt *rcpt_add(struct jmap_trace *t, struct span address)
{
	struct jmap_trace_rcpt *r = &t->rcpts[t->rcpt_count++];

	*r = (struct jmap_trace_rcpt){.address = address,
		.enhanced = SPAN(""),
		.reply = SPAN(""),
		.host = SPAN(""),
		.tls = SPAN(""),
		.reason = SPAN("")};
	return r;
}

/* How sure it is what became of it: of several targets the worst is told. */
static unsigned weight(enum jmap_trace_state s)
{
	static const unsigned char weights[JMAP_TRACE_STATE_COUNT] = {[JMAP_TRACE_DELIVERED] = 1,
		[JMAP_TRACE_RELAYED] = 2,
		[JMAP_TRACE_CANCELED] = 3,
		[JMAP_TRACE_SCHEDULED] = 4,
		[JMAP_TRACE_HELD] = 5,
		[JMAP_TRACE_WAITING] = 6,
		[JMAP_TRACE_REFUSED] = 7,
		[JMAP_TRACE_FAILED] = 8};

	return weights[s];
}

static void becomes(struct jmap_trace_rcpt *r, enum jmap_trace_state s)
{
	if (weight(s) >= weight(r->state))
		r->state = s;
}

static void name_targets(
	struct jmap_trace *t, struct targets *x, const struct json_in *facts, int64_t at_ns)
{
	const struct json_in *list = json_in_get(facts, "recipients");
	uint64_t more = 0;

	for (size_t i = 0; i < json_in_count(list) && t->rcpt_count < JMAP_TRACE_RECIPIENTS_MAX;
		i++) {
		const struct json_in *one = json_in_at(list, i),
				     *became = json_in_get(one, "became");
		struct jmap_trace_rcpt *r = rcpt_add(t, json_in_text(one, "to"));

		r->targets = (unsigned)json_in_count(became);
		for (size_t k = 0; k < json_in_count(became); k++) {
			const struct json_in *target = json_in_at(became, k);

			hash_map_set(&x->of, json_in_text(target, "address"),
				(void *)(uintptr_t)t->rcpt_count);
			if (json_in_get(target, "mailbox")) {
				becomes(r, JMAP_TRACE_DELIVERED);
				r->at_ns = at_ns;
			}
		}
	}
	if (json_in_u64(facts, "more", &more))
		t->rcpts_more = (size_t)more;
}

/* Of a target that the log did not name (there were too many) nothing but that there is one is told. */
static struct jmap_trace_rcpt *rcpt_of(struct jmap_trace *t, struct targets *x, struct span target)
{
	uintptr_t at = (uintptr_t)hash_map_get(&x->of, target);

	return at ? &t->rcpts[at - 1] : NULL;
}

static void take_result(struct jmap_trace *t, struct targets *x, size_t i)
{
	static const enum jmap_trace_state states[TRAIL_KIND_COUNT] = {
		[TRAIL_DELIVERED] = JMAP_TRACE_RELAYED,
		[TRAIL_STORED] = JMAP_TRACE_DELIVERED,
		[TRAIL_DEFERRED] = JMAP_TRACE_WAITING,
		[TRAIL_FAILED] = JMAP_TRACE_FAILED};
	const struct trail_event *ev = &t->events[i];
	const struct json_in *f = t->facts[i];
	struct jmap_trace_rcpt *r = ev->rcpt.len ? rcpt_of(t, x, ev->rcpt) : NULL;
	uint64_t code = 0, attempts = 0;

	if (!r || !states[ev->kind])
		return;
	/* a later attempt wins over an earlier one that had to wait */
	if (r->state == JMAP_TRACE_WAITING && r->targets < 2)
		r->state = JMAP_TRACE_UNKNOWN;
	becomes(r, states[ev->kind]);
	t->shown_to[i] = r->address;
	r->at_ns = trail_time(ev->id);
	if (json_in_u64(f, "code", &code))
		r->code = (unsigned)code;
	if (json_in_u64(f, "attempt", &attempts))
		r->attempts = (unsigned)attempts;
	r->enhanced = json_in_text(f, "enhanced");
	r->reply = json_in_text(f, "reply");
	r->host = jmap_trace_host(x->a, json_in_text(f, "host"));
	r->tls = json_in_text(f, "tls");
}

static void take_waiting(struct jmap_trace *t, struct targets *x, const struct spool_item *it)
{
	static const enum jmap_trace_state states[QUEUE_NEXT_COUNT] = {
		[QUEUE_NEXT_SCHEDULED] = JMAP_TRACE_SCHEDULED, [QUEUE_NEXT_WORD] = JMAP_TRACE_HELD};
	struct jmap_trace_rcpt *r = rcpt_of(t, x, it->address);
	struct queue_why why;

	if (!r)
		return;
	queue_why(x->a, it, loop_wall_ns(), &why);
	if (r->targets < 2 || r->state == JMAP_TRACE_DELIVERED)
		r->state = JMAP_TRACE_UNKNOWN;
	becomes(r, states[why.next] ? states[why.next] : JMAP_TRACE_WAITING);
	r->next_ns = why.next_ns;
	r->expires_ns = it->expires_ns;
	r->reason = why.reason;
	r->attempts = it->attempts;
}

static FIBER int read_waiting(
	struct jmapd *d, struct arena *a, struct jmap_trace *t, struct targets *x, struct err *e)
{
	struct spool_filter f = {
		.msg_id = t->letter.msg_id, .state = -1, .max = JMAP_TRACE_RECIPIENTS_MAX};
	struct spool_item *items;
	size_t count = 0;

	if (spool_list(jmapd_opts_of(d)->store, a, &f, &items, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		take_waiting(t, x, &items[i]);
	return 0;
}

static FIBER int gather_rcpts(struct jmapd *d, struct arena *a, struct jmap_trace *t, struct err *e)
{
	struct targets x = {.a = a};
	int rc;

	hash_map_init(&x.of, (struct hash_key){loop_random(), loop_random()});
	t->rcpts = ARENA_ARRAY(a, struct jmap_trace_rcpt, JMAP_TRACE_RECIPIENTS_MAX);
	for (size_t i = 0; i < t->event_count; i++) {
		int64_t at_ns = trail_time(t->events[i].id);

		if (t->events[i].kind == TRAIL_ACCEPTED)
			name_targets(t, &x, t->facts[i], at_ns);
		else if (t->events[i].kind == TRAIL_REFUSED &&
			t->rcpt_count < JMAP_TRACE_RECIPIENTS_MAX) {
			struct jmap_trace_rcpt *r = rcpt_add(t, json_in_text(t->facts[i], "to"));

			r->state = JMAP_TRACE_REFUSED;
			r->reply = json_in_text(t->facts[i], "reason");
			r->at_ns = at_ns;
		} else
			take_result(t, &x, i);
	}
	rc = read_waiting(d, a, t, &x, e);
	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct jmap_trace_rcpt *r = &t->rcpts[i];

		/* Neither a row nor a result: it was taken out of the queue. What is young may only not
		 * have been written yet. */
		if (r->state == JMAP_TRACE_UNKNOWN && loop_wall_ns() - t->letter.at_ns > SETTLED_NS)
			r->state = JMAP_TRACE_CANCELED;
	}
	hash_map_fini(&x.of);
	return rc;
}

/* ---- all of it ---- */

static FIBER int read_family(struct jmapd *d, struct arena *a, struct jmap_trace *t, struct err *e)
{
	struct trail_letter parent;

	if (trail_children(jmapd_opts_of(d)->store, a, t->letter.msg_id, &t->children,
		    &t->child_count, e) < 0)
		return -1;
	if (!t->letter.parent_id)
		return 0;
	if (trail_get(jmapd_opts_of(d)->store, a, t->letter.parent_id, &parent, e) < 0) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		err_clear(e);
		return 0;
	}
	t->is_parent_own = parent.owner_id && parent.owner_id == t->letter.owner_id;
	return 0;
}

FIBER int jmap_trace_gather(struct jmapd *d, struct arena *a, struct jmap_trace *t, struct err *e)
{
	if (read_events(d, a, t, e) < 0)
		return -1;
	read_facts(a, t);
	if (t->role == JMAP_TRACE_RECIPIENT)
		return 0;
	return gather_rcpts(d, a, t, e) < 0 ? -1 : read_family(d, a, t, e);
}

void jmap_trace_fini(struct jmap_trace *t)
{
	for (size_t i = 0; i < t->doc_count; i++)
		json_in_free(&t->docs[i]);
	t->doc_count = 0;
}
