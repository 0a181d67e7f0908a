#include "cli/move.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/stream.h"

/* mailbox import: what stands in a file or a tree of them, or on another server. */

static bool ends_with(const char *name, const char *end)
{
	return span_ends_nocase(span_str(name), span_str(end));
}

enum kind { KIND_NONE, KIND_MBOX, KIND_EML };

/* What a file is, by its first octets. */
static enum kind kind_of(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	enum kind kind = KIND_NONE;

	while (f && getline(&line, &size, f) > 0) {
		struct span text = span_trim(span_str(line));

		if (!text.len)
			continue;
		if (mbox_is_from(text, true, NULL))
			kind = KIND_MBOX;
		else if (span_find(text, ':') > 0 &&
			span_find(span_sub(text, 0, (size_t)span_find(text, ':')), ' ') < 0)
			kind = KIND_EML;
		break;
	}
	free(line);
	if (f)
		fclose(f);
	return kind;
}

static struct span below(struct arena *a, struct span folder, struct span name)
{
	struct span all = folder.len
		? span_str(arena_printf(a, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(folder), SPAN_ARG(name)))
		: name;

	return move_folder_clean(a, all);
}

/* A file's name without what says how it is kept; programs call the inbox so and so. */
static struct span folder_of_file(struct move_in *m, struct span folder, const char *name)
{
	struct span text = span_str(name);

	if (ends_with(name, ".mbox"))
		text.len -= 5;
	else if (ends_with(name, ".mbx") || ends_with(name, ".sbd"))
		text.len -= 4;
	if (!folder.len && (span_eq_nocase(text, SPAN("Inbox")) || span_eq(text, SPAN("mbox"))))
		return SPAN("INBOX");
	return span_eq(text, SPAN("mbox")) ? folder
					   : below(m->a, folder, move_folder_unfile(m->a, text));
}

static FIBER int take_file(
	struct move_in *m, const char *path, const char *name, struct span folder)
{
	struct span inbox = folder.len ? folder : SPAN("INBOX");

	if (ends_with(name, ".msf") || ends_with(name, ".dat") || ends_with(name, ".json") ||
		name[0] == '.')
		return 0;
	switch (kind_of(path)) {
	case KIND_MBOX: return move_mbox(m, path, folder_of_file(m, folder, name), MBOX_AUTO);
	case KIND_EML: return move_eml(m, path, inbox);
	default: return 0; /* no mail: an index, an empty file */
	}
}

static FIBER int take_entry(
	struct move_in *m, const char *dir, const char *name, struct span folder, bool is_maildir)
{
	char *path = arena_printf(m->a, "%s/%s", dir, name);
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return is_maildir ? 0 : take_file(m, path, name, folder);
	if (!S_ISDIR(st.st_mode) ||
		(is_maildir &&
			(strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
				strcmp(name, "tmp") == 0)))
		return 0;
	if (name[0] ==
		'.') /* Maildir++: the dots are its levels; anything else that is hidden stays so */
		return move_is_maildir(m->a, path)
			? move_tree(m, path,
				  below(m->a, folder, move_folder_unmaildir(m->a, span_str(name))))
			: 0;
	return move_tree(m, path, folder_of_file(m, folder, name));
}

FIBER int move_tree(struct move_in *m, const char *path, struct span folder)
{
	bool is_maildir = move_is_maildir(m->a, path);
	size_t count = 0;
	char **names;
	int rc = 0;

	if (++m->depth > MOVE_DEPTH_MAX) {
		move_out_bad(m->out, span_str(path), "too many directories within each other");
		m->depth--;
		return 0;
	}
	if (is_maildir)
		rc = move_maildir(m, path, folder.len ? folder : SPAN("INBOX"));
	names = rc == 0 ? move_names(m->a, path, &count) : NULL;
	for (size_t i = 0; rc == 0 && names && i < count; i++)
		rc = take_entry(m, path, names[i], folder, is_maildir);
	m->depth--;
	return rc;
}

static const struct {
	const char *name;
	enum mbox_kind kind;
} kinds[] = {{"mbox", MBOX_AUTO}, {"mboxo", MBOX_O}, {"mboxrd", MBOX_RD}, {"mboxcl", MBOX_CL},
	{"mboxcl2", MBOX_CL2}};

static FIBER int take_path(struct move_in *m)
{
	struct span folder = m->folder ? move_folder_clean(m->a, span_str(m->folder)) : SPAN_NONE;
	struct span inbox = folder.len ? folder : SPAN("INBOX");
	struct stat st;

	if (strcmp(m->path, "-") == 0)
		return move_mbox(m, m->path, inbox, MBOX_AUTO);
	if (stat(m->path, &st) < 0)
		return cli_fail(EX_NOINPUT, "%s: %s", m->path, strerror(errno));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(m->format, kinds[i].name) == 0 && S_ISREG(st.st_mode))
			return move_mbox(m, m->path, inbox, kinds[i].kind);
	if (S_ISDIR(st.st_mode)) {
		if (strcmp(m->format, "maildir") == 0 && !move_is_maildir(m->a, m->path))
			return cli_fail(
				EX_DATAERR, "%s: no Maildir, there is no cur/ in it", m->path);
		return move_tree(m, m->path, folder);
	}
	if (strcmp(m->format, "maildir") == 0)
		return cli_fail(EX_DATAERR, "%s: a Maildir is a directory", m->path);
	switch (strcmp(m->format, "eml") == 0 ? KIND_EML : kind_of(m->path)) {
	case KIND_MBOX: return move_mbox(m, m->path, inbox, MBOX_AUTO);
	case KIND_EML: return move_eml(m, m->path, inbox);
	default:
		return cli_fail(EX_DATAERR,
			"%s: neither an mbox (it would begin with \"From \") nor a message",
			m->path);
	}
}

/* How much there is to read, for the bar. */
static uint64_t size_of(const char *path)
{
	char *const paths[] = {(char *)(uintptr_t)path, NULL};
	FTS *t = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	FTSENT *x;
	uint64_t all = 0;

	while (t && (x = fts_read(t)))
		if (x->fts_info == FTS_F)
			all += (uint64_t)x->fts_statp->st_size;
	if (t)
		fts_close(t);
	return all;
}

static FIBER int import_files(void *arg, struct stream *s)
{
	struct move_in *m = arg;
	int code, rc;

	struct move_opts opts = {.address = m->address, .is_dry = m->is_dry, .is_skip = m->is_skip};

	m->out = move_out_new(s, &opts);
	rc = take_path(m);
	code = move_out_end(m->out, &m->sums);
	move_out_free(&m->out);
	cli_progress(1, 1);
	return code ? code : rc > 0 ? rc : 0;
}

int move_tell(struct cli_call *c, const struct move_sums *s, bool is_dry)
{
	if (c->is_json) {
		printf("{\"imported\":%llu,\"present\":%llu,\"duplicates\":%llu,\"changed\":%llu,\"bad\":%llu,"
		       "\"passed_over\":%llu,\"folders\":%llu,\"octets\":%llu}\n",
			(unsigned long long)s->added, (unsigned long long)s->present,
			(unsigned long long)s->duplicates, (unsigned long long)s->changed,
			(unsigned long long)s->bad, (unsigned long long)s->passed_over,
			(unsigned long long)s->folders, (unsigned long long)s->octets);
	} else {
		printf("%llu message%s %s", (unsigned long long)s->added, s->added == 1 ? "" : "s",
			is_dry ? "would be imported" : "imported");
		if (s->folders)
			printf(", %llu folder%s made", (unsigned long long)s->folders,
				s->folders == 1 ? "" : "s");
		if (s->present)
			printf(", %llu here already", (unsigned long long)s->present);
		if (s->duplicates)
			printf(", %llu duplicates left out", (unsigned long long)s->duplicates);
		if (s->changed)
			printf(", flags of %llu changed", (unsigned long long)s->changed);
		if (s->passed_over)
			printf(", %llu that are no mail passed over",
				(unsigned long long)s->passed_over);
		printf(".\n");
	}
	if (!s->bad)
		return 0;
	return cli_fail(EX_DATAERR, "%llu could not be taken (told above); the rest is in",
		(unsigned long long)s->bad);
}

int cli_mailbox_import(struct cli_call *c)
{
	const char *format = cli_value(c, "format");
	struct move_in m = {.c = c,
		.a = c->arena,
		.address = c->operands[0],
		.path = c->operands[1],
		.format = format ? format : "auto",
		.folder = cli_value(c, "folder"),
		.is_dry = cli_value(c, "dry-run") != NULL,
		.is_skip = cli_value(c, "skip-duplicates") != NULL};
	bool is_known = strcmp(m.format, "auto") == 0 || strcmp(m.format, "maildir") == 0 ||
		strcmp(m.format, "eml") == 0;
	int code;

	if (move_is_url(m.path))
		return cli_mailbox_pull(c);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		is_known = is_known || strcmp(m.format, kinds[i].name) == 0;
	if (!is_known)
		return cli_fail(EX_USAGE,
			"--format: \"%s\" is none of: auto mbox mboxo mboxrd mboxcl mboxcl2 maildir eml",
			m.format);
	if (m.folder && strchr(m.folder, '\n'))
		return cli_fail(EX_USAGE, "one --folder is enough here");
	if (m.folder && strchr(m.folder, '='))
		return cli_fail(EX_USAGE,
			"--folder Old=New is for another server; here it names one folder");
	if (strcmp(m.path, "-") != 0 && access(m.path, R_OK) < 0)
		return cli_fail(EX_NOINPUT, "%s: %s", m.path, strerror(errno));
	m.total = strcmp(m.path, "-") == 0 ? 0 : size_of(m.path);
	code = cli_talk(c, import_files, &m);
	return code ? code : move_tell(c, &m.sums, m.is_dry);
}
