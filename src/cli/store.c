#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/host/local.h"
#include "cli/cli.h"

/* backup, restore, check */

/* The server has another working directory. */
static int prepare_backup(struct cli_call *c, struct json_out *args)
{
	char *cwd = c->operands[0][0] == '/' ? NULL : getcwd(NULL, 0);

	json_kv_str(args, "file",
		cwd ? arena_printf(c->arena, "%s/%s", cwd, c->operands[0]) : c->operands[0]);
	free(cwd);
	return 0;
}

const struct cli_command cli_backup = {
	.name = "backup",
	.group = "Store",
	.line = "copy the whole store into a new file, while it is in use",
	.operands = {{"FILE", NULL}},
	.op = "backup",
	.is_single = true,
	.prepare = prepare_backup,
};

static int run_restore(struct cli_call *c)
{
	const char *data = cli_data(c);
	struct err e = {0};

	if (!data)
		return EX_USAGE;
	if (local_restore(data, c->operands[0], &e) < 0)
		return cli_fail_err(&e);
	if (c->is_json)
		printf("{\"restored\":true}\n");
	else
		printf("Restored; what was there before is %s/yizhan.db.before-restore\n", data);
	return 0;
}

const struct cli_command cli_restore = {
	.name = "restore",
	.group = "Store",
	.line = "put a backup in the place of the store",
	.text = "No server may run on the directory. The store that was there stays beside it as "
		"yizhan.db.before-restore.",
	.operands = {{"FILE", NULL}},
	.run = run_restore,
};

static int check_row(void *arg, const struct json_in *row)
{
	struct cli_call *c = arg;
	struct buf b;

	buf_init(&b, JSON_IN_MAX);
	if (c->is_json)
		json_in_put(&b, row);
	else if (json_in_get(row, "finding"))
		json_in_put_plain(&b, json_in_get(row, "finding"));
	else
		buf_str(&b, "The store is sound.");
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
	return 0;
}

static int run_check(struct cli_call *c)
{
	return cli_ask(c, "check", SPAN("{}"), check_row, c);
}

const struct cli_command cli_check = {
	.name = "check",
	.group = "Store",
	.line = "look whether the store is sound",
	.text = "Exit code 65 when it is not; each finding is a line. With --json each line is an "
		"object: {\"finding\": …}, or {\"findings\": 0} when there is none.",
	.run = run_check,
};
