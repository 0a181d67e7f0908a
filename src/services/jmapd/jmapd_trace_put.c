#include "services/jmapd/jmapd_trace.h"

#include "base/clock.h"
#include "proto/mail/mail_cause.h"

static const char *state_word(enum jmap_trace_state s)
{
	static const char *const words[JMAP_TRACE_STATE_COUNT] = {
#define X(id, word) [JMAP_TRACE_##id] = word,
		JMAP_TRACE_STATES(X)
#undef X
	};

	return words[s];
}

/* With milliseconds: an attempt is told by the part of a second that it took. */
static void put_time(struct json_out *j, const char *key, int64_t ns)
{
	struct buf b;

	json_key(j, key);
	if (ns <= 0) {
		json_null(j);
		return;
	}
	buf_init(&b, 64);
	clock_put_rfc3339_ms(&b, ns);
	json_span(j, buf_span(&b));
	buf_fini(&b);
}

static void put_cause(struct json_out *j, unsigned code, struct span enhanced, struct span text,
	bool is_tried, enum mail_lang lang)
{
	const struct mail_cause *c = mail_cause_find(code, enhanced, text);

	json_key(j, "cause");
	json_open_object(j);
	json_kv_str(j, "name", c->name);
	json_kv_str(j, "text", c->text[lang]);
	json_kv_str(j, "remedy", is_tried ? mail_cause_patience(lang) : c->remedy[lang]);
	json_close(j);
}

/* ---- recipients and the verdict ---- */

static bool is_trouble(enum jmap_trace_state s)
{
	return s == JMAP_TRACE_FAILED || s == JMAP_TRACE_WAITING || s == JMAP_TRACE_REFUSED ||
		s == JMAP_TRACE_HELD;
}

static void put_rcpt(struct json_out *j, const struct jmap_trace_rcpt *r, enum mail_lang lang)
{
	json_open_object(j);
	json_kv_span(j, "address", r->address);
	json_kv_str(j, "state", state_word(r->state));
	json_kv_u64(j, "targets", r->targets);
	json_kv_u64(j, "attempts", r->attempts);
	put_time(j, "at", r->at_ns);
	put_time(j, "nextAt", r->next_ns);
	put_time(j, "expiresAt", r->expires_ns);
	json_kv_u64(j, "code", r->code);
	json_kv_span(j, "enhanced", r->enhanced);
	json_kv_span(j, "reply", r->reply);
	json_kv_span(j, "host", r->host);
	json_kv_span(j, "tls", r->tls);
	json_kv_span(j, "reason", r->reason);
	if (is_trouble(r->state) && (r->code || r->reply.len))
		put_cause(j, r->code, r->enhanced, r->reply, r->state == JMAP_TRACE_WAITING, lang);
	json_close(j);
}

struct tally {
	size_t of[JMAP_TRACE_STATE_COUNT], total;
	int64_t next_ns, expires_ns;
};

static void count(const struct jmap_trace *t, struct tally *n)
{
	*n = (struct tally){.total = t->rcpt_count + t->rcpts_more};
	for (size_t i = 0; i < t->rcpt_count; i++) {
		const struct jmap_trace_rcpt *r = &t->rcpts[i];

		n->of[r->state]++;
		if (r->next_ns && (!n->next_ns || r->next_ns < n->next_ns))
			n->next_ns = r->next_ns;
		if (r->expires_ns > n->expires_ns)
			n->expires_ns = r->expires_ns;
	}
}

/* One word for the whole letter: what its sender has to care about goes first. */
static const char *verdict_of(const struct jmap_trace *t, const struct tally *n)
{
	size_t bad = n->of[JMAP_TRACE_FAILED] + n->of[JMAP_TRACE_REFUSED];
	size_t open = n->of[JMAP_TRACE_WAITING] + n->of[JMAP_TRACE_HELD];

	if (t->role == JMAP_TRACE_RECIPIENT)
		return "received";
	if (n->of[JMAP_TRACE_REFUSED] && n->of[JMAP_TRACE_REFUSED] == n->total)
		return "refused";
	if (bad && bad == n->total)
		return "failed";
	if (bad)
		return "partial";
	if (open)
		return "waiting";
	if (n->of[JMAP_TRACE_SCHEDULED])
		return "scheduled";
	if (n->of[JMAP_TRACE_CANCELED])
		return "canceled";
	return n->of[JMAP_TRACE_UNKNOWN] || !n->total ? "unknown" : "delivered";
}

static void put_verdict(struct json_out *j, const struct jmap_trace *t)
{
	struct tally n;

	count(t, &n);
	json_open_object(j);
	json_kv_str(j, "state", verdict_of(t, &n));
	json_kv_u64(j, "total", n.total);
	json_kv_u64(j, "delivered", n.of[JMAP_TRACE_DELIVERED] + n.of[JMAP_TRACE_RELAYED]);
	json_kv_u64(j, "waiting",
		n.of[JMAP_TRACE_WAITING] + n.of[JMAP_TRACE_HELD] + n.of[JMAP_TRACE_SCHEDULED]);
	json_kv_u64(j, "failed", n.of[JMAP_TRACE_FAILED] + n.of[JMAP_TRACE_REFUSED]);
	json_kv_u64(j, "unnamed", t->rcpts_more);
	put_time(j, "nextAt", n.next_ns);
	put_time(j, "expiresAt", n.expires_ns);
	json_close(j);
}

/* ---- the timeline ---- */

/* "C: EHLO mail.example\t31": who, what, and when since the first line. */
static void put_line(struct json_out *j, struct span line)
{
	ptrdiff_t tab = span_rfind(line, TRAIL_TALK_TIME);
	uint64_t ms = 0;
	bool has_time = tab >= 0 && span_u64_max(span_skip(line, (size_t)tab + 1), UINT32_MAX, &ms);
	struct span text = has_time ? span_sub(line, 0, (size_t)tab) : line;

	json_open_object(j);
	json_kv_span(j, "who", span_sub(text, 0, 1));
	json_kv_span(j, "text", span_skip(text, text.len < 3 ? text.len : 3));
	json_key(j, "ms");
	if (has_time)
		json_u64(j, ms);
	else
		json_null(j);
	json_close(j);
}

static void put_talk(struct json_out *j, struct span talk)
{
	struct span line;

	json_key(j, "conversation");
	json_open_array(j);
	while (talk.len) {
		span_cut(talk, '\n', &line, &talk);
		if (line.len)
			put_line(j, line);
	}
	json_close(j);
}

/* Facts that are told as they are, by event. Others stay in the log: what an address was turned into is its
 * owner's business. */
static const char *const session_facts[] = {"peer", "helo", "with", "tls", "cipher", NULL};
static const char *const sender_facts[] = {"login", "user", NULL};
static const char *const attempt_facts[] = {
	"attempt", "tls", "tls_policy", "code", "enhanced", "reply", "next_s", NULL};

static void put_facts(struct json_out *j, const struct json_in *facts, const char *const *names)
{
	for (; *names; names++) {
		const struct json_in *v = json_in_get(facts, *names);
		uint64_t n;

		if (!v)
			continue;
		if (json_in_is_text(v))
			json_kv_span(j, *names, json_in_span(v));
		else if (json_in_u64(facts, *names, &n))
			json_kv_u64(j, *names, n);
	}
}

static bool is_internal(struct arena *a, const struct json_in *o)
{
	struct span host = json_in_text(o, "host");

	return !span_eq(host, jmap_trace_host(a, host));
}

/* What was done before the conversation. */
void jmap_trace_put_steps(struct json_out *j, const struct json_in *facts, bool is_rewritten)
{
	const struct json_in *list = json_in_get(facts, "steps");
	struct arena *a = arena_new();
	bool is_hidden = is_rewritten || is_internal(a, facts);

	for (size_t i = 0; i < json_in_count(list); i++)
		is_hidden = is_hidden || is_internal(a, json_in_at(list, i));
	json_key(j, "steps");
	json_open_array(j);
	for (size_t i = 0; i < json_in_count(list); i++) {
		const struct json_in *step = json_in_at(list, i);
		struct span host = json_in_text(step, "host");
		uint64_t ms = 0;

		json_in_u64(step, "ms", &ms);
		json_open_object(j);
		json_kv_span(j, "step", json_in_text(step, "step"));
		json_kv_span(j, "at", json_in_text(step, "at"));
		json_kv_u64(j, "ms", ms);
		json_kv_span(j, "host", jmap_trace_host(a, host));
		json_kv_span(j, "text", is_hidden ? SPAN_NONE : json_in_text(step, "text"));
		json_kv_bool(j, "failed", json_in_bool(step, "failed"));
		json_kv_bool(j, "kept", json_in_bool(step, "kept"));
		json_close(j);
	}
	json_close(j);
	arena_free(&a);
}

static void put_event(struct json_out *j, const struct jmap_trace *t, size_t i, enum mail_lang lang)
{
	const struct trail_event *ev = &t->events[i];
	const struct json_in *f = t->facts[i];
	struct arena *a = arena_new();
	struct span host = json_in_text(f, "host"), shown = jmap_trace_host(a, host);
	uint64_t n = 0;

	json_open_object(j);
	put_time(j, "at", trail_time(ev->id));
	json_kv_str(j, "event", trail_kind_str(ev->kind));
	json_kv_span(j, "recipient", t->shown_to[i]);
	if (ev->kind == TRAIL_ACCEPTED || ev->kind == TRAIL_REFUSED)
		put_facts(j, f, session_facts);
	if (ev->kind == TRAIL_ACCEPTED && json_in_u64(f, "octets", &n))
		json_kv_u64(j, "octets", n);
	if (t->role == JMAP_TRACE_SENDER) {
		put_facts(j, f, ev->kind == TRAIL_ACCEPTED ? sender_facts : attempt_facts);
		if (ev->kind == TRAIL_REFUSED)
			json_kv_span(j, "reason", json_in_text(f, "reason"));
		if (host.len)
			json_kv_span(j, "host", shown);
		if (ev->kind == TRAIL_DEFERRED || ev->kind == TRAIL_FAILED) {
			json_in_u64(f, "code", &n);
			put_cause(j, (unsigned)n, json_in_text(f, "enhanced"),
				json_in_text(f, "reply"), ev->kind == TRAIL_DEFERRED, lang);
		}
		if (json_in_get(f, "steps"))
			jmap_trace_put_steps(j, f, !span_eq_nocase(ev->rcpt, t->shown_to[i]));
		/* a server of a private network says too much of it */
		if (ev->talk.len && span_eq(host, shown))
			put_talk(j, ev->talk);
	}
	json_close(j);
	arena_free(&a);
}

/* What happened to the letter, without what only others have to do with. */
static bool is_told(const struct jmap_trace *t, size_t i)
{
	const struct trail_event *ev = &t->events[i];

	if (t->role == JMAP_TRACE_RECIPIENT)
		return ev->kind == TRAIL_ACCEPTED;
	return true;
}

/* ---- the whole ---- */

static void put_child(struct json_out *j, const struct trail_letter *l)
{
	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'Q', l->msg_id);
	put_time(j, "at", l->at_ns);
	json_kv_span(j, "messageId", l->message_id);
	json_close(j);
}

void jmap_trace_put(struct json_out *j, const struct jmap_get *g, const struct jmap_trace *t,
	enum mail_lang lang)
{
	const struct json_in *first = t->event_count ? t->facts[0] : NULL;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, t->email_id ? 'M' : 'Q', t->email_id ? t->email_id : t->letter.msg_id);
	json_key(j, "queueId");
	jmap_put_id(j, 'Q', t->letter.msg_id);
	if (jmap_get_wants(g, "role"))
		json_kv_str(j, "role", t->role == JMAP_TRACE_SENDER ? "sender" : "recipient");
	if (jmap_get_wants(g, "messageId"))
		json_kv_span(j, "messageId", t->letter.message_id);
	if (jmap_get_wants(g, "at"))
		put_time(j, "at", t->letter.at_ns);
	if (jmap_get_wants(g, "from"))
		json_kv_span(j, "from", json_in_text(first, "from"));
	if (jmap_get_wants(g, "parentId")) {
		json_key(j, "parentId");
		if (t->is_parent_own)
			jmap_put_id(j, 'Q', t->letter.parent_id);
		else
			json_null(j);
	}
	if (jmap_get_wants(g, "verdict")) {
		json_key(j, "verdict");
		put_verdict(j, t);
	}
	if (jmap_get_wants(g, "recipients")) {
		json_key(j, "recipients");
		json_open_array(j);
		for (size_t i = 0; i < t->rcpt_count; i++)
			put_rcpt(j, &t->rcpts[i], lang);
		json_close(j);
	}
	if (jmap_get_wants(g, "events")) {
		json_key(j, "events");
		json_open_array(j);
		for (size_t i = 0; i < t->event_count; i++) {
			if (is_told(t, i))
				put_event(j, t, i, lang);
		}
		json_close(j);
	}
	if (t->journey && jmap_get_wants(g, "path")) {
		json_key(j, "path");
		json_open_object(j);
		journey_json_put(j, t->journey);
		json_close(j);
	}
	if (jmap_get_wants(g, "children")) {
		json_key(j, "children");
		json_open_array(j);
		for (size_t i = 0; i < t->child_count; i++)
			put_child(j, &t->children[i]);
		json_close(j);
	}
	json_close(j);
}
