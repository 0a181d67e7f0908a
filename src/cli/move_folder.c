#include "cli/move.h"

#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/imap/imap_name_syntax.h"

/* Names of folders, here, there, and as files. */

/* What other programs call the folders that RFC 6154 has a word for. Only where the whole name is one. */
static const struct {
	const char *name, *use;
} uses[] = {{"Sent", "\\Sent"}, {"Sent Items", "\\Sent"}, {"Sent Messages", "\\Sent"},
	{"Sent Mail", "\\Sent"}, {"[Gmail]/Sent Mail", "\\Sent"}, {"Drafts", "\\Drafts"},
	{"Draft", "\\Drafts"}, {"[Gmail]/Drafts", "\\Drafts"}, {"Trash", "\\Trash"},
	{"Deleted Items", "\\Trash"}, {"Deleted Messages", "\\Trash"}, {"Deleted", "\\Trash"},
	{"[Gmail]/Trash", "\\Trash"}, {"[Gmail]/Bin", "\\Trash"}, {"Junk", "\\Junk"},
	{"Spam", "\\Junk"}, {"Junk E-mail", "\\Junk"}, {"Junk Email", "\\Junk"},
	{"Bulk Mail", "\\Junk"}, {"[Gmail]/Spam", "\\Junk"}, {"Archive", "\\Archive"},
	{"Archives", "\\Archive"}};

const char *move_folder_use(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (span_eq_nocase(name, span_str(uses[i].name)))
			return uses[i].use;
	return NULL;
}

/* One level: no wildcards and controls (RFC 9051 section 5.1), not empty. */
static void put_level(struct buf *b, struct span level)
{
	size_t from = buf_len(b);

	while (level.len) {
		size_t n = utf8_length_at(level);
		unsigned char c = (unsigned char)level.ptr[0];

		if (!n || c < ' ' || c == 0x7f || c == '*' || c == '%') {
			buf_char(b, '_');
			n = 1;
		} else {
			buf_put(b, level.ptr, n);
		}
		level = span_skip(level, n);
	}
	if (buf_len(b) == from)
		buf_char(b, '_');
}

struct span move_folder_clean(struct arena *a, struct span name)
{
	struct buf *b = arena_buf(a, 4 * name.len + 64);
	struct span level, rest = name;
	bool is_more = true;

	while (is_more) {
		bool is_first = buf_len(b) == 0;

		is_more = span_cut(rest, '/', &level, &rest);
		if (!level.len && (is_more || !is_first)) /* "/a", "a//b", "a/" */
			continue;
		if (!is_first)
			buf_char(b, '/');
		put_level(b, level);
		/* where others' mailboxes stand is no place for own ones */
		if (is_first &&
			(span_eq_nocase(level, SPAN(MAILBOX_OTHERS)) ||
				span_eq_nocase(level, SPAN(MAILBOX_SHARED))))
			buf_char(b, '_');
	}
	name = buf_span(b);
	if (span_eq_nocase(span_sub(name, 0, 5), SPAN("INBOX")) &&
		(name.len == 5 || name.ptr[5] == '/'))
		memcpy(b->mem + b->from, "INBOX", 5);
	return name.len ? name : SPAN("INBOX");
}

struct span move_folder_map(struct arena *a, const char *pairs, struct span name)
{
	struct span rest = span_str(pairs), pair, from, to;
	bool is_more = rest.len > 0;

	while (is_more) {
		is_more = span_cut(rest, '\n', &pair, &rest);
		if (!span_cut(pair, '=', &from, &to) || !from.len || !span_starts(name, from))
			continue;
		if (name.len == from.len)
			return to;
		if (name.ptr[from.len] == '/')
			return span_str(arena_printf(a, SPAN_FMT SPAN_FMT, SPAN_ARG(to),
				SPAN_ARG(span_skip(name, from.len))));
	}
	return name;
}

/* ---- as files ---- */

struct span move_folder_file(struct arena *a, struct span name)
{
	struct buf *b = arena_buf(a, 3 * name.len + 16);
	bool is_first = true;

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];

		/* no name leads out of the directory, none is hidden in it */
		if (c < ' ' || c == 0x7f || c == '%' || (is_first && c == '.'))
			buf_printf(b, "%%%02X", c);
		else
			buf_char(b, (char)c);
		is_first = c == '/';
	}
	return buf_span(b);
}

struct span move_folder_unfile(struct arena *a, struct span file)
{
	struct buf *b = arena_buf(a, file.len + 16);

	for (size_t i = 0; i < file.len; i++) {
		struct buf one;

		buf_init(&one, 4);
		if (file.ptr[i] == '%' && enc_get_hex(&one, span_sub(file, i + 1, 2)) &&
			buf_len(&one) == 1) {
			buf_span_put(b, buf_span(&one));
			i += 2;
		} else {
			buf_char(b, file.ptr[i]);
		}
		buf_fini(&one);
	}
	return buf_span(b);
}

/* Levels are parted by dots, names are modified UTF-7; a dot within a level is "\2e" (as Dovecot's listescape
 * has it). */
struct span move_folder_maildir(struct arena *a, struct span name)
{
	struct buf *b = arena_buf(a, 8 * name.len + 16), *plain = arena_buf(a, 4 * name.len + 16);

	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '.')
			buf_str(plain, "\\2e");
		else if (c == '\\')
			buf_str(plain, "\\5c");
		else
			buf_char(plain, c);
	}
	if (!imap_utf7_encode(b, buf_span(plain)))
		buf_span_put(b, buf_span(plain));
	struct buf *dir = arena_buf(a, buf_len(b) + 16);
	buf_char(dir, '.');
	for (size_t i = 0; i < buf_len(b); i++) {
		char c = buf_span(b).ptr[i];

		buf_char(dir, (char)(c == '/' ? '.' : c));
	}
	return buf_span(dir);
}

struct span move_folder_unmaildir(struct arena *a, struct span dir)
{
	struct buf *b = arena_buf(a, 4 * dir.len + 16), *name = arena_buf(a, 4 * dir.len + 16);
	struct buf *wire = arena_buf(a, dir.len + 16);

	if (span_starts(dir, SPAN(".")))
		dir = span_skip(dir, 1);
	for (size_t i = 0; i < dir.len; i++)
		buf_char(wire, (char)(dir.ptr[i] == '.' ? '/' : dir.ptr[i]));
	if (!imap_utf7_decode(b, buf_span(wire)))
		buf_span_put(b, buf_span(wire));
	struct span text = buf_span(b);
	for (size_t i = 0; i < text.len; i++) {
		struct span rest = span_skip(text, i);

		if (span_starts_nocase(rest, SPAN("\\2e")))
			buf_char(name, '.'), i += 2;
		else if (span_starts_nocase(rest, SPAN("\\5c")))
			buf_char(name, '\\'), i += 2;
		else if (span_starts_nocase(rest, SPAN("\\2f")))
			buf_char(name, '_'), i += 2;
		else
			buf_char(name, text.ptr[i]);
	}
	return buf_span(name);
}
