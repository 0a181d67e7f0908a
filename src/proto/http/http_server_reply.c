#include "proto/http/http_server_priv.h"

#include "base/json_out.h"
#include "base/must.h"
#include "run/loop.h"

#define ERROR_PAGE_MAX (16 * 1024)

const struct http_request *http_request(const struct http_exchange *x)
{
	return &x->r;
}

struct span http_field(const struct http_exchange *x, const char *name)
{
	return http_head_field(&x->r.head, name);
}

struct span http_field_list(const struct http_exchange *x, const char *name)
{
	return http_head_list(x->r.arena, &x->r.head, name);
}

bool http_allow(struct http_exchange *x, unsigned methods)
{
	x->allow = methods;
	return x->r.head.method < HTTP_METHOD_COUNT && (methods & HTTP_BIT(x->r.head.method));
}

bool http_is_answered(const struct http_exchange *x)
{
	return x->answer != HTTP_ANSWER_NONE;
}

/* ---- fields ---- */

void http_add(struct http_exchange *x, const char *name, struct span value)
{
	struct http_said *f;

	MUST(x->answer == HTTP_ANSWER_NONE && http_is_token(span_str(name)));
	value = http_trim(value);
	/* The one place where foreign text could become another field, or another answer. */
	if (!http_is_value(value) || ++x->said_count > HTTP_SERVER_FIELDS) {
		x->is_unsayable = true;
		return;
	}
	f = ARENA_NEW(x->r.arena, struct http_said);
	f->name = name;
	f->value = arena_span(x->r.arena, value);
	*x->said_end = f;
	x->said_end = &f->next;
}

static void take_back(struct http_exchange *x, struct span name)
{
	struct http_said **at = &x->said;

	while (*at) {
		if (span_eq_nocase(span_str((*at)->name), name)) {
			*at = (*at)->next;
			x->said_count--;
		} else {
			at = &(*at)->next;
		}
	}
	x->said_end = at;
}

void http_set(struct http_exchange *x, const char *name, struct span value)
{
	take_back(x, span_str(name));
	http_add(x, name, value);
}

void http_setf(struct http_exchange *x, const char *name, const char *fmt, ...)
{
	struct buf *b = arena_buf(x->r.arena, HTTP_LINE_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
	http_set(x, name, buf_span(b));
	if (!buf_ok(b))
		x->is_unsayable = true;
}

void http_unsay(struct http_exchange *x)
{
	x->said = NULL;
	x->said_end = &x->said;
	x->said_count = 0;
	x->allow = 0;
	x->etag = SPAN_NONE;
	x->modified_sec = -1;
	x->is_unsayable = false;
}

static bool has_said(const struct http_exchange *x, const char *name)
{
	for (const struct http_said *f = x->said; f; f = f->next)
		if (span_eq_nocase(span_str(f->name), span_str(name)))
			return true;
	return false;
}

void http_set_etag(struct http_exchange *x, struct span etag, bool is_weak)
{
	struct buf *b = arena_buf(x->r.arena, HTTP_ETAG_MAX);

	buf_printf(b, "%s\"" SPAN_FMT "\"", is_weak ? "W/" : "", SPAN_ARG(etag));
	/* RFC 9110 section 8.8.3: visible characters but the quote */
	for (size_t i = 0; i < etag.len; i++)
		if (etag.ptr[i] <= 0x20 || etag.ptr[i] == '"' || etag.ptr[i] == 0x7f)
			x->is_unsayable = true;
	if (!buf_ok(b))
		x->is_unsayable = true;
	x->etag = buf_span(b);
}

void http_set_modified(struct http_exchange *x, int64_t unix_sec)
{
	x->modified_sec = unix_sec;
}

/* ---- conditions (RFC 9110 section 13.2.2, in its order) ---- */

static bool is_since(const struct http_exchange *x, const char *name, bool *is_told_r)
{
	int64_t now = loop_wall_ns() / CLOCK_SEC, then;
	struct span field = http_field(x, name);

	*is_told_r = x->modified_sec >= 0 && field.len && http_date_parse(field, now, &then);
	return *is_told_r && x->modified_sec > then;
}

unsigned http_precondition(const struct http_exchange *x)
{
	struct span match = http_field_list(x, "If-Match");
	struct span none = http_field_list(x, "If-None-Match");
	bool is_read = x->r.head.method == HTTP_GET || x->r.head.method == HTTP_HEAD, is_told;

	if (match.ptr) {
		if (!http_etag_in(match, x->etag, false))
			return 412;
	} else if (is_since(x, "If-Unmodified-Since", &is_told)) {
		return 412;
	}
	if (none.ptr) {
		if (!http_etag_in(none, x->etag, true))
			return 0;
		return is_read ? 304 : 412;
	}
	if (!is_read || is_since(x, "If-Modified-Since", &is_told))
		return 0;
	return is_told ? 304 : 0;
}

/* RFC 9110 section 13.1.5: a range of what has changed meanwhile is no help. */
static bool is_range_good(const struct http_exchange *x)
{
	struct span cond = http_field(x, "If-Range");
	int64_t then;

	if (!cond.ptr)
		return true;
	if (span_starts(cond, SPAN("\"")))
		return http_etag_in(cond, x->etag, false);
	return x->modified_sec >= 0 && http_date_parse(cond, loop_wall_ns() / CLOCK_SEC, &then) &&
		x->modified_sec == then;
}

/* ---- the head of the answer ---- */

static void put_field(struct stream *st, const char *name, struct span value)
{
	stream_put(st, span_str(name));
	stream_put(st, SPAN(": "));
	stream_put(st, value);
	stream_put(st, SPAN("\r\n"));
}

static void put_date(struct stream *st, const char *name, int64_t unix_sec)
{
	stream_printf(st, "%s: ", name);
	http_date_put(&st->out, unix_sec);
	stream_put(st, SPAN("\r\n"));
}

static void put_allow(struct stream *st, unsigned methods)
{
	const char *sep = "";

	stream_put(st, SPAN("Allow: "));
	for (int m = 0; m < HTTP_METHOD_COUNT; m++) {
		if (!(methods & HTTP_BIT(m)))
			continue;
		stream_printf(st, "%s%s", sep, http_method_str((enum http_method)m));
		sep = ", ";
	}
	stream_put(st, SPAN("\r\n"));
}

/* What every answer says unless its handler knows better: nothing is sniffed, framed, fetched or
 * told on. */
static const struct {
	const char *name;
	struct span value;
} defaults[] = {
	{"X-Content-Type-Options", SPAN("nosniff")},
	{"Referrer-Policy", SPAN("no-referrer")},
	{"Content-Security-Policy",
		SPAN("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")},
	{"Cross-Origin-Resource-Policy", SPAN("same-origin")},
	{"Cross-Origin-Opener-Policy", SPAN("same-origin")},
	{"X-DNS-Prefetch-Control", SPAN("off")},
	{"Permissions-Policy",
		SPAN("accelerometer=(), autoplay=(), browsing-topics=(), camera=(), "
		     "display-capture=(), encrypted-media=(), geolocation=(), gyroscope=(), hid=(), "
		     "idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), "
		     "payment=(), picture-in-picture=(), publickey-credentials-create=(), "
		     "publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), "
		     "window-management=(), xr-spatial-tracking=()")},
};

static void put_fields(struct http_exchange *x)
{
	const struct http_server_opts *o = x->sv->opts;
	struct stream *st = x->sv->stream;

	for (const struct http_said *f = x->said; f; f = f->next)
		put_field(st, f->name, f->value);
	if (x->etag.len)
		put_field(st, "ETag", x->etag);
	if (x->modified_sec >= 0)
		put_date(st, "Last-Modified", x->modified_sec);
	if (x->allow && (x->status == 405 || x->r.head.method == HTTP_OPTIONS))
		put_allow(st, x->allow);
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (!has_said(x, defaults[i].name))
			put_field(st, defaults[i].name, defaults[i].value);
	if (o->hsts_sec > 0 && x->r.is_https)
		stream_printf(
			st, "Strict-Transport-Security: max-age=%lld\r\n", (long long)o->hsts_sec);
}

/* RFC 9112 section 9.3: whether the client may ask again here. */
static void put_connection(struct http_exchange *x)
{
	struct http_server *sv = x->sv;

	if (http_server_is_draining(sv) || !http_body_allows_more(x) ||
		(x->length == HTTP_LENGTH_UNKNOWN && !x->is_chunked && !x->is_without_body))
		sv->is_closing = true;
	if (!http_body_allows_more(x))
		sv->is_lingering = true;
	if (sv->is_closing)
		stream_put(sv->stream, SPAN("Connection: close\r\n"));
	else if (x->r.head.minor == 0)
		stream_put(sv->stream, SPAN("Connection: keep-alive\r\n"));
}

static void put_head(struct http_exchange *x, const char *type)
{
	struct stream *st = x->sv->stream;
	bool has_no_content = x->status == 204 || x->status == 304;

	stream_printf(st, "HTTP/1.1 %u %s\r\n", x->status, http_status_str(x->status));
	put_date(st, "Date", loop_wall_ns() / CLOCK_SEC);
	if (type)
		put_field(st, "Content-Type", span_str(type));
	/* RFC 9110 section 8.6: none with 204; with 304 it would be that of the content */
	if (x->is_chunked)
		stream_put(st, SPAN("Transfer-Encoding: chunked\r\n"));
	else if (!has_no_content && x->length != HTTP_LENGTH_UNKNOWN)
		stream_printf(st, "Content-Length: %llu\r\n", (unsigned long long)x->length);
	put_fields(x);
	put_connection(x);
	stream_put(st, SPAN("\r\n"));
}

FIBER int http_reply_begin(
	struct http_exchange *x, unsigned status, const char *type, uint64_t length, struct err *e)
{
	MUST(x->answer == HTTP_ANSWER_NONE && http_status_str(status)[0] && status >= 200);
	x->status = status;
	x->length = length;
	x->is_without_body = x->r.head.method == HTTP_HEAD || status == 204 || status == 304;
	http_pack_begin(x);
	if (x->is_unsayable)
		return err_set(e, ERR_STATE, "a field of the answer may not be said");
	x->answer = HTTP_ANSWER_BEGUN;
	/* RFC 9112 section 6.1: HTTP/1.0 knows no chunks; the end of the connection ends the content */
	x->is_chunked = length == HTTP_LENGTH_UNKNOWN && x->r.head.minor > 0 && status != 204 &&
		status != 304;
	stream_set_timeout(x->sv->stream, x->sv->opts->limits.write_ns);
	put_head(x, type);
	return buf_len(&x->sv->stream->out) > STREAM_OUT_FLUSH ? stream_flush(x->sv->stream, e) : 0;
}

/* ---- its content ---- */

static FIBER int say(struct http_exchange *x, const struct span *parts, size_t count, size_t total,
	struct err *e)
{
	struct stream *st = x->sv->stream;

	stream_set_timeout(st, x->sv->opts->limits.write_ns);
	if (total > HTTP_SERVER_COPY)
		return stream_write(st, parts, count, e);
	for (size_t i = 0; i < count; i++)
		stream_put(st, parts[i]);
	return buf_len(&st->out) > STREAM_OUT_FLUSH ? stream_flush(st, e) : 0;
}

static FIBER int write_piece(struct http_exchange *x, struct span octets, struct err *e)
{
	struct buf line;
	struct span parts[3];
	int rc;

	if (!x->is_chunked)
		return say(x, &octets, 1, octets.len, e);
	buf_init(&line, 32);
	buf_printf(&line, "%zx\r\n", octets.len);
	parts[0] = buf_span(&line);
	parts[1] = octets;
	parts[2] = SPAN("\r\n");
	rc = say(x, parts, 3, octets.len, e);
	buf_fini(&line);
	return rc;
}

static FIBER int write_pieces(struct http_exchange *x, struct span octets, struct err *e)
{
	while (octets.len) {
		struct span piece = span_sub(octets, 0, HTTP_SERVER_PIECE);

		if (write_piece(x, piece, e) < 0)
			return -1;
		octets = span_skip(octets, piece.len);
	}
	return 0;
}

FIBER int http_reply_write(struct http_exchange *x, struct span octets, struct err *e)
{
	MUST(x->answer == HTTP_ANSWER_BEGUN);
	if (x->length != HTTP_LENGTH_UNKNOWN && octets.len > x->length - x->sent)
		return err_set(e, ERR_STATE, "more content than was promised");
	x->sent += octets.len;
	if (x->is_without_body)
		return 0;
	if (x->gzip)
		return http_pack_write(x, octets, write_pieces, e);
	return write_pieces(x, octets, e);
}

FIBER int http_reply_flush(struct http_exchange *x, struct err *e)
{
	if (x->gzip && http_pack_flush(x, write_pieces, e) < 0)
		return -1;
	stream_set_timeout(x->sv->stream, x->sv->opts->limits.write_ns);
	return stream_flush(x->sv->stream, e);
}

FIBER int http_reply_end(struct http_exchange *x, struct err *e)
{
	MUST(x->answer == HTTP_ANSWER_BEGUN);
	if (x->length != HTTP_LENGTH_UNKNOWN && x->sent < x->length && !x->is_without_body)
		return err_set(e, ERR_STATE, "less content than was promised");
	if (x->gzip && http_pack_end(x, write_pieces, e) < 0)
		return -1;
	if (x->is_chunked && !x->is_without_body)
		stream_put(x->sv->stream, SPAN("0\r\n\r\n"));
	x->answer = HTTP_ANSWER_ENDED;
	return 0;
}

static FIBER int whole(
	struct http_exchange *x, unsigned status, const char *type, struct span body, struct err *e)
{
	if (http_reply_begin(x, status, type, body.len, e) < 0)
		return -1;
	if (http_reply_write(x, body, e) < 0)
		return -1;
	return http_reply_end(x, e);
}

/* ---- answers that know their whole content ---- */

/* Conditions and ranges of a 200. *status_r: 200, 206, or what was answered in its place. */
static FIBER int decide(struct http_exchange *x, uint64_t size, unsigned *status_r,
	uint64_t *from_r, uint64_t *len_r, struct err *e)
{
	enum http_range range;

	*from_r = 0;
	*len_r = size;
	*status_r = http_precondition(x);
	if (*status_r == 304)
		return whole(x, 304, NULL, SPAN_NONE, e);
	if (*status_r == 412)
		return http_reply_error(x, 412, NULL, e);
	*status_r = 200;
	if (x->r.head.method != HTTP_GET)
		return 0;
	range = is_range_good(x) ? http_range_parse(http_field(x, "Range"), size, from_r, len_r)
				 : HTTP_RANGE_NONE;
	if (range == HTTP_RANGE_UNSATISFIABLE) {
		*status_r = 416;
		http_setf(x, "Content-Range", "bytes */%llu", (unsigned long long)size);
		return http_reply_error(x, 416, NULL, e);
	}
	if (range == HTTP_RANGE_ONE) {
		*status_r = 206;
		http_setf(x, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)*from_r,
			(unsigned long long)(*from_r + *len_r - 1), (unsigned long long)size);
	}
	return 0;
}

FIBER int http_reply(
	struct http_exchange *x, unsigned status, const char *type, struct span body, struct err *e)
{
	bool is_read = x->r.head.method == HTTP_GET || x->r.head.method == HTTP_HEAD;
	uint64_t from, len;

	/* What has no validator is made anew each time: no part of it fits to another. */
	if (status != 200 || !is_read || (!x->etag.len && x->modified_sec < 0))
		return whole(x, status, type, body, e);
	http_set(x, "Accept-Ranges", SPAN("bytes"));
	if (decide(x, body.len, &status, &from, &len, e) < 0)
		return -1;
	if (x->answer != HTTP_ANSWER_NONE)
		return 0;
	return whole(x, status, type, span_sub(body, (size_t)from, (size_t)len), e);
}

FIBER int http_reply_source(
	struct http_exchange *x, const char *type, const struct http_source *source, struct err *e)
{
	unsigned status;
	uint64_t from, len;
	char *piece;

	http_set(x, "Accept-Ranges", SPAN("bytes"));
	if (decide(x, source->size, &status, &from, &len, e) < 0)
		return -1;
	if (x->answer != HTTP_ANSWER_NONE)
		return 0;
	if (http_reply_begin(x, status, type, len, e) < 0)
		return -1;
	if (x->is_without_body)
		return http_reply_end(x, e);
	piece = arena_alloc(x->r.arena, STREAM_OUT_FLUSH);
	while (len > 0) {
		size_t n = len < STREAM_OUT_FLUSH ? (size_t)len : STREAM_OUT_FLUSH, got = 0;

		if (source->read(source->arg, from, piece, n, &got, e) < 0)
			return -1;
		if (got == 0 || got > n)
			return err_set(e, ERR_CORRUPT, "the content is shorter than its size");
		if (http_reply_write(x, span_of(piece, got), e) < 0)
			return -1;
		from += got;
		len -= got;
	}
	return http_reply_end(x, e);
}

FIBER int http_reply_options(struct http_exchange *x, struct err *e)
{
	return whole(x, 204, NULL, SPAN_NONE, e);
}

FIBER int http_reply_redirect(
	struct http_exchange *x, unsigned status, struct span location, struct err *e)
{
	struct buf *page = arena_buf(x->r.arena, ERROR_PAGE_MAX);

	http_set(x, "Location", location);
	buf_str(page, "<!doctype html>\n<title>Moved</title>\n<p><a href=\"");
	http_html_put(page, location);
	buf_str(page, "\">Moved</a></p>\n");
	return whole(x, status, "text/html; charset=utf-8", buf_span(page), e);
}

/* ---- errors ---- */

static const struct {
	enum err_code code;
	unsigned status;
} translations[] = {
	{ERR_SYNTAX, 400},
	{ERR_PROTO, 400},
	{ERR_DENIED, 403},
	{ERR_NOT_FOUND, 404},
	{ERR_TIMEOUT, 504}, /* something that we asked; a late body is told 408 */
	{ERR_EXISTS, 409},
	{ERR_LIMIT, 413},
	{ERR_UNSUPPORTED, 501},
	{ERR_BUSY, 503},
	{ERR_CANCELLED, 503},
	{ERR_FULL, 507},
};

unsigned http_status_from_err(const struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(translations); i++)
		if (translations[i].code == e->code)
			return translations[i].status;
	return 500;
}

static void put_problem(struct buf *b, unsigned status, const char *detail)
{
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "type", "about:blank");
	json_kv_str(&j, "title", http_status_str(status));
	json_kv_u64(&j, "status", status);
	if (detail)
		json_kv_str(&j, "detail", detail);
	json_close(&j);
	buf_char(b, '\n');
}

static void put_page(struct buf *b, unsigned status, const char *detail)
{
	const char *text = http_status_str(status);

	buf_printf(b,
		"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<title>%u %s</title>\n<h1>%u %s</h1>\n",
		status, text, status, text);
	if (detail) {
		buf_str(b, "<p>");
		http_html_put(b, span_str(detail));
		buf_str(b, "</p>\n");
	}
}

void http_problems(struct http_exchange *x)
{
	x->has_problems = true;
}

FIBER int http_reply_error(
	struct http_exchange *x, unsigned status, const char *detail, struct err *e)
{
	struct buf *page = arena_buf(x->r.arena, ERROR_PAGE_MAX);
	struct span accept = http_field_list(x, "Accept");
	static const struct span of_content[] = {SPAN("Content-Encoding"), SPAN("Content-Language"),
		SPAN("Content-Disposition"), SPAN("Content-Location")};
	const struct http_server_opts *o = x->sv->opts;
	unsigned html = http_accept_type(accept, SPAN("text/html"));
	unsigned json = http_accept_type(accept, SPAN("application/json"));
	unsigned problem = http_accept_type(accept, SPAN("application/problem+json"));
	bool is_json = json > html || problem > html ||
		(x->has_problems && (json == html || problem == html));

	/* What was said of the content does not hold for this page. */
	x->etag = SPAN_NONE;
	x->modified_sec = -1;
	for (size_t i = 0; i < ARRAY_LEN(of_content); i++)
		take_back(x, of_content[i]);
	http_set(x, "Cache-Control", SPAN("no-store"));
	if (x->is_unsayable)
		return err_set(e, ERR_STATE, "a field of the answer may not be said");
	if (is_json)
		put_problem(page, status, detail);
	else if (o->error_page && html > http_accept_type(accept, SPAN("text/plain")))
		o->error_page(x, status, detail, page);
	else
		put_page(page, status, detail);
	return whole(x, status, is_json ? "application/problem+json" : "text/html; charset=utf-8",
		buf_span(page), e);
}
