#pragma once
/* What is served over HTTP, as a table of routes. Other rooms register what they serve before the
 * listeners open; then the table never changes and all loops share it.
 *
 *	static FIBER int set_up(void *arg, struct web_call *c, struct err *e)
 *	{
 *		struct setup *s = arg;
 *		… c->captures[0] is what {name} stood for, http_request(c->x) the request …
 *		return http_reply(c->x, 200, "application/xml", body, e);
 *	}
 *
 *	web_add(w, &(struct web_route){.path = "/mail/{name}/config", .methods = WEB_GET,
 *		.handle = set_up, .arg = s});
 *
 * A path that no route has is 404; a method that none of its routes has is 405 with Allow, OPTIONS is
 * answered here. What a handler must say and what the server says by itself: proto/http/http_server.h. */

#include "proto/http/http_server.h"

struct web;
struct stage;
struct store;

#define WEB_CAPTURES_MAX 8
#define WEB_ROUTES_MAX   256
#define WEB_GET          (HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_HEAD))
#define WEB_POST         HTTP_BIT(HTTP_POST)

struct web_call {
	struct http_exchange *x;
	const struct http_request *r;
	/* What the pieces in braces stood for, in order, decoded; SPAN_NONE beyond. A final "*" stands
	 * for the rest of the path as it was sent, without its first slash. */
	struct span captures[WEB_CAPTURES_MAX];
	struct span
		host_rest; /* "example.org" of autoconfig.example.org, for the host "autoconfig." */
};

/** Answers; see http_handler. Called on any loop's fibers: `arg` is shared by threads. */
typedef FIBER int web_handler(void *arg, struct web_call *c, struct err *e);

struct web_route {
	/* NULL: any. "mail.example": that one. "autoconfig.": every host that begins so. Routes for a
	 * host go before those for any. */
	const char *host;
	const char *path;     /* "/a/{b}/c", "/a/{b}/" and a final star; constant strings */
	unsigned methods;     /* HTTP_BIT; whoever serves GET is asked for HEAD too */
	uint64_t body_octets; /* 0: what the server takes by itself */
	web_handler *handle;
	void *arg;
	bool is_program; /* errors of the path are problem details (http_problems) */
};

struct web *web_new(void);
void web_free(struct web **w);
/** Before the first request only. The route is copied, its strings are not. */
void web_add(struct web *w, const struct web_route *route);

/** The route in its order; NULL at the end. */
const struct web_route *web_route_at(const struct web *w, size_t i);

/** The handler for http_server_opts; ctx is the struct web. */
FIBER int web_handle(void *ctx, struct http_exchange *x, struct err *e);

/** For http_server_opts: what an error means, what to do next and the way to the mail, in the reader's language. */
void web_error_page(struct http_exchange *x, unsigned status, const char *detail, struct buf *page);

/* ---- what is there from the start ---- */

/* Where a mail program finds what; told on the front page. */
struct web_service {
	enum web_service_kind {
		WEB_SERVICE_SUBMISSION,
		WEB_SERVICE_IMAP,
		WEB_SERVICE_POP3,
		WEB_SERVICE_KINDS
	} kind;
	uint16_t port;
	bool is_tls, is_starttls; /* from the first octet; or after a command */
};
struct web_site {
	const char *hostname;
	const char *server; /* that programs connect to */
	const struct web_service *services;
	size_t service_count;
	const bool *is_draining; /* outlives the struct web; /healthz says 503 then */
};
/** The front page (/), the static files (/static/), /favicon.ico, /robots.txt and /healthz. */
void web_add_site(struct web *w, const struct web_site *site);

/** Is the client in one of the networks, for all that is known? Nobody is who comes by a proxy that
 * nobody has named: then the address is the proxy's own. */
bool web_client_is_in(const struct web_call *c, const struct addr_net *nets, size_t count);

/* ---- what pages may do (Content-Security-Policy) ---- */

/* The mail page: nothing but its own files, and text becomes markup only by a policy that it names (Trusted
 * Types). */
#define WEB_PAGE_POLICY                                                                            \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob:; "                    \
	"worker-src 'self'; manifest-src 'self'; frame-src 'self'; frame-ancestors 'none'; "       \
	"base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; "                \
	"trusted-types dompurify app"
/* The frame that a letter is shown in. Pictures are put into it as blobs by the page, so that not even this
 * server can be asked for anything by a letter. Modals: the page may print it; without scripts nothing else
 * opens any. */
#define WEB_FRAME_POLICY                                                                           \
	"default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "                     \
	"form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "                            \
	"sandbox allow-same-origin allow-modals allow-popups allow-popups-to-escape-sandbox"
/* Pages without script that have a form. */
#define WEB_FORM_POLICY                                                                            \
	"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "               \
	"base-uri 'none'; frame-ancestors 'none'"
/* Pages without script and without a form. */
#define WEB_PLAIN_POLICY                                                                           \
	"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "                  \
	"form-action 'none'; frame-ancestors 'none'"
/* What people have been sent: shown by itself it can do nothing. */
#define WEB_BLOB_POLICY "sandbox; default-src 'none'"

/* ---- static files ---- */

/* One file, embedded in the program at build time. */
struct web_asset {
	const char *name; /* "style.css" */
	const char *path; /* "style.1a2b3c4d.css" below /static/ */
	const char *type;
	const char *etag;                /* of the plain form */
	struct span plain, gzip, brotli; /* SPAN_NONE where it would be no smaller */
};
/** By its name or by its path; NULL when there is none. */
const struct web_asset *web_asset_named(struct span name);
const struct web_asset *web_asset_at(struct span path);
/** Answer with a static file in the form that the client takes best. */
FIBER int web_asset_reply(struct web_call *c, const struct web_asset *asset, struct err *e);

/* ---- uploads ---- */

/** The request's body into a new stage of the store, at most `max` octets. ERR_LIMIT (413), ERR_FULL
 * (507: a budget or the disk is spent), what http_body_read gives; then no stage is left. The stage is
 * the caller's, who ends it with stage_free. */
FIBER int web_upload(struct web_call *c, struct store *store, uint64_t max, struct stage **stage_r,
	struct err *e);
