#include "services/jmapd/jmapd_trace.h"

#include <string.h>

#include "run/loop.h"
#include "store/body.h"
#include "store/spool.h"

/* Trace: a type of our own (docs/jmap.md). A letter is told to the account that sent it, by its queue id, and to
 * whoever has it in a mailbox, by its Email id. What is not his is not there. */

#define TRACE_HEADER_MAX (64 * 1024)
#define TRACE_IDS_MAX    50 /* of one get: each reads its whole log */
#define TRACE_QUERY_MAX  256
#define TRACE_RETRY_NS   (30 * CLOCK_SEC) /* between two attempts that a person asks for */

static const char *const trace_properties[] = {"id", "queueId", "role", "messageId", "at", "from",
	"parentId", "verdict", "recipients", "events", "children", "path", NULL};
static const struct jmap_type trace_type = {
	.name = "Trace", .kind = 'Q', .properties = trace_properties, .object = OBJECT_TRACE};

/* ---- whose it is ---- */

/* By its queue id: his own, or one that came from his own (a report, a list's copy of his post). */
static FIBER int find_own(struct jmap_call *c, const struct jmap_account *account, uint64_t id,
	struct jmap_trace *t, bool *is_found_r, struct err *e)
{
	struct trail_letter parent;

	*is_found_r = false;
	if (!account->is_own)
		return 0;
	if (trail_get(jmapd_opts_of(c->d)->store, c->a, id, &t->letter, e) < 0)
		goto missing;
	t->role = JMAP_TRACE_SENDER;
	*is_found_r = t->letter.owner_id == account->id;
	if (*is_found_r || !t->letter.parent_id)
		return 0;
	if (trail_get(jmapd_opts_of(c->d)->store, c->a, t->letter.parent_id, &parent, e) < 0)
		goto missing;
	t->role = JMAP_TRACE_RECIPIENT;
	*is_found_r = parent.owner_id == account->id;
	return 0;
missing:
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 0;
}

/* His own among those with a Message-ID, the latest. */
static FIBER int find_sent(struct jmap_call *c, const struct jmap_account *account,
	struct span message_id, struct jmap_trace *t, bool *is_found_r, struct err *e)
{
	struct trail_letter *list;
	size_t count = 0;

	if (!account->is_own || !message_id.len)
		return 0;
	if (trail_find(jmapd_opts_of(c->d)->store, c->a, message_id, &list, &count, e) < 0)
		return -1;
	for (size_t i = count; i-- > 0;) {
		if (list[i].owner_id != account->id)
			continue;
		t->letter = list[i];
		t->role = JMAP_TRACE_SENDER;
		*is_found_r = true;
		return 0;
	}
	return 0;
}

/* Its way by its own header: what we saw, and below that what others claim. */
static FIBER int read_path(
	struct jmap_call *c, const struct email *email, struct jmap_trace *t, struct err *e)
{
	struct journey_options options = {.now_sec = loop_wall_ns() / CLOCK_SEC};
	struct body *body = body_open(
		jmapd_opts_of(c->d)->store, email->msg.blob_id, email->msg.blob_len);
	struct span chunk;
	int rc = body_chunk(body, 0, c->a, &chunk, e);

	if (rc == 0) {
		struct buf *b = arena_buf(c->a, email->msg.prefix.len + TRACE_HEADER_MAX);

		buf_span_put(b, email->msg.prefix);
		buf_span_put(b, span_sub(chunk, 0, TRACE_HEADER_MAX));
		t->journey = ARENA_NEW(c->a, struct journey);
		if (!journey_read(c->a, buf_span(b), &options, t->journey))
			t->journey = NULL;
	}
	body_unref(&body);
	return rc;
}

/* By an Email of his: how it came, which stands in the field that we put before it; or, without one, what
 * became of it. */
static FIBER int find_email(struct jmap_call *c, const struct jmap_account *account,
	uint64_t email_id, struct jmap_trace *t, bool *is_found_r, struct err *e)
{
	struct email email = {0};
	uint64_t state, id;

	*is_found_r = false;
	if (email_get(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &email_id, 1,
		    MAILBOX_WANT_HEAD | MAILBOX_WANT_FACTS, &email, &state, e) < 0)
		return -1;
	if (!email.row_count)
		return 0;
	t->email_id = email_id;
	if (read_path(c, &email, t, e) < 0)
		return -1;
	if (email.msg.facts &&
		find_sent(c, account, email.msg.facts->message_id, t, is_found_r, e) < 0)
		return -1;
	if (*is_found_r)
		return 0;
	id = jmap_trace_id_of(email.msg.prefix);
	if (!id)
		return 0;
	t->role = JMAP_TRACE_RECIPIENT;
	*is_found_r = trail_get(jmapd_opts_of(c->d)->store, c->a, id, &t->letter, e) == 0;
	if (*is_found_r)
		return 0;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 0;
}

/* ---- Trace/get ---- */

static enum mail_lang language(const struct jmap_call *c)
{
	struct span accept = http_field_list(c->web->x, "Accept-Language");

	return span_starts(span_trim(accept), SPAN("zh")) ? MAIL_LANG_ZH : MAIL_LANG_EN;
}

static FIBER int get_one(
	struct jmap_call *c, struct jmap_get *g, struct span id, enum mail_lang lang, struct err *e)
{
	struct jmap_trace t = {0};
	bool is_found = false;
	uint64_t number;
	int rc = 0;

	if (jmap_id_of(c, id, 'Q', &number))
		rc = find_own(c, g->account, number, &t, &is_found, e);
	else if (jmap_id_of(c, id, 'M', &number))
		rc = find_email(c, g->account, number, &t, &is_found, e);
	if (rc < 0)
		return -1;
	if (!is_found) {
		jmap_get_missing(c, g, id);
		return 0;
	}
	rc = jmap_trace_gather(c->d, c->a, &t, e);
	if (rc == 0)
		jmap_trace_put(c->out, g, &t, lang);
	jmap_trace_fini(&t);
	return rc;
}

static FIBER int trace_get(struct jmap_call *c, struct err *e)
{
	struct jmap_get g = {0};
	uint64_t state;

	if (jmap_get_begin(c, &g, &trace_type, e) < 0)
		return -1;
	if (g.is_all || g.count > TRACE_IDS_MAX)
		return jmap_fail(c, "requestTooLarge", e,
			"name at most %d letters (Trace/query finds them)", TRACE_IDS_MAX);
	if (object_state(jmapd_opts_of(c->d)->store, g.account->id, OBJECT_TRACE, &state, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < g.count; i++) {
		if (get_one(c, &g, g.ids[i], language(c), e) < 0)
			return -1;
	}
	json_close(c->out);
	jmap_get_end(c, &g, state);
	return 0;
}

static FIBER int trace_changes(struct jmap_call *c, struct err *e)
{
	return jmap_changes_of_objects(c, &trace_type, e);
}

/* ---- Trace/query ---- */

struct trace_filter {
	struct span message_id;
	int64_t after_ns, before_ns; /* 0: none */
};

static int read_filter(struct jmap_call *c, struct trace_filter *f, struct err *e)
{
	const struct json_in *filter = json_in_get(c->args, "filter"), *value;
	const char *name;
	void *at = NULL;

	*f = (struct trace_filter){.message_id = SPAN("")};
	if (!json_in_is_object(filter))
		return 0;
	while (json_in_next(filter, &at, &name, &value)) {
		struct span text = json_in_is_text(value) ? json_in_span(value) : SPAN_NONE;

		if (strcmp(name, "messageId") == 0 && text.len)
			f->message_id = text.ptr[0] == '<' ? trail_message_id(text) : text;
		else if (strcmp(name, "after") == 0 && jmap_date(text, &f->after_ns))
			continue;
		else if (strcmp(name, "before") == 0 && jmap_date(text, &f->before_ns))
			continue;
		else
			return jmap_fail(
				c, "unsupportedFilter", e, "a filter has messageId, after, before");
	}
	return 0;
}

static bool fits(const struct trace_filter *f, const struct trail_letter *l)
{
	return (!f->message_id.len || span_eq(l->message_id, f->message_id)) &&
		(!f->after_ns || l->at_ns >= f->after_ns) &&
		(!f->before_ns || l->at_ns < f->before_ns);
}

/* The newest first, a page of the log at a time. */
static FIBER int query_ids(struct jmap_call *c, const struct jmap_account *account,
	const struct trace_filter *f, int64_t position, int64_t limit, struct err *e)
{
	uint64_t before = 0;
	size_t count = TRAIL_SLICE;
	int64_t seen = 0, told = 0;

	while (count == TRAIL_SLICE && told < limit) {
		struct trail_letter *list;

		if (trail_owned(jmapd_opts_of(c->d)->store, c->a, account->id, before, &list,
			    &count, e) < 0)
			return -1;
		for (size_t i = 0; i < count && told < limit; i++) {
			before = list[i].msg_id;
			if (!fits(f, &list[i]))
				continue;
			if (seen++ < position)
				continue;
			jmap_put_id(c->out, 'Q', list[i].msg_id);
			told++;
		}
	}
	return 0;
}

static FIBER int trace_query(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct trace_filter f;
	int64_t position = 0, limit = 50;
	uint64_t state;

	if (jmap_account(c, &account, e) < 0 || read_filter(c, &f, e) < 0 ||
		jmap_arg_int(c, "position", 0, INT32_MAX, &position, e) < 0 ||
		jmap_arg_int(c, "limit", 0, TRACE_QUERY_MAX, &limit, e) < 0 ||
		object_state(jmapd_opts_of(c->d)->store, account->id, OBJECT_TRACE, &state, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, state);
	json_kv_bool(c->out, "canCalculateChanges", false);
	json_kv_i64(c->out, "position", position);
	json_key(c->out, "ids");
	json_open_array(c->out);
	if (account->is_own && query_ids(c, account, &f, position, limit, e) < 0)
		return -1;
	json_close(c->out);
	return 0;
}

/* ---- Trace/set: try now, or give up ---- */

static FIBER int act(struct jmap_call *c, uint64_t msg_id, enum spool_action action, struct err *e)
{
	struct spool_filter f = {.msg_id = msg_id, .state = -1};
	struct spool_order o = {.action = action, .now_ns = loop_wall_ns(), .by = c->user.address};
	uint64_t changed;

	return spool_act(jmapd_opts_of(c->d)->store, &f, &o, &changed, e);
}

/* Was it tried a moment ago? Then its sender has to wait, as the next server would have him wait. */
static FIBER int is_too_early(struct jmap_call *c, uint64_t msg_id, bool *early_r, struct err *e)
{
	struct spool_filter f = {.msg_id = msg_id, .state = -1};
	struct spool_item *items;
	size_t count = 0;

	*early_r = false;
	if (spool_list(jmapd_opts_of(c->d)->store, c->a, &f, &items, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		*early_r = *early_r || loop_wall_ns() - items[i].last_ns < TRACE_RETRY_NS;
	return 0;
}

static FIBER int trace_update(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct jmap_call *c = s->call;
	bool is_retry = json_in_bool(patch, "retry"), is_cancel = json_in_bool(patch, "cancel");
	struct jmap_trace t = {0};
	bool is_found = false, is_early = false;

	(void)id_text, (void)server_set_r;
	if (find_own(c, s->account, id, &t, &is_found, e) < 0)
		return -1;
	if (!is_found || t.role != JMAP_TRACE_SENDER) {
		why_r->type = "notFound";
		return 0;
	}
	if (is_retry == is_cancel) {
		why_r->type = "invalidProperties";
		why_r->description = "say retry: true, or cancel: true";
		return 0;
	}
	if (is_retry && is_too_early(c, id, &is_early, e) < 0)
		return -1;
	if (is_early) {
		why_r->type = "rateLimit";
		why_r->description = "it was tried less than 30 seconds ago";
		return 0;
	}
	return act(c, id, is_retry ? SPOOL_RETRY : SPOOL_DROP, e);
}

static FIBER int trace_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type set = {.type = &trace_type, .update = trace_update};

	return jmap_set_run(c, &set, NULL, e);
}

const struct jmap_method jmap_trace_methods[] = {
	{"Trace/get", JMAP_CAP_PLACE_TRACE, 0, trace_get},
	{"Trace/changes", JMAP_CAP_PLACE_TRACE, 0, trace_changes},
	{"Trace/query", JMAP_CAP_PLACE_TRACE, 0, trace_query},
	{"Trace/set", JMAP_CAP_PLACE_TRACE, JMAP_CHANGES_STATE, trace_set},
	{0},
};
