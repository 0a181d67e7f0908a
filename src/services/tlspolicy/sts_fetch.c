#include "services/tlspolicy/sts_fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>

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
	const struct sts_fetch *f;
	struct arena *arena;
	const char *url, *resolve, *connect_to;
	struct buf body;
	bool is_too_large;
	char why[CURL_ERROR_SIZE];
	CURLcode rc;
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

static void set_options(const struct sts_api *api, CURL *c, struct sts_job *j)
{
	int64_t timeout_ns = j->f->timeout_ns ? j->f->timeout_ns : STS_FETCH_NS;

	api->easy_setopt(c, CURLOPT_URL, j->url);
	api->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	api->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L); /* RFC 8461 section 3.3 */
	api->easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	api->easy_setopt(c, CURLOPT_PROXY, "");
	api->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / CLOCK_MS));
	api->easy_setopt(
		c, CURLOPT_USERAGENT, j->f->agent ? j->f->agent : "yizhan/" YIZHAN_VERSION);
	api->easy_setopt(c, CURLOPT_ERRORBUFFER, j->why);
	api->easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	api->easy_setopt(c, CURLOPT_WRITEDATA, j);
	if (j->f->ca_file) {
		api->easy_setopt(c, CURLOPT_CAINFO, j->f->ca_file);
		api->easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
}

static int fetch(void *arg, struct err *e)
{
	struct sts_job *j = arg;
	struct sts_api api = {0};
	struct curl_slist *resolve, *to = NULL;
	char *type = NULL;
	CURL *c;

	if (!load_api(&api) || api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		!(c = api.easy_init()))
		return err_set(e, ERR_UNSUPPORTED, "libcurl (" STS_LIBRARY ") is not here");
	resolve = api.slist_append(NULL, j->resolve);
	if (j->connect_to)
		to = api.slist_append(NULL, j->connect_to);
	api.easy_setopt(c, CURLOPT_RESOLVE, resolve);
	api.easy_setopt(c, CURLOPT_CONNECT_TO, to);
	set_options(&api, c, j);
	j->rc = api.easy_perform(c);
	api.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &j->status);
	if (api.easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
		j->type = arena_str(j->arena, span_str(type));
	api.easy_cleanup(c);
	api.slist_free_all(resolve);
	api.slist_free_all(to);
	if (j->is_too_large)
		return err_set(e, ERR_LIMIT, "longer than %d octets", MTA_STS_FILE_MAX);
	if (j->rc != CURLE_OK)
		return err_set(e, ERR_IO, "%s", j->why[0] ? j->why : "the fetch failed");
	return 0;
}

/* RFC 8461 section 3.3: 200 and text/plain, nothing else. */
static int check_answer(const struct sts_job *j, struct err *e)
{
	struct span type, parameters;

	span_cut(span_str(j->type), ';', &type, &parameters);
	if (j->status != 200)
		return err_set(e, ERR_REPLY, "the web server answers %ld", j->status);
	if (!span_eq_nocase(span_trim(type), SPAN("text/plain")))
		return err_set(e, ERR_PROTO, "it comes as %s, not as text/plain",
			j->type ? j->type : "nothing");
	return 0;
}

/* The policy's host is looked up where everything else is: "host:port:address,address". */
static FIBER const char *resolve_host(
	const struct sts_fetch *f, struct arena *a, const char *host, struct err *e)
{
	struct dns_answer answer;
	size_t count = 0;
	struct buf b;
	const char *text;

	if (f->address)
		return f->address;
	buf_init(&b, 1024);
	for (int i = 0; i < 2; i++) {
		if (!f->dns ||
			dns_query(f->dns, a, span_str(host), i ? DNS_AAAA : DNS_A,
				loop_now_ns() + STS_FETCH_DNS_NS, &answer, e) < 0)
			continue;
		for (size_t k = 0; k < answer.count && count < STS_FETCH_ADDRS; k++) {
			buf_str(&b, count++ ? "," : "");
			addr_put_ip(&b, &answer.rr[k].addr);
		}
	}
	text = count ? arena_str(a, buf_span(&b)) : NULL;
	buf_fini(&b);
	return text;
}

FIBER int sts_fetch(const struct sts_fetch *f, struct arena *a, struct span domain,
	struct span *text_r, enum tlsrpt_result *kind_r, struct err *e)
{
	const char *host = arena_printf(a, "mta-sts." SPAN_FMT, SPAN_ARG(domain)), *address;
	struct sts_job *j = ARENA_NEW(a, struct sts_job);
	unsigned port = f->port ? f->port : 443;
	struct err why = {0};
	int rc = -1;

	*kind_r = TLSRPT_STS_POLICY_FETCH_ERROR;
	*text_r = SPAN_NONE;
	address = resolve_host(f, a, host, &why);
	if (why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (!address)
		return err_set(e, ERR_DNS, "%s has no address", host);
	j->f = f;
	j->arena = a;
	j->url = arena_printf(a, "https://%s/.well-known/mta-sts.txt", host);
	j->resolve = arena_printf(a, "%s:%u:%s", host, port, address);
	if (port != 443)
		j->connect_to = arena_printf(a, "%s:443:%s:%u", host, host, port);
	buf_init(&j->body, MTA_STS_FILE_MAX);
	if (work_run(f->lane, fetch, j, e) == 0 && check_answer(j, e) == 0) {
		*text_r = arena_span(a, buf_span(&j->body));
		rc = 0;
	} else if (j->rc == CURLE_PEER_FAILED_VERIFICATION) {
		*kind_r = TLSRPT_STS_WEBPKI_INVALID;
	}
	buf_fini(&j->body);
	return rc;
}
