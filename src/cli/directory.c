#include <string.h>

#include "base/must.h"
#include "services/host/config.h"
#include "cli/cli.h"

/* domain, alias: what belongs to the mail and lives in the store. */

static int prepare_domain(struct cli_call *c, struct json_out *args)
{
	bool is_relay = cli_value(c, "relay") || cli_value(c, "check");
	bool has_room = cli_value(c, "quota") || cli_value(c, "accounts-max");
	uint64_t quota;

	if (is_relay && cli_value(c, "local"))
		return cli_fail(EX_USAGE, "a domain is local or relayed, not both");
	/* what only says how much room there is leaves the rest as it was */
	if (is_relay || cli_value(c, "local") || !has_room)
		json_kv_str(args, "kind", is_relay ? "relay" : "local");
	if (cli_value(c, "quota")) {
		int code = cli_read_size("quota", cli_value(c, "quota"), &quota);

		if (code)
			return code;
		json_kv_u64(args, "quota", quota);
	}
	return 0;
}

#define DOMAIN_OPTIONS                                                                             \
	{"local", NULL, "its mailboxes are here (the default)"},                                   \
		{"relay", NULL, "its mail is taken and passed on"},                                \
		{"quota", "SIZE", "what new accounts of it may hold; 0: any"},                     \
		{"accounts-max", "N", "how many accounts it may have; 0: any", "accounts_max",     \
			true},                                                                     \
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
			{"quota", "QUOTA", CLI_SIZE}, {"accounts_max", "AT MOST", CLI_NUMBER},
			{"unicode", "AS WRITTEN"}},
		.nothing = "No domains: yizhan domain add DOMAIN",
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
