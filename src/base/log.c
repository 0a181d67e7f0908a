#include "base/log.h"

#include <string.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/json_out.h"
#include "base/must.h"
#include "base/utf8.h"

/* What always fits behind the last field: `,"cut":true}`. */
#define LOG_TAIL 16

static const char *const log_levels[] = {"error", "warn", "info", "debug"};

const char *log_level_str(enum log_level level)
{
	return log_levels[level];
}

void log_root(struct log *l, struct log_sink *sink)
{
	memset(l, 0, sizeof(*l));
	l->sink = sink;
}

void log_child(struct log *l, const struct log *up)
{
	memset(l, 0, sizeof(*l));
	l->up = up;
	l->sink = up ? up->sink : NULL;
}

void log_add(struct log *l, struct log_field field)
{
	MUST(l->count < LOG_FIELDS_MAX);
	l->fields[l->count++] = field;
}

bool log_wants(const struct log *l, enum log_level level)
{
	return l && l->sink && level <= __atomic_load_n(&l->sink->level, __ATOMIC_RELAXED);
}

static void log_value_logfmt(struct buf *b, const struct log_field *f)
{
	bool is_plain = f->span.len > 0;

	for (size_t i = 0; i < f->span.len && is_plain; i++) {
		unsigned char c = (unsigned char)f->span.ptr[i];

		is_plain = c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
	}
	if (is_plain)
		buf_span_put(b, f->span);
	else
		json_quote(b, f->span);
}

/* The front of a long value, not cut inside a character. */
static struct span log_clip(struct span s)
{
	size_t n = LOG_VALUE_MAX;

	if (s.len <= n)
		return s;
	for (size_t back = 1; back < 4; back++)
		if (utf8_length_at(span_skip(s, n - back)) > back)
			return span_sub(s, 0, n - back);
	return span_sub(s, 0, n);
}

static void log_put(struct buf *b, enum log_format format, struct log_field f)
{
	f.span = log_clip(f.span);
	if (buf_len(b) > (format == LOG_JSON ? 1 : 0))
		buf_char(b, format == LOG_JSON ? ',' : ' ');
	if (format == LOG_JSON) {
		json_quote(b, span_str(f.key));
		buf_char(b, ':');
	} else {
		buf_str(b, f.key);
		buf_char(b, '=');
	}
	switch (f.kind) {
	case LOG_KIND_INT: buf_i64(b, f.num); break;
	case LOG_KIND_ID:
		if (format == LOG_JSON)
			buf_char(b, '"');
		enc_put_id(b, (uint64_t)f.num);
		if (format == LOG_JSON)
			buf_char(b, '"');
		break;
	case LOG_KIND_SPAN:
		if (format == LOG_JSON)
			json_quote(b, f.span);
		else
			log_value_logfmt(b, &f);
		break;
	}
}

/* A field that does not fit goes as a whole, and the line says so at its end: a line over the cap
 * stays well formed. */
static void log_try(struct buf *b, enum log_format format, struct log_field f, bool *is_cut)
{
	size_t before = buf_len(b);

	if (!f.key)
		return;
	log_put(b, format, f);
	if (buf_ok(b) && buf_room(b) >= LOG_TAIL)
		return;
	b->is_full = false;
	buf_truncate(b, before);
	*is_cut = true;
}

static void log_inherited(struct buf *b, enum log_format format, const struct log *l, bool *is_cut)
{
	if (!l)
		return;
	log_inherited(b, format, l->up, is_cut);
	for (size_t i = 0; i < l->count; i++)
		log_try(b, format, l->fields[i], is_cut);
}

void log_event_fields(const struct log *l, enum log_level level, const char *name,
	const struct log_field *fields, size_t count)
{
	struct buf b, time;
	enum log_format format;
	bool is_json, is_cut = false;

	if (!log_wants(l, level))
		return;
	format = __atomic_load_n(&l->sink->format, __ATOMIC_RELAXED);
	is_json = format == LOG_JSON;
	buf_init(&b, LOG_LINE_MAX);
	if (is_json)
		buf_char(&b, '{');
	if (l->sink->wall_ns) {
		buf_init(&time, 64);
		clock_put_rfc3339_ms(&time, l->sink->wall_ns(l->sink));
		log_put(&b, format, LF("time", buf_span(&time)));
		buf_fini(&time);
	}
	log_put(&b, format, LF_STR("level", log_level_str(level)));
	log_put(&b, format, LF_STR("event", name));
	log_inherited(&b, format, l, &is_cut);
	for (size_t i = 0; i < count; i++)
		log_try(&b, format, fields[i], &is_cut);
	if (is_cut)
		buf_str(&b, is_json ? ",\"cut\":true" : " cut=true");
	if (is_json)
		buf_char(&b, '}');
	l->sink->write(l->sink, level, buf_span(&b));
	buf_fini(&b);
}
