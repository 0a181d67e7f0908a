#include "cli/import.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "services/host/ops.h"

int import_open(struct import_file *f, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat st;

	f->name = is_stdin ? "standard input" : path;
	f->in = is_stdin ? stdin : fopen(path, "re");
	if (!f->in)
		return cli_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (fstat(fileno(f->in), &st) == 0 && S_ISREG(st.st_mode))
		f->total = (uint64_t)st.st_size;
	buf_init(&f->page, OPS_REQUEST_MAX);
	buf_char(&f->page, '[');
	return 0;
}

void import_close(struct import_file *f)
{
	buf_fini(&f->page);
	if (f->in != stdin)
		fclose(f->in);
	f->in = NULL;
}

bool import_line(struct import_file *f, struct buf *text, size_t max)
{
	int ch;

	buf_clear(text);
	while ((ch = getc(f->in)) != EOF && ch != '\n') {
		f->read++;
		if (buf_len(text) <= max)
			buf_char(text, (char)ch);
	}
	f->read += ch == '\n';
	f->line++;
	return ch != EOF || buf_len(text) > 0;
}

bool import_text(struct import_file *f, const struct buf *text, size_t max, struct span *line_r)
{
	struct span line = buf_span(text);

	if (f->line == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
		line = span_skip(line, 3);
	line = span_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return false;
	*line_r = line;
	if (buf_len(text) > max)
		import_bad(f, f->line, SPAN("the line is too long"));
	else if (!utf8_is_valid(line) || span_find(line, '\0') >= 0)
		import_bad(f, f->line, SPAN("the line is not UTF-8"));
	else
		return true;
	return false;
}

void import_bad(struct import_file *f, uint64_t line, struct span why)
{
	cli_progress(1, 1);
	cli_fail(
		EX_DATAERR, "%s:%llu: " SPAN_FMT, f->name, (unsigned long long)line, SPAN_ARG(why));
	f->bad++;
}

static int take_answer(void *arg, const struct json_in *row)
{
	struct import_file *f = arg;
	uint64_t n;

	if (json_in_u64(row, "bad", &n) && n < f->count)
		import_bad(f, f->lines[n], json_in_text(row, "reason"));
	f->added += json_in_u64(row, "added", &n) ? n : 0;
	f->changed += json_in_u64(row, "changed", &n) ? n : 0;
	f->present += json_in_u64(row, "present", &n) ? n : 0;
	return 0;
}

int import_send(struct import_file *f)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, OPS_REQUEST_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	f->put_args(f->c, &j);
	json_key(&j, f->rows);
	buf_char(&f->page, ']');
	json_raw(&j, buf_span(&f->page));
	json_close(&j);
	code = buf_ok(&args) && buf_ok(&f->page)
		? cli_ask(f->c, f->op, buf_span(&args), take_answer, f)
		: cli_fail(EX_DATAERR, "%s:%llu: too much at once", f->name,
			  (unsigned long long)f->line);
	buf_fini(&args);
	buf_clear(&f->page);
	buf_char(&f->page, '[');
	f->count = 0;
	if (!code)
		cli_progress(f->read < f->total ? f->read : 1, f->read < f->total ? f->total : 1);
	return code;
}

int import_row(struct import_file *f, struct span object)
{
	if (f->count)
		buf_char(&f->page, ',');
	buf_span_put(&f->page, object);
	f->lines[f->count++] = f->line;
	/* a page also ends before its request could be too long */
	return f->count == f->page_max || buf_len(&f->page) > OPS_REQUEST_MAX / 2 ? import_send(f)
										  : 0;
}

int import_end(struct import_file *f, int code)
{
	if (!code && ferror(f->in))
		code = cli_fail(EX_IOERR, "%s: %s", f->name, strerror(errno));
	if (!code && f->count)
		code = import_send(f);
	cli_progress(1, 1);
	return code;
}
