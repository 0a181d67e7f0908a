/* Any value in every field that is taken apart; what comes out keeps its promises. */
#include "base/must.h"
#include "proto/http/http_syntax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct span tags[] = {SPAN("en"), SPAN("zh-CN")};
	struct arena *a = arena_new();
	struct span s = span_of(data, size), rest = s, name, value;
	struct http_forwarded f;
	struct secret password;
	uint64_t from = 0, len = 0;
	int64_t sec;
	uint16_t port;
	bool is_bad;

	while (http_form_next(a, &rest, &name, &value, &is_bad) || is_bad)
		;
	for (rest = s; http_forwarded_next(a, &rest, &f);)
		MUST(f.node.len <= size);
	MUST(http_accept_coding(s, SPAN("gzip")) <= 1000 &&
		http_accept_type(s, SPAN("a/b")) <= 1000);
	MUST(http_accept_language(s, tags, 2) < 2);
	if (http_range_parse(s, 1000, &from, &len) == HTTP_RANGE_ONE)
		MUST(len > 0 && from < 1000 && len <= 1000 - from);
	if (http_host_parse(a, s, &name, &port))
		MUST(name.len > 0 && name.len <= HTTP_HOST_MAX && !span_has_line_break(name));
	if (http_auth_basic(a, s, &name, &password))
		secret_fini(&password);
	http_cookie_get(s, SPAN("a"), &value);
	http_date_parse(s, 1795415400, &sec);
	http_etag_in(s, SPAN("\"a\""), true);
	arena_free(&a);
	return 0;
}
