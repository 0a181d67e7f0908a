/* Folding (RFC 5322 section 2.2.3), encoded words (RFC 2047), parameters (RFC 2231). */
#include <string.h>

#include "base/enc.h"
#include "base/utf8.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/msg_build_priv.h"

#define WORD_MAX      75  /* RFC 2047 section 2: of an encoded word */
#define WORD_ROOM     30  /* less is not worth beginning a word on this line */
#define PLAIN_MAX     900 /* a longer word is encoded, so that its line can be folded */
#define Q_MAY_COST    5
#define BLANKS_MAX    50 /* in a row, outside of encoded words */
#define PARAM_SECTION 50 /* octets of a value in one piece of it */

void msg_fold_init(
	struct msg_fold *f, struct buf *b, const struct msg_settings *s, struct span name)
{
	f->b = b;
	f->s = s;
	f->line_max = s->line_max;
	buf_span_put(b, name);
	buf_char(b, ':');
	f->column = name.len + 1;
	f->is_start = true;
}

void msg_fold_joint(struct msg_fold *f, struct span word)
{
	buf_span_put(f->b, word);
	f->column += word.len;
	f->is_start = false;
}

/* `blanks` before `word`: on this line, or where a new one begins. */
static void put_spaced(struct msg_fold *f, struct span blanks, struct span word)
{
	/* a line must not be empty but for its name, if the word fits into a line at all */
	bool fits = f->column + blanks.len + word.len <= f->line_max;

	if (!fits && !(f->is_start && f->column + blanks.len + word.len <= MSG_LINE_MUST)) {
		buf_str(f->b, "\r\n");
		f->column = 0;
	}
	buf_span_put(f->b, blanks);
	f->column += blanks.len;
	msg_fold_joint(f, word);
}

void msg_fold_word(struct msg_fold *f, struct span word)
{
	put_spaced(f, SPAN(" "), word);
}

void msg_fold_end(struct msg_fold *f)
{
	buf_str(f->b, "\r\n");
}

/* What may stand for itself in a "Q" word: in a phrase less than elsewhere (RFC 2047 section 5). */
static bool is_plain_q(unsigned char c, bool is_phrase)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	if (is_phrase)
		return c && strchr("!*+-/", c);
	return c > ' ' && c < 0x7f && c != '=' && c != '?' && c != '_';
}

static size_t q_length(struct span octets, bool is_phrase)
{
	size_t n = 0;

	for (size_t i = 0; i < octets.len; i++)
		n += octets.ptr[i] == ' ' || is_plain_q((unsigned char)octets.ptr[i], is_phrase)
			? 1
			: 3;
	return n;
}

static size_t b_length(struct span octets)
{
	return (octets.len + 2) / 3 * 4;
}

static void put_q(struct buf *b, struct span octets, bool is_phrase)
{
	for (size_t i = 0; i < octets.len; i++) {
		unsigned char c = (unsigned char)octets.ptr[i];

		if (c == ' ')
			buf_char(b, '_');
		else if (is_plain_q(c, is_phrase))
			buf_char(b, (char)c);
		else
			buf_printf(b, "=%02X", c);
	}
}

/* A run of text that travels as encoded words. */
struct word_run {
	struct span text, charset;
	bool is_utf8, is_q, is_phrase;
};

/* A piece that cannot travel alone in the charset, though the whole can, makes the rest UTF-8. */
static struct span run_octets(struct word_run *r, struct span text, struct buf *coded)
{
	if (r->is_utf8)
		return text;
	buf_clear(coded);
	if (mime_charset_encode(coded, r->charset, text))
		return buf_span(coded);
	r->is_utf8 = true;
	r->charset = SPAN("utf-8");
	return text;
}

/* How much of the run, in whole characters, fits into `room` octets of encoded text. */
static size_t run_piece(struct word_run *r, size_t room, struct buf *coded)
{
	/* no piece has more octets than this: each takes one at least */
	size_t most = r->text.len < room ? r->text.len : room, n = 0, good = 0;

	while (n < most) {
		size_t len = utf8_length_at(span_skip(r->text, n));
		struct span octets;

		n += len ? len : 1;
		octets = run_octets(r, span_sub(r->text, 0, n), coded);
		if (good && (r->is_q ? q_length(octets, r->is_phrase) : b_length(octets)) > room)
			break;
		good = n;
	}
	return good;
}

static void put_run(struct msg_fold *f, struct span blanks, struct word_run *r)
{
	size_t overhead = 7 + (r->is_utf8 ? 5 : r->charset.len);
	struct buf coded, word;

	buf_init(&coded, 64 * WORD_MAX);
	buf_init(&word, 64 * WORD_MAX);
	while (r->text.len) {
		size_t line = f->line_max > WORD_MAX + 1 ? WORD_MAX + 1 : f->line_max, room, n;
		struct span octets;

		/* RFC 2047 section 2: a line with an encoded word has at most 76 characters */
		room = line > f->column + blanks.len ? line - f->column - blanks.len : 0;
		if (room < overhead + WORD_ROOM && !(f->is_start && room > overhead + 12)) {
			buf_str(f->b, "\r\n");
			f->column = 0;
			room = line - blanks.len;
		}
		room = room > WORD_MAX ? WORD_MAX : room;
		n = run_piece(r, room > overhead ? room - overhead : 1, &coded);
		octets = run_octets(r, span_sub(r->text, 0, n), &coded);
		buf_clear(&word);
		buf_printf(&word, "=?" SPAN_FMT "?%c?", SPAN_ARG(r->charset), r->is_q ? 'q' : 'b');
		if (r->is_q)
			put_q(&word, octets, r->is_phrase);
		else
			enc_put_base64(&word, octets);
		buf_str(&word, "?=");
		buf_span_put(f->b, blanks);
		f->column += blanks.len;
		msg_fold_joint(f, buf_span(&word));
		r->text = span_skip(r->text, n);
		blanks = SPAN(" ");
	}
	buf_fini(&coded);
	buf_fini(&word);
}

static void put_words(struct msg_fold *f, struct span blanks, struct span text, bool is_phrase)
{
	struct word_run r = {
		.text = text, .charset = SPAN("utf-8"), .is_utf8 = true, .is_phrase = is_phrase};
	struct buf coded;
	struct span octets = text;

	buf_init(&coded, text.len * 4 + 64);
	if (f->s->charset.len && f->s->charset.len <= MIME_CHARSET_NAME_MAX &&
		mime_charset_encode(&coded, f->s->charset, text)) {
		r.charset = f->s->charset;
		r.is_utf8 = false;
		octets = buf_span(&coded);
	}
	/* people can read the one, so it may be a little longer; shifts they cannot (RFC 1468) */
	r.is_q = q_length(octets, is_phrase) < b_length(octets) + Q_MAY_COST &&
		span_find(octets, '\x1b') < 0;
	buf_fini(&coded);
	put_run(f, blanks, &r);
}

/* Must a word of free text be encoded? */
static bool needs_word(const struct msg_fold *f, struct span word)
{
	if (word.len > PLAIN_MAX || span_find_span(word, SPAN("=?")) >= 0)
		return true;
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !f->s->is_utf8))
			return true;
	}
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t blanks_at(struct span s)
{
	size_t n = 0;

	while (n < s.len && is_blank(s.ptr[n]))
		n++;
	return n;
}

static size_t word_at(struct span s)
{
	size_t n = 0;

	while (n < s.len && !is_blank(s.ptr[n]))
		n++;
	return n;
}

/* How much of the text, from a word that must be encoded on, goes into one run: with the blanks
 * between such words, but not those behind the last one. */
static size_t run_length(const struct msg_fold *f, struct span s)
{
	size_t n = word_at(s);

	for (;;) {
		struct span rest = span_skip(s, n);
		size_t blanks = blanks_at(rest), word = word_at(span_skip(rest, blanks));

		if (!word || !needs_word(f, span_sub(rest, blanks, word)))
			return n;
		n += blanks + word;
	}
}

/* A word that is encoded, with more blanks before it than fit into a line: they go into the run. One
 * stays outside, unless a run is before it too, for readers drop what is between two. */
static struct span long_blanks(struct msg_fold *f, struct span text, bool was_run)
{
	size_t n = blanks_at(text), outside = was_run ? 0 : 1;
	size_t run = run_length(f, span_skip(text, n));

	put_words(f, was_run ? SPAN(" ") : span_sub(text, 0, 1),
		span_sub(text, outside, n - outside + run), false);
	return span_skip(text, n + run);
}

void msg_fold_text(struct msg_fold *f, struct span text)
{
	bool is_first = true, was_run = false;

	while (text.len && is_blank(text.ptr[text.len - 1]))
		text.len--; /* a line of blanks only must not come of it */
	text = span_skip(text, blanks_at(text));
	while (text.len) {
		size_t n = blanks_at(text);
		struct span blanks = is_first ? SPAN(" ") : span_sub(text, 0, n), word;

		if (n > BLANKS_MAX) {
			text = long_blanks(f, text, was_run);
			was_run = true;
			continue;
		}
		text = span_skip(text, n);
		word = span_sub(text, 0, word_at(text));
		was_run = needs_word(f, word);
		if (was_run) {
			word = span_sub(text, 0, run_length(f, text));
			put_words(f, blanks, word, false);
		} else {
			put_spaced(f, blanks, word);
		}
		text = span_skip(text, word.len);
		is_first = false;
	}
	if (is_first)
		buf_char(f->b, ' ');
}

void msg_fold_value(struct msg_fold *f, struct span value)
{
	bool is_first = true;

	value = span_trim(value);
	while (value.len) {
		size_t n = blanks_at(value);
		struct span blanks = is_first ? SPAN(" ") : span_sub(value, 0, n);

		value = span_skip(value, n);
		n = word_at(value);
		put_spaced(f, blanks, span_sub(value, 0, n));
		value = span_skip(value, n);
		is_first = false;
	}
	if (is_first)
		buf_char(f->b, ' ');
}

/* May the name stand as atoms with single blanks? */
static bool is_atoms(struct span s, bool is_utf8)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == ' ' ? i == 0 || i + 1 == s.len || s.ptr[i - 1] == ' '
				    : !mime_is_atext(s.ptr[i]) ||
					(!is_utf8 && (unsigned char)s.ptr[i] >= 0x80))
			return false;
	}
	return span_find_span(s, SPAN("=?")) < 0;
}

static bool is_quotable(struct span s, bool is_utf8)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f ||
			(!is_utf8 && (unsigned char)s.ptr[i] >= 0x80))
			return false;
	/* readers decode encoded words in quoted strings too, against RFC 2047 section 5 */
	return s.len <= PLAIN_MAX / 2 && span_find_span(s, SPAN("=?")) < 0;
}

static void put_quoted(struct buf *b, struct span s)
{
	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '"' || s.ptr[i] == '\\')
			buf_char(b, '\\');
		buf_char(b, s.ptr[i]);
	}
	buf_char(b, '"');
}

void msg_fold_phrase(struct msg_fold *f, struct span name)
{
	if (name.len <= PLAIN_MAX && is_atoms(name, f->s->is_utf8)) {
		while (name.len) {
			struct span word;

			span_cut(name, ' ', &word, &name);
			msg_fold_word(f, word);
		}
	} else if (is_quotable(name, f->s->is_utf8)) {
		struct buf b;

		buf_init(&b, name.len * 2 + 2);
		put_quoted(&b, name);
		msg_fold_word(f, buf_span(&b));
		buf_fini(&b);
	} else {
		put_words(f, SPAN(" "), name, true);
	}
}

static int refuse_utf8(const struct mime_address *m, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED,
		span_is_ascii(m->local) ? "a domain in UTF-8 on a way without SMTPUTF8: give "
					  "its A-label"
					: "an address in UTF-8 on a way without SMTPUTF8");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
}

static int put_mailbox(
	struct msg_fold *f, const struct mime_address *m, const char *behind, struct err *e)
{
	bool is_idn = !f->s->is_utf8 && !span_is_ascii(m->domain);
	struct mime_address own = *m;
	struct buf b, domain;

	if ((!f->s->is_utf8 && !span_is_ascii(m->local)) || (is_idn && !f->s->ascii_domain))
		return refuse_utf8(m, e);
	buf_init(&domain, MSG_ADDRESS_MAX);
	if (is_idn && (!f->s->ascii_domain(&domain, m->domain) || !buf_ok(&domain))) {
		buf_fini(&domain);
		return refuse_utf8(m, e);
	}
	if (is_idn)
		own.domain = buf_span(&domain);
	buf_init(&b, MSG_ADDRESS_MAX * 2 + 16);
	if (m->name.len) {
		msg_fold_phrase(f, m->name);
		buf_char(&b, '<');
	}
	mime_address_put_spec(&b, &own);
	if (m->name.len)
		buf_char(&b, '>');
	buf_str(&b, behind);
	msg_fold_word(f, buf_span(&b));
	buf_fini(&b);
	buf_fini(&domain);
	return 0;
}

int msg_fold_mailboxes(struct msg_fold *f, const struct mime_address_list *list, struct err *e)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct mime_address *m = &list->items[i];
		bool is_end = i + 1 == list->count;
		bool ends_group = !is_end && list->items[i + 1].kind == MIME_GROUP_END;

		if (m->kind == MIME_GROUP_START) {
			msg_fold_phrase(f, m->name.len ? m->name : SPAN("group"));
			msg_fold_joint(f, SPAN(":"));
		} else if (m->kind == MIME_GROUP_END) {
			msg_fold_joint(f, is_end ? SPAN(";") : SPAN(";,"));
		} else if (put_mailbox(f, m, is_end || ends_group ? "" : ",", e) < 0) {
			return -1;
		}
	}
	if (!list->count)
		buf_char(f->b, ' ');
	return 0;
}

/* attribute-char of RFC 2231 section 7 */
static bool is_attribute_char(unsigned char c)
{
	return c < 0x80 && mime_is_token((char)c) && c != '*' && c != '\'' && c != '%';
}

static void put_percent(struct buf *b, unsigned char c)
{
	if (is_attribute_char(c))
		buf_char(b, (char)c);
	else
		buf_printf(b, "%%%02X", c);
}

/* name*0*=utf-8''…; name*1*=… */
static void put_extended(struct msg_fold *f, struct span name, struct span value)
{
	struct buf coded, piece;
	size_t width = name.len < PARAM_SECTION / 2 ? PARAM_SECTION : PARAM_SECTION / 2, at = 0;
	unsigned section = 0;

	buf_init(&coded, value.len * 3 + 1);
	buf_init(&piece, name.len + 4 * PARAM_SECTION + 32);
	for (size_t i = 0; i < value.len; i++)
		put_percent(&coded, (unsigned char)value.ptr[i]);
	do {
		struct span rest = span_skip(buf_span(&coded), at);
		size_t n = rest.len < width ? rest.len : width;
		bool is_alone = section == 0 && n == rest.len;

		/* not through an escape */
		if (n < rest.len && n > 1 && rest.ptr[n - 1] == '%')
			n--;
		else if (n < rest.len && n > 2 && rest.ptr[n - 2] == '%')
			n -= 2;
		msg_fold_joint(f, SPAN(";"));
		buf_clear(&piece);
		buf_span_put(&piece, name);
		if (!is_alone)
			buf_printf(&piece, "*%u", section);
		buf_str(&piece, section ? "*=" : "*=utf-8''");
		buf_span_put(&piece, span_sub(rest, 0, n));
		msg_fold_word(f, buf_span(&piece));
		at += n;
		section++;
	} while (at < buf_len(&coded));
	buf_fini(&coded);
	buf_fini(&piece);
}

void msg_fold_param(struct msg_fold *f, struct span name, struct span value)
{
	bool is_token = value.len > 0, is_ascii = true;
	struct buf b;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		is_ascii = is_ascii && c >= ' ' && c < 0x7f;
		is_token = is_token && c < 0x80 && mime_is_token((char)c);
	}
	/* the section numbers of RFC 2231 end at 999 here as in our parser */
	if (!is_ascii || value.len + name.len > MSG_LINE_SHOULD - 8 ||
		span_find_span(value, SPAN("=?")) >= 0) {
		put_extended(f, name, value);
		return;
	}
	msg_fold_joint(f, SPAN(";"));
	buf_init(&b, name.len + value.len * 2 + 8);
	buf_span_put(&b, name);
	buf_char(&b, '=');
	if (is_token)
		buf_span_put(&b, value);
	else
		put_quoted(&b, value);
	msg_fold_word(f, buf_span(&b));
	buf_fini(&b);
}
