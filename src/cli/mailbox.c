#include "cli/cli.h"

#define FOLDER                                                                                     \
	{                                                                                          \
		"folder", "NAME", "this folder, not INBOX", "folder"                               \
	}

/* Of import from another server, and of pull. */
#define PULL_OPTIONS                                                                               \
	{"password-file", "FILE", "the password there is its first line"},                         \
		{"oauth-token-file", "FILE", "an access token instead"},                           \
		{"ca-file", "FILE", "authorities to believe (PEM) instead of the system's"},       \
		{"plaintext", NULL,                                                                \
			"imap:// without STARTTLS: the password can be read on the way"},          \
		{"exclude", "NAME", "not this mailbox and those below it", .is_many = true},       \
		{"delete-never", NULL, "what goes away there stays here (so it is; to be said)"},  \
		{"dry-run", NULL, "only tell what would be done"},                                 \
	{                                                                                          \
		"skip-duplicates", NULL,                                                           \
			"leave out what the folder has already: same Message-ID, same text"        \
	}

const struct cli_command cli_mailbox[] = {
	{
		.name = "mailbox list",
		.group = "Mailboxes",
		.line = "list the messages of a folder",
		.operands = {{"ADDRESS", "address"}},
		.options = {FOLDER},
		.op = "mailbox.list",
		.columns = {{"uid", "UID", CLI_NUMBER}, {"size", "SIZE", CLI_SIZE},
			{"received_at", "RECEIVED (UTC)", CLI_TIME}, {"flags", "FLAGS"},
			{"from", "FROM"}, {"subject", "SUBJECT"}},
		.nothing = "No messages.",
	},
	{
		.name = "mailbox show",
		.group = "Mailboxes",
		.line = "show what is known of one message",
		.operands = {{"ADDRESS", "address"}, {"UID", "uid", .is_number = true}},
		.options = {FOLDER},
		.op = "mailbox.show",
		.is_single = true,
	},
	{
		.name = "mailbox export",
		.group = "Mailboxes",
		.line = "write messages out",
		.text = "Without PATH one folder (INBOX, or --folder) goes to standard output or --out; with "
			"--uid the exact octets of one message. With PATH and no --folder all folders are "
			"written: as mbox, a file NAME.mbox for each below the directory PATH; as maildir, one "
			"Maildir++ with .Sub.Folders; as eml, a directory for each and a file for each message. "
			"With --folder PATH is that folder's file or directory. Flags, keywords and dates go "
			"along (eml: dates alone), and what is imported from there again is the same octet for "
			"octet.",
		.operands = {{"ADDRESS", "address"}, {"PATH", NULL, true}},
		.options = {FOLDER, {"uid", "N", "this message"},
			{"format", "FORMAT", "mbox, maildir, eml", NULL, false, "eml mbox maildir"},
			{"since", "TIME", "received since then: 2026-11-23, or 30d ago"},
			{"out", "PATH", "a new file, or the maildir's directory"}},
		.run = cli_mailbox_export,
	},
	{
		.name = "mailbox import",
		.group = "Mailboxes",
		.line = "take messages in from files, or from another server",
		.text = "SOURCE is an mbox (of any kind, \"-\" is standard input), a Maildir with its folders, a "
			"tree of mbox files (Thunderbird's, Apple's), a message or a directory of them; or "
			"imaps://USER@HOST/, which is the same as yizhan mailbox pull. Flags, keywords, dates and "
			"folders are kept. What is imported twice is there once: an import that was interrupted "
			"goes on when it is said again. What is wrong with one message is told with its place, "
			"and the others go in. Exit status: 65 something could not be taken, 75 no room.",
		.operands = {{"ADDRESS", "address"}, {"SOURCE"}},
		.options = {{"format", "FORMAT", "what SOURCE is (auto)", NULL, false,
				    "auto mbox mboxo mboxrd mboxcl mboxcl2 maildir eml"},
			{"folder", "NAME", "into this folder, or below it; of a server: Old=New",
				.is_many = true},
			PULL_OPTIONS},
		.run = cli_mailbox_import,
	},
	{
		.name = "mailbox pull",
		.group = "Mailboxes",
		.line = "bring everything over from another IMAP server",
		.text = "All mailboxes of imaps://USER@HOST[:PORT]/ with flags, dates and folders; sent mail, "
			"drafts, trash and junk go where such mail is here. Nothing is changed there. Said again, "
			"it brings what is new and flags that changed; a connection that breaks is made again. "
			"imap:// asks for STARTTLS. The password is asked for, or read from a file.",
		.operands = {{"ADDRESS", "address"}, {"URL"}},
		.options = {{"folder", "OLD=NEW", "where a mailbox, and those below it, go",
				    .is_many = true},
			PULL_OPTIONS},
		.run = cli_mailbox_pull,
	},
	{
		.name = "mailbox undelete",
		.group = "Mailboxes",
		.line = "bring back what was expunged",
		.text = "Expunged mail can be brought back for as long as reading { keep_expunged } says. "
			"Messages are named by the UID they had in --folder, or by when they went; they come "
			"back with new UIDs, into a folder of the name they were in.",
		.operands = {{"ADDRESS", "address"}, {"UID", "uids", true, true}},
		.options = {{"folder", "NAME", "what was in this folder", "folder"},
			{"since", "TIME", "what was expunged since then: 2026-11-23, or 2h ago"},
			{"all", NULL, "everything there is"},
			{"list", NULL, "only tell what there is"}},
		.columns = {{"uid", "UID", CLI_NUMBER}, {"size", "SIZE", CLI_SIZE},
			{"expunged_at", "EXPUNGED (UTC)", CLI_TIME}, {"folder", "FOLDER"},
			{"from", "FROM"}, {"subject", "SUBJECT"}},
		.nothing = "Nothing can be brought back.",
		.run = cli_mailbox_undelete,
	},
	{
		.name = "mailbox folders",
		.group = "Mailboxes",
		.line = "list the folders of an account",
		.operands = {{"ADDRESS", "address"}},
		.op = "mailbox.folders",
		.columns = {{"messages", "MESSAGES", CLI_NUMBER}, {"unseen", "UNSEEN", CLI_NUMBER},
			{"size", "SIZE", CLI_SIZE}, {"name", "FOLDER"}},
	},
};
