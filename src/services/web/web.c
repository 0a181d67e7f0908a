#include "services/web/web_priv.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"

struct web {
	struct arena *arena;
	struct web_route routes[WEB_ROUTES_MAX];
	size_t count;
};

struct web *web_new(void)
{
	struct web *w = NEW(struct web);

	w->arena = arena_new();
	return w;
}

void web_free(struct web **w)
{
	if (*w)
		arena_free(&(*w)->arena);
	free(*w);
	*w = NULL;
}

struct arena *web_arena(struct web *w)
{
	return w->arena;
}

static bool is_capture(struct span piece)
{
	return piece.len > 2 && piece.ptr[0] == '{' && piece.ptr[piece.len - 1] == '}';
}

void web_add(struct web *w, const struct web_route *route)
{
	struct span rest = span_skip(span_str(route->path), 1), piece;
	size_t captures = 0;
	bool is_more = true;

	MUST(w->count < WEB_ROUTES_MAX && route->path[0] == '/' && route->methods && route->handle);
	while (is_more) {
		is_more = span_cut(rest, '/', &piece, &rest);
		captures += is_capture(piece) || span_eq(piece, SPAN("*"));
		MUST(!is_more || !span_eq(piece, SPAN("*")));
	}
	MUST(captures <= WEB_CAPTURES_MAX);
	w->routes[w->count++] = *route;
}

const struct web_route *web_route_at(const struct web *w, size_t i)
{
	return i < w->count ? &w->routes[i] : NULL;
}

/* ---- which route ---- */

static bool host_fits(const char *wanted, struct span host, struct span *rest_r)
{
	struct span w = span_str(wanted);

	*rest_r = SPAN_NONE;
	if (!w.len || w.ptr[w.len - 1] != '.')
		return span_eq(w, host);
	if (!span_starts(host, w) || host.len == w.len)
		return false;
	*rest_r = span_skip(host, w.len);
	return true;
}

/* The raw path behind its first n segments. */
static struct span rest_of_path(struct span path, size_t n)
{
	struct span head, rest = span_skip(path, 1);

	while (n--)
		span_cut(rest, '/', &head, &rest);
	return rest;
}

static bool path_fits(const char *wanted, const struct http_head *h, struct span *captures)
{
	struct span rest = span_skip(span_str(wanted), 1), piece;
	size_t n = 0, captured = 0;
	bool is_more = true;

	for (size_t i = 0; i < WEB_CAPTURES_MAX; i++)
		captures[i] = SPAN_NONE;
	while (is_more) {
		is_more = span_cut(rest, '/', &piece, &rest);
		if (n == h->segment_count)
			return false;
		if (span_eq(piece, SPAN("*"))) {
			captures[captured] = rest_of_path(h->path, n);
			return true;
		}
		if (is_capture(piece) && h->segments[n].len)
			captures[captured++] = h->segments[n];
		else if (!span_eq(piece, h->segments[n]))
			return false;
		n++;
	}
	return n == h->segment_count;
}

static bool route_fits(const struct web_route *route, bool is_for_host, struct web_call *c)
{
	const struct http_head *h = &c->r->head;

	if ((route->host != NULL) != is_for_host)
		return false;
	if (is_for_host && !host_fits(route->host, h->host, &c->host_rest))
		return false;
	return path_fits(route->path, h, c->captures);
}

/* The route of path and method; *methods_r is what all routes of the path take. */
static const struct web_route *find(const struct web *w, struct web_call *c, unsigned *methods_r)
{
	unsigned bit = HTTP_BIT(c->r->head.method);

	*methods_r = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < w->count; i++) {
			const struct web_route *route = &w->routes[i];

			if (!route_fits(route, pass == 0, c))
				continue;
			if (route->is_program)
				http_problems(c->x);
			if (route->methods & bit)
				return route;
			*methods_r |= route->methods;
		}
		c->host_rest = SPAN_NONE;
	}
	return NULL;
}

FIBER int web_handle(void *ctx, struct http_exchange *x, struct err *e)
{
	const struct web *w = ctx;
	struct web_call c = {.x = x, .r = http_request(x)};
	bool is_options = c.r->head.method == HTTP_OPTIONS;
	const struct web_route *route;
	unsigned methods;

	if (span_eq(c.r->head.path, SPAN("*"))) { /* RFC 9110 section 9.3.7 */
		http_allow(x, WEB_GET | WEB_POST | HTTP_BIT(HTTP_OPTIONS));
		return http_reply_options(x, e);
	}
	route = find(w, &c, &methods);
	if (route) {
		http_allow(x, route->methods | HTTP_BIT(HTTP_OPTIONS));
		if (route->body_octets)
			http_body_limit(x, route->body_octets);
		return route->handle(route->arg, &c, e);
	}
	if (!methods)
		return http_reply_error(x, 404, NULL, e);
	http_allow(x, methods | HTTP_BIT(HTTP_OPTIONS));
	return is_options ? http_reply_options(x, e) : http_reply_error(x, 405, NULL, e);
}

/* ---- who asks ---- */

bool web_client_is_in(const struct web_call *c, const struct addr_net *nets, size_t count)
{
	static const char *const signs[] = {"Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"};

	if (addr_eq(&c->r->client, &c->r->peer))
		for (size_t i = 0; i < ARRAY_LEN(signs); i++)
			if (http_field(c->x, signs[i]).ptr)
				return false;
	for (size_t i = 0; i < count; i++)
		if (addr_net_has(&nets[i], &c->r->client))
			return true;
	return false;
}
