#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "cli/move.h"

/* mailbox export: octets from the server become files. */

enum form { FORM_EML, FORM_MBOX, FORM_MAILDIR };

struct export
{
	struct cli_call *c;
	enum form form;
	const char *path; /* the operand: a whole account, or --folder; NULL: the old way */
	FILE *out;        /* the mbox, or the message at hand */
	const char *dir;  /* of the folder at hand: Maildir, or eml */
	struct arena *a;  /* of the folder at hand */
	int64_t since_ms;
	/* the message at hand */
	struct mbox_writer writer;
	struct buf text;
	const char *part, *name; /* where it is written, and what it is called at last */
	int64_t received_sec;
	bool is_open, is_lf;
	/* letters of a Maildir's keywords */
	struct span keywords[26];
	size_t keyword_count;
	uint64_t count, total, folders;
};

/* ---- a message ---- */

static unsigned flag_bit(struct span word)
{
	static const char *const names[] = {
		"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq(word, span_str(names[i])))
			return 1U << i;
	return 0;
}

static void read_flags(
	struct export *x, const struct json_in *row, unsigned *flags_r, struct span *words_r)
{
	const struct json_in *list = json_in_get(row, "flags");
	struct buf *b = arena_buf(x->a, 65536);

	*flags_r = 0;
	for (size_t i = 0; i < json_in_count(list); i++) {
		struct span word = json_in_span(json_in_at(list, i));

		*flags_r |= flag_bit(word);
		if (flag_bit(word))
			continue;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, word);
	}
	*words_r = buf_span(b);
}

static void mbox_begin(struct export *x, const struct json_in *row)
{
	struct mbox_letter l = {.sender = json_in_text(row, "sender"), .date_sec = x->received_sec};

	read_flags(x, row, &l.flags, &l.keywords);
	mbox_write_begin(&x->writer, &x->text, &l, json_in_bool(row, "has_bare"),
		json_in_bool(row, "lacks_end"));
}

/* A keyword's letter; 0: there are 26 already. */
static char letter_of(struct export *x, struct span word)
{
	if (span_eq_nocase(word, SPAN("$Forwarded")))
		return 'P';
	for (size_t i = 0; i < x->keyword_count; i++)
		if (span_eq(x->keywords[i], word))
			return (char)('a' + i);
	if (x->keyword_count == ARRAY_LEN(x->keywords))
		return 0;
	x->keywords[x->keyword_count] = arena_span(x->a, word);
	return (char)('a' + x->keyword_count++);
}

/* https://cr.yp.to/proto/maildir.html: letters in the order of ASCII, those of keywords behind. */
static const char *info_of(struct export *x, const struct json_in *row)
{
	static const struct {
		unsigned flag;
		char letter;
	} letters[] = {{MBOX_DRAFT, 'D'}, {MBOX_FLAGGED, 'F'}, {0, 'P'}, {MBOX_ANSWERED, 'R'},
		{MBOX_SEEN, 'S'}, {MBOX_DELETED, 'T'}};
	struct span words, word, rest;
	struct buf *b = arena_buf(x->a, 64);
	unsigned flags;

	read_flags(x, row, &flags, &words);
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		bool is_on = flags & letters[i].flag;

		for (rest = words; !letters[i].flag && (word = span_word(&rest)).len;)
			is_on = is_on || letter_of(x, word) == 'P';
		if (is_on)
			buf_char(b, letters[i].letter);
	}
	for (rest = words; (word = span_word(&rest)).len;) {
		char letter = letter_of(x, word);

		if (!letter)
			cli_fail(0,
				"a Maildir has room for 26 keywords: \"" SPAN_FMT "\" stays behind",
				SPAN_ARG(word));
		else if (letter != 'P')
			buf_char(b, letter);
	}
	return arena_str(x->a, buf_span(b));
}

static int file_begin(struct export *x, const struct json_in *row, uint64_t uid)
{
	if (x->form == FORM_MAILDIR) {
		const char *name = arena_printf(x->a, "%lld.U%llu.yizhan",
			(long long)x->received_sec, (unsigned long long)uid);

		x->part = arena_printf(x->a, "%s/tmp/%s", x->dir, name);
		x->name = arena_printf(x->a, "%s/cur/%s:2,%s", x->dir, name, info_of(x, row));
	} else {
		x->name = arena_printf(x->a, "%s/%llu.eml", x->dir, (unsigned long long)uid);
		x->part = arena_printf(x->a, "%s.part", x->name);
	}
	unlink(x->part); /* of one that was interrupted */
	x->out = fopen(x->part, "wxe");
	return x->out ? 0 : cli_fail(EX_CANTCREAT, "%s: %s", x->part, strerror(errno));
}

static int file_end(struct export *x)
{
	struct timespec times[2] = {{.tv_sec = x->received_sec}, {.tv_sec = x->received_sec}};
	bool is_good = fflush(x->out) == 0 && futimens(fileno(x->out), times) == 0;

	is_good = fclose(x->out) == 0 && is_good;
	x->out = NULL;
	if (!is_good || rename(x->part, x->name) < 0)
		return cli_fail(EX_CANTCREAT, "%s: %s", x->name, strerror(errno));
	return 0;
}

static int message_begin(struct export *x, const struct json_in *row)
{
	struct span at = json_in_text(row, "received_at");
	uint64_t uid = 0;

	json_in_u64(row, "uid", &uid);
	x->received_sec = 0;
	clock_parse_rfc3339(at, &x->received_sec);
	x->is_open = true;
	x->count++;
	if (x->form == FORM_MBOX)
		mbox_begin(x, row);
	return x->dir ? file_begin(x, row, uid) : 0;
}

/* As they are, or in a Maildir with LF where all lines end with CRLF. */
static void put_octets(struct export *x, struct span octets, bool is_lf)
{
	while (octets.len) {
		const char *cr = is_lf ? memchr(octets.ptr, '\r', octets.len) : NULL;
		size_t n = cr ? (size_t)(cr - octets.ptr) : octets.len;

		fwrite(octets.ptr, 1, n, x->out);
		octets = span_skip(octets, n + (cr ? 1 : 0));
	}
}

static int export_row(void *arg, const struct json_in *row)
{
	struct export *x = arg;
	bool is_first = json_in_get(row, "size") != NULL, is_last = json_in_bool(row, "last");
	struct buf octets;
	int code = is_first ? message_begin(x, row) : 0;

	if (code)
		return code;
	if (is_first)
		x->is_lf = x->form == FORM_MAILDIR && !json_in_bool(row, "has_bare");
	buf_init(&octets, JSON_IN_MAX);
	if (!enc_get_base64(&octets, json_in_text(row, "octets"))) {
		code = cli_fail(EX_SOFTWARE, "the server's answer is not understood");
	} else if (x->form == FORM_MBOX) {
		mbox_write(&x->writer, buf_span(&octets));
		if (is_last)
			mbox_write_end(&x->writer);
		fwrite(buf_cstr(&x->text), 1, buf_len(&x->text), x->out);
		buf_clear(&x->text);
	} else {
		put_octets(x, buf_span(&octets), x->is_lf);
	}
	buf_fini(&octets);
	if (!code && ferror(x->out))
		code = cli_fail(EX_IOERR, "cannot be written: %s", strerror(errno));
	if (!code && is_last && x->dir)
		code = file_end(x);
	x->is_open = x->is_open && !is_last;
	if (x->path)
		cli_progress(x->count < x->total ? x->count : 0, x->total);
	return code;
}

/* ---- a folder ---- */

static int make_dirs(struct export *x, const char *path)
{
	char *copy = arena_str(x->a, span_str(path));

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return cli_fail(EX_CANTCREAT, "%s: %s", copy, strerror(errno));
		*p = '/';
	}
	if (mkdir(copy, 0700) < 0 && errno != EEXIST)
		return cli_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	return 0;
}

static int make_maildir(struct export *x, bool is_sub)
{
	static const char *const parts[] = {"/cur", "/new", "/tmp"};
	int code = 0;

	for (size_t i = 0; !code && i < ARRAY_LEN(parts); i++)
		code = make_dirs(x, arena_printf(x->a, "%s%s", x->dir, parts[i]));
	if (!code &&
		is_sub) { /* Maildir++: an empty file says that it is one of another's folders */
		int fd = open(arena_printf(x->a, "%s/maildirfolder", x->dir),
			O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

		if (fd >= 0)
			close(fd);
	}
	return code;
}

/* Letters of an earlier export into the same Maildir keep their meaning. */
static int keywords_file(struct export *x, bool is_written)
{
	const char *path = arena_printf(x->a, "%s/dovecot-keywords", x->dir);
	FILE *f = fopen(path, is_written ? "we" : "re");
	char *line = NULL;
	size_t size = 0;
	struct span number, word;

	if (is_written && !f)
		return cli_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
	for (size_t i = 0; is_written && i < x->keyword_count; i++)
		fprintf(f, "%zu " SPAN_FMT "\n", i, SPAN_ARG(x->keywords[i]));
	while (!is_written && f && getline(&line, &size, f) > 0 &&
		x->keyword_count < ARRAY_LEN(x->keywords))
		if (span_cut(span_trim(span_str(line)), ' ', &number, &word))
			x->keywords[x->keyword_count++] = arena_span(x->a, word);
	free(line);
	return !f || fclose(f) == 0 ? 0 : cli_fail(EX_IOERR, "%s: %s", path, strerror(errno));
}

static int open_file(struct export *x, const char *path)
{
	x->out = fopen(path, "wxe");
	return x->out ? 0 : cli_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

/* Where a folder of the account goes below x->path. */
static int open_place(struct export *x, struct span folder, bool is_alone)
{
	bool is_inbox = span_eq(folder, SPAN("INBOX")) || is_alone;
	struct span file = move_folder_file(x->a, folder);
	struct span sub = is_inbox ? SPAN_NONE : move_folder_maildir(x->a, folder);
	const char *path;
	int code;

	switch (x->form) {
	case FORM_MAILDIR:
		x->dir = is_inbox ? x->path
				  : arena_printf(x->a, "%s/" SPAN_FMT, x->path, SPAN_ARG(sub));
		x->keyword_count = 0;
		code = make_maildir(x, !is_inbox);
		return code ? code : keywords_file(x, false);
	case FORM_EML:
		x->dir = is_alone ? x->path
				  : arena_printf(x->a, "%s/" SPAN_FMT, x->path, SPAN_ARG(file));
		return make_dirs(x, x->dir);
	default:
		if (is_alone)
			return open_file(x, x->path);
		path = arena_printf(x->a, "%s/" SPAN_FMT ".mbox", x->path, SPAN_ARG(file));
		code = make_dirs(x,
			arena_str(x->a,
				span_sub(span_str(path), 0,
					(size_t)span_rfind(span_str(path), '/'))));
		return code ? code : open_file(x, path);
	}
}

static int ask(struct export *x, struct span folder)
{
	const char *uid = cli_value(x->c, "uid");
	struct json_out j;
	struct buf args;
	uint64_t n = 0;
	int code = 0;

	if (uid && !span_u64_max(span_str(uid), UINT32_MAX, &n))
		return cli_fail(EX_USAGE, "--uid: \"%s\" is no number", uid);
	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", x->c->operands[0]);
	if (folder.len)
		json_kv_span(&j, "folder", folder);
	if (uid)
		json_kv_u64(&j, "uid", n);
	if (x->since_ms)
		json_kv_u64(&j, "since", (uint64_t)x->since_ms);
	json_close(&j);
	code = cli_ask(x->c, "mailbox.export", buf_span(&args), export_row, x);
	buf_fini(&args);
	return code;
}

static int finish(struct export *x, int code)
{
	if (x->is_open && x->form == FORM_MBOX)
		mbox_write_end(&x->writer); /* interrupted: what it owns */
	if (x->out && x->out != stdout && fclose(x->out) != 0 && !code)
		code = cli_fail(EX_IOERR, "cannot be written: %s", strerror(errno));
	x->out = NULL;
	if (!code && x->form == FORM_MAILDIR && x->dir && x->keyword_count)
		code = keywords_file(x, true);
	x->dir = NULL;
	return code;
}

static int export_folder(struct export *x, struct span folder, bool is_alone)
{
	struct arena *all = x->a;
	int code;

	x->a = arena_new();
	code = open_place(x, folder, is_alone);
	if (!code)
		code = ask(x, folder);
	code = finish(x, code);
	x->folders++;
	arena_free(&x->a);
	x->a = all;
	return code;
}

/* ---- the account ---- */

struct names {
	struct export *x;
	struct span *list;
	size_t count, cap;
};

static int take_name(void *arg, const struct json_in *row)
{
	struct names *n = arg;
	uint64_t messages = 0;

	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 64;
		struct span *more = ARENA_ARRAY(n->x->a, struct span, cap);

		if (n->count)
			memcpy(more, n->list, n->count * sizeof(*more));
		n->list = more;
		n->cap = cap;
	}
	json_in_u64(row, "messages", &messages);
	n->x->total += messages;
	n->list[n->count++] = arena_span(n->x->a, json_in_text(row, "name"));
	return 0;
}

static int export_account(struct export *x)
{
	struct names n = {.x = x};
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", x->c->operands[0]);
	json_close(&j);
	code = cli_ask(x->c, "mailbox.folders", buf_span(&args), take_name, &n);
	buf_fini(&args);
	if (!code)
		code = make_dirs(x, x->path);
	for (size_t i = 0; !code && i < n.count; i++)
		code = export_folder(x, n.list[i], false);
	return code;
}

static int tell(struct export *x)
{
	cli_progress(1, 1);
	if (x->c->is_json)
		printf("{\"messages\":%llu,\"folders\":%llu}\n", (unsigned long long)x->count,
			(unsigned long long)x->folders);
	else
		printf("%llu message%s of %llu folder%s exported.\n", (unsigned long long)x->count,
			x->count == 1 ? "" : "s", (unsigned long long)x->folders,
			x->folders == 1 ? "" : "s");
	return 0;
}

/* One folder to a file, a maildir or standard output: without the operand PATH. */
static int export_out(struct export *x)
{
	const char *out = cli_value(x->c, "out"), *folder = cli_value(x->c, "folder");
	int code = 0;

	if (x->form == FORM_EML && !cli_value(x->c, "uid"))
		return cli_fail(EX_USAGE,
			"eml is one message: --uid N; or say a directory for all of them");
	if (x->form == FORM_MAILDIR && !out)
		return cli_fail(EX_USAGE, "a maildir needs --out DIR");
	x->path = out;
	if (x->form == FORM_MAILDIR)
		code = open_place(x, span_str(folder), true);
	else if (out)
		code = open_file(x, out);
	else
		x->out = stdout;
	x->path = NULL;
	if (!code)
		code = ask(x, span_str(folder));
	code = finish(x, code);
	if (!code && x->c->is_json && out)
		printf("{\"messages\":%llu}\n", (unsigned long long)x->count);
	return code;
}

/* "2026-11-23", a whole date-time, or how long ago: ms since 1970. */
static int read_since(const char *text, int64_t *ms_r)
{
	struct span s = span_str(text);
	int64_t sec, ns;

	if (span_ends_nocase(s, SPAN(" ago")))
		s.len -= 4;
	if (clock_parse_duration(s, &ns)) {
		*ms_r = (clock_wall_ns() - ns) / CLOCK_MS;
		return *ms_r > 0 ? 0
				 : cli_fail(EX_USAGE, "--since: \"%s\" is before all mail", text);
	}
	struct arena *a = arena_new();
	bool is_good = clock_parse_rfc3339(s, &sec) ||
		clock_parse_rfc3339(
			span_str(arena_printf(a, SPAN_FMT "T00:00:00Z", SPAN_ARG(s))), &sec);
	arena_free(&a);
	if (!is_good)
		return cli_fail(EX_USAGE,
			"--since: \"%s\" is neither a date (2026-11-23) nor how long ago (30d)",
			text);
	*ms_r = sec * 1000;
	return 0;
}

int cli_mailbox_export(struct cli_call *c)
{
	static const char *const forms[] = {"eml", "mbox", "maildir"};
	const char *format = cli_value(c, "format"), *folder = cli_value(c, "folder");
	struct export x = {
		.c = c, .a = c->arena, .path = c->operand_count > 1 ? c->operands[1] : NULL};
	size_t form = 0;
	int code;

	if (!cli_value(c, "uid") && !format)
		return cli_fail(EX_USAGE, "say which: --uid N, or all of them with --format");
	while (format && form < ARRAY_LEN(forms) && strcmp(format, forms[form]) != 0)
		form++;
	if (form == ARRAY_LEN(forms))
		return cli_fail(EX_USAGE, "--format: \"%s\" is none of: eml mbox maildir", format);
	if (x.path && (cli_value(c, "out") || cli_value(c, "uid")))
		return cli_fail(EX_USAGE, "PATH is for whole folders: not with --uid or --out");
	code = cli_value(c, "since") ? read_since(cli_value(c, "since"), &x.since_ms) : 0;
	x.form = (enum form)form;
	buf_init(&x.text, 16 * MBOX_HEAD_MAX);
	if (!code && !x.path)
		code = export_out(&x);
	else if (!code)
		code = folder ? export_folder(&x, span_str(folder), true) : export_account(&x);
	buf_fini(&x.text);
	return code || !x.path ? code : tell(&x);
}

/* ---- undelete ---- */

int cli_mailbox_undelete(struct cli_call *c)
{
	bool is_list = cli_value(c, "list") != NULL, has_uids = c->operand_count > 1;
	const char *folder = cli_value(c, "folder"), *since = cli_value(c, "since");
	struct cli_table *t;
	struct json_out j;
	struct buf args;
	int64_t since_ms = 0;
	int code = since ? read_since(since, &since_ms) : 0;

	if (code)
		return code;
	if (!is_list && !has_uids && !folder && !since && !cli_value(c, "all"))
		return cli_fail(EX_USAGE,
			"which? --list shows what there is; then UIDs with --folder, --since TIME, or --all");
	buf_init(&args, 65536);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", c->operands[0]);
	if (folder || has_uids) /* UIDs count within one folder */
		json_kv_str(&j, "folder", folder ? folder : "INBOX");
	if (since)
		json_kv_u64(&j, "since", (uint64_t)since_ms);
	json_key(&j, "uids");
	json_open_array(&j);
	for (size_t i = 1; i < c->operand_count; i++)
		json_str(&j, c->operands[i]);
	json_close(&j);
	json_close(&j);
	t = cli_table_new(c->command->columns, false, c->is_json);
	code = cli_ask(c, is_list ? "mailbox.gone" : "mailbox.undelete", buf_span(&args),
		cli_table_row, t);
	cli_table_free(&t, code ? NULL : c->command->nothing);
	buf_fini(&args);
	return code;
}
