#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "services/local/drop.h"
#include "cli/probe_screen.h"
#include "cli/sendmail_priv.h"

/* `mailq`, `sendmail -bp`: the queue as administrators and their scripts know it from Postfix. A letter has a
 * line with its id ("*" is tried right now, "!" is held), size, arrival and sender; below it each reason and
 * the recipients that wait for it. */

#define COLUMN 37 /* where senders and recipients stand */

struct mailq {
	struct arena *a;     /* of the letter that is shown */
	struct span id, why; /* of the row before */
	uint64_t letters, octets, recipients;
	int failed;
};

static const char *arrival(struct arena *a, struct span text)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct clock_civil c;
	int64_t sec;

	/* without the milliseconds that the parser drops anyway */
	if (!clock_parse_rfc3339(text, &sec))
		return "?";
	clock_to_civil(sec, clock_zone_minutes(sec), &c);
	return arena_printf(a, "%s %s %2d %02d:%02d:%02d", days[c.weekday % 7],
		months[(c.month + 11) % 12], c.day, c.hour, c.minute, c.second);
}

static const char *clean(struct arena *a, struct span text)
{
	return probe_clean(a, arena_str(a, text), false);
}

static void begin_letter(struct mailq *q, const struct json_in *row)
{
	struct span state = json_in_text(row, "state"), from = json_in_text(row, "sender");
	uint64_t size = 0;

	json_in_u64(row, "size", &size);
	if (!q->letters)
		printf("%-*s%s\n", COLUMN, "-Queue ID-----  --Size-- -Arrival Time-",
			"-Sender/Recipient-------");
	else
		putchar('\n');
	printf(SPAN_FMT "%c %9llu %s  %s\n", SPAN_ARG(json_in_text(row, "id")),
		span_eq(state, SPAN("active"))         ? '*'
			: span_eq(state, SPAN("held")) ? '!'
						       : ' ',
		(unsigned long long)size, arrival(q->a, json_in_text(row, "arrived_at")),
		from.len ? clean(q->a, from) : "MAILER-DAEMON");
	q->letters++;
	q->octets += size;
}

static int take_row(void *arg, const struct json_in *row)
{
	struct mailq *q = arg;
	struct span id = json_in_text(row, "id"), why = json_in_text(row, "why");
	bool is_new = !span_eq(id, q->id);

	if (is_new) {
		arena_reset(q->a);
		begin_letter(q, row);
		q->id = arena_span(q->a, id);
		q->why = SPAN_NONE;
	}
	if (why.len && !span_eq(why, q->why)) {
		printf("    (%s)\n", clean(q->a, why));
		q->why = arena_span(q->a, why);
	}
	printf("%*s%s\n", COLUMN + 5, "", clean(q->a, json_in_text(row, "recipient")));
	q->recipients++;
	return ferror(stdout) ? EX_IOERR : 0;
}

/* What lies in the drop directory, where it may be looked into. */
static size_t waiting(struct cli_call *c)
{
	struct sendmail m = {.a = c->arena};
	struct sendmail_station *s = sendmail_station(c, &m, false);
	const char **names;
	size_t count = 0;

	if (!s || !s->place.maildrop ||
		drop_list(c->arena, s->place.maildrop, clock_wall_ns(), 0, &names, &count, NULL) <
			0)
		return 0;
	return count;
}

int sendmail_queue(struct cli_call *c)
{
	struct mailq q = {.a = arena_new()};
	size_t left = waiting(c);
	const char *data = cli_data(c);
	int code = 0;

	/* no server was ever here: nothing waits */
	const char *store = data ? arena_printf(c->arena, "%s/yizhan.db", data) : NULL;
	if (store && (access(store, F_OK) == 0 || errno != ENOENT))
		code = cli_ask(c, "queue.list", SPAN("{}"), take_row, &q);
	if (!code && q.letters)
		printf("\n-- %llu Kbytes in %llu Request%s.\n",
			(unsigned long long)(q.octets + 1023) / 1024, (unsigned long long)q.letters,
			q.letters == 1 ? "" : "s");
	else if (!code && !left)
		puts("Mail queue is empty");
	if (!code && left)
		printf("-- %zu more in the drop directory, for the server's next start.\n", left);
	arena_free(&q.a);
	return code;
}
