#include "cli/cli.h"

const struct cli_command cli_search[] = {
	{
		.name = "search rebuild",
		.group = "Mailboxes",
		.line = "make the search index anew from the messages",
		.text = "Nobody has to: the index follows the mail by itself. While it is made, messages that "
			"it does not know yet are looked at themselves, so searches find all, only slower. "
			"With a server the command shows how far it is; ending the command does not end the "
			"work. Without a server the index is forgotten, and the next start makes it.",
		.op = "search.rebuild",
		.is_single = true,
	},
	{
		.name = "search status",
		.group = "Mailboxes",
		.line = "show how large the search index is, and what it does not know yet",
		.op = "search.status",
		.is_single = true,
	},
};
