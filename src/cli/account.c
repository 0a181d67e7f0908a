#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/send_priv.h"

/* account: who has a mailbox here, what he logs in with, under what he writes (docs/accounts.md). */

#define PASSWORD_LINE_MAX 1024
#define PEM_FILE_MAX      (64 * 1024)

static int read_password_line(
	struct cli_call *c, FILE *f, const char *name, const char **password_r)
{
	char *line = arena_alloc(c->arena, PASSWORD_LINE_MAX + 2);

	if (!fgets(line, PASSWORD_LINE_MAX + 1, f) || strlen(line) == PASSWORD_LINE_MAX)
		return cli_fail(EX_USAGE, "%s has no password of at most %d octets", name,
			PASSWORD_LINE_MAX - 1);
	line[strcspn(line, "\r\n")] = 0;
	*password_r = line;
	return line[0] ? 0 : cli_fail(EX_USAGE, "the password is empty");
}

int cli_read_password(struct cli_call *c, const char **password_r)
{
	return read_password_line(c, stdin, "standard input", password_r);
}

static int read_password_file(struct cli_call *c, const char *name, const char **password_r)
{
	FILE *f = fopen(name, "re");
	int code;

	if (!f)
		return cli_fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	code = read_password_line(c, f, name, password_r);
	fclose(f);
	return code;
}

/* Asked twice: what was mistyped unseen would keep its owner out. */
static int ask_password(struct cli_call *c, const char **password_r)
{
	char *first = send_ask(c->arena, "New password", true), *again;

	if (!first)
		return cli_fail(EX_USAGE,
			"there is no terminal to ask on: say --password-stdin, --password-file or "
			"--generate");
	if (!first[0])
		return cli_fail(EX_USAGE, "the password is empty");
	again = send_ask(c->arena, "The same again", true);
	if (!again || strcmp(first, again) != 0)
		return cli_fail(EX_USAGE, "the two are not the same; nothing was changed");
	*password_r = first;
	return 0;
}

int cli_read_size(const char *option, const char *text, uint64_t *octets_r)
{
	struct span s = span_str(text);
	const char *units = "KMGT", *unit = s.len ? strchr(units, s.ptr[s.len - 1] & ~0x20) : NULL;
	int shift = unit && *unit ? (int)(unit - units + 1) * 10 : 0;

	if (shift)
		s.len--;
	if (!span_u64_max(s, (uint64_t)INT64_MAX >> shift, octets_r))
		return cli_fail(EX_USAGE, "--%s: \"%s\" is no size (500M, 2G)", option, text);
	*octets_r <<= shift;
	return 0;
}

/* What was said with an option that not each of the commands here has. */
static const char *said(const struct cli_call *c, const char *option)
{
	for (size_t i = 0; i < CLI_OPTIONS_MAX && c->command->options[i].name; i++)
		if (strcmp(c->command->options[i].name, option) == 0)
			return cli_value(c, option);
	return NULL;
}

/* The password that the options say; NULL: none does. */
static int said_password(struct cli_call *c, const char **password_r)
{
	int ways = !!said(c, "password") + !!said(c, "password-stdin") +
		!!said(c, "password-file") + !!said(c, "generate") + !!said(c, "no-password") +
		!!said(c, "new-password") + !!said(c, "none");

	*password_r = said(c, "password");
	if (ways > 1)
		return cli_fail(EX_USAGE, "one way to say the password is enough");
	if (said(c, "password-stdin"))
		return cli_read_password(c, password_r);
	if (said(c, "password-file"))
		return read_password_file(c, said(c, "password-file"), password_r);
	return 0;
}

static int put_words(struct cli_call *c, struct json_out *args)
{
	const char *copy = cli_value(c, "sent-copy");
	uint64_t quota;

	if (cli_value(c, "quota")) {
		int code = cli_read_size("quota", cli_value(c, "quota"), &quota);

		if (code)
			return code;
		json_kv_u64(args, "quota", quota);
	}
	if (copy && strcmp(copy, "yes") != 0 && strcmp(copy, "no") != 0)
		return cli_fail(EX_USAGE, "--sent-copy yes or no?");
	if (copy)
		json_kv_bool(args, "sent_copy", strcmp(copy, "yes") == 0);
	return 0;
}

static int prepare_account(struct cli_call *c, struct json_out *args)
{
	bool is_add = strcmp(c->command->name, "account add") == 0;
	const char *kind = is_add ? cli_value(c, "kind") : NULL, *password;
	bool is_person = !kind || strcmp(kind, "person") == 0;
	int code = said_password(c, &password);

	if (code)
		return code;
	if (password)
		json_kv_str(args, "password", password);
	else if (is_add ? is_person && !cli_value(c, "no-password")
			: cli_value(c, "new-password") != NULL)
		json_kv_bool(args, "make_password", true);
	if (!is_add && cli_value(c, "suspend") && cli_value(c, "resume"))
		return cli_fail(EX_USAGE, "--suspend or --resume?");
	if (!is_add && (cli_value(c, "suspend") || cli_value(c, "resume")))
		json_kv_bool(args, "suspended", cli_value(c, "suspend") != NULL);
	return put_words(c, args);
}

static int prepare_password(struct cli_call *c, struct json_out *args)
{
	const char *password;
	int code = said_password(c, &password);

	if (code)
		return code;
	if (!password && !cli_value(c, "generate") && !cli_value(c, "none"))
		code = ask_password(c, &password);
	if (code)
		return code;
	if (password)
		json_kv_str(args, "password", password);
	else if (cli_value(c, "generate"))
		json_kv_bool(args, "make_password", true);
	else
		json_kv_bool(args, "none", true);
	return 0;
}

/* A certificate's file, or the pin of its key. */
static int prepare_certificate(struct cli_call *c, struct json_out *args)
{
	const char *file = c->operand_count > 1 ? c->operands[1] : NULL, *pin = cli_value(c, "pin");
	struct buf pem;
	int ch, code = 0;
	FILE *f;

	if (!file == !pin)
		return cli_fail(EX_USAGE, "FILE with the certificate (PEM), or --pin SHA256");
	if (pin)
		return 0;
	f = fopen(file, "re");
	if (!f)
		return cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	buf_init(&pem, PEM_FILE_MAX);
	while ((ch = getc(f)) != EOF && buf_ok(&pem))
		buf_char(&pem, (char)ch);
	fclose(f);
	if (buf_ok(&pem))
		json_kv_span(args, "pem", buf_span(&pem));
	else
		code = cli_fail(EX_DATAERR, "%s is too long for a certificate", file);
	buf_fini(&pem);
	return code;
}

#define PASSWORD_OPTIONS                                                                           \
	{"password-stdin", NULL, "the password is a line of standard input"},                      \
		{"password-file", "FILE", "the password is the first line of a file"},             \
	{                                                                                          \
		"password", "TEXT", "the password (other users may see it while this runs)"        \
	}
#define ACCOUNT_OPTIONS                                                                               \
	{"name", "TEXT", "its owner's name", "name"},                                                 \
		{"quota", "SIZE", "at most this much mail; 0: any"},                                  \
		{"quota-messages", "N", "at most so many messages; 0: any", "quota_messages",         \
			true},                                                                        \
		{"rate", "RATE",                                                                      \
			"messages it may send: \"100/1h\", none, default (as the configuration "      \
			"says)",                                                                      \
			"rate"},                                                                      \
		{"recipient-rate", "RATE", "recipients it may send to, likewise",                     \
			"recipient_rate"},                                                            \
		{"sent-copy", "yes|no", "put what it sends into its folder Sent", NULL, false,        \
			"yes no"},                                                                    \
		{"protocols", "WORDS",                                                                \
			"what it may use: submit, imap, pop3, sieve, web, commas between; all, none", \
			"protocols"},                                                                 \
		{"imap-without", "NAMES",                                                             \
			"capabilities of IMAP that it is not told of, commas between; none",          \
			"imap_without"},                                                              \
		{"system-user", "NAME",                                                               \
			"the user of this machine whose mail is sent as this account; none",          \
			"system_user"},                                                               \
		PASSWORD_OPTIONS
#define FORCE                                                                                      \
	{                                                                                          \
		"force-reserved", NULL, "also a reserved name (postmaster, abuse, …)",             \
			"force_reserved"                                                           \
	}
#define ADDRESS                                                                                    \
	{                                                                                          \
		"ADDRESS", "address"                                                               \
	}
#define RIGHTS_OPTION                                                                              \
	{                                                                                          \
		"rights", "WORDS",                                                                 \
			"read, write, send-as, receive, manage, all; commas between. A team's "    \
			"member gets read,write,send-as, a group's receive when nothing is said",  \
			"rights"                                                                   \
	}
#define GROUP "Accounts"

const struct cli_command cli_account[] = {
	{
		.name = "account add",
		.group = GROUP,
		.line = "make an account with a mailbox",
		.text = "Without a word about the password one is made and shown. A team is a mailbox of "
			"several, a group an address whose mail its members get; nobody logs in as "
			"them, and members are added with yizhan account member add.",
		.operands = {ADDRESS},
		.options = {ACCOUNT_OPTIONS, {"no-password", NULL, "nobody can log in"},
			{"kind", "KIND", "person, team, group", "kind", false, "person team group"},
			FORCE},
		.op = "account.add",
		.is_single = true,
		.prepare = prepare_account,
	},
	{
		.name = "account set",
		.group = GROUP,
		.line = "change an account",
		.operands = {ADDRESS},
		.options = {ACCOUNT_OPTIONS, {"new-password", NULL, "make one and show it"},
			{"suspend", NULL, "take no mail and let nobody in"},
			{"resume", NULL, "the opposite"}},
		.op = "account.set",
		.is_single = true,
		.prepare = prepare_account,
	},
	{
		.name = "account remove",
		.group = GROUP,
		.line = "remove an account and, after a grace time, all its mail",
		.text = "At once its mail is refused and nobody logs in. Until the grace time is over "
			"(accounts { grace = 30d } in the configuration) yizhan account restore brings it "
			"back as it was.",
		.operands = {ADDRESS},
		.options = {{"now", NULL, "gone for good at once", "now"}},
		.op = "account.remove",
		.is_single = true,
	},
	{
		.name = "account restore",
		.group = GROUP,
		.line = "bring a removed account back",
		.operands = {ADDRESS},
		.op = "account.restore",
		.is_single = true,
	},
	{
		.name = "account list",
		.group = GROUP,
		.line = "list the accounts",
		.text = "ROOM is \"warn\" from 80 % of the quota on and \"full\" at 100 %.",
		.operands = {{"DOMAIN", "domain", true}},
		.op = "account.list",
		.columns = {{"address", "ADDRESS"}, {"kind", "KIND"}, {"name", "NAME"},
			{"state", "STATE"}, {"messages", "MESSAGES", CLI_NUMBER},
			{"size", "SIZE", CLI_SIZE}, {"quota", "QUOTA", CLI_SIZE}, {"room", "ROOM"},
			{"unicode", "AS WRITTEN"}},
		.nothing = "No accounts: yizhan account add ADDRESS",
	},
	{
		.name = "account show",
		.group = GROUP,
		.line = "show all of an account but its mail",
		.operands = {ADDRESS},
		.op = "account.show",
		.is_single = true,
	},
	{
		.name = "account suspend",
		.group = GROUP,
		.line = "take no mail for an account and let nobody in",
		.operands = {ADDRESS},
		.options = {{"reason", "TEXT", "why; shown by account show", "reason"}},
		.op = "account.suspend",
		.is_single = true,
	},
	{
		.name = "account resume",
		.group = GROUP,
		.line = "end a suspension",
		.operands = {ADDRESS},
		.op = "account.resume",
		.is_single = true,
	},
	{
		.name = "account password",
		.group = GROUP,
		.line = "give an account another password",
		.text = "It is asked for twice when no option says it. All sessions of the account end.",
		.operands = {ADDRESS},
		.options = {PASSWORD_OPTIONS, {"generate", NULL, "make one and show it once"},
			{"none", NULL, "nobody can log in"}},
		.op = "account.password",
		.is_single = true,
		.prepare = prepare_password,
	},
	{
		.name = "account rename",
		.group = GROUP,
		.line = "give an account another address",
		.text = "The old one stays as a further address unless --drop-old is said.",
		.operands = {ADDRESS, {"NEW", "to"}},
		.options = {{"drop-old", NULL, "mail for the old one is refused", "drop_old"},
			FORCE},
		.op = "account.rename",
		.is_single = true,
	},
	{
		.name = "account import",
		.group = GROUP,
		.line = "make accounts from a file with password hashes",
		.text = "Lines are \"alice@our.example:{SSHA}…\" (Dovecot's passwd-file), \"alice:$6$…:…\" "
			"(/etc/shadow, with --domain), or CSV: address,hash,name,quota. What begins with "
			"# is a comment. FILE - is standard input. A hash serves until the first login with "
			"the password; which are known: docs/accounts.md. A line that cannot be taken is told "
			"with its number and passed over; the exit code is then 65.",
		.operands = {{"FILE", NULL}},
		.options = {{"domain", "DOMAIN", "of names without one"},
			{"dry-run", NULL, "only look"},
			{"existing", NULL, "change accounts that are there, make none"}, FORCE},
		.run = cli_account_import,
	},
	{
		.name = "account address-add",
		.group = GROUP,
		.line = "give an account a further address",
		.operands = {ADDRESS, {"FURTHER", "further"}},
		.options = {FORCE},
		.op = "account.address_add",
		.is_single = true,
	},
	{
		.name = "account address-remove",
		.group = GROUP,
		.line = "take a further address away",
		.operands = {ADDRESS, {"FURTHER", "further"}},
		.op = "account.address_remove",
		.is_single = true,
	},
	{
		.name = "account member-add",
		.group = GROUP,
		.line = "make an account a member of a team or group",
		.operands = {ADDRESS, {"MEMBER", "member"}},
		.options = {RIGHTS_OPTION},
		.op = "account.member_add",
		.is_single = true,
	},
	{
		.name = "account member-set",
		.group = GROUP,
		.line = "change what a member may do",
		.operands = {ADDRESS, {"MEMBER", "member"}},
		.options = {RIGHTS_OPTION},
		.op = "account.member_set",
		.is_single = true,
	},
	{
		.name = "account member-remove",
		.group = GROUP,
		.line = "end a membership",
		.operands = {ADDRESS, {"MEMBER", "member"}},
		.op = "account.member_remove",
		.is_single = true,
	},
	{
		.name = "account member-list",
		.group = GROUP,
		.line = "list the members of a team or group",
		.operands = {ADDRESS},
		.op = "account.member_list",
		.columns = {{"member", "MEMBER"}, {"name", "NAME"}, {"rights", "RIGHTS"}},
		.nothing = "No members: yizhan account member add ADDRESS MEMBER",
	},
	{
		.name = "account send-as-add",
		.group = GROUP,
		.line = "let an account write under an address elsewhere",
		.text = "PATTERN is \"user@domain\" or \"@domain\". Its own addresses, aliases and teams "
			"need no such word: yizhan account identities.",
		.operands = {ADDRESS, {"PATTERN", "pattern"}},
		.op = "account.send_as_add",
		.is_single = true,
	},
	{
		.name = "account send-as-remove",
		.group = GROUP,
		.line = "take that back",
		.operands = {ADDRESS, {"PATTERN", "pattern"}},
		.op = "account.send_as_remove",
		.is_single = true,
	},
	{
		.name = "account send-as-list",
		.group = GROUP,
		.line = "list addresses elsewhere that an account may write under",
		.operands = {ADDRESS},
		.op = "account.send_as_list",
		.columns = {{"pattern", "PATTERN"}},
		.nothing = "None: yizhan account send-as add ADDRESS PATTERN",
	},
	{
		.name = "account identities",
		.group = GROUP,
		.line = "list everything an account may write under, and why",
		.operands = {ADDRESS},
		.op = "account.identities",
		.columns = {{"address", "ADDRESS"}, {"name", "NAME"}, {"by", "BY"}},
	},
	{
		.name = "account app-password-add",
		.group = GROUP,
		.line = "make a password for one device or program",
		.text = "It is shown once.",
		.operands = {ADDRESS, {"NAME", "name"}},
		.options = {{"scope", "WORDS",
				    "submit, imap, pop3, sieve, web; commas between. Without: all "
				    "but web",
				    "scope"},
			{"expires", "TIME", "how long it is good: 90d, never", "expires"},
			{"networks", "NETS", "where it may come from; commas between", "networks"}},
		.op = "account.app_add",
		.is_single = true,
	},
	{
		.name = "account app-password-list",
		.group = GROUP,
		.line = "list them, with their last use",
		.operands = {ADDRESS},
		.op = "account.app_list",
		.columns = {{"name", "NAME"}, {"scope", "SCOPE"}, {"networks", "NETWORKS"},
			{"created_at", "MADE (UTC)", CLI_TIME}, {"expires_at", "EXPIRES", CLI_TIME},
			{"used_at", "USED", CLI_TIME}, {"used_from", "FROM"}},
		.nothing = "None: yizhan account app-password add ADDRESS NAME",
	},
	{
		.name = "account app-password-remove",
		.group = GROUP,
		.line = "end one, and the sessions that used it",
		.operands = {ADDRESS, {"NAME", "name"}},
		.op = "account.app_remove",
		.is_single = true,
	},
	{
		.name = "account totp-status",
		.group = GROUP,
		.line = "show whether an account has a second factor",
		.text = "With one, its password counts at the page only, together with a code; programs log in "
			"with app passwords. Its owner switches it on in the page's settings.",
		.operands = {ADDRESS},
		.op = "account.totp_status",
		.is_single = true,
	},
	{
		.name = "account totp-reset",
		.group = GROUP,
		.line = "take the second factor of an account away",
		.text = "For somebody who has lost his device and his recovery codes: his password alone "
			"is a login again. His sessions in browsers end.",
		.operands = {ADDRESS},
		.op = "account.totp_reset",
		.is_single = true,
	},
	{
		.name = "account sessions",
		.group = GROUP,
		.line = "list where an account is signed in with a browser",
		.operands = {ADDRESS},
		.op = "account.sessions",
		.columns = {{"created_at", "SIGNED IN (UTC)", CLI_TIME},
			{"used_at", "USED", CLI_TIME}, {"expires_at", "ENDS", CLI_TIME},
			{"from", "FROM"}, {"agent", "BROWSER"}},
		.nothing = "None.",
	},
	{
		.name = "account sign-out",
		.group = GROUP,
		.line = "end all sessions of an account in browsers",
		.text = "Programs stay logged in; a new password ends those too.",
		.operands = {ADDRESS},
		.op = "account.sign_out",
		.is_single = true,
	},
	{
		.name = "account logins",
		.group = GROUP,
		.line = "list who logged in, or tried to, newest first",
		.text = "The same from the same network is told once an hour. Its owner sees this list in "
			"the page's settings.",
		.operands = {ADDRESS},
		.op = "account.logins",
		.columns = {{"at", "WHEN (UTC)", CLI_TIME}, {"result", "RESULT"}, {"for", "FOR"},
			{"by", "BY"}, {"from", "FROM"}, {"agent", "PROGRAM"}, {"reason", "REASON"}},
		.nothing = "None.",
	},
	{
		.name = "account certificate-add",
		.group = GROUP,
		.line = "let an account log in with a client certificate",
		.text = "It is told by its public key: one that is made anew with the same key counts too.",
		.operands = {ADDRESS, {"FILE", NULL, true}},
		.options = {{"pin", "SHA256", "the SHA-256 of the public key, in hex", "pin"},
			{"note", "TEXT", "what it is for", "note"},
			{"expires", "TIME", "how long it is good: 365d, never", "expires"}},
		.op = "account.certificate_add",
		.is_single = true,
		.prepare = prepare_certificate,
	},
	{
		.name = "account certificate-list",
		.group = GROUP,
		.line = "list an account's client certificates",
		.operands = {ADDRESS},
		.op = "account.certificate_list",
		.columns = {{"note", "NOTE"}, {"created_at", "ADDED (UTC)", CLI_TIME},
			{"expires_at", "EXPIRES", CLI_TIME}, {"used_at", "USED", CLI_TIME},
			{"pin", "SHA-256 OF THE KEY"}},
		.nothing = "None: yizhan account certificate-add ADDRESS FILE",
	},
	{
		.name = "account certificate-remove",
		.group = GROUP,
		.line = "take a client certificate away",
		.operands = {{"SHA256", "pin"}},
		.op = "account.certificate_remove",
		.is_single = true,
	},
};
