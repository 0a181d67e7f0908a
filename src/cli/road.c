#include "cli/cli.h"

/* pool, egress, login: which ways lead to a next hop. */

#define POLICY                                                                                     \
	{                                                                                          \
		"policy", "POLICY", "order (the first that is up), weight or random", "policy",    \
			false, "order weight random"                                               \
	}

const struct cli_command cli_pool[] = {
	{
		.name = "pool add",
		.group = "Roads",
		.line = "make a pool of redundant next hops",
		.text = "A member is host:port, [address]:port or unix:/path, with lmtp: in front "
			"where LMTP is spoken and =WEIGHT behind for the policy weight. A route "
			"leads to it with the next hop pool:NAME. Each letter picks its member; "
			"one that fails is left alone and asked again after 5 s, 15 s, 60 s and "
			"then every 5 minutes, while the others take over at once.",
		.operands = {{"POOL", "pool"}, {"MEMBER", "members", false, true}},
		.options = {POLICY},
		.op = "pool.add",
		.is_single = true,
	},
	{
		.name = "pool set",
		.group = "Roads",
		.line = "change a pool: its policy, its members, who is on",
		.operands = {{"POOL", "pool"}, {"MEMBER", "members", true, true}},
		.options = {POLICY, {"off", "MEMBER", "send nothing there for now", "off"},
			{"on", "MEMBER", "the opposite", "on"}},
		.op = "pool.set",
		.is_single = true,
	},
	{
		.name = "pool remove",
		.group = "Roads",
		.line = "remove a pool that no route leads to",
		.operands = {{"POOL", "pool"}},
		.op = "pool.remove",
		.is_single = true,
	},
	{
		.name = "pool list",
		.group = "Roads",
		.line = "list the pools and the health of their members",
		.op = "pool.list",
		.columns = {{"pool", "POOL"}, {"policy", "POLICY"}, {"member", "MEMBER"},
			{"weight", "WEIGHT", CLI_NUMBER}, {"state", "STATE"},
			{"since", "SINCE", CLI_TIME}, {"picks", "PICKS", CLI_NUMBER},
			{"delivered", "DELIVERED", CLI_NUMBER}, {"reason", "REASON"}},
		.nothing = "No pools: yizhan pool add POOL MEMBER MEMBER",
	},
};

static int prepare_ptr(struct cli_call *c, struct json_out *args)
{
	if (cli_value(c, "require-ptr") && cli_value(c, "no-require-ptr"))
		return cli_fail(EX_USAGE, "--require-ptr or --no-require-ptr?");
	if (cli_value(c, "require-ptr") || cli_value(c, "no-require-ptr"))
		json_kv_bool(args, "require_ptr", cli_value(c, "require-ptr") != NULL);
	return 0;
}

#define EGRESS_OPTIONS                                                                             \
	{"ip4", "ADDRESS", "IPv4 source address", "address4"},                                     \
		{"ip6", "ADDRESS", "IPv6 source address", "address6"},                             \
		{"hostname", "NAME", "name in EHLO", "hostname"},                                  \
		{"proxy", "URL", "socks5://[user:password@]host[:port]", "proxy"},                 \
		{"weight", "N", "how often, beside the other rows of this name", "weight", true},  \
		{"require-ptr", NULL,                                                              \
			"use the IPv6 address only while its name in DNS leads back to it"},       \
	{                                                                                          \
		"no-require-ptr", NULL, "the opposite"                                             \
	}
#define EGRESS_ROW                                                                                 \
	{                                                                                          \
		"row", "N", "which row of this name", "n", true                                    \
	}

const struct cli_command cli_egress[] = {
	{
		.name = "egress add",
		.group = "Roads",
		.line = "make a way out: source addresses, EHLO name, proxy",
		.text = "Several rows of one name are a pool: each connection takes one at random by "
			"weight. Routes name their egress; the one named \"default\" is for all "
			"others. With one source address alone, only its family is used.",
		.operands = {{"EGRESS", "egress"}},
		.options = {EGRESS_OPTIONS},
		.op = "egress.add",
		.is_single = true,
		.prepare = prepare_ptr,
	},
	{
		.name = "egress set",
		.group = "Roads",
		.line = "change a row of an egress",
		.operands = {{"EGRESS", "egress"}},
		.options = {EGRESS_OPTIONS, EGRESS_ROW},
		.op = "egress.set",
		.is_single = true,
		.prepare = prepare_ptr,
	},
	{
		.name = "egress remove",
		.group = "Roads",
		.line = "remove an egress, or one of its rows",
		.operands = {{"EGRESS", "egress"}},
		.options = {EGRESS_ROW},
		.op = "egress.remove",
		.is_single = true,
	},
	{
		.name = "egress list",
		.group = "Roads",
		.line = "list the ways out",
		.op = "egress.list",
		.columns = {{"egress", "EGRESS"}, {"n", "ROW", CLI_NUMBER}, {"address4", "IPV4"},
			{"address6", "IPV6"}, {"hostname", "EHLO"},
			{"weight", "WEIGHT", CLI_NUMBER}, {"require_ptr", "PTR"},
			{"proxy", "PROXY"}},
		.nothing = "No egresses: connections go out as the system has it.",
	},
	{
		.name = "egress check",
		.group = "Roads",
		.line = "do the names of source addresses lead back to them?",
		.text = "Large providers refuse mail from an address whose name in DNS (PTR) does "
			"not lead back to it, most of all over IPv6.",
		.operands = {{"EGRESS", "egress", true}},
		.op = "egress.check",
		.columns = {{"egress", "EGRESS"}, {"n", "ROW", CLI_NUMBER}, {"address", "ADDRESS"},
			{"name", "NAME"}, {"leads_back", "LEADS BACK"}, {"ehlo", "EHLO"},
			{"is_ehlo", "SAME"}},
		.nothing = "No source addresses are set.",
	},
};

static int prepare_login(struct cli_call *c, struct json_out *args)
{
	const char *password = cli_value(c, "password");
	int code;

	if (!!password + !!cli_value(c, "password-stdin") != 1)
		return cli_fail(EX_USAGE, "say the password, in one way");
	if (!password && (code = cli_read_password(c, &password)))
		return code;
	json_kv_str(args, "password", password);
	return 0;
}

#define SENDER                                                                                     \
	{                                                                                          \
		"sender", "SENDER", "only for mail of user@domain or @domain", "sender"            \
	}

const struct cli_command cli_login[] = {
	{
		.name = "login add",
		.group = "Roads",
		.line = "log in at a next hop (a smarthost), or change how",
		.text = "The next hop is written as in its route, or pool:NAME for all members of a "
			"pool. A password that the other side may read goes out under TLS only.",
		.operands = {{"HOP", "next_hop"}, {"USER", "user"}},
		.options = {SENDER,
			{"password-stdin", NULL, "the password is a line of standard input"},
			{"password", "TEXT",
				"the password (other users may see it while this runs)"},
			{"mechanisms", "LIST", "only these, best first: \"SCRAM-SHA-256 PLAIN\"",
				"mechanisms"},
			{"allow-clear", NULL, "PLAIN and LOGIN without TLS too", "allow_clear"}},
		.op = "login.add",
		.is_single = true,
		.prepare = prepare_login,
	},
	{
		.name = "login remove",
		.group = "Roads",
		.line = "log in no more at a next hop",
		.operands = {{"HOP", "next_hop"}},
		.options = {SENDER},
		.op = "login.remove",
		.is_single = true,
	},
	{
		.name = "login list",
		.group = "Roads",
		.line = "list the logins, without their passwords",
		.op = "login.list",
		.columns = {{"next_hop", "NEXT HOP"}, {"sender", "SENDER"}, {"user", "USER"},
			{"mechanisms", "MECHANISMS"}, {"allow_clear", "CLEAR"}},
		.nothing = "No logins.",
	},
};
