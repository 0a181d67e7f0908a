#include <string.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/utf8.h"
#include "cli/probe_screen.h"
#include "cli/trace.h"

/* The way from top to bottom: time, delay and its bar on the left, the stations on a line, and at each
 * what is known of it. */

#define WIDE       120 /* columns from which on a station's facts stand side by side */
#define BAR_NARROW 10
#define BAR_WIDE   30
#define LABEL      10
#define TEXT_CAP   (1024 * 1024)

#define BOLD   "1"
#define DIM    "2"
#define RED    "31"
#define GREEN  "32"
#define YELLOW "33"
#define CYAN   "36"

struct drawing {
	const struct trace *t;
	const struct journey *j;
	struct arena *a;
	int64_t longest; /* delay */
	int64_t day;     /* of the line before, in days */
	unsigned bar;    /* columns */
};

/* ---- text ---- */

/* Foreign text made harmless: what controls a terminal or turns text around is written in hex. */
static struct span clean(const struct drawing *d, struct span s)
{
	struct buf b;
	uint32_t code;

	buf_init(&b, TEXT_CAP);
	while (s.len) {
		struct span was = s;

		if (!utf8_take(&s, &code)) {
			buf_printf(&b, "\\x%02x", (unsigned char)s.ptr[0]);
			s = span_skip(s, 1);
		} else if (code < ' ' || code == 0x7f) {
			buf_printf(&b, "\\x%02x", (unsigned)code);
		} else if ((code >= 0x80 && (d->t->is_ascii || wcwidth((wchar_t)code) < 0)) ||
			(code >= 0x200e && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
			(code >= 0x2066 && code <= 0x2069)) {
			buf_printf(&b, "\\u{%X}", (unsigned)code);
		} else {
			buf_put(&b, was.ptr, was.len - s.len);
		}
	}
	s = arena_span(d->a, buf_span(&b));
	buf_fini(&b);
	return s;
}

/* One of two forms: with UTF-8, and in ASCII. */
static const char *form(const struct drawing *d, const char *utf8, const char *ascii)
{
	return d->t->is_ascii ? ascii : utf8;
}

static void print(struct span s)
{
	fwrite(s.ptr ? s.ptr : "", 1, s.len, stdout);
}

static void colored(const struct drawing *d, const char *color, struct span s)
{
	bool is_colored = d->t->is_color && color && s.len;

	if (is_colored)
		printf("\033[%sm", color);
	print(s);
	if (is_colored)
		fputs("\033[0m", stdout);
}

static void blanks(unsigned n)
{
	printf("%*s", (int)n, "");
}

void trace_put(const struct trace *t, struct arena *a, const char *color, struct span text)
{
	struct drawing d = {.t = t, .a = a};

	colored(&d, color, clean(&d, text));
}

/* ---- head ---- */

static void row_wrapped(
	const struct drawing *d, const char *label, const char *color, struct span text)
{
	struct span rest = clean(d, text);
	bool is_first = true;

	while (rest.len || is_first) {
		if (is_first) {
			colored(d, DIM, span_str(label));
			blanks(strlen(label) < LABEL ? LABEL - (unsigned)strlen(label) : 1);
		} else {
			blanks(LABEL);
		}
		colored(d, color, screen_take_line(&rest, d->t->width - LABEL));
		putchar('\n');
		is_first = false;
	}
}

static void row(const struct drawing *d, const char *label, struct span text)
{
	if (text.len)
		row_wrapped(d, label, NULL, text);
}

static void draw_head(const struct drawing *d)
{
	const struct journey *j = d->j;

	if (d->t->name && (d->t->place || d->t->call->operand_count > 1))
		row(d, "File",
			span_str(d->t->place ? arena_printf(d->a, "%s, message %zu", d->t->name,
						       d->t->place)
					     : d->t->name));
	row(d, "From", j->from);
	row(d, "To", j->to);
	row(d, "Subject", j->subject);
	row(d, "Date", j->date_text);
	row(d, "ID", j->message_id);
	row(d, "Envelope", j->return_path);
}

/* ---- the left side ---- */

static void zoned(const struct drawing *d, int64_t sec, struct clock_civil *c)
{
	clock_to_civil(sec, d->t->is_utc ? 0 : clock_zone_minutes(sec), c);
}

/* "3m50s": at most six columns */
static const char *short_delay(struct arena *a, int64_t s)
{
	long long n = s;

	if (n < 60)
		return arena_printf(a, "%llds", n);
	if (n < 3600)
		return arena_printf(a, "%lldm%02llds", n / 60, n % 60);
	if (n < 86400)
		return arena_printf(a, "%lldh%02lldm", n / 3600, n / 60 % 60);
	if (n < 86400LL * 1000)
		return arena_printf(a, "%lldd%02lldh", n / 86400, n / 3600 % 24);
	return ">999d";
}

static const char *delay_color(int64_t sec)
{
	return sec < 30 ? GREEN : sec < 300 ? YELLOW : RED;
}

/* Eighths of a column, so that short delays differ too. */
static void draw_bar(const struct drawing *d, int64_t delay)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	uint64_t units = 0, whole;
	struct buf b;

	if (d->longest > 0 && delay > 0)
		units = (uint64_t)((double)delay / (double)d->longest * d->bar * 8);
	if (delay > 0 && !units)
		units = 1;
	whole = units / 8;
	buf_init(&b, 4096);
	for (uint64_t i = 0; i < whole; i++)
		buf_str(&b, form(d, "█", "#"));
	if (units % 8) {
		buf_str(&b, form(d, eighths[units % 8], ">"));
		whole++;
	}
	colored(d, delay_color(delay), buf_span(&b));
	buf_fini(&b);
	blanks(d->bar > whole ? d->bar - (unsigned)whole : 0);
}

static unsigned gutter(const struct drawing *d)
{
	return 2 + 8 + 1 + 7 + 1 + d->bar + 1;
}

/* "  06:30:00  3m50s ████      " */
static void draw_gutter(
	const struct drawing *d, const struct mime_date *at, bool is_doubtful, const int64_t *delay)
{
	struct clock_civil c;

	if (!at) {
		blanks(gutter(d));
		return;
	}
	zoned(d, at->unix_sec, &c);
	blanks(2);
	colored(d, is_doubtful ? YELLOW : NULL,
		span_str(arena_printf(d->a, "%02d:%02d:%02d", c.hour, c.minute, c.second)));
	blanks(1);
	if (delay) {
		const char *text = short_delay(d->a, *delay);

		blanks(7 - (unsigned)strlen(text));
		print(span_str(text));
		blanks(1);
		draw_bar(d, *delay);
	} else {
		blanks(8 + d->bar);
	}
	blanks(1);
}

/* The day where it changes. */
static void draw_day(struct drawing *d, int64_t sec)
{
	int zone = d->t->is_utc ? 0 : clock_zone_minutes(sec);
	int64_t local = sec + zone * 60, day = (local - (local < 0 ? 86399 : 0)) / 86400;
	struct clock_civil c;
	const char *text;

	if (day == d->day)
		return;
	d->day = day;
	zoned(d, sec, &c);
	text = arena_printf(d->a, "  %04d-%02d-%02d %s%02d:%02d", c.year, c.month, c.day,
		zone < 0 ? "-" : "+", (zone < 0 ? -zone : zone) / 60,
		(zone < 0 ? -zone : zone) % 60);
	colored(d, DIM, span_str(text));
	blanks(gutter(d) - (unsigned)strlen(text));
	colored(d, DIM, span_str(form(d, "│", "|")));
	putchar('\n');
}

/* ---- the right side ---- */

/* A line of the station at hand: the stem, then the text, wrapped. */
static void stem(const struct drawing *d, const char *mark, const char *color, struct span text)
{
	unsigned in = (unsigned)strlen(mark), room = d->t->width - gutter(d) - 2 - in;
	struct span rest = clean(d, text);
	bool is_first = true;

	while (rest.len) {
		draw_gutter(d, NULL, false, NULL);
		colored(d, DIM, span_str(form(d, "│", "|")));
		putchar(' ');
		if (is_first)
			colored(d, color, span_str(mark));
		else
			blanks(in);
		colored(d, color, screen_take_line(&rest, room));
		putchar('\n');
		is_first = false;
	}
}

static void put(struct buf *b, const char *before, struct span s, const char *behind)
{
	if (!s.len)
		return;
	buf_printf(b, "%s%s", buf_len(b) ? " " : "", before);
	buf_span_put(b, s);
	buf_str(b, behind);
}

/* "from helo (reverse [192.0.2.1])" in fewer signs */
static void put_from(struct buf *b, const struct journey_hop *h)
{
	const struct received *r = &h->r;
	bool is_same = span_eq_nocase(r->helo, r->reverse);

	if (r->helo.len)
		put(b, "from ", r->helo, "");
	else if (r->reverse.len || r->from_ip.bits)
		put(b, "from ", r->reverse, "");
	else if (r->kind == RECEIVED_LOCAL)
		put(b, "", SPAN("made here"), "");
	else if (r->from.len)
		put(b, "from ", r->from, "");
	else
		put(b, "", SPAN("handed on within"), "");
	if (r->helo.len && r->reverse.len && !is_same)
		put(b, "(", r->reverse, ")");
	/* an address literal says the same */
	if (span_find_span(r->helo, r->from_ip.text) < 0 || !r->from_ip.text.len)
		put(b, "[", r->from_ip.text, "]");
}

static void put_login(struct buf *b, const struct received *r)
{
	if (r->is_auth && r->login.len)
		put(b, "logged in as ", r->login, "");
	else if (r->is_auth)
		put(b, "", r->kind == RECEIVED_LMTP ? SPAN("trusted") : SPAN("logged in"), "");
	else if (r->login.len)
		put(b, "by ", r->login, "");
}

/* Words side by side, as many as fit on a line. */
struct piece {
	const char *color;
	struct span text;
};

static void draw_pieces(const struct drawing *d, const struct piece *pieces, size_t count)
{
	unsigned room = d->t->width - gutter(d) - 2, used = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned width = screen_columns(pieces[i].text);

		if (!width)
			continue;
		if (used && used + 1 + width > room) {
			putchar('\n');
			used = 0;
		}
		if (!used && width > room) {
			stem(d, "", pieces[i].color, pieces[i].text);
			continue;
		}
		if (!used) {
			draw_gutter(d, NULL, false, NULL);
			colored(d, DIM, span_str(form(d, "│", "|")));
		}
		putchar(' ');
		colored(d, pieces[i].color, pieces[i].text);
		used += width + (used > 0);
	}
	if (used)
		putchar('\n');
}

/* "ESMTPSA 🔒 TLSv1.3 logged in as alice" */
static void draw_protocol(const struct drawing *d, const struct journey_hop *h)
{
	const struct received *r = &h->r;
	bool is_tls = r->tls == RECEIVED_TLS_YES;
	struct piece pieces[4] = {{NULL, clean(d, r->with)}};
	struct buf b;

	if (!r->with.len && r->kind == RECEIVED_HTTP)
		pieces[0].text = SPAN("web");
	if (is_tls)
		pieces[1].text = clean(d, r->tls_version.len ? r->tls_version : SPAN("TLS"));
	else if (!h->is_local && r->tls == RECEIVED_TLS_NO)
		pieces[1].text = SPAN("no TLS");
	if (is_tls)
		pieces[1].text = span_str(arena_printf(
			d->a, "%s" SPAN_FMT, form(d, "🔒 ", ""), SPAN_ARG(pieces[1].text)));
	pieces[1].color = is_tls ? GREEN : RED;
	if (d->t->width >= WIDE)
		pieces[2] = (struct piece){DIM, clean(d, r->tls_cipher)};
	buf_init(&b, TEXT_CAP);
	put_login(&b, r);
	pieces[3] = (struct piece){CYAN, clean(d, buf_span(&b))};
	buf_fini(&b);
	draw_pieces(d, pieces, ARRAY_LEN(pieces));
}

static void draw_remarks(const struct drawing *d, size_t at)
{
	const struct journey_hop *h = &d->j->hops[at];
	struct buf b;

	buf_init(&b, TEXT_CAP);
	for (unsigned i = 0; i < JOURNEY_REMARK_COUNT; i++) {
		if (!journey_has(h, (enum journey_remark)i))
			continue;
		buf_clear(&b);
		journey_remark_put(&b, d->j, at, (enum journey_remark)i);
		stem(d, "! ", i == JOURNEY_LOOP ? RED : YELLOW, buf_span(&b));
	}
	for (unsigned i = 0; i < RECEIVED_DEFECT_COUNT; i++)
		if (received_has(&h->r, (enum received_defect)i) && i != RECEIVED_NO_FROM &&
			i != RECEIVED_DATE_BAD && i != RECEIVED_DATE_MISSING &&
			i != RECEIVED_NO_BY && i != RECEIVED_DATE_OBSOLETE)
			stem(d, form(d, "· ", ". "), DIM,
				span_str(received_defect_text((enum received_defect)i)));
	buf_fini(&b);
}

static void draw_station(const struct drawing *d, const struct journey_hop *h)
{
	const struct received *r = &h->r;
	struct span name = clean(d,
		r->by.len                 ? r->by
			: r->software.len ? r->software
					  : SPAN("(a station without a name)"));
	struct span software = r->by.len ? clean(d, r->software) : SPAN("");
	unsigned room = d->t->width - gutter(d) - 2, width;

	draw_gutter(d, r->has_date ? &r->date : NULL,
		journey_has(h, JOURNEY_CLOCK) || journey_has(h, JOURNEY_FUTURE),
		h->has_delay && !h->is_since_written ? &h->delay_sec : NULL);
	colored(d, h->is_trusted ? GREEN : YELLOW,
		span_str(h->is_trusted ? form(d, "●", "*") : form(d, "○", "o")));
	putchar(' ');
	struct span rest = name, line = screen_take_line(&rest, room);

	colored(d, BOLD, line);
	width = screen_columns(line);
	if (!rest.len && software.len && width + 1 + screen_columns(software) <= room) {
		putchar(' ');
		colored(d, DIM, software);
		software = SPAN_NONE;
	}
	putchar('\n');
	while (rest.len) {
		line = screen_take_line(&rest, room);
		draw_gutter(d, NULL, false, NULL);
		colored(d, DIM, span_str(form(d, "│ ", "| ")));
		colored(d, BOLD, line);
		putchar('\n');
	}
	stem(d, "", DIM, software);
}

static void draw_hop(struct drawing *d, size_t at)
{
	const struct journey_hop *h = &d->j->hops[at];
	const struct received *r = &h->r;
	bool is_wide = d->t->width >= WIDE;
	struct buf b;

	if (r->has_date)
		draw_day(d, r->date.unix_sec);
	draw_station(d, h);
	buf_init(&b, TEXT_CAP);
	put_from(&b, h);
	if (is_wide) {
		put(&b, "for ", r->for_address, "");
		put(&b, "id ", r->id, "");
	}
	stem(d, "", NULL, buf_span(&b));
	buf_clear(&b);
	if (!is_wide) {
		put(&b, "for ", r->for_address, "");
		stem(d, "", DIM, buf_span(&b));
	}
	buf_fini(&b);
	draw_protocol(d, h);
	draw_remarks(d, at);
}

static void draw_written(struct drawing *d)
{
	const struct journey *j = d->j;

	if (!j->has_date)
		return;
	draw_day(d, j->date.unix_sec);
	draw_gutter(d, &j->date, false, NULL);
	colored(d, DIM, span_str(form(d, "◇ written", "+ written")));
	if (d->t->width >= 64)
		colored(d, DIM, SPAN(" (the Date field)"));
	putchar('\n');
}

/* Above it claims, below it what trusted stations wrote. */
static void draw_trust(const struct drawing *d)
{
	struct buf b;

	buf_init(&b, TEXT_CAP);
	buf_printf(&b, "%s above: claims", form(d, "━━", "=="));
	if (d->t->width >= 80)
		buf_printf(&b, "; from here on: written by %s",
			d->t->options.trust_count ? "trusted stations" : "the last station");
	buf_char(&b, ' ');
	for (unsigned n = screen_columns(buf_span(&b)); n < d->t->width - 4; n++)
		buf_str(&b, form(d, "━", "="));
	blanks(2);
	colored(d, DIM, buf_span(&b));
	putchar('\n');
	buf_fini(&b);
}

static void draw_end(const struct drawing *d)
{
	const struct journey *j = d->j;
	struct span to = j->delivered_count ? j->delivered_to[0] : j->original_to;

	draw_gutter(d, NULL, false, NULL);
	colored(d, GREEN, span_str(form(d, "■", "#")));
	putchar(' ');
	struct span text = to.len ? clean(d, to) : SPAN("here");

	print(screen_take_line(&text, d->t->width - gutter(d) - 2));
	putchar('\n');
}

/* ---- below ---- */

static const char *verdict_color(struct span result)
{
	return span_eq_nocase(result, SPAN("pass")) ? GREEN
		: span_eq_nocase(result, SPAN("fail")) || span_eq_nocase(result, SPAN("permerror"))
		? RED
		: span_eq_nocase(result, SPAN("none")) ? NULL
						       : YELLOW;
}

/* What a result means (RFC 8601 section 2.7); the method's own words before those of all. */
static const char *verdict_words(const struct journey_verdict *v)
{
	static const struct {
		const char *method, *result, *words;
	} table[] = {
		{"dkim", "pass", "the signature is right"},
		{"dkim", "fail", "the signature is wrong: changed on the way, or forged"},
		{"dkim", "none", "not signed"},
		{"spf", "pass", "the address may send for this domain"},
		{"spf", "fail", "the address may not send for this domain"},
		{"spf", "softfail", "the address most likely may not send for this domain"},
		{"spf", "neutral", "the domain does not say who may send for it"},
		{"spf", "none", "the domain does not say who may send for it"},
		{"dmarc", "pass", "the From domain stands behind it"},
		{"dmarc", "fail", "the From domain does not stand behind it"},
		{"dmarc", "none", "the From domain has no policy"},
		{"arc", "pass", "the chain of seals is whole"},
		{"arc", "fail", "the chain of seals is broken"},
		{"arc", "none", "no seals"},
		{"iprev", "pass", "address and name agree"},
		{"iprev", "fail", "address and name do not agree"},
		{"auth", "pass", "logged in"},
		{"", "pass", "passed"},
		{"", "fail", "failed"},
		{"", "none", "nothing to check"},
		{"", "temperror", "could not be checked for now"},
		{"", "permerror", "cannot be checked: the records are wrong"},
		{"", "policy", "not accepted by local policy"},
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if ((!*table[i].method || span_eq_nocase(v->method, span_str(table[i].method))) &&
			span_eq_nocase(v->result, span_str(table[i].result)))
			return table[i].words;
	return NULL;
}

static void put_verdict(struct buf *b, const struct journey_verdict *v)
{
	const char *words = verdict_words(v);

	for (size_t i = 0; i < v->method.len; i++) {
		char c = v->method.ptr[i];

		buf_char(b, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
	}
	put(b, "", v->result, words ? ":" : "");
	put(b, "", span_str(words), "");
	put(b, "(", v->detail, ")");
	put(b, "- ", v->reason, "");
}

static void draw_auth(const struct drawing *d)
{
	const struct journey *j = d->j;
	struct buf b;

	buf_init(&b, TEXT_CAP);
	for (size_t i = 0; i < j->auth_count; i++) {
		const struct journey_auth *auth = &j->auth[i];

		if (!auth->count)
			continue;
		buf_clear(&b);
		buf_str(&b, auth->is_spf ? "SPF as told by " : "as checked by ");
		buf_span_put(
			&b, auth->server.len ? auth->server : SPAN("a station without a name"));
		buf_str(&b, auth->is_trusted ? "" : " (a claim)");
		row_wrapped(d, i ? "" : "Checks", DIM, buf_span(&b));
		for (size_t k = 0; k < auth->count; k++) {
			buf_clear(&b);
			put_verdict(&b, &auth->items[k]);
			row_wrapped(d, "",
				auth->is_trusted ? verdict_color(auth->items[k].result) : DIM,
				buf_span(&b));
		}
	}
	buf_clear(&b);
	for (size_t i = 0; i < j->signature_count; i++)
		put(&b, "", j->signatures[i].domain, i + 1 < j->signature_count ? "," : "");
	row(d, "DKIM", buf_span(&b));
	if (j->arc_seals)
		row(d, "ARC",
			span_str(arena_printf(
				d->a, "%zu seal%s", j->arc_seals, j->arc_seals == 1 ? "" : "s")));
	buf_fini(&b);
}

static void draw_warnings(const struct drawing *d)
{
	const struct journey *j = d->j;

	if (j->delivered_twice.len)
		row_wrapped(d, "!", RED,
			span_str(arena_printf(d->a, "delivered twice to " SPAN_FMT ": a loop",
				SPAN_ARG(j->delivered_twice))));
	if (j->hop_count + j->hops_left_out > JOURNEY_HOPS_MANY)
		row_wrapped(d, "!", RED, SPAN("more than 100 hops: a loop"));
	if (j->is_cut)
		row_wrapped(d, "!", YELLOW, SPAN("the header is too long; it was read in part"));
}

void trace_draw(const struct trace *t, struct arena *a, const struct journey *j)
{
	struct drawing d = {t, j, a, 0, INT64_MIN, t->width >= WIDE ? BAR_WIDE : BAR_NARROW};
	struct buf b;

	for (size_t i = 0; i < j->hop_count; i++)
		if (!j->hops[i].is_since_written && j->hops[i].delay_sec > d.longest)
			d.longest = j->hops[i].delay_sec;
	draw_head(&d);
	if (j->hop_count) {
		putchar('\n');
		draw_written(&d);
		for (size_t i = 0; i < j->hop_count; i++) {
			if (i && i == j->claims)
				draw_trust(&d);
			draw_hop(&d, i);
		}
		draw_end(&d);
	}
	putchar('\n');
	draw_auth(&d);
	draw_warnings(&d);
	buf_init(&b, TEXT_CAP);
	journey_summary_put(&b, j);
	struct span rest = clean(&d, buf_span(&b));

	while (rest.len) {
		colored(&d, BOLD, screen_take_line(&rest, t->width));
		putchar('\n');
	}
	buf_fini(&b);
}
