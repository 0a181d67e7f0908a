#include "proto/mail/mbox_priv.h"

#include "base/clock.h"
#include "base/must.h"

/* What stands around a message in an mbox: its "From " line, and the fields that programs keep flags in. */

static const char *const field_names[] = {
#define X(id, name) name,
	MBOX_FIELDS(X)
#undef X
};

const char *mbox_field_name(enum mbox_field f)
{
	return field_names[f];
}

enum mbox_field mbox_field_of(struct span line)
{
	ptrdiff_t colon = span_find(span_sub(line, 0, 64), ':');
	struct span name = colon < 0 ? SPAN_NONE : span_trim(span_sub(line, 0, (size_t)colon));
	enum mbox_field f = 0;

	while (f < MBOX_FIELD_COUNT && !span_eq_nocase(name, span_str(field_names[f])))
		f++;
	return f;
}

/* The last line of a section. */
static struct span last_line(struct span head)
{
	ptrdiff_t lf = span_rfind(span_sub(head, 0, head.len ? head.len - 1 : 0), '\n');

	return span_skip(head, (size_t)(lf + 1));
}

bool mbox_is_head_line(struct span line, struct span head)
{
	size_t n = 0;

	if (line.len && (line.ptr[0] == ' ' || line.ptr[0] == '\t'))
		return head.len > 0;
	if (span_starts(
		    line, SPAN("From "))) /* not even "From :", which RFC 5322 section 4.5 allows */
		return false;
	if (span_starts(line, SPAN(">From "))) /* what uucp left in front of all fields */
		return !head.len || span_starts(last_line(head), SPAN(">From "));
	while (n < line.len && line.ptr[n] > ' ' && line.ptr[n] < 0x7f && line.ptr[n] != ':')
		n++;
	while (n && n < line.len && (line.ptr[n] == ' ' || line.ptr[n] == '\t'))
		n++; /* RFC 5322 section 4.5: blanks before the colon */
	return n && n < line.len && line.ptr[n] == ':';
}

struct span mbox_take_field(struct span *head)
{
	size_t n = 0;

	do {
		ptrdiff_t lf = span_find(span_skip(*head, n), '\n');

		n = lf < 0 ? head->len : n + (size_t)lf + 1;
	} while (n < head->len && (head->ptr[n] == ' ' || head->ptr[n] == '\t'));
	struct span field = span_sub(*head, 0, n);
	*head = span_skip(*head, n);
	return field;
}

int mbox_quotes(struct span line, bool *is_open_r)
{
	static const struct span from = SPAN("From ");
	size_t n = 0;

	*is_open_r = false;
	while (n < line.len && line.ptr[n] == '>')
		n++;
	if (n > MBOX_QUOTES_MAX + 1)
		return -1;
	struct span rest = span_sub(line, n, from.len);
	*is_open_r = rest.len < from.len && span_starts(from, rest);
	return span_eq(rest, from) ? (int)n : -1;
}

/* ---- "From sender Mon Nov 23 06:30:00 2026" ---- */

static int index_of(struct span word, const char *names, int count)
{
	for (int i = 0; i < count; i++)
		if (span_eq_nocase(word, span_of(names + 3 * i, 3)))
			return i;
	return -1;
}

static bool take_time(struct span word, struct clock_civil *day)
{
	uint64_t n[3] = {0, 0, 0};
	struct span part;
	size_t count = 0;
	bool is_more = true;

	while (is_more && count < 3) {
		is_more = span_cut(word, ':', &part, &word);
		if (part.len < 1 || part.len > 2 || !span_u64_max(part, count ? 60 : 23, &n[count]))
			return false;
		count++;
	}
	day->hour = (int)n[0];
	day->minute = (int)n[1];
	day->second = (int)n[2];
	return !is_more && count >= 2 && day->minute < 60;
}

static bool take_zone(struct span word, struct clock_civil *day)
{
	uint64_t n;

	if (word.len != 5 || (word.ptr[0] != '+' && word.ptr[0] != '-') ||
		!span_u64_max(span_skip(word, 1), 1459, &n) || n % 100 > 59)
		return false;
	day->zone_minutes = (int)(n / 100 * 60 + n % 100) * (word.ptr[0] == '-' ? -1 : 1);
	return true;
}

/* Behind the day of the week: month, day, time, and the year with a zone on either side, in any of the ways
 * that programs write it. */
static bool take_date(struct span text, int64_t *sec_r)
{
	struct clock_civil day = {0};
	struct span word = span_word(&text);
	uint64_t n;
	int month = index_of(word, "janfebmaraprmayjunjulaugsepoctnovdec", 12);

	word = span_word(&text);
	if (month < 0 || !span_u64_max(word, 31, &n) || !n)
		return false;
	day.month = month + 1;
	day.day = (int)n;
	if (!take_time(span_word(&text), &day))
		return false;
	while ((word = span_word(&text)).len) {
		if (take_zone(word, &day))
			continue;
		if (word.len == 4 && span_u64_max(word, 9999, &n))
			day.year = (int)n;
	}
	if (!day.year)
		return false;
	*sec_r = clock_from_civil(&day);
	return true;
}

static bool has_time_of_day(struct span line)
{
	for (size_t i = 0; i + 3 < line.len; i++) {
		const char *p = line.ptr + i;

		if (p[0] >= '0' && p[0] <= '9' && p[1] == ':' && p[2] >= '0' && p[2] <= '5' &&
			p[3] >= '0' && p[3] <= '9')
			return true;
	}
	return false;
}

bool mbox_is_from(struct span line, bool is_blank_before, struct mbox_letter *letter_r)
{
	struct mbox_letter none, *l = letter_r ? letter_r : &none;
	struct span rest, word;

	if (!span_starts(line, SPAN("From ")) || line.len > MBOX_FROM_MAX)
		return false;
	rest = span_skip(line, 5);
	l->has_date = false;
	l->sender = span_trim(rest);
	/* a sender may have blanks (RFC 5321 quotes them): the first day of the week with a date behind it */
	while (rest.len && !l->has_date) {
		struct span before = rest;

		word = span_word(&rest);
		if (index_of(word, "sunmontuewedthufrisat", 7) < 0 ||
			!take_date(rest, &l->date_sec))
			continue;
		l->has_date = true;
		l->sender = span_trim(span_of(line.ptr + 5, (size_t)(before.ptr - line.ptr) - 5));
	}
	return l->has_date || (is_blank_before && has_time_of_day(line));
}

/* ---- flags ---- */

static void add_letters(struct mbox *m, struct span value)
{
	static const struct {
		char letter;
		unsigned flag;
	} letters[] = {{'R', MBOX_SEEN}, {'A', MBOX_ANSWERED}, {'F', MBOX_FLAGGED},
		{'T', MBOX_DRAFT}, {'D', MBOX_DELETED}};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (span_find(value, letters[i].letter) >= 0)
			m->letter.flags |= letters[i].flag;
}

static void add_mozilla(struct mbox *m, struct span value)
{
	unsigned n = 0;

	for (size_t i = 0; i < value.len && i < 8; i++) {
		unsigned char c = span_lower((unsigned char)value.ptr[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return;
		n = n << 4 | (c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10);
	}
	m->letter.flags |= (n & 1 ? MBOX_SEEN : 0U) | (n & 2 ? MBOX_ANSWERED : 0U) |
		(n & 4 ? MBOX_FLAGGED : 0U);
	m->letter.is_removed = m->letter.is_removed || (n & 8);
}

/* Words of a field behind those that are there. What is put lies in m->text, whose memory may move: spans
 * are made at the end. */
static void add_words(struct mbox *m, struct span value)
{
	struct span word;

	while (value.len) {
		while (value.len && (value.ptr[0] == '\r' || value.ptr[0] == '\n'))
			value = span_skip(value, 1);
		word = span_trim(span_word(&value));
		if (!word.len)
			continue;
		if (buf_len(&m->text))
			buf_char(&m->text, ' ');
		buf_span_put(&m->text, word);
	}
}

static void read_field(struct mbox *m, enum mbox_field f, struct span value, uint64_t *length_r)
{
	value = span_trim(value);
	switch (f) {
	case MBOX_FIELD_STATUS:
	case MBOX_FIELD_X_STATUS: add_letters(m, value); break;
	case MBOX_FIELD_MOZILLA_STATUS: add_mozilla(m, value); break;
	case MBOX_FIELD_X_KEYWORDS:
	case MBOX_FIELD_MOZILLA_KEYS: add_words(m, value); break;
	case MBOX_FIELD_X_IMAP: m->letter.is_internal = true; break;
	case MBOX_FIELD_CONTENT_LENGTH:
		if (!span_u64_max(value, INT64_MAX, length_r))
			*length_r = UINT64_MAX;
		break;
	default: break;
	}
}

/* Which field of each name is the last: spans into the head. */
static void find_last(struct span head, struct span last[MBOX_FIELD_COUNT])
{
	struct span field;

	for (int f = 0; f < MBOX_FIELD_COUNT; f++)
		last[f] = SPAN_NONE;
	while ((field = mbox_take_field(&head)).len) {
		enum mbox_field f = mbox_field_of(field);

		if (f < MBOX_FIELD_COUNT)
			last[f] = field;
	}
}

static struct span value_of(struct span field)
{
	return span_skip(field, (size_t)(span_find(field, ':') + 1));
}

/* The pseudo message of c-client, which has no X-IMAP of a later form: by its subject. */
static bool is_pseudo(struct span head)
{
	return span_find_span(head, SPAN("FOLDER INTERNAL DATA")) >= 0 &&
		span_find_span(head, SPAN("Mail System Internal Data")) >= 0;
}

void mbox_read_head(struct mbox *m, uint64_t *length_r)
{
	struct span last[MBOX_FIELD_COUNT];
	size_t sender = buf_len(&m->text), labels;

	*length_r = UINT64_MAX;
	find_last(buf_span(&m->head), last);
	/* the sender stands in front of the words */
	struct buf words = m->text;
	buf_init(&m->text, 2 * MBOX_HEAD_MAX);
	for (int f = 0; f < MBOX_FIELD_COUNT; f++)
		if (last[f].len)
			read_field(m, f, value_of(last[f]), length_r);
	labels = buf_len(&m->text);
	if (last[MBOX_FIELD_GMAIL_LABELS].len)
		buf_span_put(&m->text, span_trim(value_of(last[MBOX_FIELD_GMAIL_LABELS])));
	size_t all = buf_len(&m->text);
	buf_span_put(&m->text, buf_span(&words));
	buf_fini(&words);
	struct span text = buf_span(&m->text);
	m->letter.keywords = span_sub(text, 0, labels);
	m->letter.labels = span_sub(text, labels, all - labels);
	m->letter.sender = span_sub(text, all, sender);
	m->letter.is_internal = m->letter.is_internal && is_pseudo(buf_span(&m->head));
}

void mbox_strip_head(struct mbox *m, bool is_length_taken, void (*put)(struct mbox *, struct span))
{
	struct span head = buf_span(&m->head), last[MBOX_FIELD_COUNT], field;

	find_last(head, last);
	last[MBOX_FIELD_GMAIL_LABELS] = SPAN_NONE; /* stays */
	if (!is_length_taken) /* who writes Content-Length writes this beside it */
		last[MBOX_FIELD_LINES] = SPAN_NONE;
	if (!is_length_taken &&
		!span_eq(span_trim(value_of(last[MBOX_FIELD_CONTENT_LENGTH])), SPAN("-")))
		last[MBOX_FIELD_CONTENT_LENGTH] = SPAN_NONE;
	while ((field = mbox_take_field(&head)).len) {
		bool is_kept = true;

		for (int f = 0; f < MBOX_FIELD_COUNT; f++)
			is_kept = is_kept && field.ptr != last[f].ptr;
		if (is_kept)
			put(m, field);
	}
}
