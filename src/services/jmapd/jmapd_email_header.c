#include "services/jmapd/jmapd_email_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_lex.h"
#include "store/facts.h"

/* ---- which forms a field may have (RFC 8621 section 4.1.2) ---- */

#define BIT(form) (1u << JMAP_FORM_##form)

/* The fields of RFC 5322 and RFC 2369, and List-Id. All others may be asked in any form. */
static const struct {
	const char *name;
	unsigned forms; /* besides Raw */
} known[] = {
	{"Subject", BIT(TEXT)},
	{"Comments", BIT(TEXT)},
	{"Keywords", BIT(TEXT)},
	{"List-Id", BIT(TEXT)},
	{"From", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Sender", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Reply-To", BIT(ADDRESSES) | BIT(GROUPED)},
	{"To", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Cc", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Bcc", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-From", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-Sender", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-Reply-To", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-To", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-Cc", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Resent-Bcc", BIT(ADDRESSES) | BIT(GROUPED)},
	{"Message-ID", BIT(IDS)},
	{"In-Reply-To", BIT(IDS)},
	{"References", BIT(IDS)},
	{"Resent-Message-ID", BIT(IDS)},
	{"Date", BIT(DATE)},
	{"Resent-Date", BIT(DATE)},
	{"List-Help", BIT(URLS)},
	{"List-Unsubscribe", BIT(URLS)},
	{"List-Subscribe", BIT(URLS)},
	{"List-Post", BIT(URLS)},
	{"List-Owner", BIT(URLS)},
	{"List-Archive", BIT(URLS)},
	{"Return-Path", 0},
	{"Received", 0},
};

static bool may_be_asked(struct span name, enum jmap_form form)
{
	if (form == JMAP_FORM_RAW)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq_nocase(name, span_str(known[i].name)))
			return known[i].forms & (1u << form);
	return true;
}

/* RFC 5322 section 3.6.8: ftext */
static bool is_field_name(struct span name)
{
	if (!name.len || name.len > JMAP_HEADER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < 33 || name.ptr[i] > 126)
			return false;
	return true;
}

static bool form_of(struct span suffix, enum jmap_form *form_r)
{
	static const char *const names[] = {
#define X(id, suffix) suffix,
		JMAP_FORMS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq(suffix, span_str(names[i]))) {
			*form_r = (enum jmap_form)i;
			return true;
		}
	return false;
}

bool jmap_header_want_of(struct span property, struct jmap_header_want *w_r)
{
	struct span rest, part;
	bool has_more;

	*w_r = (struct jmap_header_want){0};
	if (!span_starts(property, SPAN("header:")))
		return false;
	has_more = span_cut(span_skip(property, 7), ':', &w_r->name, &rest);
	if (has_more) {
		has_more = span_cut(rest, ':', &part, &rest);
		if (form_of(part, &w_r->form)) {
			if (has_more && !span_eq(rest, SPAN("all")))
				return false;
			w_r->is_all = has_more;
		} else if (!has_more && span_eq(part, SPAN("all"))) {
			w_r->is_all = true;
		} else {
			return false;
		}
	}
	return is_field_name(w_r->name) && may_be_asked(w_r->name, w_r->form);
}

/* ---- fields ---- */

struct gathering {
	struct arena *a;
	struct jmap_headers *h;
};

/* RFC 8621 section 4.1.2.1: NUL is dropped from each form. */
static struct span without_nul(struct arena *a, struct span value)
{
	struct span copy = arena_span(a, value);
	char *out;
	size_t n = 0;

	if (span_find(value, '\0') < 0)
		return copy;
	out = arena_alloc(a, value.len);
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i])
			out[n++] = value.ptr[i];
	return span_of(out, n);
}

static void take_field(void *arg, const struct mail_field *f)
{
	struct gathering *g = arg;
	struct jmap_headers *h = g->h;

	if (h->count == h->room) {
		struct jmap_field *more;

		h->room = h->room ? h->room * 2 : 32;
		more = ARENA_ARRAY(g->a, struct jmap_field, h->room);
		if (h->count)
			memcpy(more, h->list, h->count * sizeof(*more));
		h->list = more;
	}
	h->list[h->count++] = (struct jmap_field){
		arena_span(g->a, f->name), without_nul(g->a, f->value)};
}

void jmap_headers_add(struct arena *a, struct jmap_headers *h, struct span section)
{
	struct gathering g = {a, h};
	struct mail_header scan;

	mail_header_init(&scan, take_field, &g);
	mail_header_feed(&scan, section);
	mail_header_finish(&scan);
	mail_header_fini(&scan);
}

void jmap_put_headers(struct json_out *j, const struct jmap_headers *h)
{
	json_open_array(j);
	for (size_t i = 0; i < h->count; i++) {
		json_open_object(j);
		json_kv_span(j, "name", h->list[i].name);
		json_kv_span(j, "value", h->list[i].value);
		json_close(j);
	}
	json_close(j);
}

/* ---- forms ---- */

static struct span text_of(struct arena *a, struct span value)
{
	return facts_nfc(a, mail_word_text(a, value));
}

/* A name that is empty is none. In quotes there are no encoded words (RFC 2047 section 5). */
static void put_name(struct json_out *j, struct arena *a, const struct mime_address *m)
{
	struct span text = SPAN_NONE;

	if (m && m->name.len)
		text = m->has_quoted_word ? facts_nfc(a, m->name) : text_of(a, m->name);
	json_key(j, "name");
	if (text.len)
		json_span(j, text);
	else
		json_null(j);
}

static void put_mailbox(struct json_out *j, struct arena *a, const struct mime_address *m)
{
	json_open_object(j);
	put_name(j, a, m);
	json_kv_span(j, "email", m->domain.len ? mime_address_spec(a, m) : m->local);
	json_close(j);
}

/* Section 4.1.2.3: groups are left out, what is in them is not. */
void jmap_put_addresses(struct json_out *j, struct arena *a, const struct mime_address_list *list)
{
	json_open_array(j);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == MIME_MAILBOX)
			put_mailbox(j, a, &list->items[i]);
	json_close(j);
}

/* Section 4.1.2.4: mailboxes outside of groups that stand together are a group without a name. */
static void put_grouped(struct json_out *j, struct arena *a, const struct mime_address_list *list)
{
	bool is_open = false;

	json_open_array(j);
	for (size_t i = 0; i < list->count; i++) {
		const struct mime_address *m = &list->items[i];

		if (is_open && m->kind != MIME_MAILBOX) {
			json_close(j);
			json_close(j);
			is_open = false;
		}
		if (m->kind == MIME_GROUP_END)
			continue;
		if (!is_open) {
			json_open_object(j);
			put_name(j, a, m->kind == MIME_GROUP_START ? m : NULL);
			json_key(j, "addresses");
			json_open_array(j);
			is_open = true;
		}
		if (m->kind == MIME_MAILBOX)
			put_mailbox(j, a, m);
	}
	if (is_open) {
		json_close(j);
		json_close(j);
	}
	json_close(j);
}

static void put_ids(struct json_out *j, struct arena *a, struct span value)
{
	struct mime_ids ids;

	mime_ids_parse(a, value, &ids);
	if (!ids.count) {
		json_null(j);
		return;
	}
	json_open_array(j);
	for (size_t i = 0; i < ids.count; i++)
		json_span(j, span_sub(ids.items[i], 1, ids.items[i].len - 2));
	json_close(j);
}

/* RFC 8620 section 1.4: Date keeps its offset. */
static void put_date(struct json_out *j, struct arena *a, struct span value)
{
	struct mime_date d;
	struct clock_civil c;
	int zone;

	if (!mime_date_parse(value, &d)) {
		json_null(j);
		return;
	}
	zone = abs(d.zone_minutes);
	clock_to_civil(d.unix_sec, d.zone_minutes, &c);
	if (c.year < 0 || c.year > 9999) {
		json_null(j);
		return;
	}
	char *day = arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d", c.year, c.month, c.day, c.hour,
		c.minute, c.second);
	json_str(j,
		zone ? arena_printf(a, "%s%c%02d:%02d", day, d.zone_minutes < 0 ? '-' : '+',
			       zone / 60, zone % 60)
		     : arena_printf(a, "%sZ", day));
}

/* The next "<URL>" of a list; false where there is something else (RFC 2369 section 2). */
static bool take_url(struct arena *a, struct mime_lex *l, struct span *url_r)
{
	ptrdiff_t end;
	char *out;
	size_t n = 0;

	mime_skip_cfws(l);
	if (!l->rest.len || l->rest.ptr[0] != '<')
		return false;
	end = span_find(l->rest, '>');
	if (end < 0)
		return false;
	out = arena_alloc(a, (size_t)end + 1);
	for (ptrdiff_t i = 1; i < end; i++)
		if (!mime_is_blank(l->rest.ptr[i]))
			out[n++] = l->rest.ptr[i];
	*url_r = span_of(out, n);
	l->rest = span_skip(l->rest, (size_t)end + 1);
	mime_skip_cfws(l);
	return true;
}

static void put_urls(struct json_out *j, struct arena *a, struct span value)
{
	struct mime_lex l = {.rest = value};
	struct span url;

	if (!take_url(a, &l, &url)) {
		json_null(j);
		return;
	}
	json_open_array(j);
	do {
		json_span(j, url);
		if (!l.rest.len || l.rest.ptr[0] != ',')
			break;
		l.rest = span_skip(l.rest, 1);
	} while (take_url(a, &l, &url));
	json_close(j);
}

void jmap_put_form(struct json_out *j, struct arena *a, struct span value, enum jmap_form form)
{
	struct mime_address_list list;

	switch (form) {
	case JMAP_FORM_TEXT: json_span(j, text_of(a, value)); break;
	case JMAP_FORM_ADDRESSES:
	case JMAP_FORM_GROUPED:
		mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
		if (form == JMAP_FORM_ADDRESSES)
			jmap_put_addresses(j, a, &list);
		else
			put_grouped(j, a, &list);
		break;
	case JMAP_FORM_IDS: put_ids(j, a, value); break;
	case JMAP_FORM_DATE: put_date(j, a, value); break;
	case JMAP_FORM_URLS: put_urls(j, a, value); break;
	default: json_span(j, value); break;
	}
}

void jmap_put_header(struct json_out *j, struct arena *a, const struct jmap_headers *h,
	const struct jmap_header_want *w)
{
	const struct jmap_field *last = NULL;

	if (w->is_all)
		json_open_array(j);
	for (size_t i = 0; i < h->count; i++) {
		if (!span_eq_nocase(h->list[i].name, w->name))
			continue;
		last = &h->list[i];
		if (w->is_all)
			jmap_put_form(j, a, last->value, w->form);
	}
	if (w->is_all)
		json_close(j);
	else if (last)
		jmap_put_form(j, a, last->value, w->form);
	else
		json_null(j);
}
