/* SearchSnippet/get (RFC 8621 section 5): where the words of a filter stand in the subject and in the text. */

#include "store/email.h"

#include <unicase.h>
#include <unictype.h>

#include "base/utf8.h"
#include "store/email_find.h"
#include "store/search_text.h"

#define TERMS_MAX   32
#define PREVIEW_MAX 255 /* RFC 8621 section 5: octets, with what marks it */
#define SUBJECT_MAX 4096
#define CONTEXT     60           /* octets in front of the first match */
#define TEXT_LOOKED (256 * 1024) /* of a body */

struct term {
	struct span text;
	bool is_word; /* at the beginning of a word */
	bool in_subject, in_body;
};

struct snipping {
	struct store *s;
	struct arena *a, *work;
	struct term terms[TERMS_MAX];
	size_t term_count;
	struct email *email;
	struct email_snippet *snippet;
};

/* ---- what is looked for ---- */

static void add_term(struct snipping *x, enum email_filter_op op, struct span text, bool is_word)
{
	if (!text.len || x->term_count == TERMS_MAX)
		return;
	x->terms[x->term_count++] = (struct term){.text = text,
		.is_word = is_word,
		.in_subject = op == EMAIL_TEXT || op == EMAIL_SUBJECT,
		.in_body = op == EMAIL_TEXT || op == EMAIL_BODY};
}

static void add_needle(struct snipping *x, enum email_filter_op op, const struct search_needle *n)
{
	struct span rest = n->text, word;

	if (n->how == SEARCH_SUBSTRING) {
		add_term(x, op, n->text, false);
		return;
	}
	while (rest.len) {
		span_cut(rest, ' ', &word, &rest);
		add_term(x, op, word, true);
	}
}

/* What must not be there is not marked. */
static int gather_terms(struct snipping *x, const struct email_filter *f, struct err *e)
{
	struct email_text t;

	if (f->op == EMAIL_NOT)
		return 0;
	for (size_t i = 0; i < f->kid_count; i++)
		if (gather_terms(x, &f->kids[i], e) < 0)
			return -1;
	if (f->op != EMAIL_TEXT && f->op != EMAIL_SUBJECT && f->op != EMAIL_BODY)
		return 0;
	if (email_text_plan(x->work, f, &t, e) < 0)
		return -1;
	for (size_t i = 0; i < t.needle_count; i++)
		add_needle(x, f->op, &t.needles[i]);
	return 0;
}

/* ---- finding ---- */

static bool same_code(uint32_t a, uint32_t b)
{
	return a == b || uc_totitle(uc_tolower(a)) == uc_totitle(uc_tolower(b));
}

/* How many octets of the text's beginning are the term; 0: it does not stand there. */
static size_t match_at(struct span text, struct span term)
{
	size_t whole = text.len;
	uint32_t a, b;

	while (term.len) {
		if (!utf8_take(&term, &b) || !text.len || !utf8_take(&text, &a) || !same_code(a, b))
			return 0;
	}
	return whole - text.len;
}

static bool is_word_code(uint32_t code)
{
	return uc_is_property_alphabetic(code) || uc_is_property_numeric(code);
}

/* Chinese, Japanese, Korean words have no blanks around them. */
static bool is_wide_code(uint32_t code)
{
	return code >= 0x2e80;
}

struct match {
	size_t at, len;
};

/* The next place of any term from `from` on. */
static bool next_match(
	const struct snipping *x, struct span text, bool is_subject, size_t from, struct match *m)
{
	struct span rest = span_skip(text, from);
	bool is_inside = false; /* behind a letter */

	while (rest.len) {
		size_t best = 0, at = text.len - rest.len;
		uint32_t code = 0;

		for (size_t i = 0; i < x->term_count; i++) {
			const struct term *t = &x->terms[i];
			size_t n;

			if (!(is_subject ? t->in_subject : t->in_body) || (t->is_word && is_inside))
				continue;
			n = match_at(rest, t->text);
			if (n > best)
				best = n;
		}
		if (best) {
			*m = (struct match){at, best};
			return true;
		}
		if (!utf8_take(&rest, &code))
			rest = span_skip(rest, 1);
		is_inside = is_word_code(code) && !is_wide_code(code);
	}
	return false;
}

/* ---- writing ---- */

/* HTML for it; blanks and line ends become one blank. False: no room, nothing was written of the rest. */
static bool put_text(struct buf *b, struct span text, size_t room_kept)
{
	while (text.len) {
		const char *as = NULL;
		size_t n = utf8_length_at(text), start = buf_len(b);

		if (!n || (unsigned char)text.ptr[0] < 0x20) {
			as = " ";
			n = 1;
		} else if (text.ptr[0] == '<') {
			as = "&lt;";
		} else if (text.ptr[0] == '>') {
			as = "&gt;";
		} else if (text.ptr[0] == '&') {
			as = "&amp;";
		}
		if (as && *as == ' ' && start && buf_span(b).ptr[start - 1] == ' ') {
			text = span_skip(text, n);
			continue;
		}
		if (buf_room(b) < room_kept + 8)
			return false;
		if (as)
			buf_str(b, as);
		else
			buf_put(b, text.ptr, n);
		text = span_skip(text, n);
	}
	return true;
}

#define MARK     "<mark>"
#define MARK_END "</mark>"

/* From `from` on, until there is no room. */
static struct span mark(
	struct snipping *x, struct span text, bool is_subject, size_t from, size_t max)
{
	struct buf *b = arena_buf(x->a, max);
	struct match m;

	while (next_match(x, text, is_subject, from, &m)) {
		if (!put_text(b, span_sub(text, from, m.at - from), 0) ||
			buf_room(b) < sizeof(MARK MARK_END) + 8)
			return buf_span(b);
		buf_str(b, MARK);
		if (!put_text(b, span_sub(text, m.at, m.len), sizeof(MARK_END))) {
			buf_str(b, MARK_END);
			return buf_span(b);
		}
		buf_str(b, MARK_END);
		from = m.at + m.len;
	}
	put_text(b, span_skip(text, from), 0);
	return buf_span(b);
}

/* Some words in front of a match, on a character. */
static size_t begin_of(struct span text, size_t at)
{
	size_t from = at > CONTEXT ? at - CONTEXT : 0;

	while (from < at && from && ((unsigned char)text.ptr[from] & 0xc0) == 0x80)
		from++;
	if (!from)
		return 0;
	for (size_t i = from; i < at; i++)
		if (text.ptr[i] == ' ' || text.ptr[i] == '\n')
			return i + 1;
	return from;
}

static int snip(void *arg, struct err *e)
{
	struct snipping *x = arg;
	const struct mailbox_msg *msg = &x->email->msg;
	struct search_doc doc = {0};
	struct span text;
	struct err why = {0};
	struct match m;

	if (next_match(x, msg->subject, true, 0, &m))
		x->snippet->subject = mark(x, msg->subject, true, 0, SUBJECT_MAX);
	if (search_text_make(x->s, x->work, msg->prefix, msg->blob_id, msg->blob_len, &doc, &why) <
		0)
		return why.code == ERR_NOT_FOUND || why.code == ERR_CORRUPT ? 0 : err_copy(e, &why);
	text = span_sub(doc.body, 0, TEXT_LOOKED);
	if (next_match(x, text, false, 0, &m))
		x->snippet->preview = mark(x, text, false, begin_of(text, m.at), PREVIEW_MAX);
	return 0;
}

static FIBER int snip_one(struct snipping *x, struct err *e)
{
	int rc;

	x->work = arena_new();
	rc = search_work(x->s, snip, x, e);
	arena_free(&x->work);
	return rc;
}

FIBER int email_snippets(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_filter *filter, const uint64_t *ids, size_t count,
	struct email_snippet *list_r, struct err *e)
{
	struct arena *work = arena_new();
	struct snipping *x = ARENA_NEW(work, struct snipping);
	struct email *list = ARENA_ARRAY(work, struct email, count + 1);
	int rc = 0;

	x->s = s;
	x->a = a;
	x->work = work;
	if (filter)
		rc = gather_terms(x, filter, e);
	if (rc == 0)
		rc = email_get(s, work, eyes, ids, count, MAILBOX_WANT_HEAD, list, NULL, e);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		list_r[i] = (struct email_snippet){
			.email_id = ids[i], .is_there = list[i].row_count > 0};
		x->email = &list[i];
		x->snippet = &list_r[i];
		if (list_r[i].is_there && x->term_count)
			rc = snip_one(x, e);
	}
	arena_free(&work);
	return rc;
}
