#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "services/host/config.h"
#include "cli/bench.h"
#include "cli/cli.h"

/* Help for people, man page, shell completion: all from the rows of the commands. */

static void put_usage(struct buf *b, const struct cli_command *cmd)
{
	buf_printf(b, "yizhan %s", cmd->name);
	for (size_t i = 0; i < ARRAY_LEN(cmd->operands) && cmd->operands[i].name; i++) {
		const struct cli_operand *o = &cmd->operands[i];

		buf_printf(b, " %s%s%s%s", o->is_optional ? "[" : "", o->name,
			o->is_many ? "..." : "", o->is_optional ? "]" : "");
	}
	for (size_t i = 0; i < CLI_OPTIONS_MAX && cmd->options[i].name; i++) {
		const struct cli_option *o = &cmd->options[i];

		buf_printf(b, " [--%s%s%s]", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	}
	if (cmd->usage)
		buf_printf(b, " %s", cmd->usage);
}

static void print_wrapped(const char *text, unsigned indent, unsigned at)
{
	struct span rest = span_str(text), word;

	while ((word = span_word(&rest)).len) {
		if (at > indent && at + 1 + word.len > 78) {
			putchar('\n');
			at = 0;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		if (at < indent) {
			printf("%*s", (int)(indent - at), "");
			at = indent;
		}
		printf(SPAN_FMT, SPAN_ARG(word));
		at += (unsigned)word.len;
	}
	putchar('\n');
}

static void print_options(const struct cli_option *options)
{
	for (size_t i = 0; i < CLI_OPTIONS_MAX && options[i].name; i++) {
		int at = printf("  --%s%s%s", options[i].name, options[i].arg ? " " : "",
			options[i].arg ? options[i].arg : "");

		if (at > 26) {
			putchar('\n');
			at = 0;
		}
		printf("%*s", 28 - at, "");
		print_wrapped(options[i].help, 28, 28);
	}
}

static void print_flag(const struct cli_flag *f)
{
	int at = printf("  %s%s%s", f->names, f->arg ? " " : "", f->arg ? f->arg : "");

	if (at > 30) {
		putchar('\n');
		at = 0;
	}
	printf("%*s", 32 - at, "");
	print_wrapped(f->help, 32, 32);
}

static void print_heading(const char *text)
{
	printf(cli_is_color(stdout) ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text);
}

static void print_paragraphs(const char *text)
{
	struct span rest = span_str(text), line;
	struct buf one;

	buf_init(&one, rest.len + 1);
	while (rest.len) {
		span_cut(rest, '\n', &line, &rest);
		buf_clear(&one);
		buf_span_put(&one, line);
		print_wrapped(buf_cstr(&one), 0, 0);
	}
	buf_fini(&one);
}

static void print_sections(const struct cli_section *s)
{
	for (; s->title; s++) {
		print_heading(s->title);
		if (s->text)
			print_paragraphs(s->text);
		if (s->text && s->flags)
			putchar('\n');
		for (const struct cli_flag *f = s->flags; f && f->names; f++)
			print_flag(f);
	}
}

int cli_help(const struct cli_command *cmd)
{
	struct buf usage;

	buf_init(&usage, 8192);
	put_usage(&usage, cmd);
	printf("%c%s.\n", cmd->line[0] & ~0x20, cmd->line + 1);
	print_heading("Usage");
	print_wrapped(buf_cstr(&usage), 4, 0);
	buf_fini(&usage);
	if (cmd->text) {
		putchar('\n');
		print_wrapped(cmd->text, 0, 0);
	}
	if (cmd->sections)
		print_sections(cmd->sections);
	if (cmd->is_hidden_arguments)
		return 0;
	if (cmd->options[0].name) {
		print_heading("Options");
		print_options(cmd->options);
	}
	print_heading("Options of every command");
	print_options(cli_globals);
	return 0;
}

static void print_lines(FILE *f, const char *group, const char *first_word)
{
	size_t len = first_word ? strlen(first_word) : 0;

	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];

		if ((group && strcmp(cmd->group, group) != 0) ||
			(len &&
				(strncmp(cmd->name, first_word, len) != 0 ||
					cmd->name[len] != ' ')))
			continue;
		fprintf(f, "  %-17s %s\n", cmd->name, cmd->line);
	}
}

int cli_help_group(const char *group)
{
	printf("Commands that begin with \"%s\":\n\n", group);
	print_lines(stdout, NULL, group);
	printf("\nMore about one: yizhan help %s ...\n", group);
	return 0;
}

int cli_help_all(FILE *f)
{
	const char *group = "";

	fprintf(f, "Yizhan, a complete mail system.\n\nUsage: yizhan COMMAND [WORDS] [OPTIONS]\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strcmp(cli_commands[i]->group, group) == 0)
			continue;
		group = cli_commands[i]->group;
		fprintf(f, cli_is_color(f) ? "\n\033[1m%s\033[0m\n" : "\n%s\n", group);
		print_lines(f, group, NULL);
	}
	fprintf(f,
		"\nMore about one: yizhan help COMMAND. All settings: yizhan help config.\n"
		"Commands find their server through --data DIR, $YIZHAN_DATA or the "
		"configuration file.\n");
	return 0;
}

/* ---- man page ---- */

static void put_roff(struct buf *b, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_str(b, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			buf_str(b, "\\e");
		else if (*text == '-')
			buf_str(b, "\\-");
		else
			buf_char(b, *text);
	}
}

static void put_man_options(struct buf *b, const struct cli_option *options)
{
	for (size_t i = 0; i < CLI_OPTIONS_MAX && options[i].name; i++) {
		buf_str(b, ".TP\n.B \\-\\-");
		put_roff(b, options[i].name);
		if (options[i].arg)
			buf_printf(b, " \\fI%s\\fR", options[i].arg);
		buf_char(b, '\n');
		put_roff(b, options[i].help);
		buf_char(b, '\n');
	}
}

static void put_man_sections(struct buf *b, const struct cli_section *s)
{
	for (; s->title; s++) {
		buf_str(b, ".PP\n.B ");
		put_roff(b, s->title);
		buf_char(b, '\n');
		struct span rest = span_str(s->text), line;
		while (rest.len) {
			span_cut(rest, '\n', &line, &rest);
			char *text = mem_dup(line.ptr, line.len);
			buf_str(b, ".PP\n");
			put_roff(b, text);
			buf_char(b, '\n');
			free(text);
		}
		for (const struct cli_flag *f = s->flags; f && f->names; f++) {
			buf_str(b, ".TP\n.B ");
			put_roff(b, f->names);
			if (f->arg)
				buf_printf(b, " \\fI%s\\fR", f->arg);
			buf_char(b, '\n');
			put_roff(b, f->help);
			buf_char(b, '\n');
		}
	}
}

static void put_man(struct buf *b)
{
	buf_str(b,
		".TH YIZHAN 1 \"\" \"yizhan " YIZHAN_VERSION "\" \"Yizhan\"\n"
		".SH NAME\nyizhan \\- a complete mail system\n"
		".SH SYNOPSIS\n.B yizhan\n.I command\n[words] [options]\n"
		".SH COMMANDS\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];
		struct buf usage;

		buf_init(&usage, 8192);
		put_usage(&usage, cmd);
		buf_str(b, ".SS ");
		put_roff(b, buf_cstr(&usage));
		buf_printf(b, "\n%c", cmd->line[0] & ~0x20);
		put_roff(b, cmd->line + 1);
		buf_str(b, ".\n");
		if (cmd->text) {
			put_roff(b, cmd->text);
			buf_char(b, '\n');
		}
		put_man_options(b, cmd->options);
		if (cmd->sections)
			put_man_sections(b, cmd->sections);
		buf_fini(&usage);
	}
	buf_str(b, ".SH OPTIONS OF EVERY COMMAND\n");
	put_man_options(b, cli_globals);
	buf_str(b,
		".SH EXIT STATUS\nThose of sysexits.h: 0 well, 64 wrong words, 65 wrong or missing "
		"data, 69 no server, 70 our mistake, 73 cannot be made, 75 try again later, 78 wrong "
		"configuration.\n.SH SEE ALSO\n.BR yizhan.conf (5)\n");
}

/* ---- completion ---- */

/* The same option means the same words in every command: told once. */
static bool is_told_before(size_t command, const char *option)
{
	for (size_t i = 0; i < command; i++) {
		const struct cli_option *o = cli_commands[i]->options;

		for (size_t k = 0; k < CLI_OPTIONS_MAX && o[k].name; k++) {
			if (o[k].words && strcmp(o[k].name, option) == 0)
				return true;
		}
	}
	return false;
}

static void put_bash_flag_values(struct buf *b, const struct cli_section *s)
{
	for (; s && s->title; s++) {
		for (const struct cli_flag *f = s->flags; f && f->names; f++) {
			struct span first, rest;

			if (!f->words)
				continue;
			span_cut(span_str(f->names), ',', &first, &rest);
			buf_printf(b,
				"\t" SPAN_FMT ") COMPREPLY=($(compgen -W '%s' -- \"$cur\")); "
				"return ;;\n",
				SPAN_ARG(first), f->words);
		}
	}
}

/* Behind an option with words of its own, those words. */
static void put_bash_values(struct buf *b)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_option *o = cli_commands[i]->options;

		for (size_t k = 0; k < CLI_OPTIONS_MAX && o[k].name; k++) {
			if (o[k].words && !is_told_before(i, o[k].name))
				buf_printf(b,
					"\t--%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
					o[k].name, o[k].words);
		}
		put_bash_flag_values(b, cli_commands[i]->sections);
	}
}

/* The long names out of "--to, -t". */
static void put_bash_flags(struct buf *b, const struct cli_section *s)
{
	for (; s && s->title; s++) {
		for (const struct cli_flag *f = s->flags; f && f->names; f++) {
			struct span rest = span_str(f->names), name;

			while (rest.len) {
				span_cut(rest, ',', &name, &rest);
				name = span_trim(name);
				if (span_starts(name, SPAN("--")) && name.len > 2 &&
					span_find(name, ' ') < 0)
					buf_printf(b, SPAN_FMT " ", SPAN_ARG(name));
			}
		}
	}
}

/* Behind a whole command, its options. */
static void put_bash_options(struct buf *b)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];

		buf_printf(b, "\t\"%s\"%s) words=\"", cmd->name, strchr(cmd->name, ' ') ? "" : "*");
		for (size_t k = 0; k < CLI_OPTIONS_MAX && cmd->options[k].name; k++)
			buf_printf(b, "--%s ", cmd->options[k].name);
		put_bash_flags(b, cmd->sections);
		for (size_t k = 0; cli_globals[k].name; k++)
			buf_printf(b, "--%s ", cli_globals[k].name);
		buf_str(b, "\" ;;\n");
	}
}

/* Is it the first command with this first word? */
static bool is_first_of_group(size_t command, size_t len)
{
	return !command ||
		strncmp(cli_commands[command - 1]->name, cli_commands[command]->name, len) != 0;
}

/* Behind one word of a command of two, the second ones; behind none, the first ones. */
static void put_bash_words(struct buf *b)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const char *name = cli_commands[i]->name, *blank = strchr(name, ' ');
		size_t len = blank ? (size_t)(blank - name) + 1 : 0;

		if (!blank || !is_first_of_group(i, len))
			continue;
		buf_printf(b, "\t%.*s) words=\"", (int)len - 1, name);
		for (size_t k = 0; k < cli_command_count; k++) {
			if (strncmp(cli_commands[k]->name, name, len) == 0)
				buf_printf(b, "%s ", cli_commands[k]->name + len);
		}
		buf_str(b, "\" ;;\n");
	}
	buf_str(b, "\t\"\") words=\"");
	for (size_t i = 0; i < cli_command_count; i++) {
		size_t len = strcspn(cli_commands[i]->name, " ");

		if (is_first_of_group(i, len))
			buf_printf(b, "%.*s ", (int)len, cli_commands[i]->name);
	}
	buf_str(b, "\" ;;\n");
}

static void put_bash(struct buf *b)
{
	buf_str(b,
		"# bash completion of yizhan, made by: yizhan help --completion bash\n"
		"_yizhan() {\n\tlocal words=() word i cur=${COMP_WORDS[COMP_CWORD]} "
		"prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tword=${COMP_WORDS[i]}\n"
		"\t\tcase $word in\n\t\t--data|--config) ((i++)) ;;\n\t\t-*) ;;\n"
		"\t\t*) words+=(\"$word\") ;;\n\t\tesac\n\tdone\n"
		"\tcase $prev in\n\t--data) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
		"\t--config) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n");
	put_bash_values(b);
	buf_str(b, "\tesac\n\tcase \"${words[*]:0:2}\" in\n");
	put_bash_options(b);
	put_bash_words(b);
	buf_str(b,
		"\t*) words=\"\" ;;\n\tesac\n"
		"\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
		"complete -o default -F _yizhan yizhan\n");
}

static int print_made(void (*put)(struct buf *b))
{
	struct buf b;

	buf_init(&b, 1024 * 1024);
	put(&b);
	MUST(buf_ok(&b));
	fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
	buf_fini(&b);
	return 0;
}

static int run_help(struct cli_call *c)
{
	bool is_config = c->operand_count && strcmp(c->operands[0], "config") == 0;
	const char *shell = cli_value(c, "completion");

	if (cli_value(c, "man"))
		return print_made(is_config ? config_put_man : put_man);
	if (shell && strcmp(shell, "bash") == 0)
		return print_made(put_bash);
	if (shell && strcmp(shell, "zsh") == 0)
		return print_made(cli_put_zsh);
	if (shell && strcmp(shell, "fish") == 0)
		return print_made(cli_put_fish);
	if (shell)
		return cli_fail(EX_USAGE, "--completion: bash, zsh and fish are what there is");
	if (!c->operand_count)
		return cli_help_all(stdout);
	if (is_config)
		return print_made(config_put_help);

	struct cli_call *asked = ARENA_NEW(c->arena, struct cli_call);
	size_t count = c->operand_count < 3 ? c->operand_count : 3;
	char *words[3] = {NULL};

	for (size_t i = 0; i < count; i++)
		words[i] = arena_str(c->arena, span_str(c->operands[i]));
	for (size_t i = 0; c->operand_count == 1 && i < cli_command_count; i++) {
		size_t len = strlen(words[0]);

		if (strncmp(cli_commands[i]->name, words[0], len) == 0 &&
			cli_commands[i]->name[len] == ' ')
			return cli_help_group(words[0]);
	}
	asked->arena = c->arena;
	int code = cli_find(asked, (int)count, words);
	return code ? code : cli_help(asked->command);
}

const struct cli_command cli_help_command = {
	.name = "help",
	.group = "Help",
	.line = "explain a command, or all settings",
	.operands = {{"COMMAND", NULL, true, true}},
	.options = {{"man", NULL, "as a man page (with \"config\": that of yizhan.conf)"},
		{"completion", "SHELL", "completion for a shell", NULL, false, "bash zsh fish"}},
	.run = run_help,
};

static int run_version(struct cli_call *c)
{
	printf(c->is_json ? "{\"version\":\"%s\"}\n" : "yizhan %s\n", YIZHAN_VERSION);
	return 0;
}

const struct cli_command cli_version = {
	.name = "version",
	.group = "Help",
	.line = "print the version",
	.run = run_version,
};

static int run_bench(struct cli_call *c)
{
	/* its own words: argv[-1] is "bench" itself */
	return cli_bench(c->argc + 1, c->argv - 1);
}

const struct cli_command cli_bench_command = {
	.name = "bench",
	.group = "Measuring",
	.line = "load a server (source) or take mail and drop it (sink)",
	.text = "yizhan bench source --help and yizhan bench sink --help tell more.",
	.run = run_bench,
	.is_hidden_arguments = true,
};
