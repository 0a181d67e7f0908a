#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "cli/cli.h"

/* Tables for people, JSON for machines. A table holds back its first rows to find the widths. */

#define HELD_MAX    500 /* rows that decide the widths */
#define CELL_MAX    60  /* columns of a text cell, longer ones are cut; the last is not */
#define COLUMNS_MAX 10

struct cli_table {
	const struct cli_column *columns;
	size_t column_count;
	bool is_json, is_single, is_begun;
	uint64_t rows;
	struct arena *arena;
	const char *(*held)[COLUMNS_MAX];
	size_t held_count;
	unsigned widths[COLUMNS_MAX];
};

bool cli_is_color(FILE *f)
{
	const char *term = getenv("TERM");

	return isatty(fileno(f)) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
}

static unsigned width_of(const char *text)
{
	struct span s = span_str(text);
	unsigned width = 0;
	uint32_t code;

	while (s.len) {
		if (!utf8_take(&s, &code)) {
			s = span_skip(s, 1);
			width++;
			continue;
		}
		int w = wcwidth((wchar_t)code);
		width += w > 0 ? (unsigned)w : 0;
	}
	return width;
}

struct cli_table *cli_table_new(const struct cli_column *columns, bool is_single, bool is_json)
{
	struct cli_table *t = NEW(struct cli_table);

	t->columns = columns;
	while (t->column_count < COLUMNS_MAX && columns[t->column_count].key)
		t->column_count++;
	t->is_json = is_json;
	t->is_single = is_single;
	t->arena = arena_new();
	t->held = (void *)ARENA_ARRAY(t->arena, const char *, HELD_MAX *COLUMNS_MAX);
	return t;
}

/* "last.text" is the member "text" of the member "last". */
static const struct json_in *member(const struct json_in *row, const char *path)
{
	const char *dot = strchr(path, '.');
	struct buf first;

	if (!dot)
		return json_in_get(row, path);
	buf_init(&first, 64);
	buf_put(&first, path, (size_t)(dot - path));
	const struct json_in *v = json_in_get(json_in_get(row, buf_cstr(&first)), dot + 1);
	buf_fini(&first);
	return v;
}

static void put_size(struct buf *b, uint64_t n)
{
	static const char units[] = "KMGTP";
	double d = (double)n;
	int unit = -1;

	while (d >= 1000 && unit < 4) {
		d /= 1024;
		unit++;
	}
	if (unit < 0)
		buf_u64(b, n);
	else
		buf_printf(b, "%.*f%c", d < 10 ? 1 : 0, d, units[unit]);
}

/* "2026-11-23T06:30:00.123Z" as "2026-11-23 06:30:00" */
static void put_time(struct buf *b, struct span text)
{
	for (size_t i = 0; i < text.len && i < 19; i++)
		buf_char(b, text.ptr[i] == 'T' ? ' ' : text.ptr[i]);
}

static void put_cell(struct buf *b, const struct cli_column *col, const struct json_in *row)
{
	const struct json_in *v = member(row, col->key);
	struct buf plain;
	uint64_t n;

	buf_init(&plain, JSON_IN_MAX);
	json_in_put_plain(&plain, v);
	if (col->kind == CLI_SIZE && span_u64(buf_span(&plain), &n))
		put_size(b, n);
	else if (col->kind == CLI_TIME)
		put_time(b, buf_span(&plain));
	else
		buf_span_put(b, buf_span(&plain));
	if (!buf_len(b))
		buf_char(b, '-');
	buf_fini(&plain);
}

/* Cut to CELL_MAX columns, at a character's border. */
static const char *cell_text(struct cli_table *t, struct buf *b, bool is_last)
{
	struct span s = buf_span(b), rest = s;
	unsigned width = 0;
	uint32_t code;

	while (!is_last && rest.len && width < CELL_MAX) {
		if (!utf8_take(&rest, &code)) {
			rest = span_skip(rest, 1);
			code = '?';
		}
		int w = wcwidth((wchar_t)code);
		width += w > 0 ? (unsigned)w : 0;
	}
	if (!is_last && rest.len)
		return arena_printf(
			t->arena, SPAN_FMT "…", SPAN_ARG(span_sub(s, 0, s.len - rest.len)));
	return arena_str(t->arena, s);
}

static bool is_right(const struct cli_column *col)
{
	return col->kind == CLI_NUMBER || col->kind == CLI_SIZE;
}

static void print_cells(struct cli_table *t, const char *const *cells)
{
	for (size_t i = 0; i < t->column_count; i++) {
		bool is_last = i + 1 == t->column_count;
		int pad = (int)t->widths[i] - (int)width_of(cells[i]);

		if (pad < 0)
			pad = 0;
		if (is_right(&t->columns[i]))
			printf("%*s%s%s", pad, "", cells[i], is_last ? "\n" : "  ");
		else if (is_last)
			printf("%s\n", cells[i]);
		else
			printf("%s%*s  ", cells[i], pad, "");
	}
}

/* The widths are known: the head, then what was held back. */
static void begin(struct cli_table *t)
{
	const char *titles[COLUMNS_MAX];

	for (size_t i = 0; i < t->column_count; i++) {
		titles[i] = t->columns[i].title;
		t->widths[i] = width_of(titles[i]);
		for (size_t k = 0; k < t->held_count; k++) {
			unsigned w = width_of(t->held[k][i]);
			if (w > t->widths[i])
				t->widths[i] = w;
		}
	}
	t->is_begun = true;
	if (cli_is_color(stdout))
		fputs("\033[1m", stdout);
	print_cells(t, titles);
	if (cli_is_color(stdout))
		fputs("\033[0m", stdout);
	for (size_t k = 0; k < t->held_count; k++)
		print_cells(t, t->held[k]);
}

static void table_row(struct cli_table *t, const struct json_in *row)
{
	const char *cells[COLUMNS_MAX];
	struct buf b;

	buf_init(&b, JSON_IN_MAX);
	for (size_t i = 0; i < t->column_count; i++) {
		buf_clear(&b);
		put_cell(&b, &t->columns[i], row);
		cells[i] = cell_text(t, &b, i + 1 == t->column_count);
	}
	buf_fini(&b);
	if (!t->is_begun && t->held_count < HELD_MAX) {
		memcpy(t->held[t->held_count++], cells, sizeof(cells));
		return;
	}
	if (!t->is_begun) {
		begin(t);
		print_cells(t, cells);
		return;
	}
	print_cells(t, cells);
	/* held rows lie in the arena too; they are printed by now */
	arena_reset(t->arena);
}

/* No columns: "name: value" lines, objects within indented. */
static void print_object(const struct json_in *o, unsigned depth)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	while (json_in_next(o, &at, &name, &v)) {
		struct buf b;

		if (json_in_is_object(v)) {
			printf("%*s%s:\n", (int)depth * 2, "", name);
			print_object(v, depth + 1);
			continue;
		}
		if (json_in_is_array(v) && json_in_is_object(json_in_at(v, 0))) {
			printf("%*s%s:\n", (int)depth * 2, "", name);
			for (size_t i = 0; i < json_in_count(v); i++)
				print_object(json_in_at(v, i), depth + 1);
			continue;
		}
		buf_init(&b, JSON_IN_MAX);
		json_in_put_plain(&b, v);
		printf("%*s%s: %s\n", (int)depth * 2, "", name, buf_cstr(&b));
		buf_fini(&b);
	}
}

int cli_table_row(void *table, const struct json_in *row)
{
	struct cli_table *t = table;
	struct buf b;

	t->rows++;
	if (t->is_json) {
		buf_init(&b, JSON_IN_MAX);
		json_in_put(&b, row);
		printf("%s", t->rows > 1 ? ",\n" : t->is_single ? "" : "[");
		fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
		buf_fini(&b);
	} else if (t->column_count) {
		table_row(t, row);
	} else {
		printf("%s", t->rows > 1 ? "\n" : "");
		print_object(row, 0);
	}
	return ferror(stdout) ? EX_IOERR : 0;
}

void cli_table_free(struct cli_table **t, const char *nothing)
{
	struct cli_table *was = *t;

	if (was->is_json && was->is_single)
		printf("%s", was->rows ? "\n" : "{}\n");
	else if (was->is_json)
		printf("%s\n", was->rows ? "]" : "[]");
	else if (!was->is_json && was->held_count && !was->is_begun)
		begin(was);
	else if (!was->is_json && !was->rows && nothing && isatty(STDOUT_FILENO))
		printf("%s\n", nothing);
	arena_free(&was->arena);
	free(was);
	*t = NULL;
}

void cli_progress(uint64_t done, uint64_t total)
{
	char bar[41];
	unsigned filled = total ? (unsigned)(done * 40 / total) : 0;

	if (!isatty(STDERR_FILENO))
		return;
	if (total && done >= total) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
		return;
	}
	for (unsigned i = 0; i < 40; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[40] = 0;
	if (total)
		fprintf(stderr, "\r[%s] %3u %%", bar, (unsigned)(done * 100 / total));
	else
		fprintf(stderr, "\r%llu", (unsigned long long)done);
	fflush(stderr);
}
