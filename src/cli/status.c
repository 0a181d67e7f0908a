#include "cli/cli.h"

static int run_status(struct cli_call *c)
{
	static const struct cli_column fibers[] = {{"loop", "LOOP"}, {"fiber", "FIBER"},
		{"parked_ms", "PARKED MS", CLI_NUMBER},
		{"longest_slice_us", "LONGEST SLICE US", CLI_NUMBER},
		{"switches", "SWITCHES", CLI_NUMBER}, {"stack", "STACK", CLI_SIZE}, {0}};
	static const struct cli_column none[] = {{0}};
	bool is_fibers = cli_value(c, "fibers") != NULL;
	struct cli_table *t = cli_table_new(is_fibers ? fibers : none, !is_fibers, c->is_json);
	int code = cli_ask(c, is_fibers ? "fibers" : "status", SPAN("{}"), cli_table_row, t);

	cli_table_free(&t, NULL);
	return code;
}

const struct cli_command cli_status = {
	.name = "status",
	.group = "Server",
	.line = "show counters and limits",
	.options = {{"fibers", NULL, "every fiber of the running server"}},
	.run = run_status,
};

static int metrics_row(void *arg, const struct json_in *row)
{
	struct span text = json_in_text(row, "text");

	(void)arg;
	fwrite(text.ptr, 1, text.len, stdout);
	return ferror(stdout) ? EX_IOERR : 0;
}

static int run_metrics(struct cli_call *c)
{
	struct cli_table *t;
	int code;

	if (!c->is_json)
		return cli_ask(c, "metrics", SPAN("{}"), metrics_row, NULL);
	t = cli_table_new(c->command->columns, true, true);
	code = cli_ask(c, "metrics", SPAN("{}"), cli_table_row, t);
	cli_table_free(&t, NULL);
	return code;
}

const struct cli_command cli_metrics = {
	.name = "metrics",
	.group = "Server",
	.line = "print the counters in the text form of Prometheus",
	.text = "For a collector that runs a command or reads a file: yizhan metrics > FILE.prom",
	.run = run_metrics,
};

const struct cli_command cli_reload = {
	.name = "reload",
	.group = "Server",
	.line = "make the server read its configuration and certificates again",
	.op = "reload",
	.is_single = true,
};
