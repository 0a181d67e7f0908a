#include "services/jmapd/jmapd_core_priv.h"

#include "store/push.h"

/* POST /jmap/api (RFC 8620 section 3): is it a request, who asks, and then its calls one after another. */

#define PROBLEM        "urn:ietf:params:jmap:error:"
#define PROBLEM_OCTETS 2048

/* ---- requests that are none ---- */

FIBER int jmap_problem(struct web_call *c, unsigned status, const char *type, const char *limit,
	const char *detail, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, PROBLEM_OCTETS);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(
		&j, "type", type ? arena_printf(c->r->arena, PROBLEM "%s", type) : "about:blank");
	json_kv_u64(&j, "status", status);
	if (limit)
		json_kv_str(&j, "limit", limit);
	json_kv_str(&j, "detail", detail);
	json_close(&j);
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply(c->x, status, "application/problem+json", buf_span(b), e);
}

FIBER int jmap_user_of(struct jmapd *d, struct web_call *c, enum web_login_how how,
	struct jmap_user *user_r, struct web_who *who_r, struct err *e)
{
	struct buf *by = arena_buf(c->r->arena, PUSH_BY_MAX);
	int rc = web_login_who(d->opts.login, c, how, who_r, e);
	const struct auth_who *who = &who_r->who;

	if (rc <= 0)
		return rc;
	push_by(by, who_r->session_id, who->app_id, who->credential,
		span_eq(span_str(who->mech), SPAN("bearer")));
	*user_r = (struct jmap_user){.account_id = who->account_id,
		.address = who->address,
		.name = who->name,
		.by = buf_span(by)};
	return rc;
}

/* ---- reading JSON ---- */

struct parsing {
	struct span text;
	size_t max;
	unsigned depth;
	struct json_in *doc;
};

static int parse(void *arg, struct err *e)
{
	struct parsing *p = arg;

	p->doc = json_in_parse_any(p->text, p->max, p->depth, e);
	return p->doc ? 0 : -1;
}

FIBER struct json_in *jmap_json(
	struct jmapd *d, struct span text, size_t max, unsigned depth, struct err *e)
{
	struct parsing p = {.text = text, .max = max, .depth = depth};

	if (text.len > JMAP_LANE_OCTETS && d->opts.lane)
		work_run(d->opts.lane, parse, &p, e);
	else
		parse(&p, e);
	return p.doc;
}

/* ---- arguments of a call ---- */

static struct jmap_answer *answer_with_id(struct jmap_request *r, struct span id)
{
	for (size_t i = 0; i < r->answer_count; i++)
		if (span_eq(r->answers[i].id, id))
			return &r->answers[i];
	return NULL;
}

/* An echo of a large request would lead its texts to where none are. */
static size_t reference_max(const struct jmap_answer *answer)
{
	return span_eq(span_str(answer->name), SPAN("Core/echo")) ? JMAP_ECHO_MAX
								  : JMAP_REFERENCE_MAX;
}

/* What a ResultReference leads to (RFC 8620 section 3.7); NULL: nothing. */
static FIBER struct json_in *resolve(struct jmap_call *c, const struct json_in *reference)
{
	struct jmap_request *r = c->req;
	struct span name = json_in_text(reference, "name");
	const struct json_in *path = json_in_get(reference, "path");
	struct jmap_answer *answer;

	if (!json_in_is_text(json_in_get(reference, "resultOf")) || !json_in_is_text(path))
		return NULL;
	if (r->reference_steps < JMAP_REFERENCE_COST)
		return NULL;
	r->reference_steps -= JMAP_REFERENCE_COST;
	answer = answer_with_id(r, json_in_text(reference, "resultOf"));
	if (!answer || !span_eq(span_str(answer->name), name))
		return NULL;
	if (!answer->read && answer->json.len <= reference_max(answer)) {
		size_t values = json_in_values(answer->json);

		if (values > r->reference_values)
			return NULL;
		r->reference_values -= values;
		answer->read = jmap_json(
			c->d, answer->json, JMAP_REFERENCE_MAX, JMAP_ANSWER_DEPTH, NULL);
	}
	return answer->read
		? jmap_pointer(c->a, answer->read, json_in_span(path), &r->reference_steps)
		: NULL;
}

static FIBER int put_argument(struct jmap_call *c, const struct json_in *given,
	struct json_in *args, const char *name, const struct json_in *value, struct err *e)
{
	struct json_in *led_to;

	if (name[0] != '#') {
		json_in_set(args, name, value);
		return 0;
	}
	if (json_in_get(given, name + 1))
		return jmap_fail_argument(c, e, name + 1, "given both as it is and by reference");
	led_to = resolve(c, value);
	if (!led_to)
		return jmap_fail(c, "invalidResultReference", e,
			"%.100s: the reference leads nowhere, or to too much", name + 1);
	json_in_set(args, name + 1, led_to);
	c->is_led = true;
	json_in_free(&led_to);
	return 0;
}

static FIBER int resolve_arguments(
	struct jmap_call *c, const struct json_in *given, struct json_in *args, struct err *e)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(given, &at, &name, &value))
		if (put_argument(c, given, args, name, value, e) < 0)
			return -1;
	return 0;
}

/* ---- a call ---- */

/* What the client hears of an error that the method gave no name to: what kind of trouble, nothing of its
 * words (RFC 8620 section 3.6.2). */
static const char *type_of(const struct err *e)
{
	switch (e->code) {
	case ERR_LIMIT: return "requestTooLarge";
	case ERR_BUSY:
	case ERR_TIMEOUT:
	case ERR_CANCELLED:
	case ERR_FULL: return "serverUnavailable";
	default: return "serverFail";
	}
}

static void put_error(struct jmap_call *c, struct json_out *j, const struct err *e)
{
	struct jmap_request *r = c->req;
	const char *type = r->fail_type ? r->fail_type : type_of(e);

	json_kv_str(j, "type", type);
	if (r->fail_type && r->fail_text)
		json_kv_str(j, "description", r->fail_text);
	if (r->fail_type && r->fail_argument) {
		json_key(j, "arguments");
		json_open_array(j);
		json_str(j, r->fail_argument);
		json_close(j);
	}
	if (!r->fail_type)
		log_event(&c->web->r->log, LOG_WARN, "jmap.failed", LF_STR("method", c->name),
			LF_STR("told", type), LF_STR("error", e->text));
}

static FIBER int run_method(
	struct jmap_call *c, const struct json_in *given, struct json_in *args, struct err *e)
{
	if (!c->method || !(c->using & (1u << c->method->capability)))
		return jmap_fail(c, "unknownMethod", e, "there is no such method in what is used");
	c->args = args;
	if (resolve_arguments(c, given, args, e) < 0 || jmap_method_arguments(c, e) < 0 ||
		c->method->run(c, e) < 0)
		return -1;
	return buf_ok(c->out->buf) ? 0 : err_set(e, ERR_LIMIT, "the answer is too large");
}

/* The answer's text in the request's arena. */
static FIBER void run_call(
	struct jmap_request *r, struct span name, const struct json_in *given, struct span id)
{
	struct jmap_answer *answer = &r->answers[r->answer_count];
	size_t room = JMAP_RESPONSE_MAX - r->octets;
	struct buf *b = arena_buf(r->a, room < JMAP_ANSWER_MAX ? room : JMAP_ANSWER_MAX);
	struct json_in *args = json_in_new_object();
	struct json_out out;
	struct jmap_call c = {.d = r->d,
		.req = r,
		.user = r->user,
		.web = r->web,
		.method = jmap_method_named(name),
		.id = id,
		.out = &out,
		.a = arena_new(),
		.using = r->using};
	struct err e = {0};

	c.name = c.method ? c.method->name : "";
	r->fail_type = r->fail_text = r->fail_argument = NULL;
	json_out_init(&out, b);
	json_open_object(&out);
	answer->name = c.name;
	if (run_method(&c, given, args, &e) < 0) {
		buf_fini(b); /* 32 MiB for each that fails would be more than all that succeed */
		b = arena_buf(r->a, JMAP_ANSWER_MAX);
		json_out_init(&out, b);
		json_open_object(&out);
		put_error(&c, &out, &e);
		answer->name = "error";
	}
	json_close(&out);
	if (!c.method || !(c.method->flags & JMAP_MAY_PACK) || c.is_plain)
		r->is_plain = true;
	answer->id = arena_span(r->a, id); /* the request is gone when it is told */
	answer->json = buf_span(b);
	r->octets += answer->json.len < room ? answer->json.len : room;
	r->answer_count++;
	if (c.method && (c.method->flags & JMAP_CHANGES_STATE))
		r->accounts = NULL;
	json_in_free(&args);
	arena_free(&c.a);
}

void jmap_also(struct jmap_call *c, const char *method, struct span args)
{
	struct jmap_request *r = c->req;

	if (r->also_count < JMAP_ALSO_MAX)
		r->also[r->also_count++] = (struct jmap_also){method, arena_span(r->a, args)};
}

/* A call, and those that it has brought with it: their answers follow under the same id. */
static FIBER void run_calls_of(struct jmap_request *r, const struct json_in *invocation)
{
	struct span id = json_in_span(json_in_at(invocation, 2));
	size_t also = r->also_count;

	run_call(r, json_in_span(json_in_at(invocation, 0)), json_in_at(invocation, 1), id);
	for (; also < r->also_count; also++) {
		struct json_in *args = jmap_json(
			r->d, r->also[also].args, JMAP_ANSWER_MAX, JMAP_ANSWER_DEPTH, NULL);

		if (json_in_is_object(args))
			run_call(r, span_str(r->also[also].method), args, id);
		json_in_free(&args);
	}
}

/* ---- a request ---- */

static const char *const capability_uris[] = {
#define X(id, uri) uri,
	JMAP_CAPABILITIES(X)
#undef X
};

const char *jmap_capability_uri(enum jmap_capability capability)
{
	return capability_uris[capability];
}

static bool is_invocation(const struct json_in *v)
{
	return json_in_is_array(v) && json_in_count(v) == 3 && json_in_is_text(json_in_at(v, 0)) &&
		json_in_is_object(json_in_at(v, 1)) && json_in_is_text(json_in_at(v, 2));
}

const char *jmap_request_fault(const struct json_in *doc)
{
	const struct json_in *using = json_in_get(doc, "using");
	const struct json_in *calls = json_in_get(doc, "methodCalls");
	const struct json_in *created = json_in_get(doc, "createdIds"), *value;
	const char *name;
	void *at = NULL;

	if (!json_in_is_object(doc))
		return "The request is no JSON object.";
	if (!json_in_is_array(using))
		return "using: a list of capabilities is needed.";
	for (size_t i = 0; i < json_in_count(using); i++)
		if (!json_in_is_text(json_in_at(using, i)))
			return "using: a list of strings is needed.";
	if (!json_in_is_array(calls))
		return "methodCalls: a list is needed.";
	for (size_t i = 0; i < json_in_count(calls); i++)
		if (!is_invocation(json_in_at(calls, i)))
			return "methodCalls: each is a list of name, arguments object and id.";
	if (created && !json_in_is_object(created))
		return "createdIds: an object is needed.";
	while (created && json_in_next(created, &at, &name, &value))
		if (!jmap_is_id(span_str(name)) || !jmap_is_id(json_in_span(value)))
			return "createdIds: Ids are needed.";
	return NULL;
}

static bool find_capability(const struct jmapd *d, struct span uri, unsigned *bit_r)
{
	for (size_t i = 0; i < JMAP_CAP_COUNT; i++) {
		*bit_r = 1u << i;
		if ((d->capabilities & *bit_r) && span_eq(span_str(capability_uris[i]), uri))
			return true;
	}
	return false;
}

static void take_created(struct jmap_request *r, const struct json_in *created)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	r->wants_created = created != NULL;
	while (created && json_in_next(created, &at, &name, &value)) {
		struct jmap_creation *made = ARENA_NEW(r->a, struct jmap_creation);

		made->creation_id = arena_span(r->a, span_str(name));
		made->id = arena_span(r->a, json_in_span(value));
		hash_map_set(&r->created, made->creation_id, made);
	}
}

static void put_created(struct jmap_request *r, struct json_out *j)
{
	size_t at = 0;
	struct span name;
	void *made;

	json_key(j, "createdIds");
	json_open_object(j);
	while (hash_map_next(&r->created, &at, &name, &made)) {
		json_key_span(j, name);
		json_span(j, ((struct jmap_creation *)made)->id);
	}
	json_close(j);
}

/* Written piece by piece: answers are not copied once more. */
static FIBER int reply(struct jmap_request *r, struct err *e)
{
	struct http_exchange *x = r->web->x;
	struct buf *b = arena_buf(r->a, JMAP_RESPONSE_MAX);
	struct span state;
	struct json_out j;
	int rc;

	if (jmap_session_state(r->d, r->a, &r->user, &state, e) < 0)
		return -1;
	http_set(x, "Cache-Control", SPAN("no-store"));
	if (!r->is_plain && r->octets > JMAP_PACK_OCTETS)
		http_may_pack(x);
	rc = http_reply_begin(x, 200, "application/json", HTTP_LENGTH_UNKNOWN, e);
	if (rc == 0)
		rc = http_reply_write(x, SPAN("{\"methodResponses\":["), e);
	for (size_t i = 0; rc == 0 && i < r->answer_count; i++) {
		const struct jmap_answer *answer = &r->answers[i];

		buf_clear(b);
		buf_printf(b, "%s[\"%s\",", i ? "," : "", answer->name);
		rc = http_reply_write(x, buf_span(b), e);
		if (rc == 0)
			rc = http_reply_write(x, answer->json, e);
		buf_clear(b);
		buf_char(b, ',');
		json_quote(b, answer->id);
		buf_char(b, ']');
		if (rc == 0)
			rc = http_reply_write(x, buf_span(b), e);
	}
	buf_clear(b);
	json_out_init(&j, b);
	json_open_object(&j);
	if (r->wants_created)
		put_created(r, &j);
	json_kv_span(&j, "sessionState", state);
	json_close(&j);
	/* its opening brace stands at the front already */
	if (rc == 0)
		rc = http_reply_write(x, SPAN("],"), e);
	if (rc == 0)
		rc = http_reply_write(x, span_skip(buf_span(b), 1), e);
	return rc < 0 ? -1 : http_reply_end(x, e);
}

static FIBER int run_calls(struct jmap_request *r, const struct json_in *doc, struct err *e)
{
	const struct json_in *calls = json_in_get(doc, "methodCalls");

	take_created(r, json_in_get(doc, "createdIds"));
	for (size_t i = 0; i < json_in_count(calls); i++) {
		if (fiber_is_cancelled(fiber_self()))
			return err_set(e, ERR_CANCELLED, "the server stops");
		run_calls_of(r, json_in_at(calls, i));
		if (fiber_breathe(e) < 0)
			return -1;
	}
	return 0;
}

/* A request that is not run, and why. */
struct refusal {
	const char *type, *limit, *detail; /* type NULL: it is run */
};

static bool is_using(struct jmap_request *r, const struct json_in *using, struct refusal *refusal_r)
{
	unsigned bit;

	for (size_t i = 0; i < json_in_count(using); i++) {
		struct span uri = json_in_span(json_in_at(using, i));

		if (!find_capability(r->d, uri, &bit)) {
			refusal_r->type = "unknownCapability";
			refusal_r->detail = arena_printf(r->a,
				"The server does not have the capability \"%.200s\".", uri.ptr);
			return false;
		}
		r->using |= bit;
	}
	return true;
}

static FIBER int run_request(
	struct jmap_request *r, const struct json_in *doc, struct refusal *refusal_r, struct err *e)
{
	const char *wrong = jmap_request_fault(doc);
	int rc;

	if (wrong) {
		*refusal_r = (struct refusal){.type = "notRequest", .detail = wrong};
		return 0;
	}
	if (!is_using(r, json_in_get(doc, "using"), refusal_r))
		return 0;
	if (json_in_count(json_in_get(doc, "methodCalls")) > JMAP_CALLS_MAX) {
		*refusal_r = (struct refusal){"limit", "maxCallsInRequest",
			"There are too many method calls in the request."};
		return 0;
	}
	rc = run_calls(r, doc, e);
	for (size_t i = 0; i < r->answer_count; i++)
		json_in_free(&r->answers[i].read);
	return rc;
}

/* "application/json", maybe with a charset that can only be UTF-8 (RFC 8620 section 3.1). */
static bool is_json_type(struct web_call *c)
{
	struct span type, rest;

	span_cut(http_field(c->x, "Content-Type"), ';', &type, &rest);
	return span_eq_nocase(span_trim(type), SPAN("application/json"));
}

static FIBER int take_request(
	struct jmapd *d, struct web_call *c, const struct jmap_user *user, struct err *e)
{
	struct jmap_request *r;
	struct refusal refusal = {0};
	struct json_in *doc;
	bool is_large;
	int rc = jmap_intake(d, c, user->account_id, &doc, &is_large, e);

	if (rc <= 0)
		return rc;
	r = ARENA_NEW(c->r->arena, struct jmap_request);
	r->d = d;
	r->web = c;
	r->a = c->r->arena;
	r->user = *user;
	r->is_large = is_large;
	r->reference_values = JMAP_REFERENCE_VALUES;
	r->reference_steps = JMAP_REFERENCE_STEPS;
	hash_map_init(&r->created, (struct hash_key){loop_random(), loop_random()});
	rc = run_request(r, doc, &refusal, e);
	jmap_intake_end(d, user->account_id, &doc, is_large);
	if (rc == 0 && refusal.type)
		rc = jmap_problem(c, 400, refusal.type, refusal.limit, refusal.detail, e);
	else if (rc == 0)
		rc = reply(r, e);
	hash_map_fini(&r->created);
	return rc;
}

static FIBER int api(void *arg, struct web_call *c, struct err *e)
{
	struct jmapd *d = arg;
	struct jmap_user user;
	struct web_who who;
	int rc = jmap_user_of(d, c, WEB_LOGIN_ANY, &user, &who, e);

	if (rc <= 0)
		return rc;
	/* What is sent packed would have to be unpacked without knowing how large it is. */
	if (http_field(c->x, "Content-Encoding").len)
		return http_reply_error(c->x, 415, "The request is not to be compressed.", e);
	if (!is_json_type(c))
		return jmap_problem(c, 400, "notJSON", NULL,
			"The Content-Type of a request is application/json.", e);
	if (!jmap_slot_take(d, user.account_id, JMAP_SLOT_REQUEST))
		return jmap_problem(c, 400, "limit", "maxConcurrentRequests",
			"There are too many requests at once.", e);
	rc = take_request(d, c, &user, e);
	jmap_slot_give(d, user.account_id, JMAP_SLOT_REQUEST);
	return rc;
}

void jmap_api_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/api",
			.methods = WEB_POST,
			.body_octets = JMAP_HEARD_MAX,
			.handle = api,
			.arg = d,
			.is_program = true});
}
