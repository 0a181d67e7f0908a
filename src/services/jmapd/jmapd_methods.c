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

/* What was sent, and what numbers grow by when they are written again; references may stand for more than that. */
static size_t echo_max(const struct jmap_call *c)
{
	return c->is_led ? JMAP_ECHO_MAX : JMAP_REQUEST_MAX + JMAP_ECHO_MAX;
}

static int put_echo(void *arg, struct err *e)
{
	struct jmap_call *c = arg;
	size_t max = echo_max(c);
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	struct buf b;
	bool is_good;

	buf_init(&b, max);
	while (buf_ok(&b) && buf_len(c->out->buf) <= max &&
		json_in_next(c->args, &at, &name, &value)) {
		buf_clear(&b);
		json_in_put(&b, value);
		json_key(c->out, name);
		json_raw(c->out, buf_span(&b));
	}
	is_good = buf_ok(&b) && buf_len(c->out->buf) <= max;
	buf_fini(&b);
	return is_good ? 0 : err_set(e, ERR_LIMIT, "an echo of more than %zu octets", max);
}

/* RFC 8620 section 4 */
static FIBER int echo(struct jmap_call *c, struct err *e)
{
	if (c->is_led || c->req->is_large)
		return work_run(jmapd_opts_of(c->d)->lane, put_echo, c, e);
	return put_echo(c, e);
}

const struct jmap_method jmap_core_methods[] = {
	{"Core/echo", JMAP_CAP_PLACE_CORE, 0, echo},
	{0},
};
