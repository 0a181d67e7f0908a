#include "cli/cli.h"

#define FILTERS                                                                                    \
	{"sender", "ADDRESS", "only from this sender (\"@domain\" for all of a domain)",           \
		"sender"},                                                                         \
		{"recipient", "ADDRESS", "only to this recipient", "recipient"},                   \
		{"destination", "NAME", "only to this destination", "destination"},                \
	{                                                                                          \
		"state", "STATE", "only in this state: waiting, active, held", "state", false,     \
			"waiting active held"                                                      \
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

const struct cli_command cli_queue[] = {
	{
		.name = "queue list",
		.group = "Queue",
		.line = "list the recipients that wait",
		.options = {FILTERS},
		.op = "queue.list",
		.columns = {{"id", "ID"}, {"state", "STATE"}, {"size", "SIZE", CLI_SIZE},
			{"attempts", "TRIES", CLI_NUMBER}, {"next_at", "NEXT TRY", CLI_TIME},
			{"sender", "FROM"}, {"recipient", "TO"}, {"last.text", "WHY IT WAITS"}},
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
};
