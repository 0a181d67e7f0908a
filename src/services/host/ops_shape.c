#include "store/shape.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/shape/shape.h"

/* The table of shaping, and what it makes of a destination. */

static void put_number(struct json_out *j, const char *key, int value)
{
	json_key(j, key);
	if (value < 0)
		json_null(j);
	else
		json_u64(j, (uint64_t)value);
}

static void put_rate(struct json_out *j, const char *key, struct span text)
{
	json_key(j, key);
	if (text.len)
		json_span(j, text);
	else
		json_null(j);
}

static FIBER int tell_row(
	struct ops_call *c, const struct shape *s, const struct shape_row *row, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_span(j, "match", row->match);
	put_number(j, "connections", row->connections);
	put_rate(j, "connection_rate", row->connection_rate);
	put_rate(j, "message_rate", row->message_rate);
	put_number(j, "messages", row->messages);
	put_number(j, "recipients", row->recipients);
	json_kv_str(j, "source", shape_source(s, row));
	json_kv_str(j, "state",
		row->is_off                           ? "switches off"
			: shape_row_is_hidden(s, row) ? "off"
						      : "counts");
	json_kv_span(j, "note", row->note);
	return ops_row_end(c, e);
}

FIBER int op_shape_list(struct ops_call *c, struct err *e)
{
	struct shape *s = host_shape_read(c->ctx->store, c->ctx->config, e);
	int rc = s ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < shape_row_count(s); i++)
		rc = tell_row(c, s, shape_row_at(s, i), e);
	shape_unref(&s);
	return rc;
}

FIBER int op_shape_replies(struct ops_call *c, struct err *e)
{
	struct shape *s = host_shape_read(c->ctx->store, c->ctx->config, e);
	int rc = s ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < shape_reply_count(s); i++) {
		const struct shape_reply *r = shape_reply_at(s, i);
		struct json_out *j = ops_row(c);

		if (r->is_builtin)
			json_key(j, "n"), json_null(j);
		else
			json_kv_u64(j, "n", r->n);
		json_kv_span(j, "match", r->match);
		json_kv_span(j, "pattern", r->pattern);
		json_kv_str(j, "action", shape_action_str(r->action));
		json_kv_i64(j, "pause_s", r->pause_ns / CLOCK_SEC);
		json_kv_str(j, "source", r->is_builtin ? "built-in" : "yours");
		json_kv_span(j, "note", r->note);
		rc = ops_row_end(c, e);
	}
	shape_unref(&s);
	return rc;
}

static FIBER int done(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

/* A number of the request: missing it leaves what was there. */
static int take_number(struct ops_call *c, const char *name, int *value, struct err *e)
{
	struct span text = json_in_text(c->args, name);
	uint64_t n;

	if (!text.len)
		return 0;
	if (span_eq(text, SPAN("default"))) {
		*value = -1;
		return 0;
	}
	if (!span_u64_max(text, SHAPE_NUMBER_MAX, &n) || n == 0)
		return err_set(e, ERR_SYNTAX, "%s: 1 to %d, or default", name, SHAPE_NUMBER_MAX);
	*value = (int)n;
	return 0;
}

static void take_text(struct ops_call *c, const char *name, struct span *value)
{
	struct span text = json_in_text(c->args, name);

	if (text.len)
		*value = span_eq(text, SPAN("default")) ? SPAN_NONE : text;
}

static struct span lower(struct arena *a, struct span s)
{
	char *copy = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		copy[i] = (char)span_lower((unsigned char)copy[i]);
	return span_of(copy, s.len);
}

/* The administrator's row of that match, or one that says nothing. */
static FIBER int own_row(
	struct ops_call *c, struct span match, struct shape_row *row, struct err *e)
{
	struct shape_rows rows;

	*row = (struct shape_row){
		.match = match, .connections = -1, .messages = -1, .recipients = -1};
	if (shape_load(c->ctx->store, c->arena, &rows, e) < 0)
		return -1;
	for (size_t i = 0; i < rows.count; i++) {
		if (span_eq(rows.rows[i].match, match))
			*row = rows.rows[i];
	}
	return 0;
}

FIBER int op_shape_set(struct ops_call *c, struct err *e)
{
	struct shape_row row;
	struct span match;

	if (ops_need(c, "match", &match, e) < 0)
		return -1;
	match = lower(c->arena, match);
	if (own_row(c, match, &row, e) < 0 ||
		take_number(c, "connections", &row.connections, e) < 0 ||
		take_number(c, "messages", &row.messages, e) < 0 ||
		take_number(c, "recipients", &row.recipients, e) < 0)
		return -1;
	take_text(c, "connection_rate", &row.connection_rate);
	take_text(c, "message_rate", &row.message_rate);
	take_text(c, "note", &row.note);
	if (json_in_bool(c->args, "off"))
		row.is_off = true;
	if (json_in_bool(c->args, "on"))
		row.is_off = false;
	if (shape_row_check(&row, e) < 0 || shape_row_set(c->ctx->store, &row, e) < 0)
		return -1;
	return done(c, "match", match, e);
}

FIBER int op_shape_remove(struct ops_call *c, struct err *e)
{
	struct span match;

	if (ops_need(c, "match", &match, e) < 0)
		return -1;
	match = lower(c->arena, match);
	if (shape_row_remove(c->ctx->store, match, e) < 0)
		return -1;
	return done(c, "match", match, e);
}

FIBER int op_shape_reply_set(struct ops_call *c, struct err *e)
{
	struct span action, pause = json_in_text(c->args, "pause"), n = json_in_text(c->args, "n");
	struct shape_reply r = {.match = SPAN("*"), .pause_ns = 30 * CLOCK_MIN};
	uint64_t place;

	if (ops_need(c, "pattern", &r.pattern, e) < 0 || ops_need(c, "action", &action, e) < 0)
		return -1;
	take_text(c, "match", &r.match);
	take_text(c, "note", &r.note);
	r.match = lower(c->arena, r.match);
	if (!shape_action_parse(action, &r.action))
		return err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "' is no action; see yizhan help shape reply-set",
			SPAN_ARG(span_sub(action, 0, 40)));
	if (pause.len &&
		(!clock_parse_duration(pause, &r.pause_ns) || r.pause_ns <= 0 ||
			r.pause_ns > SHAPE_PAUSE_MAX))
		return err_set(e, ERR_SYNTAX, "a pause is 1s to 7d");
	if (n.len && (!span_u64_max(n, INT64_MAX, &r.n) || r.n == 0))
		return err_set(e, ERR_SYNTAX, "n is the number that shape replies tells");
	if (r.note.len > SHAPE_NOTE_MAX)
		return err_set(e, ERR_SYNTAX, "a note has at most %d octets", SHAPE_NOTE_MAX);
	if (shape_match_check(r.match, e) < 0 || shape_pattern_check(r.pattern, e) < 0 ||
		shape_reply_set(c->ctx->store, &r, &place, e) < 0)
		return -1;
	json_kv_u64(ops_row(c), "n", place);
	return ops_row_end(c, e);
}

FIBER int op_shape_reply_remove(struct ops_call *c, struct err *e)
{
	struct span text;
	uint64_t n;

	if (ops_need(c, "n", &text, e) < 0)
		return -1;
	if (!span_u64_max(text, INT64_MAX, &n))
		return err_set(e, ERR_SYNTAX, "n is the number that shape replies tells");
	if (shape_reply_remove(c->ctx->store, n, e) < 0)
		return -1;
	json_kv_u64(ops_row(c), "n", n);
	return ops_row_end(c, e);
}

/* ---- what applies to a destination -------------------------------------------------------------- */

static FIBER int tell_limit(struct ops_call *c, const struct shape *s, const char *limit,
	struct span value, const struct shape_row *row, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "limit", limit);
	json_kv_span(j, "value", value);
	json_kv_span(j, "match", row ? row->match : SPAN_NONE);
	json_kv_str(j, "source", row ? shape_source(s, row) : "none");
	json_kv_span(j, "note", row ? row->note : SPAN_NONE);
	return ops_row_end(c, e);
}

static FIBER int tell_number(struct ops_call *c, const struct shape *s, const char *limit,
	const struct shape_number *n, struct err *e)
{
	const char *text = n->value ? arena_printf(c->arena, "%u", n->value) : "none";

	return tell_limit(c, s, limit, span_str(text), n->row, e);
}

static FIBER int tell_rate(struct ops_call *c, const struct shape *s, const char *limit,
	const struct shape_rate *r, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, 100);
	gcra_put(&b, &r->rate);
	rc = tell_limit(c, s, limit, buf_span(&b), r->row, e);
	buf_fini(&b);
	return rc;
}

/* The site's key: what a running server finds, or what the administrator says of the hosts. */
static FIBER int key_of(
	struct ops_call *c, struct span destination, struct span *key_r, struct err *e)
{
	struct span mx = json_in_text(c->args, "mx");
	struct outbound_way *way;

	if (mx.len) {
		*key_r = span_str(
			arena_printf(c->arena, "mx:" SPAN_FMT, SPAN_ARG(lower(c->arena, mx))));
		return 0;
	}
	*key_r = destination;
	if (!c->ctx->host)
		return 0;
	if (host_queue_way(c->ctx->host, c->arena, destination, &way, e) < 0)
		return err_wrap(e, "the hosts of this destination (--mx says them)");
	*key_r = way->key;
	return 0;
}

FIBER int op_shape_test(struct ops_call *c, struct err *e)
{
	struct shape_limits l;
	struct span destination, key;
	struct shape *s;
	int rc;

	if (ops_need(c, "destination", &destination, e) < 0)
		return -1;
	destination = lower(c->arena, destination);
	if (key_of(c, destination, &key, e) < 0)
		return -1;
	s = host_shape_read(c->ctx->store, c->ctx->config, e);
	if (!s)
		return -1;
	shape_find(s, destination, key, &l);
	rc = tell_limit(c, s, "site", key, NULL, e);
	if (rc == 0 && shape_apart(s, destination).len)
		rc = tell_limit(c, s, "apart", shape_apart(s, destination), NULL, e);
	if (rc == 0)
		rc = tell_number(c, s, "connections", &l.connections, e);
	if (rc == 0)
		rc = tell_rate(c, s, "connection rate", &l.connection_rate, e);
	if (rc == 0)
		rc = tell_rate(c, s, "message rate", &l.message_rate, e);
	if (rc == 0)
		rc = tell_number(c, s, "messages", &l.messages, e);
	if (rc == 0)
		rc = tell_number(c, s, "recipients", &l.recipients, e);
	shape_unref(&s);
	return rc;
}

/* ---- the sites as they are ---------------------------------------------------------------------- */

FIBER int op_queue_sites(struct ops_call *c, struct err *e)
{
	struct queue_site_info *sites;
	size_t count;

	host_queue_sites(c->ctx->host, c->arena, &sites, &count);
	for (size_t i = 0; i < count; i++) {
		const struct queue_site_info *s = &sites[i];
		struct json_out *j = ops_row(c);

		json_kv_span(j, "site", s->name);
		json_kv_span(j, "destination", s->destination);
		json_kv_str(j, "state", queue_site_state_str(s->state));
		ops_put_time(j, "until", s->until_ns);
		json_kv_u64(j, "connections", s->connections);
		json_kv_u64(j, "idle", s->idle);
		json_kv_u64(j, "window", s->window);
		json_kv_u64(j, "connections_max", s->connections_max);
		json_kv_u64(j, "waiting", s->waiting);
		json_kv_u64(j, "per_minute", s->per_minute);
		json_kv_span(j, "message_rate", s->message_rate);
		json_kv_span(j, "connection_rate", s->connection_rate);
		json_kv_u64(j, "fails", s->fails);
		ops_put_time(j, "next_at", s->next_ns);
		json_kv_span(j, "why", s->why);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
