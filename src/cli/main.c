#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "cli/cli.h"

const struct cli_command *const cli_commands[] = {
	&cli_serve,
	&cli_init,
	&cli_status,
	&cli_metrics,
	&cli_reload,
	&cli_queue[0],
	&cli_queue[1],
	&cli_queue[2],
	&cli_queue[3],
	&cli_queue[4],
	&cli_queue[5],
	&cli_queue[6],
	&cli_queue[7],
	&cli_queue[8],
	&cli_queue[9],
	&cli_shape[0],
	&cli_shape[1],
	&cli_shape[2],
	&cli_shape[3],
	&cli_shape[4],
	&cli_shape[5],
	&cli_shape[6],
	&cli_mailbox[0],
	&cli_mailbox[1],
	&cli_mailbox[2],
	&cli_mailbox[3],
	&cli_mailbox[4],
	&cli_mailbox[5],
	&cli_mailbox[6],
	&cli_search[0],
	&cli_search[1],
	&cli_domain[0],
	&cli_domain[1],
	&cli_domain[2],
	&cli_domain[3],
	&cli_recipients,
	&cli_account[0],
	&cli_account[1],
	&cli_account[2],
	&cli_account[3],
	&cli_account[4],
	&cli_account[5],
	&cli_account[6],
	&cli_account[7],
	&cli_account[8],
	&cli_account[9],
	&cli_account[10],
	&cli_account[11],
	&cli_account[12],
	&cli_account[13],
	&cli_account[14],
	&cli_account[15],
	&cli_account[16],
	&cli_account[17],
	&cli_account[18],
	&cli_account[19],
	&cli_account[20],
	&cli_account[21],
	&cli_account[22],
	&cli_account[23],
	&cli_account[24],
	&cli_account[25],
	&cli_account[26],
	&cli_account[27],
	&cli_account[28],
	&cli_account[29],
	&cli_account[30],
	&cli_account[31],
	&cli_forward,
	&cli_alias[0],
	&cli_alias[1],
	&cli_alias[2],
	&cli_alias[3],
	&cli_alias[4],
	&cli_route[0],
	&cli_route[1],
	&cli_route[2],
	&cli_route[3],
	&cli_route[4],
	&cli_list[0],
	&cli_list[1],
	&cli_list[2],
	&cli_list[3],
	&cli_list[4],
	&cli_list[5],
	&cli_list[6],
	&cli_list[7],
	&cli_list[8],
	&cli_list[9],
	&cli_list[10],
	&cli_list[11],
	&cli_list[12],
	&cli_key[0],
	&cli_key[1],
	&cli_key[2],
	&cli_key[3],
	&cli_key[4],
	&cli_key[5],
	&cli_key[6],
	&cli_key[7],
	&cli_key[8],
	&cli_key[9],
	&cli_tls[0],
	&cli_tls[1],
	&cli_tls[2],
	&cli_tls[3],
	&cli_login[0],
	&cli_login[1],
	&cli_login[2],
	&cli_pool[0],
	&cli_pool[1],
	&cli_pool[2],
	&cli_pool[3],
	&cli_egress[0],
	&cli_egress[1],
	&cli_egress[2],
	&cli_egress[3],
	&cli_egress[4],
	&cli_ban[0],
	&cli_ban[1],
	&cli_ban[2],
	&cli_ban[3],
	&cli_ban[4],
	&cli_cert[0],
	&cli_cert[1],
	&cli_cert[2],
	&cli_cert[3],
	&cli_cert[4],
	&cli_backup,
	&cli_restore,
	&cli_check,
	&cli_send,
	&cli_sendmail,
	&cli_probe,
	&cli_trace,
	&cli_dns,
	&cli_explain,
	&cli_bench_command,
	&cli_help_command,
	&cli_version,
};
const size_t cli_command_count = ARRAY_LEN(cli_commands);

const struct cli_option cli_globals[] = {
	{"data", "DIR", "the data directory of the server that is meant", NULL, false, NULL},
	{"config", "FILE", "its configuration file", NULL, false, NULL},
	{"json", NULL, "print data as JSON", NULL, false, NULL},
	{"help", NULL, "explain the command", NULL, false, NULL},
	{"version", NULL, "print the version", NULL, false, NULL},
	{0},
};

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("yizhan: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* sysexits.h for the codes of struct err; ours and the server's are the same words. */
int cli_exit_code(const char *name)
{
	static const struct {
		enum err_code code;
		int exit_code;
	} codes[] = {
		{ERR_SYNTAX, EX_USAGE},
		{ERR_UNSUPPORTED, EX_USAGE},
		{ERR_NOT_FOUND, EX_DATAERR},
		{ERR_EXISTS, EX_DATAERR},
		{ERR_CORRUPT, EX_DATAERR},
		{ERR_VERSION, EX_DATAERR},
		{ERR_BUSY, EX_TEMPFAIL},
		{ERR_FULL, EX_TEMPFAIL},
		{ERR_TIMEOUT, EX_TEMPFAIL},
		{ERR_LIMIT, EX_TEMPFAIL},
		{ERR_CANCELLED, EX_TEMPFAIL},
		{ERR_DENIED, EX_NOPERM},
		{ERR_CONFIG, EX_CONFIG},
		{ERR_IO, EX_IOERR},
		{ERR_STATE, EX_UNAVAILABLE},
		{ERR_EOF, EX_UNAVAILABLE},
		{ERR_REPLY, EX_UNAVAILABLE},
	};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (strcmp(err_code_str(codes[i].code), name) == 0)
			return codes[i].exit_code;
	}
	return EX_SOFTWARE;
}

int cli_fail_err(const struct err *e)
{
	return cli_fail(cli_exit_code(err_code_str(e->code)), "%s", e->text);
}

const char *cli_value(const struct cli_call *c, const char *option)
{
	for (size_t i = 0; i < CLI_OPTIONS_MAX && c->command->options[i].name; i++) {
		if (strcmp(c->command->options[i].name, option) == 0)
			return c->values[i];
	}
	MUST(!"an option of the command");
	return NULL;
}

static int put_number(struct json_out *j, const char *key, const char *name, const char *text)
{
	uint64_t n;

	if (!span_u64(span_str(text), &n) || n > INT64_MAX)
		return cli_fail(EX_USAGE, "%s: \"%s\" is no number", name, text);
	json_kv_u64(j, key, n);
	return 0;
}

static int put_operands(struct cli_call *c, struct json_out *j)
{
	size_t at = 0;
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(c->command->operands); i++) {
		const struct cli_operand *o = &c->command->operands[i];

		if (!o->name || !o->key || at >= c->operand_count || code)
			break;
		if (o->is_many) {
			json_key(j, o->key);
			json_open_array(j);
			for (; at < c->operand_count; at++)
				json_str(j, c->operands[at]);
			json_close(j);
		} else if (o->is_number) {
			code = put_number(j, o->key, o->name, c->operands[at++]);
		} else {
			json_kv_str(j, o->key, c->operands[at++]);
		}
	}
	return code;
}

/* What the words say, as the request's arguments. */
static int put_args(struct cli_call *c, struct json_out *j)
{
	const struct cli_command *cmd = c->command;

	json_open_object(j);
	int code = put_operands(c, j);
	for (size_t i = 0; !code && i < CLI_OPTIONS_MAX && cmd->options[i].name; i++) {
		const struct cli_option *o = &cmd->options[i];

		if (!c->values[i] || !o->key)
			continue;
		if (!o->arg)
			json_kv_bool(j, o->key, true);
		else if (o->is_number)
			code = put_number(j, o->key, o->name, c->values[i]);
		else
			json_kv_str(j, o->key, c->values[i]);
	}
	if (!code && cmd->prepare)
		code = cmd->prepare(c, j);
	if (!code)
		json_close(j);
	return code;
}

static int run_op(struct cli_call *c)
{
	struct json_out j;
	struct buf args;

	buf_init(&args, JSON_IN_MAX);
	json_out_init(&j, &args);

	int code = put_args(c, &j);
	if (!code && !buf_ok(&args))
		code = cli_fail(EX_USAGE, "that is too much for one command");
	if (!code) {
		struct cli_table *t = cli_table_new(
			c->command->columns, c->command->is_single, c->is_json);

		code = cli_ask(c, c->command->op, buf_span(&args), cli_table_row, t);
		cli_table_free(&t, code ? NULL : c->command->nothing);
	}
	buf_fini(&args);
	return code;
}

/* Called by another name: programs look for /usr/sbin/sendmail and its two companions. */
static bool is_sendmail(const char *program)
{
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;

	return strcmp(name, "sendmail") == 0 || strcmp(name, "mailq") == 0 ||
		strcmp(name, "newaliases") == 0;
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new();
	struct cli_call *c = ARENA_NEW(arena, struct cli_call);
	int code;

	/* widths of characters in tables; nothing else depends on it */
	setlocale(LC_CTYPE, "C.UTF-8");
	c->arena = arena;
	c->program = argv[0];
	if (is_sendmail(argv[0])) {
		c->command = &cli_sendmail;
		c->argc = argc - 1;
		c->argv = argv + 1;
		code = 0;
	} else {
		code = cli_find(c, argc - 1, argv + 1);
	}
	if (c->command && !code) {
		code = c->command->is_hidden_arguments || c->is_done
			? 0
			: cli_parse(c, c->argc, c->argv);
		if (!code && c->command)
			code = c->command->run ? c->command->run(c) : run_op(c);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		code = code ? code : cli_fail(EX_IOERR, "standard output cannot be written");
	arena_free(&arena);
	return code;
}
