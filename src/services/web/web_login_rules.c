/* What a request must look like that bears the page's cookie, and where it may lead. Pure. */

#include "base/utf8.h"
#include "services/web/web_login_priv.h"

static bool is_change(enum http_method m)
{
	return m != HTTP_GET && m != HTTP_HEAD && m != HTTP_OPTIONS;
}

/* Of the same origin, as far as the browser tells. "none": the person asked for it (a bookmark), which no
 * change can be. */
static bool is_foreign(const struct web_origin *o)
{
	if (o->site.ptr && !span_eq(o->site, SPAN("same-origin")) &&
		(is_change(o->method) || !span_eq(o->site, SPAN("none"))))
		return true;
	/* "null" of our own page's form: our Referrer-Policy asks for it (Fetch, "append a request Origin
	 * header"). Of a sandboxed page Sec-Fetch-Site says cross-site. */
	if (span_eq(o->origin, SPAN("null")) && span_eq(o->site, SPAN("same-origin")))
		return false;
	return o->origin.ptr && !span_eq_nocase(o->origin, o->own);
}

/* The types that a form of any site can send without being asked for (CORS-safelisted), but for text/plain,
 * which a file that is uploaded may well be: that one still needs the field. */
static bool is_form(struct span type)
{
	struct span name, rest;

	span_cut(type, ';', &name, &rest);
	name = span_trim(name);
	return span_eq_nocase(name, SPAN("application/x-www-form-urlencoded")) ||
		span_eq_nocase(name, SPAN("multipart/form-data"));
}

enum web_csrf web_login_csrf(const struct web_origin *o)
{
	if (is_foreign(o))
		return WEB_CSRF_FOREIGN;
	if (!is_change(o->method))
		return WEB_CSRF_FINE;
	if (!span_eq(o->mark, SPAN("1")))
		return WEB_CSRF_UNMARKED;
	if (is_form(o->type))
		return WEB_CSRF_FORM;
	return o->site.ptr || o->origin.ptr ? WEB_CSRF_FINE : WEB_CSRF_SILENT;
}

enum web_csrf web_login_csrf_form(const struct web_origin *o)
{
	return is_foreign(o) ? WEB_CSRF_FOREIGN : WEB_CSRF_FINE;
}

/* A path of ours and nothing that a browser could read as another host: one slash, no backslash (taken for a
 * slash), no tab or line break (dropped before it is read). */
bool web_login_is_own_path(struct span to)
{
	static const struct span places[] = {SPAN("/mail"), SPAN("/settings"), SPAN("/trace")};

	if (to.len > WEB_LOGIN_TO_MAX || !utf8_is_valid(to))
		return false;
	for (size_t i = 0; i < to.len; i++) {
		unsigned char c = (unsigned char)to.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '\\')
			return false;
	}
	if (span_find_span(to, SPAN("//")) >= 0 || span_find_span(to, SPAN("/..")) >= 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct span rest = span_skip(to, places[i].len);

		if (span_starts(to, places[i]) &&
			(!rest.len || rest.ptr[0] == '/' || rest.ptr[0] == '?'))
			return true;
	}
	return false;
}

struct span web_login_origin_own(struct arena *a, const struct http_request *r)
{
	const char *scheme = r->is_https ? "https" : "http";
	bool is_default = !r->head.port || r->head.port == (r->is_https ? 443 : 80);

	if (is_default)
		return span_str(arena_printf(a, "%s://" SPAN_FMT, scheme, SPAN_ARG(r->head.host)));
	return span_str(arena_printf(
		a, "%s://" SPAN_FMT ":%u", scheme, SPAN_ARG(r->head.host), r->head.port));
}

void web_login_origin(const struct web_call *c, struct web_origin *o)
{
	*o = (struct web_origin){.method = c->r->head.method,
		.site = http_field(c->x, "Sec-Fetch-Site"),
		.origin = http_field(c->x, "Origin"),
		.own = web_login_origin_own(c->r->arena, c->r),
		.mark = http_field(c->x, WEB_LOGIN_CSRF_FIELD),
		.type = http_field(c->x, "Content-Type")};
}

bool web_login_is_private(const struct web_call *c)
{
	struct addr_net nets[2];

	if (c->r->is_https)
		return true;
	return addr_net_parse(SPAN("127.0.0.0/8"), &nets[0], NULL) == 0 &&
		addr_net_parse(SPAN("::1/128"), &nets[1], NULL) == 0 &&
		addr_is_loopback(&c->r->peer) && web_client_is_in(c, nets, ARRAY_LEN(nets));
}
