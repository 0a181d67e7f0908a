/* What we take for a request, Node's parser (Debian's node-llhttp) takes for the same one, or refuses: one
 * target, as many fields, one end. That is all that smuggling needs two parsers to differ in. */
/* both have names for methods */
#define HTTP_DELETE  LLHTTP_DELETE
#define HTTP_GET     LLHTTP_GET
#define HTTP_HEAD    LLHTTP_HEAD
#define HTTP_OPTIONS LLHTTP_OPTIONS
#define HTTP_PATCH   LLHTTP_PATCH
#define HTTP_POST    LLHTTP_POST
#define HTTP_PUT     LLHTTP_PUT
#include <llhttp/llhttp.h>
#undef HTTP_DELETE
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_OPTIONS
#undef HTTP_PATCH
#undef HTTP_POST
#undef HTTP_PUT

#include "base/must.h"
#include "proto/http/http_syntax.h"

struct told {
	llhttp_t parser; /* the callbacks get it */
	size_t target, fields;
	bool is_whole;
};

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	((struct told *)p)->target += n;
	return 0;
}

static int on_field(llhttp_t *p)
{
	((struct told *)p)->fields++;
	return 0;
}

static int on_end(llhttp_t *p)
{
	((struct told *)p)->is_whole = true;
	return HPE_PAUSED;
}

/* Where our request ends; 0: it does not, or is none. */
static size_t ours(struct arena *a, struct span in, struct http_head *h)
{
	struct http_head_scan scan = {0};
	struct http_chunks chunks = {0};
	struct span rest, piece;
	unsigned status;
	size_t len;

	if (http_head_scan(&scan, in, &len, &status, NULL) < 0 || !len ||
		http_head_parse(a, span_sub(in, 0, len), h, NULL) < 0)
		return 0;
	rest = span_skip(in, len);
	if (h->framing != HTTP_FRAMING_CHUNKED)
		return h->length <= rest.len ? len + h->length : 0;
	while (!chunks.is_done && rest.len)
		if (http_chunks_take(&chunks, &rest, &piece, NULL) < 0)
			return 0;
	/* of trailers we keep nothing, not even their number */
	return chunks.is_done && !chunks.lines ? in.len - rest.len : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	llhttp_settings_t settings;
	struct arena *a = arena_new();
	struct told t = {.target = 0};
	struct http_head h;
	size_t end = ours(a, span_of(data, size), &h);
	llhttp_errno_t rc;

	llhttp_settings_init(&settings);
	settings.on_url = on_url;
	settings.on_header_value_complete = on_field;
	settings.on_message_complete = on_end;
	llhttp_init(&t.parser, HTTP_REQUEST, &settings);
	if (end && !http_head_field(&h, "Upgrade").ptr) { /* that ends HTTP for llhttp */
		rc = llhttp_execute(&t.parser, (const char *)data, size);
		MUST(rc != HPE_OK); /* it would wait for more */
		MUST(!t.is_whole || llhttp_get_error_pos(&t.parser) == (const char *)data + end);
		MUST(!t.is_whole || (t.target == h.target.len && t.fields == h.field_count));
	}
	arena_free(&a);
	return 0;
}
