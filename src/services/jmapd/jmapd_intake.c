#include "services/jmapd/jmapd_core_priv.h"

#include "store/stage.h"

/* From the octets of a request to its document. What is small stays in memory. What is large lies in a file until its
 * turn comes: only few are in memory at once, of one user one, in the order in which they have come. It is parsed on
 * the lane, and only texts that methods pass on as they are may make it large: all else is bounded as ever, so that
 * no method has to think of it. */

/* ---- turns ---- */

struct waiter {
	struct list_node node;
	uint64_t user_id;
	struct fiber_call call;
};

/* Under the lock. NULL: not now. */
static uint64_t *place_for(struct jmapd *d, uint64_t user_id)
{
	uint64_t *place = NULL;

	for (size_t i = 0; i < JMAP_LARGE_AT_ONCE; i++) {
		if (d->large[i] == user_id)
			return NULL;
		if (!d->large[i])
			place = &d->large[i];
	}
	return place;
}

/* Whoever waits could not go on before now, so nobody is overtaken by somebody who could. It ends when those end that
 * are under way, who do not wait for their clients. */
static FIBER int take_turn(struct jmapd *d, uint64_t user_id, struct err *e)
{
	struct waiter w = {.user_id = user_id};
	uint64_t *place;

	fiber_call_init(&w.call);
	pthread_mutex_lock(&d->lock);
	place = place_for(d, user_id);
	if (place)
		*place = user_id;
	else
		list_push_back(&d->large_waiting, &w.node);
	pthread_mutex_unlock(&d->lock);
	if (!place)
		fiber_call_wait(&w.call);
	if (!fiber_is_cancelled(fiber_self()))
		return 0;
	jmap_turn_give(d, user_id);
	return err_set(e, ERR_CANCELLED, "the server stops");
}

/* Under the lock. */
static struct waiter *next_waiter(struct jmapd *d, uint64_t **place_r)
{
	LIST_EACH (n, &d->large_waiting) {
		struct waiter *w = LIST_ITEM(n, struct waiter, node);

		*place_r = place_for(d, w->user_id);
		if (*place_r)
			return w;
	}
	return NULL;
}

void jmap_turn_give(struct jmapd *d, uint64_t user_id)
{
	struct waiter *w;
	uint64_t *place;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < JMAP_LARGE_AT_ONCE; i++)
		if (d->large[i] == user_id)
			d->large[i] = 0;
	while ((w = next_waiter(d, &place))) {
		*place = w->user_id;
		list_remove(&w->node);
		fiber_call_done(&w->call); /* after which it is gone */
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- what may be large ---- */

static size_t octets_of(const struct json_in *v)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	size_t octets = json_in_span(v).len;

	for (size_t i = 0; i < json_in_count(v); i++)
		octets += octets_of(json_in_at(v, i));
	while (json_in_is_object(v) && json_in_next(v, &at, &name, &value))
		octets += span_str(name).len + octets_of(value);
	return octets;
}

static size_t texts_of(const struct json_in *v)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	size_t octets = json_in_span(v).len;

	for (size_t i = 0; i < json_in_count(v); i++)
		octets += texts_of(json_in_at(v, i));
	while (json_in_is_object(v) && json_in_next(v, &at, &name, &value))
		octets += texts_of(value);
	return octets;
}

static size_t texts_of_echo(const struct json_in *args)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	size_t octets = 0;

	while (json_in_next(args, &at, &name, &value))
		octets += name[0] == '#' ? 0 : texts_of(value);
	return octets;
}

static size_t texts_of_email(const struct json_in *email)
{
	const struct json_in *values = json_in_get(email, "bodyValues"), *value;
	const char *name;
	void *at = NULL;
	size_t octets = 0;

	while (json_in_is_object(values) && json_in_next(values, &at, &name, &value))
		octets += json_in_text(value, "value").len;
	return octets;
}

static size_t texts_of_blob(const struct json_in *blob)
{
	const struct json_in *sources = json_in_get(blob, "data");
	size_t octets = 0;

	for (size_t i = 0; i < json_in_count(sources); i++)
		octets += json_in_text(json_in_at(sources, i), "data:asText").len +
			json_in_text(json_in_at(sources, i), "data:asBase64").len;
	return octets;
}

static size_t texts_of_call(struct span method, const struct json_in *args)
{
	bool is_email = span_eq(method, SPAN("Email/set"));
	const struct json_in *create = json_in_get(args, "create"), *object;
	const char *name;
	void *at = NULL;
	size_t octets = 0;

	if (span_eq(method, SPAN("Core/echo")) && json_in_is_object(args))
		return texts_of_echo(args);
	if ((!is_email && !span_eq(method, SPAN("Blob/upload"))) || !json_in_is_object(create))
		return 0;
	while (json_in_next(create, &at, &name, &object))
		octets += is_email ? texts_of_email(object) : texts_of_blob(object);
	return octets;
}

size_t jmap_plain_octets(const struct json_in *doc)
{
	const struct json_in *calls = json_in_get(doc, "methodCalls");
	size_t octets = octets_of(doc);

	for (size_t i = 0; i < json_in_count(calls); i++) {
		const struct json_in *call = json_in_at(calls, i);

		octets -= texts_of_call(json_in_span(json_in_at(call, 0)), json_in_at(call, 1));
	}
	return octets;
}

/* ---- reading ---- */

struct intake {
	struct jmapd *d;
	uint64_t octets;
	struct buf *small;   /* all of it, until there is a stage */
	struct stage *stage; /* NULL: it is small */
	bool is_too_large;
	struct span text;
	struct json_in *doc;
	const char *limit; /* what is too much in it, for people; NULL: nothing */
};

static FIBER int put_piece(struct intake *in, struct span piece, struct err *e)
{
	in->octets += piece.len;
	in->is_too_large |= in->octets > JMAP_REQUEST_MAX;
	if (in->is_too_large)
		return 0;
	if (!in->stage && in->octets <= JMAP_LARGE_OCTETS) {
		buf_span_put(in->small, piece);
		return 0;
	}
	if (!in->stage) {
		in->stage = stage_new(in->d->opts.store);
		if (stage_put(in->stage, buf_span(in->small), e) < 0)
			return -1;
		buf_fini(in->small);
	}
	return stage_put(in->stage, piece, e);
}

/* What is somewhat too large is heard out: who is still sending would lose the answer (RFC 9112 section 9.6). */
static FIBER int gather(struct intake *in, struct web_call *c, struct err *e)
{
	uint64_t told = http_body_length(c->x);
	struct err why = {0};
	struct span piece;

	in->is_too_large = told != HTTP_LENGTH_UNKNOWN && told > JMAP_REQUEST_MAX;
	if (in->is_too_large && c->r->head.is_expecting)
		return 0;
	http_body_limit(c->x, JMAP_HEARD_MAX);
	do {
		if (http_body_read(c->x, &piece, &why) < 0) {
			in->is_too_large |= why.code == ERR_LIMIT;
			return why.code == ERR_LIMIT ? 0 : err_copy(e, &why);
		}
		if (put_piece(in, piece, e) < 0)
			return -1;
	} while (piece.len);
	return 0;
}

static const char *too_many_values(struct span text)
{
	return json_in_values(text) > JMAP_VALUES_MAX && json_in_is_shallow(text, JMAP_DEPTH_MAX)
		? "The request has more values than the server takes."
		: NULL;
}

/* On the lane. */
static int parse_large(void *arg, struct err *e)
{
	struct intake *in = arg;

	in->limit = too_many_values(in->text);
	if (in->limit)
		return 0;
	in->doc = json_in_parse_any(in->text, JMAP_REQUEST_MAX, JMAP_DEPTH_MAX, e);
	if (in->doc && jmap_plain_octets(in->doc) > JMAP_PLAIN_MAX) {
		in->limit = "The request holds more than the server takes beside the texts of new "
			    "Emails and blobs.";
		json_in_free(&in->doc);
	}
	return in->doc || in->limit ? 0 : -1;
}

static FIBER int read_large(struct intake *in, uint64_t user_id, struct err *e)
{
	size_t len = (size_t)stage_len(in->stage), got;
	struct buf text;
	char *at;
	int rc;

	if (take_turn(in->d, user_id, e) < 0)
		return -1;
	buf_init(&text, len);
	at = buf_reserve(&text, len);
	rc = stage_read(in->stage, 0, at, len, &got, e);
	stage_free(&in->stage);
	in->text = span_of(at, len);
	if (rc == 0)
		rc = work_run(in->d->opts.lane, parse_large, in, e);
	buf_fini(&text);
	if (!in->doc)
		jmap_turn_give(in->d, user_id);
	return rc;
}

static FIBER int read_small(struct intake *in, struct err *e)
{
	in->text = buf_span(in->small);
	in->limit = too_many_values(in->text);
	if (in->limit)
		return 0;
	in->doc = jmap_json(in->d, in->text, JMAP_LARGE_OCTETS, JMAP_DEPTH_MAX, e);
	return in->doc ? 0 : -1;
}

/* Why there is no document. */
static FIBER int tell_why(
	struct web_call *c, const struct intake *in, const struct err *why, struct err *e)
{
	if (in->limit)
		return jmap_problem(c, 400, "limit", "maxSizeRequest", in->limit, e);
	if (why->code != ERR_LIMIT && why->code != ERR_SYNTAX)
		return err_copy(e, why);
	return jmap_problem(c, 400, "notJSON", NULL,
		why->code == ERR_LIMIT ? "The request is nested too deeply."
				       : "The request is not I-JSON.",
		e);
}

FIBER int jmap_intake(struct jmapd *d, struct web_call *c, uint64_t user_id, struct json_in **doc_r,
	bool *is_large_r, struct err *e)
{
	struct intake in = {.d = d, .small = arena_buf(c->r->arena, JMAP_LARGE_OCTETS)};
	struct err why = {0};

	if (gather(&in, c, e) < 0) {
		stage_free(&in.stage);
		return -1;
	}
	if (in.is_too_large) {
		stage_free(&in.stage);
		in.limit = "The request is larger than the server takes.";
	}
	*is_large_r = in.stage != NULL;
	if (!in.limit && (in.stage ? read_large(&in, user_id, &why) : read_small(&in, &why)) < 0)
		in.doc = NULL;
	stage_free(&in.stage);
	*doc_r = in.doc;
	if (in.doc)
		return 1;
	return tell_why(c, &in, &why, e) < 0 ? -1 : 0;
}

static int free_doc(void *arg, struct err *e)
{
	(void)e;
	json_in_free(arg);
	return 0;
}

FIBER void jmap_intake_end(struct jmapd *d, uint64_t user_id, struct json_in **doc, bool is_large)
{
	if (!is_large) {
		json_in_free(doc);
		return;
	}
	/* a lane that is full takes nothing, and has done nothing then */
	if (work_run(d->opts.lane, free_doc, doc, NULL) < 0)
		json_in_free(doc);
	jmap_turn_give(d, user_id);
}
