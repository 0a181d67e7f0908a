#include <string.h>

#include "base/utf8.h"
#include "cli/import.h"

/* alias import: a file like /etc/aliases (aliases(5)), sent in pages. What delivers into programs, files or
 * other files' lists has no place here and is named with its line. */

#define LINE_OCTETS  (64 * 1024) /* of an entry with its continuations */
#define TARGET_WORDS 1000
#define PAGE_ALIASES 100

struct import {
	struct import_file f; /* its line is that of the entry's beginning */
	uint64_t next_line;
	struct buf entry;
};

static void tell_bad(struct import *x, const char *why)
{
	import_bad(&x->f, x->f.line, span_str(why));
}

/* ---- an entry ---- */

static int get(struct import *x)
{
	int ch = getc(x->f.in);

	x->f.read += ch != EOF;
	x->next_line += ch == '\n';
	return ch;
}

/* One line is added to the entry; false at the end of the file. */
static bool add_line(struct import *x)
{
	int ch;

	while ((ch = get(x)) != EOF && ch != '\n') {
		if (buf_len(&x->entry) <= LINE_OCTETS)
			buf_char(&x->entry, (char)ch);
	}
	return ch != EOF || buf_len(&x->entry) > 0;
}

/* A line and those after it that begin with a blank. */
static bool read_entry(struct import *x)
{
	int ch;

	buf_clear(&x->entry);
	x->f.line = x->next_line;
	if (!add_line(x))
		return false;
	while ((ch = getc(x->f.in)) == ' ' || ch == '\t') {
		x->f.read++;
		buf_char(&x->entry, ' ');
		add_line(x);
	}
	ungetc(ch, x->f.in);
	return true;
}

/* A word, quoted or not, up to a comma; *is_quote_open_r: its quote is not closed. */
static struct span take_word(struct arena *a, struct span *rest, bool *is_open_r)
{
	struct buf *b = arena_buf(a, LINE_OCTETS + 16);
	bool is_quoted = false;
	size_t i = 0;

	for (; i < rest->len && (is_quoted || rest->ptr[i] != ','); i++) {
		char ch = rest->ptr[i];

		if (ch == '"')
			is_quoted = !is_quoted;
		else if (ch == '\\' && is_quoted && i + 1 < rest->len)
			buf_char(b, rest->ptr[++i]);
		else
			buf_char(b, ch);
	}
	*rest = span_skip(*rest, i + (i < rest->len));
	*is_open_r = is_quoted;
	return span_trim(buf_span(b));
}

/* Why a target cannot be one; NULL: it can. */
static const char *refusal(struct arena *a, struct span target)
{
	const char *what = !target.len ? NULL
		: target.ptr[0] == '|' ? "a program is no target; let it read a mailbox instead"
		: target.ptr[0] == '/' ? "a file is no target; make an account for it"
		: span_starts_nocase(target, SPAN(":include:"))
		? "a file of members is no target; make a list: yizhan list import"
		: target.ptr[0] == ':' ? "such words of other mail servers have no meaning here"
				       : NULL;

	return what ? arena_printf(a, SPAN_FMT ": %s", SPAN_ARG(span_sub(target, 0, 100)), what)
		    : NULL;
}

/* Everything in front of the first colon that is not quoted. */
static bool cut_name(struct arena *a, struct span entry, struct span *name_r, struct span *rest_r)
{
	bool is_quoted = false;
	size_t i = 0;

	for (; i < entry.len && (is_quoted || entry.ptr[i] != ':'); i++)
		is_quoted ^= entry.ptr[i] == '"';
	if (i == entry.len)
		return false;
	struct span front = span_sub(entry, 0, i);
	bool is_open;
	*name_r = take_word(a, &front, &is_open);
	*rest_r = span_skip(entry, i + 1);
	return name_r->len > 0 && !is_open && !front.len;
}

static const char *put_targets(
	struct arena *a, struct json_out *j, struct span rest, size_t *count_r)
{
	for (*count_r = 0; rest.len;) {
		bool is_open;
		struct span word = take_word(a, &rest, &is_open);
		const char *why = refusal(a, word);

		if (is_open)
			return "a quote is not closed";
		if (why)
			return why;
		/* "\name": do not look further; every name here ends at its account anyway */
		if (word.len > 1 && word.ptr[0] == '\\')
			word = span_skip(word, 1);
		if (!word.len)
			continue;
		if (++*count_r > TARGET_WORDS)
			return "too many targets";
		json_span(j, word);
	}
	return *count_r ? NULL : "nothing stands behind the name";
}

static int take_entry(struct import *x)
{
	struct span entry = buf_span(&x->entry), name, rest;
	struct arena *a = arena_new();
	struct json_out j;
	struct buf one;
	size_t count = 0;
	const char *why = NULL;
	int code = 0;

	buf_init(&one, 8 * LINE_OCTETS);
	json_out_init(&j, &one);
	json_open_object(&j);
	if (!utf8_is_valid(entry) || span_find(entry, '\0') >= 0)
		why = "it is not UTF-8";
	else if (entry.len > LINE_OCTETS)
		why = "it is too long";
	else if (!cut_name(a, entry, &name, &rest))
		why = "it is no entry: name: target, target";
	if (!why) {
		json_kv_span(&j, "name", name);
		json_key(&j, "targets");
		json_open_array(&j);
		why = put_targets(a, &j, rest, &count);
		json_close(&j);
	}
	json_close(&j);
	if (why)
		tell_bad(x, why);
	else
		code = import_row(&x->f, buf_span(&one));
	buf_fini(&one);
	arena_free(&a);
	return code;
}

static void put_args(struct cli_call *c, struct json_out *j)
{
	const char *domain = cli_value(c, "domain");

	json_kv_str(j, "domain", domain ? domain : "");
	json_kv_bool(j, "replace", cli_value(c, "replace") != NULL);
}

int cli_alias_import(struct cli_call *c)
{
	struct import *x = ARENA_NEW(c->arena, struct import);
	int code;

	x->f = (struct import_file){.c = c,
		.op = "alias.import",
		.rows = "aliases",
		.page_max = PAGE_ALIASES,
		.put_args = put_args};
	x->next_line = 1;
	code = import_open(&x->f, c->operands[0]);
	if (code)
		return code;
	buf_init(&x->entry, LINE_OCTETS + 16);
	while (!code && read_entry(x)) {
		struct span entry = span_trim(buf_span(&x->entry));

		if (entry.len && entry.ptr[0] != '#')
			code = take_entry(x);
	}
	code = import_end(&x->f, code);
	if (!code)
		printf(c->is_json
				? "{\"added\":%llu,\"changed\":%llu,\"present\":%llu,\"bad\":%llu}\n"
				: "added: %llu\nchanged: %llu\npresent: %llu\nbad: %llu\n",
			(unsigned long long)x->f.added, (unsigned long long)x->f.changed,
			(unsigned long long)x->f.present, (unsigned long long)x->f.bad);
	buf_fini(&x->entry);
	import_close(&x->f);
	return code ? code : x->f.bad ? EX_DATAERR : 0;
}
