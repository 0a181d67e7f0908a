#include "cli/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"

/* `yizhan trace`: where a message has been, by its own header. */

static bool is_utf8_locale(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (!value || !*value)
			continue;
		return strcasestr(value, "UTF-8") || strcasestr(value, "utf8");
	}
	return false;
}

static int read_width(struct trace *t)
{
	const char *text = cli_value(t->call, "width");
	struct winsize w = {0};
	uint64_t n = TRACE_WIDTH;

	if (text && (!span_u64_max(span_str(text), TRACE_WIDTH_MAX, &n) || n < TRACE_WIDTH_MIN))
		return cli_fail(EX_USAGE, "--width: \"%s\" is no number from %d to %d", text,
			TRACE_WIDTH_MIN, TRACE_WIDTH_MAX);
	if (!text && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		n = w.ws_col;
	t->width = n < TRACE_WIDTH_MIN ? TRACE_WIDTH_MIN
		: n > TRACE_WIDTH_MAX  ? TRACE_WIDTH_MAX
				       : (unsigned)n;
	return 0;
}

/* "--trust mx.example.net,192.0.2.0/24" */
static int read_trust(struct trace *t)
{
	struct span rest = span_str(cli_value(t->call, "trust")), one;
	struct received_ip ip;

	t->options.trust = t->trust;
	while (rest.len) {
		span_cut(rest, ',', &one, &rest);
		one = span_trim(one);
		if (!one.len)
			continue;
		if (span_find(one, '/') >= 0 || received_ip(t->call->arena, one, &ip)) {
			struct span host, bits;
			uint64_t n;

			span_cut(one, '/', &host, &bits);
			if (!received_ip(t->call->arena, host, &ip) ||
				(bits.len && !span_u64_max(bits, ip.bits, &n)))
				return cli_fail(EX_USAGE,
					"--trust: \"" SPAN_FMT "\" is neither a host nor a network",
					SPAN_ARG(one));
		}
		if (t->options.trust_count == TRACE_TRUST_MAX)
			return cli_fail(EX_USAGE, "--trust: more than %d", TRACE_TRUST_MAX);
		t->trust[t->options.trust_count++] = one;
	}
	return 0;
}

static int read_options(struct trace *t)
{
	struct cli_call *c = t->call;
	const char *index = cli_value(c, "index");
	bool has_mailbox = cli_value(c, "uid") || cli_value(c, "mailbox");

	t->is_utc = cli_value(c, "utc") != NULL;
	t->is_ascii = cli_value(c, "ascii") != NULL || !is_utf8_locale();
	t->is_color = !cli_value(c, "no-color") && (cli_value(c, "color") || cli_is_color(stdout));
	t->message_id = cli_value(c, "message-id");
	t->options.now_sec = clock_wall_ns() / CLOCK_SEC;
	if (cli_value(c, "no-color") && cli_value(c, "color"))
		return cli_fail(EX_USAGE, "--color or --no-color, not both");
	if (index && (!span_u64(span_str(index), &t->index) || !t->index))
		return cli_fail(EX_USAGE, "--index: \"%s\" is no number from 1 on", index);
	if (index && t->message_id)
		return cli_fail(EX_USAGE, "--index or --message-id, not both");
	if (has_mailbox && !cli_value(c, "account"))
		return cli_fail(EX_USAGE, "--uid and --mailbox need --account NAME");
	if (cli_value(c, "account") && !cli_value(c, "uid"))
		return cli_fail(EX_USAGE, "--account needs --uid N: see yizhan mailbox list");
	if (cli_value(c, "account") && (c->operand_count || index || t->message_id))
		return cli_fail(EX_USAGE, "either files, or --account and --uid");
	int code = read_width(t);
	return code ? code : read_trust(t);
}

int trace_message(struct trace *t, struct span head)
{
	struct arena *a = arena_new();
	struct journey *j = ARENA_NEW(a, struct journey);
	struct json_out out;
	struct buf b;

	if (!journey_read(a, head, &t->options, j)) {
		arena_free(&a);
		return cli_fail(EX_DATAERR, "%s%sno message: it does not begin with header fields",
			t->name ? t->name : "", t->name ? ": " : "");
	}
	if (t->call->is_json) {
		buf_init(&b, TRACE_OUT_MAX);
		json_out_init(&out, &b);
		trace_json(&out, t, j);
		MUST(buf_ok(&b));
		printf("%s", !t->is_array ? "" : t->shown ? ",\n" : "[");
		fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
		buf_fini(&b);
	} else {
		printf("%s", t->shown ? "\n" : "");
		trace_draw(t, a, j);
	}
	t->shown++;
	arena_free(&a);
	return ferror(stdout) ? EX_IOERR : 0;
}

static int trace_file(struct trace *t, const char *path)
{
	struct stat st;
	FILE *f;
	int code;

	if (strcmp(path, "-") == 0)
		return trace_stream(t, stdin, NULL);
	f = fopen(path, "re");
	if (!f)
		return cli_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode))
		code = cli_fail(EX_NOINPUT, "%s: a directory; name a file in its cur or new", path);
	else
		code = trace_stream(t, f, path);
	fclose(f);
	return code;
}

static int run_trace(struct cli_call *c)
{
	struct trace *t = ARENA_NEW(c->arena, struct trace);
	int code;

	t->call = c;
	code = read_options(t);
	if (code)
		return code;
	t->is_array = c->operand_count > 1;
	if (cli_value(c, "account")) {
		code = trace_mailbox(t);
	} else if (!c->operand_count && isatty(STDIN_FILENO)) {
		code = cli_fail(EX_USAGE,
			"say which message: a FILE, - for standard input, or "
			"--account NAME --uid N");
	} else if (!c->operand_count) {
		code = trace_stream(t, stdin, NULL);
	}
	for (size_t i = 0; i < c->operand_count; i++) {
		int one = trace_is_logged(c->operands[i]) ? trace_logged(t, c->operands[i])
							  : trace_file(t, c->operands[i]);

		code = code ? code : one;
	}
	if (c->is_json && t->is_array)
		printf("%s]\n", t->shown ? "" : "[");
	else if (c->is_json && t->shown)
		printf("\n");
	return code;
}

const struct cli_command cli_trace = {
	.name = "trace",
	.group = "Looking at mail",
	.line = "draw the way of a message, station by station",
	.text = "Given a queue id or a Message-ID: what the server's station log has of that letter, from "
		"the session that brought it to the last attempt, with the reports and copies that came "
		"of it.\n"
		"Given a message: reads its Received fields, from files (also of a maildir, or an mbox with "
		"--index or --message-id), from standard input, or from a mailbox of the server. Shown "
		"are stations, protocols, TLS and the delay of each; clocks that are wrong, loops, and "
		"what looks forged are remarked upon. What stands below the first field that no trusted "
		"station wrote is a claim of the sender. Without --trust only the station that wrote the "
		"topmost field is trusted.",
	.operands = {{"FILE|ID", NULL, true, true}},
	.options = {{"conversation", NULL,
			    "with a queue id or Message-ID: show what was said in each attempt"},
		{"index", "N", "of an mbox: the N-th message, from 1"},
		{"message-id", "ID", "of an mbox: the message with this Message-ID"},
		{"account", "NAME", "a message of this account of the server"},
		{"uid", "N", "with --account: the message's UID"},
		{"mailbox", "NAME", "with --account: its folder, not INBOX"},
		{"trust", "HOST,NET",
			"stations to trust: names (with all below them), addresses, networks"},
		{"utc", NULL, "times in UTC, not of the local zone"},
		{"ascii", NULL,
			"draw with ASCII only (what happens where the locale is not UTF-8)"},
		{"color", NULL, "colours even where it is no terminal"},
		{"no-color", NULL, "no colours"}, {"width", "N", "columns to fill"}},
	.run = run_trace,
};
