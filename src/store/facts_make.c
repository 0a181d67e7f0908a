/* What a body tells: reading it once, in pieces, with bounded memory. */

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_subject.h"
#include "proto/mail/mime_bodies.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_imap.h"
#include "proto/mail/mime_imap_put.h"
#include "proto/mail/mime_layout.h"
#include "store/body_reading.h"
#include "store/facts_priv.h"

/* ---- keys ---- */

static struct span cut(struct span s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max && ((unsigned char)s.ptr[max] & 0xc0) == 0x80)
		max--;
	return span_sub(s, 0, max);
}

static struct span fold_ascii(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		out[i] = s.ptr[i] >= 'a' && s.ptr[i] <= 'z' ? (char)(s.ptr[i] - 32) : s.ptr[i];
	return span_of(out, s.len);
}

/* RFC 5051 section 2: each character to title case, then decomposed. */
struct span facts_fold(struct arena *a, struct span utf8)
{
	ucs4_t *codes, *wide;
	size_t n = 0, wide_len = 0, len = 0;
	struct span folded = SPAN("");
	uint8_t *bytes;
	uint32_t code;

	if (span_is_ascii(utf8))
		return fold_ascii(a, utf8);
	codes = ARENA_ARRAY(a, ucs4_t, utf8.len + 1);
	while (utf8.len) {
		if (!utf8_take(&utf8, &code)) {
			code = 0xfffd;
			utf8 = span_skip(utf8, 1);
		}
		codes[n++] = uc_totitle(code);
	}
	wide = u32_normalize(UNINORM_NFKD, codes, n, NULL, &wide_len);
	bytes = wide ? u32_to_u8(wide, wide_len, NULL, &len) : NULL;
	if (bytes)
		folded = arena_span(a, span_of(bytes, len));
	free(wide);
	free(bytes);
	return folded;
}

struct span facts_nfc(struct arena *a, struct span utf8)
{
	struct span s = utf8;
	size_t len = 0;
	uint8_t *made;

	if (span_is_ascii(utf8) || !utf8_is_valid(utf8))
		return utf8;
	made = u8_normalize(UNINORM_NFC, (const uint8_t *)utf8.ptr, utf8.len, NULL, &len);
	if (made)
		s = arena_span(a, span_of(made, len));
	free(made);
	return s;
}

static struct span key_of(struct arena *a, struct span utf8)
{
	return cut(facts_fold(a, cut(utf8, FACTS_KEY_MAX)), FACTS_KEY_MAX);
}

struct span facts_subject_of(struct arena *a, struct span subject)
{
	bool is_reply;

	return key_of(a, mail_base_subject(a, subject, &is_reply));
}

/* ---- addresses ---- */

/* RFC 5256 section 3: the mailbox of the first address, "" when there is none; of a group its name,
 * for that is what ENVELOPE tells as its mailbox. RFC 5957 section 3: the name that is shown. */
static void first_address(struct arena *a, const struct mime_address_list *list, struct span *key_r,
	struct span *name_r)
{
	const struct mime_address *m = list->items;

	*key_r = SPAN("");
	if (name_r)
		*name_r = SPAN("");
	if (!list->count)
		return;
	*key_r = key_of(a, m->kind == MIME_MAILBOX ? m->local : m->name);
	if (!name_r)
		return;
	*name_r = mime_address_name(a, m);
	if (!name_r->len && m->kind == MIME_MAILBOX)
		*name_r = mime_address_spec(a, m);
	*name_r = key_of(a, *name_r);
}

static void address_keys(struct arena *a, const struct mime_part *root, struct body_facts *f)
{
	struct mime_address_list list;

	mime_address_parse(a, root->raw[MIME_FIELD_FROM], 1, &list);
	first_address(a, &list, &f->from_key, &f->from_name);
	mime_address_parse(a, root->raw[MIME_FIELD_TO], 1, &list);
	first_address(a, &list, &f->to_key, &f->to_name);
	mime_address_parse(a, root->raw[MIME_FIELD_CC], 1, &list);
	first_address(a, &list, &f->cc_key, NULL);
}

/* The envelope does not tell what stood in quotes. */
static bool has_quoted_word(struct arena *a, struct span value)
{
	struct mime_address_list list;

	if (span_find(value, '"') < 0 || span_find_span(value, SPAN("=?")) < 0)
		return false;
	mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].has_quoted_word)
			return true;
	return false;
}

/* RFC 9051 section 7.5.2 has NIL for a field without an address and for no field at all; RFC 8621 has not. */
static bool has_untold_list(struct arena *a, const struct mime_part *root)
{
	static const enum mime_field_id fields[] = {
		MIME_FIELD_FROM, MIME_FIELD_TO, MIME_FIELD_CC, MIME_FIELD_BCC};
	struct mime_address_list list;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!root->raw[fields[i]].ptr)
			continue;
		mime_address_parse(a, root->raw[fields[i]], 1, &list);
		if (!list.count || has_quoted_word(a, root->raw[fields[i]]))
			return true;
	}
	return false;
}

/* ---- ids ---- */

/* Without brackets; what is too long or would not be one line is none. */
static struct span bare_id(struct span id)
{
	if (id.len < 3 || id.len > FACTS_ID_MAX || span_has_line_break(id))
		return SPAN("");
	return span_sub(id, 1, id.len - 2);
}

static struct span join_ids(struct arena *a, const struct mime_ids *ids, size_t from)
{
	struct buf *b = arena_buf(a, FACTS_REFERENCES * (FACTS_ID_MAX + 1));

	for (size_t i = from; i < ids->count; i++) {
		struct span id = bare_id(ids->items[i]);

		if (!id.len)
			continue;
		if (buf_len(b))
			buf_char(b, '\n');
		buf_span_put(b, id);
	}
	return buf_span(b);
}

struct span facts_refs_of(struct arena *a, struct span references, struct span in_reply_to)
{
	struct mime_ids list;
	struct span refs;

	mime_ids_parse(a, references, &list);
	refs = join_ids(
		a, &list, list.count > FACTS_REFERENCES ? list.count - FACTS_REFERENCES : 0);
	if (refs.len)
		return refs;
	/* RFC 5256, REFERENCES, step 1: only the first of In-Reply-To counts */
	mime_ids_parse(a, in_reply_to, &list);
	if (list.count > 1)
		list.count = 1;
	return join_ids(a, &list, 0);
}

static void ids(struct arena *a, const struct mime_part *root, struct body_facts *f)
{
	struct mime_ids list;

	mime_ids_parse(a, root->raw[MIME_FIELD_MESSAGE_ID], &list);
	f->message_id = list.count ? bare_id(list.items[0]) : SPAN("");
	f->refs = facts_refs_of(
		a, root->raw[MIME_FIELD_REFERENCES], root->raw[MIME_FIELD_IN_REPLY_TO]);
}

/* ---- the whole ---- */

static void sent(const struct mime_part *root, struct body_facts *f)
{
	struct mime_date date;

	if (!mime_date_parse(root->raw[MIME_FIELD_DATE], &date) ||
		date.unix_sec > INT64_MAX / CLOCK_SEC - 1 ||
		date.unix_sec < INT64_MIN / CLOCK_SEC + 1)
		return;
	f->flags |= FACT_DATE;
	f->sent_ns = date.unix_sec * CLOCK_SEC;
}

static struct span rendered(struct arena *a, const struct mime_tree *t, bool is_envelope)
{
	struct buf b;
	struct span s;

	buf_init(&b, FACTS_TEXT_MAX);
	if (is_envelope)
		mime_imap_put_envelope(&b, a, t->root);
	else
		mime_imap_put_body(&b, a, t->root, true);
	if (!buf_ok(&b)) { /* a monster: as one part, or without any field */
		buf_clear(&b);
		if (is_envelope)
			buf_str(&b, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
		else
			buf_printf(&b,
				"(\"application\" \"octet-stream\" NIL NIL NIL \"binary\" %llu "
				"NIL NIL NIL NIL)",
				(unsigned long long)(t->root->end_offset - t->root->body_offset));
	}
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}

static struct span layout(struct arena *a, const struct mime_tree *t)
{
	struct buf b;
	struct span s = SPAN("");

	buf_init(&b, MIME_LAYOUT_MAX);
	mime_layout_put(&b, a, t);
	if (buf_ok(&b))
		s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}

void facts_of_tree(
	struct arena *a, const struct mime_tree *t, struct span text, struct body_facts *f_r)
{
	const struct mime_part *part = mime_text_part(t);
	struct mime_bodies bodies;
	bool is_reply = false;

	mime_bodies(a, t, &bodies);
	*f_r = (struct body_facts){0};
	sent(t->root, f_r);
	f_r->envelope = rendered(a, t, true);
	f_r->structure = rendered(a, t, false);
	f_r->layout = layout(a, t);
	f_r->preview = part ? mime_preview_of(a, part, text) : SPAN("");
	f_r->subject = key_of(a, mail_base_subject(a, t->root->raw[MIME_FIELD_SUBJECT], &is_reply));
	address_keys(a, t->root, f_r);
	ids(a, t->root, f_r);
	if (is_reply)
		f_r->flags |= FACT_REPLY;
	if (mime_has_attachment(&bodies))
		f_r->flags |= FACT_ATTACHMENT;
	if (mime_tree_is_ambiguous(t))
		f_r->flags |= FACT_AMBIGUOUS;
	if (has_untold_list(a, t->root))
		f_r->flags |= FACT_UNTOLD;
}

/* ---- reading ---- */

static struct span copied(struct arena *a, struct span s)
{
	return s.len ? arena_span(a, s) : SPAN("");
}

static void copy_facts(struct arena *a, const struct body_facts *from, struct body_facts *to_r)
{
	*to_r = *from;
	to_r->envelope = copied(a, from->envelope);
	to_r->preview = copied(a, from->preview);
	to_r->subject = copied(a, from->subject);
	to_r->from_key = copied(a, from->from_key);
	to_r->to_key = copied(a, from->to_key);
	to_r->cc_key = copied(a, from->cc_key);
	to_r->from_name = copied(a, from->from_name);
	to_r->to_name = copied(a, from->to_name);
	to_r->message_id = copied(a, from->message_id);
	to_r->refs = copied(a, from->refs);
	to_r->structure = copied(a, from->structure);
	to_r->layout = copied(a, from->layout);
}

static int parse(struct body_reading *r, struct mime_parser *p, uint64_t octets, struct err *e)
{
	uint64_t at = 0;
	struct span piece;

	/* mail that was moved in may have it, and other readers pass over it */
	mime_parser_allow_from_line(p);
	while (at < octets) {
		if (body_reading_at(r, at, octets, &piece, e) < 0)
			return -1;
		if (!piece.len)
			return err_set(e, ERR_CORRUPT, "a body is shorter than its row");
		mime_parser_feed(p, piece);
		at += piece.len;
	}
	return 0;
}

/* The beginning of the text's body, encoded. */
static int read_text(struct body_reading *r, struct arena *a, const struct mime_tree *t,
	struct span *text_r, struct err *e)
{
	const struct mime_part *part = mime_text_part(t);
	struct buf *b = arena_buf(a, MIME_PREVIEW_OCTETS);
	uint64_t at, end;

	*text_r = SPAN("");
	if (!part)
		return 0;
	at = part->body_offset;
	end = part->end_offset;
	if (end - at > MIME_PREVIEW_OCTETS)
		end = at + MIME_PREVIEW_OCTETS;
	while (at < end) {
		struct span piece;

		if (body_reading_at(r, at, end, &piece, e) < 0)
			return -1;
		if (!piece.len)
			break;
		buf_span_put(b, piece);
		at += piece.len;
	}
	*text_r = buf_span(b);
	return 0;
}

int facts_make(struct store *s, struct arena *a, uint64_t blob_id, uint64_t octets,
	struct body_facts *f_r, struct err *e)
{
	struct arena *work = arena_new();
	struct body_reading r;
	struct mime_parser *p = mime_parser_new(work, NULL);
	struct body_facts f;
	struct span text = SPAN("");
	struct mime_tree *t;
	int rc;

	body_reading_init(&r, s, blob_id, octets);
	rc = parse(&r, p, octets, e);
	t = mime_parser_end(&p);
	if (rc == 0)
		rc = read_text(&r, work, t, &text, e);
	if (rc == 0) {
		facts_of_tree(work, t, text, &f);
		copy_facts(a, &f, f_r);
	}
	body_reading_fini(&r);
	arena_free(&work);
	return rc;
}
