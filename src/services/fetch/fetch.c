#include "services/fetch/fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <string.h>

#include "net/addr.h"
#include "services/fetch/fetch_public.h"

/* libcurl brings some twenty libraries: loading them with the program would cost every command
 * 3 ms (measured), so they come when something is fetched. */
#define FETCH_LIBRARY "libcurl.so.4"

struct fetch_api {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	CURLcode (*easy_setopt)(CURL *c, CURLoption option, ...);
	CURLcode (*easy_perform)(CURL *c);
	CURLcode (*easy_getinfo)(CURL *c, CURLINFO info, ...);
	void (*easy_cleanup)(CURL *c);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
};

struct fetch_job {
	const struct fetch_request *r;
	struct fetch_api api;
	struct arena *arena;
	struct fetch_answer *answer;
	const char *resolve, *connect_to;
	struct curl_slist *resolve_list, *to_list, *field_list;
	struct buf body, fields;
	char why[CURL_ERROR_SIZE];
};

static bool load_api(struct fetch_api *api)
{
	void *lib = dlopen(FETCH_LIBRARY, RTLD_NOW | RTLD_LOCAL);

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
	struct fetch_job *j = arg;

	buf_put(&j->body, bytes, size * n);
	j->answer->is_too_large = !buf_ok(&j->body);
	return j->answer->is_too_large ? 0 : size * n;
}

static size_t take_field(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch_job *j = arg;

	/* a status line of 100 Continue, then the real one */
	if (span_starts(span_of(bytes, size * n), SPAN("HTTP/")))
		buf_clear(&j->fields);
	buf_put(&j->fields, bytes, size * n);
	j->answer->is_too_large = !buf_ok(&j->fields);
	return j->answer->is_too_large ? 0 : size * n;
}

/* ---- where it may go ---- */

static bool is_allowed(const struct fetch_bounds *b, const struct addr *a)
{
	for (size_t i = 0; i < b->allowed_count; i++)
		if (addr_net_has(&b->allowed[i], a))
			return true;
	return false;
}

static bool may_connect(const struct fetch_bounds *b, const struct addr *a, unsigned port)
{
	return is_allowed(b, a) || (fetch_is_public(a) && (port == 80 || port == 443));
}

/* The last word, whatever was looked up and however it was written: the address of the socket itself. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	const struct fetch_job *j = arg;
	struct addr a = {0};

	if (purpose != CURLSOCKTYPE_IPCXN || to->addrlen > sizeof(a.in6))
		return CURL_SOCKET_BAD;
	memcpy(&a.in6, &to->addr, to->addrlen);
	a.len = to->addrlen;
	if (!may_connect(j->r->bounds, &a, addr_port(&a)))
		return CURL_SOCKET_BAD;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_bounds(CURL *c, struct fetch_job *j)
{
	const struct fetch_api *api = &j->api;

	if (!j->r->bounds)
		return;
	if (!j->r->bounds->is_https_only)
		api->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	api->easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	api->easy_setopt(c, CURLOPT_OPENSOCKETDATA, j);
}

static void set_request(CURL *c, struct fetch_job *j)
{
	const struct fetch_request *r = j->r;
	const struct fetch_api *api = &j->api;

	api->easy_setopt(c, CURLOPT_URL, r->url);
	if (r->body.len) {
		api->easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
		api->easy_setopt(c, CURLOPT_POSTFIELDS, r->body.ptr);
		/* no waiting for 100 Continue */
		j->field_list = api->slist_append(NULL, "Expect:");
	}
	if (r->method && span_eq(span_str(r->method), SPAN("HEAD")))
		api->easy_setopt(c, CURLOPT_NOBODY, 1L);
	else if (r->method)
		api->easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
	for (size_t i = 0; i < r->field_count; i++)
		j->field_list = api->slist_append(j->field_list, r->fields[i]);
	api->easy_setopt(c, CURLOPT_HTTPHEADER, j->field_list);
}

static void set_options(CURL *c, struct fetch_job *j)
{
	const struct fetch_request *r = j->r;
	const struct fetch_api *api = &j->api;
	int64_t timeout_ns = r->timeout_ns ? r->timeout_ns : FETCH_NS;

	api->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	api->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	api->easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	api->easy_setopt(c, CURLOPT_PROXY, "");
	api->easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	api->easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / CLOCK_MS));
	api->easy_setopt(c, CURLOPT_USERAGENT, r->agent ? r->agent : "yizhan/" YIZHAN_VERSION);
	api->easy_setopt(c, CURLOPT_ERRORBUFFER, j->why);
	api->easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	api->easy_setopt(c, CURLOPT_WRITEDATA, j);
	api->easy_setopt(c, CURLOPT_HEADERFUNCTION, take_field);
	api->easy_setopt(c, CURLOPT_HEADERDATA, j);
	if (j->resolve)
		j->resolve_list = api->slist_append(NULL, j->resolve);
	if (j->connect_to)
		j->to_list = api->slist_append(NULL, j->connect_to);
	api->easy_setopt(c, CURLOPT_RESOLVE, j->resolve_list);
	api->easy_setopt(c, CURLOPT_CONNECT_TO, j->to_list);
	set_bounds(c, j);
	if (r->ca_file) {
		api->easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
		api->easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
}

static int fetch(void *arg, struct err *e)
{
	struct fetch_job *j = arg;
	const struct fetch_api *api = &j->api;
	char *type = NULL;
	CURLcode rc;
	CURL *c;

	if (!load_api(&j->api) || api->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		!(c = api->easy_init()))
		return err_set(e, ERR_UNSUPPORTED, "libcurl (" FETCH_LIBRARY ") is not here");
	set_request(c, j);
	set_options(c, j);
	rc = api->easy_perform(c);
	api->easy_getinfo(c, CURLINFO_RESPONSE_CODE, &j->answer->status);
	if (api->easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type)
		j->answer->type = arena_str(j->arena, span_str(type));
	api->easy_cleanup(c);
	api->slist_free_all(j->resolve_list);
	api->slist_free_all(j->to_list);
	api->slist_free_all(j->field_list);
	if (j->answer->is_too_large)
		return err_set(e, ERR_LIMIT, "longer than %zu octets", j->r->body_max);
	j->answer->is_untrusted = rc == CURLE_PEER_FAILED_VERIFICATION;
	j->answer->is_unreachable = rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST;
	if (rc != CURLE_OK)
		return err_set(e, ERR_IO, "%s", j->why[0] ? j->why : "the fetch failed");
	return 0;
}

/* ---- where to ---- */

struct fetch_place {
	struct span host; /* without brackets */
	unsigned port;
	bool is_ip;
};

static bool parse_url(const char *url, bool is_http_too, struct fetch_place *p)
{
	struct span rest = span_str(url), tail;
	bool is_http = is_http_too && span_starts_nocase(rest, SPAN("http://"));
	struct addr ip;
	uint64_t port = is_http ? 80 : 443;
	ptrdiff_t colon;

	if (!is_http && !span_starts_nocase(rest, SPAN("https://")))
		return false;
	rest = span_skip(rest, is_http ? 7 : 8);
	for (size_t i = 0; i < rest.len; i++)
		if (rest.ptr[i] <= ' ' || rest.ptr[i] == 0x7f || rest.ptr[i] == '\\')
			return false;
	span_cut(rest, '/', &rest, &tail);
	span_cut(rest, '?', &rest, &tail);
	span_cut(rest, '#', &rest, &tail);
	if (span_find(rest, '@') >= 0)
		return false;
	if (span_starts(rest, SPAN("["))) {
		if (!span_cut(span_skip(rest, 1), ']', &p->host, &rest))
			return false;
		if (rest.len &&
			(rest.ptr[0] != ':' || !span_u64_max(span_skip(rest, 1), 65535, &port)))
			return false;
	} else {
		colon = span_find(rest, ':');
		p->host = colon < 0 ? rest : span_sub(rest, 0, (size_t)colon);
		if (colon >= 0 && !span_u64_max(span_skip(rest, (size_t)colon + 1), 65535, &port))
			return false;
	}
	p->port = (unsigned)port;
	p->is_ip = addr_parse_ip(p->host, 0, &ip);
	return p->host.len > 0 && p->port > 0;
}

/* The host is looked up where everything else is: "address,address". */
static FIBER const char *resolve_host(const struct fetch_request *r, struct arena *a,
	struct span host, unsigned port, bool *is_denied_r, struct err *e)
{
	struct dns_answer answer;
	size_t count = 0;
	struct buf b;
	const char *text;

	if (r->address)
		return r->address;
	buf_init(&b, 1024);
	for (int i = 0; i < 2; i++) {
		if (dns_query(r->dns, a, host, i ? DNS_AAAA : DNS_A, loop_now_ns() + FETCH_DNS_NS,
			    &answer, e) < 0)
			continue;
		for (size_t k = 0; k < answer.count && count < FETCH_ADDRS; k++) {
			if (r->bounds && !may_connect(r->bounds, &answer.rr[k].addr, port)) {
				*is_denied_r = true;
				continue;
			}
			buf_str(&b, count++ ? "," : "");
			addr_put_ip(&b, &answer.rr[k].addr);
		}
	}
	text = count ? arena_str(a, buf_span(&b)) : NULL;
	buf_fini(&b);
	return text;
}

/* "127.1", "0x7f.1", "2130706433": some readers take them for addresses, so they are no names. */
static bool is_odd_number(struct span host)
{
	ptrdiff_t dot;
	struct span last;

	while (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	dot = span_rfind(host, '.');
	last = dot < 0 ? host : span_skip(host, (size_t)dot + 1);
	return last.len && last.ptr[0] >= '0' && last.ptr[0] <= '9';
}

/* What bounds say of a place, before anything is looked up. */
static int check_place(const struct fetch_request *r, const struct fetch_place *p, struct err *e)
{
	struct addr ip;

	if (!r->bounds)
		return 0;
	if (addr_parse_ip(p->host, 0, &ip) ? !may_connect(r->bounds, &ip, p->port)
					   : is_odd_number(p->host))
		return err_set(e, ERR_DENIED, SPAN_FMT " is not public", SPAN_ARG(p->host));
	return 0;
}

static FIBER int find_place(struct fetch_job *j, struct err *e)
{
	const struct fetch_request *r = j->r;
	struct fetch_place p;
	struct err why = {0};
	bool is_denied = false;
	const char *address;
	unsigned port;

	if (!parse_url(r->url, r->bounds && !r->bounds->is_https_only, &p))
		return err_set(e, ERR_SYNTAX, "\"%s\" is no https address", r->url);
	if (check_place(r, &p, e) < 0)
		return -1;
	port = r->port ? r->port : p.port;
	if (port != p.port)
		j->connect_to = arena_printf(j->arena, SPAN_FMT ":%u:" SPAN_FMT ":%u",
			SPAN_ARG(p.host), p.port, SPAN_ARG(p.host), port);
	if (p.is_ip || (!r->dns && !r->address))
		return 0;
	address = resolve_host(r, j->arena, p.host, port, &is_denied, &why);
	if (why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (!address && is_denied)
		return err_set(e, ERR_DENIED, SPAN_FMT " is not public", SPAN_ARG(p.host));
	if (!address) {
		j->answer->is_unreachable = true;
		return err_set(e, ERR_DNS, SPAN_FMT " has no address", SPAN_ARG(p.host));
	}
	j->resolve = arena_printf(j->arena, SPAN_FMT ":%u:%s", SPAN_ARG(p.host), port, address);
	return 0;
}

FIBER int fetch_run(const struct fetch_request *r, struct arena *a, struct fetch_answer *answer_r,
	struct err *e)
{
	struct fetch_job *j = ARENA_NEW(a, struct fetch_job);
	int rc;

	*answer_r = (struct fetch_answer){0};
	j->r = r;
	j->arena = a;
	j->answer = answer_r;
	if (find_place(j, e) < 0)
		return -1;
	buf_init(&j->body, r->body_max);
	buf_init(&j->fields, FETCH_HEADERS);
	rc = work_run(r->lane, fetch, j, e);
	answer_r->body = arena_span(a, buf_span(&j->body));
	answer_r->fields = arena_span(a, buf_span(&j->fields));
	buf_fini(&j->body);
	buf_fini(&j->fields);
	return rc;
}

struct span fetch_field(const struct fetch_answer *answer, const char *name)
{
	struct span rest = answer->fields, line, value, found = SPAN_NONE;

	while (rest.len) {
		span_cut(rest, '\n', &line, &rest);
		if (span_cut(line, ':', &line, &value) &&
			span_eq_nocase(span_trim(line), span_str(name)))
			found = span_trim(value);
	}
	return found;
}
