#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "services/host/nearest.h"
#include "cli/send_priv.h"

/* Words become values. As with swaks one dash or two make no difference, a name may be shortened as
 * long as it means one thing, and a later word takes the place of an earlier one. */

extern char **environ;

#define ENV_PREFIX "YIZHAN_SEND_"

/* Where words come from; of --to each source forgets the one before. */
struct source {
	struct send_words *w;
	const char *file; /* NULL: the command line or environment */
	unsigned line;
	bool was_said[SEND_OPTION_COUNT];
};

static int wrong(const struct source *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int wrong(const struct source *s, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 8192);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	if (s->file)
		cli_fail(SEND_EXIT_WORDS, "%s:%u: %s", s->file, s->line, buf_cstr(&b));
	else
		cli_fail(SEND_EXIT_WORDS, "%s", buf_cstr(&b));
	buf_fini(&b);
	return SEND_EXIT_WORDS;
}

static struct span bare(struct span name)
{
	for (int i = 0; i < 2 && name.len && name.ptr[0] == '-'; i++)
		name = span_skip(name, 1);
	return name;
}

/* 2: this is a name of the flag, 1: the beginning of a long one, 0: neither. */
static int match(const struct cli_flag *f, struct span name)
{
	struct span rest = span_str(f->names), one;
	int best = 0;

	while (rest.len) {
		span_cut(rest, ',', &one, &rest);
		one = span_trim(one);
		bool is_long = span_starts(one, SPAN("--"));
		one = bare(one);
		if (span_eq(one, name))
			return 2;
		if (is_long && name.len > 1 && span_starts(one, name))
			best = 1;
	}
	return best;
}

struct lookup {
	const struct cli_flag *flag;
	bool is_ambiguous;
};

static struct lookup look_up(struct span name)
{
	struct lookup l = {0};

	for (const struct cli_section *s = send_sections; s->title; s++) {
		if (s->flags == send_account_keys)
			break;
		for (const struct cli_flag *f = s->flags; f->names; f++) {
			int how = match(f, name);

			if (how == 2)
				return (struct lookup){f, false};
			l.is_ambiguous |= how && l.flag;
			if (how && !l.flag)
				l.flag = f;
		}
	}
	return l;
}

static int unknown(const struct source *s, struct span name)
{
	struct nearest n;

	nearest_init(&n, name);
	for (const struct cli_section *c = send_sections; c->title; c++) {
		if (c->flags == send_account_keys)
			break;
		for (const struct cli_flag *f = c->flags; f->names; f++) {
			struct span first, rest;

			span_cut(span_str(f->names), ',', &first, &rest);
			nearest_offer(&n, arena_str(s->w->a, bare(first)));
		}
	}
	if (n.best)
		return wrong(s, "unknown option --" SPAN_FMT ": did you mean --%s?", SPAN_ARG(name),
			n.best);
	return wrong(s, "unknown option --" SPAN_FMT, SPAN_ARG(name));
}

static int add_item(struct send_words *w, int id, const char *arg)
{
	if (w->item_count == SEND_ITEMS_MAX)
		return cli_fail(
			SEND_EXIT_WORDS, "more than %d headers and attachments", SEND_ITEMS_MAX);
	if (w->item_count == w->item_room) {
		w->item_room = w->item_room ? w->item_room * 2 : 16;
		w->items = mem_realloc(w->items, w->item_room * sizeof(*w->items));
	}
	w->items[w->item_count++] = (struct send_item){id, arg};
	return 0;
}

static void drop_items(struct send_words *w, int id)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->item_count; i++) {
		if (w->items[i].id != id)
			w->items[kept++] = w->items[i];
	}
	w->item_count = kept;
}

static int store(struct source *s, const struct cli_flag *f, const char *arg, bool is_negated)
{
	struct send_words *w = s->w;
	struct send_value *v = &w->values[f->id];

	if (is_negated) {
		*v = (struct send_value){.is_negated = true};
		drop_items(w, f->id);
		return 0;
	}
	if (f->bits & SEND_LIST) {
		v->is_set = true;
		return add_item(w, f->id, arg);
	}
	if ((f->bits & SEND_ADDS_UP) && s->was_said[f->id] && v->is_set && v->arg && arg)
		arg = arena_printf(w->a, "%s,%s", v->arg, arg);
	s->was_said[f->id] = true;
	*v = (struct send_value){.is_set = true, .arg = arg};
	return 0;
}

/* "h-Subject" and "header-Subject" with their value are --header "Subject: value". */
static bool is_header_name(struct span name, struct span *field_r)
{
	if (span_starts(name, SPAN("header-")))
		*field_r = span_skip(name, 7);
	else if (span_starts(name, SPAN("h-")))
		*field_r = span_skip(name, 2);
	else
		return false;
	while (field_r->len && field_r->ptr[field_r->len - 1] == ':')
		field_r->len--;
	return field_r->len > 0;
}

static int take_header(struct source *s, struct span field, const char *arg)
{
	if (!arg)
		return wrong(s, "--h-" SPAN_FMT " needs a value", SPAN_ARG(field));
	return store(s, send_flag(SEND_O_HEADER),
		arena_printf(s->w->a, SPAN_FMT ": %s", SPAN_ARG(field), arg), false);
}

/* One option. `name` without dashes; `value` ptr NULL: none behind "="; `next` is the word that
 * follows (NULL: none) and is used up when *used_r. */
static int take(
	struct source *s, struct span name, struct span value, const char *next, bool *used_r)
{
	struct span field, without = span_starts(name, SPAN("no-")) ? span_skip(name, 3) : name;
	struct lookup l = look_up(name);
	bool is_negated = false;
	const char *arg = value.ptr ? arena_str(s->w->a, value) : NULL;

	*used_r = false;
	if (is_header_name(name, &field)) {
		*used_r = !arg && next;
		return take_header(s, field, arg ? arg : next);
	}
	if (is_header_name(without, &field) && without.ptr != name.ptr)
		l = (struct lookup){send_flag(SEND_O_HEADER), false}, is_negated = true;
	if (!l.flag && without.ptr != name.ptr) {
		l = look_up(without);
		is_negated = true;
	}
	if (!l.flag)
		return unknown(s, name);
	if (l.is_ambiguous)
		return wrong(s, "--" SPAN_FMT " is short for several options", SPAN_ARG(name));
	unsigned bits = l.flag->bits;
	if (is_negated || !(bits & (SEND_MAY | SEND_ARG))) {
		if (arg)
			return wrong(s, "--" SPAN_FMT " takes no value", SPAN_ARG(name));
		return store(s, l.flag, NULL, is_negated);
	}
	if (!arg && next && ((bits & SEND_ARG) || next[0] != '-' || !next[1])) {
		arg = next;
		*used_r = true;
	}
	if (!arg && (bits & SEND_ARG))
		return wrong(s, "--" SPAN_FMT " needs a value: %s", SPAN_ARG(name), l.flag->arg);
	/* -t alone is what sendmail and msmtp mean by it */
	if (!arg && l.flag->id == SEND_O_TO && span_eq(name, SPAN("t")))
		return store(s, send_flag(SEND_O_READ_RCPTS), NULL, false);
	return store(s, l.flag, arg, false);
}

static int take_operand(struct send_words *w, const char *word)
{
	if (w->operand_count == CLI_OPERANDS_MAX)
		return cli_fail(SEND_EXIT_WORDS, "more than %d files", CLI_OPERANDS_MAX);
	if (w->operand_count == w->operand_room) {
		w->operand_room = w->operand_room ? w->operand_room * 2 : 8;
		w->operands = mem_realloc(w->operands, w->operand_room * sizeof(*w->operands));
	}
	w->operands[w->operand_count++] = word;
	return 0;
}

static int read_line(struct source *s, struct span line)
{
	struct span name, value;
	bool used, has_value;

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (!span_trim(line).len || line.ptr[0] == '#')
		return 0;
	has_value = span_cut(line, ' ', &name, &value);
	if (!has_value)
		has_value = span_cut(line, '=', &name, &value);
	return take(s, bare(name), has_value ? value : SPAN_NONE, NULL, &used);
}

static int read_options_file(struct send_words *w, const char *path)
{
	struct source *s = ARENA_NEW(w->a, struct source);
	struct span text, line;

	s->w = w;
	s->file = path;
	int code = send_read_file(w->a, path, SEND_OPTIONS_FILE, &text);
	while (!code && text.len) {
		span_cut(text, '\n', &line, &text);
		s->line++;
		code = read_line(s, line);
	}
	return code;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, as swaks does: there is no other order in an environment. */
static int read_environment(struct send_words *w)
{
	struct source *s = ARENA_NEW(w->a, struct source);
	size_t count = 0, prefix = strlen(ENV_PREFIX);
	int code = 0;

	s->w = w;
	for (char **e = environ; *e; e++)
		count += strncmp(*e, ENV_PREFIX, prefix) == 0;
	const char **all = ARENA_ARRAY(w->a, const char *, count + 1);
	count = 0;
	for (char **e = environ; *e; e++) {
		if (strncmp(*e, ENV_PREFIX, prefix) == 0)
			all[count++] = *e;
	}
	qsort(all, count, sizeof(*all), by_name);
	for (size_t i = 0; !code && i < count; i++) {
		struct span name, value;
		bool used;

		span_cut(span_str(all[i] + prefix), '=', &name, &value);
		char *dashed = arena_str(w->a, name);
		for (char *p = dashed; *p; p++)
			*p = *p == '_' ? '-' : *p;
		code = take(s, span_str(dashed), value.len ? value : SPAN_NONE, NULL, &used);
	}
	return code;
}

static int read_argv(struct send_words *w, int argc, char **argv)
{
	struct source *s = ARENA_NEW(w->a, struct source);
	int code = 0;

	s->w = w;
	for (int i = 0; !code && i < argc; i++) {
		struct span name, value;
		bool used;

		if (strcmp(argv[i], "--") == 0) {
			for (i++; !code && i < argc; i++)
				code = take_operand(w, argv[i]);
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			code = take_operand(w, argv[i]);
			continue;
		}
		bool has_value = span_cut(bare(span_str(argv[i])), '=', &name, &value);
		code = take(s, name, has_value ? value : SPAN_NONE,
			i + 1 < argc ? argv[i + 1] : NULL, &used);
		i += used;
	}
	return code;
}

const char *send_config_path(struct arena *a, const char *name)
{
	const char *home = getenv("XDG_CONFIG_HOME");

	if (home && home[0] == '/')
		return arena_printf(a, "%s/yizhan/%s", home, name);
	home = getenv("HOME");
	return home && home[0] == '/' ? arena_printf(a, "%s/.config/yizhan/%s", home, name) : NULL;
}

/* --options on the command line or in the environment says which file; it is read first. */
static const char *options_file(struct send_words *w, int argc, char **argv)
{
	const char *path = getenv(ENV_PREFIX "options");
	bool is_named = path != NULL;

	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		struct span name, value;
		bool has_value = span_cut(span_str(argv[i]), '=', &name, &value);

		if (argv[i][0] != '-' ||
			(!span_eq(bare(name), SPAN("options")) &&
				!span_eq(bare(name), SPAN("config"))))
			continue;
		is_named = true;
		path = has_value                                  ? arena_str(w->a, value)
			: i + 1 < argc && (argv[i + 1][0] != '-') ? argv[i + 1]
								  : "";
		break;
	}
	if (is_named)
		return path[0] ? path : NULL;
	path = send_config_path(w->a, "send.conf");
	return path && access(path, R_OK) == 0 ? path : NULL;
}

int send_words_read(struct send_words *w, int argc, char **argv)
{
	const char *file = options_file(w, argc, argv);
	int code = file ? read_options_file(w, file) : 0;

	if (!code)
		code = read_environment(w);
	return code ? code : read_argv(w, argc, argv);
}

static bool read_typed(int fd, struct buf *b)
{
	char c;

	for (;;) {
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || c == '\n')
			return n > 0;
		buf_char(b, c);
	}
}

char *send_ask(struct arena *a, const char *what, bool is_hidden)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct termios was, now;
	struct buf b;
	char *typed = NULL;

	if (fd < 0)
		return NULL;
	buf_init(&b, SEND_SECRET_MAX);
	/* Before the question is seen: what is typed at once must be neither shown nor lost. */
	bool is_set = is_hidden && tcgetattr(fd, &was) == 0;

	if (is_set) {
		now = was;
		now.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fd, TCSAFLUSH, &now);
	}
	if (dprintf(fd, "%s: ", what) > 0 && read_typed(fd, &b))
		typed = arena_str(a, buf_span(&b));
	if (is_set) {
		tcsetattr(fd, TCSADRAIN, &was);
		dprintf(fd, "\n");
	}
	if (b.mem)
		secret_wipe(b.mem, b.cap);
	buf_fini(&b);
	close(fd);
	return typed;
}

static int ask_one(struct send_words *w, const struct cli_flag *f, const char **arg)
{
	struct span first, rest;

	/* a login's own words are asked for when they are needed: there may be a .netrc */
	if (f->id == SEND_O_USER || f->id == SEND_O_PASSWORD)
		return 0;
	span_cut(span_str(f->names), ',', &first, &rest);
	first = bare(first);
	*arg = send_ask(w->a,
		arena_printf(
			w->a, "%c" SPAN_FMT, first.ptr[0] & ~0x20, SPAN_ARG(span_skip(first, 1))),
		false);
	if (!*arg)
		return cli_fail(SEND_EXIT_WORDS,
			"--" SPAN_FMT " needs a value (there is no terminal to ask on)",
			SPAN_ARG(first));
	return 0;
}

int send_words_ask(struct send_words *w)
{
	int code = 0;

	for (int id = 0; !code && id < SEND_OPTION_COUNT; id++) {
		const struct cli_flag *f = send_flag(id);

		if ((f->bits & SEND_PROMPT) && !(f->bits & SEND_LIST) && w->values[id].is_set &&
			!w->values[id].arg)
			code = ask_one(w, f, &w->values[id].arg);
	}
	for (size_t i = 0; !code && i < w->item_count; i++) {
		const struct cli_flag *f = send_flag(w->items[i].id);

		if ((f->bits & SEND_PROMPT) && !w->items[i].arg)
			code = ask_one(w, f, &w->items[i].arg);
	}
	return code;
}

static int read_all(int fd, const char *path, size_t max, struct buf *b)
{
	for (;;) {
		size_t want = buf_room(b) < 65536 ? buf_room(b) : 65536;
		char *p = want ? buf_reserve(b, want) : NULL;

		if (!p)
			return cli_fail(SEND_EXIT_WORDS, "%s: more than %zu octets", path, max - 1);
		ssize_t n = read(fd, p, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cli_fail(SEND_EXIT_SOURCE, "%s: %s", path, strerror(errno));
		if (n == 0)
			return 0;
		buf_added(b, (size_t)n);
	}
}

int send_read_file(struct arena *a, const char *path, size_t max, struct span *octets_r)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct buf b;
	size_t len;

	if (fd < 0)
		return cli_fail(SEND_EXIT_WORDS, "%s: %s", path, strerror(errno));
	buf_init(&b, max + 1);
	int code = read_all(fd, path, max + 1, &b);
	if (!is_stdin)
		close(fd);
	if (!code) {
		char *all = buf_steal(&b, &len);

		arena_defer(a, free, all);
		*octets_r = span_of(all, len);
	}
	buf_fini(&b);
	return code;
}

int send_content(struct send_words *w, const char *arg, struct span *octets_r, const char **file_r)
{
	if (file_r)
		*file_r = NULL;
	if (strcmp(arg, "-") == 0) {
		int code = w->in.ptr ? 0 : send_read_file(w->keep, "-", SEND_FILE_MAX, &w->in);

		*octets_r = w->in;
		return code;
	}
	if (arg[0] == '@' && arg[1] != '@') {
		if (file_r)
			*file_r = arg + 1;
		return send_read_file(w->a, arg + 1, SEND_FILE_MAX, octets_r);
	}
	*octets_r = span_str(arg[0] == '@' ? arg + 1 : arg);
	return 0;
}
