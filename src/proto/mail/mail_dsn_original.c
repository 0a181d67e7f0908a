/* What the header of the original tells a report: the stations it came through, what its author
 * reads, and whether anybody waits for an answer. */

#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/journey.h"
#include "proto/mail/mail_dsn_priv.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"

/* ---- languages -------------------------------------------------------------------------------- */

/* What a field prefers: "zh-CN, en;q=0.8" (RFC 3282, RFC 9110 section 12.5.4). */
struct taste {
	unsigned weight[MAIL_LANG_COUNT]; /* in thousandths; 0: not named */
};

/* ";q=0.8" to 800; without it 1000. */
static unsigned weight_of(struct span params)
{
	struct span name, value, whole, part;
	unsigned w = 0, scale = 100;

	if (!span_cut(params, '=', &name, &value) || !span_eq_nocase(span_trim(name), SPAN("q")))
		return 1000;
	value = span_trim(value);
	span_cut(value, '.', &whole, &part);
	if (span_eq(whole, SPAN("1")))
		return 1000;
	for (size_t i = 0; i < part.len && scale; i++, scale /= 10) {
		if (part.ptr[i] < '0' || part.ptr[i] > '9')
			break;
		w += (unsigned)(part.ptr[i] - '0') * scale;
	}
	return w;
}

static bool is_language(struct span tag, const char *primary)
{
	struct span head, rest;

	span_cut(tag, '-', &head, &rest);
	return span_eq_nocase(head, span_str(primary));
}

static struct taste read_taste(struct span value)
{
	static const char *const primary[MAIL_LANG_COUNT] = {"en", "zh"};
	struct taste t = {{0}};

	while (value.len) {
		struct span item, tag, params;

		span_cut(value, ',', &item, &value);
		span_cut(item, ';', &tag, &params);
		for (unsigned i = 0; i < MAIL_LANG_COUNT; i++) {
			unsigned w = weight_of(params);

			if (is_language(span_trim(tag), primary[i]) && w > t.weight[i])
				t.weight[i] = w;
		}
	}
	return t;
}

/* Accept-Language tells what somebody would rather read: the first of what we can. */
static bool choose_preferred(struct span value, enum mail_dsn_words *words_r)
{
	struct taste t = read_taste(value);

	if (!t.weight[MAIL_LANG_EN] && !t.weight[MAIL_LANG_ZH])
		return false;
	*words_r = t.weight[MAIL_LANG_ZH] > t.weight[MAIL_LANG_EN] ? MAIL_DSN_ZH : MAIL_DSN_EN;
	if (t.weight[MAIL_LANG_ZH] == t.weight[MAIL_LANG_EN]) /* of equals the first */
		*words_r = is_language(span_trim(value), "zh") ? MAIL_DSN_ZH : MAIL_DSN_EN;
	return true;
}

/* Content-Language tells what stands in the message: all of that was understood. */
static bool choose_written(struct span value, enum mail_dsn_words *words_r)
{
	struct taste t = read_taste(value);
	bool is_en = t.weight[MAIL_LANG_EN], is_zh = t.weight[MAIL_LANG_ZH];

	if (!is_en && !is_zh)
		return false;
	*words_r = !is_zh ? MAIL_DSN_EN : is_en ? MAIL_DSN_BOTH : MAIL_DSN_ZH;
	return true;
}

/* ---- scripts ---------------------------------------------------------------------------------- */

/* Chinese letters, and none of those that Japanese and Korean have besides? */
static bool is_chinese_text(struct span s)
{
	bool has_han = false;
	uint32_t c;

	while (utf8_take(&s, &c)) {
		if ((c >= 0x3040 && c <= 0x30ff) || (c >= 0x1100 && c <= 0x11ff) ||
			(c >= 0x3130 && c <= 0x318f) || (c >= 0xac00 && c <= 0xd7a3))
			return false;
		has_han |= (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
			(c >= 0x20000 && c <= 0x323af);
	}
	return has_han;
}

enum charset { CHARSET_PLAIN, CHARSET_CHINESE, CHARSET_OTHER };

static enum charset charset_of(struct span name)
{
	static const char *const plain[] = {"utf-8", "utf8", "us-ascii", "iso-8859-1"};
	static const char *const chinese[] = {
		"gb2312", "gbk", "gb18030", "hz-gb-2312", "big5", "big5-hkscs", "euc-tw"};

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (span_eq_nocase(name, span_str(plain[i])))
			return CHARSET_PLAIN;
	for (size_t i = 0; i < ARRAY_LEN(chinese); i++)
		if (span_eq_nocase(name, span_str(chinese[i])))
			return CHARSET_CHINESE;
	return CHARSET_OTHER;
}

/* Encoded words tell by their charset's name already: other charsets than these would be read
 * through iconv, which may wait for the disk. */
static bool is_chinese(struct arena *a, struct span value)
{
	struct span rest = value, name, language;
	ptrdiff_t at;

	while ((at = span_find_span(rest, SPAN("=?"))) >= 0) {
		rest = span_skip(rest, (size_t)at + 2);
		if (!span_cut(rest, '?', &name, &rest))
			break;
		span_cut(name, '*', &name, &language); /* RFC 2231 section 5 */
		switch (charset_of(name)) {
		case CHARSET_CHINESE: return true;
		case CHARSET_OTHER: return false;
		case CHARSET_PLAIN: break;
		}
	}
	return is_chinese_text(mail_word_decode(a, value));
}

/* ---- fields ----------------------------------------------------------------------------------- */

struct fields {
	struct arena *a;
	struct buf way; /* those that tell of stations */
	struct span accept, content, subject, from;
	bool is_automatic;
};

static void once(struct arena *a, struct span *to, struct span value)
{
	if (!to->ptr)
		*to = arena_span(a, value);
}

static bool is_word(struct arena *a, struct span value, const char *word)
{
	struct span text = mail_unfold(a, value), head, rest;

	span_cut(text, ';', &head, &rest);
	return span_eq_nocase(span_trim(head), span_str(word));
}

static void take_other(struct fields *r, const struct mail_field *f)
{
	if (span_eq_nocase(f->name, SPAN("Accept-Language")))
		once(r->a, &r->accept, mail_unfold(r->a, f->value));
	else if (span_eq_nocase(f->name, SPAN("Content-Language")))
		once(r->a, &r->content, mail_unfold(r->a, f->value));
	else if (span_eq_nocase(f->name, SPAN("List-Id"))) /* RFC 2919 */
		r->is_automatic = true;
}

static void take_field(void *arg, const struct mail_field *f)
{
	struct fields *r = arg;

	switch (f->id) {
	case MAIL_RECEIVED:
	case MAIL_DATE:
		buf_span_put(&r->way, f->name);
		buf_char(&r->way, ':');
		buf_span_put(&r->way, f->value);
		buf_str(&r->way, "\r\n");
		break;
	case MAIL_SUBJECT: once(r->a, &r->subject, f->value); break;
	case MAIL_FROM: once(r->a, &r->from, f->value); break;
	case MAIL_AUTO_SUBMITTED: /* RFC 3834 section 5 */
		r->is_automatic |= !is_word(r->a, f->value, "no");
		break;
	case MAIL_PRECEDENCE:
		r->is_automatic |= is_word(r->a, f->value, "bulk") ||
			is_word(r->a, f->value, "list") || is_word(r->a, f->value, "junk");
		break;
	default: take_other(r, f); break;
	}
}

static enum mail_dsn_words choose(struct fields *r)
{
	enum mail_dsn_words words;

	if (choose_preferred(r->accept, &words) || choose_written(r->content, &words))
		return words;
	if (is_chinese(r->a, r->subject) || is_chinese(r->a, r->from))
		return MAIL_DSN_BOTH;
	return MAIL_DSN_HINT;
}

/* ---- stations --------------------------------------------------------------------------------- */

static void hop_of(const struct journey_hop *h, struct mail_dsn_hop *to)
{
	*to = (struct mail_dsn_hop){.station = h->r.by.len ? h->r.by
			: h->r.software.len                ? h->r.software
							   : SPAN("?"),
		.at_sec = h->r.has_date ? h->r.date.unix_sec : 0,
		.delay_sec = h->has_delay ? h->delay_sec : -1,
		.is_clock_wrong = journey_has(h, JOURNEY_CLOCK)};
}

/* The first few and the last ones. */
static void take_hops(struct arena *a, const struct journey *j, struct mail_dsn_original *o)
{
	size_t count = j->hop_count, from;

	o->hop_count = count < MAIL_DSN_HOPS_MAX ? count : MAIL_DSN_HOPS_MAX;
	o->hops_left_out = count - o->hop_count + j->hops_left_out;
	o->hops = ARENA_ARRAY(a, struct mail_dsn_hop, o->hop_count);
	for (size_t i = 0; i < o->hop_count; i++) {
		from = i < MAIL_DSN_HOPS_FIRST ? i : count - o->hop_count + i;
		hop_of(&j->hops[from], &o->hops[i]);
	}
}

void mail_dsn_read_original(
	struct arena *a, struct span header, int64_t now_sec, struct mail_dsn_original *original_r)
{
	struct journey_options options = {.now_sec = now_sec};
	struct fields r = {.a = a};
	struct mail_header h;
	struct journey *j;

	memset(original_r, 0, sizeof(*original_r));
	buf_init(&r.way, 2 * MAIL_HEADER_MAX);
	mail_header_init(&h, take_field, &r);
	mail_header_feed(&h, header);
	mail_header_finish(&h);
	mail_header_fini(&h);
	original_r->words = choose(&r);
	original_r->is_automatic = r.is_automatic;
	j = ARENA_NEW(a, struct journey);
	if (journey_read(a, buf_span(&r.way), &options, j))
		take_hops(a, j, original_r);
	buf_fini(&r.way);
}

/* ---- addresses -------------------------------------------------------------------------------- */

static struct span local_part(struct span address)
{
	ptrdiff_t at = span_rfind(address, '@');

	return at < 0 ? address : span_sub(address, 0, (size_t)at);
}

bool mail_dsn_is_daemon(struct span address)
{
	struct span local = local_part(address);

	return span_eq_nocase(local, SPAN("mailer-daemon")) ||
		span_eq_nocase(local, SPAN("double-bounce"));
}

bool mail_dsn_is_collector(struct span address)
{
	static const char *const ends[] = {"-bounces", "-bounce", "-owner", "-return", "-errors"};
	static const char *const begins[] = {
		"owner-", "bounces-", "bounce-", "bounces+", "bounce+", "bounces="};
	struct span local = local_part(address), base, tag;

	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (span_starts_nocase(local, span_str(begins[i])))
			return true;
	span_cut(local, '+', &base, &tag); /* list-bounces+bob=example.net@ */
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (span_ends_nocase(base, span_str(ends[i])))
			return true;
	return mail_dsn_is_daemon(address) || span_eq_nocase(base, SPAN("bounces")) ||
		span_eq_nocase(base, SPAN("bounce"));
}
