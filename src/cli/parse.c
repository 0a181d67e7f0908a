#include <string.h>

#include "base/must.h"
#include "services/host/nearest.h"
#include "cli/cli.h"

/* Options may stand anywhere, as --name VALUE or --name=VALUE, and may be shortened as long as they
 * mean one thing; "--" ends them. */

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != 0;
}

struct found {
	const struct cli_option *option;
	size_t at; /* in its list */
	bool is_global, is_ambiguous;
};

static void look(const struct cli_option *list, struct span name, bool is_global, struct found *f)
{
	for (size_t i = 0; list && list[i].name; i++) {
		struct span full = span_str(list[i].name);

		if (!span_starts(full, name))
			continue;
		bool is_exact = full.len == name.len;
		if (f->option && !is_exact) {
			f->is_ambiguous = true;
			continue;
		}
		*f = (struct found){&list[i], i, is_global, false};
		if (is_exact)
			return;
	}
}

static int unknown_option(const struct cli_command *cmd, struct span name)
{
	struct nearest n;

	nearest_init(&n, name);
	for (size_t i = 0; cmd && i < CLI_OPTIONS_MAX && cmd->options[i].name; i++)
		nearest_offer(&n, cmd->options[i].name);
	for (size_t i = 0; cli_globals[i].name; i++)
		nearest_offer(&n, cli_globals[i].name);
	if (n.best)
		return cli_fail(EX_USAGE, "unknown option --" SPAN_FMT ": did you mean --%s?",
			SPAN_ARG(name), n.best);
	return cli_fail(EX_USAGE, "unknown option --" SPAN_FMT, SPAN_ARG(name));
}

/* The option that a name means: the command's own before the global ones, whole before short. */
static struct found find_option(const struct cli_command *cmd, struct span name)
{
	struct found own = {0}, global = {0};

	if (cmd)
		look(cmd->options, name, false, &own);
	look(cli_globals, name, true, &global);
	if (!global.option || (own.option && strlen(own.option->name) == name.len))
		return own;
	if (own.option && strlen(global.option->name) != name.len)
		global.is_ambiguous = true;
	return global;
}

static int set_global(struct cli_call *c, const struct cli_option *o, const char *text)
{
	int code = 0;

	if (strcmp(o->name, "data") == 0) {
		c->data = text;
	} else if (strcmp(o->name, "config") == 0) {
		c->config = text;
	} else if (strcmp(o->name, "json") == 0) {
		c->is_json = true;
	} else if (strcmp(o->name, "help") == 0) {
		code = c->command ? cli_help(c->command) : cli_help_all(stdout);
		c->command = NULL;
		c->is_done = true;
	} else {
		c->command = &cli_version;
		c->is_done = true;
	}
	return code;
}

/* The value of the option at argv[*at], which moves behind it. */
static int take_value(struct cli_call *c, const struct cli_option *o, const struct span *value,
	char **argv, int *at, const char **text_r)
{
	bool has_value = value != NULL;

	*text_r = "";
	if (o->arg && has_value)
		*text_r = arena_str(c->arena, *value);
	else if (o->arg && argv[*at + 1])
		*text_r = argv[++*at];
	else if (o->arg)
		return cli_fail(EX_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
	else if (has_value)
		return cli_fail(EX_USAGE, "--%s takes no value", o->name);
	(*at)++;
	return 0;
}

/* One option at argv[*at]; *at moves over its value. */
static int take_option(struct cli_call *c, char **argv, int *at)
{
	struct span word = span_str(argv[*at]), name, value;
	const char *text;

	if (strcmp(argv[*at], "-h") == 0)
		word = SPAN("--help");
	if (!span_starts(word, SPAN("--")))
		return cli_fail(EX_USAGE, "unknown option " SPAN_FMT ": options begin with --",
			SPAN_ARG(word));
	bool has_value = span_cut(span_skip(word, 2), '=', &name, &value);
	struct found f = find_option(c->command, name);

	if (!f.option)
		return unknown_option(c->command, name);
	if (f.is_ambiguous)
		return cli_fail(
			EX_USAGE, "--" SPAN_FMT " is short for several options", SPAN_ARG(name));
	int code = take_value(c, f.option, has_value ? &value : NULL, argv, at, &text);
	if (code)
		return code;
	if (f.is_global)
		return set_global(c, f.option, text);
	if (c->values[f.at] && f.option->is_many)
		text = arena_printf(c->arena, "%s\n%s", c->values[f.at], text);
	else if (c->values[f.at])
		return cli_fail(EX_USAGE, "--%s stands twice", f.option->name);
	c->values[f.at] = text;
	return 0;
}

static bool has_word(const char *name, const char *word)
{
	size_t len = strlen(word);

	return strncmp(name, word, len) == 0 && (name[len] == ' ' || name[len] == 0);
}

static int unknown_command(const char *first, const char *second)
{
	struct nearest n;
	struct buf typed;
	bool is_group = false;

	for (size_t i = 0; i < cli_command_count; i++)
		is_group |= has_word(cli_commands[i]->name, first);
	if (is_group && !second) {
		struct buf all;

		buf_init(&all, 1024);
		for (size_t i = 0; i < cli_command_count; i++) {
			if (has_word(cli_commands[i]->name, first))
				buf_printf(&all, "%s%s", buf_len(&all) ? ", " : "",
					cli_commands[i]->name + strlen(first) + 1);
		}
		int code = cli_fail(EX_USAGE, "%s what? %s", first, buf_cstr(&all));
		buf_fini(&all);
		return code;
	}
	buf_init(&typed, 256);
	buf_str(&typed, first);
	if (is_group)
		buf_printf(&typed, " %s", second);
	nearest_init(&n, buf_span(&typed));
	for (size_t i = 0; i < cli_command_count; i++)
		nearest_offer(&n, cli_commands[i]->name);
	/* "quue list": the group alone may be what is near */
	if (!n.best && second && !is_group) {
		buf_printf(&typed, " %s", second);
		nearest_init(&n, buf_span(&typed));
		for (size_t i = 0; i < cli_command_count; i++)
			nearest_offer(&n, cli_commands[i]->name);
	}
	int code = n.best
		? cli_fail(EX_USAGE, "unknown command \"%s\": did you mean \"%s\"?",
			  buf_cstr(&typed), n.best)
		: cli_fail(EX_USAGE, "unknown command \"%s\": see yizhan help", buf_cstr(&typed));
	buf_fini(&typed);
	return code;
}

/* The command that the words name, and how many they are: "queue list", "status", and "list member add"
 * for what is called "list member-add". */
static const struct cli_command *match(const char *const *words, int *count_r)
{
	for (int joined = 0; joined < 2; joined++) {
		for (size_t i = 0; i < cli_command_count; i++) {
			const char *blank = strchr(cli_commands[i]->name, ' ');
			size_t len = words[1] ? strlen(words[1]) : 0;

			*count_r = blank ? 2 + joined : 1;
			if (!has_word(cli_commands[i]->name, words[0]) || (joined && !words[2]))
				continue;
			if (!blank)
				return cli_commands[i];
			if (!words[1] || strncmp(blank + 1, words[1], len) != 0)
				continue;
			if (joined ? blank[1 + len] == '-' && strcmp(blank + 2 + len, words[2]) == 0
				   : !blank[1 + len])
				return cli_commands[i];
		}
	}
	return NULL;
}

int cli_find(struct cli_call *c, int argc, char **argv)
{
	int at = 0, count;

	while (at < argc && is_option(argv[at])) {
		int code = take_option(c, argv, &at);

		if (code || c->is_done)
			return code;
	}
	if (at >= argc) {
		cli_help_all(stderr);
		return EX_USAGE;
	}
	const char *words[3] = {argv[at]};

	for (int i = 1; i < 3 && at + i < argc && !is_option(argv[at + i]); i++)
		words[i] = argv[at + i];
	c->command = match(words, &count);
	if (c->command) {
		at += count;
		c->argc = argc - at;
		c->argv = argv + at;
		return 0;
	}
	/* "queue --help" is help for its commands */
	for (int i = at + 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			c->is_done = true;
			return cli_help_group(argv[at]);
		}
	}
	return unknown_command(words[0], words[1]);
}

static int check_operands(struct cli_call *c)
{
	size_t min = 0, max = 0;
	const struct cli_operand *operands = c->command->operands;

	for (size_t i = 0; i < ARRAY_LEN(c->command->operands) && operands[i].name; i++) {
		min += !operands[i].is_optional;
		max = operands[i].is_many ? CLI_OPERANDS_MAX : max + 1;
		if (c->operand_count < min)
			return cli_fail(EX_USAGE, "%s: %s is missing; see yizhan help %s",
				c->command->name, operands[i].name, c->command->name);
	}
	if (c->operand_count > max)
		return cli_fail(EX_USAGE, "%s: \"%s\" is one word too many; see yizhan help %s",
			c->command->name, c->operands[max], c->command->name);
	return 0;
}

int cli_parse(struct cli_call *c, int argc, char **argv)
{
	bool is_over = false;

	for (int at = 0; at < argc;) {
		if (!is_over && strcmp(argv[at], "--") == 0) {
			is_over = true;
			at++;
		} else if (!is_over && is_option(argv[at])) {
			int code = take_option(c, argv, &at);

			if (code || c->is_done)
				return code;
		} else if (c->operand_count == CLI_OPERANDS_MAX) {
			return cli_fail(EX_USAGE, "more than %d words", CLI_OPERANDS_MAX);
		} else {
			c->operands[c->operand_count++] = argv[at++];
		}
	}
	return check_operands(c);
}
