#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/probe_screen.h"

/* `yizhan explain FROM TO`: the whole plan of a message, without one. */

struct explain_view {
	struct cli_call *call;
	struct screen screen;
	struct span part; /* the last one told */
};

static const struct {
	const char *part, *title;
} titles[] = {{"client", "client"}, {"route", "recipient"}, {"verdict", "answer"},
	{"hosts", "next hop"}, {"tls", "TLS"}, {"limits", "limits"}, {"time", "time"}};

static const char *title(struct arena *a, struct span part)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (span_eq(part, span_str(titles[i].part)))
			return titles[i].title;
	}
	return arena_str(a, part);
}

static int take_row(void *arg, const struct json_in *row)
{
	struct explain_view *v = arg;
	struct span part = json_in_text(row, "part"), decided = json_in_text(row, "decided_by");
	struct arena *a = arena_new();
	struct buf b;

	v->screen.arena = a;
	if (v->call->is_json) {
		buf_init(&b, JSON_IN_MAX);
		json_in_put(&b, row);
		puts(buf_cstr(&b));
		buf_fini(&b);
	} else {
		screen_row(&v->screen, 0, span_eq(part, v->part) ? "" : title(a, part), MARK_NONE,
			probe_clean(a, arena_str(a, json_in_text(row, "text")), false));
		if (decided.len)
			screen_row(&v->screen, 0, "", MARK_DIM,
				probe_clean(a, arena_printf(a, "by: " SPAN_FMT, SPAN_ARG(decided)),
					false));
		v->part = arena_span(v->call->arena, part);
	}
	arena_free(&a);
	return ferror(stdout) ? EX_IOERR : 0;
}

static int run_explain(struct cli_call *c)
{
	struct explain_view v = {.call = c};
	struct json_out j;
	struct buf args;
	int code;

	v.screen.width = screen_width();
	v.screen.is_color = cli_is_color(stdout);
	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "from", c->operands[0]);
	json_kv_str(&j, "to", c->operands[1]);
	if (cli_value(c, "ip"))
		json_kv_str(&j, "ip", cli_value(c, "ip"));
	json_close(&j);
	code = buf_ok(&args) ? cli_ask(c, "explain", buf_span(&args), take_row, &v)
			     : cli_fail(EX_USAGE, "that is too much for one command");
	buf_fini(&args);
	return code;
}

const struct cli_command cli_explain = {
	.name = "explain",
	.group = "Looking at mail",
	.line = "say what would be done with a message, and why",
	.text = "Asks the running server, which looks at its tables, DNS and policies as it would for a "
		"message, and sends nothing: may the client send there, what does the recipient become, "
		"which hosts would be tried, how safe must TLS be, what limits hold, and which row or "
		"setting decided each of them. FROM may be <>.",
	.operands = {{"FROM", NULL}, {"TO", NULL}},
	.options = {{"ip", "ADDRESS", "of the client: without it, somebody who may not relay"}},
	.run = run_explain,
};
