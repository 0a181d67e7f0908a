#include "services/outbound/outbound_steps.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "run/loop.h"

static const char *const words[OUTBOUND_STEP_COUNT] = {
#define X(id, word) [OUTBOUND_STEP_##id] = word,
	OUTBOUND_STEPS(X)
#undef X
};

static struct span keep(struct arena *a, struct span text)
{
	return arena_span(a, span_sub(text, 0, OUTBOUND_STEP_TEXT_MAX));
}

void outbound_step_add(
	struct outbound_steps *steps, const struct outbound_step *step, const struct err *e)
{
	int64_t now = loop_now_ns();
	struct outbound_step *s;

	if (!steps || steps->count == OUTBOUND_STEPS_MAX)
		return;
	if (!steps->list)
		steps->list = ARENA_ARRAY(steps->arena, struct outbound_step, OUTBOUND_STEPS_MAX);
	s = &steps->list[steps->count++];
	*s = *step;
	if (!s->ended_ns)
		s->ended_ns = now;
	s->at_ns = loop_wall_ns() - (now - s->began_ns);
	s->host = keep(steps->arena, step->host);
	s->is_failed = e != NULL;
	s->text = keep(steps->arena, e ? span_str(e->text) : step->text);
}

void outbound_steps_clear(struct outbound_steps *steps)
{
	if (!steps)
		return;
	steps->count = 0;
	steps->list = NULL;
	arena_reset(steps->arena);
}

static void put_step(struct json_out *j, const struct outbound_step *s, bool is_kept)
{
	struct buf at;

	buf_init(&at, 64);
	clock_put_rfc3339_ms(&at, s->at_ns);
	json_open_object(j);
	json_kv_str(j, "step", words[s->kind]);
	json_kv_span(j, "at", buf_span(&at));
	json_kv_i64(j, "ms", (s->ended_ns - s->began_ns + CLOCK_MS / 2) / CLOCK_MS);
	if (s->host.len)
		json_kv_span(j, "host", s->host);
	if (s->text.len)
		json_kv_span(j, "text", s->text);
	if (s->is_failed)
		json_kv_bool(j, "failed", true);
	if (is_kept)
		json_kv_bool(j, "kept", true);
	json_close(j);
	buf_fini(&at);
}

void outbound_steps_put(
	const struct outbound_steps *steps, bool is_kept, struct arena *a, struct span *json)
{
	struct buf all, one;

	if (!steps || !steps->count)
		return;
	buf_init(&all, OUTBOUND_STEPS_JSON_MAX);
	buf_init(&one, OUTBOUND_STEPS_JSON_MAX);
	buf_span_put(&all, *json);
	for (size_t i = 0; i < steps->count; i++) {
		struct json_out j;

		buf_clear(&one);
		json_out_init(&j, &one);
		put_step(&j, &steps->list[i], is_kept);
		/* A whole step or none: it stays JSON. */
		if (!buf_ok(&one) || buf_len(&all) + buf_len(&one) + 1 > OUTBOUND_STEPS_JSON_MAX)
			break;
		buf_str(&all, buf_len(&all) ? "," : "");
		buf_span_put(&all, buf_span(&one));
	}
	*json = arena_span(a, buf_span(&all));
	buf_fini(&one);
	buf_fini(&all);
}
