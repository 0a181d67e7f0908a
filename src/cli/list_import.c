#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "store/mlist.h"
#include "services/host/ops.h"
#include "cli/cli.h"

/* list import: a file of members, sent in pages. */

#define LINE_MAX_LEN 1000

struct import {
	struct cli_call *c;
	FILE *in;
	const char *name; /* of the file, for people */
	uint64_t line, read, total;
	struct buf text;    /* the line at hand */
	struct buf members; /* the page so far: JSON objects with commas between them */
	uint64_t lines[MLIST_PAGE];
	size_t count;
	uint64_t added, present, bad;
};

static void tell_bad(struct import *x, uint64_t line, struct span why)
{
	cli_progress(1, 1);
	cli_fail(
		EX_DATAERR, "%s:%llu: " SPAN_FMT, x->name, (unsigned long long)line, SPAN_ARG(why));
	x->bad++;
}

/* ---- one line ---- */

/* False at the end. A line that is too long is cut behind its limit; its rest is passed over. */
static bool read_line(struct import *x)
{
	int ch;

	buf_clear(&x->text);
	while ((ch = getc(x->in)) != EOF && ch != '\n') {
		x->read++;
		if (buf_len(&x->text) <= LINE_MAX_LEN)
			buf_char(&x->text, (char)ch);
	}
	x->read += ch == '\n';
	x->line++;
	return ch != EOF || buf_len(&x->text) > 0;
}

/* Behind the address nothing may stand but a comment. */
static bool is_rest(struct span rest)
{
	rest = span_trim(rest);
	return !rest.len || rest.ptr[0] == '#';
}

static bool cut_line(struct span line, struct span *name_r, struct span *address_r)
{
	ptrdiff_t open = span_find(line, '<'), end;

	*name_r = SPAN_NONE;
	if (open < 0) {
		for (end = 0;
			(size_t)end < line.len && line.ptr[end] != ' ' && line.ptr[end] != '\t';)
			end++;
		*address_r = span_sub(line, 0, (size_t)end);
		return is_rest(span_skip(line, (size_t)end));
	}
	*name_r = span_trim(span_sub(line, 0, (size_t)open));
	if (name_r->len >= 2 && name_r->ptr[0] == '"' && name_r->ptr[name_r->len - 1] == '"')
		*name_r = span_sub(*name_r, 1, name_r->len - 2);
	line = span_skip(line, (size_t)open + 1);
	end = span_find(line, '>');
	if (end < 0)
		return false;
	*address_r = span_sub(line, 0, (size_t)end);
	return is_rest(span_skip(line, (size_t)end + 1));
}

/* ---- pages ---- */

static int take_row(void *arg, const struct json_in *row)
{
	struct import *x = arg;
	uint64_t n;

	if (json_in_u64(row, "bad", &n) && n < x->count)
		tell_bad(x, x->lines[n], json_in_text(row, "reason"));
	if (json_in_u64(row, "added", &n))
		x->added += n;
	if (json_in_u64(row, "present", &n))
		x->present += n;
	return 0;
}

/* Also without members: it tells whether the list is there at all. */
static int send_page(struct import *x)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, OPS_REQUEST_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "list", x->c->operands[0]);
	json_key(&j, "members");
	buf_char(&x->members, ']');
	json_raw(&j, buf_span(&x->members));
	json_close(&j);
	code = cli_ask(x->c, "list.import", buf_span(&args), take_row, x);
	buf_fini(&args);
	buf_clear(&x->members);
	buf_char(&x->members, '[');
	x->count = 0;
	if (!code)
		cli_progress(x->read < x->total ? x->read : 1, x->read < x->total ? x->total : 1);
	return code;
}

static void add_member(struct import *x, struct span name, struct span address)
{
	struct json_out j;
	struct buf one;

	buf_init(&one, 8 * LINE_MAX_LEN);
	json_out_init(&j, &one);
	json_open_object(&j);
	json_kv_span(&j, "address", address);
	json_kv_span(&j, "name", name);
	json_close(&j);
	if (x->count)
		buf_char(&x->members, ',');
	buf_span_put(&x->members, buf_span(&one));
	buf_fini(&one);
	x->lines[x->count++] = x->line;
}

static int take_text(struct import *x)
{
	struct span line = buf_span(&x->text), name, address;

	if (x->line == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
		line = span_skip(line, 3);
	line = span_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return 0;
	if (buf_len(&x->text) > LINE_MAX_LEN)
		tell_bad(x, x->line, SPAN("the line is too long"));
	else if (!utf8_is_valid(line) || span_find(line, '\0') >= 0)
		tell_bad(x, x->line, SPAN("the line is not UTF-8"));
	else if (!cut_line(line, &name, &address))
		tell_bad(x, x->line, SPAN("neither an address nor Name <address>"));
	else
		add_member(x, name, address);
	/* a page also ends before its request could be too long */
	return x->count == MLIST_PAGE || buf_len(&x->members) > OPS_REQUEST_MAX / 2 ? send_page(x)
										    : 0;
}

static int import_all(struct import *x)
{
	int code = send_page(x);

	while (!code && read_line(x))
		code = take_text(x);
	if (!code && ferror(x->in))
		code = cli_fail(EX_IOERR, "%s: %s", x->name, strerror(errno));
	if (!code && x->count)
		code = send_page(x);
	cli_progress(1, 1);
	return code;
}

int cli_list_import(struct cli_call *c)
{
	const char *file = c->operands[1];
	bool is_stdin = strcmp(file, "-") == 0;
	struct import *x = ARENA_NEW(c->arena, struct import);
	struct stat st;
	int code;

	x->c = c;
	x->name = is_stdin ? "standard input" : file;
	x->in = is_stdin ? stdin : fopen(file, "re");
	if (!x->in)
		return cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	if (fstat(fileno(x->in), &st) == 0 && S_ISREG(st.st_mode))
		x->total = (uint64_t)st.st_size;
	buf_init(&x->text, LINE_MAX_LEN + 2);
	buf_init(&x->members, OPS_REQUEST_MAX);
	buf_char(&x->members, '[');
	code = import_all(x);
	if (code && x->added + x->present)
		cli_fail(code, "%llu members were added before that", (unsigned long long)x->added);
	if (!code && c->is_json)
		printf("{\"added\":%llu,\"present\":%llu,\"bad\":%llu}\n",
			(unsigned long long)x->added, (unsigned long long)x->present,
			(unsigned long long)x->bad);
	else if (!code)
		printf("added: %llu\npresent: %llu\nbad: %llu\n", (unsigned long long)x->added,
			(unsigned long long)x->present, (unsigned long long)x->bad);
	buf_fini(&x->text);
	buf_fini(&x->members);
	if (!is_stdin)
		fclose(x->in);
	return code ? code : x->bad ? EX_DATAERR : 0;
}
