#pragma once
/* HTTP/1.1 as pure syntax (RFC 9110, 9112, 6265): the head of a request, the chunked coding, and what
 * stands in single fields. No I/O, no clock, any cut of the octets.
 *
 * Strict where two readers could see two different requests (RFC 9112 section 11): lines end with CR LF
 * and with nothing else, no folded fields, no blank before the colon, one Content-Length or one
 * "chunked" and never both, one Host. A sender that needs more leniency than that is broken or an
 * attacker.
 *
 * Spans that come out point into what went in, unless an arena is named. Thread-safe. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "proto/http/http_limits.h"

/* ---- methods and statuses ---- */

#define HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)

enum http_method {
#define X(id) HTTP_##id,
	HTTP_METHODS(X)
#undef X
		HTTP_METHOD_COUNT,
	HTTP_METHOD_OTHER = HTTP_METHOD_COUNT, /* a token that we do not know: 501 */
};
#define HTTP_BIT(method) (1u << (method))

/** "GET"; "" for HTTP_METHOD_OTHER. */
const char *http_method_str(enum http_method m);
/** "Not Found"; "" for a code that we never send. */
const char *http_status_str(unsigned status);

/* ---- the head of a request ---- */

struct http_field {
	struct span name, value; /* value without blanks at its ends */
};

enum http_framing { HTTP_FRAMING_NONE, HTTP_FRAMING_LENGTH, HTTP_FRAMING_CHUNKED };

struct http_head {
	unsigned
		status; /* after a failure: what the client is owed (400, 414, 417, 431, 501, 505) */
	enum http_method method;
	struct span method_name;
	unsigned minor;     /* HTTP/1.minor: 0 or 1 */
	struct span target; /* as sent */
	struct span path;   /* as sent, begins with '/'; "*" of OPTIONS * */
	struct span query;  /* as sent, behind '?' */
	/* The path cut at its slashes, each piece decoded: "/a%2Fb/" is "a/b", "". Well-formed UTF-8
	 * without controls; "." and ".." do not occur. In the arena. */
	const struct span *segments;
	size_t segment_count;
	struct span host; /* lower case, without port or final dot; "" in HTTP/1.0 without Host */
	uint16_t port;    /* 0: none was named */
	const struct http_field *fields;
	size_t field_count;
	enum http_framing framing;
	uint64_t length;   /* of HTTP_FRAMING_LENGTH */
	bool is_close;     /* the client wants no further request on this connection */
	bool is_expecting; /* it waits for 100 before it sends the body */
};

/* Where the head ends. Zeroed before the first octet. */
struct http_head_scan {
	size_t at, line_at; /* looked at so far; where the line at hand begins */
	unsigned lines;
};
/** `in` is all there is from the head's first octet. *len_r is its length with the empty line that
 * ends it, 0 while that has not come. -1: it can no longer become one; *status_r is owed. */
int http_head_scan(
	struct http_head_scan *s, struct span in, size_t *len_r, unsigned *status_r, struct err *e);
/** A whole head, empty line included. Spans point into `bytes` or into `a`. */
int http_head_parse(struct arena *a, struct span bytes, struct http_head *head_r, struct err *e);

/** Value of the first field of that name, or SPAN_NONE. */
struct span http_head_field(const struct http_head *h, const char *name);
/** Values of all of them as one list (RFC 9110 section 5.3), in `a` where there are several. */
struct span http_head_list(struct arena *a, const struct http_head *h, const char *name);
size_t http_head_count(const struct http_head *h, const char *name);

/* ---- chunked coding (RFC 9112 section 7.1) ---- */

struct http_chunks {
	int state; /* zeroed at the start */
	unsigned digits, lines;
	size_t line_len, ext_len, trailer_len;
	bool is_quoted, is_escaped;
	uint64_t left; /* octets of the chunk at hand that have not come */
	bool is_done;
};
/** Take octets off the front of `*in` up to the end of a piece of data, of the input or of the body.
 * `*data_r` is that piece, maybe empty. Nothing behind the body's end is touched. ERR_SYNTAX,
 * ERR_LIMIT. Trailers are looked at and forgotten (RFC 9110 section 6.5.1). */
int http_chunks_take(struct http_chunks *c, struct span *in, struct span *data_r, struct err *e);

/* ---- what stands in fields ---- */

bool http_is_token(struct span s);
/** May it stand in a field's value: no controls but HT, no blanks at its ends? */
bool http_is_value(struct span s);

/** Without SP and HT at both ends (OWS of RFC 9110 section 5.6.3). */
struct span http_trim(struct span s);

/** Next element of a list with commas, blanks taken off, empty ones left out; quoted strings are
 * whole. */
bool http_list_next(struct span *rest, struct span *item_r);
/** Is the token an element of the list, in any case? */
bool http_list_has(struct span list, struct span token);
/** The next "; name=value" of an element; quotes and their escapes are taken off (in `a`). */
bool http_param_next(struct arena *a, struct span *rest, struct span *name_r, struct span *value_r);

/* Proactive negotiation (RFC 9110 section 12.5): weights of 0 (not acceptable) to 1000. `field` is
 * SPAN_NONE where the client named nothing. */
unsigned http_accept_type(struct span field, struct span type);
unsigned http_accept_coding(struct span field, struct span coding);
/** The best of `count` languages ("zh-CN" asks for "zh" too), the first among equals. */
size_t http_accept_language(struct span field, const struct span *languages, size_t count);

/** Does `etag` ("\"abc\"", "W/\"abc\"") stand in an If-Match or If-None-Match field, or "*"? Weak
 * comparison ignores W/, strong refuses it (RFC 9110 section 8.8.3.2). */
bool http_etag_in(struct span field, struct span etag, bool is_weak);

enum http_range { HTTP_RANGE_NONE, HTTP_RANGE_ONE, HTTP_RANGE_UNSATISFIABLE };
/** "bytes=0-99". NONE: several ranges, other units, other syntax: the whole is sent (RFC 9110
 * section 14.2). */
enum http_range http_range_parse(
	struct span field, uint64_t size, uint64_t *from_r, uint64_t *len_r);

/** "Mon, 23 Nov 2026 06:30:00 GMT" (RFC 9110 section 5.6.7). */
void http_date_put(struct buf *b, int64_t unix_sec);
/** That, and the two obsolete forms; a year of two digits is the one nearest to `now_sec`. */
bool http_date_parse(struct span s, int64_t now_sec, int64_t *unix_sec_r);

/** "name[:port]", "[v6]:port"; host in `a`, lower case without final dot. */
bool http_host_parse(struct arena *a, struct span text, struct span *host_r, uint16_t *port_r);

/** Everything but unreserved characters (RFC 3986 section 2.3) becomes %XX. */
void http_percent_put(struct buf *b, struct span s);
/** Text of HTML: & < > " ' become references. */
void http_html_put(struct buf *b, struct span s);

/** Next pair of a query or of application/x-www-form-urlencoded, decoded in `a`. false at the end,
 * and (with *is_bad_r) where an escape is none. */
bool http_form_next(struct arena *a, struct span *rest, struct span *name_r, struct span *value_r,
	bool *is_bad_r);
/** The first value of that name. */
bool http_form_get(struct arena *a, struct span form, struct span name, struct span *value_r);

/* Cookies (RFC 6265). */
/** false when it is not there, and when it is there twice: somebody else has set one of them. */
bool http_cookie_get(struct span field, struct span name, struct span *value_r);
struct http_cookie {
	struct span name, value;
	struct span path;                          /* "": / */
	int64_t max_age_sec;                       /* < 0: until the browser ends; 0: forget it */
	bool is_secure, is_script_visible, is_lax; /* HttpOnly and SameSite=Strict unless said */
};
/** The value of Set-Cookie; -1 (ERR_SYNTAX) when a part may not stand there, or a name that begins
 * with __Host- or __Secure- does not keep its promise. */
int http_cookie_put(struct buf *b, const struct http_cookie *c, struct err *e);

/* Authorization (RFC 9110 section 11.6.2). */
/** "Basic …" (RFC 7617): user in `a`, the password a secret that the caller ends with secret_fini. */
bool http_auth_basic(
	struct arena *a, struct span field, struct span *user_r, struct secret *password_r);
/** "Bearer …" (RFC 6750 section 2.1). */
bool http_auth_bearer(struct span field, struct span *token_r);

/* Who forwarded (RFC 7239): the elements of a Forwarded field, first to last. */
struct http_forwarded {
	struct span node;  /* of for=: an address without port and brackets, or something obscure */
	struct span proto; /* "" when not told */
};
bool http_forwarded_next(struct arena *a, struct span *rest, struct http_forwarded *f_r);
/** The address in an element of X-Forwarded-For or of for=: without port and brackets. */
struct span http_forwarded_node(struct span s);
