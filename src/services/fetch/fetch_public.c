#include "services/fetch/fetch_public.h"

#include "base/clock.h"
#include "base/must.h"
#include "run/loop.h"

/* ---- addresses ---- */

/* IANA's special-purpose registries (RFC 6890 and its updates). */
static const char *const closed4[] = {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
	"192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"};
/* Within 2000::/3, outside of which nothing is public. */
static const char *const closed6[] = {"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"};

static bool is_in(const struct addr *a, const char *const *nets, size_t count)
{
	struct addr_net net;

	for (size_t i = 0; i < count; i++)
		if (addr_net_parse(span_str(nets[i]), &net, NULL) < 0 || addr_net_has(&net, a))
			return true;
	return false;
}

bool fetch_is_public(const struct addr *a)
{
	static const char *const global6[] = {"2000::/3"};

	if (!addr_is_ip(a))
		return false;
	if (a->sa.sa_family == AF_INET)
		return !is_in(a, closed4, ARRAY_LEN(closed4));
	return is_in(a, global6, 1) && !is_in(a, closed6, ARRAY_LEN(closed6));
}

/* ---- addresses of the web ---- */

static bool is_absolute(struct span s)
{
	return span_starts_nocase(s, SPAN("http://")) || span_starts_nocase(s, SPAN("https://"));
}

/* "https://host:port" */
static struct span authority(struct span base)
{
	size_t scheme = span_starts_nocase(base, SPAN("https://")) ? 8 : 7;
	struct span rest = span_skip(base, scheme);
	size_t n = 0;

	while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?' && rest.ptr[n] != '#')
		n++;
	return span_sub(base, 0, scheme + n);
}

int fetch_url_join(
	struct arena *a, struct span base, struct span location, struct span *url_r, struct err *e)
{
	struct span origin = authority(base), path = span_skip(base, origin.len), rest;
	size_t dir = 0;

	span_cut(location, '#', &location, &rest);
	if (!location.len || !is_absolute(base))
		return err_set(e, ERR_SYNTAX, "a redirect to nowhere");
	if (is_absolute(location)) {
		*url_r = arena_span(a, location);
	} else if (span_starts(location, SPAN("//"))) {
		span_cut(base, ':', &rest, &path);
		*url_r = span_str(
			arena_printf(a, SPAN_FMT ":" SPAN_FMT, SPAN_ARG(rest), SPAN_ARG(location)));
	} else if (location.ptr[0] == '/') {
		*url_r = span_str(
			arena_printf(a, SPAN_FMT SPAN_FMT, SPAN_ARG(origin), SPAN_ARG(location)));
	} else {
		span_cut(location, ':', &rest, &path);
		if (rest.len < location.len && span_find(rest, '/') < 0)
			return err_set(e, ERR_SYNTAX, "a redirect to another scheme");
		path = span_skip(base, origin.len);
		span_cut(path, '?', &path, &rest);
		for (size_t i = 0; i < path.len; i++)
			if (path.ptr[i] == '/')
				dir = i + 1;
		*url_r = span_str(arena_printf(a, SPAN_FMT "%s" SPAN_FMT SPAN_FMT, SPAN_ARG(origin),
			dir ? "" : "/", SPAN_ARG(span_sub(path, 0, dir)), SPAN_ARG(location)));
	}
	return url_r->len <= FETCH_PUBLIC_URL_MAX
		? 0
		: err_set(e, ERR_LIMIT, "a redirect that is too long");
}

/* ---- asking ---- */

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

FIBER int fetch_public(const struct fetch_public *how, const struct fetch_public_request *r,
	struct arena *a, struct fetch_answer *answer_r, struct err *e)
{
	int64_t end = loop_now_ns() + r->timeout_ns;
	struct fetch_bounds bounds = {how->allowed, how->allowed_count, r->is_https_only};
	/* it may come after the first requests */
	struct dns *dns = __atomic_load_n(&how->dns, __ATOMIC_ACQUIRE);
	struct span url = arena_span(a, r->url);

	if (!dns)
		return err_set(e, ERR_BUSY, "nothing can be looked up yet");
	if (url.len > FETCH_PUBLIC_URL_MAX)
		return err_set(e, ERR_SYNTAX, "an address that is too long");
	for (int hop = 0; hop <= FETCH_PUBLIC_REDIRECTS; hop++) {
		struct fetch_request one = {.lane = how->lane,
			.dns = dns,
			.url = url.ptr,
			.body = r->body,
			.fields = r->fields,
			.field_count = r->field_count,
			.body_max = r->body_max,
			.timeout_ns = end - loop_now_ns(),
			.agent = how->agent,
			.ca_file = how->ca_file,
			.bounds = &bounds};
		struct span location;

		if (one.timeout_ns <= 0)
			return err_set(e, ERR_TIMEOUT, "it took too long");
		if (fetch_run(&one, a, answer_r, e) < 0)
			return -1;
		location = fetch_field(answer_r, "Location");
		if (!is_redirect(answer_r->status) || !location.len || r->body.len)
			return 0;
		if (fetch_url_join(a, url, location, &url, e) < 0)
			return -1;
	}
	return err_set(e, ERR_LIMIT, "more than %d redirects", FETCH_PUBLIC_REDIRECTS);
}
