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

/* ---- arguments ---- */

#define ARGUMENTS_QUERY "accountId filter sort position anchor anchorOffset limit calculateTotal"
#define ARGUMENTS_QUERY_CHANGES                                                                    \
	"accountId filter sort sinceQueryState maxChanges upToId calculateTotal"
#define ARGUMENTS_BODIES                                                                           \
	"properties bodyProperties fetchTextBodyValues fetchHTMLBodyValues fetchAllBodyValues "    \
	"maxBodyValueBytes"

/* A method, or all of its kind; blanks between the arguments. Those of our own capabilities look for themselves. */
static const struct {
	const char *method, *arguments;
} takes[] = {
	{"PushSubscription/get", "accountId ids properties"}, /* an account is let pass */
	{"PushSubscription/set", "accountId create update destroy"},
	{"Blob/get", "accountId ids properties offset length"},
	{"Blob/upload", "accountId create"},
	{"Blob/lookup", "accountId typeNames ids"},
	{"Blob/copy", "fromAccountId accountId blobIds"},
	{"Mailbox/set", "accountId ifInState create update destroy onDestroyRemoveEmails"},
	{"Mailbox/query", ARGUMENTS_QUERY " sortAsTree filterAsTree"},
	{"Mailbox/queryChanges", ARGUMENTS_QUERY_CHANGES " sortAsTree filterAsTree"},
	{"Email/get", "accountId ids " ARGUMENTS_BODIES},
	{"Email/parse", "accountId blobIds " ARGUMENTS_BODIES},
	{"Email/query", ARGUMENTS_QUERY " collapseThreads"},
	{"Email/queryChanges", ARGUMENTS_QUERY_CHANGES " collapseThreads"},
	{"Email/import", "accountId ifInState emails"},
	{"SearchSnippet/get", "accountId filter emailIds"},
	{"EmailSubmission/set",
		"accountId ifInState create update destroy onSuccessUpdateEmail "
		"onSuccessDestroyEmail"},
	{"/get", "accountId ids properties"},
	{"/changes", "accountId sinceState maxChanges"},
	{"/set", "accountId ifInState create update destroy"},
	{"/copy",
		"fromAccountId ifFromInState accountId ifInState create onSuccessDestroyOriginal "
		"destroyFromIfInState"},
	{"/query", ARGUMENTS_QUERY},
	{"/queryChanges", ARGUMENTS_QUERY_CHANGES},
};

static struct span arguments_of(const struct jmap_method *m)
{
	struct span name = span_str(m->name);
	ptrdiff_t at = span_find(name, '/');
	struct span kind = at < 0 ? name : span_skip(name, (size_t)at);

	for (size_t i = 0; i < ARRAY_LEN(takes); i++)
		if (span_eq(span_str(takes[i].method), name) ||
			span_eq(span_str(takes[i].method), kind))
			return span_str(takes[i].arguments);
	return SPAN_NONE;
}

static bool is_among(struct span words, struct span word)
{
	struct span one;

	while (words.len) {
		span_cut(words, ' ', &one, &words);
		if (span_eq(one, word))
			return true;
	}
	return false;
}

/* "unknown/insufficient/wrong type" (RFC 8620 section 3.9) */
int jmap_method_arguments(struct jmap_call *c, struct err *e)
{
	struct span known = c->method->capability < JMAP_CAP_PLACE_TRACE ? arguments_of(c->method)
									 : SPAN_NONE;
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (known.ptr && json_in_next(c->args, &at, &name, &value))
		if (!is_among(known, span_str(name)))
			return jmap_fail_argument(c, e, name, "there is no such argument");
	return 0;
}

/* ---- Core/echo ---- */

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
