#pragma once
/* The command line. Each command is one row of data in its own file: name, words, options, what it
 * asks of the server and how the answer is shown. Parser, help, man page and shell completion are
 * made from the rows (help.c). */

#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"
#include "services/json/json_in.h"

#define CLI_OPTIONS_MAX  16
#define CLI_OPERANDS_MAX 1024

struct cli_option {
	const char *name; /* "--" stands in front when typed; NULL ends a list */
	const char *arg;  /* NULL: a switch */
	const char *help;
	const char *key;   /* name in the request, NULL: not sent */
	bool is_number;    /* sent as a number */
	const char *words; /* completion: allowed words */
	bool is_many;      /* may stand several times: its values with an LF between */
};

struct cli_operand {
	const char *name; /* "ADDRESS"; NULL ends a list */
	const char *key;
	bool is_optional;
	bool is_many; /* takes all that follow; sent as an array */
	bool is_number;
};

enum cli_column_kind { CLI_TEXT, CLI_NUMBER, CLI_SIZE, CLI_TIME };
struct cli_column {
	const char *key; /* member of a row; "last.text" looks into an object; NULL ends a list */
	const char *title;
	enum cli_column_kind kind;
};

/* A word of a command that reads its words itself (send, sendmail): help, man page and completion are
 * made of these rows as well. */
struct cli_flag {
	const char *names; /* as typed, the main one first: "--to, -t"; NULL ends a list */
	const char *arg;   /* NULL: a switch; "[N]": may be left out */
	const char *help;
	const char *words; /* completion: allowed words */
	int id;            /* these two are the command's own */
	unsigned bits;
};

struct cli_section {
	const char *title; /* NULL ends a list */
	const char *text;  /* may be NULL; paragraphs are parted by an LF */
	const struct cli_flag *flags;
};

struct cli_call;
struct stream;

struct cli_command {
	const char *name;  /* "queue list" */
	const char *line;  /* one line of help */
	const char *text;  /* more, may be NULL */
	const char *group; /* heading in the overview */
	struct cli_operand operands[3];
	struct cli_option options[CLI_OPTIONS_MAX];
	const char *op;                 /* request, NULL: none */
	bool is_single;                 /* the answer is one object, not a list */
	struct cli_column columns[10];  /* of the table; none: each row as "name: value" lines */
	const char *nothing;            /* said on a terminal when there are no rows */
	int (*run)(struct cli_call *c); /* NULL: send `op`, show the rows */
	/** Check or complete the request before it is sent; may be NULL. An exit code, 0: go on. */
	int (*prepare)(struct cli_call *c, struct json_out *args);
	bool is_hidden_arguments;           /* parses its own words (bench) */
	const char *usage;                  /* behind the name, for those; NULL: nothing */
	const struct cli_section *sections; /* what those words are; NULL: not told */
};

/* A command as it was typed. */
struct cli_call {
	const struct cli_command *command;
	struct arena *arena;
	int argc; /* behind the command's name */
	char **argv;
	const char *values[CLI_OPTIONS_MAX]; /* "" for a given switch, NULL: not given */
	const char *operands[CLI_OPERANDS_MAX];
	size_t operand_count;
	/* global options */
	const char *data, *config;
	const char *program; /* argv[0] */
	bool is_json;
	bool is_done; /* help was shown, or the version is to be */
};

extern const struct cli_command *const cli_commands[];
extern const size_t cli_command_count;
extern const struct cli_option cli_globals[];

/** Completion scripts, from those rows (complete.c). */
void cli_put_zsh(struct buf *b);
void cli_put_fish(struct buf *b);

/** The value of an option ("" for a switch), or NULL when it was not given. */
const char *cli_value(const struct cli_call *c, const char *option);

/* ---- parse.c ---- */
/** Parse the words; on a mistake it is told and an exit code is returned. */
int cli_parse(struct cli_call *c, int argc, char **argv);
/** Find the command at the front of the words (0: none, a mistake has been told). */
int cli_find(struct cli_call *c, int argc, char **argv);

/* ---- client.c: ask the server, or the store when no server runs ---- */
/** One line of an answer; a code other than 0 ends it. */
typedef int cli_line_fn(void *arg, const struct json_in *row);
/** Send a request; `row` for each result. Progress is drawn, an error is told on standard error.
 * Returns an exit code. `cmd` and the object `args` (JSON text). */
int cli_ask(struct cli_call *c, const char *cmd, struct span args, cli_line_fn *row, void *arg);
/** Requests on a stream, one behind the other, with what follows them: `talk` runs as a fiber, on the server's
 * control socket or beside the store itself. Its result is the exit code. */
typedef int cli_talk_fn(void *arg, struct stream *s);
int cli_talk(struct cli_call *c, cli_talk_fn *talk, void *arg);
/** The directory of the server that is meant. NULL: told on standard error. */
const char *cli_data(struct cli_call *c);
/** The configuration file that is meant: --config, or the system's when nothing else is said; NULL: none. */
const char *cli_config_file(const struct cli_call *c);

/* ---- show.c ---- */
struct cli_table;
struct cli_table *cli_table_new(const struct cli_column *columns, bool is_single, bool is_json);
int cli_table_row(void *table, const struct json_in *row); /* a cli_line_fn */
/** Write what is left. `nothing` is said when there was no row. */
void cli_table_free(struct cli_table **t, const char *nothing);
bool cli_is_color(FILE *f);
/** A bar on standard error when that is a terminal; total 0: unknown. done == total clears it. */
void cli_progress(uint64_t done, uint64_t total);

/* ---- account.c ---- */
/** A password: one line of standard input, in the call's arena. An exit code, 0: read. */
int cli_read_password(struct cli_call *c, const char **password_r);
/** "500M", "2G", "4096": octets. An exit code, 0: read. */
int cli_read_size(const char *option, const char *text, uint64_t *octets_r);

/* ---- move*.c ---- */
int cli_mailbox_import(struct cli_call *c);
int cli_mailbox_pull(struct cli_call *c);
int cli_mailbox_export(struct cli_call *c);
int cli_mailbox_undelete(struct cli_call *c);

/* ---- account_import.c ---- */
int cli_account_import(struct cli_call *c);

/* ---- list_import.c ---- */
int cli_list_import(struct cli_call *c);

/* ---- dns.c ---- */
/** A record as it stands in a zone file: TXT in quotes, cut where a string ends (RFC 1035 section 3.3). In
 * `a`. */
const char *cli_zone_line(
	struct arena *a, const char *name, const char *type, const char *publish, char gap);

/* ---- alias_import.c ---- */
int cli_alias_import(struct cli_call *c);

/* ---- errors ---- */
/** "yizhan: …" on standard error; returns the code. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int cli_fail_err(const struct err *e);
int cli_exit_code(const char *err_code_name);

/* ---- help.c ---- */
int cli_help(const struct cli_command *command);
int cli_help_all(FILE *f);
int cli_help_group(const char *group);

extern const struct cli_command cli_serve, cli_status, cli_metrics, cli_help_command, cli_version,
	cli_backup, cli_restore, cli_check, cli_reload, cli_bench_command, cli_probe, cli_send,
	cli_sendmail, cli_init, cli_trace, cli_dns, cli_explain;
extern const struct cli_command cli_forward, cli_recipients;
extern const struct cli_command cli_ban[];
extern const struct cli_command cli_cert[];
extern const struct cli_command cli_queue[], cli_mailbox[], cli_domain[], cli_account[],
	cli_alias[], cli_route[], cli_shape[], cli_tls[], cli_pool[], cli_egress[], cli_login[],
	cli_list[], cli_key[], cli_search[];
