#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/sendmail_priv.h"

/* The option set of Postfix's sendmail. Letters that mean nothing here pass, as callers expect:
 * nobody's cron may fail because of one. */

#define LETTERS "+A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx"

static const struct cli_flag flags[] = {
	{"-t", NULL, "take recipients from To, Cc and Bcc too; Bcc does not travel", NULL, 0, 0},
	{"-i, -oi", NULL, "a line with a dot alone does not end the message", NULL, 0, 0},
	{"-f, -r", "ADDRESS", "the sender of the envelope; \"\" and \"<>\" are none", NULL, 0, 0},
	{"-F", "NAME", "the name beside it, where From is missing", NULL, 0, 0},
	{"-N", "WHEN[,...]", "report: success, failure, delay, or never", NULL, 0, 0},
	{"-R", "full|hdrs", "what a report brings back", NULL, 0, 0},
	{"-V", "ID", "the id of the envelope in reports", NULL, 0, 0},
	{"-v", NULL, "show the conversation", NULL, 0, 0},
	{"-bm", NULL, "take a message from standard input: the default", NULL, 0, 0},
	{"-bs", NULL,
		"speak SMTP on standard input and output; each message is answered with the "
		"server's own reply",
		NULL, 0, 0},
	{"-bv", NULL, "show which way a message to the recipients would take; send nothing", NULL,
		0, 0},
	{"-bp", NULL, "(mailq) show the queue of the server on this machine", NULL, 0, 0},
	{"-bi, -I", NULL, "(newaliases) nothing is to be done: aliases take effect at once", NULL,
		0, 0},
	{"-C", "FILE", "the file with the smarthost", NULL, 0, 0},
	{"-O", "server=URL", "the smarthost itself", NULL, 0, 0},
	{"-O", "account=NAME", "the account of the file", NULL, 0, 0},
	{"-O", "smtputf8=yes", "say SMTPUTF8 although nothing needs it", NULL, 0, 0},
	{"--", NULL, "recipients follow, also such that begin with \"-\"", NULL, 0, 0},
	{"-A -B -G -L -U -X -c -e -h -m -n -o -p -q -x", NULL, "accepted, and mean nothing here",
		NULL, 0, 0},
	{0},
};

static const struct cli_flag exits[] = {
	{"0", NULL,
		"the message is safe: the server or the smarthost has taken it for all recipients, or it "
		"lies in the drop directory of a server that is down",
		NULL, 0, 0},
	{"64", NULL, "wrong words, or nobody to send it to", NULL, 0, 0},
	{"65", NULL, "the message or an address is wrong", NULL, 0, 0},
	{"67", NULL, "the recipient does not exist", NULL, 0, 0},
	{"68", NULL, "the smarthost's name does not exist", NULL, 0, 0},
	{"69", NULL, "refused for good; or some took it and some did not (standard error tells)",
		NULL, 0, 0},
	{"70", NULL, "our mistake", NULL, 0, 0},
	{"71", NULL, "the operating system refuses", NULL, 0, 0},
	{"73", NULL, "a temporary file could not be made", NULL, 0, 0},
	{"75", NULL,
		"not now: try again later. Also when the connection was lost behind the message",
		NULL, 0, 0},
	{"77", NULL, "the login was refused, or the sender is not ours to use", NULL, 0, 0},
	{"78", NULL, "the configuration is wrong", NULL, 0, 0},
	{0},
};

static const struct cli_section sections[] = {
	{"Options", NULL, flags},
	{"The server of this machine",
		"It takes the message when /etc/yizhan/yizhan.conf is there, $YIZHAN_DATA names its data "
		"directory, or $YIZHAN_SUBMIT its socket. It knows by the system who sends. While it is down "
		"the message is left in its drop directory, which it empties when it is back.",
		NULL},
	{"The smarthost",
		"Where -O or -C names one, or there is no server here. It is an account of -C FILE, else of ~/.config/yizhan/accounts.conf (the one whose "
		"\"from\" is the sender, else the default one), else of " SENDMAIL_CONF
		", else the server on this machine's port 25. The files have the form that yizhan "
		"help send tells.",
		NULL},
	{"Exit status", NULL, exits},
	{0},
};

int sendmail_fail(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sendmail: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

/* ---- words ---- */

static void set_mode(struct sendmail *m, const char *arg)
{
	m->mode = arg[0];
}

static void set_option(struct sendmail *m, const char *arg)
{
	struct span key, value;

	if (!span_cut(span_str(arg), '=', &key, &value))
		return;
	if (span_eq_nocase(key, SPAN("server")))
		m->url = arena_str(m->a, value);
	else if (span_eq_nocase(key, SPAN("account")))
		m->account = arena_str(m->a, value);
	else if (span_eq_nocase(key, SPAN("smtputf8")))
		m->says_utf8 = span_eq_nocase(value, SPAN("yes"));
}

static void take_letter(struct sendmail *m, int letter, const char *arg)
{
	switch (letter) {
	case 'b': set_mode(m, arg); break;
	case 'I': m->mode = 'i'; break;
	case 'f':
	case 'r': m->from = arg; break;
	case 'F': m->full_name = arg; break;
	case 'i': m->ignores_dots = true; break;
	case 'N': m->notify = arg; break;
	case 'R': m->ret = arg; break;
	case 'V': m->envid = arg; break;
	case 'C': m->conf = arg; break;
	case 'O': set_option(m, arg); break;
	case 't': m->reads_rcpts = true; break;
	case 'v': m->is_verbose = true; break;
	case 'q': m->mode = m->mode == 'm' ? 'q' : m->mode; break;
	case 'o':
		if (strcmp(arg, "i") == 0 || strcmp(arg, "iTrue") == 0)
			m->ignores_dots = true;
		else if (arg[0] == 'f' || arg[0] == 'r')
			m->from = arg[1] ? arg + 1 : m->from;
		else if (strcmp(arg, "t") == 0)
			m->reads_rcpts = true;
		break;
	case '?': /* -q without a word */
		if (optopt == 'q')
			m->mode = m->mode == 'm' ? 'q' : m->mode;
		break;
	default: break;
	}
}

static int read_words(struct sendmail *m, int argc, char **argv)
{
	int letter;

	opterr = 0;
	optind = 0; /* a scan of its own, not the program's */
	while ((letter = getopt(argc, argv, LETTERS)) != -1)
		take_letter(m, letter, optarg);
	if (argc - optind > SENDMAIL_WORDS)
		return sendmail_fail(EX_USAGE, "more than %d recipients", SENDMAIL_WORDS);
	m->rcpts = ARENA_ARRAY(m->a, const char *, SEND_RCPTS_MAX);
	for (int i = optind; i < argc; i++) {
		size_t count = 0;
		const char **all = send_addresses(m->a, argv[i], &count);

		if (!count)
			return sendmail_fail(EX_USAGE, "\"%s\" is no recipient", argv[i]);
		if (count > SEND_RCPTS_MAX - m->rcpt_count)
			return sendmail_fail(EX_USAGE, "too many recipients");
		for (size_t k = 0; k < count; k++)
			m->rcpts[m->rcpt_count++] = all[k];
	}
	return 0;
}

/* ---- the smarthost ---- */

static void set_word(struct send_words *w, enum send_id id, const char *arg)
{
	w->values[id] = (struct send_value){.is_set = true, .arg = arg};
}

/* Which file: -C, the user's own, the system's. NULL: none. */
static const char *conf_file(struct sendmail *m)
{
	const char *own = send_config_path(m->a, "accounts.conf");

	if (m->conf)
		return m->conf;
	if (own && access(own, R_OK) == 0)
		return own;
	return access(SENDMAIL_CONF, R_OK) == 0 ? SENDMAIL_CONF : NULL;
}

static const char *station_url(struct sendmail *m)
{
	struct buf *b = arena_buf(m->a, 4096);
	const char *path = m->station->place.socket ? m->station->place.socket : "/nonexistent";

	buf_str(b, "unix:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			buf_printf(b, "%%%02X", (unsigned char)*path);
		else
			buf_char(b, *path);
	}
	return buf_cstr(b);
}

static int make_plan(struct sendmail *m)
{
	struct send_words *w = m->words = ARENA_NEW(m->a, struct send_words);
	const char *file = conf_file(m), *from = m->from;

	w->a = m->a;
	if (m->station)
		set_word(w, SEND_O_URL, station_url(m));
	else if (m->url)
		set_word(w, SEND_O_URL, m->url);
	else if (file)
		set_word(w, SEND_O_ACCOUNTS, file);
	else
		set_word(w, SEND_O_SERVER, "localhost");
	if (m->account)
		set_word(w, SEND_O_ACCOUNT, m->account);
	if (from && from[0])
		set_word(w, SEND_O_FROM, from);
	if (m->notify)
		set_word(w, SEND_O_NOTIFY, m->notify);
	if (m->ret)
		set_word(w, SEND_O_RET, m->ret);
	if (m->envid)
		set_word(w, SEND_O_ENVID, m->envid);
	if (m->says_utf8)
		set_word(w, SEND_O_SMTPUTF8, NULL);
	if (!m->is_verbose)
		set_word(w, SEND_O_SILENT, "3");
	m->plan = ARENA_NEW(m->a, struct send_plan);
	int code = send_plan_make(m->plan, w);
	/* what cron and its like pass on is better sent as it is than not at all */
	m->plan->mail.flags |= YZ_8BIT_ANYWAY;
	if (m->station)
		sendmail_station_plan(m);
	return code == 0 ? 0 : EX_CONFIG;
}

static const char *domain_of(struct sendmail *m)
{
	const struct send_account *a = m->plan->account;
	const char *at = a && a->from ? strrchr(a->from, '@') : NULL, *host;

	if (a && a->domain)
		return a->domain;
	if (at)
		return at + 1;
	host = send_host_name(m->a);
	return host ? host : "localhost";
}

const char *sendmail_qualified(struct sendmail *m, const char *address)
{
	/* the server of this machine says where they are */
	if (m->station)
		return address;
	if (!address[0] || strrchr(address, '@'))
		return address;
	return arena_printf(m->a, "%s@%s", address, domain_of(m));
}

const char *sendmail_from(struct sendmail *m)
{
	const struct send_account *a = m->plan->account;
	size_t count;

	if (m->from) {
		const char **all = send_addresses(m->a, m->from, &count);

		if (!m->from[0] || strcmp(m->from, "<>") == 0)
			return "";
		return sendmail_qualified(m, all && count == 1 ? all[0] : m->from);
	}
	if (m->station)
		return sendmail_login(m);
	if (a && a->from)
		return a->from;
	const char *user = send_default_from(m->a, true), *at = strchr(user, '@');
	return sendmail_qualified(
		m, arena_str(m->a, span_of(user, at ? (size_t)(at - user) : strlen(user))));
}

int sendmail_connect(struct sendmail *m, const struct yz_error **why_r)
{
	int code;

	if (m->talk && yz_is_connected(m->talk->session))
		return 0;
	sendmail_hang_up(m);
	m->talk = ARENA_NEW(m->a, struct send_talk);
	m->talk->plan = m->plan;
	m->talk->screen = m->screen;
	code = send_talk_open(m->talk);
	if (!code && m->station)
		sendmail_station_named(m);
	if (!code)
		return 0;
	if (!m->talk->session)
		return EX_CONFIG;
	const struct yz_error *e = yz_error(m->talk->session);
	if (why_r)
		*why_r = e;
	return sendmail_exit_of(e);
}

void sendmail_hang_up(struct sendmail *m)
{
	if (m->talk)
		send_talk_close(m->talk);
	m->talk = NULL;
}

int sendmail_exit_of(const struct yz_error *e)
{
	if (e->reply && e->reply->code / 100 == 4 && e->code != YZ_E_AUTH)
		return EX_TEMPFAIL;
	switch ((enum yz_err)e->code) {
	case YZ_OK: return EX_OK;
	case YZ_E_INVAL:
	case YZ_E_SIZE:
	case YZ_E_SOURCE: return EX_DATAERR;
	case YZ_E_RESOLVE: return e->is_temporary ? EX_TEMPFAIL : EX_NOHOST;
	case YZ_E_AUTH: return e->is_temporary ? EX_TEMPFAIL : EX_NOPERM;
	case YZ_E_RCPTS: return EX_NOUSER;
	case YZ_E_STATE:
	case YZ_E_LIMIT: return EX_SOFTWARE;
	case YZ_E_SYSTEM: return EX_OSERR;
	case YZ_E_CONNECT:
	case YZ_E_TIMEOUT:
	case YZ_E_CLOSED:
	case YZ_E_UNKNOWN:
	case YZ_E_CANCELLED:
	case YZ_E_AGAIN: return EX_TEMPFAIL;
	case YZ_E_NOTSUPP:
	case YZ_E_TLS:
	case YZ_E_TLS_VERIFY:
	case YZ_E_PROTO:
	case YZ_E_GREETING:
	case YZ_E_HELO:
	case YZ_E_SENDER:
	case YZ_E_DATA:
	case YZ_E_REPLY: break;
	}
	return e->is_temporary ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

/* ---- a message ---- */

/* Each recipient that has not got it is told. All the same fate: its code; some took it: 69, so that
 * nobody sends it to those again. */
int sendmail_tell(struct sendmail *m, const struct yz_txn *t)
{
	const struct yz_error *e = yz_txn_error(t);
	size_t accepted = yz_txn_accepted(t), temporary = 0, unknown = 0, no_user = 0;
	size_t count = yz_txn_count(t);

	for (size_t i = 0; i < count; i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		if (r->outcome == YZ_ACCEPTED)
			continue;
		temporary += r->outcome == YZ_REFUSED_TEMP;
		unknown += r->outcome == YZ_UNKNOWN;
		no_user += r->outcome == YZ_REFUSED_PERM && r->phase == YZ_PHASE_RCPT;
		sendmail_fail(0, "%s: %s", r->path, r->text ? r->text : e->text);
	}
	if (accepted == count)
		return EX_OK;
	if (accepted)
		return sendmail_fail(EX_UNAVAILABLE,
			"%zu of %zu recipients got it: do not send it to them again", accepted,
			count);
	if (unknown || temporary == count)
		return EX_TEMPFAIL;
	if (no_user == count)
		return EX_NOUSER;
	/* RFC 3463: 5.7.x who may, 5.6.x what it is */
	if (m->station && e->reply && e->reply->cls == 5 && e->reply->subject == 7)
		return EX_NOPERM;
	if (m->station && e->reply && e->reply->cls == 5 && e->reply->subject == 6)
		return EX_DATAERR;
	return e->code != YZ_OK ? sendmail_exit_of(e) : EX_UNAVAILABLE;
}

static int deliver(struct sendmail *m, struct send_letter *l)
{
	const struct yz_error *why = NULL;
	int code;

	if (m->station)
		return sendmail_hand_over(m, l);
	code = sendmail_connect(m, &why);
	if (code)
		return sendmail_fail(code, "%s: %s",
			m->plan->pipe           ? m->plan->pipe
				: m->plan->host ? m->plan->host
						: "smarthost",
			why ? why->text : "no connection");
	struct yz_txn *t = send_make_txn(m->talk, l);
	yz_send(t);
	code = sendmail_tell(m, t);
	yz_txn_free(&t);
	return code;
}

static int take_message(struct sendmail *m)
{
	struct send_letter l;
	int code;

	for (size_t i = 0; i < m->rcpt_count; i++)
		m->rcpts[i] = sendmail_qualified(m, m->rcpts[i]);
	if (!m->rcpt_count && !m->reads_rcpts)
		return sendmail_fail(EX_USAGE, "who is it for? name recipients, or say -t");
	code = sendmail_read(m, &l);
	if (!code && !l.rcpt_count)
		code = sendmail_fail(EX_USAGE, "there is no recipient in the message's header");
	if (!code)
		code = deliver(m, &l);
	sendmail_letter_fini(&l);
	return code;
}

static int show_way(struct sendmail *m)
{
	if (!m->rcpt_count)
		return sendmail_fail(EX_USAGE, "-bv: whose way? name recipients");
	for (size_t i = 0; i < m->rcpt_count; i++)
		printf("%s: by %s%s%s%s, from <%s>\n", sendmail_qualified(m, m->rcpts[i]),
			send_plan_shown(m->plan), m->plan->account ? " (account " : "",
			m->plan->account ? m->plan->account->name : "", m->plan->account ? ")" : "",
			sendmail_from(m));
	return 0;
}

/* Where a message goes: what the words say; the server that is configured here; a smarthost; a server that
 * is there all the same; port 25. */
static void find_station(struct cli_call *c, struct sendmail *m)
{
	if (m->url || m->account || m->conf)
		return;
	m->station = sendmail_station(c, m, true);
	if (!m->station && !conf_file(m))
		m->station = sendmail_station(c, m, false);
}

static int run_mode(struct cli_call *c, struct sendmail *m)
{
	int code;

	switch (m->mode) {
	case 'p': return sendmail_queue(c);
	case 'i':
		if (isatty(STDOUT_FILENO))
			puts("Aliases are in the store and take effect at once: yizhan alias list. A "
			     "file like /etc/aliases is read by yizhan alias import.");
		return 0;
	case 'q': return 0;
	case 'm':
	case 's':
	case 'v': break;
	case 'd':
	case 'D':
		return sendmail_fail(
			EX_USAGE, "-b%c: the server is started with yizhan serve", m->mode);
	default: return sendmail_fail(EX_USAGE, "-b%c is not known here", m->mode);
	}
	find_station(c, m);
	code = make_plan(m);
	if (code)
		return code;
	m->screen = send_screen_new(m->words);
	if (!m->screen)
		return EX_CANTCREAT;
	code = m->mode == 's' ? sendmail_speak(m) : m->mode == 'v' ? show_way(m) : take_message(m);
	sendmail_hang_up(m);
	send_screen_free(&m->screen, code);
	send_plan_fini(m->plan);
	return code;
}

static void end_words(void *arg)
{
	struct sendmail *m = arg;

	if (m->words) {
		free(m->words->items);
		free(m->words->operands);
	}
}

static int run(struct cli_call *c)
{
	struct sendmail *m = ARENA_NEW(c->arena, struct sendmail);
	const char *name = c->program ? strrchr(c->program, '/') : NULL;
	int code;

	name = name ? name + 1 : c->program ? c->program : "";
	m->a = c->arena;
	m->mode = strcmp(name, "mailq") == 0 ? 'p' : strcmp(name, "newaliases") == 0 ? 'i' : 'm';
	arena_defer(c->arena, end_words, m);
	if (c->argc == 1 && strcmp(c->argv[0], "--help") == 0)
		return cli_help(c->command);
	/* getopt begins behind the name */
	code = read_words(m, c->argc + 1, c->argv - 1);
	return code ? code : run_mode(c, m);
}

const struct cli_command cli_sendmail = {
	.name = "sendmail",
	.group = "Sending",
	.line = "what programs expect of /usr/sbin/sendmail",
	.text = "Also when the program is called as sendmail, mailq or newaliases.",
	.usage = "[OPTIONS] [ADDRESS...]",
	.run = run,
	.is_hidden_arguments = true,
	.sections = sections,
};
