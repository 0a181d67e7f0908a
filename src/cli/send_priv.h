#pragma once
/* `yizhan send`: swaks and msmtp in one, on the public library (include/yizhan.h). In the order of
 * a run: send_options.c (what may be said) → send_words.c (files, environment, command line) →
 * send_account.c (accounts.conf) → send_plan.c (words become the library's options) →
 * send_letter.c (the messages) → send_talk.c (the conversation, stage by stage) → send_screen.c
 * (what is seen of it) → send_result.c (what became of it). send.c holds them together. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <yizhan.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/must.h"
#include "cli/cli.h"

#define SEND_ITEMS_MAX    10000               /* headers, attachments, XCLIENT words */
#define SEND_FILE_MAX     ((size_t)256 << 20) /* octets of a body or attachment held in memory */
#define SEND_HEAD_MAX     ((size_t)4 << 20)   /* of a header section */
#define SEND_OPTIONS_FILE ((size_t)1 << 20)   /* of an options or accounts file */
#define SEND_RCPTS_MAX    100000
#define SEND_LETTERS_MAX  1000000
#define SEND_SECRET_MAX   ((size_t)64 << 10)  /* a password or token */
#define SEND_SHOWN_MAX    ((size_t)256 << 20) /* transcript held back by --silent or --json */

/* ---- exit status: by stage, the numbers of swaks; from 40 on our own ---- */
#define SEND_EXITS(X)                                                                              \
	X(OK, 0, "every recipient was accepted (or the stop that was asked for was reached)")      \
	X(WORDS, 1, "the words, an options file or the accounts file are wrong")                   \
	X(CONNECT, 2, "no server could be found or connected to")                                  \
	X(PIPE, 4, "the command of --pipe could not be read or written")                           \
	X(PIPE_DIED, 5, "the command of --pipe could not be started or ended too early")           \
	X(CLOSED, 6, "the connection was closed or timed out where nothing says it better")        \
	X(NEEDS, 10, "something needed on this machine is missing")                                \
	X(BANNER, 21, "the server does not greet")                                                 \
	X(HELO, 22, "EHLO and HELO were refused")                                                  \
	X(MAIL, 23, "the sender was refused")                                                      \
	X(RCPT, 24, "no recipient was accepted")                                                   \
	X(DATA, 25, "DATA was refused")                                                            \
	X(BODY, 26, "the message was refused behind its last line")                                \
	X(QUIT, 27, "QUIT was answered with an error")                                             \
	X(AUTH, 28, "login failed or was not possible")                                            \
	X(TLS, 29, "TLS could not be had, or its certificate is not to be trusted")                \
	X(PRDR, 30, "PRDR was asked for")                                                          \
	X(HELO_TLS, 32, "EHLO behind STARTTLS was refused")                                        \
	X(XCLIENT, 33, "XCLIENT was refused")                                                      \
	X(HELO_XCLIENT, 34, "EHLO behind XCLIENT was refused")                                     \
	X(PROXY_WORDS, 35, "the words of PROXY are wrong")                                         \
	X(PROXY, 36, "the PROXY header could not be sent")                                         \
	X(SOME, 40, "some recipients were accepted, some were not")                                \
	X(UNKNOWN, 41,                                                                             \
		"the connection was lost behind the message's last line: nobody knows whether it " \
		"was accepted; sending again may double it")                                       \
	X(LACKS, 42,                                                                               \
		"the server lacks what the message needs, or takes none so large; nothing "        \
		"was sent")                                                                        \
	X(SOURCE, 43, "the message could not be read, or not to its end")
enum send_exit {
#define X(id, value, text) SEND_EXIT_##id = value,
	SEND_EXITS(X)
#undef X
};

/* ---- send_options.c: what may be said ---- */
enum send_id {
	/* options files */
	SEND_O_OPTIONS,
	SEND_O_ACCOUNT,
	SEND_O_ACCOUNTS,
	SEND_O_SETUP,
	SEND_O_DNS_SERVER,
	SEND_O_HELP,
	SEND_O_SWAKS_HELP,
	SEND_O_VERSION,
	SEND_O_SUPPORT,
	/* transport */
	SEND_O_SERVER,
	SEND_O_PORT,
	SEND_O_URL,
	SEND_O_MX,
	SEND_O_LOCAL,
	SEND_O_LOCAL_PORT,
	SEND_O_DEVICE,
	SEND_O_4,
	SEND_O_6,
	SEND_O_SOCKET,
	SEND_O_PIPE,
	SEND_O_SOCKS,
	/* protocol */
	SEND_O_TO,
	SEND_O_CC,
	SEND_O_BCC,
	SEND_O_FROM,
	SEND_O_READ_RCPTS,
	SEND_O_HELO,
	SEND_O_QUIT_AFTER,
	SEND_O_DROP_AFTER,
	SEND_O_DROP_SEND,
	SEND_O_TIMEOUT,
	SEND_O_PROTOCOL,
	SEND_O_LMTP,
	SEND_O_PIPELINE,
	SEND_O_PRDR,
	SEND_O_GETPWUID,
	SEND_O_WITHOUT,
	SEND_O_ALL_OR_NOTHING,
	SEND_O_NOTIFY,
	SEND_O_RET,
	SEND_O_ENVID,
	SEND_O_REQUIRETLS,
	SEND_O_SMTPUTF8,
	SEND_O_DELIVER_BY,
	SEND_O_HOLD_FOR,
	SEND_O_PRIORITY,
	SEND_O_MAIL_PARAMS,
	SEND_O_RCPT_PARAMS,
	SEND_O_COUNT,
	/* TLS */
	SEND_O_TLS,
	SEND_O_TLS_OPTIONAL,
	SEND_O_TLS_STRICT,
	SEND_O_TLS_CONNECT,
	SEND_O_TLS_PROTOCOL,
	SEND_O_TLS_CIPHER,
	SEND_O_TLS_SUITES,
	SEND_O_TLS_VERIFY,
	SEND_O_TLS_VERIFY_CA,
	SEND_O_TLS_VERIFY_HOST,
	SEND_O_TLS_TARGET,
	SEND_O_TLS_CA,
	SEND_O_TLS_CERT,
	SEND_O_TLS_KEY,
	SEND_O_TLS_CHAIN,
	SEND_O_TLS_PEER_CERT,
	SEND_O_TLS_PEER_CHAIN,
	SEND_O_TLS_SNI,
	SEND_O_TLS_PIN,
	/* login */
	SEND_O_AUTH,
	SEND_O_AUTH_OPTIONAL,
	SEND_O_AUTH_STRICT,
	SEND_O_USER,
	SEND_O_PASSWORD,
	SEND_O_PASSWORD_COMMAND,
	SEND_O_PASSWORD_FILE,
	SEND_O_KEYRING,
	SEND_O_NETRC,
	SEND_O_TOKEN,
	SEND_O_TOKEN_COMMAND,
	SEND_O_AUTH_EXTRA,
	SEND_O_AUTH_MAP,
	SEND_O_CLEAR_AUTH,
	SEND_O_AUTH_PLAINTEXT,
	SEND_O_AUTH_HIDE,
	/* XCLIENT */
	SEND_O_XCLIENT,
	SEND_O_X_NAME,
	SEND_O_X_ADDR,
	SEND_O_X_PORT,
	SEND_O_X_PROTO,
	SEND_O_X_DESTADDR,
	SEND_O_X_DESTPORT,
	SEND_O_X_HELO,
	SEND_O_X_LOGIN,
	SEND_O_X_REVERSE,
	SEND_O_X_DELIM,
	SEND_O_X_OPTIONAL,
	SEND_O_X_STRICT,
	SEND_O_X_BEFORE_TLS,
	SEND_O_X_NO_VERIFY,
	/* PROXY */
	SEND_O_PROXY,
	SEND_O_PROXY_VERSION,
	SEND_O_PROXY_FAMILY,
	SEND_O_PROXY_COMMAND,
	SEND_O_PROXY_PROTOCOL,
	SEND_O_PROXY_SOURCE,
	SEND_O_PROXY_SOURCE_PORT,
	SEND_O_PROXY_DEST,
	SEND_O_PROXY_DEST_PORT,
	/* message */
	SEND_O_DATA,
	SEND_O_BODY,
	SEND_O_HTML,
	SEND_O_ATTACH,
	SEND_O_ATTACH_BODY,
	SEND_O_ATTACH_TYPE,
	SEND_O_ATTACH_NAME,
	SEND_O_HEADER,
	SEND_O_ADD_HEADER,
	SEND_O_SUBJECT,
	SEND_O_MBOX,
	SEND_O_NO_FIXUP,
	SEND_O_NO_STRIP,
	SEND_O_DUMP_BODY,
	SEND_O_DUMP_BODY_PW,
	SEND_O_LINE_ENDS,
	/* output */
	SEND_O_JSON,
	SEND_O_TRANSCRIPT,
	SEND_O_DRY_RUN,
	SEND_O_QUIET,
	SEND_O_SILENT,
	SEND_O_SHOW_DATA,
	SEND_O_NO_DATA,
	SEND_O_LAPSE,
	SEND_O_COLOR,
	SEND_O_SECRETS,
	SEND_O_NO_HINTS,
	SEND_O_NO_INFO_HINTS,
	SEND_O_NO_SEND_HINTS,
	SEND_O_NO_RECV_HINTS,
	SEND_O_HIDE_RECV,
	SEND_O_HIDE_SEND,
	SEND_O_HIDE_INFO,
	SEND_O_HIDE_ALL,
	SEND_O_RAW,
	SEND_O_OUTPUT,
	SEND_O_OUTPUT_OUT,
	SEND_O_OUTPUT_ERR,
	SEND_O_PROTECT,
	SEND_O_DUMP_MAIL,
	SEND_O_DUMP,
	SEND_O_NO_PROGRESS,
	SEND_OPTION_COUNT
};

enum send_bit {
	SEND_MAY = 1,      /* takes the next word unless that begins with "-" (and is not "-") */
	SEND_ARG = 2,      /* takes the next word whatever it is */
	SEND_PROMPT = 4,   /* asked for on the terminal when the word is missing */
	SEND_HIDDEN = 8,   /* typed without echo */
	SEND_LIST = 16,    /* each one counts, in order */
	SEND_CONTENT = 32, /* "-": standard input; "@FILE": the file's octets; "@@…": "@…" */
	SEND_ADDS_UP = 64, /* a second one is added behind a comma */
};
extern const struct cli_section send_sections[];
const struct cli_flag *send_flag(int id);
/** The table of names that swaks users look for. */
int send_print_swaks_help(void);

/* ---- send_words.c ---- */
struct send_value {
	bool is_set;
	bool is_negated; /* --no-NAME was the last that was said of it */
	const char *arg; /* NULL: none was given */
};
struct send_item {
	int id;
	const char *arg; /* NULL: none was given */
};
struct send_words {
	struct arena *a;    /* of the letter under way, else the same as `keep` */
	struct arena *keep; /* of the run */
	struct send_value values[SEND_OPTION_COUNT];
	struct send_item *items; /* the SEND_LIST ones, in order */
	size_t item_count, item_room;
	const char **operands;
	size_t operand_count, operand_room;
	struct span in; /* standard input when an option asked for it; ptr NULL: not read */
};
/** From the options file, the environment and the command line, each over the one before. 0, or an
 * exit status when a mistake has been told. */
int send_words_read(struct send_words *w, int argc, char **argv);
static inline bool send_has(const struct send_words *w, enum send_id id)
{
	return w->values[id].is_set;
}
static inline const char *send_arg(const struct send_words *w, enum send_id id)
{
	return w->values[id].is_set ? w->values[id].arg : NULL;
}
/** Ask on the terminal what SEND_PROMPT options lack. */
int send_words_ask(struct send_words *w);
/** A line from the terminal into the arena; NULL: there is no terminal, or its end. */
char *send_ask(struct arena *a, const char *what, bool is_hidden);
/** The octets meant by a SEND_CONTENT value; `file_r` (may be NULL) gets the file's name. */
int send_content(struct send_words *w, const char *arg, struct span *octets_r, const char **file_r);
/** All of a file ("-": standard input); told on failure. */
int send_read_file(struct arena *a, const char *path, size_t max, struct span *octets_r);
/** $XDG_CONFIG_HOME/yizhan/NAME or ~/.config/yizhan/NAME; NULL: no home. */
const char *send_config_path(struct arena *a, const char *name);

/* ---- send_account.c: accounts.conf ---- */
struct send_account {
	const char *name;
	const char *host, *socket;
	const char *protocol; /* smtp, lmtp */
	int port;             /* 0: by tls */
	const char *tls;      /* "starttls", "tls", "optional", "off"; NULL: by port */
	bool is_unverified;
	const char *ca, *cert, *key, *pin;
	const char *user, *password, *password_command, *token_command;
	bool uses_keyring;
	const char *auth; /* mechanisms; "off" */
	const char *from, *name_shown, *domain;
	const char *helo, *local, *socks;
	const char *notify, *ret;
	int64_t timeout_ms;
	const char *file; /* it stands in, and where */
	unsigned line;
};
/** The account `name`, or (NULL) the default one; *account_r NULL: there is no file, or no default.
 * 0, or an exit status when a mistake has been told: "FILE:LINE: …". `file` NULL: the user's. */
int send_account_find(
	struct arena *a, const char *file, const char *name, const struct send_account **account_r);
/** Of the account that sends for `from`; NULL when none has that address. */
int send_account_for(
	struct arena *a, const char *file, const char *from, const struct send_account **account_r);
/** Write a section at the end of the file (made with mode 0600). An exit status. */
int send_account_add(struct arena *a, const char *file, const struct send_account *account);
/** The words that may stand in a section, for the manual. */
extern const struct cli_flag send_account_keys[];

/* ---- send_secret.c ---- */
struct send_secrets {
	struct arena *a;
	const char *password, *password_command, *password_file, *token, *token_command;
	const char *host;
	bool uses_keyring, uses_netrc, asks;
	struct buf got; /* of a command, file or prompt; wiped at the end */
};
/** yz_options.secret */
int send_secret(void *arg, const char *what, const char *user, char *to, size_t n);
void send_secrets_fini(struct send_secrets *s);
/** login and password of a host out of ~/.netrc; false: it is not there. */
bool send_netrc(struct arena *a, const char *host, const char **user_r, const char **password_r);

/* ---- send_setup.c ---- */
int send_setup(struct send_words *w, const char *address);

/* ---- send_plan.c: what is to be done ---- */
enum send_stop {
	SEND_STOP_NONE,
	SEND_STOP_BANNER,
	SEND_STOP_FIRST_HELO,
	SEND_STOP_XCLIENT,
	SEND_STOP_TLS,
	SEND_STOP_HELO,
	SEND_STOP_AUTH,
	SEND_STOP_MAIL,
	SEND_STOP_RCPT,
	SEND_STOP_DATA,
	SEND_STOP_DOT
};
enum send_need { SEND_NEVER, SEND_OPTIONAL, SEND_STRICT, SEND_REQUIRED };

struct send_plan {
	struct arena *a;
	struct send_words *words;
	const struct send_account *account; /* NULL: none */
	const char *url;                    /* NULL with a pipe */
	const char *shown_url;              /* --url without its login; NULL: url */
	bool has_url_login;
	const char *pipe;
	const char *raw_proxy; /* --proxy: sent as it is */
	const char *host;      /* for TLS and screens */
	bool is_lmtp, is_helo_only;
	struct yz_options options;
	struct yz_tls_options tls_options;
	struct yz_resolver resolver;
	struct send_secrets secrets;
	enum send_need tls, auth, xclient;
	bool is_tls_at_once;
	bool checks_ca_only, checks_host_only;
	const char *host_name_checked;
	enum send_stop quit_after, drop_after, drop_after_send;
	const char **xclients; /* arguments of each XCLIENT command */
	size_t xclient_count;
	bool is_xclient_checked, is_xclient_first;
	struct yz_mail_params mail;
	struct yz_rcpt_params rcpt;
	enum yz_eol eol;
	const char *mechanisms;             /* as the library wants them; NULL: all */
	const char *auth_alias, *auth_base; /* --auth-map */
};
int send_plan_make(struct send_plan *p, struct send_words *w);
/** The server as it may be shown. */
const char *send_plan_shown(const struct send_plan *p);
void send_plan_fini(struct send_plan *p);
/** What --dump prints; lives in the plan's arena. */
struct span send_dump_text(struct send_plan *p, bool shows_passwords);
/** The sender that is meant where nothing is said: $LOGNAME at this machine. */
const char *send_default_from(struct arena *a, bool is_getpwuid);
/** This machine's full name, or NULL. */
const char *send_host_name(struct arena *a);

/* ---- send_letter.c ---- */
struct send_letter {
	const char *label; /* "FILE", "FILE: message 3"; NULL: made here */
	const char *from;
	const char **rcpts;
	size_t rcpt_count;
	struct buf text; /* header section, and the body or its beginning */
	int fd;          /* where the rest comes from; -1: there is none */
	int64_t rest;    /* octets there; -1: not known */
	off_t rest_from; /* in a file that can be rewound; -1 */
	off_t at;
	size_t read;    /* of text */
	bool is_at_end; /* all has been read */
};
struct send_letters {
	struct send_plan *plan;
	struct arena *a;  /* what the letter is made of */
	size_t at, count; /* of files; 1 when the message is made here */
	size_t times;     /* --count */
	const char *mbox_name;
	struct span mbox;
	size_t mbox_at, mbox_number;
	struct send_letter now;
};
int send_letters_begin(struct send_letters *l, struct send_plan *p);
/** The next one, or NULL with *code_r 0 at the end. Lives until the next call. */
struct send_letter *send_letters_next(struct send_letters *l, int *code_r);
void send_letters_end(struct send_letters *l);
/** May be called once a letter is there. */
void send_letter_source(struct send_letter *l, struct yz_source *source_r);
int64_t send_letter_size(const struct send_letter *l); /* -1: not known */

/* ---- send_head.c: a header section as text, and what is changed in it ---- */
/** The section of `message` up to and with its empty line (all of it when there is none). */
struct span send_head_of(struct span message);
bool send_head_has(struct span head, const char *name);
/** Take all fields of that name out. */
void send_head_remove(struct buf *head, const char *name);
/** Replace the first field of the same name, or add it before the empty line. `field` is
 * "Name: value", in UTF-8; encoded words are made where they must. */
int send_head_set(struct arena *a, struct buf *head, const char *field);
int send_head_add(struct arena *a, struct buf *head, const char *field);
/** Date, Message-ID and From where they are missing; Bcc goes. */
void send_head_complete(struct arena *a, struct buf *head, const char *from, const char *name);
struct send_envelope {
	const char *from; /* "" when none is told */
	const char **rcpts;
	size_t rcpt_count;
};
/** Who it is for, by the header. An exit status of sysexits when that cannot be told. */
int send_head_envelope(struct arena *a, struct span head, struct send_envelope *env_r);
/** The value of From: "Name <address>", or "<address>". */
const char *send_from_field(struct arena *a, const char *address, const char *name);
/** A Message-ID with its angle brackets. */
const char *send_message_id(struct arena *a);
/** The addresses in a list as people write them: "A <a@b>, c@d". NULL: malformed, told. */
const char **send_addresses(struct arena *a, const char *list, size_t *count_r);

/* ---- send_mime.c: text, HTML and attachments ---- */
/** Does anything ask for more than plain ASCII text? */
bool send_mime_is_needed(struct send_words *w, struct span body);
/** `fields` gets the MIME fields, `body` what follows the empty line. */
int send_mime_make(struct send_words *w, struct span body, struct buf *fields, struct buf *out);

/* ---- send_screen.c: what is seen of it ---- */
struct send_screen;
/** NULL: a mistake (an output file) has been told. */
struct send_screen *send_screen_new(struct send_words *w);
/** All is over: what --silent held back is shown when `code` asks for it. */
void send_screen_free(struct send_screen **s, int code);
/** A yz_trace_fn, and its flags. */
void send_screen_trace(void *screen, const struct yz_trace_event *event);
unsigned send_screen_trace_flags(const struct send_screen *s);
/** "=== text" and "*** text" */
void send_say(struct send_screen *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void send_complain(struct send_screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** TLS facts of the session. */
void send_screen_tls(struct send_screen *s, const struct yz_session *session);
/** What became of a message; `is_one`: the only one. */
void send_screen_results(struct send_screen *s, const struct send_letter *letter,
	const struct yz_txn *t, int64_t took_ns);
/** A yz_txn_progress callback. */
void send_screen_progress(void *screen, uint64_t sent, int64_t of);
/** Octets as they are, to where the rest goes. */
void send_screen_raw(struct send_screen *s, struct span octets);
/** The transcript as a JSON array. */
void send_screen_put_transcript(struct send_screen *s, struct json_out *j);
bool send_screen_is_json(const struct send_screen *s);
/** Has any of a message gone out? */
bool send_screen_saw_data(const struct send_screen *s);

/* ---- send_talk.c: the conversation, stage by stage ---- */
struct send_talk {
	struct send_plan *plan;
	struct send_screen *screen;
	struct yz_ctx *ctx;
	struct yz_session *session;
	struct send_pipe *pipe;
	struct send_letters letters;
	int code;
	bool is_over; /* a stop was reached, or an error ended it */
	size_t accepted, refused, unknown;
	struct json_out *json; /* NULL: none is wanted */
	int64_t began_ns;
};
/** All of it. An exit status; with `json` the members of the result's object are put there. */
int send_talk_run(struct send_plan *p, struct send_screen *screen, struct json_out *json);
/** The parts of that, for sendmail: up to the login; a letter's transaction; QUIT (true: a pipe's
 * command could not be started). An exit status of `send`. */
int send_talk_open(struct send_talk *t);
struct yz_txn *send_make_txn(struct send_talk *t, struct send_letter *l);
bool send_talk_close(struct send_talk *t);
/** One letter by MAIL, RCPT, DATA step by step, for the stops. An exit status. */
int send_steps(struct send_talk *t, struct send_letter *l);
/** XCLIENT and the EHLO behind it; login under another name. */
int send_xclient(struct send_talk *t);
int send_login(struct send_talk *t);

/* ---- send_pipe.c: a command as the server ---- */
struct send_pipe;
struct send_pipe *send_pipe_start(const char *command, struct err *e);
void send_pipe_transport(struct send_pipe *p, struct yz_transport *t_r);
/** Wait for the command; true: it could not be started. */
bool send_pipe_end(struct send_pipe **p);
/** A connection of our own, with `head` sent at once. */
struct send_pipe *send_pipe_connect(const char *url, int family, struct span head, struct err *e);

/* ---- send_result.c: what became of it ---- */
/** The exit status that an error stands for. */
int send_exit_of(const struct yz_error *e);
/** What somebody might do about it; NULL: nothing to say. */
const char *send_advice(int err, const struct yz_reply *reply, enum yz_outcome outcome);
void send_put_reply(struct json_out *j, const char *key, const struct yz_reply *r);
void send_put_txn(
	struct json_out *j, const struct send_letter *l, const struct yz_txn *t, int64_t took_ns);
void send_put_session(struct json_out *j, const struct yz_session *s);
void send_put_error(struct json_out *j, const struct yz_error *e);

/* ---- send_cert.c ---- */
/** Does the certificate stand for that name (RFC 6125)? */
bool send_cert_is_for(const char *pem, const char *name);

/* words of DSN: 0, or -1 when they are none */
int send_plan_notify(const char *text, unsigned *notify_r);
int send_plan_ret(const char *text, enum yz_ret *ret_r);
