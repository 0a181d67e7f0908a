#include "services/web/web_priv.h"

#include "base/hash.h"
#include "base/must.h"

/* The pages that every station has. They say where mail is found, and nothing of who has any. */

#define PAGE_MAX (256 * 1024)

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGES };

static const struct span tags[LANGUAGES] = {SPAN("en"), SPAN("zh-CN")};
static const char *const sources[LANGUAGES] = {"index.en.html", "index.zh-CN.html"};

struct page {
	struct span body;
	const char *etag;
};

struct site {
	struct page pages[LANGUAGES];
	const bool *is_draining;
};

/* What a service is for, in the order of its kinds. */
static const char *const service_words[][LANGUAGES] = {
	[WEB_SERVICE_SUBMISSION] = {"Sending mail (SMTP)", "发信（SMTP）"},
	[WEB_SERVICE_IMAP] = {"Reading mail (IMAP)", "收信（IMAP）"},
	[WEB_SERVICE_POP3] = {"Fetching mail (POP3)", "收信（POP3）"},
};
static const char *const no_tls_words[LANGUAGES] = {"none", "无"};

static void put_services(struct buf *b, const struct web_site *site, enum language l)
{
	for (size_t i = 0; i < site->service_count; i++) {
		const struct web_service *s = &site->services[i];

		buf_printf(b, "<tr><th scope=\"row\">%s</th><td class=\"host\">",
			service_words[s->kind][l]);
		http_html_put(b, span_str(site->server));
		buf_printf(b, "</td><td>%u</td><td>%s</td></tr>\n", s->port,
			s->is_tls                ? "SSL/TLS"
				: s->is_starttls ? "STARTTLS"
						 : no_tls_words[l]);
	}
}

/* The next {{word}} of a source, with what stands before and behind it; false at the end. */
static bool next_word(struct span *source, struct span *before_r, struct span *word_r)
{
	ptrdiff_t at = span_find_span(*source, SPAN("{{")), end;

	if (at < 0)
		return false;
	*before_r = span_sub(*source, 0, (size_t)at);
	*source = span_skip(*source, (size_t)at + 2);
	end = span_find_span(*source, SPAN("}}"));
	MUST(end >= 0);
	*word_r = span_sub(*source, 0, (size_t)end);
	*source = span_skip(*source, (size_t)end + 2);
	return true;
}

/* A page's source with its words filled in. {{if services}} … {{end}} is left out where there are none. */
static void put_page(
	struct buf *b, struct span source, const struct web_site *site, enum language l)
{
	struct span before, word;
	size_t kept = 0;
	bool is_left_out = false;

	while (next_word(&source, &before, &word)) {
		buf_span_put(b, before);
		if (is_left_out)
			buf_truncate(b, kept);
		if (span_eq(word, SPAN("host")))
			http_html_put(b, span_str(site->hostname));
		else if (span_eq(word, SPAN("services")))
			put_services(b, site, l);
		else if (span_eq(word, SPAN("if services")))
			is_left_out = !site->service_count;
		else if (span_eq(word, SPAN("end")))
			is_left_out = false;
		else
			MUST(!"a word that a page knows");
		if (!is_left_out || span_eq(word, SPAN("if services")))
			kept = buf_len(b);
		else
			buf_truncate(b, kept);
	}
	buf_span_put(b, source);
}

static void make_page(
	struct arena *a, struct page *page, const struct web_site *site, enum language l)
{
	static const struct hash_key key = {0x79697a68616e, 0x7765622070616765};
	const struct web_asset *source = web_asset_named(span_str(sources[l]));
	struct buf *b = arena_buf(a, PAGE_MAX);

	MUST(source);
	put_page(b, source->plain, site, l);
	MUST(buf_ok(b));
	page->body = buf_span(b);
	page->etag = arena_printf(a, "%016llx", (unsigned long long)hash_bytes(&key, page->body));
}

static FIBER int front(void *arg, struct web_call *c, struct err *e)
{
	const struct site *site = arg;
	struct span accept = http_field_list(c->x, "Accept-Language"), asked;
	size_t l;

	/* a link to the other language says it outright */
	if (http_form_get(c->r->arena, c->r->head.query, SPAN("lang"), &asked))
		accept = asked;
	l = http_accept_language(accept, tags, LANGUAGES);
	http_set(c->x, "Content-Security-Policy", SPAN(WEB_PLAIN_POLICY));
	http_set(c->x, "Content-Language", tags[l]);
	http_set(c->x, "Vary", SPAN("Accept-Language"));
	http_set(c->x, "Cache-Control", SPAN("no-cache"));
	http_set_etag(c->x, span_str(site->pages[l].etag), false);
	return http_reply(c->x, 200, "text/html; charset=utf-8", site->pages[l].body, e);
}

static FIBER int health(void *arg, struct web_call *c, struct err *e)
{
	const struct site *site = arg;

	http_set(c->x, "Cache-Control", SPAN("no-store"));
	if (site->is_draining && __atomic_load_n(site->is_draining, __ATOMIC_RELAXED))
		return http_reply(c->x, 503, "text/plain; charset=utf-8", SPAN("stopping\n"), e);
	return http_reply(c->x, 200, "text/plain; charset=utf-8", SPAN("ok\n"), e);
}

/* Paths tell the content: what is here today is here for ever. */
static FIBER int files(void *arg, struct web_call *c, struct err *e)
{
	const struct web_asset *a = web_asset_at(c->captures[0]);

	/* pages have words to be filled in */
	if (!a || span_ends_nocase(span_str(a->name), SPAN(".html")))
		return http_reply_error(c->x, 404, NULL, e);
	http_set(c->x, "Cache-Control", SPAN("public, max-age=31536000, immutable"));
	return web_asset_reply(c, a, e);
}

/* Under a name that others have chosen: looked at again after a day. */
static FIBER int named(void *arg, struct web_call *c, struct err *e)
{
	http_set(c->x, "Cache-Control", SPAN("public, max-age=86400"));
	return web_asset_reply(c, arg, e);
}

static void add(struct web *w, const char *path, web_handler *handle, const void *arg)
{
	web_add(w,
		&(struct web_route){.path = path,
			.methods = WEB_GET,
			.handle = handle,
			.arg = (void *)(uintptr_t)arg});
}

void web_add_site(struct web *w, const struct web_site *site)
{
	struct site *s = ARENA_NEW(web_arena(w), struct site);

	s->is_draining = site->is_draining;
	for (int l = 0; l < LANGUAGES; l++)
		make_page(web_arena(w), &s->pages[l], site, (enum language)l);
	add(w, "/", front, s);
	add(w, "/healthz", health, s);
	add(w, "/static/{file}", files, NULL);
	add(w, "/favicon.ico", named, web_asset_named(SPAN("icon.svg")));
	add(w, "/robots.txt", named, web_asset_named(SPAN("robots.txt")));
}
