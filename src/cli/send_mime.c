#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/send_priv.h"

/* Text, HTML and attachments become a tree of parts that libyizhan writes; here it is only put
 * together from words, which mean what they mean to swaks. */

struct made {
	struct send_words *w;
	struct yz_msg *m;
	struct yz_part *bodies[16]; /* alternatives, in order */
	size_t body_count;
	struct yz_part **files;
	size_t file_count;
	const char *type, *name; /* --attach-type, --attach-name for what follows */
	bool has_name;
};

bool send_mime_is_needed(struct send_words *w, struct span body)
{
	if (send_has(w, SEND_O_HTML) || !span_is_ascii(body))
		return true;
	for (size_t i = 0; i < w->item_count; i++) {
		if (w->items[i].id == SEND_O_ATTACH || w->items[i].id == SEND_O_ATTACH_BODY)
			return true;
	}
	return false;
}

static int failed(struct made *x, const char *what)
{
	return cli_fail(SEND_EXIT_WORDS, "%s: %s", what, yz_msg_error(x->m)->text);
}

/* A part of any type; text is told as such, so that it gets charset and line ends. */
static struct yz_part *make_part(struct made *x, const char *type, struct span octets)
{
	bool is_text = strncmp(type, "text/", 5) == 0 && !strchr(type, ';') &&
		utf8_is_valid(octets) && !memchr(octets.ptr ? octets.ptr : "", 0, octets.len);

	if (is_text)
		return yz_part_text(x->m, type + 5, arena_str(x->w->a, octets));
	return yz_part_octets(x->m, type, octets.ptr ? octets.ptr : "", octets.len);
}

static int add_body(struct made *x, const char *type, struct span octets)
{
	struct yz_part *part = make_part(x, type, octets);

	if (!part)
		return failed(x, type);
	if (x->body_count == ARRAY_LEN(x->bodies))
		return cli_fail(
			SEND_EXIT_WORDS, "more than %zu alternatives", ARRAY_LEN(x->bodies));
	x->bodies[x->body_count++] = part;
	return 0;
}

static int add_file(struct made *x, const char *arg)
{
	struct span octets;
	const char *file, *slash, *type;
	struct yz_part *part;
	int code = send_content(x->w, arg, &octets, &file);

	if (code)
		return code;
	slash = file ? strrchr(file, '/') : NULL;
	const char *name = x->has_name ? x->name : slash ? slash + 1 : file;
	type = x->type ? x->type : name ? yz_type_of_name(name) : "application/octet-stream";
	part = make_part(x, type, octets);
	if (!part || yz_part_disposition(part, "attachment", name) != YZ_OK)
		return failed(x, type);
	x->files[x->file_count++] = part;
	x->has_name = false;
	return 0;
}

static int take_item(struct made *x, const struct send_item *item)
{
	struct span octets;
	int code = 0;

	if (item->id == SEND_O_ATTACH_TYPE) {
		x->type = item->arg;
	} else if (item->id == SEND_O_ATTACH_NAME) {
		x->name = item->arg;
		x->has_name = true;
	} else if (item->id == SEND_O_ATTACH) {
		code = add_file(x, item->arg);
	} else if (item->id == SEND_O_ATTACH_BODY) {
		code = send_content(x->w, item->arg, &octets, NULL);
		if (!code)
			code = add_body(x, x->type ? x->type : "text/plain", octets);
		x->type = NULL;
	}
	return code;
}

static int put_together(struct made *x)
{
	struct yz_part *root = NULL;

	if (x->body_count == 1)
		root = x->bodies[0];
	if (x->body_count > 1) {
		root = yz_part_multi(x->m, "alternative");
		for (size_t i = 0; i < x->body_count; i++)
			yz_part_add(root, x->bodies[i]);
	}
	if (x->file_count) {
		struct yz_part *mixed = yz_part_multi(x->m, "mixed");

		if (root)
			yz_part_add(mixed, root);
		for (size_t i = 0; i < x->file_count; i++)
			yz_part_add(mixed, x->files[i]);
		root = mixed;
	}
	return yz_msg_body(x->m, root) == YZ_OK ? 0 : failed(x, "message");
}

/* The MIME fields of what was written to one buffer, the body to the other. */
static void split(struct span octets, struct buf *fields, struct buf *out)
{
	struct span head = send_head_of(octets), rest = head, line;
	bool is_content = false;

	while (rest.len) {
		ptrdiff_t lf = span_find(rest, '\n');

		line = span_sub(rest, 0, lf < 0 ? rest.len : (size_t)lf + 1);
		rest = span_skip(rest, line.len);
		if (line.ptr[0] != ' ' && line.ptr[0] != '\t')
			is_content = span_starts_nocase(line, SPAN("Content-")) ||
				span_starts_nocase(line, SPAN("MIME-"));
		if (is_content)
			buf_span_put(fields, line);
	}
	buf_span_put(out, span_skip(octets, head.len));
}

static int make(struct made *x, struct span body, struct buf *fields, struct buf *out)
{
	const char *html = send_arg(x->w, SEND_O_HTML);
	struct span octets;
	char *written;
	size_t n;
	int code = 0;

	bool has_bodies = false;
	for (size_t i = 0; i < x->w->item_count; i++)
		has_bodies |= x->w->items[i].id == SEND_O_ATTACH_BODY;
	if (!has_bodies)
		code = add_body(x, "text/plain", body);
	for (size_t i = 0; !code && i < x->w->item_count; i++)
		code = take_item(x, &x->w->items[i]);
	if (!code && html) {
		code = send_content(x->w, html, &octets, NULL);
		if (!code)
			code = add_body(x, "text/html", octets);
	}
	if (!code)
		code = put_together(x);
	if (code)
		return code;
	if (yz_msg_write_mem(x->m, NULL, SEND_FILE_MAX * 2, &written, &n) != YZ_OK)
		return failed(x, "message");
	split(span_of(written, n), fields, out);
	yz_free(written);
	return 0;
}

int send_mime_make(struct send_words *w, struct span body, struct buf *fields, struct buf *out)
{
	struct made *x = ARENA_NEW(w->a, struct made);

	x->w = w;
	x->m = yz_msg_new();
	x->files = ARENA_ARRAY(w->a, struct yz_part *, w->item_count + 1);
	int code = make(x, body, fields, out);
	yz_msg_free(&x->m);
	return code;
}
