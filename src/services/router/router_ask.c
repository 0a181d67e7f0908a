/* Recipients of a relay domain that only its next hop knows: it is asked, and what it says is kept: a day
 * that it takes somebody, an hour that it does not, a minute that it was silent. */

#include <stdlib.h>

#include "base/mem.h"
#include "run/loop.h"
#include "services/router/router_priv.h"

#define SAID_MAX 200 /* octets kept of a reply */

struct router_said {
	enum router_asked asked;
	int64_t until_ns; /* mono */
	struct span text; /* behind this struct */
};

static struct router_said *said_new(enum router_asked asked, struct span text)
{
	static const int64_t times[] = {[ROUTER_ASKED_UNKNOWN] = ROUTER_ASKED_NONE_NS,
		[ROUTER_ASKED_YES] = ROUTER_ASKED_YES_NS,
		[ROUTER_ASKED_NO] = ROUTER_ASKED_NO_NS};
	struct router_said *s = NEW(struct router_said);

	s->asked = asked;
	s->until_ns = loop_now_ns() + times[asked];
	s->text = span_of(mem_dup(text.ptr ? text.ptr : "", text.len), text.len);
	return s;
}

static void said_free(struct router_said *s)
{
	if (s)
		free((char *)s->text.ptr);
	free(s);
}

void router_ask_free(struct router *r)
{
	size_t at = 0;
	struct span name;
	void *value;

	while (hash_map_next(&r->asked, &at, &name, &value))
		said_free(value);
	hash_map_fini(&r->asked);
}

/* Room for one more: what has run out goes, and when nothing has, all. */
static void make_room(struct router *r)
{
	struct hash_key key = r->asked.key;
	int64_t now = loop_now_ns();
	size_t at = 0;
	struct span name;
	void *value;

	if (hash_map_count(&r->asked) < ROUTER_ASKED_MAX)
		return;
	while (hash_map_next(&r->asked, &at, &name, &value)) {
		struct router_said *s = value;

		if (s->until_ns > now)
			continue;
		hash_map_remove(&r->asked, name);
		said_free(s);
	}
	if (hash_map_count(&r->asked) < ROUTER_ASKED_MAX)
		return;
	router_ask_free(r);
	hash_map_init(&r->asked, key);
}

/* *is_theirs_r: the next hop's silence or its word; false: we could not ask, which says nothing of it. */
static FIBER struct router_said ask(
	struct router *r, struct arena *a, const struct router_target *t, bool *is_theirs_r)
{
	struct router_said said = {.asked = ROUTER_ASKED_UNKNOWN};
	struct err e = {0};

	*is_theirs_r = false;
	if (!r->opts.ask || r->asking >= ROUTER_ASKING_MAX) {
		said.text = r->opts.ask ? SPAN("too many are being asked already")
					: SPAN("nobody is there to ask");
		return said;
	}
	r->asking++;
	if (r->opts.ask(r->opts.ask_arg, a, t->destination, t->address, &said.asked, &said.text,
		    &e) < 0) {
		said.asked = ROUTER_ASKED_UNKNOWN;
		said.text = span_str(arena_str(a, span_str(e.text)));
	}
	*is_theirs_r = e.code != ERR_STATE && e.code != ERR_CANCELLED;
	r->asking--;
	said.text = span_sub(said.text, 0, SAID_MAX);
	return said;
}

FIBER void router_ask(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *ans)
{
	static const char *const words[] = {[ROUTER_ASKED_UNKNOWN] = "has not said",
		[ROUTER_ASKED_YES] = "takes mail for it",
		[ROUTER_ASKED_NO] = "does not know it"};
	struct router_target *t = &ans->targets[0];
	struct span key = span_str(arena_printf(a, SPAN_FMT " " SPAN_FMT, SPAN_ARG(t->destination),
		SPAN_ARG(router_address_key(a, t->address))));
	struct router_said *kept = hash_map_get(&r->asked, key), said;
	bool is_kept = kept && kept->until_ns > loop_now_ns(), is_theirs;

	if (is_kept) {
		said = (struct router_said){
			.asked = kept->asked, .text = arena_span(a, kept->text)};
	} else {
		said = ask(r, a, t, &is_theirs);
		if (is_theirs) {
			make_room(r);
			said_free(hash_map_set(&r->asked, key, said_new(said.asked, said.text)));
		}
	}
	router_note(q->record, ROUTER_STEP_CHECK, 0, SPAN_NONE, SPAN_FMT " %s%s%s" SPAN_FMT,
		SPAN_ARG(t->destination), words[said.asked], is_kept ? " (asked before)" : "",
		said.text.len ? ": " : "", SPAN_ARG(said.text));
	if (said.asked == ROUTER_ASKED_NO)
		ans->verdict = ROUTER_UNKNOWN_USER;
	else if (said.asked == ROUTER_ASKED_UNKNOWN && ans->check == DIRECTORY_CHECK_ASK)
		ans->verdict = ROUTER_UNVERIFIED;
	if (ans->verdict != ROUTER_OK)
		ans->target_count = 0;
}
