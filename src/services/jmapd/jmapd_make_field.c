/* Header fields by name and form (RFC 8621 sections 4.1.2, 4.1.3 and 4.6). */
#include "services/jmapd/jmapd_make.h"

#include "base/clock.h"
#include "proto/mail/msg_build.h"

enum form {
	FORM_RAW = 1,
	FORM_TEXT = 2,
	FORM_ADDRESSES = 4,
	FORM_GROUPED = 8,
	FORM_IDS = 16,
	FORM_DATE = 32,
	FORM_URLS = 64,
	FORM_ANY = 127
};

static const struct {
	const char *word;
	enum form form;
} forms[] = {
	{"asRaw", FORM_RAW},
	{"asText", FORM_TEXT},
	{"asAddresses", FORM_ADDRESSES},
	{"asGroupedAddresses", FORM_GROUPED},
	{"asMessageIds", FORM_IDS},
	{"asDate", FORM_DATE},
	{"asURLs", FORM_URLS},
};

/* RFC 8621 section 4.1.3 */
static const struct {
	const char *property, *name;
	enum form form;
} convenient[] = {
	{"messageId", "Message-ID", FORM_IDS},
	{"inReplyTo", "In-Reply-To", FORM_IDS},
	{"references", "References", FORM_IDS},
	{"sender", "Sender", FORM_ADDRESSES},
	{"from", "From", FORM_ADDRESSES},
	{"to", "To", FORM_ADDRESSES},
	{"cc", "Cc", FORM_ADDRESSES},
	{"bcc", "Bcc", FORM_ADDRESSES},
	{"replyTo", "Reply-To", FORM_ADDRESSES},
	{"subject", "Subject", FORM_TEXT},
	{"sentAt", "Date", FORM_DATE},
};

/* Which forms a field of RFC 5322 or RFC 2369 may be given in, beside Raw (section 4.1.2); others in all. */
static const struct {
	const char *name;
	unsigned forms;
} known[] = {
	{"subject", FORM_TEXT},
	{"comments", FORM_TEXT},
	{"keywords", FORM_TEXT},
	{"list-id", FORM_TEXT},
	{"from", FORM_ADDRESSES | FORM_GROUPED},
	{"sender", FORM_ADDRESSES | FORM_GROUPED},
	{"reply-to", FORM_ADDRESSES | FORM_GROUPED},
	{"to", FORM_ADDRESSES | FORM_GROUPED},
	{"cc", FORM_ADDRESSES | FORM_GROUPED},
	{"bcc", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-from", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-sender", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-reply-to", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-to", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-cc", FORM_ADDRESSES | FORM_GROUPED},
	{"resent-bcc", FORM_ADDRESSES | FORM_GROUPED},
	{"message-id", FORM_IDS},
	{"in-reply-to", FORM_IDS},
	{"references", FORM_IDS},
	{"resent-message-id", FORM_IDS},
	{"date", FORM_DATE},
	{"resent-date", FORM_DATE},
	{"list-help", FORM_URLS},
	{"list-unsubscribe", FORM_URLS},
	{"list-subscribe", FORM_URLS},
	{"list-post", FORM_URLS},
	{"list-owner", FORM_URLS},
	{"list-archive", FORM_URLS},
	{"return-path", 0},
	{"received", 0},
};

void jmap_make_fields_init(struct jmap_make_fields *f, struct arena *a)
{
	*f = (struct jmap_make_fields){.a = a, .text = arena_buf(a, JMAP_MAKE_HEADER)};
}

bool jmap_make_fields_have(const struct jmap_make_fields *f, struct span name)
{
	for (size_t i = 0; i < f->count; i++)
		if (span_eq_nocase(f->names[i], name))
			return true;
	return false;
}

/* ---- pieces ---- */

/* A field under way: words with one blank or a fold before them. */
struct line {
	struct buf *b;
	size_t column;
};

static void put_word(struct line *l, struct span word, bool is_first)
{
	ptrdiff_t last = span_rfind(word, '\n');
	bool fits = last < 0 && l->column + 1 + word.len <= MSG_LINE_SHOULD;

	if (!fits && !is_first) {
		buf_str(l->b, "\r\n");
		l->column = 0;
	}
	buf_char(l->b, ' ');
	buf_span_put(l->b, word);
	l->column = last < 0 ? l->column + 1 + word.len : word.len - (size_t)last - 1;
}

static bool has_controls(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return true;
	return false;
}

/* Raw: as it is; folded lines are allowed, anything else that ends a line is not. */
static bool put_raw(struct buf *b, const struct json_in *v)
{
	struct span s = json_in_span(v);
	size_t line = 0;

	if (!json_in_is_text(v))
		return false;
	for (size_t i = 0; i < s.len; i++, line++) {
		if (s.ptr[i] == '\0' || s.ptr[i] == '\n' || line > MSG_LINE_MUST - MSG_NAME_MAX)
			return false;
		if (s.ptr[i] != '\r')
			continue;
		if (i + 2 >= s.len || s.ptr[i + 1] != '\n' ||
			(s.ptr[i + 2] != ' ' && s.ptr[i + 2] != '\t'))
			return false;
		i++;
		line = 0;
	}
	buf_span_put(b, s);
	return true;
}

static bool put_text(struct buf *b, size_t column, const struct json_in *v)
{
	const struct msg_settings s = {0};

	if (!json_in_is_text(v))
		return false;
	buf_char(b, ' ');
	return msg_put_text(b, json_in_span(v), column + 1, &s, NULL) == 0;
}

/* What stands before an address or a group. The builder has it with an address only. */
static bool put_phrase(struct buf *b, struct span name)
{
	const struct msg_settings s = {0};
	struct span made;
	struct buf whole;
	bool is_good;

	buf_init(&whole, JMAP_MAKE_HEADER);
	is_good = msg_put_mailbox(&whole, name, SPAN("x@x"), &s, NULL) == 0;
	made = buf_span(&whole);
	if (is_good)
		buf_span_put(b, span_trim(span_sub(made, 0, (size_t)span_rfind(made, '<'))));
	buf_fini(&whole);
	return is_good;
}

/* Section 4.6: a draft may hold what is no address (yet). Nothing of it can end the address or the line. */
static bool put_unfinished(struct buf *b, struct span name, struct span email)
{
	if (name.len && !put_phrase(b, name))
		return false;
	if (name.len)
		buf_char(b, ' ');
	buf_char(b, '<');
	for (size_t i = 0; i < email.len; i++)
		if (email.ptr[i] != '<' && email.ptr[i] != '>')
			buf_char(b, email.ptr[i]);
	buf_char(b, '>');
	return true;
}

static bool put_address(struct line *l, const struct json_in *v, bool is_first, bool is_last)
{
	const struct json_in *email_v = json_in_get(v, "email"), *name_v = json_in_get(v, "name");
	struct span email = span_trim(json_in_span(email_v)), name = json_in_span(name_v);
	struct msg_settings s = {.is_utf8 = !span_is_ascii(email)};
	struct buf one;
	bool is_good = json_in_is_object(v) && json_in_is_text(email_v) &&
		(!name_v || json_in_is_null(name_v) || json_in_is_text(name_v)) &&
		!has_controls(email) && !has_controls(name);

	if (!is_good)
		return false;
	buf_init(&one, JMAP_MAKE_HEADER);
	if (msg_put_mailbox(&one, name, email, &s, NULL) < 0) {
		buf_clear(&one);
		is_good = put_unfinished(&one, name, email);
	}
	if (!is_last)
		buf_char(&one, ',');
	put_word(l, buf_span(&one), is_first);
	buf_fini(&one);
	return is_good;
}

static bool put_addresses(struct line *l, const struct json_in *list)
{
	size_t count = json_in_count(list);

	if (!json_in_is_array(list))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!put_address(l, json_in_at(list, i), i == 0, i + 1 == count))
			return false;
	return true;
}

static bool put_group(struct line *l, const struct json_in *group, bool is_first, bool is_last)
{
	const struct json_in *name = json_in_get(group, "name");
	const struct json_in *list = json_in_get(group, "addresses");
	size_t count = json_in_count(list);
	bool is_named = json_in_is_text(name);
	struct buf phrase;
	bool is_good = json_in_is_array(list) && (is_named || !name || json_in_is_null(name));

	if (!is_good)
		return false;
	if (is_named) {
		buf_init(&phrase, JMAP_MAKE_HEADER);
		is_good = put_phrase(&phrase, json_in_span(name));
		buf_char(&phrase, ':');
		put_word(l, buf_span(&phrase), is_first);
		buf_fini(&phrase);
	}
	for (size_t i = 0; is_good && i < count; i++)
		is_good = put_address(l, json_in_at(list, i), is_first && i == 0 && !is_named,
			i + 1 == count && (is_named || is_last));
	if (is_named)
		buf_str(l->b, is_last ? ";" : ";,");
	return is_good;
}

static bool put_groups(struct line *l, const struct json_in *list)
{
	size_t count = json_in_count(list);

	if (!json_in_is_array(list))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!put_group(l, json_in_at(list, i), i == 0, i + 1 == count))
			return false;
	return true;
}

/* "<one>" for each, blanks or commas between; none of them can end its brackets. */
static bool put_bracketed(struct line *l, const struct json_in *list, bool has_commas)
{
	size_t count = json_in_count(list);

	if (!json_in_is_array(list))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct span s = json_in_span(json_in_at(list, i));
		struct buf one;

		for (size_t n = 0; n < s.len; n++)
			if (s.ptr[n] <= ' ' || s.ptr[n] >= 0x7f || s.ptr[n] == '<' ||
				s.ptr[n] == '>')
				return false;
		if (!s.len || s.len > MSG_LINE_MUST - MSG_NAME_MAX - 4)
			return false;
		buf_init(&one, MSG_LINE_MUST);
		buf_printf(&one, "<" SPAN_FMT ">%s", SPAN_ARG(s),
			has_commas && i + 1 < count ? "," : "");
		put_word(l, buf_span(&one), i == 0);
		buf_fini(&one);
	}
	return true;
}

/* Minutes east of UTC at the end of a date of RFC 3339. */
static int zone_of(struct span s)
{
	struct span zone = span_skip(s, s.len >= 6 ? s.len - 6 : 0);
	uint64_t hours, minutes;

	if (zone.len != 6 || (zone.ptr[0] != '+' && zone.ptr[0] != '-') ||
		!span_u64(span_sub(zone, 1, 2), &hours) ||
		!span_u64(span_sub(zone, 4, 2), &minutes))
		return 0;
	return (int)(hours * 60 + minutes) * (zone.ptr[0] == '-' ? -1 : 1);
}

static bool put_date(struct buf *b, const struct json_in *v)
{
	struct span s = json_in_span(v);
	int64_t sec;

	if (!clock_parse_rfc3339(s, &sec))
		return false;
	buf_char(b, ' ');
	clock_put_rfc5322(b, sec, zone_of(s));
	return true;
}

/* ---- a field ---- */

static bool put_value(struct buf *b, struct span name, enum form form, const struct json_in *v)
{
	struct line l = {.b = b, .column = name.len + 1};
	bool is_good = false;

	buf_span_put(b, name);
	buf_char(b, ':');
	switch (form) {
	case FORM_RAW: is_good = put_raw(b, v); break;
	case FORM_TEXT: is_good = put_text(b, l.column, v); break;
	case FORM_ADDRESSES: is_good = put_addresses(&l, v); break;
	case FORM_GROUPED: is_good = put_groups(&l, v); break;
	case FORM_IDS: is_good = put_bracketed(&l, v, false); break;
	case FORM_URLS: is_good = put_bracketed(&l, v, true); break;
	case FORM_DATE: is_good = put_date(b, v); break;
	case FORM_ANY: break;
	}
	buf_str(b, "\r\n");
	return is_good && buf_ok(b);
}

/* An empty list is no field: it would have no value. */
static bool is_nothing(enum form form, const struct json_in *v)
{
	return json_in_is_null(v) ||
		((form & (FORM_ADDRESSES | FORM_GROUPED | FORM_IDS | FORM_URLS)) &&
			json_in_is_array(v) && json_in_count(v) == 0);
}

static enum jmap_make_field put_field(struct jmap_make_fields *f, struct span name, enum form form,
	bool is_all, const struct json_in *v)
{
	/* section 4.6: no two properties for one field */
	if (jmap_make_fields_have(f, name) || f->count == JMAP_MAKE_FIELDS)
		return JMAP_FIELD_BAD;
	if (!is_all && is_nothing(form, v))
		return JMAP_FIELD_PUT;
	if (!f->names)
		f->names = ARENA_ARRAY(f->a, struct span, JMAP_MAKE_FIELDS);
	f->names[f->count++] = arena_span(f->a, name);
	if (!is_all)
		return put_value(f->text, name, form, v) ? JMAP_FIELD_PUT : JMAP_FIELD_BAD;
	if (!json_in_is_array(v))
		return JMAP_FIELD_BAD;
	for (size_t i = 0; i < json_in_count(v); i++)
		if (!put_value(f->text, name, form, json_in_at(v, i)))
			return JMAP_FIELD_BAD;
	return JMAP_FIELD_PUT;
}

static bool is_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == ':')
			return false;
	return name.len > 0 && name.len <= MSG_NAME_MAX;
}

static bool may_have(struct span name, enum form form)
{
	if (form == FORM_RAW)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_eq_nocase(name, span_str(known[i].name)))
			return known[i].forms & form;
	return true;
}

/* Section 4.6: content fields stand with the parts, and the encoding is ours to choose. The type is told by
 * its own property: the parts are read by it. */
static bool may_stand(struct span name, bool is_part)
{
	if (!span_starts_nocase(name, SPAN("Content-")))
		return !is_part || !span_eq_nocase(name, SPAN("MIME-Version"));
	return is_part && !span_eq_nocase(name, SPAN("Content-Transfer-Encoding")) &&
		!span_eq_nocase(name, SPAN("Content-Type"));
}

/* "header:Name[:asForm][:all]" behind its first word. */
static enum jmap_make_field by_name(
	struct jmap_make_fields *f, struct span rest, const struct json_in *v, bool is_part)
{
	enum form form = FORM_RAW;
	bool is_all = false;
	struct span name, tail, word;

	span_cut(rest, ':', &name, &tail);
	if (!is_name(name) || (name.len < rest.len && !tail.len))
		return JMAP_FIELD_BAD;
	if (tail.len && span_starts(tail, SPAN("as"))) {
		span_cut(tail, ':', &word, &tail);
		form = 0;
		for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
			if (span_eq(word, span_str(forms[i].word)))
				form = forms[i].form;
	}
	if (tail.len) {
		is_all = span_eq(tail, SPAN("all"));
		if (!is_all)
			return JMAP_FIELD_BAD;
	}
	if (!form || !may_have(name, form) || !may_stand(name, is_part))
		return JMAP_FIELD_BAD;
	return put_field(f, name, form, is_all, v);
}

enum jmap_make_field jmap_make_field(
	struct jmap_make_fields *f, const char *property, const struct json_in *value, bool is_part)
{
	struct span p = span_str(property);

	if (span_starts(p, SPAN("header:")))
		return by_name(f, span_skip(p, 7), value, is_part);
	if (is_part)
		return JMAP_FIELD_NONE;
	for (size_t i = 0; i < sizeof(convenient) / sizeof(convenient[0]); i++)
		if (span_eq(p, span_str(convenient[i].property)))
			return put_field(
				f, span_str(convenient[i].name), convenient[i].form, false, value);
	return JMAP_FIELD_NONE;
}
