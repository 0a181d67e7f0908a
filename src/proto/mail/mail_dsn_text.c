/* What people read: what happened to each recipient, why, what can be done, and the way the message
 * had come. */

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mail_dsn_priv.h"
#include "proto/mail/mail_field.h"

#define LINE_MAX 16384 /* a paragraph */

/* Widths of the table; they add up to DSN_COLUMNS. */
#define CELL_NUMBER  2
#define CELL_STATION 36
#define CELL_AT      15
#define CELL_TOOK    13
_Static_assert(CELL_NUMBER + CELL_STATION + CELL_AT + CELL_TOOK + 6 == DSN_COLUMNS, "a line");

struct telling {
	struct buf *b;
	const struct mail_dsn *d;
	const struct dsn_words *w;
	enum mail_lang lang;
	struct buf line; /* being made */
};

/* Foreign words, cut to what is shown and made safe. */
static void put_words(struct buf *b, struct span text)
{
	mail_text_put(b, dsn_cut(text, MAIL_DSN_TEXT_MAX), true);
}

static void end_paragraph(struct telling *t, const char *indent)
{
	dsn_put_wrapped(t->b, indent, buf_span(&t->line));
	buf_clear(&t->line);
}

static void paragraph(struct telling *t, const char *indent, const char *head, const char *text)
{
	buf_str(&t->line, head);
	buf_str(&t->line, text);
	end_paragraph(t, indent);
}

/* ---- times ------------------------------------------------------------------------------------ */

/* The two greatest units, in minutes from a minute on where it is `is_rough`. */
static void put_duration(struct telling *t, struct buf *b, int64_t sec, bool is_rough)
{
	const struct dsn_words *w = t->w;
	long long s = sec > 0 ? (long long)sec : 0;

	if (is_rough)
		s = s < 60 ? 60 : (s + 30) / 60 * 60;
	if (s < 60)
		buf_printf(b, "%lld%s", s, w->sec);
	else if (s < 3600 && s % 60)
		buf_printf(b, "%lld%s %lld%s", s / 60, w->min, s % 60, w->sec);
	else if (s < 3600)
		buf_printf(b, "%lld%s", s / 60, w->min);
	else if (s < 86400 && s / 60 % 60)
		buf_printf(b, "%lld%s %lld%s", s / 3600, w->hour, s / 60 % 60, w->min);
	else if (s < 86400)
		buf_printf(b, "%lld%s", s / 3600, w->hour);
	else if (s / 3600 % 24)
		buf_printf(b, "%lld%s %lld%s", s / 86400, w->day, s / 3600 % 24, w->hour);
	else
		buf_printf(b, "%lld%s", s / 86400, w->day);
}

static void put_zone(struct buf *b, int minutes)
{
	int m = minutes < 0 ? -minutes : minutes;

	buf_printf(b, "%c%02d%02d", minutes < 0 ? '-' : '+', m / 60, m % 60);
}

static void put_date(struct telling *t, struct buf *b, int64_t sec)
{
	struct clock_civil c;

	if (t->lang == MAIL_LANG_EN) {
		clock_put_rfc5322(b, sec, t->d->zone_minutes);
		return;
	}
	clock_to_civil(sec, t->d->zone_minutes, &c);
	buf_printf(b, "%04d-%02d-%02d %02d:%02d:%02d ", c.year, c.month, c.day, c.hour, c.minute,
		c.second);
	put_zone(b, t->d->zone_minutes);
}

/* ---- recipients ------------------------------------------------------------------------------- */

static const struct mail_cause *cause_of(const struct mail_dsn_rcpt *r)
{
	return mail_cause_find(r->code, r->enhanced, r->text);
}

static void tell_next(struct telling *t, const struct mail_dsn_rcpt *r)
{
	size_t count = 0;

	while (count < MAIL_DSN_NEXT_MAX && r->next_sec[count] > 0)
		count++;
	for (size_t i = 0; i < count; i++) {
		buf_str(&t->line,
			i == 0                   ? t->w->next
				: i == count - 1 ? t->w->last
						 : t->w->between);
		put_duration(t, &t->line, r->next_sec[i] - t->d->now_sec, true);
	}
	if (count) {
		buf_str(&t->line, t->w->next_end);
		end_paragraph(t, "    ");
	}
	if (r->retry_until_sec) {
		buf_str(&t->line, t->w->until);
		put_date(t, &t->line, r->retry_until_sec);
		buf_str(&t->line, t->w->until_end);
		end_paragraph(t, "    ");
	}
}

/* Why, and what now: once for recipients in a row that share it. */
static void tell_cause(struct telling *t, const struct mail_dsn_rcpt *r)
{
	const struct mail_cause *c = cause_of(r);
	const char *remedy = c->remedy[t->lang];

	buf_str(&t->line, t->w->why);
	if (mail_cause_is_expired(r->enhanced) && c != mail_cause_expired())
		buf_printf(&t->line, "%s%s", mail_cause_expired()->text[t->lang],
			t->lang == MAIL_LANG_EN ? " " : "");
	buf_str(&t->line, c->text[t->lang]);
	end_paragraph(t, "    ");
	if (r->action == MAIL_DSN_DELAYED)
		remedy = mail_cause_patience(t->lang);
	paragraph(t, "    ", t->w->remedy, remedy);
	if (c->admin[t->lang])
		paragraph(t, "    ", t->w->admin, c->admin[t->lang]);
	if (r->action == MAIL_DSN_DELAYED)
		tell_next(t, r);
}

static bool is_same_story(const struct mail_dsn_rcpt *a, const struct mail_dsn_rcpt *b)
{
	return a->action == b->action && cause_of(a) == cause_of(b) &&
		mail_cause_is_expired(a->enhanced) == mail_cause_is_expired(b->enhanced);
}

/* "<bob@example.net>: host mx.example.net [192.0.2.7] said: 550 5.1.1 No such user" */
static void tell_rcpt(struct telling *t, const struct mail_dsn_rcpt *r)
{
	struct buf *b = &t->line;

	buf_char(b, '<');
	put_words(b, r->address);
	buf_char(b, '>');
	buf_str(b, t->w->colon);
	if (r->remote_host.len) {
		buf_str(b, t->w->peer);
		put_words(b, dsn_cut(r->remote_host, DSN_HOST_MAX));
		buf_str(b, r->code ? t->w->said : t->w->colon);
	}
	if (r->code) {
		buf_printf(b, "%u ", r->code);
		if (r->enhanced.len) {
			put_words(b, dsn_cut(r->enhanced, DSN_CODE_MAX));
			buf_char(b, ' ');
		}
	}
	put_words(b, r->text);
	if (!r->code && !r->text.len)
		buf_str(b, t->w->done[r->action]);
	buf_str(t->b, "\r\n");
	end_paragraph(t, "");
}

static void tell_rcpts(struct telling *t)
{
	const struct mail_dsn *d = t->d;

	for (size_t i = 0; i < d->rcpt_count; i++) {
		const struct mail_dsn_rcpt *r = &d->rcpts[i];

		tell_rcpt(t, r);
		if (r->action <= MAIL_DSN_DELAYED &&
			(i + 1 == d->rcpt_count || !is_same_story(r, r + 1)))
			tell_cause(t, r);
	}
}

/* ---- the way ---------------------------------------------------------------------------------- */

/* A cell of so many columns; `is_right`: at its right end. */
static void put_cell(struct buf *b, struct span text, size_t columns, bool is_right)
{
	struct span shown = dsn_cut_columns(text, columns);
	size_t left = columns - dsn_columns(shown);

	if (is_right)
		buf_printf(b, "%*s", (int)left, "");
	buf_span_put(b, shown);
	if (!is_right)
		buf_printf(b, "%*s", (int)left, "");
}

struct row {
	const char *number;
	struct span station;
	int64_t at_sec;   /* 0: none */
	const char *at;   /* instead */
	const char *took; /* instead of: */
	int64_t took_sec; /* < 0: none */
};

static void put_at(struct telling *t, struct buf *b, int64_t sec)
{
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct clock_civil c;

	clock_to_civil(sec, t->d->zone_minutes, &c);
	if (t->lang == MAIL_LANG_EN)
		buf_printf(b, "%02d %s ", c.day, months[c.month - 1]);
	else
		buf_printf(b, "%02d-%02d ", c.month, c.day);
	buf_printf(b, "%02d:%02d:%02d", c.hour, c.minute, c.second);
}

static void put_row(struct telling *t, const struct row *r)
{
	struct buf *b = t->b, *cell = &t->line;

	put_cell(b, span_str(r->number), CELL_NUMBER, true);
	buf_str(b, "  ");
	mail_text_put(cell, dsn_cut(r->station, DSN_HOST_MAX), true);
	put_cell(b, buf_span(cell), CELL_STATION, false);
	buf_clear(cell);
	buf_str(b, "  ");
	if (r->at_sec)
		put_at(t, cell, r->at_sec);
	else
		buf_str(cell, r->at);
	put_cell(b, buf_span(cell), CELL_AT, false);
	buf_clear(cell);
	buf_str(b, "  ");
	if (r->took)
		buf_str(cell, r->took);
	else if (r->took_sec < 0)
		buf_char(cell, '-');
	else
		put_duration(t, cell, r->took_sec, false);
	put_cell(b, buf_span(cell), CELL_TOOK, true);
	buf_clear(cell);
	buf_str(b, "\r\n");
}

static void put_number(struct buf *b, size_t n)
{
	buf_clear(b);
	buf_printf(b, "%zu", n);
}

/* The last attempt, when it was made at one host. */
static void tell_attempt(struct telling *t, struct buf *number, size_t place)
{
	const struct mail_dsn_rcpt *r = &t->d->rcpts[0];
	struct span host = r->remote_host;
	struct row row = {.station = span_word(&host), .at_sec = r->last_attempt_sec, .at = "-"};

	for (size_t i = 0; i < t->d->rcpt_count; i++)
		if (!span_eq(t->d->rcpts[i].remote_host, r->remote_host))
			return;
	if (!row.station.len)
		return;
	put_number(number, place);
	row.number = buf_cstr(number);
	row.took = t->w->fate[dsn_worst(t->d)];
	put_row(t, &row);
}

static void tell_left_out(struct telling *t)
{
	buf_printf(&t->line, "%s%zu%s", t->w->left_out, t->d->hops_left_out, t->w->left_out_end);
	buf_printf(t->b, "%*s", CELL_NUMBER + 2, "");
	buf_span_put(t->b, buf_span(&t->line));
	buf_clear(&t->line);
	buf_str(t->b, "\r\n");
}

static void tell_way(struct telling *t)
{
	const struct mail_dsn *d = t->d;
	struct row title = {.number = "",
		.station = span_str(t->w->station),
		.at = t->w->at,
		.took = t->w->took};
	struct buf number;
	size_t place = 0;

	if (!d->hop_count)
		return;
	buf_init(&number, CELL_AT);
	buf_str(t->b, "\r\n");
	buf_str(&t->line, t->w->way);
	put_zone(&t->line, d->zone_minutes);
	buf_str(&t->line, t->w->way_end);
	end_paragraph(t, "");
	buf_str(t->b, "\r\n");
	put_row(t, &title);
	for (size_t i = 0; i < d->hop_count; i++) {
		const struct mail_dsn_hop *h = &d->hops[i];
		struct row row = {.station = h->station,
			.at_sec = h->at_sec,
			.at = "-",
			.took = h->is_clock_wrong ? t->w->clock : NULL,
			.took_sec = h->delay_sec};

		if (i == MAIL_DSN_HOPS_FIRST && d->hops_left_out) {
			tell_left_out(t);
			place += d->hops_left_out;
		}
		put_number(&number, ++place);
		row.number = buf_cstr(&number);
		put_row(t, &row);
	}
	tell_attempt(t, &number, place + 1);
	buf_fini(&number);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static void put_host(struct telling *t, const struct dsn_words *w, const char *end)
{
	buf_str(&t->line, w->host);
	mail_text_put(&t->line, t->d->host, false);
	buf_str(&t->line, end);
}

static void tell(struct buf *b, const struct mail_dsn *d, enum mail_lang lang)
{
	struct telling t = {.b = b, .d = d, .w = &dsn_words[lang], .lang = lang};
	enum mail_dsn_action a = dsn_worst(d);

	buf_init(&t.line, LINE_MAX);
	put_host(&t, t.w, t.w->host_end);
	end_paragraph(&t, "");
	if (d->words == MAIL_DSN_HINT) {
		const struct dsn_words *zh = &dsn_words[MAIL_LANG_ZH];

		put_host(&t, zh, zh->host_end);
		buf_str(&t.line, zh->hint[a]);
		end_paragraph(&t, "");
	}
	buf_str(b, "\r\n");
	paragraph(&t, "", t.w->opening[a],
		a != MAIL_DSN_FAILED          ? ""
			: mail_dsn_is_full(d) ? t.w->full
					      : t.w->header);
	if (a == MAIL_DSN_FAILED) {
		buf_str(b, "\r\n");
		paragraph(&t, "", t.w->help, "");
		buf_str(b, "\r\n");
		paragraph(&t, "", t.w->help_again, "");
	}
	buf_printf(b, "\r\n%s\r\n", t.w->sign);
	tell_rcpts(&t);
	tell_way(&t);
	buf_printf(b, "\r\n%s", t.w->queue_id);
	mail_text_put(b, d->queue_id, false);
	buf_str(b, "\r\n");
	buf_fini(&t.line);
}

void dsn_put_story(struct buf *b, const struct mail_dsn *d)
{
	if (d->words != MAIL_DSN_ZH)
		tell(b, d, MAIL_LANG_EN);
	if (d->words == MAIL_DSN_BOTH) {
		buf_str(b, "\r\n");
		for (size_t i = 0; i < DSN_COLUMNS; i++)
			buf_char(b, '-');
		buf_str(b, "\r\n\r\n");
	}
	if (d->words == MAIL_DSN_ZH || d->words == MAIL_DSN_BOTH)
		tell(b, d, MAIL_LANG_ZH);
}
