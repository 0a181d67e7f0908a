#include "services/jmapd/jmapd_core_priv.h"

#include <string.h>

/* All methods, and what the session may therefore tell of: a capability without a method is not there. */

static const struct jmap_method *const tables[] = {
	jmap_core_methods,
	jmap_mailbox_methods,
	jmap_thread_methods,
	jmap_email_methods,
	jmap_email_set_methods,
	jmap_submission_methods,
	jmap_identity_methods,
	jmap_vacation_methods,
	jmap_quota_methods,
	jmap_blob_methods,
	jmap_push_methods,
	jmap_trace_methods,
	jmap_contact_methods,
	jmap_page_methods,
	jmap_login_methods,
};

unsigned jmap_methods_capabilities(void)
{
	unsigned bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct jmap_method *m = tables[i]; m->name; m++)
			bits |= 1u << m->capability;
	return bits;
}

const struct jmap_method *jmap_method_named(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct jmap_method *m = tables[i]; m->name; m++)
			if (span_eq(span_str(m->name), name))
				return m;
	return NULL;
}

/* Of an echo: references in it may stand for more than what was sent. */
#define ECHO_MAX (3 * JMAP_REQUEST_MAX)

/* RFC 8620 section 4 */
static FIBER int echo(struct jmap_call *c, struct err *e)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	struct buf *b = arena_buf(c->a, ECHO_MAX);

	while (buf_ok(b) && buf_len(c->out->buf) <= ECHO_MAX &&
		json_in_next(c->args, &at, &name, &value)) {
		buf_clear(b);
		json_in_put(b, value);
		json_key(c->out, name);
		json_raw(c->out, buf_span(b));
		if (fiber_breathe(e) < 0)
			return -1;
	}
	return buf_ok(b) && buf_len(c->out->buf) <= ECHO_MAX
		? 0
		: err_set(e, ERR_LIMIT, "an echo of more than %d octets", ECHO_MAX);
}

const struct jmap_method jmap_core_methods[] = {
	{"Core/echo", JMAP_CAP_PLACE_CORE, 0, echo},
	{0},
};
