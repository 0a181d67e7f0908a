#include <string.h>

#include "base/must.h"
#include "cli/cli.h"
#include "cli/probe_screen.h"

/* `yizhan dns`: what is published of our domains, and what should be. */

#define DNS_ARGS_MAX (128 * 1024)

struct dns_view {
	struct cli_call *call;
	struct screen screen;
	struct span domain;
	size_t rows, bad, unknown;
};

static const struct {
	const char *state;
	enum mark mark;
} marks[] = {{"ok", MARK_GOOD}, {"optional", MARK_DIM}, {"missing", MARK_BAD}, {"wrong", MARK_BAD},
	{"unknown", MARK_WARN}};

static enum mark mark_of(struct span state)
{
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (span_eq(state, span_str(marks[i].state)))
			return marks[i].mark;
	}
	return MARK_NONE;
}

const char *cli_zone_line(
	struct arena *a, const char *name, const char *type, const char *publish, char gap)
{
	struct span data = span_str(publish);
	const char *text = arena_printf(a, "%s.%cIN%c%s%c", name, gap, gap, type, gap);

	if (strcmp(type, "TXT") != 0)
		return arena_printf(a, "%s" SPAN_FMT, text, SPAN_ARG(data));
	for (bool is_first = true; data.len || is_first; is_first = false) {
		text = arena_printf(a, "%s%s\"" SPAN_FMT "\"", text, is_first ? "" : " ",
			SPAN_ARG(span_sub(data, 0, 255)));
		data = span_skip(data, data.len < 255 ? data.len : 255);
	}
	return text;
}

static const char *zone_line(struct arena *a, const struct json_in *row, char gap)
{
	return cli_zone_line(a, arena_str(a, json_in_text(row, "name")),
		arena_str(a, json_in_text(row, "type")), arena_str(a, json_in_text(row, "publish")),
		gap);
}

static const char *found(struct arena *a, const struct json_in *row)
{
	const struct json_in *list = json_in_get(row, "found");
	const char *text = "";

	for (size_t i = 0; i < json_in_count(list); i++)
		text = arena_printf(a, "%s%s" SPAN_FMT, text, i ? ", " : "",
			SPAN_ARG(json_in_span(json_in_at(list, i))));
	return probe_clean(a, text, false);
}

static void show(struct dns_view *v, const struct json_in *row)
{
	struct screen *s = &v->screen;
	struct arena *a = s->arena;
	struct span domain = json_in_text(row, "domain"), state = json_in_text(row, "state");
	const char *is = found(a, row);

	if (!v->rows || !span_eq(domain, v->domain)) {
		printf("%s", v->rows ? "\n" : "");
		screen_heading(s, domain.len ? arena_str(a, domain) : "this server", "");
		v->domain = arena_span(v->call->arena, domain);
	}
	screen_row(s, 2, arena_str(a, state), mark_of(state),
		arena_printf(a, SPAN_FMT " " SPAN_FMT "%s%s", SPAN_ARG(json_in_text(row, "type")),
			SPAN_ARG(json_in_text(row, "name")), *is ? ": " : "", is));
	screen_row(s, 2, "", MARK_DIM, arena_str(a, json_in_text(row, "why")));
	if (!json_in_text(row, "publish").len)
		return;
	screen_blanks(2);
	screen_label(s, 0, "publish");
	/* as long as it is: it is to be copied */
	puts(probe_clean(a, zone_line(a, row, ' '), false));
}

static int take_row(void *arg, const struct json_in *row)
{
	struct dns_view *v = arg;
	struct span state = json_in_text(row, "state");
	struct buf b;

	v->bad += span_eq(state, SPAN("missing")) || span_eq(state, SPAN("wrong"));
	v->unknown += span_eq(state, SPAN("unknown"));
	v->screen.arena = arena_new();
	if (v->call->is_json) {
		buf_init(&b, JSON_IN_MAX);
		json_in_put(&b, row);
		puts(buf_cstr(&b));
		buf_fini(&b);
	} else if (!cli_value(v->call, "zone")) {
		show(v, row);
	} else if (json_in_text(row, "publish").len) {
		puts(zone_line(v->screen.arena, row, '\t'));
	}
	v->rows++;
	arena_free(&v->screen.arena);
	return ferror(stdout) ? EX_IOERR : 0;
}

static int run_dns(struct cli_call *c)
{
	struct dns_view v = {.call = c};
	struct json_out j;
	struct buf args;
	int code;

	v.screen.width = screen_width();
	v.screen.is_color = cli_is_color(stdout);
	buf_init(&args, DNS_ARGS_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_bool(&j, "offline", cli_value(c, "offline") != NULL);
	json_key(&j, "domains");
	json_open_array(&j);
	for (size_t i = 0; i < c->operand_count; i++)
		json_str(&j, c->operands[i]);
	json_close(&j);
	json_close(&j);
	code = buf_ok(&args) ? cli_ask(c, "dns", buf_span(&args), take_row, &v)
			     : cli_fail(EX_USAGE, "that is too much for one command");
	buf_fini(&args);
	if (code)
		return code;
	if (!c->is_json && !cli_value(c, "zone"))
		printf("\n%zu record%s to publish or to mend%s\n", v.bad, v.bad == 1 ? "" : "s",
			v.unknown ? "; some could not be looked up" : "");
	return v.bad ? 1 : v.unknown ? EX_TEMPFAIL : 0;
}

const struct cli_command cli_dns = {
	.name = "dns",
	.group = "Looking at mail",
	.line = "show what DNS says of our domains, and what it should say",
	.text = "Looks up what other servers look up of this one (its address and the name of that "
		"address, TLSA) and of each local domain, or of those named: MX, SPF, DKIM, DMARC, TLSRPT, "
		"MTA-STS. Each record that is missing or wrong stands there as it is written in a zone "
		"file. Ends with 0 when all is well, 1 when something is to be done, 75 when look-ups "
		"failed.",
	.operands = {{"DOMAIN", NULL, true, true}},
	.options = {{"zone", NULL, "only the lines for a zone file"},
		{"offline", NULL, "tell what to publish without looking anything up"}},
	.run = run_dns,
};
