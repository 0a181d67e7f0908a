#include <errno.h>
#include <string.h>

#include "base/must.h"
#include "cli/cli.h"

/* route, account forward, domain recipients: where mail goes, and why. */

#define IMPORT_SLICE    500
#define IMPORT_LINE_MAX 1024
#define ARGS_MAX        (256 * 1024)

/* ---- route ------------------------------------------------------------------------------------ */

static int prepare_route(struct cli_call *c, struct json_out *args)
{
	size_t want = cli_value(c, "sender") ? 1 : 2;

	(void)args;
	if (c->operand_count != want)
		return cli_fail(EX_USAGE,
			want == 1 ? "a sender's route takes the next hop alone: %s --sender "
				    "@DOMAIN HOP"
				  : "which domain, and which next hop? %s DOMAIN HOP",
			c->command->name);
	return 0;
}

static int prepare_route_remove(struct cli_call *c, struct json_out *args)
{
	(void)args;
	if (!!c->operand_count + !!cli_value(c, "sender") != 1)
		return cli_fail(EX_USAGE, "which route? route remove DOMAIN, or --sender SENDER");
	return 0;
}

#define SENDER                                                                                     \
	{                                                                                          \
		"sender", "SENDER", "by sender instead: user@domain or @domain", "sender"          \
	}
#define ROUTE_OPTIONS                                                                              \
	{"lmtp", NULL, "the next hop speaks LMTP", "lmtp"}, SENDER,                                \
	{                                                                                          \
		"egress", "NAME", "what connections go out from (egress list)", "egress"           \
	}
#define HOPS                                                                                       \
	"The next hop is host:port, [address]:port, unix:/path, pool:NAME, mx (the domain's own "  \
	"MX) or mx:DOMAIN (another's). "

/* What the router decided, line by line. */
static int show_test(void *arg, const struct json_in *row)
{
	const struct json_in *steps = json_in_get(row, "steps");
	struct cli_call *c = arg;
	struct buf b;

	buf_init(&b, JSON_IN_MAX);
	if (c->is_json) {
		json_in_put(&b, row);
		buf_char(&b, '\n');
	}
	for (size_t i = 0; !c->is_json && i < json_in_count(steps); i++) {
		const struct json_in *s = json_in_at(steps, i);
		struct span kind = json_in_text(s, "kind"), of = json_in_text(s, "row");
		uint64_t depth = 0;

		json_in_u64(s, "depth", &depth);
		buf_printf(&b, "%*s%-12.*s %.*s%s%.*s\n", (int)(2 * depth), "", SPAN_ARG(kind),
			SPAN_ARG(of), of.len ? ": " : "", SPAN_ARG(json_in_text(s, "text")));
	}
	if (!c->is_json)
		buf_printf(&b, "\n%s; from strangers (port 25): %s, from who may send: %s\n",
			arena_str(c->arena, json_in_text(row, "verdict")),
			json_in_bool(row, "taken_from_strangers") ? "taken" : "refused",
			json_in_bool(row, "taken_from_trusted") ? "taken" : "refused");
	fwrite(buf_cstr(&b), 1, buf_len(&b), stdout);
	buf_fini(&b);
	return ferror(stdout) ? EX_IOERR : 0;
}

static int run_test(struct cli_call *c)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, ARGS_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", c->operands[0]);
	if (cli_value(c, "from"))
		json_kv_str(&j, "from", cli_value(c, "from"));
	json_close(&j);
	code = buf_ok(&args) ? cli_ask(c, "route.test", buf_span(&args), show_test, c)
			     : cli_fail(EX_USAGE, "that is too much for one command");
	buf_fini(&args);
	return code;
}

const struct cli_command cli_route[] = {
	{
		.name = "route add",
		.group = "Directory",
		.line = "send mail for a domain, or of a sender, to a fixed next hop",
		.text = HOPS
		"DOMAIN is a domain, \".DOMAIN\" for all below it, or \"*\" for all that "
		"have no route of their own. With --sender the one word is the next "
		"hop; it is taken where no route of the recipient's domain says "
		"otherwise, and before \"*\".",
		.operands = {{"DOMAIN", "domain"}, {"HOP", "next_hop", true}},
		.options = {ROUTE_OPTIONS},
		.op = "route.add",
		.is_single = true,
		.prepare = prepare_route,
	},
	{
		.name = "route set",
		.group = "Directory",
		.line = "change a route, or add it",
		.text = HOPS "See route add.",
		.operands = {{"DOMAIN", "domain"}, {"HOP", "next_hop", true}},
		.options = {ROUTE_OPTIONS},
		.op = "route.set",
		.is_single = true,
		.prepare = prepare_route,
	},
	{
		.name = "route remove",
		.group = "Directory",
		.line = "go back to what DNS says",
		.operands = {{"DOMAIN", "domain", true}},
		.options = {SENDER},
		.op = "route.remove",
		.is_single = true,
		.prepare = prepare_route_remove,
	},
	{
		.name = "route list",
		.group = "Directory",
		.line = "list the routes",
		.op = "route.list",
		.columns = {{"domain", "DOMAIN"}, {"sender", "SENDER"}, {"next_hop", "NEXT HOP"},
			{"lmtp", "LMTP"}, {"egress", "EGRESS"}, {"unicode", "AS WRITTEN"}},
		.nothing = "No routes: DNS says where mail goes.",
	},
	{
		.name = "route test",
		.group = "Directory",
		.line = "tell where mail for an address would go, and why",
		.text = "Nothing is sent. Each line is a decision: what it was about, the row of the "
			"tables that decided, what came of it. Recipients of a relay domain with "
			"--check ask are asked about, as a letter would do it.",
		.operands = {{"ADDRESS", "address"}},
		.options = {{"from", "SENDER", "mail from this sender; without: the null sender",
			"from"}},
		.run = run_test,
	},
};

/* ---- account forward -------------------------------------------------------------------------- */

static int prepare_forward(struct cli_call *c, struct json_out *args)
{
	(void)args;
	if (!!cli_value(c, "keep") + !!cli_value(c, "only") + !!cli_value(c, "remove") > 1)
		return cli_fail(EX_USAGE, "--keep, --only or --remove?");
	if (cli_value(c, "remove") && c->operand_count > 1)
		return cli_fail(EX_USAGE, "--remove takes all forwards away, and no targets");
	if ((cli_value(c, "keep") || cli_value(c, "only")) && c->operand_count < 2)
		return cli_fail(EX_USAGE, "forward to whom? account forward ADDRESS TARGET...");
	return 0;
}

const struct cli_command cli_forward = {
	.name = "account forward",
	.group = "Accounts",
	.line = "pass an account's mail on to others",
	.text = "Without targets it tells where the mail goes. At most 20 targets. What goes out to "
		"elsewhere is sent under an address of ours (SRS), so that SPF holds.",
	.operands = {{"ADDRESS", "address"}, {"TARGET", "targets", true, true}},
	.options = {{"keep", NULL, "and into the mailbox as well (the default)"},
		{"only", NULL, "without a copy in the mailbox", "only"},
		{"remove", NULL, "pass nothing on any more", "remove"}},
	.op = "account.forward",
	.is_single = true,
	.prepare = prepare_forward,
};

/* ---- domain recipients ------------------------------------------------------------------------ */

static const struct cli_column recipient_columns[] = {
	{"recipient", "RECIPIENT"}, {"domain", "DOMAIN"}, {0}};
static const struct cli_column change_columns[] = {{0}};

/* One request; `names` may be empty for a list. */
static int ask_recipients(struct cli_call *c, const char *op, const char *const *names,
	size_t count, cli_line_fn *line, void *arg)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, ARGS_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "domain", c->operands[1]);
	json_key(&j, "names");
	json_open_array(&j);
	for (size_t i = 0; i < count; i++)
		json_str(&j, names[i]);
	json_close(&j);
	json_close(&j);
	code = buf_ok(&args) ? cli_ask(c, op, buf_span(&args), line, arg)
			     : cli_fail(EX_USAGE, "that is too much for one command");
	buf_fini(&args);
	return code;
}

static int simple_recipients(struct cli_call *c, const char *op, bool is_list)
{
	struct cli_table *t = cli_table_new(
		is_list ? recipient_columns : change_columns, !is_list, c->is_json);
	int code = ask_recipients(c, op, c->operands + 2, c->operand_count - 2, cli_table_row, t);

	cli_table_free(&t, code ? NULL : "No recipients: with --check table nobody is taken.");
	return code;
}

struct import {
	uint64_t changed, lines;
};

static int count_changed(void *arg, const struct json_in *row)
{
	struct import *im = arg;
	uint64_t n = 0;

	json_in_u64(row, "changed", &n);
	im->changed += n;
	return 0;
}

/* A name a line; blank lines and those that begin with '#' are passed over. Read and told in slices. */
static int import_lines(struct cli_call *c, FILE *f, struct import *im)
{
	const char **names = ARENA_ARRAY(c->arena, const char *, IMPORT_SLICE);
	char *line = arena_alloc(c->arena, IMPORT_LINE_MAX);
	struct arena *a = arena_new();
	size_t count = 0, at = 0;
	int code = 0;

	while (!code && fgets(line, IMPORT_LINE_MAX, f)) {
		struct span name = span_trim(span_str(line));

		at++;
		if (strlen(line) == IMPORT_LINE_MAX - 1)
			code = cli_fail(EX_DATAERR, "%s: line %zu is too long", c->operands[2], at);
		if (!name.len || name.ptr[0] == '#' || code)
			continue;
		names[count++] = arena_str(a, name);
		im->lines++;
		if (count < IMPORT_SLICE)
			continue;
		code = ask_recipients(c, "recipients.add", names, count, count_changed, im);
		count = 0;
		arena_reset(a);
	}
	if (!code && ferror(f))
		code = cli_fail(EX_IOERR, "%s: %s", c->operands[2], strerror(errno));
	if (!code && count)
		code = ask_recipients(c, "recipients.add", names, count, count_changed, im);
	arena_free(&a);
	return code;
}

static int import_recipients(struct cli_call *c)
{
	bool is_stdin = c->operand_count == 3 && strcmp(c->operands[2], "-") == 0;
	struct import im = {0};
	FILE *f;
	int code;

	if (c->operand_count != 3)
		return cli_fail(EX_USAGE, "from which file? domain recipients import DOMAIN FILE");
	f = is_stdin ? stdin : fopen(c->operands[2], "re");
	if (!f)
		return cli_fail(EX_NOINPUT, "%s: %s", c->operands[2], strerror(errno));
	code = import_lines(c, f, &im);
	if (!is_stdin)
		fclose(f);
	if (code)
		return code;
	printf(c->is_json ? "{\"names\":%llu,\"changed\":%llu}\n" : "%llu names, %llu new\n",
		(unsigned long long)im.lines, (unsigned long long)im.changed);
	return 0;
}

static int run_recipients(struct cli_call *c)
{
	const char *action = c->operands[0];

	if (strcmp(action, "list") == 0 && c->operand_count == 2)
		return simple_recipients(c, "recipients.list", true);
	if (strcmp(action, "import") == 0)
		return import_recipients(c);
	if ((strcmp(action, "add") == 0 || strcmp(action, "remove") == 0) && c->operand_count > 2)
		return simple_recipients(
			c, action[0] == 'a' ? "recipients.add" : "recipients.remove", false);
	return cli_fail(EX_USAGE,
		"domain recipients add|remove DOMAIN NAME..., list DOMAIN, or import DOMAIN FILE");
}

const struct cli_command cli_recipients = {
	.name = "domain recipients",
	.group = "Directory",
	.line = "whom a relay domain has (for --check table)",
	.text = "ACTION is add or remove (with names), list, or import (with a file, \"-\" for "
		"standard input: a name a line, \"#\" begins a comment). A name is a local part, "
		"or a whole address of the domain. \"alice\" stands for \"alice+anything\" too; "
		"postmaster is always taken.",
	.operands = {{"ACTION", NULL}, {"DOMAIN", NULL}, {"NAME", NULL, true, true}},
	.run = run_recipients,
};
