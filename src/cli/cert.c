#include "base/must.h"
#include "cli/cli.h"

/* `yizhan cert`: certificates in use, and the authority that gives them (docs/certificates.md). */

static int show_step(void *arg, const struct json_in *row)
{
	const struct cli_call *c = arg;
	struct buf b;

	buf_init(&b, 65536);
	if (c->is_json)
		json_in_put(&b, row);
	else
		json_in_put_plain(&b, json_in_get(row, "step"));
	printf("%s\n", buf_cstr(&b));
	fflush(stdout);
	buf_fini(&b);
	return 0;
}

/* Steps are shown as they come: each may take its time. */
static int run_steps(struct cli_call *c, struct buf *args)
{
	int code = cli_ask(c, c->command->op, buf_span(args), show_step, c);

	buf_fini(args);
	return code;
}

static int run_request(struct cli_call *c)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 65536);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_key(&j, "names");
	json_open_array(&j);
	for (size_t i = 0; i < c->operand_count; i++)
		json_str(&j, c->operands[i]);
	json_close(&j);
	json_kv_bool(&j, "new_account", cli_value(c, "new-account") != NULL);
	json_close(&j);
	return run_steps(c, &b);
}

static int run_renew(struct cli_call *c)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 65536);
	json_out_init(&j, &b);
	json_open_object(&j);
	if (c->operand_count)
		json_kv_str(&j, "name", c->operands[0]);
	json_close(&j);
	return run_steps(c, &b);
}

struct checking {
	struct cli_call *call;
	size_t findings;
};

static int show_finding(void *arg, const struct json_in *row)
{
	struct checking *k = arg;
	struct buf b;

	k->findings++;
	buf_init(&b, 65536);
	if (k->call->is_json)
		json_in_put(&b, row);
	else
		json_in_put_plain(&b, json_in_get(row, "finding"));
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
	return 0;
}

static int run_check(struct cli_call *c)
{
	struct checking k = {.call = c};
	int code = cli_ask(c, c->command->op, SPAN("{}"), show_finding, &k);

	if (code == 0 && !k.findings)
		printf("%s\n", c->is_json ? "{\"findings\":0}" : "All certificates are well.");
	return code ? code : k.findings ? EX_DATAERR : 0;
}

const struct cli_command cli_cert[] = {
	{
		.name = "cert list",
		.group = "Server",
		.line = "list the certificates that clients are shown",
		.text = "Names, issuer, end, where each comes from, and of those from an authority "
			"(ACME) when they are renewed and what the last try said.",
		.op = "cert.list",
		.columns = {{"name", "CERTIFICATE"}, {"names", "FOR"}, {"issuer", "ISSUER"},
			{"valid_until", "UNTIL", CLI_TIME}, {"source", "FROM"},
			{"next_renewal", "RENEWED", CLI_TIME}, {"last_error", "LAST ERROR"}},
		.nothing = "No certificates.",
	},
	{
		.name = "cert request",
		.group = "Server",
		.line = "ask the authority for a certificate, now",
		.text = "One certificate for all the names, from the authority of the section acme; each "
			"step is a line. It is used at once, and renewed from then on.",
		.operands = {{"NAME", "names", false, true}},
		.options = {{"new-account", NULL,
			"with a new account, where the authority takes the old one no more", NULL}},
		.op = "cert.request",
		.run = run_request,
	},
	{
		.name = "cert renew",
		.group = "Server",
		.line = "renew certificates of the authority, now",
		.text = "Without a name, all of them. They are renewed by themselves when a third of "
			"their life is left.",
		.operands = {{"NAME", "name", true}},
		.op = "cert.renew",
		.run = run_renew,
	},
	{
		.name = "cert remove",
		.group = "Server",
		.line = "forget a certificate of the authority",
		.text = "It is shown and renewed no more. One that the configuration names is asked for "
			"again.",
		.operands = {{"NAME", "name"}},
		.op = "cert.remove",
		.is_single = true,
	},
	{
		.name = "cert check",
		.group = "Server",
		.line = "look for trouble with certificates",
		.text = "What has expired or soon will, keys that others may read, what the authority said "
			"last, and whether it is there. Exit code 65 when something is found; each finding "
			"is a line.",
		.op = "cert.check",
		.run = run_check,
	},
};
