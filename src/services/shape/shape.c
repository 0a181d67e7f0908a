#include "services/shape/shape.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "services/shape/shape_priv.h"

struct shape {
	_Atomic int refs;
	struct arena *arena;
	size_t own_count, count, apart_count; /* rows: own ones first */
	struct shape_row *rows;
	size_t reply_count;
	struct shape_reply *replies;
	/* '*' with the configuration's connections: what it allows at most of what is built in */
	struct shape_row config;
};

static bool is_apart(struct span match)
{
	return !span_starts(match, SPAN("mx:")) && !span_eq(match, SPAN("*"));
}

static void add_rows(struct shape *s, const struct shape_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shape_row *row = &s->rows[s->count++];

		*row = rows[i];
		row->match = arena_span(s->arena, rows[i].match);
		row->connection_rate = arena_span(s->arena, rows[i].connection_rate);
		row->message_rate = arena_span(s->arena, rows[i].message_rate);
		row->note = arena_span(s->arena, rows[i].note);
		s->apart_count += is_apart(row->match);
	}
}

static void add_replies(struct shape *s, const struct shape_reply *replies, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shape_reply *r = &s->replies[s->reply_count++];

		*r = replies[i];
		r->match = arena_span(s->arena, replies[i].match);
		r->pattern = arena_span(s->arena, replies[i].pattern);
		r->note = arena_span(s->arena, replies[i].note);
	}
}

struct shape *shape_new(const struct shape_rows *own, unsigned connections)
{
	static const struct shape_rows none;
	struct shape *s = NEW(struct shape);

	own = own ? own : &none;
	atomic_init(&s->refs, 1);
	s->arena = arena_new();
	s->rows = ARENA_ARRAY(s->arena, struct shape_row, own->count + shape_builtin_count);
	s->replies = ARENA_ARRAY(
		s->arena, struct shape_reply, own->reply_count + shape_builtin_reply_count);
	add_rows(s, own->rows, own->count);
	s->own_count = own->count;
	add_rows(s, shape_builtin, shape_builtin_count);
	add_replies(s, own->replies, own->reply_count);
	add_replies(s, shape_builtin_replies, shape_builtin_reply_count);
	s->config = (struct shape_row){.match = SPAN("*"),
		.connections = (int)connections,
		.messages = SHAPE_LEFT,
		.recipients = SHAPE_LEFT,
		.is_builtin = true};
	return s;
}

struct shape *shape_ref(struct shape *s)
{
	MUST(atomic_fetch_add(&s->refs, 1) > 0);
	return s;
}

void shape_unref(struct shape **sp)
{
	struct shape *s = *sp;

	*sp = NULL;
	if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	arena_free(&s->arena);
	free(s);
}

const char *shape_source(const struct shape *s, const struct shape_row *row)
{
	return row == &s->config ? "yizhan.conf" : row->is_builtin ? "built-in" : "yours";
}

/* ---- what applies ------------------------------------------------------------------------------- */

/* A more special row replaces what a less special one said; of two for the same match the own one, which
 * is looked at first, stays. */
struct ranks {
	unsigned connections, messages, recipients, connection_rate, message_rate;
};

static void take_number(struct shape_number *n, unsigned *best, int value, unsigned rank,
	const struct shape_row *row)
{
	if (value == SHAPE_LEFT || rank <= *best)
		return;
	*best = rank;
	*n = (struct shape_number){(unsigned)value, row};
}

static void take_rate(struct shape_rate *r, unsigned *best, struct span text, unsigned rank,
	const struct shape_row *row)
{
	if (text.len == 0 || rank <= *best)
		return;
	*best = rank;
	*r = (struct shape_rate){.row = row};
	gcra_parse(text, &r->rate); /* "none" leaves it without a limit */
}

bool shape_row_is_hidden(const struct shape *s, const struct shape_row *row)
{
	for (size_t i = 0; row->is_builtin && i < s->own_count; i++) {
		if (s->rows[i].is_off && span_eq(s->rows[i].match, row->match))
			return true;
	}
	return false;
}

void shape_find(const struct shape *s, struct span destination, struct span key,
	struct shape_limits *limits_r)
{
	struct shape_limits *l = limits_r;
	struct ranks best = {0};

	*l = (struct shape_limits){0};
	for (size_t i = 0; i < s->count; i++) {
		const struct shape_row *row = &s->rows[i];
		unsigned rank = shape_match_rank(row->match, destination, key);

		if (rank == 0 || shape_row_is_hidden(s, row))
			continue;
		take_number(&l->connections, &best.connections, row->connections, rank, row);
		take_number(&l->messages, &best.messages, row->messages, rank, row);
		take_number(&l->recipients, &best.recipients, row->recipients, rank, row);
		take_rate(&l->connection_rate, &best.connection_rate, row->connection_rate, rank,
			row);
		take_rate(&l->message_rate, &best.message_rate, row->message_rate, rank, row);
	}
	/* what the configuration says is the default, and a ceiling for what nobody has asked for */
	if (!l->connections.row ||
		(l->connections.row->is_builtin &&
			(l->connections.value > (unsigned)s->config.connections ||
				span_eq(l->connections.row->match, SPAN("*")))))
		l->connections = (struct shape_number){(unsigned)s->config.connections, &s->config};
}

struct span shape_apart(const struct shape *s, struct span destination)
{
	struct span match = SPAN_NONE;
	unsigned best = 0;

	if (s->apart_count == 0)
		return SPAN_NONE;
	for (size_t i = 0; i < s->own_count; i++) {
		unsigned rank;

		if (!is_apart(s->rows[i].match))
			continue;
		rank = shape_match_rank(s->rows[i].match, destination, SPAN_NONE);
		if (rank > best) {
			best = rank;
			match = s->rows[i].match;
		}
	}
	return match;
}

const struct shape_reply *shape_reply_find(const struct shape *s, struct span destination,
	struct span key, unsigned code, struct span enhanced, struct span text)
{
	for (size_t i = 0; i < s->reply_count; i++) {
		const struct shape_reply *r = &s->replies[i];

		if (shape_match_rank(r->match, destination, key) &&
			shape_pattern_fits(r->pattern, code, enhanced, text))
			return r;
	}
	return NULL;
}

/* ---- rows of an administrator ------------------------------------------------------------------- */

static int check_number(int value, int least, const char *what, struct err *e)
{
	if (value == SHAPE_LEFT || (value >= least && value <= SHAPE_NUMBER_MAX))
		return 0;
	return err_set(e, ERR_SYNTAX, "%s: %d to %d", what, least, SHAPE_NUMBER_MAX);
}

static int check_rate(struct span text, const char *what, struct err *e)
{
	struct gcra_rate r;

	if (text.len == 0 || span_eq(text, SPAN("none")) || gcra_parse(text, &r))
		return 0;
	return err_set(e, ERR_SYNTAX,
		"%s: '" SPAN_FMT "' is no rate (100/1m, 20/s, '5000/1h burst 50', none)", what,
		SPAN_ARG(span_sub(text, 0, 40)));
}

int shape_row_check(const struct shape_row *row, struct err *e)
{
	if (shape_match_check(row->match, e) < 0 ||
		check_number(row->connections, 1, "connections", e) < 0 ||
		check_number(row->messages, 1, "messages", e) < 0 ||
		check_number(row->recipients, 1, "recipients", e) < 0 ||
		check_rate(row->connection_rate, "connection rate", e) < 0 ||
		check_rate(row->message_rate, "message rate", e) < 0)
		return -1;
	if (row->note.len > SHAPE_NOTE_MAX || span_has_line_break(row->note) ||
		span_find(row->note, 0) >= 0)
		return err_set(
			e, ERR_SYNTAX, "a note is one line of at most %d octets", SHAPE_NOTE_MAX);
	return 0;
}

size_t shape_row_count(const struct shape *s)
{
	return s->count;
}

const struct shape_row *shape_row_at(const struct shape *s, size_t i)
{
	return &s->rows[i];
}

size_t shape_reply_count(const struct shape *s)
{
	return s->reply_count;
}

const struct shape_reply *shape_reply_at(const struct shape *s, size_t i)
{
	return &s->replies[i];
}
