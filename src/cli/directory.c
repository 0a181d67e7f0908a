#include <string.h>

#include "base/must.h"
#include "services/host/config.h"
#include "cli/cli.h"

/* domain, account, alias: what belongs to the mail and lives in the store. */

static int prepare_domain(struct cli_call *c, struct json_out *args)
{
	bool is_relay = cli_value(c, "relay") || cli_value(c, "check");

	if (is_relay && cli_value(c, "local"))
		return cli_fail(EX_USAGE, "a domain is local or relayed, not both");
	json_kv_str(args, "kind", is_relay ? "relay" : "local");
	return 0;
}

#define DOMAIN_OPTIONS                                                                             \
	{"local", NULL, "its mailboxes are here (the default)"},                                   \
		{"relay", NULL, "its mail is taken and passed on"},                                \
	{                                                                                          \
		"check", "HOW",                                                                    \
			"whom a relay domain has: none (all are taken), table (domain "            \
			"recipients), ask (its next hop says; 451 when it does not), ask-or-take", \
			"check", false, "none table ask ask-or-take"                               \
	}

const struct cli_command cli_domain[] = {
	{
		.name = "domain add",
		.group = "Directory",
		.line = "take mail for a domain",
		.operands = {{"DOMAIN", "domain"}},
		.options = {DOMAIN_OPTIONS},
		.op = "domain.add",
		.is_single = true,
		.prepare = prepare_domain,
	},
	{
		.name = "domain set",
		.group = "Directory",
		.line = "make a domain local or relayed",
		.operands = {{"DOMAIN", "domain"}},
		.options = {DOMAIN_OPTIONS},
		.op = "domain.set",
		.is_single = true,
		.prepare = prepare_domain,
	},
	{
		.name = "domain remove",
		.group = "Directory",
		.line = "take no more mail for a domain",
		.operands = {{"DOMAIN", "domain"}},
		.op = "domain.remove",
		.is_single = true,
	},
	{
		.name = "domain list",
		.group = "Directory",
		.line = "list the domains",
		.op = "domain.list",
		.columns = {{"domain", "DOMAIN"}, {"kind", "KIND"}, {"check", "CHECK"},
			{"accounts", "ACCOUNTS", CLI_NUMBER}, {"aliases", "ALIASES", CLI_NUMBER},
			{"unicode", "AS WRITTEN"}},
		.nothing = "No domains: yizhan domain add DOMAIN",
	},
};

/* A line of standard input, without its end. */
int cli_read_password(struct cli_call *c, const char **password_r)
{
	char *line = arena_alloc(c->arena, 1026);

	if (!fgets(line, 1025, stdin) || strlen(line) == 1024)
		return cli_fail(EX_USAGE, "standard input has no password of at most 1023 octets");
	line[strcspn(line, "\r\n")] = 0;
	*password_r = line;
	return line[0] ? 0 : cli_fail(EX_USAGE, "the password is empty");
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

static int prepare_account(struct cli_call *c, struct json_out *args)
{
	bool is_add = strcmp(c->command->name, "account add") == 0;
	const char *password = cli_value(c, "password");
	int ways = !!password + !!cli_value(c, "password-stdin") +
		!!cli_value(c, is_add ? "no-password" : "new-password");
	uint64_t quota;

	if (ways > 1)
		return cli_fail(EX_USAGE, "one way to say the password is enough");
	if (cli_value(c, "password-stdin")) {
		int code = cli_read_password(c, &password);
		if (code)
			return code;
	}
	if (password)
		json_kv_str(args, "password", password);
	else if (is_add ? !ways : ways)
		json_kv_bool(args, "make_password", true);
	if (cli_value(c, "quota")) {
		int code = cli_read_size("quota", cli_value(c, "quota"), &quota);
		if (code)
			return code;
		json_kv_u64(args, "quota", quota);
	}
	if (!is_add && cli_value(c, "suspend") && cli_value(c, "resume"))
		return cli_fail(EX_USAGE, "--suspend or --resume?");
	if (!is_add && (cli_value(c, "suspend") || cli_value(c, "resume")))
		json_kv_bool(args, "suspended", cli_value(c, "suspend") != NULL);
	return 0;
}

#define ACCOUNT_OPTIONS                                                                            \
	{"name", "TEXT", "its owner's name", "name"},                                              \
		{"quota", "SIZE", "at most this much mail; 0: any"},                               \
		{"password-stdin", NULL, "the password is a line of standard input"},              \
	{                                                                                          \
		"password", "TEXT", "the password (other users may see it while this runs)"        \
	}

const struct cli_command cli_account[] = {
	{
		.name = "account add",
		.group = "Directory",
		.line = "make an account with a mailbox",
		.text = "Without a word about the password one is made and shown.",
		.operands = {{"ADDRESS", "address"}},
		.options = {ACCOUNT_OPTIONS, {"no-password", NULL, "nobody can log in"}},
		.op = "account.add",
		.is_single = true,
		.prepare = prepare_account,
	},
	{
		.name = "account set",
		.group = "Directory",
		.line = "change an account",
		.operands = {{"ADDRESS", "address"}},
		.options = {ACCOUNT_OPTIONS, {"new-password", NULL, "make one and show it"},
			{"suspend", NULL, "take no mail and let nobody in"},
			{"resume", NULL, "the opposite"}},
		.op = "account.set",
		.is_single = true,
		.prepare = prepare_account,
	},
	{
		.name = "account remove",
		.group = "Directory",
		.line = "remove an account and all its mail",
		.operands = {{"ADDRESS", "address"}},
		.op = "account.remove",
		.is_single = true,
	},
	{
		.name = "account list",
		.group = "Directory",
		.line = "list the accounts",
		.operands = {{"DOMAIN", "domain", true}},
		.op = "account.list",
		.columns = {{"address", "ADDRESS"}, {"name", "NAME"}, {"suspended", "SUSPENDED"},
			{"messages", "MESSAGES", CLI_NUMBER}, {"size", "SIZE", CLI_SIZE},
			{"quota", "QUOTA", CLI_SIZE}, {"forwards", "FORWARDS", CLI_NUMBER},
			{"unicode", "AS WRITTEN"}},
		.nothing = "No accounts: yizhan account add ADDRESS",
	},
};

const struct cli_command cli_alias[] = {
	{
		.name = "alias add",
		.group = "Directory",
		.line = "pass mail for an address on to others",
		.text = "ADDRESS \"@DOMAIN\" is the domain's catch-all: it gets what nobody else of "
			"the domain does. An account, an alias or a list of the whole name comes "
			"first, then the name without its sub-address (\"alice+x\" is alice), then "
			"the catch-all. What goes out to elsewhere is sent under an address of ours "
			"(SRS), so that SPF holds; its bounces find their way back.",
		.operands = {{"ADDRESS", "address"}, {"TARGET", "targets", false, true}},
		.op = "alias.add",
		.is_single = true,
	},
	{
		.name = "alias set",
		.group = "Directory",
		.line = "give an alias other targets",
		.operands = {{"ADDRESS", "address"}, {"TARGET", "targets", false, true}},
		.op = "alias.set",
		.is_single = true,
	},
	{
		.name = "alias remove",
		.group = "Directory",
		.line = "remove an alias",
		.operands = {{"ADDRESS", "address"}},
		.op = "alias.remove",
		.is_single = true,
	},
	{
		.name = "alias list",
		.group = "Directory",
		.line = "list the aliases",
		.operands = {{"DOMAIN", "domain", true}},
		.op = "alias.list",
		.columns = {{"address", "ADDRESS"}, {"targets", "TARGETS"},
			{"unicode", "AS WRITTEN"}},
		.nothing = "No aliases: yizhan alias add ADDRESS TARGET",
	},
	{
		.name = "alias import",
		.group = "Directory",
		.line = "read a file like /etc/aliases",
		.text = "Names without a domain get the one that is said, or the only local domain. "
			"Programs (|command), files (/path) and :include: are refused, each with its "
			"line; all other lines are taken. FILE \"-\" is standard input. Ends with 65 "
			"when a line was refused.",
		.operands = {{"FILE"}},
		.options = {{"domain", "DOMAIN", "of names without one"},
			{"replace", NULL, "give aliases that are there other targets"}},
		.run = cli_alias_import,
	},
};
