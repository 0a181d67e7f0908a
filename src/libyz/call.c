/* From a call of the caller's to the straight line that does it: here what was given is kept, the
 * last error forgotten, and, in a session that must not block, a stack of its own entered. */

#include "libyz/libyz_priv.h"

#include <string.h>

int call_plain(struct yz_session *s)
{
	if (step_is_active(s->step))
		return YZ_E_STATE;
	memset(&s->error, 0, sizeof(s->error));
	return YZ_OK;
}

static const char *call_copy(struct yz_session *s, const char *text)
{
	return text ? arena_str(s->call_arena, span_str(text)) : NULL;
}

int call_start(struct yz_session *s, call_fn *run, const struct call *c)
{
	if (call_plain(s) != YZ_OK)
		return YZ_E_STATE;
	arena_reset(s->call_arena);
	reply_forget(&s->last);
	s->phase = YZ_PHASE_NONE;
	s->call = *c;
	s->call.run = run;
	if (c->reply_r)
		*c->reply_r = NULL;
	if (step_is_nonblocking(s->step)) {
		s->call.a = call_copy(s, c->a);
		s->call.b = call_copy(s, c->b);
	}
	return step_begin(s->step, s, &s->call);
}

int yz_set_nonblocking(struct yz_session *s, bool is_nonblocking)
{
	if (call_plain(s) != YZ_OK)
		return YZ_E_STATE;
	step_set_nonblocking(s->step, is_nonblocking);
	return YZ_OK;
}

int yz_step(struct yz_session *s, struct yz_want *want_r)
{
	int rc = step_is_active(s->step) ? step_resume(s->step) : YZ_E_STATE;

	if (want_r)
		step_wants(s->step, want_r);
	return rc;
}

void yz_wants(const struct yz_session *s, struct yz_want *want_r)
{
	step_wants(s->step, want_r);
}

void yz_cancel(struct yz_session *s)
{
	if (step_is_active(s->step))
		step_cancel(s->step);
}
