/* What is built is read back as it was given, without any defect. The input is split at its NULs
 * into settings, subject, name, file name, text, octets; the subject need not be fit for a header. */
#include <stdlib.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_imap.h"
#include "proto/mail/msg_build.h"

#define OUT_MAX (64 << 20)

static const char *const charsets[] = {"", "koi8-r", "iso-2022-jp", "gb18030"};

/* Free text comes back when it has nothing that a line of a header loses. */
static bool is_tame(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return false;
	return utf8_is_valid(s) && span_eq(span_trim(s), s);
}

static struct span lines_of(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len * 2 + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool is_end = s.ptr[i] == '\n' || s.ptr[i] == '\r';

		if (s.ptr[i] == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n')
			i++;
		if (is_end)
			out[n++] = '\r';
		out[n++] = is_end ? '\n' : s.ptr[i];
	}
	return span_of(out, n);
}

static struct span decoded(
	struct arena *a, struct span message, const struct mime_part *p, bool is_text)
{
	struct mime_decoder d;
	struct buf out;
	struct span s;
	uint64_t defects = 0;

	buf_init(&out, OUT_MAX);
	mime_decoder_init(&d, p->encoding);
	mime_decoder_feed(&d,
		span_sub(message, (size_t)p->body_offset, (size_t)(p->end_offset - p->body_offset)),
		&out);
	mime_decoder_end(&d, &out);
	MUST(mime_decoder_defects(&d) == 0);
	s = is_text ? mime_charset_text(a, mime_part_charset(p), buf_span(&out), &defects)
		    : arena_span(a, buf_span(&out));
	buf_fini(&out);
	return s;
}

/* The lines of the header: none too long, no encoded word longer than 75 (RFC 2047 section 2). */
static void check_header(struct span header)
{
	while (header.len) {
		struct span line, word;

		MUST(span_cut(header, '\n', &line, &header));
		MUST(line.len && line.ptr[line.len - 1] == '\r' && line.len <= MSG_LINE_MUST + 1);
		line = span_trim(line);
		while ((word = span_word(&line)).len)
			MUST(word.len <= 75 || !span_starts(word, SPAN("=?")) ||
				!span_ends_nocase(word, SPAN("?=")));
	}
}

/* A display name that has no blanks which a list of addresses may join. */
static bool is_tame_name(struct span s)
{
	return is_tame(s) && s.len < 10000 && span_find_span(s, SPAN("  ")) < 0;
}

static void check_from(struct arena *a, const struct mime_part *root, struct span name)
{
	struct mime_address_list list;

	mime_address_parse(a, root->raw[MIME_FIELD_FROM], 10, &list);
	MUST(list.count == 1 && !mime_defects_ambiguous(list.defects));
	MUST(span_eq(mime_address_spec(a, &list.items[0]), SPAN("a@example.org")));
	if (is_tame_name(name))
		MUST(span_eq(mime_address_name(a, &list.items[0]), name));
}

static void check(struct arena *a, struct span message, const struct span *in)
{
	const uint64_t fine = mime_bit(MIME_PARTS_TOO_MANY);
	struct mime_tree *t = mime_parse(a, message, NULL);
	struct mime_part *text = t->root->first, *file = text->next;
	struct span got = mail_word_decode(a, t->root->raw[MIME_FIELD_SUBJECT]);

	check_header(span_sub(message, 0, (size_t)t->root->body_offset));
	check_from(a, t->root, in[1]);
	MUST(t->part_count == 3 && (t->defects & ~fine) == 0);
	MUST(!is_tame(in[1]) || in[1].len > 10000 || span_eq(got, in[1]));
	MUST(in[2].len == 0 || span_eq(mime_part_filename(a, file), in[2]));
	MUST(span_eq(decoded(a, message, file, false), in[4]));
	if (in[3].len < 10000)
		MUST(span_eq(decoded(a, message, text, true), lines_of(a, in[3])));
}

/* What is pulled is what is written, of the size that was told before. */
static void check_pulled(struct msg *m, const struct msg_settings *s, struct span written)
{
	struct msg_reader *r = msg_reader_new(m, s, NULL);
	struct span piece;
	uint64_t size;

	MUST(r && msg_reader_size(r, &size) && size == written.len);
	for (int round = 0; round < 2; round++) {
		struct span rest = written;

		do {
			MUST(msg_reader_next(r, &piece, NULL) == 0);
			MUST(span_starts(rest, piece));
			rest = span_skip(rest, piece.len);
		} while (piece.len);
		MUST(!rest.len && msg_reader_rewind(r, NULL) == 0);
	}
	msg_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size), in[5];
	struct msg *m = msg_new();
	struct arena *a = arena_new();
	struct msg_settings s = {.random = 1, .id = 2, .host = SPAN("example.org"), .now_sec = 1};
	struct buf b;

	for (size_t i = 0; i < 4; i++)
		span_cut(rest, '\0', &in[i], &rest);
	in[4] = rest;
	s.way = in[0].len && in[0].ptr[0] & 1 ? MSG_WAY_8BIT : MSG_WAY_7BIT;
	s.is_utf8 = in[0].len && in[0].ptr[0] & 2;
	s.charset = span_str(charsets[in[0].len ? in[0].ptr[0] / 4 & 3 : 0]);
	buf_init(&b, OUT_MAX);
	if (msg_add_mailbox(m, SPAN("From"), in[1], SPAN("a@example.org"), NULL) == 0 &&
		msg_add_text(m, SPAN("Subject"), in[1], NULL) == 0 &&
		msg_set_text(m, in[3], NULL) == 0 &&
		msg_attach(m, in[2], SPAN("a/b"), in[4], NULL) == 0) {
		MUST(msg_write_buf(m, &s, &b, NULL) == 0);
		check(a, buf_span(&b), in);
		check_pulled(m, &s, buf_span(&b));
	}
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
	return 0;
}
