#pragma once
/* Inside the HTTP server: shared by http_server*.c, nobody else includes it. */

#include "base/clock.h"
#include "run/fiber.h"
#include "proto/http/http_server.h"

#define HTTP_SERVER_LINGER_NS (2 * CLOCK_SEC) /* for a client to hear why it is refused */
#define HTTP_SERVER_UNREAD_NS (5 * CLOCK_SEC) /* for a body that nobody wants */
#define HTTP_SERVER_FLOOR     512             /* octets a second of a body, at least */
#define HTTP_SERVER_COPY      (16 * 1024) /* answers up to this are gathered, larger ones not copied */
#define HTTP_SERVER_PIECE     (256 * 1024) /* of an answer under one deadline */
#define HTTP_SERVER_PACK      (16 * 1024)  /* of an answer packed at once */
#define HTTP_SERVER_FIELDS    64           /* of an answer */

struct http_server {
	struct stream *stream;
	const struct http_server_opts *opts;
	struct http_conn *conn;
	void *ctx;
	struct log log;
	struct arena *arena; /* of the connection: what the log borrows */
	struct arena *turn;  /* of the exchange; NULL while nothing is asked */
	bool is_closing, is_lingering;
};

/* A field of the answer. */
struct http_said {
	struct http_said *next;
	const char *name;
	struct span value;
};

enum http_answer { HTTP_ANSWER_NONE, HTTP_ANSWER_BEGUN, HTTP_ANSWER_ENDED };

struct http_exchange {
	struct http_server *sv;
	struct http_request r;
	int64_t start_ns;
	/* the body */
	uint64_t body_max, body_taken; /* octets of content */
	int64_t body_start_ns;         /* 0: not asked for yet */
	int64_t drop_until_ns;         /* 0: somebody wants it */
	struct http_chunks chunks;
	size_t held; /* octets of the stream's buffer that the last piece lies in */
	bool is_body_over, is_body_broken, is_body_late, is_continued;
	/* the answer */
	struct http_said *said, **said_end;
	size_t said_count;
	unsigned allow;
	struct span etag;
	int64_t modified_sec; /* < 0: not told */
	enum http_answer answer;
	unsigned status;
	uint64_t length, sent; /* length: of the content that was promised */
	bool is_chunked, is_without_body;
	bool may_pack;
	struct gzip *gzip;  /* it is packed; the exchange's arena frees it */
	struct buf *packed; /* not written yet */
	bool is_unsayable;  /* a field that may not be said was given */
	bool has_problems;  /* errors are told to programs */
	int64_t spoken_ns;  /* of an event stream: when something was said last */
	uint64_t heard;     /* … octets that came meanwhile */
};

bool http_server_is_draining(const struct http_server *sv);
/** Consume what the last piece of the body lay in. */
void http_body_let_go(struct http_exchange *x);
/** Is the connection good for another request after this one, as far as is known? */
bool http_body_allows_more(const struct http_exchange *x);
/** Read and drop what is left; -1: too much, too slow, or broken. */
FIBER int http_body_drop(struct http_exchange *x, struct err *e);

/** An answer that begins: is it packed? */
void http_pack_begin(struct http_exchange *x);
/** What is written of it, and its end: pieces for `write`. */
typedef FIBER int http_pack_out(struct http_exchange *x, struct span octets, struct err *e);
FIBER int http_pack_write(
	struct http_exchange *x, struct span octets, http_pack_out *write, struct err *e);
FIBER int http_pack_flush(struct http_exchange *x, http_pack_out *write, struct err *e);
FIBER int http_pack_end(struct http_exchange *x, http_pack_out *write, struct err *e);

/** Forget the fields that were given. */
void http_unsay(struct http_exchange *x);
