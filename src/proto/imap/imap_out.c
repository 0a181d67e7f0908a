#include "proto/imap/imap_out.h"

#include "base/clock.h"
#include "base/must.h"
#include "base/utf8.h"

static bool is_quotable(struct span s, const struct imap_out_mode *m)
{
	bool is_ascii = true;

	if (s.len > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return false;
		is_ascii = is_ascii && c < 0x80;
	}
	/* RFC 3501 section 9: QUOTED-CHAR is 7-bit; RFC 9051 section 4.3 has UTF-8 */
	return is_ascii || (m->is_utf8 && utf8_is_valid(s));
}

static void put_quoted(struct buf *b, struct span s)
{
	size_t from = 0;

	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '"' || s.ptr[i] == '\\') {
			buf_put(b, s.ptr + from, i - from);
			buf_char(b, '\\');
			from = i;
		}
	buf_put(b, s.ptr + from, s.len - from);
	buf_char(b, '"');
}

void imap_put_string(struct buf *b, struct span s, const struct imap_out_mode *m)
{
	if (s.len == 0)
		buf_str(b, "\"\"");
	else if (is_quotable(s, m))
		put_quoted(b, s);
	else
		imap_put_literal(b, s);
}

void imap_put_nstring(struct buf *b, struct span s, const struct imap_out_mode *m)
{
	if (s.ptr == NULL)
		buf_str(b, "NIL");
	else
		imap_put_string(b, s, m);
}

void imap_put_astring(struct buf *b, struct span s, const struct imap_out_mode *m)
{
	/* "NIL" would be read as none where a string may be missing */
	if (imap_is_atom(s) && s.len <= IMAP_WORD_MAX && !span_eq_nocase(s, SPAN("NIL")))
		buf_span_put(b, s);
	else
		imap_put_string(b, s, m);
}

void imap_put_literal_head(struct buf *b, uint64_t size, bool is_binary)
{
	buf_str(b, is_binary ? "~{" : "{");
	buf_u64(b, size);
	buf_str(b, "}\r\n");
}

void imap_put_literal(struct buf *b, struct span s)
{
	/* CHAR8 is %x01-ff: what has NUL is a literal8 (RFC 9051 section 9) */
	imap_put_literal_head(b, s.len, span_find(s, '\0') >= 0);
	buf_span_put(b, s);
}

void imap_put_text(struct buf *b, struct span s)
{
	if (s.len == 0)
		buf_char(b, '.');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		buf_char(b, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
}

void imap_put_name(struct buf *b, struct span name, const struct imap_out_mode *m)
{
	struct buf wire;

	if (m->is_utf8) {
		imap_put_astring(b, name, m);
		return;
	}
	/* an octet of UTF-8 is at most 16 / 6 characters of base64, and "&-" */
	buf_init(&wire, name.len * 3 + 8);
	MUST(imap_utf7_encode(&wire, name)); /* names inside are valid UTF-8 */
	imap_put_astring(b, buf_len(&wire) ? buf_span(&wire) : SPAN(""), m);
	buf_fini(&wire);
}

void imap_put_flag_words(struct buf *b, const struct imap_flags *flags)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {{IMAP_FLAG_ANSWERED, "\\Answered"}, {IMAP_FLAG_FLAGGED, "\\Flagged"},
		{IMAP_FLAG_DELETED, "\\Deleted"}, {IMAP_FLAG_SEEN, "\\Seen"},
		{IMAP_FLAG_DRAFT, "\\Draft"}, {IMAP_FLAG_RECENT, "\\Recent"}};
	bool is_first = true;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (flags->system & words[i].bit) {
			if (!is_first)
				buf_char(b, ' ');
			is_first = false;
			buf_str(b, words[i].word);
		}
	for (size_t i = 0; i < flags->count; i++) {
		if (!is_first)
			buf_char(b, ' ');
		is_first = false;
		buf_span_put(b, flags->keywords[i]);
	}
}

void imap_put_flags(struct buf *b, const struct imap_flags *flags)
{
	buf_char(b, '(');
	imap_put_flag_words(b, flags);
	buf_char(b, ')');
}

void imap_put_special_use(struct buf *b, unsigned bits)
{
	bool is_first = true;

	for (unsigned bit = 1; bit <= IMAP_USE_IMPORTANT; bit <<= 1)
		if (bits & bit) {
			if (!is_first)
				buf_char(b, ' ');
			is_first = false;
			buf_str(b, imap_special_use_str(bit));
		}
}

void imap_put_date_time(struct buf *b, int64_t unix_sec, int zone_minutes)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	unsigned zone = (unsigned)(zone_minutes < 0 ? -zone_minutes : zone_minutes);
	struct clock_civil t;

	clock_to_civil(unix_sec, zone_minutes, &t);
	buf_printf(b, "\"%2d-%.3s-%04d %02d:%02d:%02d %c%02u%02u\"", t.day,
		months + 3 * (t.month - 1), t.year, t.hour, t.minute, t.second,
		zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
}

static const char *const fetch_names[IMAP_FETCH_KIND_COUNT] = {
	[IMAP_FETCH_FLAGS] = "FLAGS",
	[IMAP_FETCH_INTERNALDATE] = "INTERNALDATE",
	[IMAP_FETCH_RFC822] = "RFC822",
	[IMAP_FETCH_RFC822_HEADER] = "RFC822.HEADER",
	[IMAP_FETCH_RFC822_TEXT] = "RFC822.TEXT",
	[IMAP_FETCH_RFC822_SIZE] = "RFC822.SIZE",
	[IMAP_FETCH_ENVELOPE] = "ENVELOPE",
	[IMAP_FETCH_BODY] = "BODY",
	[IMAP_FETCH_BODYSTRUCTURE] = "BODYSTRUCTURE",
	[IMAP_FETCH_SECTION] = "BODY",
	[IMAP_FETCH_BINARY] = "BINARY",
	[IMAP_FETCH_BINARY_SIZE] = "BINARY.SIZE",
	[IMAP_FETCH_UID] = "UID",
	[IMAP_FETCH_MODSEQ] = "MODSEQ",
	[IMAP_FETCH_PREVIEW] = "PREVIEW",
	[IMAP_FETCH_SAVEDATE] = "SAVEDATE",
	[IMAP_FETCH_EMAILID] = "EMAILID",
	[IMAP_FETCH_THREADID] = "THREADID",
};

const char *imap_fetch_kind_str(enum imap_fetch_kind k)
{
	return (unsigned)k < IMAP_FETCH_KIND_COUNT ? fetch_names[k] : "?";
}

static void put_section(struct buf *b, const struct imap_section *s)
{
	static const char *const texts[] = {[IMAP_SECTION_ALL] = "",
		[IMAP_SECTION_HEADER] = "HEADER",
		[IMAP_SECTION_HEADER_FIELDS] = "HEADER.FIELDS",
		[IMAP_SECTION_HEADER_FIELDS_NOT] = "HEADER.FIELDS.NOT",
		[IMAP_SECTION_TEXT] = "TEXT",
		[IMAP_SECTION_MIME] = "MIME"};
	static const struct imap_out_mode plain = {0};

	buf_char(b, '[');
	for (size_t i = 0; i < s->depth; i++) {
		if (i)
			buf_char(b, '.');
		buf_u64(b, s->numbers[i]);
	}
	if (s->depth && s->kind != IMAP_SECTION_ALL)
		buf_char(b, '.');
	buf_str(b, texts[s->kind]);
	if (s->field_count) {
		for (size_t i = 0; i < s->field_count; i++) {
			buf_str(b, i ? " " : " (");
			imap_put_astring(b, s->fields[i], &plain);
		}
		buf_char(b, ')');
	}
	buf_char(b, ']');
}

void imap_put_fetch_name(struct buf *b, const struct imap_fetch_item *item)
{
	buf_str(b, imap_fetch_kind_str(item->kind));
	if (item->kind == IMAP_FETCH_SECTION || item->kind == IMAP_FETCH_BINARY ||
		item->kind == IMAP_FETCH_BINARY_SIZE)
		put_section(b, &item->section);
	/* the origin octet alone is told back (RFC 9051 section 7.5.2) */
	if (item->has_partial)
		buf_printf(b, "<%llu>", (unsigned long long)item->offset);
}

void imap_put_partial(struct buf *b, const struct imap_partial *p)
{
	const char *sign = p->is_from_end ? "-" : "";

	buf_printf(b, "%s%u:%s%u", sign, p->low, sign, p->high);
}

static void put_results(struct buf *b, const struct imap_esearch *r)
{
	if ((r->what & IMAP_RETURN_MIN) && r->min)
		buf_printf(b, " MIN %u", r->min);
	if ((r->what & IMAP_RETURN_MAX) && r->max)
		buf_printf(b, " MAX %u", r->max);
	if ((r->what & IMAP_RETURN_COUNT))
		buf_printf(b, " COUNT %llu", (unsigned long long)r->count);
	/* "If the search results in no matches, … MUST NOT include the ALL" (RFC 4731 section 3.1) */
	if ((r->what & IMAP_RETURN_ALL) && r->all && r->all->count) {
		buf_str(b, " ALL ");
		imap_set_put(b, r->all);
	}
	if (r->what & IMAP_RETURN_PARTIAL) { /* RFC 9394 section 3.1 */
		buf_str(b, " PARTIAL (");
		imap_put_partial(b, &r->partial);
		buf_char(b, ' ');
		if (r->page && r->page->count)
			imap_set_put(b, r->page);
		else
			buf_str(b, "NIL");
		buf_char(b, ')');
	}
	if ((r->what & IMAP_RETURN_RELEVANCY) && r->score_count) { /* RFC 6203 section 4 */
		for (size_t i = 0; i < r->score_count; i++)
			buf_printf(b, "%s%u", i ? " " : " RELEVANCY (", r->scores[i]);
		buf_char(b, ')');
	}
	if (r->has_modseq)
		buf_printf(b, " MODSEQ %llu", (unsigned long long)r->modseq);
}

void imap_put_esearch(struct buf *b, const struct imap_esearch *r, const struct imap_out_mode *m)
{
	buf_str(b, "* ESEARCH");
	if (r->tag.len || r->has_mailbox) {
		buf_str(b, " (");
		if (r->tag.len) {
			buf_str(b, "TAG ");
			put_quoted(b, r->tag);
		}
		if (r->has_mailbox) { /* RFC 7377 section 2.1 */
			buf_str(b, r->tag.len ? " MAILBOX " : "MAILBOX ");
			imap_put_name(b, r->mailbox, m);
			buf_printf(b, " UIDVALIDITY %u", r->uid_validity);
		}
		buf_char(b, ')');
	}
	if (r->is_uid)
		buf_str(b, " UID");
	put_results(b, r);
	buf_str(b, "\r\n");
}
