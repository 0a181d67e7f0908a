#include "cli/cli.h"

#define FILTERS                                                                                    \
	{"sender", "ADDRESS", "only from this sender (\"@domain\" for all of a domain)",           \
		"sender"},                                                                         \
		{"recipient", "ADDRESS", "only to this recipient", "recipient"},                   \
		{"destination", "NAME", "only to this destination", "destination"},                \
	{                                                                                          \
		"state", "STATE", "only in this state: waiting, active, held, local", "state",     \
			false, "waiting active held local"                                         \
	}
#define ALL                                                                                        \
	{                                                                                          \
		"all", NULL, "everything in the queue", "all"                                      \
	}
#define ID_OPTIONAL                                                                                \
	{                                                                                          \
		{                                                                                  \
			"ID", "id", true                                                           \
		}                                                                                  \
	}
#define CHANGED                                                                                    \
	{                                                                                          \
		{                                                                                  \
			"changed", "CHANGED", CLI_NUMBER                                           \
		}                                                                                  \
	}

/* One word is the next hop, of two the first is the message; with --undo there is no next hop. */
static int prepare_reroute(struct cli_call *c, struct json_out *args)
{
	bool is_undo = cli_value(c, "undo") != NULL;
	size_t hops = is_undo ? 0 : 1;

	if (c->operand_count < hops)
		return cli_fail(EX_USAGE,
			"queue reroute: NEXT-HOP is missing; see yizhan help queue reroute");
	if (c->operand_count > hops + 1)
		return cli_fail(
			EX_USAGE, "queue reroute: --undo asks the router: name no next hop");
	if (c->operand_count > hops)
		json_kv_str(args, "id", c->operands[0]);
	if (!is_undo)
		json_kv_str(args, "next_hop", c->operands[c->operand_count - 1]);
	return 0;
}

const struct cli_command cli_queue[] = {
	{
		.name = "queue list",
		.group = "Queue",
		.line = "list the recipients that wait",
		.options = {FILTERS},
		.op = "queue.list",
		.columns = {{"id", "ID"}, {"state", "STATE"}, {"size", "SIZE", CLI_SIZE},
			{"attempts", "TRIES", CLI_NUMBER}, {"next_at", "NEXT TRY", CLI_TIME},
			{"sender", "FROM"}, {"recipient", "TO"}, {"why", "WHY IT WAITS"}},
		.nothing = "The queue is empty.",
	},
	{
		.name = "queue show",
		.group = "Queue",
		.line = "show all that is known of one message",
		.operands = {{"ID", "id"}},
		.op = "queue.show",
	},
	{
		.name = "queue sites",
		.group = "Queue",
		.line = "show the destinations that are in memory: connections, rates, health",
		.text = "States: up; idle; connecting (not reached yet); queued (all connections are in use); "
			"slowed (its replies have asked for less); down (left alone until then); for domains "
			"looking (being looked up) and unknown (no answer).",
		.op = "queue.sites",
		.columns = {{"site", "SITE"}, {"state", "STATE"}, {"until", "UNTIL", CLI_TIME},
			{"connections", "CONNECTIONS", CLI_NUMBER},
			{"window", "ALLOWED", CLI_NUMBER}, {"waiting", "WAITING", CLI_NUMBER},
			{"per_minute", "A MINUTE", CLI_NUMBER}, {"next_at", "NEXT", CLI_TIME},
			{"why", "LAST ERROR"}},
		.nothing = "No destination is in memory.",
	},
	{
		.name = "queue retry",
		.group = "Queue",
		.line = "try now, whatever the time table says",
		.operands = ID_OPTIONAL,
		.options = {FILTERS, ALL},
		.op = "queue.retry",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue hold",
		.group = "Queue",
		.line = "stop trying until it is released",
		.operands = ID_OPTIONAL,
		.options = {FILTERS, ALL},
		.op = "queue.hold",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue release",
		.group = "Queue",
		.line = "try again what was held",
		.operands = ID_OPTIONAL,
		.options = {FILTERS, ALL},
		.op = "queue.release",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue drop",
		.group = "Queue",
		.line = "forget recipients; nobody gets a report",
		.operands = ID_OPTIONAL,
		.options = {FILTERS, ALL},
		.op = "queue.drop",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue expire",
		.group = "Queue",
		.line = "give up now: it goes back to its sender",
		.operands = ID_OPTIONAL,
		.options = {FILTERS, ALL},
		.op = "queue.expire",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue reroute",
		.group = "Queue",
		.line = "send it to another next hop",
		.text = "NEXT-HOP is host:port, [address]:port or unix:/path, with lmtp: in front where LMTP is "
			"spoken, or pool:NAME. Without a port it is 25. With --undo the router is asked again. "
			"What is being tried at that moment may still arrive by the old way.",
		.operands = {{"ID", NULL, true}, {"NEXT-HOP", NULL, true}},
		.options = {FILTERS, ALL, {"undo", NULL, "ask the router again", "undo"}},
		.prepare = prepare_reroute,
		.op = "queue.reroute",
		.columns = CHANGED,
		.is_single = true,
	},
	{
		.name = "queue edit",
		.group = "Queue",
		.line = "change a recipient, the priority or the lifetime",
		.text = "queue edit ID --recipient OLD NEW: the recipient gets another address, and the "
			"router is asked where that is. queue edit ID --priority N: from -9 to 9, the highest "
			"is tried first. queue edit ID --expire TIME: when it goes back to its sender, 36h "
			"or 5d from now or 2026-12-24T18:00:00Z; it counts for all recipients of the message.",
		.operands = {{"ID", "id", true}, {"NEW", "new", true}},
		.options = {FILTERS, ALL, {"priority", "N", "from -9 to 9; 0 is usual", "priority"},
			{"expire", "TIME", "give up then", "expire"}},
		.op = "queue.edit",
		.columns = CHANGED,
		.is_single = true,
	},
};
