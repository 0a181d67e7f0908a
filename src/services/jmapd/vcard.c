#include "services/jmapd/vcard.h"

#include "base/json_out.h"
#include "base/utf8.h"
#include "proto/mail/mime_codec.h"
#include "services/json/json_in.h"

#define LINE_MAX_OCTETS 75 /* RFC 6350 section 3.2 */

/* ---- reading ---- */

/* A content line: "group.NAME;PARAM=x:value". */
struct line {
	struct span name, params, value;
};

/* Unfolded (section 3.2): a line end with a blank behind it is none. Quoted-printable of 2.1 goes on behind a '='. */
static bool next_line(struct arena *a, struct span *text, struct line *l)
{
	struct buf *b;
	struct span rest;
	ptrdiff_t colon, dot;
	bool is_quoted = false;
	size_t i;

	do {
		if (!text->len)
			return false;
		b = arena_buf(a, VCARD_VALUE_MAX);
		while (text->len) {
			ptrdiff_t end = span_find(*text, '\n');
			size_t n = end < 0 ? text->len : (size_t)end;
			struct span part = span_sub(*text, 0, n);

			if (part.len && part.ptr[part.len - 1] == '\r')
				part.len--;
			*text = span_skip(*text, end < 0 ? n : n + 1);
			buf_span_put(b, part);
			if (!text->len || (text->ptr[0] != ' ' && text->ptr[0] != '\t'))
				break;
			*text = span_skip(*text, 1);
		}
	} while (!buf_len(b));
	rest = buf_span(b);
	for (i = 0; i < rest.len && (is_quoted || rest.ptr[i] != ':'); i++)
		is_quoted ^= rest.ptr[i] == '"';
	colon = (ptrdiff_t)i;
	l->value = span_skip(rest, (size_t)colon + 1);
	rest = span_sub(rest, 0, (size_t)colon);
	span_cut(rest, ';', &l->name, &l->params);
	dot = span_rfind(l->name, '.');
	if (dot >= 0)
		l->name = span_skip(l->name, (size_t)dot + 1);
	return true;
}

/* Section 3.4: \n \, \; \\ */
static struct span unescape(struct arena *a, struct span s)
{
	struct buf *b = arena_buf(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\\' && i + 1 < s.len) {
			c = s.ptr[++i];
			if (c == 'n' || c == 'N')
				c = '\n';
		}
		buf_char(b, c);
	}
	return buf_span(b);
}

/* Up to the next bare `at`; false at the end. */
static bool next_piece(struct span *s, char at, struct span *piece_r)
{
	size_t i = 0;

	if (!s->ptr)
		return false;
	while (i < s->len && s->ptr[i] != at)
		i += s->ptr[i] == '\\' ? 2 : 1;
	i = i < s->len ? i : s->len;
	*piece_r = span_sub(*s, 0, i);
	*s = i < s->len ? span_skip(*s, i + 1) : SPAN_NONE;
	return true;
}

static bool has_param(struct span params, const char *text)
{
	struct span one;

	while (params.len) {
		span_cut(params, ';', &one, &params);
		if (span_eq_nocase(one, span_str(text)))
			return true;
	}
	return false;
}

/* The first TYPE that tells a place: "home", "work", "cell". */
static struct span label_of(struct span params)
{
	struct span one, name, values, value;

	while (params.len) {
		span_cut(params, ';', &one, &params);
		if (!span_cut(one, '=', &name, &values))
			values = one; /* 2.1: ";HOME" */
		else if (!span_eq_nocase(name, SPAN("TYPE")))
			continue;
		while (values.len) {
			span_cut(values, ',', &value, &values);
			if (value.len > 1 && value.ptr[0] == '"')
				value = span_sub(value, 1, value.len - 2);
			if (span_eq_nocase(value, SPAN("home")))
				return SPAN("home");
			if (span_eq_nocase(value, SPAN("work")))
				return SPAN("work");
			if (span_eq_nocase(value, SPAN("cell")))
				return SPAN("cell");
		}
	}
	return SPAN("");
}

static struct span text_of(struct arena *a, const struct line *l)
{
	struct span value = l->value;

	if (has_param(l->params, "ENCODING=QUOTED-PRINTABLE") ||
		has_param(l->params, "QUOTED-PRINTABLE")) {
		struct buf *b = arena_buf(a, value.len + 16);
		struct mime_decoder d;

		mime_decoder_init(&d, MIME_CTE_QP);
		mime_decoder_feed(&d, value, b);
		mime_decoder_end(&d, b);
		value = buf_span(b);
	}
	value = span_trim(unescape(a, value));
	return utf8_is_valid(value) ? span_sub(value, 0, CONTACT_TEXT_MAX) : SPAN("");
}

/* N (section 6.2.2): family; given; further; before; behind. */
static struct span name_of(struct arena *a, struct span value)
{
	static const size_t order[] = {3, 1, 2, 0, 4};
	struct span pieces[5] = {{0}}, piece;
	struct buf *b = arena_buf(a, value.len + 16);

	for (size_t i = 0; i < 5 && next_piece(&value, ';', &piece); i++)
		pieces[i] = span_trim(unescape(a, piece));
	for (size_t i = 0; i < 5; i++) {
		if (!pieces[order[i]].len)
			continue;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, pieces[order[i]]);
	}
	return utf8_is_valid(buf_span(b)) ? span_sub(buf_span(b), 0, CONTACT_TEXT_MAX) : SPAN("");
}

static bool is_address(struct span s)
{
	ptrdiff_t at = span_rfind(s, '@');

	return at > 0 && (size_t)at + 1 < s.len && s.len <= 320 && !span_has_line_break(s) &&
		span_find(s, ' ') < 0;
}

static void add_address(
	struct arena *a, struct contact *c, struct contact_address *list, const struct line *l)
{
	struct span address = text_of(a, l);

	if (!is_address(address) || c->address_count == CONTACT_ADDRESSES_MAX)
		return;
	for (size_t i = 0; i < c->address_count; i++)
		if (span_eq_nocase(list[i].address, address))
			return;
	list[c->address_count++] = (struct contact_address){address, label_of(l->params)};
}

static void add_phone(struct arena *a, struct buf *phones, const struct line *l)
{
	struct span number = text_of(a, l);
	struct json_out j;

	if (span_starts_nocase(number, SPAN("tel:")))
		number = span_skip(number, 4);
	if (!number.len || buf_len(phones) > CONTACT_PHONES_MAX - 500)
		return;
	buf_char(phones, buf_len(phones) ? ',' : '[');
	json_out_init(&j, phones);
	json_open_object(&j);
	json_kv_span(&j, "number", span_sub(number, 0, 100));
	json_kv_span(&j, "label", label_of(l->params));
	json_close(&j);
}

static void read_line(struct arena *a, struct contact *c, struct contact_address *addresses,
	struct buf *phones, const struct line *l)
{
	struct span value = l->value, piece;

	if (span_eq_nocase(l->name, SPAN("FN")))
		c->name = text_of(a, l);
	else if (span_eq_nocase(l->name, SPAN("N")) && !c->name.len)
		c->name = name_of(a, value);
	else if (span_eq_nocase(l->name, SPAN("EMAIL")))
		add_address(a, c, addresses, l);
	else if (span_eq_nocase(l->name, SPAN("TEL")))
		add_phone(a, phones, l);
	else if (span_eq_nocase(l->name, SPAN("NOTE")))
		c->note = text_of(a, l);
	else if (span_eq_nocase(l->name, SPAN("ORG")) && next_piece(&value, ';', &piece)) {
		c->org = span_trim(unescape(a, piece));
		if (!utf8_is_valid(c->org))
			c->org = SPAN("");
	}
}

bool vcard_read(
	struct arena *a, struct span text, struct contact **list_r, size_t *count_r, size_t *bad_r)
{
	struct contact *c = NULL;
	struct contact_address *addresses = NULL;
	struct buf *phones = NULL;
	struct line l;

	*list_r = ARENA_ARRAY(a, struct contact, VCARD_IMPORT_MAX + 1);
	*count_r = *bad_r = 0;
	if (span_starts(text, SPAN("\xef\xbb\xbf")))
		text = span_skip(text, 3);
	while (next_line(a, &text, &l)) {
		if (span_eq_nocase(l.name, SPAN("BEGIN"))) {
			*bad_r += c != NULL; /* the last one had no end */
			if (*count_r == VCARD_IMPORT_MAX)
				return false;
			c = &(*list_r)[*count_r];
			*c = (struct contact){.is_kept = true,
				.name = SPAN(""),
				.org = SPAN(""),
				.note = SPAN(""),
				.phones = SPAN("")};
			c->addresses = addresses = ARENA_ARRAY(
				a, struct contact_address, CONTACT_ADDRESSES_MAX);
			phones = arena_buf(a, 2 * CONTACT_PHONES_MAX);
		} else if (span_eq_nocase(l.name, SPAN("END")) && c) {
			if (buf_len(phones)) {
				buf_char(phones, ']');
				c->phones = buf_span(phones);
			}
			if (c->name.len || c->address_count)
				(*count_r)++;
			else
				(*bad_r)++;
			c = NULL;
		} else if (c) {
			read_line(a, c, addresses, phones, &l);
		}
	}
	*bad_r += c != NULL;
	return true;
}

/* ---- writing ---- */

static void put_escaped(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '\\' || c == ',' || c == ';')
			buf_char(b, '\\');
		if (c == '\n')
			buf_str(b, "\\n");
		else if (c != '\r')
			buf_char(b, c);
	}
}

/* Folded between characters, never within one (section 3.2). */
static void put_line(struct buf *b, struct span line)
{
	size_t column = 0;

	while (line.len) {
		size_t n = utf8_length_at(line);

		n = n ? n : 1;
		if (column + n > LINE_MAX_OCTETS) {
			buf_str(b, "\r\n ");
			column = 1;
		}
		buf_span_put(b, span_sub(line, 0, n));
		column += n;
		line = span_skip(line, n);
	}
	buf_str(b, "\r\n");
}

static void put_text(
	struct buf *b, struct arena *a, const char *name, struct span label, struct span value)
{
	struct buf *line = arena_buf(a, 4 * CONTACT_TEXT_MAX);

	buf_str(line, name);
	if (label.len && span_find(label, ':') < 0 && span_find(label, ';') < 0 &&
		span_find(label, ',') < 0 && !span_has_line_break(label))
		buf_printf(line, ";TYPE=" SPAN_FMT, SPAN_ARG(label));
	buf_char(line, ':');
	put_escaped(line, value);
	put_line(b, buf_span(line));
}

static void put_phones(struct buf *b, struct arena *a, struct span phones)
{
	struct buf *whole = arena_buf(a, phones.len + 16);
	const struct json_in *list;
	struct json_in *doc;

	buf_printf(whole, "{\"p\":" SPAN_FMT "}", SPAN_ARG(phones));
	doc = phones.len ? json_in_parse(buf_span(whole), NULL) : NULL;
	list = json_in_get(doc, "p");
	for (size_t i = 0; i < json_in_count(list); i++)
		put_text(b, a, "TEL", json_in_text(json_in_at(list, i), "label"),
			json_in_text(json_in_at(list, i), "number"));
	if (doc)
		json_in_free(&doc);
}

void vcard_put(struct buf *b, const struct contact *c, unsigned version)
{
	struct arena *a = arena_new();
	struct span name = c->name.len ? c->name
		: c->address_count     ? c->addresses[0].address
				       : SPAN("");
	struct buf *n = arena_buf(a, 4 * CONTACT_TEXT_MAX);
	ptrdiff_t blank = span_rfind(name, ' ');

	buf_printf(b, "BEGIN:VCARD\r\nVERSION:%u.0\r\n", version);
	put_text(b, a, "FN", SPAN(""), name);
	/* 3.0 must have it: what is behind the last blank is taken for the family */
	buf_str(n, "N:");
	put_escaped(n, span_skip(name, blank < 0 ? 0 : (size_t)blank + 1));
	buf_char(n, ';');
	put_escaped(n, span_sub(name, 0, blank < 0 ? 0 : (size_t)blank));
	buf_str(n, ";;;");
	put_line(b, buf_span(n));
	for (size_t i = 0; i < c->address_count; i++)
		put_text(b, a, "EMAIL", c->addresses[i].label, c->addresses[i].address);
	put_phones(b, a, c->phones);
	if (c->org.len)
		put_text(b, a, "ORG", SPAN(""), c->org);
	if (c->note.len)
		put_text(b, a, "NOTE", SPAN(""), c->note);
	buf_str(b, "END:VCARD\r\n");
	arena_free(&a);
}
