#include "cli/cli.h"

/* shape: how much at once, how fast, and which replies mean "slow down". */

#define SHAPE_ACTIONS_TEXT                                                                               \
	"ACTION: fewer (half of the connections), slow (one connection, and a letter in 2 s, 4 s … a " \
	"minute), suspend (nothing is sent there), next-host (that host is the last choice), "           \
	"temporary (a 5xx is treated as a 4xx), soon (tried again after at most that long), none "       \
	"(it means no more than its code).\n"

static const char match_text[] =
	"MATCH: a domain, .domain for all below it, mx:.domain for whoever has hosts below that, a "
	"fixed next hop ([host.example]:25), or * for everybody. A more special row wins over a less "
	"special one, value by value; a domain with a row of its own is a site of its own.";

static int prepare_set(struct cli_call *c, struct json_out *args)
{
	static const char *const values[] = {"connections", "connection-rate", "message-rate",
		"messages", "recipients", "note", "off", "on"};

	(void)args;
	if (cli_value(c, "off") && cli_value(c, "on"))
		return cli_fail(EX_USAGE, "--off or --on?");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (cli_value(c, values[i]))
			return 0;
	}
	return cli_fail(EX_USAGE,
		"shape set: say what, for example --connections 5; see yizhan help shape set");
}

const struct cli_command cli_shape[] = {
	{
		.name = "shape list",
		.group = "Queue",
		.line = "list how much at once and how fast, row by row",
		.text = "What is built in for the large providers, and your rows, which win over it.",
		.op = "shape.list",
		.columns = {{"match", "MATCH"}, {"connections", "CONNECTIONS", CLI_NUMBER},
			{"connection_rate", "CONNECTION RATE"}, {"message_rate", "MESSAGE RATE"},
			{"messages", "MESSAGES", CLI_NUMBER},
			{"recipients", "RECIPIENTS", CLI_NUMBER}, {"source", "SOURCE"},
			{"state", "STATE"}, {"note", "NOTE"}},
	},
	{
		.name = "shape set",
		.group = "Queue",
		.line = "limit what is sent to somebody",
		.text = match_text,
		.operands = {{"MATCH", "match"}},
		.options = {{"connections", "N", "at a time, at most", "connections"},
			{"connection-rate", "RATE", "connections by time: 60/1m, 10/s, none",
				"connection_rate"},
			{"message-rate", "RATE",
				"messages by time: 100/1m, '5000/1h burst 50', none",
				"message_rate"},
			{"messages", "N", "on one connection, at most", "messages"},
			{"recipients", "N", "in one transaction, at most", "recipients"},
			{"note", "TEXT", "why", "note"},
			{"off", NULL, "the built-in row of that match does not count", "off"},
			{"on", NULL, "it counts again", "on"}},
		.op = "shape.set",
		.is_single = true,
		.prepare = prepare_set,
	},
	{
		.name = "shape remove",
		.group = "Queue",
		.line = "remove a row of yours",
		.operands = {{"MATCH", "match"}},
		.op = "shape.remove",
		.is_single = true,
	},
	{
		.name = "shape test",
		.group = "Queue",
		.line = "show what applies to a destination, and which row says so",
		.text = "A running server looks its hosts up; without one say them with --mx.",
		.operands = {{"DESTINATION", "destination"}},
		.options = {{"mx", "HOSTS", "its hosts, with commas between them", "mx"}},
		.op = "shape.test",
		.columns = {{"limit", "LIMIT"}, {"value", "VALUE"}, {"match", "ROW"},
			{"source", "SOURCE"}, {"note", "NOTE"}},
	},
	{
		.name = "shape replies",
		.group = "Queue",
		.line = "list the replies that mean more than their code",
		.op = "shape.replies",
		.columns = {{"n", "N", CLI_NUMBER}, {"match", "MATCH"}, {"pattern", "PATTERN"},
			{"action", "ACTION"}, {"pause_s", "SECONDS", CLI_NUMBER},
			{"source", "SOURCE"}, {"note", "NOTE"}},
	},
	{
		.name = "shape reply-set",
		.group = "Queue",
		.line = "say what a reply means",
		.text = "PATTERN: a code (421, 4xx), an enhanced code (4.7.x), or text that stands in the "
			"reply, * between its pieces. The first that fits counts; yours come first.\n" SHAPE_ACTIONS_TEXT,
		.operands = {{"PATTERN", "pattern"}, {"ACTION", "action"}},
		.options = {{"match", "MATCH", "only from these (as in shape set)", "match"},
			{"for", "TIME", "for how long; 30m when it is not said", "pause"},
			{"n", "N", "in the place of this one", "n"},
			{"note", "TEXT", "why", "note"}},
		.op = "shape.reply_set",
		.is_single = true,
	},
	{
		.name = "shape reply-remove",
		.group = "Queue",
		.line = "remove a reply of yours",
		.operands = {{"N", "n"}},
		.op = "shape.reply_remove",
		.is_single = true,
	},
};
