/* Each stage of the talk in each dialect, and each way of going wrong there: refused for good,
 * refused for now, 421, dropped, silence. The rows are made of three short tables. */

#include "play/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name, *ehlo, *not_at; /* a stage that it does not have */
} dialects[] = {
	{"in steps", "8BITMIME", "BDAT"},
	{"pipelined", "PIPELINING 8BITMIME", "BDAT"},
	{"in chunks", "PIPELINING CHUNKING 8BITMIME", "DATA"},
};

static const char *const stages[] = {
	"connect", "EHLO", "MAIL", "RCPT", "DATA", "body", "BDAT", "dot", "QUIT"};

enum harm { HARM_NEVER, HARM_LATER, HARM_BYE, HARM_DROP, HARM_HANG, HARM_KINDS };

static const struct {
	const char *name, *say;
} harms[] = {
	[HARM_NEVER] = {"is refused for good", "554 5.7.1 never"},
	[HARM_LATER] = {"is put off with 451", "451 4.3.0 not now"},
	[HARM_BYE] = {"is answered with 421", "421 4.3.2 closing"},
	[HARM_DROP] = {"makes the peer hang up", NULL},
	[HARM_HANG] = {"is never answered", NULL},
};

#define IS(a, b) (strcmp(a, b) == 0)

static bool is_there(size_t dialect, const char *stage, enum harm h)
{
	if (IS(dialects[dialect].not_at, stage) || (dialect == 2 && IS(stage, "body")))
		return false;
	return !IS(stage, "body") || h == HARM_DROP;
}

static void expect(struct row *r, const char *stage, enum harm h)
{
	/* It has been taken already; and who refuses EHLO is asked with HELO. */
	if (IS(stage, "QUIT") || (IS(stage, "EHLO") && h == HARM_NEVER))
		return;
	if (h == HARM_NEVER) {
		r->failed = "a";
		r->says = "never";
		r->rules[0].to = 0;
		return;
	}
	r->attempts = 2;
	r->after_ns = 48 * CLOCK_SEC;
	r->before_ns = 2 * CLOCK_MIN;
	if (h == HARM_HANG) { /* as long as RFC 5321 section 4.5.3.2 waits */
		r->attempt_ns = 11 * CLOCK_MIN;
		r->before_ns = 16 * CLOCK_MIN;
	}
	/* Only behind the last octet of the content may it have arrived. */
	if ((IS(stage, "dot") || IS(stage, "BDAT")) && (h == HARM_DROP || h == HARM_HANG))
		r->unheard = 1;
}

static struct row row_of(size_t dialect, const char *stage, enum harm h)
{
	struct row r = {.ehlo = dialects[dialect].ehlo};
	char name[120];

	snprintf(name, sizeof(name), "%s: %s %s", dialects[dialect].name, stage, harms[h].name);
	r.name = mem_dup(name, strlen(name));
	r.rules[0] = (struct peer_rule){.at = stage,
		.to = 1,
		.say = harms[h].say,
		.is_silent = h >= HARM_DROP,
		.closes = h >= HARM_DROP,
		.wait_ns = h == HARM_HANG ? CLOCK_DAY : 0};
	expect(&r, stage, h);
	return r;
}

int main(int argc, char **argv)
{
	size_t most = ARRAY_LEN(dialects) * ARRAY_LEN(stages) * HARM_KINDS;
	struct row *rows = mem_alloc(most * sizeof(*rows));
	size_t count = 0;
	int failed;

	for (size_t d = 0; d < ARRAY_LEN(dialects); d++)
		for (size_t s = 0; s < ARRAY_LEN(stages); s++)
			for (enum harm h = 0; h < HARM_KINDS; h++)
				if (is_there(d, stages[s], h))
					rows[count++] = row_of(d, stages[s], h);
	failed = rows_main(rows, count, argc, argv);
	for (size_t i = 0; i < count; i++)
		free((char *)rows[i].name);
	free(rows);
	return failed;
}
