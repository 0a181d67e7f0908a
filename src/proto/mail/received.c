#include "proto/mail/received.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/received_priv.h"

#define DATE_TRIES 8 /* places where a date without its semicolon is looked for */

static void defect(struct received *r, enum received_defect d)
{
	r->defects |= 1ULL << d;
}

/* ---- items: comments and words ---- */

/* Octets of the item at the front, which is no blank: a comment, or a word with the quoted strings
 * and "<…>" in it. A bracket or quote that never closes is looked for once only. */
static size_t item_length(struct received_reader *rd, struct span s)
{
	size_t i = 0;

	if (s.ptr[0] == '(' && !rd->is_comment_open) {
		struct mime_lex l = {.rest = s};

		mime_skip_comment(&l);
		if (!l.defects)
			return s.len - l.rest.len;
		rd->is_comment_open = true;
		defect(rd->r, RECEIVED_COMMENT_OPEN);
	}
	if (s.ptr[0] == '(' || s.ptr[0] == ')' || s.ptr[0] == ';')
		return 1;
	while (i < s.len && !mime_is_blank(s.ptr[i]) && !strchr("();", s.ptr[i])) {
		size_t n = s.ptr[i] == '"' && !rd->is_quote_open
			? mime_quoted_length(span_skip(s, i))
			: 1;

		if (n > 1 && s.ptr[i + n - 1] != '"') {
			rd->is_quote_open = true;
			defect(rd->r, RECEIVED_QUOTE_OPEN);
			n = 1;
		}
		i += n;
	}
	return i ? i : 1;
}

static struct span next_item(struct received_reader *rd, struct span *s)
{
	size_t i = 0, n;

	while (i < s->len && mime_is_blank(s->ptr[i]))
		i++;
	*s = span_skip(*s, i);
	if (!s->len)
		return SPAN_NONE;
	n = item_length(rd, *s);
	struct span item = span_sub(*s, 0, n);

	*s = span_skip(*s, n);
	return item;
}

/* Each pass over the text meets the first open bracket by itself, and so reads what is in front. */
static void begin_pass(struct received_reader *rd)
{
	rd->is_comment_open = rd->is_quote_open = false;
}

static bool is_comment(struct span item)
{
	return item.len > 1 && item.ptr[0] == '(';
}

/* ---- where the date begins ---- */

static bool is_day_name(struct span w)
{
	static const char names[] = "sunmontuewedthufrisat";

	for (unsigned i = 0; i < 7 && w.len >= 3; i++)
		if (span_eq_nocase(span_sub(w, 0, 3), span_of(names + i * 3, 3)))
			return w.len == 3 || w.ptr[3] == ',';
	return false;
}

/* "2026-11-23" */
static bool is_iso_day(struct span w)
{
	return w.len >= 10 && w.ptr[0] == '2' && w.ptr[4] == '-' && w.ptr[7] == '-';
}

/* RFC 5321 section 4.4: "; date-time" ends the field. Takes the date, and returns the octets in
 * front of it. */
static struct span take_date(struct received_reader *rd, struct span text)
{
	struct received *r = rd->r;
	struct span s = text, w, tail = SPAN_NONE;
	size_t first = text.len, last = text.len, tries = 0;

	begin_pass(rd);
	while ((w = next_item(rd, &s)).len) {
		size_t at = (size_t)(w.ptr - text.ptr);

		if (w.ptr[0] == ';') {
			first = first == text.len ? at : first;
			last = at;
		}
	}
	for (unsigned i = 0; i < 2 && last < text.len && !r->has_date; i++) {
		size_t at = i ? first : last;

		tail = span_trim(span_skip(text, at + 1));
		r->has_date = received_date(tail, &r->date);
		if (r->has_date)
			last = at;
	}
	if (last < text.len) {
		r->date_text = span_trim(span_skip(text, last + 1));
		return span_sub(text, 0, last);
	}
	defect(r, RECEIVED_NO_SEMICOLON);
	s = text;
	begin_pass(rd);
	while ((w = next_item(rd, &s)).len && tries < DATE_TRIES) {
		if (!is_day_name(w) && !is_iso_day(w))
			continue;
		tries++;
		tail = span_skip(text, (size_t)(w.ptr - text.ptr));
		r->has_date = received_date(tail, &r->date);
		if (!r->has_date)
			continue;
		r->date_text = tail;
		return span_sub(text, 0, (size_t)(w.ptr - text.ptr));
	}
	return text;
}

static void judge_date(struct received *r)
{
	static const char names[] = "sunmontuewedthufrisat";
	struct clock_civil c;

	if (!r->has_date) {
		defect(r, r->date_text.len ? RECEIVED_DATE_BAD : RECEIVED_DATE_MISSING);
		return;
	}
	if (r->date.is_obsolete)
		defect(r, RECEIVED_DATE_OBSOLETE);
	/* "-0000" does not tell a zone either, yet its meaning is certain (RFC 5322 section 3.3) */
	if (!r->date.has_zone && span_find_span(r->date_text, SPAN("-0000")) < 0)
		defect(r, RECEIVED_DATE_NO_ZONE);
	clock_to_civil(r->date.unix_sec, r->date.zone_minutes, &c);
	if (is_day_name(r->date_text) &&
		!span_eq_nocase(span_sub(r->date_text, 0, 3), span_of(names + c.weekday * 3, 3)))
		defect(r, RECEIVED_DATE_WEEKDAY);
}

/* ---- clauses ---- */

static const struct {
	const char *word;
	enum received_clause clause;
} keywords[] = {
	{"from", RECEIVED_IN_FROM},
	{"by", RECEIVED_IN_BY},
	{"via", RECEIVED_IN_VIA},
	{"with", RECEIVED_IN_WITH},
	{"id", RECEIVED_IN_ID},
	{"for", RECEIVED_IN_FOR},
	{"tls", RECEIVED_IN_TLS}, /* RFC 8314 section 4.3 */
	{"envelope-from", RECEIVED_IN_SENDER},
};

/* Does the word begin a clause? The first time it stands. */
static bool begin_clause(struct received_reader *rd, struct span w)
{
	enum received_clause clause = RECEIVED_IN_NONE;

	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (span_eq_nocase(w, span_str(keywords[i].word)))
			clause = keywords[i].clause;
	if (clause == RECEIVED_IN_NONE)
		return false;
	/* Exim can be told to write "for <rcpt> from <sender>" */
	if (clause == RECEIVED_IN_FROM && rd->is_open[RECEIVED_IN_FOR])
		clause = RECEIVED_IN_SENDER;
	if (rd->is_open[clause]) {
		defect(rd->r, RECEIVED_TWICE);
		clause = RECEIVED_IN_NONE;
	}
	rd->is_open[clause] = true;
	rd->clause = clause;
	if (clause == RECEIVED_IN_TLS)
		rd->r->tls = RECEIVED_TLS_YES;
	return true;
}

static void add_word(struct received_reader *rd, struct received_facts *f, struct span w)
{
	enum received_clause c = rd->clause;
	struct span *words = &rd->words[c];
	struct span left, right;

	if (!rd->counts[c]++)
		*words = w;
	else
		words->len = (size_t)(w.ptr + w.len - words->ptr);
	if (c == RECEIVED_IN_WITH) {
		/* "ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384" of IronPort */
		span_cut(w, '/', &left, &right);
		bool is_new = rd->r->kind == RECEIVED_NONE || rd->r->kind == RECEIVED_LOCAL;
		if (is_new && !received_protocol(rd->r, left) && w.len == left.len)
			return;
		for (w = right; w.len; w = right) {
			span_cut(w, '/', &left, &right);
			received_fact(rd, f, left);
		}
	} else if (c == RECEIVED_IN_TLS) {
		if (received_is_cipher(w))
			received_fact(rd, f, w);
	} else if (rd->counts[c] > 1 || c == RECEIVED_IN_NONE) {
		if (c != RECEIVED_IN_FOR && c != RECEIVED_IN_SENDER)
			received_fact(rd, f, w);
	}
}

static void read_items(struct received_reader *rd, struct span s)
{
	struct received_facts f = {0};
	struct span w;

	begin_pass(rd);
	while ((w = next_item(rd, &s)).len && rd->looked < RECEIVED_WORDS_MAX) {
		rd->looked++;
		if (is_comment(w)) {
			bool is_closed = w.ptr[w.len - 1] == ')';

			received_comment(rd, span_sub(w, 1, w.len - 1 - is_closed));
		} else if (strchr("();", w.ptr[0]) && w.len == 1) {
			continue; /* what an open comment leaves */
		} else if (rd->clause == RECEIVED_IN_DATE) {
			continue;
		} else if (!begin_clause(rd, w)) {
			add_word(rd, &f, w);
		} else {
			f = (struct received_facts){0};
		}
	}
	if (s.len && rd->looked >= RECEIVED_WORDS_MAX)
		defect(rd->r, RECEIVED_CUT);
}

/* ---- what the clauses say ---- */

static struct span first_word(struct span words)
{
	struct span s = words, w = span_word(&s);

	while (w.len && w.ptr[w.len - 1] == ',')
		w.len--;
	return w;
}

static struct span without_dot(struct span s)
{
	return s.len > 1 && s.ptr[s.len - 1] == '.' ? span_sub(s, 0, s.len - 1) : s;
}

static struct span without_angles(struct span s)
{
	if (s.len && s.ptr[0] == '<')
		s = span_skip(s, 1);
	if (s.len && s.ptr[s.len - 1] == '>')
		s.len--;
	return s;
}

/* The name behind "from" is what the peer called itself, unless that stands elsewhere: then it is
 * what its address resolves to. */
static void end_from(struct received_reader *rd)
{
	struct received *r = rd->r;
	struct span name = first_word(rd->words[RECEIVED_IN_FROM]);
	struct received_ip ip;
	bool is_ip = received_ip(rd->a, name, &ip);

	r->from = rd->words[RECEIVED_IN_FROM];
	if (is_ip && !r->from_ip.bits)
		r->from_ip = ip;
	if (!rd->has_helo) {
		/* "mail pickup service" is no name */
		if (is_ip || rd->counts[RECEIVED_IN_FROM] < 2 || r->from_ip.bits ||
			r->kind == RECEIVED_LOCAL)
			r->helo = without_dot(name);
	} else if (span_eq_nocase(name, SPAN("unknown"))) {
		r->is_reverse_unknown = true;
	} else if (!is_ip && !r->reverse.len) {
		r->reverse = without_dot(name);
	}
	if (r->kind == RECEIVED_LOCAL && !r->from_ip.bits && name.len && !r->login.len)
		r->login = name;
}

static void end_for(struct received_reader *rd)
{
	struct span s = rd->words[RECEIVED_IN_FOR], w;

	while (s.len) {
		span_cut(s, ',', &w, &s);
		w = span_trim(w);
		if (!w.len)
			continue;
		/* "for <alice@example.org>", or a bare local part; "multiple recipients" is no address */
		if (!rd->r->for_count++ && (w.ptr[0] == '<' || span_find(w, '@') > 0 || !s.len))
			rd->r->for_address = without_angles(w.ptr[0] == '<' ? w : first_word(w));
		if (span_eq_nocase(w, SPAN("multiple recipients"))) {
			rd->r->for_address = SPAN_NONE;
			rd->r->for_count = 2;
		}
	}
}

static void end_with(struct received_reader *rd)
{
	struct received *r = rd->r;
	struct span with = rd->words[RECEIVED_IN_WITH], via = rd->words[RECEIVED_IN_VIA];

	r->with = with;
	r->via = via;
	/* Exchange says nothing about ESMTP or TLS by the word alone */
	if (span_starts_nocase(with, SPAN("Microsoft"))) {
		r->kind = RECEIVED_SMTP;
		if (!r->tls_version.len && !r->tls_cipher.len && r->tls == RECEIVED_TLS_NO)
			r->tls = RECEIVED_TLS_UNKNOWN;
	}
	if (r->kind == RECEIVED_NONE && with.len)
		r->kind = RECEIVED_OTHER;
	if (r->kind == RECEIVED_NONE && via.len)
		received_protocol(r, first_word(via));
	if (r->tls != RECEIVED_TLS_YES)
		r->tls_bits = 0;
}

static void end_clauses(struct received_reader *rd)
{
	struct received *r = rd->r;
	struct received_ip ip;

	end_with(rd);
	end_from(rd);
	end_for(rd);
	r->by = without_dot(first_word(rd->words[RECEIVED_IN_BY]));
	if (!r->by_ip.bits && received_ip(rd->a, r->by, &ip))
		r->by_ip = ip;
	r->id = without_angles(first_word(rd->words[RECEIVED_IN_ID]));
	if (!r->sender.len)
		r->sender = first_word(rd->words[RECEIVED_IN_SENDER]);
	if (r->sender.len > 2)
		r->sender = without_angles(r->sender);
	if (r->is_unix && r->kind == RECEIVED_NONE)
		r->kind = RECEIVED_LOCAL;
	if (!r->from.len)
		defect(r, RECEIVED_NO_FROM);
	if (!r->by.len)
		defect(r, RECEIVED_NO_BY);
}

void received_parse(struct arena *a, struct span value, struct received *r_r)
{
	struct received_reader rd = {.a = a, .r = r_r};
	struct span head;

	memset(r_r, 0, sizeof(*r_r));
	if (value.len > RECEIVED_MAX) {
		defect(r_r, RECEIVED_CUT);
		value = span_sub(value, 0, RECEIVED_MAX);
	}
	r_r->text = mail_unfold(a, value);
	for (size_t i = 0; i < r_r->text.len; i++)
		if (((unsigned char)r_r->text.ptr[i] < ' ' && r_r->text.ptr[i] != '\t') ||
			r_r->text.ptr[i] == 0x7f)
			defect(r_r, RECEIVED_CONTROL);
	if (!r_r->text.len) {
		defect(r_r, RECEIVED_EMPTY);
		return;
	}
	head = take_date(&rd, r_r->text);
	read_items(&rd, head);
	/* Yandex writes about TLS behind the date */
	rd.clause = RECEIVED_IN_DATE;
	read_items(&rd, r_r->date_text);
	end_clauses(&rd);
	judge_date(r_r);
}
