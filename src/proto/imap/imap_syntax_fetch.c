#include "proto/imap/imap_syntax_priv.h"

#include "base/must.h"

/* What stands before "[" or alone (RFC 9051 section 9, fetch-att; the extensions' in imap_syntax.h). */
static const struct item_word {
	const char *word;
	enum imap_fetch_kind kind;
	bool has_section, is_peek;
} item_words[] = {
	{"FLAGS", IMAP_FETCH_FLAGS, false, true},
	{"INTERNALDATE", IMAP_FETCH_INTERNALDATE, false, true},
	{"RFC822", IMAP_FETCH_RFC822, false, false},
	{"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER, false, true},
	{"RFC822.TEXT", IMAP_FETCH_RFC822_TEXT, false, false},
	{"RFC822.SIZE", IMAP_FETCH_RFC822_SIZE, false, true},
	{"ENVELOPE", IMAP_FETCH_ENVELOPE, false, true},
	{"BODY", IMAP_FETCH_BODY, false, true},
	{"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE, false, true},
	{"BODY", IMAP_FETCH_SECTION, true, false},
	{"BODY.PEEK", IMAP_FETCH_SECTION, true, true},
	{"BINARY", IMAP_FETCH_BINARY, true, false},
	{"BINARY.PEEK", IMAP_FETCH_BINARY, true, true},
	{"BINARY.SIZE", IMAP_FETCH_BINARY_SIZE, true, true},
	{"UID", IMAP_FETCH_UID, false, true},
	{"MODSEQ", IMAP_FETCH_MODSEQ, false, true},
	{"PREVIEW", IMAP_FETCH_PREVIEW, false, true},
	{"SAVEDATE", IMAP_FETCH_SAVEDATE, false, true},
	{"EMAILID", IMAP_FETCH_EMAILID, false, true},
	{"THREADID", IMAP_FETCH_THREADID, false, true},
};

/* section-part = nz-number *("." nz-number), and the "." before a section-text */
static int section_numbers(struct imap_lex *l, struct imap_section *s, bool *has_dot_r)
{
	uint64_t n;

	*has_dot_r = false;
	while (imap_lex_peek(l) >= '0' && imap_lex_peek(l) <= '9') {
		if (s->depth >= IMAP_SECTION_DEPTH_MAX)
			return imap_lex_too_many(l, "numbers in a section", IMAP_SECTION_DEPTH_MAX);
		LEX_ROOM(l, s->numbers, s->depth);
		if (imap_lex_number(l, "a part's number", 1, UINT32_MAX, &n) < 0)
			return -1;
		s->numbers[s->depth++] = (uint32_t)n;
		*has_dot_r = imap_lex_try(l, '.');
		if (!*has_dot_r)
			return 0;
	}
	return 0;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static int section_fields(struct imap_lex *l, struct imap_section *s)
{
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of header fields") < 0)
		return -1;
	do {
		if (s->field_count >= IMAP_FIELDS_MAX)
			return imap_lex_too_many(l, "header fields", IMAP_FIELDS_MAX);
		LEX_ROOM(l, s->fields, s->field_count);
		if (imap_lex_astring(l, "a header field's name", &s->fields[s->field_count]) < 0)
			return -1;
		s->field_count++;
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

/* section-text = section-msgtext / "MIME" */
static int section_text(struct imap_lex *l, struct imap_section *s)
{
	if (imap_lex_try_word(l, "HEADER"))
		s->kind = IMAP_SECTION_HEADER;
	else if (imap_lex_try_word(l, "TEXT"))
		s->kind = IMAP_SECTION_TEXT;
	else if (imap_lex_try_word(l, "HEADER.FIELDS"))
		s->kind = IMAP_SECTION_HEADER_FIELDS;
	else if (imap_lex_try_word(l, "HEADER.FIELDS.NOT"))
		s->kind = IMAP_SECTION_HEADER_FIELDS_NOT;
	else if (s->depth && imap_lex_try_word(l, "MIME"))
		s->kind = IMAP_SECTION_MIME;
	else
		return imap_lex_expected(l, "a section");
	if (s->kind == IMAP_SECTION_HEADER_FIELDS || s->kind == IMAP_SECTION_HEADER_FIELDS_NOT)
		return section_fields(l, s);
	return 0;
}

static int section(struct imap_lex *l, struct imap_fetch_item *item)
{
	struct imap_section *s = &item->section;
	bool has_dot;

	if (imap_lex_char(l, '[', "\"[\"") < 0 || section_numbers(l, s, &has_dot) < 0)
		return -1;
	if (item->kind != IMAP_FETCH_SECTION && has_dot)
		return imap_lex_expected(l, "a part's number");
	if (item->kind == IMAP_FETCH_SECTION &&
		(has_dot || (s->depth == 0 && imap_lex_peek(l) != ']')))
		if (section_text(l, s) < 0)
			return -1;
	return imap_lex_char(l, ']', "\"]\"");
}

/* partial = "<" number64 "." nz-number64 ">" */
static int octets(struct imap_lex *l, struct imap_fetch_item *item)
{
	static const char what[] = "<first octet.count>";

	if (item->kind == IMAP_FETCH_BINARY_SIZE || !imap_lex_try(l, '<'))
		return 0;
	if (imap_lex_number(l, what, 0, INT64_MAX, &item->offset) < 0 ||
		imap_lex_char(l, '.', what) < 0 ||
		imap_lex_number(l, what, 1, INT64_MAX, &item->length) < 0)
		return -1;
	item->has_partial = true;
	return imap_lex_char(l, '>', what);
}

/* "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"] (RFC 8970 section 6) */
static int preview(struct imap_lex *l, struct imap_fetch_item *item)
{
	if (!span_starts(span_skip(l->in, l->at), SPAN(" (")))
		return 0;
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of preview modifiers") < 0)
		return -1;
	if (!imap_lex_try_word(l, "LAZY"))
		return imap_lex_expected(l, "LAZY");
	item->is_lazy = true;
	return imap_lex_close(l);
}

static const struct item_word *item_word(struct imap_lex *l)
{
	struct span word = imap_lex_word_ahead(l);
	bool is_open = l->at + word.len < l->in.len && l->in.ptr[l->at + word.len] == '[';

	for (size_t i = 0; i < ARRAY_LEN(item_words); i++)
		if (item_words[i].has_section == is_open &&
			span_eq_nocase(word, span_str(item_words[i].word))) {
			l->at += word.len;
			return &item_words[i];
		}
	return NULL;
}

static int add_item(struct imap_lex *l, struct imap_fetch_items *f, bool is_only)
{
	const struct item_word *w = item_word(l);
	struct imap_fetch_item item = {0};

	if (!w)
		return imap_lex_expected(l, "something to fetch");
	item.kind = w->kind;
	item.is_peek = w->is_peek;
	if (w->has_section && (section(l, &item) < 0 || octets(l, &item) < 0))
		return -1;
	/* Alone, "(" behind PREVIEW could begin FETCH's modifiers too: it is PREVIEW's when LAZY stands
	 * there. */
	if (item.kind == IMAP_FETCH_PREVIEW &&
		(!is_only || span_starts_nocase(span_skip(l->in, l->at), SPAN(" (LAZY"))) &&
		preview(l, &item) < 0)
		return -1;
	if (!w->has_section)
		for (size_t i = 0; i < f->count; i++)
			if (f->items[i].kind == item.kind)
				return 0; /* once is enough */
	if (f->count >= IMAP_FETCH_ITEMS_MAX)
		return imap_lex_too_many(l, "things to fetch", IMAP_FETCH_ITEMS_MAX);
	LEX_ROOM(l, f->items, f->count);
	f->items[f->count++] = item;
	return 0;
}

/* "ALL" / "FULL" / "FAST" (RFC 9051 section 6.4.5) */
static bool macro(struct imap_lex *l, struct imap_fetch_items *f)
{
	static const enum imap_fetch_kind spelt_out[] = {IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE,
		IMAP_FETCH_RFC822_SIZE, IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODY};
	size_t n = imap_lex_try_word(l, "FAST") ? 3
		: imap_lex_try_word(l, "ALL")   ? 4
		: imap_lex_try_word(l, "FULL")  ? 5
						: 0;

	for (size_t i = 0; i < n; i++) {
		LEX_ROOM(l, f->items, f->count);
		f->items[f->count++] = (struct imap_fetch_item){
			.kind = spelt_out[i], .is_peek = true};
	}
	return n > 0;
}

static int item_list(struct imap_lex *l, struct imap_fetch_items *f)
{
	if (imap_lex_open(l, "a list of things to fetch") < 0)
		return -1;
	do {
		if (add_item(l, f, false) < 0)
			return -1;
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

int imap_lex_fetch_items(struct imap_lex *l, struct imap_fetch_items *items_r)
{
	*items_r = (struct imap_fetch_items){0};
	if (imap_lex_peek(l) == '(')
		return item_list(l, items_r);
	return macro(l, items_r) ? 0 : add_item(l, items_r, true);
}

/* fetch-modifier: RFC 4466 section 2.4, RFC 7162 section 7, RFC 9394 section 4 */
static int modifier(struct imap_lex *l, struct imap_fetch *f)
{
	if (imap_lex_try_word(l, "CHANGEDSINCE")) {
		f->has_changed_since = true;
		if (imap_lex_space(l) < 0)
			return -1;
		return imap_lex_number(
			l, "a modification sequence", 0, IMAP_MODSEQ_MAX, &f->changed_since);
	}
	if (imap_lex_try_word(l, "VANISHED")) {
		f->is_vanished = true;
		return 0;
	}
	if (imap_lex_try_word(l, "PARTIAL")) {
		f->has_partial = true;
		return imap_lex_space(l) < 0 ? -1 : imap_lex_partial(l, &f->partial);
	}
	return imap_lex_expected(l, "a modifier of FETCH");
}

int imap_args_fetch(struct imap_lex *l, struct imap_command *c)
{
	struct imap_fetch *f = &c->fetch;

	if (imap_lex_space(l) < 0 || imap_lex_set(l, true, &f->set) < 0 || imap_lex_space(l) < 0 ||
		imap_lex_fetch_items(l, &f->what) < 0)
		return -1;
	if (!imap_lex_more(l))
		return 0;
	if (imap_lex_open(l, "a list of modifiers") < 0)
		return -1;
	do {
		if (modifier(l, f) < 0)
			return -1;
	} while (imap_lex_more(l));
	/* RFC 7162 section 3.2.6: VANISHED goes with UID FETCH and CHANGEDSINCE alone */
	if (f->is_vanished && (!c->is_uid || !f->has_changed_since))
		return err_set(l->e, ERR_SYNTAX, "VANISHED needs UID FETCH and CHANGEDSINCE");
	return imap_lex_close(l);
}

/* store-modifiers: "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" (RFC 7162 section 7) */
static int store_modifiers(struct imap_lex *l, struct imap_store *s)
{
	if (imap_lex_open(l, "a list of modifiers") < 0)
		return -1;
	if (!imap_lex_try_word(l, "UNCHANGEDSINCE"))
		return imap_lex_expected(l, "UNCHANGEDSINCE");
	s->has_unchanged_since = true;
	if (imap_lex_space(l) < 0 ||
		imap_lex_number(l, "a modification sequence", 0, IMAP_MODSEQ_MAX,
			&s->unchanged_since) < 0 ||
		imap_lex_close(l) < 0)
		return -1;
	return imap_lex_space(l);
}

/* store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
int imap_args_store(struct imap_lex *l, struct imap_command *c)
{
	struct imap_store *s = &c->store;

	if (imap_lex_space(l) < 0 || imap_lex_set(l, true, &s->set) < 0 || imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_peek(l) == '(' && store_modifiers(l, s) < 0)
		return -1;
	s->how = imap_lex_try(l, '+')  ? IMAP_STORE_ADD
		: imap_lex_try(l, '-') ? IMAP_STORE_REMOVE
				       : IMAP_STORE_SET;
	s->is_silent = imap_lex_try_word(l, "FLAGS.SILENT");
	if (!s->is_silent && !imap_lex_try_word(l, "FLAGS"))
		return imap_lex_expected(l, "FLAGS or FLAGS.SILENT");
	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_peek(l) == '(')
		return imap_lex_flag_list(l, &s->flags);
	return imap_lex_flags_bare(l, &s->flags);
}
