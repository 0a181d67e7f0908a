#include "base/utf8.h"
#include "services/host/host_priv.h"

/* The documents of services/setup over HTTP. They are the same for every address of a domain, whether
 * there is such a mailbox or not. */

#define XML "text/xml; charset=utf-8"

/* "autoconfig.our.example" asks for our.example. */
static struct span domain_of_host(const struct web_call *c)
{
	return c->host_rest.len ? c->host_rest : c->r->head.host;
}

/* Facts about a domain, which must be ours. */
static FIBER int setup_about(struct host *h, struct web_call *c, struct span domain,
	struct setup_facts *f, bool *is_ours_r, struct err *e)
{
	enum directory_domain_kind kind = DIRECTORY_DOMAIN_NONE;
	struct span key = router_domain_key(c->r->arena, domain);

	*is_ours_r = false;
	if (!key.len)
		return 0;
	if (directory_domain_find(h->store, c->r->arena, key, &kind, e) < 0)
		return -1;
	host_setup_facts(h, NULL, c->r->arena, f);
	f->domain = key;
	*is_ours_r = kind == DIRECTORY_DOMAIN_LOCAL && f->count > 0;
	return 0;
}

static FIBER int not_here(struct web_call *c, struct err *e)
{
	return http_reply_error(c->x, 404, "This server has no settings for that domain.", e);
}

/* A parameter that is an address: its domain too. */
static bool address_asked(
	const struct web_call *c, struct span name, struct span *address_r, struct span *domain_r)
{
	struct span text;

	return http_form_get(c->r->arena, c->r->head.query, name, &text) &&
		setup_address(c->r->arena, text, address_r, domain_r);
}

static FIBER int autoconfig(void *arg, struct web_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, SETUP_DOCUMENT_MAX);
	struct span address, domain;
	struct setup_facts f;
	bool is_ours;

	if (!address_asked(c, SPAN("emailaddress"), &address, &domain))
		domain = domain_of_host(c);
	if (setup_about(arg, c, domain, &f, &is_ours, e) < 0)
		return -1;
	if (!is_ours)
		return not_here(c, e);
	setup_put_autoconfig(b, &f);
	return http_reply(c->x, 200, XML, buf_span(b), e);
}

/* The time of day, for those who read the error beside a log. */
static struct span time_of_day(struct arena *a)
{
	int64_t ns = loop_wall_ns(), sec = ns / CLOCK_SEC;

	return span_str(arena_printf(a, "%02d:%02d:%02d.%07d", (int)(sec / 3600 % 24),
		(int)(sec / 60 % 60), (int)(sec % 60), (int)(ns % CLOCK_SEC / 100)));
}

/* Its errors are answers of 200 with an element that says so. */
static FIBER int autodiscover(void *arg, struct web_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, SETUP_DOCUMENT_MAX);
	struct span body, address = SPAN_NONE, domain = SPAN_NONE, now = time_of_day(c->r->arena);
	struct setup_question q;
	struct setup_facts f;
	bool is_ours = false;

	if (http_body_read_all(c->x, SETUP_REQUEST_MAX, &body, e) < 0)
		return -1;
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	if (setup_read_autodiscover(c->r->arena, body, &q, NULL) < 0 ||
		!setup_address(c->r->arena, q.address, &address, &domain)) {
		setup_put_autodiscover_error(b, 600, "Invalid Request", now);
		return http_reply(c->x, 200, XML, buf_span(b), e);
	}
	if (setup_about(arg, c, domain, &f, &is_ours, e) < 0)
		return -1;
	if (is_ours && q.schema == SETUP_SCHEMA_OUTLOOK)
		setup_put_autodiscover(b, &f, address);
	else
		setup_put_autodiscover_error(b, 601, "Provider is not available", now);
	return http_reply(c->x, 200, XML, buf_span(b), e);
}

static struct span url_here(const struct web_call *c, const char *path)
{
	const struct http_head *head = &c->r->head;
	const char *scheme = c->r->is_https ? "https" : "http";

	if (head->port)
		return span_str(arena_printf(c->r->arena, "%s://" SPAN_FMT ":%u%s", scheme,
			SPAN_ARG(head->host), head->port, path));
	return span_str(arena_printf(
		c->r->arena, "%s://" SPAN_FMT "%s", scheme, SPAN_ARG(head->host), path));
}

static FIBER int autodiscover_json(void *arg, struct web_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, SETUP_DOCUMENT_MAX);
	struct span protocol = SPAN_NONE;

	(void)arg;
	http_form_get(c->r->arena, c->r->head.query, SPAN("Protocol"), &protocol);
	if (!span_eq_nocase(protocol, SPAN("AutodiscoverV1"))) {
		buf_str(b,
			"{\"ErrorCode\":\"InvalidProtocol\",\"ErrorMessage\":\"The only protocol "
			"here is 'AutodiscoverV1'.\"}\n");
		return http_reply(c->x, 400, "application/json", buf_span(b), e);
	}
	setup_put_autodiscover_json(b, url_here(c, "/autodiscover/autodiscover.xml"));
	return http_reply(c->x, 200, "application/json", buf_span(b), e);
}

static FIBER int apple(void *arg, struct web_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, SETUP_DOCUMENT_MAX);
	struct span address, domain, name = SPAN_NONE;
	struct setup_facts f;
	bool is_ours;

	if (!address_asked(c, SPAN("email"), &address, &domain))
		return http_reply_error(
			c->x, 400, "Ask with your address: ?email=you@example.org", e);
	if (setup_about(arg, c, domain, &f, &is_ours, e) < 0)
		return -1;
	http_form_get(c->r->arena, c->r->head.query, SPAN("name"), &name);
	name = span_sub(name, 0, SETUP_ADDRESS_MAX);
	if (!is_ours || !utf8_is_valid(name) || !setup_put_profile(b, &f, address, name))
		return not_here(c, e);
	http_set(c->x, "Content-Disposition", SPAN("attachment; filename=\"mail.mobileconfig\""));
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply(c->x, 200, "application/x-apple-aspen-config", buf_span(b), e);
}

void host_setup_web(struct host *h)
{
	const struct web_route routes[] = {
		{.host = "autoconfig.",
			.path = "/mail/config-v1.1.xml",
			.methods = WEB_GET,
			.handle = autoconfig},
		{.path = "/mail/config-v1.1.xml", .methods = WEB_GET, .handle = autoconfig},
		{.path = "/.well-known/autoconfig/mail/config-v1.1.xml",
			.methods = WEB_GET,
			.handle = autoconfig},
		/* Outlook's versions write it in different cases */
		{.path = "/autodiscover/autodiscover.xml",
			.methods = WEB_POST,
			.body_octets = SETUP_REQUEST_MAX,
			.handle = autodiscover},
		{.path = "/Autodiscover/Autodiscover.xml",
			.methods = WEB_POST,
			.body_octets = SETUP_REQUEST_MAX,
			.handle = autodiscover},
		{.path = "/AutoDiscover/AutoDiscover.xml",
			.methods = WEB_POST,
			.body_octets = SETUP_REQUEST_MAX,
			.handle = autodiscover},
		{.path = "/autodiscover/autodiscover.json",
			.methods = WEB_GET,
			.handle = autodiscover_json},
		{.path = "/autodiscover/autodiscover.json/v1.0/{address}",
			.methods = WEB_GET,
			.handle = autodiscover_json},
		{.path = "/apple/mail.mobileconfig", .methods = WEB_GET, .handle = apple},
	};

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		struct web_route r = routes[i];

		r.arg = h;
		web_add(h->web, &r);
	}
}
