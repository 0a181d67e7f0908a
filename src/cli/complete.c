/* Completion for zsh and fish, from the rows of the commands as the one for bash (help.c). */

#include <string.h>

#include "cli/cli.h"

/* One row of an option: its long name and what it is for. */
typedef void put_row(struct buf *b, const char *command, struct span name, const char *help,
	const char *words, bool has_arg);

/* Every long name of a command: of its options, of the words it reads itself, of all commands. */
static void each_option(struct buf *b, const struct cli_command *cmd, put_row *put)
{
	for (size_t k = 0; k < CLI_OPTIONS_MAX && cmd->options[k].name; k++)
		put(b, cmd->name, span_str(cmd->options[k].name), cmd->options[k].help,
			cmd->options[k].words, cmd->options[k].arg != NULL);
	for (const struct cli_section *s = cmd->sections; s && s->title; s++) {
		for (const struct cli_flag *f = s->flags; f && f->names; f++) {
			struct span rest = span_str(f->names), name;

			while (rest.len) {
				span_cut(rest, ',', &name, &rest);
				name = span_trim(name);
				/* a row of a table of differences has more words: no option */
				if (span_starts(name, SPAN("--")) && name.len > 2 &&
					span_find(name, ' ') < 0)
					put(b, cmd->name, span_skip(name, 2), f->help, f->words,
						f->arg != NULL);
			}
		}
	}
	for (size_t k = 0; cli_globals[k].name; k++)
		put(b, cmd->name, span_str(cli_globals[k].name), cli_globals[k].help,
			cli_globals[k].words, cli_globals[k].arg != NULL);
}

/* Is it the first command with this first word? */
static bool is_first(size_t command)
{
	size_t len = strcspn(cli_commands[command]->name, " ");

	for (size_t i = 0; i < command; i++) {
		if (strcspn(cli_commands[i]->name, " ") == len &&
			strncmp(cli_commands[i]->name, cli_commands[command]->name, len) == 0)
			return false;
	}
	return true;
}

/* ---- zsh ---- */

/* Within single quotes, as "name:help": a colon of the help is no border, a quote ends nothing. */
static void put_zsh_text(struct buf *b, const char *text)
{
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'')
			buf_str(b, "'\\''");
		else if (*text == ':')
			buf_str(b, "\\:");
		else
			buf_char(b, *text);
	}
}

static void put_zsh_option(struct buf *b, const char *command, struct span name, const char *help,
	const char *words, bool has_arg)
{
	buf_printf(b, "'--" SPAN_FMT ":", SPAN_ARG(name));
	put_zsh_text(b, help);
	buf_str(b, "' ");
}

static void put_zsh_value(struct buf *b, const char *command, struct span name, const char *help,
	const char *words, bool has_arg)
{
	if (words)
		buf_printf(b, "\t\"%s --" SPAN_FMT "\") compadd %s; return ;;\n", command,
			SPAN_ARG(name), words);
}

static void put_zsh_first(struct buf *b)
{
	buf_str(b, "\t\"\") said=(");
	for (size_t i = 0; i < cli_command_count; i++) {
		size_t len = strcspn(cli_commands[i]->name, " ");

		if (!is_first(i))
			continue;
		buf_printf(b, "'%.*s:", (int)len, cli_commands[i]->name);
		put_zsh_text(b,
			cli_commands[i]->name[len] ? cli_commands[i]->group
						   : cli_commands[i]->line);
		buf_str(b, "' ");
	}
	buf_str(b, ") ;;\n");
}

static void put_zsh_second(struct buf *b, size_t of)
{
	size_t len = strcspn(cli_commands[of]->name, " ");

	buf_printf(b, "\t\"%.*s\") said=(", (int)len, cli_commands[of]->name);
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strncmp(cli_commands[i]->name, cli_commands[of]->name, len + 1) != 0)
			continue;
		buf_printf(b, "'%s:", cli_commands[i]->name + len + 1);
		put_zsh_text(b, cli_commands[i]->line);
		buf_str(b, "' ");
	}
	buf_str(b, ") ;;\n");
}

void cli_put_zsh(struct buf *b)
{
	buf_str(b,
		"#compdef yizhan\n# zsh completion of yizhan, made by: yizhan help --completion zsh\n"
		"_yizhan() {\n\tlocal -a plain said\n\tlocal i word key\n"
		"\tfor ((i = 2; i < CURRENT; i++)); do\n\t\tword=$words[i]\n\t\tcase $word in\n"
		"\t\t--data|--config) ((i++)) ;;\n\t\t-*) ;;\n\t\t*) plain+=(\"$word\") ;;\n\t\tesac\n"
		"\tdone\n\tkey=\"${plain[1,2]}\"\n"
		"\tcase $words[CURRENT-1] in\n\t--data) _files -/; return ;;\n"
		"\t--config) _files; return ;;\n\tesac\n"
		"\tcase \"$key $words[CURRENT-1]\" in\n");
	for (size_t i = 0; i < cli_command_count; i++)
		each_option(b, cli_commands[i], put_zsh_value);
	buf_str(b, "\tesac\n\tcase \"$key\" in\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		bool is_pair = strchr(cli_commands[i]->name, ' ') != NULL;

		if (is_pair && is_first(i))
			put_zsh_second(b, i);
		buf_printf(b, "\t\"%s\"%s) said=(", cli_commands[i]->name, is_pair ? "" : "*");
		each_option(b, cli_commands[i], put_zsh_option);
		buf_str(b, ") ;;\n");
	}
	put_zsh_first(b);
	buf_str(b,
		"\tesac\n\t_describe yizhan said || _files\n}\n"
		"if [ \"$funcstack[1]\" = _yizhan ]; then _yizhan \"$@\"; "
		"else compdef _yizhan yizhan; fi\n");
}

/* ---- fish ---- */

static void put_fish_text(struct buf *b, const char *text)
{
	buf_char(b, '\'');
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'' || *text == '\\')
			buf_char(b, '\\');
		buf_char(b, *text);
	}
	buf_char(b, '\'');
}

static void put_fish_option(struct buf *b, const char *command, struct span name, const char *help,
	const char *words, bool has_arg)
{
	buf_printf(b, "complete -c yizhan -n '__yizhan_in %s' -l " SPAN_FMT "%s", command,
		SPAN_ARG(name), has_arg ? " -r" : "");
	if (words)
		buf_printf(b, " -f -a '%s'", words);
	buf_str(b, " -d ");
	put_fish_text(b, help);
	buf_char(b, '\n');
}

static void put_fish_word(struct buf *b, struct span behind, struct span word, const char *help)
{
	buf_printf(b, "complete -c yizhan -f -n '__yizhan_at " SPAN_FMT "' -a '" SPAN_FMT "' -d ",
		SPAN_ARG(behind), SPAN_ARG(word));
	put_fish_text(b, help);
	buf_char(b, '\n');
}

void cli_put_fish(struct buf *b)
{
	buf_str(b,
		"# fish completion of yizhan, made by: yizhan help --completion fish\n"
		"function __yizhan_words\n\tset -l skip 0\n\tfor word in (commandline -opc)[2..-1]\n"
		"\t\tif test $skip = 1\n\t\t\tset skip 0\n\t\t\tcontinue\n\t\tend\n\t\tswitch $word\n"
		"\t\t\tcase --data --config\n\t\t\t\tset skip 1\n\t\t\tcase '-*'\n"
		"\t\t\tcase '*'\n\t\t\t\techo $word\n\t\tend\n\tend\nend\n"
		"function __yizhan_at\n\tset -l said (__yizhan_words)\n\ttest \"$said\" = \"$argv\"\nend\n"
		"function __yizhan_in\n\tset -l said (__yizhan_words)\n"
		"\tset -l n (count $argv)\n\ttest (count $said) -ge $n; or return 1\n"
		"\ttest \"$said[1..$n]\" = \"$argv\"\nend\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *cmd = cli_commands[i];
		struct span first, second;
		bool is_pair = span_cut(span_str(cmd->name), ' ', &first, &second);

		if (is_first(i))
			put_fish_word(b, span_str(""), first, is_pair ? cmd->group : cmd->line);
		if (is_pair)
			put_fish_word(b, first, second, cmd->line);
		each_option(b, cmd, put_fish_option);
	}
}
