#include "cli/cli.h"

/* `yizhan ban`: networks that may not connect, and those that nothing is held against. */

#define BAN_NETWORK                                                                                \
	"NETWORK is an address or a network: 192.0.2.7, 192.0.2.0/24, 2001:db8:1:2::/64. "

const struct cli_command cli_ban[] = {
	{
		.name = "ban list",
		.group = "People",
		.line = "list the networks that may not connect, and why",
		.text = "Those that the server has banned by itself, for failed logins, end by themselves "
			"and close only the listeners where people log in; yours close all. REFUSED counts "
			"connections since the server was started.",
		.op = "ban.list",
		.columns = {{"network", "NETWORK"}, {"reason", "REASON"}, {"made_by", "BY"},
			{"made_at", "SINCE", CLI_TIME}, {"until", "UNTIL", CLI_TIME},
			{"refused", "REFUSED", CLI_NUMBER}},
		.nothing = "Nobody is banned.",
	},
	{
		.name = "ban add",
		.group = "People",
		.line = "let a network connect no more",
		.text = BAN_NETWORK
		"The narrowest network that is listed decides, banned or allowed. "
		"Loopback, relay networks and proxies cannot be banned.",
		.operands = {{"NETWORK", "network"}},
		.options = {{"reason", "TEXT", "why, for those who read the list", "reason"},
			{"for", "TIME", "how long: 90m, 1d; without it until it is removed",
				"for"}},
		.op = "ban.add",
		.is_single = true,
	},
	{
		.name = "ban remove",
		.group = "People",
		.line = "take a ban or an allowance back",
		.text = "What was counted against the network is forgotten.",
		.operands = {{"NETWORK", "network"}},
		.op = "ban.remove",
		.is_single = true,
	},
	{
		.name = "ban allow",
		.group = "People",
		.line = "never ban a network, and count no failed logins against it",
		.text = BAN_NETWORK
		"An account still defends itself: after many failures whoever has not "
		"logged in lately from where he comes has to wait.",
		.operands = {{"NETWORK", "network"}},
		.options = {{"reason", "TEXT", "why, for those who read the list", "reason"},
			{"for", "TIME", "how long: 90m, 1d; without it until it is removed",
				"for"}},
		.op = "ban.allow",
		.is_single = true,
	},
	{
		.name = "ban allowed",
		.group = "People",
		.line = "list the networks that are never banned",
		.text = "Those of the configuration (relay_networks, proxy_networks, guard trusted) and "
			"loopback are not in the list.",
		.op = "ban.allowed",
		.columns = {{"network", "NETWORK"}, {"reason", "REASON"}, {"made_by", "BY"},
			{"made_at", "SINCE", CLI_TIME}, {"until", "UNTIL", CLI_TIME}},
		.nothing = "No network is allowed by name.",
	},
};
