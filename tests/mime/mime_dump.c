/* What the parser says about messages, as JSON lines, for tests/mime/test_corpus.py to compare.
 *
 *	mime_dump [CUT] <messages		CUT: octets of a piece, 0 (default) whole
 *
 * Each message on the input is its length in decimal, LF, and its octets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_imap.h"

#define MESSAGE_MAX (256u << 20)
#define OUT_MAX     (64u << 20)

static uint64_t digest(struct span s)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 1099511628211ull;
	return h;
}

/* The decoded body: its length and digest. */
static void put_content(
	struct json_out *j, struct span message, const struct mime_part *p, size_t cut)
{
	struct span body = span_sub(
		message, (size_t)p->body_offset, (size_t)(p->end_offset - p->body_offset));
	struct mime_decoder d;
	struct buf out, number;

	buf_init(&out, body.len + 16);
	buf_init(&number, 40);
	mime_decoder_init(&d, p->encoding);
	while (body.len) {
		struct span piece = span_sub(body, 0, cut ? cut : body.len);

		mime_decoder_feed(&d, piece, &out);
		body = span_skip(body, piece.len);
	}
	mime_decoder_end(&d, &out);
	MUST(buf_ok(&out));
	buf_printf(
		&number, "%zu:%016llx", buf_len(&out), (unsigned long long)digest(buf_span(&out)));
	json_key(j, "content");
	json_span(j, buf_span(&number));
	buf_fini(&out);
	buf_fini(&number);
}

static void put_u64(struct json_out *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

static void put_span(struct json_out *j, const char *key, struct span s)
{
	json_key(j, key);
	json_span(j, s);
}

static void put_message(struct arena *a, struct json_out *j, const struct mime_part *p)
{
	struct mime_address_list to;
	struct mime_date date;

	if (p->raw[MIME_FIELD_SUBJECT].ptr)
		put_span(j, "subject", mail_word_decode(a, p->raw[MIME_FIELD_SUBJECT]));
	if (mime_date_parse(p->raw[MIME_FIELD_DATE], &date)) {
		json_key(j, "date");
		json_i64(j, date.unix_sec);
	}
	mime_address_parse(a, p->raw[MIME_FIELD_TO], 1000, &to);
	json_key(j, "to");
	json_open_array(j);
	for (size_t i = 0; i < to.count; i++) {
		if (to.items[i].kind != MIME_MAILBOX)
			continue;
		json_open_array(j);
		json_span(j, mime_address_name(a, &to.items[i]));
		json_span(j, mime_address_spec(a, &to.items[i]));
		json_close(j);
	}
	json_close(j);
}

static void put_defects(struct json_out *j, uint64_t set)
{
	json_key(j, "defects");
	json_open_array(j);
	for (unsigned d = 0; d < MIME_DEFECT_COUNT; d++)
		if (set & mime_bit((enum mime_defect)d))
			json_str(j, mime_defect_str((enum mime_defect)d));
	json_close(j);
}

static void put_fields(struct json_out *j, const struct mime_part *p)
{
	json_key(j, "fields");
	json_open_array(j);
	for (size_t i = 0; i < p->field_count; i++) {
		json_open_array(j);
		json_u64(j, p->fields[i].offset);
		json_u64(j, p->fields[i].len);
		json_u64(j, p->fields[i].value_offset);
		json_close(j);
	}
	json_close(j);
}

static void put_part(struct arena *a, struct json_out *j, struct span message,
	const struct mime_part *p, size_t cut)
{
	static const char *const kinds[] = {"leaf", "multipart", "message"};

	json_open_object(j);
	put_u64(j, "depth", p->depth);
	put_u64(j, "children", p->child_count);
	put_u64(j, "header", p->header_offset);
	put_u64(j, "body", p->body_offset);
	put_u64(j, "end", p->end_offset);
	put_u64(j, "lines", p->body_lines);
	put_u64(j, "header_lines", p->header_lines);
	json_key(j, "kind");
	json_str(j, kinds[p->kind]);
	put_span(j, "type", p->type.type);
	put_span(j, "subtype", p->type.subtype);
	put_span(j, "encoding", p->encoding_text);
	put_span(j, "charset", mime_part_charset(p));
	put_span(j, "filename", mime_part_filename(a, p));
	put_span(j, "disposition", p->disposition.type);
	put_span(j, "boundary", p->boundary);
	if (p->kind == MIME_MULTIPART) {
		put_u64(j, "preamble_end", p->preamble_end);
		put_u64(j, "epilogue", p->epilogue_offset);
	}
	put_fields(j, p);
	put_defects(j, p->defects);
	if (!p->parent || p->parent->kind == MIME_MESSAGE)
		put_message(a, j, p);
	if (p->kind == MIME_LEAF)
		put_content(j, message, p, cut);
	json_close(j);
}

static void dump(struct span message, size_t cut)
{
	struct arena *a = arena_new();
	struct mime_parser *parser = mime_parser_new(a, NULL);
	struct mime_tree *t;
	struct json_out j;
	struct buf out;

	mime_parser_allow_from_line(parser);
	for (struct span rest = message; rest.len;) {
		struct span piece = span_sub(rest, 0, cut ? cut : rest.len);

		mime_parser_feed(parser, piece);
		rest = span_skip(rest, piece.len);
	}
	t = mime_parser_end(&parser);
	buf_init(&out, OUT_MAX);
	json_out_init(&j, &out);
	json_open_object(&j);
	put_u64(&j, "size", t->size);
	json_key(&j, "ambiguous");
	json_bool(&j, mime_tree_is_ambiguous(t));
	put_span(&j, "preview", mime_preview(a, t, message));
	json_key(&j, "parts");
	json_open_array(&j);
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p))
		put_part(a, &j, message, p, cut);
	json_close(&j);
	json_close(&j);
	buf_char(&out, '\n');
	MUST(buf_ok(&out));
	fwrite(buf_span(&out).ptr, 1, buf_len(&out), stdout);
	buf_fini(&out);
	arena_free(&a);
}

int main(int argc, char **argv)
{
	size_t cut = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 0, n;

	while (scanf("%zu", &n) == 1 && n <= MESSAGE_MAX && getchar() == '\n') {
		char *message = mem_alloc(n + 1);

		if (fread(message, 1, n, stdin) != n)
			return 1;
		dump(span_of(message, n), cut);
		free(message);
	}
	return feof(stdin) ? 0 : 1;
}
