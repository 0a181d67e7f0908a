#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/enc.h"
#include "cli/cli.h"

#define FOLDER                                                                                     \
	{                                                                                          \
		"folder", "NAME", "this folder, not INBOX", "folder"                               \
	}

/* Where exported octets go. */
struct export
{
	struct cli_call *c;
	FILE *out;        /* raw and mbox: one file; maildir: the message at hand */
	const char *path; /* NULL: standard output */
	const char *dir;  /* maildir */
	bool is_mbox;
	bool is_line_start; /* mbox: the next octet begins a line */
	uint64_t uid, count;
	const char *part; /* maildir: its name under tmp/ */
	const char *flags;
};

/* An mbox (mboxrd): "From " lines and their quoted forms get one ">" more, CRLF becomes LF. */
static void put_mbox(struct export *x, struct span octets)
{
	while (octets.len) {
		ptrdiff_t lf = span_find(octets, '\n');
		struct span line = lf < 0 ? octets : span_sub(octets, 0, (size_t)lf + 1);

		octets = span_skip(octets, line.len);
		if (x->is_line_start) {
			size_t quotes = 0;

			while (quotes < line.len && line.ptr[quotes] == '>')
				quotes++;
			if (span_starts(span_skip(line, quotes), SPAN("From ")))
				fputc('>', x->out);
		}
		x->is_line_start = lf >= 0;
		if (line.len >= 2 && lf >= 0 && line.ptr[line.len - 2] == '\r')
			line.len -= 2;
		else if (lf >= 0)
			line.len--;
		else if (line.ptr[line.len - 1] == '\r')
			line.len--; /* its LF comes with the next piece */
		fwrite(line.ptr, 1, line.len, x->out);
		if (lf >= 0)
			fputc('\n', x->out);
	}
}

/* "From sender date" in asctime's form, from the received_at of the row. */
static void mbox_head(struct export *x, const struct json_in *row)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct span at = json_in_text(row, "received_at");
	uint64_t month = 1;

	if (at.len < 19 || !span_u64(span_sub(at, 5, 2), &month) || month < 1 || month > 12)
		at = SPAN("1970-01-01T00:00:00");
	struct clock_civil day = {0};
	uint64_t y = 1970, d = 1;
	static const char names[] = "SunMonTueWedThuFriSat";

	span_u64(span_sub(at, 0, 4), &y);
	span_u64(span_sub(at, 8, 2), &d);
	day = (struct clock_civil){.year = (int)y, .month = (int)month, .day = (int)d};
	clock_to_civil(clock_from_civil(&day), 0, &day);
	fprintf(x->out, "From MAILER-DAEMON %.3s %.3s %2d %.8s %d\n", names + day.weekday * 3,
		months + (month - 1) * 3, (int)d, at.ptr + 11, (int)y);
	x->is_line_start = true;
}

static int maildir_begin(struct export *x, const struct json_in *row)
{
	const struct json_in *flags = json_in_get(row, "flags");
	struct buf b;

	/* https://cr.yp.to/proto/maildir.html: info letters in ASCII order */
	static const struct {
		const char *flag;
		char letter;
	} letters[] = {{"\\Draft", 'D'}, {"\\Flagged", 'F'}, {"\\Answered", 'R'}, {"\\Seen", 'S'},
		{"\\Deleted", 'T'}};
	buf_init(&b, 64);
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		for (size_t k = 0; k < json_in_count(flags); k++) {
			if (span_eq(json_in_span(json_in_at(flags, k)), span_str(letters[i].flag)))
				buf_char(&b, letters[i].letter);
		}
	}
	x->flags = arena_str(x->c->arena, buf_span(&b));
	buf_fini(&b);
	x->part = arena_printf(x->c->arena, "%lld.U%llu.yizhan",
		(long long)(clock_wall_ns() / CLOCK_SEC), (unsigned long long)x->uid);
	const char *path = arena_printf(x->c->arena, "%s/tmp/%s", x->dir, x->part);
	x->out = fopen(path, "wxe");
	return x->out ? 0 : cli_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

static int maildir_end(struct export *x)
{
	struct arena *a = x->c->arena;
	const char *from = arena_printf(a, "%s/tmp/%s", x->dir, x->part);
	const char *to = arena_printf(a, "%s/cur/%s:2,%s", x->dir, x->part, x->flags);
	int rc = fclose(x->out);

	x->out = NULL;
	if (rc != 0 || rename(from, to) < 0)
		return cli_fail(EX_CANTCREAT, "%s: %s", to, strerror(errno));
	return 0;
}

static int message_begin(struct export *x, const struct json_in *row)
{
	json_in_u64(row, "uid", &x->uid);
	x->count++;
	if (x->dir)
		return maildir_begin(x, row);
	if (x->is_mbox)
		mbox_head(x, row);
	return 0;
}

static int message_end(struct export *x)
{
	if (x->dir)
		return maildir_end(x);
	if (x->is_mbox) /* an empty line ends a message */
		fputs(x->is_line_start ? "\n" : "\n\n", x->out);
	return 0;
}

static int export_row(void *arg, const struct json_in *row)
{
	struct export *x = arg;
	struct buf octets;
	int code = json_in_get(row, "size") ? message_begin(x, row) : 0;

	if (code)
		return code;
	buf_init(&octets, JSON_IN_MAX);
	if (!enc_get_base64(&octets, json_in_text(row, "octets")))
		code = cli_fail(EX_SOFTWARE, "the server's answer is not understood");
	else if (x->is_mbox)
		put_mbox(x, buf_span(&octets));
	else
		fwrite(buf_span(&octets).ptr ? buf_span(&octets).ptr : "", 1, buf_len(&octets),
			x->out);
	buf_fini(&octets);
	if (!code && ferror(x->out))
		code = cli_fail(EX_IOERR, "cannot be written: %s", strerror(errno));
	if (!code && json_in_bool(row, "last"))
		code = message_end(x);
	return code;
}

static int make_maildir(struct export *x)
{
	static const char *const parts[] = {"", "/cur", "/new", "/tmp"};

	for (size_t i = 0; i < 4; i++) {
		const char *dir = arena_printf(x->c->arena, "%s%s", x->dir, parts[i]);

		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return cli_fail(EX_CANTCREAT, "%s: %s", dir, strerror(errno));
	}
	return 0;
}

static int export_open(struct export *x)
{
	const char *format = cli_value(x->c, "format");

	x->path = cli_value(x->c, "out");
	x->out = stdout;
	if (!cli_value(x->c, "uid") && !format)
		return cli_fail(EX_USAGE, "say which: --uid N, or all of them with --format");
	if (!format || strcmp(format, "eml") == 0)
		x->is_mbox = false;
	else if (strcmp(format, "mbox") == 0)
		x->is_mbox = true;
	else if (strcmp(format, "maildir") == 0)
		x->dir = x->path ? x->path : "";
	else
		return cli_fail(EX_USAGE, "--format: \"%s\" is none of: eml mbox maildir", format);
	if (format && strcmp(format, "eml") == 0 && !cli_value(x->c, "uid"))
		return cli_fail(EX_USAGE, "eml is one message: --uid N");
	if (x->dir && !x->dir[0])
		return cli_fail(EX_USAGE, "a maildir needs --out DIR");
	if (x->dir)
		return make_maildir(x);
	if (!x->path)
		return 0;
	x->out = fopen(x->path, "wxe");
	return x->out ? 0 : cli_fail(EX_CANTCREAT, "%s: %s", x->path, strerror(errno));
}

static int run_export(struct cli_call *c)
{
	struct export x = {.c = c};
	struct json_out j;
	struct buf args;
	uint64_t uid;
	int code = export_open(&x);

	if (code)
		return code;
	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", c->operands[0]);
	if (cli_value(c, "folder"))
		json_kv_str(&j, "folder", cli_value(c, "folder"));
	if (cli_value(c, "uid")) {
		if (!span_u64_max(span_str(cli_value(c, "uid")), UINT32_MAX, &uid))
			code = cli_fail(
				EX_USAGE, "--uid: \"%s\" is no number", cli_value(c, "uid"));
		else
			json_kv_u64(&j, "uid", uid);
	}
	if (!code) {
		json_close(&j);
		code = cli_ask(c, "mailbox.export", buf_span(&args), export_row, &x);
	}
	if (x.out && x.out != stdout && fclose(x.out) != 0 && !code)
		code = cli_fail(EX_IOERR, "cannot be written: %s", strerror(errno));
	if (!code && c->is_json && x.path)
		printf("{\"messages\":%llu}\n", (unsigned long long)x.count);
	buf_fini(&args);
	return code;
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
		.line = "write messages out, octet for octet",
		.text = "With --uid the exact octets of one message go to standard output or to --out. "
			"With --format mbox or maildir all messages of the folder are written.",
		.operands = {{"ADDRESS", "address"}},
		.options = {FOLDER, {"uid", "N", "this message"},
			{"format", "FORMAT", "eml (one message), mbox, maildir", NULL, false,
				"eml mbox maildir"},
			{"out", "PATH", "a new file, or the maildir's directory"}},
		.run = run_export,
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
