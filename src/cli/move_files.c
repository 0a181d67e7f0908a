#include "cli/move.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

/* Files and trees of them: mbox, Maildir, single messages. The command's own thread reads them; nothing else
 * runs on its loop but the talk with the server. */

#define READ_BYTES (64 * 1024)

void move_progress(struct move_in *m, uint64_t octets)
{
	uint64_t before = m->done / (256 * 1024);

	m->done += octets;
	if (m->total && m->done / (256 * 1024) != before)
		cli_progress(m->done < m->total ? m->done : m->total - 1, m->total);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **move_names(struct arena *a, const char *path, size_t *count_r)
{
	DIR *d = opendir(path);
	struct dirent *x;
	char **list = NULL;
	size_t count = 0, cap = 0;

	if (!d) {
		cli_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	while ((x = readdir(d)) && count < MOVE_FILES_MAX) {
		if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
			continue;
		if (count == cap) {
			cap = cap ? cap * 2 : 256;
			char **more = ARENA_ARRAY(a, char *, cap);
			if (count)
				memcpy(more, list, count * sizeof(*more));
			list = more;
		}
		list[count++] = arena_str(a, span_str(x->d_name));
	}
	closedir(d);
	if (count)
		qsort(list, count, sizeof(*list), compare_names);
	*count_r = count;
	return list ? list : ARENA_ARRAY(a, char *, 1);
}

/* ---- one message a file ---- */

/* Octets of a file with LF as those of a message. *last: the one before. */
static FIBER int put_lines(struct move_in *m, struct span in, char *last)
{
	while (in.len) {
		const char *lf = memchr(in.ptr, '\n', in.len);
		size_t n = lf ? (size_t)(lf - in.ptr) : in.len;
		char before = n ? in.ptr[n - 1] : *last;

		if (n && move_out_octets(m->out, span_sub(in, 0, n)) < 0)
			return -1;
		if (lf && move_out_octets(m->out, before == '\r' ? SPAN("\n") : SPAN("\r\n")) < 0)
			return -1;
		*last = lf ? '\n' : before;
		in = span_skip(in, n + (lf ? 1 : 0));
	}
	return 0;
}

static FIBER int put_file(struct move_in *m, FILE *f, char *mem)
{
	bool is_first = true, is_exact = false;
	char last = 0;
	size_t n;
	int rc = 0;

	while (rc == 0 && (n = fread(mem, 1, READ_BYTES, f))) {
		struct span in = span_of(mem, n);
		ptrdiff_t lf = is_first ? span_find(in, '\n') : -1;

		if (lf > 0)
			is_exact = in.ptr[lf - 1] == '\r';
		is_first = false;
		rc = is_exact ? move_out_octets(m->out, in) : put_lines(m, in, &last);
		move_progress(m, n);
	}
	return rc;
}

FIBER int move_file(struct move_in *m, const char *path)
{
	FILE *f = fopen(path, "re");
	char *mem;
	int rc;

	if (!f) {
		move_out_bad(m->out, span_str(path), strerror(errno));
		return 1;
	}
	mem = mem_alloc(READ_BYTES);
	rc = put_file(m, f, mem);
	free(mem);
	if (rc == 0 && ferror(f)) {
		move_out_bad(m->out, span_str(path), strerror(errno));
		rc = move_out_drop(m->out) < 0 ? -1 : 1;
	}
	fclose(f);
	return rc;
}

FIBER int move_eml(struct move_in *m, const char *path, struct span folder)
{
	struct move_letter l = {.folder = folder, .where = span_str(path)};
	int rc = move_file(m, path);

	return rc ? (rc < 0 ? -1 : 0) : move_out_letter(m->out, &l);
}

/* ---- Maildir ---- */

struct maildir {
	const char *path;
	struct span folder;
	struct span keywords[26]; /* of the letters a to z (dovecot-keywords) */
};

bool move_is_maildir(struct arena *a, const char *path)
{
	struct stat st;

	return stat(arena_printf(a, "%s/cur", path), &st) == 0 && S_ISDIR(st.st_mode);
}

/* Lines "0 $Forwarded": what the letter a means (Dovecot's Maildir format). */
static void read_keywords(struct move_in *m, struct maildir *d)
{
	FILE *f = fopen(arena_printf(m->a, "%s/dovecot-keywords", d->path), "re");
	char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0) {
		struct span number, word;
		uint64_t n;

		if (span_cut(span_trim(span_str(line)), ' ', &number, &word) &&
			span_u64_max(number, 25, &n))
			d->keywords[n] = arena_span(m->a, word);
	}
	free(line);
	if (f)
		fclose(f);
}

/* https://cr.yp.to/proto/maildir.html: ":2," and letters. */
static void read_info(
	struct move_in *m, const struct maildir *d, const char *name, struct move_letter *l)
{
	static const struct {
		char letter;
		unsigned flag;
	} letters[] = {{'D', MBOX_DRAFT}, {'F', MBOX_FLAGGED}, {'R', MBOX_ANSWERED},
		{'S', MBOX_SEEN}, {'T', MBOX_DELETED}};
	struct buf *words = arena_buf(m->a, 26 * (MAILBOX_KEYWORD_MAX + 1) + 64);
	const char *info = NULL;

	/* the last one: ",S=312," stands in front of it; where ":" cannot be in a name, programs take others */
	for (const char *p = name; *p; p++)
		if (strchr(":!;", *p) && p[1] == '2' && p[2] == ',')
			info = p + 1;
	if (!info)
		return;
	for (const char *p = info + 2; *p; p++) {
		struct span word = *p == 'P'     ? SPAN("$Forwarded")
			: *p >= 'a' && *p <= 'z' ? d->keywords[*p - 'a']
						 : SPAN_NONE;

		for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
			if (*p == letters[i].letter)
				l->flags |= letters[i].flag;
		if (!word.len)
			continue;
		if (buf_len(words))
			buf_char(words, ' ');
		buf_span_put(words, word);
	}
	l->keywords = buf_span(words);
}

static FIBER int put_maildir_file(
	struct move_in *m, const struct maildir *d, const char *part, const char *name)
{
	char *path = arena_printf(m->a, "%s/%s/%s", d->path, part, name);
	struct move_letter l = {.folder = d->folder, .where = span_str(path)};
	struct stat st;

	if (name[0] == '.' || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	read_info(m, d, name, &l);
	l.has_date = true;
	l.date_sec = st.st_mtime;
	int rc = move_file(m, path);
	return rc ? (rc < 0 ? -1 : 0) : move_out_letter(m->out, &l);
}

FIBER int move_maildir(struct move_in *m, const char *path, struct span folder)
{
	static const char *const parts[] = {"cur", "new"};
	struct maildir d = {.path = path, .folder = folder};
	struct arena *all = m->a;
	int rc = move_out_folder(m->out, folder, move_folder_use(folder));

	m->a = arena_new(); /* names of one folder */
	read_keywords(m, &d);
	for (size_t i = 0; rc == 0 && i < 2; i++) {
		size_t count = 0;
		const char *dir = arena_printf(m->a, "%s/%s", path, parts[i]);
		char **names = access(dir, F_OK) == 0 ? move_names(m->a, dir, &count) : NULL;

		for (size_t k = 0; rc == 0 && names && k < count; k++)
			rc = put_maildir_file(m, &d, parts[i], names[k]);
	}
	arena_free(&m->a);
	m->a = all;
	return rc;
}

/* ---- mbox ---- */

static void answer_probe(struct mbox *x, FILE *f, uint64_t offset)
{
	char *mem = mem_alloc(MBOX_PROBE_BYTES);
	struct stat st;
	ssize_t n = -1;
	bool is_file = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);

	if (is_file && offset <= (uint64_t)st.st_size)
		n = pread(fileno(f), mem, MBOX_PROBE_BYTES, (off_t)offset);
	if (n < 0)
		mbox_probed(x, SPAN_NONE, false);
	else
		mbox_probed(
			x, span_of(mem, (size_t)n), offset + (uint64_t)n == (uint64_t)st.st_size);
	free(mem);
}

/* Gmail's export keeps all in one file; its labels say what is where ("Inbox,Unread,Work"). */
static void read_labels(struct move_in *m, struct move_letter *l, struct span labels)
{
	bool is_unread = false, is_more = true;
	struct span one;

	if (!labels.len)
		return;
	labels = move_labels_decode(m->a, labels);
	l->folder = SPAN("Archive");
	l->use = "\\Archive";
	while (is_more) {
		is_more = span_cut(labels, ',', &one, &labels);
		one = span_trim(one);
		move_label_take(m->a, one, l, &is_unread);
	}
	if (!is_unread)
		l->flags |= MBOX_SEEN;
}

static FIBER int end_letter(
	struct move_in *m, const struct mbox *x, const char *path, struct span folder)
{
	const struct mbox_letter *from = &x->letter;
	char *where = arena_printf(
		m->a, "%s: message at octet %llu", path, (unsigned long long)from->offset);
	struct move_letter l = {.folder = folder,
		.use = move_folder_use(folder),
		.flags = from->flags,
		.keywords = from->keywords,
		.has_date = from->has_date,
		.date_sec = from->date_sec,
		.where = span_str(where)};

	if (from->is_internal || from->is_removed) {
		m->sums.passed_over++;
		return move_out_drop(m->out);
	}
	if (!m->folder)
		read_labels(m, &l, from->labels);
	return move_out_letter(m->out, &l);
}

static FIBER int take_event(struct move_in *m, struct mbox *x, const struct mbox_event *ev, FILE *f,
	const char *path, struct span folder)
{
	switch (ev->kind) {
	case MBOX_PROBE: answer_probe(x, f, ev->offset); return 0;
	case MBOX_OCTETS: return move_out_octets(m->out, ev->octets);
	case MBOX_END: return end_letter(m, x, path, folder);
	case MBOX_JUNK:
		move_out_bad(m->out, span_str(path),
			ev->offset
				? "what stands before the first \"From \" line is no message"
				: "it does not begin with a \"From \" line; what stands before the first one "
				  "is passed over");
		return 0;
	default: return 0;
	}
}

static FIBER int read_mbox(
	struct move_in *m, struct mbox *x, FILE *f, const char *path, struct span folder)
{
	char *mem = mem_alloc(READ_BYTES);
	struct arena *all = m->a;
	struct mbox_event ev = {0};
	struct span in = SPAN_NONE;
	int rc = 0;

	m->a = arena_new(); /* of one message */
	while (rc == 0 && ev.kind != MBOX_OVER) {
		mbox_next(x, &in, &ev);
		rc = take_event(m, x, &ev, f, path, folder);
		if (ev.kind == MBOX_END)
			arena_reset(m->a);
		if (ev.kind != MBOX_MORE)
			continue;
		in = span_of(mem, fread(mem, 1, READ_BYTES, f));
		move_progress(m, in.len);
		if (!in.len)
			mbox_finish(x);
	}
	arena_free(&m->a);
	m->a = all;
	free(mem);
	return rc;
}

FIBER int move_mbox(struct move_in *m, const char *path, struct span folder, enum mbox_kind kind)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	struct mbox x;
	int rc;

	if (!f) {
		move_out_bad(m->out, span_str(path), strerror(errno));
		return 0;
	}
	rc = move_out_folder(m->out, folder, move_folder_use(folder));
	mbox_init(&x, kind);
	if (rc == 0)
		rc = read_mbox(m, &x, f, path, folder);
	mbox_fini(&x);
	if (rc == 0 && ferror(f))
		move_out_bad(m->out, span_str(path), strerror(errno));
	if (f != stdin)
		fclose(f);
	return rc;
}
