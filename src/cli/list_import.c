#include "store/mlist.h"
#include "cli/import.h"

/* list import: a file of members, sent in pages. */

#define LINE_MAX_LEN 1000

_Static_assert(MLIST_PAGE <= IMPORT_PAGE_MAX, "a page of members has its lines");

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

static void put_args(struct cli_call *c, struct json_out *j)
{
	json_kv_str(j, "list", c->operands[0]);
}

static int add_member(struct import_file *f, struct span name, struct span address)
{
	struct json_out j;
	struct buf one;
	int code;

	buf_init(&one, 8 * LINE_MAX_LEN);
	json_out_init(&j, &one);
	json_open_object(&j);
	json_kv_span(&j, "address", address);
	json_kv_span(&j, "name", name);
	json_close(&j);
	code = import_row(f, buf_span(&one));
	buf_fini(&one);
	return code;
}

static int take_text(struct import_file *f, const struct buf *text)
{
	struct span line, name, address;

	if (!import_text(f, text, LINE_MAX_LEN, &line))
		return 0;
	if (cut_line(line, &name, &address))
		return add_member(f, name, address);
	import_bad(f, f->line, SPAN("neither an address nor Name <address>"));
	return 0;
}

int cli_list_import(struct cli_call *c)
{
	struct import_file *f = ARENA_NEW(c->arena, struct import_file);
	struct buf text;
	int code;

	*f = (struct import_file){.c = c,
		.op = "list.import",
		.rows = "members",
		.page_max = MLIST_PAGE,
		.put_args = put_args};
	code = import_open(f, c->operands[1]);
	if (code)
		return code;
	buf_init(&text, LINE_MAX_LEN + 2);
	/* without members too: it tells whether the list is there at all */
	code = import_send(f);
	while (!code && import_line(f, &text, LINE_MAX_LEN))
		code = take_text(f, &text);
	code = import_end(f, code);
	if (code && f->added + f->present)
		cli_fail(code, "%llu members were added before that", (unsigned long long)f->added);
	if (!code)
		printf(c->is_json ? "{\"added\":%llu,\"present\":%llu,\"bad\":%llu}\n"
				  : "added: %llu\npresent: %llu\nbad: %llu\n",
			(unsigned long long)f->added, (unsigned long long)f->present,
			(unsigned long long)f->bad);
	buf_fini(&text);
	import_close(f);
	return code ? code : f->bad ? EX_DATAERR : 0;
}
