#include <string.h>

#include "cli/cli.h"

/* list: mailing lists, their members, and posts that wait for a moderator. docs/lists.md has the rules. */

static int prepare_list(struct cli_call *c, struct json_out *args)
{
	bool is_reply = cli_value(c, "reply-to-list") != NULL;
	const char *size = cli_value(c, "max-size");
	uint64_t octets;

	/* only "list set" has the opposite */
	bool is_no_reply = strcmp(c->command->name, "list set") == 0 &&
		cli_value(c, "no-reply-to-list") != NULL;
	if (is_reply && is_no_reply)
		return cli_fail(EX_USAGE, "--reply-to-list or --no-reply-to-list?");
	if (is_reply || is_no_reply)
		json_kv_bool(args, "reply_to_list", is_reply);
	if (size) {
		int code = cli_read_size("max-size", size, &octets);

		if (code)
			return code;
		json_kv_u64(args, "max_size", octets);
	}
	return 0;
}

#define LIST                                                                                       \
	{                                                                                          \
		"LIST", "list"                                                                     \
	}

#define LIST_OPTIONS                                                                               \
	{"title", "TEXT", "what people read: \"The team\"", "title"},                              \
		{"post", "WHO", "who may post: members (the default), anyone, moderated, owners",  \
			"post", false, "members anyone moderated owners"},                         \
		{"join", "WHO", "open: anybody by mail (the default); owners: they add people",    \
			"join", false, "open owners"},                                             \
		{"subject-prefix", "TEXT", "in front of each subject: \"[team]\"",                 \
			"subject_prefix"},                                                         \
		{"footer", "TEXT", "below each plain text message", "footer"},                     \
		{"from-rewrite", "WHEN",                                                           \
			"the list as From: needed (where the author's DMARC policy asks for it, "  \
			"the default), always, never",                                             \
			"from_rewrite", false, "needed always never"},                             \
		{"max-size", "SIZE", "of a post; 0: what the server takes"},                       \
		{"owner", "ADDRESS", "one more owner, who gets what is sent to NAME-owner",        \
			"owner"},                                                                  \
	{                                                                                          \
		"reply-to-list", NULL, "answers go to the list"                                    \
	}

#define MEMBER_OPTIONS                                                                             \
	{"name", "TEXT", "as people read it", "name"},                                             \
		{"role", "ROLES",                                                                  \
			"with commas: receives, trusted (posts are not held), moderator, owner",   \
			"role", false, "receives trusted moderator owner receives,owner"},         \
	{                                                                                          \
		"state", "STATE", "active, or paused (gets nothing for now)", "state", false,      \
			"active paused"                                                            \
	}

#define MEMBERS                                                                                    \
	{                                                                                          \
		LIST,                                                                              \
		{                                                                                  \
			"ADDRESS", "addresses", false, true                                        \
		}                                                                                  \
	}
#define POSTS                                                                                      \
	{                                                                                          \
		LIST,                                                                              \
		{                                                                                  \
			"TOKEN", "tokens", false, true                                             \
		}                                                                                  \
	}
#define RESULTS                                                                                    \
	{                                                                                          \
		{"address", "ADDRESS"},                                                            \
		{                                                                                  \
			"result", "RESULT"                                                         \
		}                                                                                  \
	}
#define DECISIONS                                                                                  \
	{                                                                                          \
		{"token", "TOKEN"}, {"id", "QUEUE ID"},                                            \
		{                                                                                  \
			"result", "RESULT"                                                         \
		}                                                                                  \
	}

const struct cli_command cli_list[] = {
	{
		.name = "list add",
		.group = "Mailing lists",
		.line = "make a mailing list",
		.text = "Its domain must be a local one. People write to NAME@DOMAIN, join and leave by "
			"mail to NAME-join and NAME-leave, reach its owners by NAME-owner, and get "
			"help from NAME-request.",
		.operands = {LIST},
		.options = {LIST_OPTIONS},
		.op = "list.add",
		.is_single = true,
		.prepare = prepare_list,
	},
	{
		.name = "list set",
		.group = "Mailing lists",
		.line = "change a mailing list",
		.operands = {LIST},
		.options = {LIST_OPTIONS, {"no-reply-to-list", NULL, "answers go to the author"}},
		.op = "list.set",
		.is_single = true,
		.prepare = prepare_list,
	},
	{
		.name = "list remove",
		.group = "Mailing lists",
		.line = "remove a mailing list with its members",
		.text = "Posts that wait for a moderator go back to their authors.",
		.operands = {LIST},
		.op = "list.remove",
		.is_single = true,
	},
	{
		.name = "list list",
		.group = "Mailing lists",
		.line = "list the mailing lists",
		.operands = {{"DOMAIN", "domain", true}},
		.op = "list.list",
		.columns = {{"list", "LIST"}, {"title", "TITLE"}, {"post", "POST"},
			{"join", "JOIN"}, {"members", "MEMBERS", CLI_NUMBER}},
		.nothing = "No mailing lists: yizhan list add NAME@DOMAIN --owner ADDRESS",
	},
	{
		.name = "list show",
		.group = "Mailing lists",
		.line = "show how a mailing list works, and who leads it",
		.operands = {LIST},
		.op = "list.show",
		.is_single = true,
	},
	{
		.name = "list members",
		.group = "Mailing lists",
		.line = "list who is in a mailing list",
		.text = "A member whose mail bounces again and again gets no more of it (bouncing) until "
			"yizhan list member-set says --state active.",
		.operands = {LIST},
		.options = {{"state", "STATE", "only these: active, paused, bouncing", "state",
			false, "active paused bouncing"}},
		.op = "list.members",
		.columns = {{"address", "ADDRESS"}, {"name", "NAME"}, {"role", "ROLE"},
			{"state", "STATE"}, {"bounced_at", "BOUNCED", CLI_TIME},
			{"joined_at", "JOINED (UTC)", CLI_TIME}},
		.nothing = "No members: yizhan list member-add LIST ADDRESS",
	},
	{
		.name = "list member-add",
		.group = "Mailing lists",
		.line = "add members, without asking them",
		.text = "Who is a member already stays as they are.",
		.operands = MEMBERS,
		.options = {MEMBER_OPTIONS},
		.op = "list.member_add",
		.columns = RESULTS,
	},
	{
		.name = "list member-set",
		.group = "Mailing lists",
		.line = "change members",
		.text = "--state active also forgets that mail bounced.",
		.operands = MEMBERS,
		.options = {MEMBER_OPTIONS},
		.op = "list.member_set",
		.columns = RESULTS,
	},
	{
		.name = "list member-remove",
		.group = "Mailing lists",
		.line = "remove members",
		.operands = MEMBERS,
		.op = "list.member_remove",
		.columns = RESULTS,
	},
	{
		.name = "list import",
		.group = "Mailing lists",
		.line = "add members from a file, one a line",
		.text = "A line is an address, or a name with the address in <angle brackets>; what "
			"begins with # is a comment. FILE - is standard input. A line that cannot be "
			"read is told with its number and passed over; the exit code is then 65.",
		.operands = {LIST, {"FILE", NULL}},
		.run = cli_list_import,
	},
	{
		.name = "list held",
		.group = "Mailing lists",
		.line = "list the posts that wait for a moderator",
		.operands = {LIST},
		.op = "list.held",
		.columns = {{"token", "TOKEN"}, {"address", "AUTHOR"},
			{"held_at", "SINCE", CLI_TIME}, {"id", "QUEUE ID"}, {"verdict", "VERDICT"},
			{"subject", "SUBJECT"}},
		.nothing = "No post waits.",
	},
	{
		.name = "list approve",
		.group = "Mailing lists",
		.line = "let posts that wait go to the members",
		.operands = POSTS,
		.op = "list.approve",
		.columns = DECISIONS,
	},
	{
		.name = "list reject",
		.group = "Mailing lists",
		.line = "send posts that wait back to their authors",
		.operands = POSTS,
		.op = "list.reject",
		.columns = DECISIONS,
	},
};
