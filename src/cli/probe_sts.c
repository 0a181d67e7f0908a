/* MTA-STS (RFC 8461): the policy behind https, and the hosts that it names. */

#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>

#include "cli/probe.h"

/* libcurl brings some twenty libraries: loading them with the program would cost every command
 * 3 ms (measured), so they come when a policy is fetched. */
#define STS_LIBRARY "libcurl.so.4"

struct sts_api {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *c, CURLoption option, ...);
	CURLcode (*easy_perform)(CURL *c);
	CURLcode (*easy_getinfo)(CURL *c, CURLINFO info, ...);
	void (*easy_cleanup)(CURL *c);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
};

struct sts_job {
	struct probe *p;
	const char *url, *resolve, *connect_to;
	struct buf body;
	bool is_too_large;
	char why[CURL_ERROR_SIZE];
	long status;
	const char *type;
};

static bool load_api(struct sts_api *api)
{
	void *lib = dlopen(STS_LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return false;
	/* POSIX: a symbol may be turned into a function's address this way. */
	*(void **)&api->global_init = dlsym(lib, "curl_global_init");
	*(void **)&api->easy_init = dlsym(lib, "curl_easy_init");
	*(void **)&api->easy_setopt = dlsym(lib, "curl_easy_setopt");
	*(void **)&api->easy_perform = dlsym(lib, "curl_easy_perform");
	*(void **)&api->easy_getinfo = dlsym(lib, "curl_easy_getinfo");
	*(void **)&api->easy_cleanup = dlsym(lib, "curl_easy_cleanup");
	*(void **)&api->slist_append = dlsym(lib, "curl_slist_append");
	*(void **)&api->slist_free_all = dlsym(lib, "curl_slist_free_all");
	return api->global_init && api->easy_init && api->easy_setopt && api->easy_perform &&
		api->easy_getinfo && api->easy_cleanup && api->slist_append && api->slist_free_all;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct sts_job *j = arg;

	buf_put(&j->body, bytes, size * n);
	j->is_too_large = !buf_ok(&j->body);
	return j->is_too_large ? 0 : size * n;
}

static int fetch(void *arg, struct err *e)
{
	struct sts_job *j = arg;
	struct sts_api api = {0};
	struct curl_slist *resolve, *to = NULL;
	char *type = NULL;
	CURLcode rc;
	CURL *c;

	if (!load_api(&api) || api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		!(c = api.easy_init()))
		return err_set(e, ERR_UNSUPPORTED, "libcurl (" STS_LIBRARY ") is not here");
	resolve = api.slist_append(NULL, j->resolve);
	if (j->connect_to)
		to = api.slist_append(NULL, j->connect_to);
	api.easy_setopt(c, CURLOPT_URL, j->url);
	api.easy_setopt(c, CURLOPT_RESOLVE, resolve);
	api.easy_setopt(c, CURLOPT_CONNECT_TO, to);
	api.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	api.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* RFC 8461 section 3.3 */
	api.easy_setopt(c, CURLOPT_PROXY, "");
	api.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	api.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(j->p->timeout_ns / CLOCK_MS));
	api.easy_setopt(c, CURLOPT_USERAGENT, "yizhan-probe/" YIZHAN_VERSION);
	api.easy_setopt(c, CURLOPT_ERRORBUFFER, j->why);
	api.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	api.easy_setopt(c, CURLOPT_WRITEDATA, j);
	if (j->p->ca_file) {
		api.easy_setopt(c, CURLOPT_CAINFO, j->p->ca_file);
		api.easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	rc = api.easy_perform(c);
	api.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &j->status);
	if (api.easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
		j->type = arena_str(j->p->arena, span_str(type));
	api.easy_cleanup(c);
	api.slist_free_all(resolve);
	api.slist_free_all(to);
	if (j->is_too_large)
		return err_set(e, ERR_LIMIT, "longer than %d octets", PROBE_POLICY_MAX);
	if (rc != CURLE_OK)
		return err_set(e, ERR_IO, "%s", j->why[0] ? j->why : "the fetch failed");
	return 0;
}

bool probe_sts_fits(const char *pattern, const char *host)
{
	struct span p = span_str(pattern), first, rest;

	if (!span_starts(p, SPAN("*.")))
		return span_eq_nocase(p, span_str(host));
	/* exactly one label stands for the star */
	return span_cut(span_str(host), '.', &first, &rest) && first.len &&
		span_eq_nocase(span_skip(p, 2), rest);
}

static bool take_policy_line(struct probe *p, struct span key, struct span value, bool *has_version)
{
	struct probe_domain *d = &p->domain;

	if (span_eq(key, SPAN("version"))) {
		*has_version = span_eq(value, SPAN("STSv1"));
	} else if (span_eq(key, SPAN("mode"))) {
		if (!span_eq(value, SPAN("enforce")) && !span_eq(value, SPAN("testing")) &&
			!span_eq(value, SPAN("none")))
			return false;
		d->policy_mode = arena_str(p->arena, value);
	} else if (span_eq(key, SPAN("mx"))) {
		if (d->pattern_count < PROBE_PATTERNS_MAX)
			d->patterns[d->pattern_count++] = arena_str(p->arena, value);
	} else if (span_eq(key, SPAN("max_age"))) {
		/* RFC 8461 section 3.2: at most a year */
		return span_u64_max(value, 31557600, &d->max_age);
	}
	return true;
}

bool probe_sts_read(struct probe *p, struct span text)
{
	struct probe_domain *d = &p->domain;
	struct span line, key, value;
	bool has_version = false, is_more = true;

	d->max_age = UINT64_MAX;
	while (is_more) {
		is_more = span_cut(text, '\n', &line, &text);
		if (span_trim(line).len == 0)
			continue;
		if (!span_cut(line, ':', &key, &value) ||
			!take_policy_line(p, span_trim(key), span_trim(value), &has_version)) {
			d->policy_why = arena_printf(p->arena, "not understood: \"" SPAN_FMT "\"",
				SPAN_ARG(span_sub(span_trim(line), 0, 200)));
			return false;
		}
	}
	if (!has_version)
		d->policy_why = "it lacks \"version: STSv1\"";
	else if (!d->policy_mode)
		d->policy_why = "it has no mode";
	else if (d->max_age == UINT64_MAX)
		d->policy_why = "it has no max_age";
	else if (d->pattern_count == 0 && strcmp(d->policy_mode, "none") != 0)
		d->policy_why = "it names no mx";
	return d->policy_why == NULL;
}

static const char *bad_answer(struct probe *p, const struct sts_job *j)
{
	if (j->status != 200)
		return arena_printf(p->arena, "the web server answers %ld", j->status);
	if (!j->type || !span_starts_nocase(span_str(j->type), SPAN("text/plain")))
		return arena_printf(p->arena, "it comes as %s, not as text/plain",
			j->type ? j->type : "nothing");
	return NULL;
}

static void judge_hosts(struct probe *p)
{
	for (size_t i = 0; i < p->host_count; i++) {
		struct probe_host *h = &p->hosts[i];

		h->is_in_policy = PROBE_NO;
		for (size_t k = 0; k < p->domain.pattern_count; k++)
			if (probe_sts_fits(p->domain.patterns[k], h->name))
				h->is_in_policy = PROBE_YES;
	}
}

/* "host:443:address": the policy's host is looked up where everything else is. */
static FIBER const char *resolve_web_host(struct probe *p, const char *host)
{
	struct dns_answer answer;
	const char *text = NULL;
	struct err e = {0};
	struct buf b;

	for (int i = 0; i < 2 && !text; i++) {
		if (dns_query(p->dns, p->arena, span_str(host), i ? DNS_AAAA : DNS_A,
			    loop_now_ns() + p->timeout_ns, &answer, &e) < 0 ||
			!answer.count)
			continue;
		buf_init(&b, ADDR_TEXT_MAX);
		addr_put_ip(&b, &answer.rr[0].addr);
		text = arena_printf(p->arena, "%s:443:%s", host, buf_cstr(&b));
		buf_fini(&b);
	}
	return text;
}

FIBER void probe_sts(struct probe *p)
{
	struct probe_domain *d = &p->domain;
	const char *host = arena_printf(p->arena, "mta-sts.%s", d->name);
	struct sts_job *j = ARENA_NEW(p->arena, struct sts_job);
	struct err e = {0};

	if (!d->sts_txt)
		return;
	j->p = p;
	j->url = arena_printf(p->arena, "https://%s/.well-known/mta-sts.txt", host);
	j->resolve = resolve_web_host(p, host);
	if (!j->resolve) {
		d->policy_why = arena_printf(p->arena, "%s has no address", host);
		return;
	}
	for (size_t i = 0; i < p->map_count; i++)
		if (p->maps[i].from == 443) {
			j->resolve = arena_printf(p->arena, "%s:%u%s", host, p->maps[i].to,
				strchr(j->resolve, ':') + 4);
			j->connect_to = arena_printf(
				p->arena, "%s:443:%s:%u", host, host, p->maps[i].to);
		}
	buf_init(&j->body, PROBE_POLICY_MAX);
	if (work_run(p->lane, fetch, j, &e) < 0) {
		d->policy_why = arena_str(p->arena, span_str(e.text));
	} else if (!(d->policy_why = bad_answer(p, j))) {
		d->policy = arena_str(p->arena, buf_span(&j->body));
		if (probe_sts_read(p, span_str(d->policy)))
			judge_hosts(p);
	}
	buf_fini(&j->body);
}
