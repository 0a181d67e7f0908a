#include "cli/cli.h"

/* `yizhan tls`: how safe the way to other servers must be, and what it was like. */

static int prepare_report(struct cli_call *c, struct json_out *args)
{
	json_kv_bool(args, "rfc8460", c->is_json);
	return 0;
}

const struct cli_command cli_tls[] = {
	{
		.name = "tls list",
		.group = "Directory",
		.line = "list the destinations whose TLS is ruled here",
		.op = "tls.list",
		.columns = {{"match", "DESTINATION"}, {"level", "LEVEL"}, {"note", "NOTE"}},
		.nothing = "No overrides: what a domain publishes (DANE, MTA-STS) decides.",
	},
	{
		.name = "tls set",
		.group = "Directory",
		.line = "rule how safe the way to a destination must be",
		.text = "The destination is a domain, .domain for all below it, or a next hop "
			"(host:port, pool:NAME). Levels: none (TLS is not used), may (used when offered; "
			"what the domain publishes does not count), encrypt (TLS or nothing), verify (and "
			"the host's certificate from a known authority), dane (TLSA records where there "
			"are some, even with dane = no), dane-only (TLSA records or nothing). The first "
			"two lower what a domain publishes; of all others the strongest wins. Mail that "
			"may not go waits, and is tried again.",
		.operands = {{"DESTINATION", "match"}, {"LEVEL", "level"}},
		.options = {{"note", "TEXT", "why, for those who read the list", "note"}},
		.op = "tls.set",
		.is_single = true,
	},
	{
		.name = "tls remove",
		.group = "Directory",
		.line = "let what a domain publishes decide again",
		.operands = {{"DESTINATION", "match"}},
		.op = "tls.remove",
		.is_single = true,
	},
	{
		.name = "tls report",
		.group = "Looking at mail",
		.line = "show what TLS to other servers was like",
		.text = "Sessions of one day (UTC) by domain, policy, host and result, in the words of RFC "
			"8460. With --json one report a domain, as section 4 of it has them. Results are "
			"kept for 30 days.",
		.operands = {{"DOMAIN", "domain", true}},
		.options = {{"day", "DATE", "2026-11-23; today without it", "day"}},
		.op = "tls.report",
		.columns = {{"domain", "DOMAIN"}, {"policy", "POLICY"}, {"mx", "HOST"},
			{"result", "RESULT"}, {"sessions", "SESSIONS", CLI_NUMBER},
			{"peer", "ADDRESS"}, {"detail", "DETAIL"}},
		.nothing = "No sessions that day.",
		.prepare = prepare_report,
	},
};
