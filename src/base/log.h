#pragma once
/* Structured log events. An event has a name ("smtp.in.accepted"), its own fields, and those it
 * inherits: process > session > message > recipient. A struct log holds the fields of one such
 * level and points at the level above; the root holds the sink. What a peer said goes through the
 * quoting here, so no log line can be forged.
 *
 *	struct log s;
 *	log_child(&s, parent);
 *	log_add(&s, LF_ID("session", id));
 *	log_event(&s, LOG_INFO, "smtp.in.connect", LF("peer", addr_span), LF_INT("port", 25));
 */

#include "base/arena.h"
#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind { LOG_KIND_SPAN, LOG_KIND_INT, LOG_KIND_ID };

struct log_field {
	const char *key;
	enum log_kind kind;
	struct span span;
	int64_t num;
};

/** One finished line without its line end. May be called from any thread. */
struct log_sink {
	void (*write)(struct log_sink *sink, enum log_level level, struct span line);
	/** Wall clock for the time field; NULL leaves the field out (tests). */
	int64_t (*wall_ns)(struct log_sink *sink);
	/* may be changed while in use, atomically (relaxed) */
	enum log_level level; /* events above this are dropped */
	enum log_format format;
};

#define LOG_FIELDS_MAX 6

struct log {
	const struct log *up;
	struct log_sink *sink;
	size_t count;
	struct log_field
		fields[LOG_FIELDS_MAX]; /* spans are borrowed: they outlive the struct log */
};

void log_root(struct log *l, struct log_sink *sink);
void log_child(struct log *l, const struct log *up);
void log_add(struct log *l, struct log_field field);
bool log_wants(const struct log *l, enum log_level level);

#define LF(key, span)    ((struct log_field){(key), LOG_KIND_SPAN, (span), 0})
#define LF_STR(key, str) ((struct log_field){(key), LOG_KIND_SPAN, span_str(str), 0})
#define LF_INT(key, n)   ((struct log_field){(key), LOG_KIND_INT, SPAN_NONE, (int64_t)(n)})
#define LF_ID(key, n)    ((struct log_field){(key), LOG_KIND_ID, SPAN_NONE, (int64_t)(n)})

void log_event_fields(const struct log *l, enum log_level level, const char *name,
	const struct log_field *fields, size_t count);

/* The first field is mandatory only to the preprocessor: pass LF_NONE where there is none. */
#define LF_NONE ((struct log_field){NULL, LOG_KIND_SPAN, SPAN_NONE, 0})
#define log_event(l, level, name, ...)                                                             \
	log_event_fields((l), (level), (name), (const struct log_field[]){__VA_ARGS__},            \
		sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

const char *log_level_str(enum log_level level);

/* Longer values are cut; a field that would make the line too long is left out as a whole, and
 * `cut=true` ends the line. */
#define LOG_LINE_MAX  8192
#define LOG_VALUE_MAX 1024
