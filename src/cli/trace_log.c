#include <string.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "base/must.h"
#include "cli/trace.h"

/* A letter of the server's own: what its station log has, as a list of what happened, each line with its
 * time; what the letter became is set in. */

#define LOG_INDENT 3
#define LOG_EVENT  10 /* columns of an event's name */

struct log_view {
	struct trace *t;
	struct buf rows; /* --json: an array */
	size_t count;
	unsigned depth;
	struct span day;
};

bool trace_is_logged(const char *word)
{
	struct stat st;
	uint64_t id;

	if (strcmp(word, "-") == 0 || stat(word, &st) == 0)
		return false;
	return enc_get_id(span_str(word), &id) || strchr(word, '@') != NULL;
}

static void indent(const struct log_view *v)
{
	printf("%*s", (int)(v->depth * LOG_INDENT), "");
}

static void put_word(const struct log_view *v, const char *label, struct span text)
{
	struct arena *a = arena_new();

	if (text.len) {
		printf(" %s", label);
		trace_put(v->t, a, NULL, text);
	}
	arena_free(&a);
}

static void put_line(
	const struct log_view *v, const char *label, const char *color, struct span text)
{
	struct arena *a = arena_new();

	indent(v);
	printf("%*s", 13 + LOG_EVENT + 1, label);
	trace_put(v->t, a, color, text);
	putchar('\n');
	arena_free(&a);
}

/* "2026-11-23T13:03:45.609Z": the day where it changes, then the time. */
static void put_time(struct log_view *v, struct span at)
{
	struct span day = span_sub(at, 0, 10);

	if (!span_eq(day, v->day)) {
		indent(v);
		trace_put(v->t, v->t->call->arena, TRACE_DIM,
			span_str(arena_printf(v->t->call->arena, SPAN_FMT " UTC", SPAN_ARG(day))));
		putchar('\n');
		v->day = arena_span(v->t->call->arena, day);
	}
	indent(v);
	trace_put(v->t, v->t->call->arena, NULL, at.len > 23 ? span_sub(at, 11, 12) : at);
	putchar(' ');
}

static void show_letter(struct log_view *v, const struct json_in *row)
{
	uint64_t depth = 0;

	json_in_u64(row, "depth", &depth);
	v->depth = (unsigned)depth;
	v->day = SPAN_NONE;
	if (v->count++)
		putchar('\n');
	indent(v);
	printf("%s", depth ? "it became the letter" : "letter");
	put_word(v, "", json_in_text(row, "id"));
	put_word(v, "Message-ID ", json_in_text(row, "message_id"));
	putchar('\n');
}

/* What each recipient became, by the router. */
static void show_routes(struct log_view *v, const struct json_in *facts)
{
	const struct json_in *list = json_in_get(facts, "recipients");

	for (size_t i = 0; i < json_in_count(list); i++) {
		const struct json_in *rcpt = json_in_at(list, i);
		const struct json_in *became = json_in_get(rcpt, "became");

		for (size_t k = 0; k < json_in_count(became); k++) {
			const struct json_in *to = json_in_at(became, k);
			struct span was = json_in_text(rcpt, "to"),
				    is = json_in_text(to, "address");

			indent(v);
			printf("%*s", 13 + LOG_EVENT + 1, "");
			put_word(v, "for ", was);
			if (!span_eq(was, is))
				put_word(v, "= ", is);
			put_word(v, "into ", json_in_text(to, "mailbox"));
			put_word(v, "by ", json_in_text(to, "destination"));
			putchar('\n');
		}
	}
}

static void show_facts(struct log_view *v, const struct json_in *facts)
{
	uint64_t octets = 0, attempt = 0;

	put_word(v, "from ", json_in_text(facts, "from"));
	put_word(v, "by ", json_in_text(facts, "peer"));
	put_word(v, "helo ", json_in_text(facts, "helo"));
	put_word(v, "", json_in_text(facts, "with"));
	put_word(v, "login ", json_in_text(facts, "login"));
	if (json_in_u64(facts, "attempt", &attempt) && attempt > 1)
		printf(" attempt %llu", (unsigned long long)attempt);
	put_word(v, "host ", json_in_text(facts, "host"));
	put_word(v, "", json_in_text(facts, "tls"));
	put_word(v, "", json_in_text(facts, "cipher"));
	if (json_in_u64(facts, "octets", &octets))
		printf(" %llu octets", (unsigned long long)octets);
	putchar('\n');
}

/* "250 2.0.0 Ok": code and enhanced code are in the text where a server gave them. */
static void show_reply(struct log_view *v, const struct json_in *facts)
{
	struct span text = json_in_text(facts, "reply"), enhanced = json_in_text(facts, "enhanced");
	struct arena *a = v->t->call->arena;
	uint64_t code = 0, next = 0;

	json_in_u64(facts, "code", &code);
	if (!text.len)
		text = json_in_text(facts, "reason");
	if (text.len)
		put_line(v, "", NULL,
			span_str(arena_printf(a, "%s%s" SPAN_FMT "%s" SPAN_FMT,
				code ? arena_printf(a, "%u", (unsigned)code) : "", code ? " " : "",
				SPAN_ARG(enhanced), enhanced.len ? " " : "", SPAN_ARG(text))));
	if (json_in_u64(facts, "next_s", &next))
		put_line(v, "", TRACE_DIM,
			span_str(arena_printf(a, "next attempt in %llu min %llu s",
				(unsigned long long)next / 60, (unsigned long long)next % 60)));
}

/* "mx 12 ms, 10 mx.example (DNSSEC)": what was done before the conversation. */
static void show_steps(struct log_view *v, const struct json_in *facts)
{
	const struct json_in *list = json_in_get(facts, "steps");
	struct arena *a = v->t->call->arena;

	for (size_t i = 0; i < json_in_count(list); i++) {
		const struct json_in *step = json_in_at(list, i);
		struct span host = json_in_text(step, "host"), text = json_in_text(step, "text"),
			    at = json_in_text(step, "at");
		bool is_failed = json_in_bool(step, "failed");
		uint64_t ms = 0;

		json_in_u64(step, "ms", &ms);
		put_line(v, "", is_failed ? TRACE_RED : TRACE_DIM,
			span_str(arena_printf(a,
				SPAN_FMT " " SPAN_FMT " %llu ms%s%s" SPAN_FMT "%s" SPAN_FMT,
				SPAN_ARG(at.len > 23 ? span_sub(at, 11, 12) : at),
				SPAN_ARG(json_in_text(step, "step")), (unsigned long long)ms,
				json_in_bool(step, "kept") ? " (for an earlier letter)" : "",
				host.len ? " " : "", SPAN_ARG(host),
				is_failed          ? ": failed: "
					: text.len ? ": "
						   : "",
				SPAN_ARG(text))));
	}
}

static void show_talk(struct log_view *v, struct span talk)
{
	struct span line, when; /* when: TRAIL_TALK_TIME, for the page */

	while (talk.len) {
		span_cut(talk, '\n', &line, &talk);
		span_cut(line, '\t', &line, &when);
		put_line(v, "| ", TRACE_DIM, line);
	}
}

static const char *event_color(struct span event)
{
	if (span_eq(event, SPAN("delivered")) || span_eq(event, SPAN("stored")))
		return TRACE_GREEN;
	if (span_eq(event, SPAN("deferred")))
		return TRACE_YELLOW;
	return span_eq(event, SPAN("failed")) || span_eq(event, SPAN("refused")) ? TRACE_RED : NULL;
}

static void show_event(struct log_view *v, const struct json_in *row)
{
	const struct json_in *facts = json_in_get(row, "facts");
	struct span event = json_in_text(row, "event");

	put_time(v, json_in_text(row, "at"));
	trace_put(v->t, v->t->call->arena, event_color(event), event);
	printf("%*s", event.len < LOG_EVENT ? (int)(LOG_EVENT - event.len) : 0, "");
	put_word(v, "", json_in_text(row, "recipient"));
	show_facts(v, facts);
	if (json_in_text(facts, "tls_policy").len)
		put_line(v, "", TRACE_DIM, json_in_text(facts, "tls_policy"));
	show_routes(v, facts);
	show_steps(v, facts);
	show_reply(v, facts);
	if (cli_value(v->t->call, "conversation"))
		show_talk(v, json_in_text(row, "conversation"));
}

static void show_waiting(struct log_view *v, const struct json_in *row)
{
	struct span reason = json_in_text(row, "reason");

	indent(v);
	printf("%-12s ", "now");
	trace_put(v->t, v->t->call->arena, TRACE_YELLOW, json_in_text(row, "state"));
	put_word(v, "", json_in_text(row, "recipient"));
	put_word(v, "for ", json_in_text(row, "destination"));
	put_word(v, "next ", json_in_text(row, "next_at"));
	putchar('\n');
	if (reason.len)
		put_line(v, "", NULL, reason);
}

static int take_row(void *arg, const struct json_in *row)
{
	struct log_view *v = arg;
	struct span what = json_in_text(row, "what");

	if (v->t->call->is_json) {
		buf_str(&v->rows, v->count++ ? ",\n" : "[");
		json_in_put(&v->rows, row);
		return buf_ok(&v->rows) ? 0 : cli_fail(EX_SOFTWARE, "the answer is too long");
	}
	if (span_eq(what, SPAN("letter")))
		show_letter(v, row);
	else if (span_eq(what, SPAN("event")))
		show_event(v, row);
	else
		show_waiting(v, row);
	return 0;
}

int trace_logged(struct trace *t, const char *word)
{
	struct log_view v = {.t = t};
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&v.rows, TRACE_OUT_MAX);
	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "id", word);
	json_close(&j);
	code = cli_ask(t->call, "trace", buf_span(&args), take_row, &v);
	if (!code && t->call->is_json) {
		fwrite(buf_cstr(&v.rows), 1, buf_len(&v.rows), stdout);
		puts("]");
	}
	buf_fini(&args);
	buf_fini(&v.rows);
	return code;
}
