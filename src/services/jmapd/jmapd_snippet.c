/* SearchSnippet/get (RFC 8621 section 5.1). */
#include "services/jmapd/jmapd_email.h"

static void put_or_null(struct json_out *j, const char *name, struct span html)
{
	json_key(j, name);
	if (html.ptr)
		json_span(j, html);
	else
		json_null(j);
}

static void put_snippets(struct jmap_call *c, const struct email_snippet *list,
	const struct span *said, size_t count)
{
	size_t missing = 0;

	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++) {
		missing += !list[i].is_there;
		if (!list[i].is_there)
			continue;
		json_open_object(c->out);
		json_kv_span(c->out, "emailId", said[i]);
		put_or_null(c->out, "subject", list[i].subject);
		put_or_null(c->out, "preview", list[i].preview);
		json_close(c->out);
	}
	json_close(c->out);
	json_key(c->out, "notFound");
	if (!missing) {
		json_null(c->out);
		return;
	}
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++)
		if (!list[i].is_there)
			json_span(c->out, said[i]);
	json_close(c->out);
}

/* Each Id once; what can be none stays 0. */
static void take_ids(struct jmap_call *c, struct span *said, uint64_t *ids, size_t *count)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		struct span id = jmap_id_text(c, said[i]);
		bool is_again = false;

		for (size_t k = 0; k < kept && !is_again; k++)
			is_again = span_eq(said[k], id);
		if (is_again)
			continue;
		said[kept] = id;
		if (!jmap_id_of(c, id, 'M', &ids[kept]))
			ids[kept] = 0;
		kept++;
	}
	*count = kept;
}

FIBER int jmap_snippet_get(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	const struct email_filter *filter;
	struct email_snippet *list;
	struct span *said;
	uint64_t *ids;
	size_t count;

	if (jmap_account(c, &account, e) < 0 || jmap_email_filter(c, &filter, e) < 0 ||
		jmap_arg_texts(c, "emailIds", &said, &count, e) < 0)
		return -1;
	if (!said)
		return jmap_fail_argument(c, e, "emailIds", "a list of Ids is needed");
	if (count > JMAP_GET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "at most %d Emails", JMAP_GET_MAX);
	ids = ARENA_ARRAY(c->a, uint64_t, count + 1);
	take_ids(c, said, ids, &count);
	list = ARENA_ARRAY(c->a, struct email_snippet, count + 1);
	if (count &&
		email_snippets(jmapd_opts_of(c->d)->store, c->a, &account->eyes, filter, ids, count,
			list, e) < 0)
		return jmap_filter_failed(c, e);
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	put_snippets(c, list, said, count);
	return 0;
}
