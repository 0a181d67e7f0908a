#pragma once
/* The HTTP/1.1 server dialogue (RFC 9110, RFC 9112): what is said, never what is decided. One call
 * serves one connection until it ends; each request goes to the one handler, which reads the body as
 * it likes and answers through its exchange:
 *
 *	static FIBER int hello(void *ctx, struct http_exchange *x, struct err *e)
 *	{
 *		const struct http_request *r = http_request(x);
 *
 *		if (!http_allow(x, HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_HEAD)))
 *			return http_reply_error(x, 405, NULL, e);
 *		http_set(x, "Cache-Control", SPAN("no-store"));
 *		return http_reply(x, 200, "text/plain; charset=utf-8", SPAN("hello\n"), e);
 *	}
 *
 * A handler that returns -1 before it has answered leaves the answer to the server, which translates
 * the error (http_status_from_err); one that returns -1 within its answer ends the connection, so that
 * nobody takes the part for the whole. A handler that returns 0 without an answer has answered 500.
 *
 * The server does by itself: HEAD, Content-Length or chunks, keep-alive, pipelined requests in their
 * order, 100-continue, Date, conditional requests and ranges (for http_reply and http_reply_source), a
 * body that nobody has read, security headers, error pages, deadlines, and the end of the connection.
 * No octet of a handler's can end a header field: such a field makes the answer a 500.
 *
 * Each request is one log event, "http.request". Not thread-safe: a connection belongs to its fiber. */

#include "base/log.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/http/http_syntax.h"

struct http_exchange;
struct fiber_cond;

/** All that is borrowed lives as long as the exchange. */
typedef FIBER int http_handler(void *ctx, struct http_exchange *x, struct err *e);

struct http_server_limits {
	unsigned requests;    /* 1000 a connection, then it is closed */
	uint64_t body_octets; /* 64 KiB unless the handler says otherwise: 413 */
	uint64_t
		unread_octets; /* 256 KiB of a body that nobody wants are read and dropped; else close */
	int64_t head_ns;       /* 10 s for a head, from the moment that it is waited for */
	int64_t idle_ns;       /* 60 s between requests */
	int64_t body_ns;       /* 30 s between pieces of a body, plus an overall floor */
	int64_t write_ns;      /* 60 s for a piece of an answer to be taken */
	int64_t event_ns;      /* 15 s: an event stream says something at least so often */
};
void http_server_limits_default(struct http_server_limits *l);

/* Which field of a trusted proxy's tells the client: the other one may be the client's own. */
enum http_proxy_field { HTTP_PROXY_X_FORWARDED, HTTP_PROXY_FORWARDED };

struct http_server_opts {
	struct http_server_limits limits;
	bool is_tls_implicit;   /* handshake before the first request */
	struct tls_server *tls; /* ALPN "http/1.1" */
	/* Reverse proxies: what these say of client and scheme is believed, of nobody else. */
	const struct addr_net *proxies;
	size_t proxy_count;
	enum http_proxy_field proxy_field;
	int64_t hsts_sec; /* > 0: Strict-Transport-Security on what is asked for by https */
	const struct log *log;
	const bool *is_draining; /* when true: Connection: close, and event streams end */
	http_handler *handle;
	/* The page of an error for those who prefer HTML to plain text (browsers), with the fields that it needs
	 * (http_set: its policy, its language). NULL: the bare one that all others get. */
	void (*error_page)(
		struct http_exchange *x, unsigned status, const char *detail, struct buf *page);
};

/* A connection as its owner sees it; zeroed before the call. */
struct http_conn {
	bool is_idle; /* between requests or in an event stream: its fiber may be cancelled */
	uint64_t requests;
};

/** Serve until the client or we close, an error, drain or cancellation. The stream stays the
 * caller's; `ctx` goes to the handler. 0 for an orderly end; -1 tells the log why it ended. */
FIBER int http_server_run(struct stream *stream, const struct http_server_opts *opts,
	struct http_conn *conn, void *ctx, struct err *e);

/* ---- the request ---- */

struct http_request {
	struct http_head head; /* method, path, segments, query, host, fields */
	bool is_tls;           /* encrypted up to here */
	bool is_https;      /* what the client has asked with: is_tls, or a trusted proxy says so */
	struct addr peer;   /* who is connected */
	struct addr client; /* who asks: the peer, or whom trusted proxies name */
	bool has_body;
	uint64_t id; /* random; in the log */
	struct log log;
	struct arena *arena; /* the exchange's */
};
const struct http_request *http_request(const struct http_exchange *x);

/** Value of the first field of that name, or SPAN_NONE. */
struct span http_field(const struct http_exchange *x, const char *name);
/** All of them as one list. */
struct span http_field_list(const struct http_exchange *x, const char *name);

/** Is the method one of these (HTTP_BIT)? When not, the answer gets an Allow field with them: a 405 is
 * owed, or for OPTIONS 204 (http_reply_options). */
bool http_allow(struct http_exchange *x, unsigned methods);

/* ---- its body ---- */

/** Larger than `octets` is 413 (ERR_LIMIT), at once where the length was told. */
void http_body_limit(struct http_exchange *x, uint64_t octets);
/** The length that was told, or HTTP_LENGTH_UNKNOWN. */
#define HTTP_LENGTH_UNKNOWN UINT64_MAX
uint64_t http_body_length(const struct http_exchange *x);
/** The next piece, in any cut, valid until the next call; empty at the end. Asks for the body (100)
 * when the client waits for that. ERR_LIMIT (413), ERR_SYNTAX (400), and the stream's errors. */
FIBER int http_body_read(struct http_exchange *x, struct span *piece_r, struct err *e);
/** All of it, at most `max` octets, in the exchange's arena. */
FIBER int http_body_read_all(
	struct http_exchange *x, size_t max, struct span *body_r, struct err *e);

/* ---- the answer ---- */

/** Fields of the answer, before it begins. `name` is a string constant; the value is copied. Of
 * fields that can stand once the last one said counts. */
void http_set(struct http_exchange *x, const char *name, struct span value);
/** One more of that name (Set-Cookie, Link). */
void http_add(struct http_exchange *x, const char *name, struct span value);
void http_setf(struct http_exchange *x, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Validators: conditional requests are answered 304 or 412 by http_reply and http_reply_source. `etag`
 * without quotes; weak ones are for what is the same in meaning only. */
void http_set_etag(struct http_exchange *x, struct span etag, bool is_weak);
void http_set_modified(struct http_exchange *x, int64_t unix_sec);
/** What the validators make of the request (RFC 9110 section 13.2): 0: do as asked; 304, 412. */
unsigned http_precondition(const struct http_exchange *x);

/** A whole answer. Types are string constants; NULL with an empty body: none. */
FIBER int http_reply(struct http_exchange *x, unsigned status, const char *type, struct span body,
	struct err *e);
/** 204 with the Allow field of http_allow. */
FIBER int http_reply_options(struct http_exchange *x, struct err *e);
/** 301, 302, 303, 307 or 308 to a URL or absolute path that is encoded already. */
FIBER int http_reply_redirect(
	struct http_exchange *x, unsigned status, struct span location, struct err *e);
/** What is asked for is for programs: who takes JSON as well as HTML is told errors in JSON. */
void http_problems(struct http_exchange *x);
/** An error page: application/problem+json (RFC 9457) for those who take JSON rather than HTML.
 * `detail` (may be NULL) is for people. Browsers get the owner's page (http_server_opts). */
FIBER int http_reply_error(
	struct http_exchange *x, unsigned status, const char *detail, struct err *e);

/** Octets that are read where they are wanted: `read` gives at least one of [offset, offset + n). */
struct http_source {
	FIBER int (*read)(
		void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e);
	void *arg;
	uint64_t size;
};
FIBER int http_reply_source(
	struct http_exchange *x, const char *type, const struct http_source *source, struct err *e);

/** Before the answer begins: what is written bit by bit, without a length, may go packed (gzip), if the client takes
 * that (Vary says so). Not for content that holds a secret beside what somebody else may have chosen: lengths would tell
 * of it (BREACH). Answers with a validator are never packed. Up to 16 KiB are packed at a time, then others have their turn. */
void http_may_pack(struct http_exchange *x);

/** An answer that is written bit by bit; `length` may be HTTP_LENGTH_UNKNOWN. */
FIBER int http_reply_begin(
	struct http_exchange *x, unsigned status, const char *type, uint64_t length, struct err *e);
FIBER int http_reply_write(struct http_exchange *x, struct span octets, struct err *e);
/** What was written is on its way to the client. */
FIBER int http_reply_flush(struct http_exchange *x, struct err *e);
FIBER int http_reply_end(struct http_exchange *x, struct err *e);
/** Has the answer begun? */
bool http_is_answered(const struct http_exchange *x);

/* ---- event streams (text/event-stream of the HTML standard) ---- */

/** Where the client left off (Last-Event-ID), or SPAN_NONE. */
struct span http_events_last_id(const struct http_exchange *x);
/** Begin; `retry_ms` (0: the browser's own) is how long it waits before it comes again. */
FIBER int http_events_begin(struct http_exchange *x, unsigned retry_ms, struct err *e);
struct http_event {
	struct span id, name; /* "": none. No line breaks */
	struct span data;     /* any lines */
};
FIBER int http_events_send(struct http_exchange *x, const struct http_event *event, struct err *e);
/** Wait for `news` to be rung or for the deadline; 0 for either. Keeps the stream alive
 * meanwhile. -1 when it is over: ERR_EOF (the client has gone: told at once), ERR_CANCELLED (we stop). */
FIBER int http_events_wait(
	struct http_exchange *x, struct stream_bell *news, int64_t deadline_ns, struct err *e);

/** The status that an error is worth: 400, 403, 404, 409, 413, 501, 503, 504, 507, 500. */
unsigned http_status_from_err(const struct err *e);
