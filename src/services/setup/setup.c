#include "services/setup/setup.h"

#include "base/must.h"
#include "base/utf8.h"
#include "proto/http/http_syntax.h"
#include "services/setup/setup_priv.h"

/* The words of a protocol in the documents that ask for it. */
static const struct setup_words words[SETUP_PROTOCOL_COUNT] = {
#define X(id, config, discover, srv, srvs) [SETUP_##id] = {config, discover, {srv, srvs}},
	SETUP_PROTOCOLS(X)
#undef X
};

const struct setup_words *setup_words(enum setup_protocol p)
{
	return &words[p];
}

bool setup_address(struct arena *a, struct span text, struct span *address_r, struct span *domain_r)
{
	ptrdiff_t at = span_rfind(text, '@');
	char *copy;

	if (text.len > SETUP_ADDRESS_MAX || at <= 0 || (size_t)at + 1 == text.len ||
		!utf8_is_valid(text) || span_find(text, '@') != at)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' ||
			c == ',' || c == ';')
			return false;
	}
	copy = arena_str(a, text);
	for (char *p = copy + at; *p; p++)
		*p = (char)span_lower((unsigned char)*p);
	*address_r = span_of(copy, text.len);
	*domain_r = span_skip(*address_r, (size_t)at + 1);
	return true;
}

const struct setup_server *setup_best(const struct setup_facts *f, enum setup_protocol p)
{
	const struct setup_server *best = NULL;

	/* RFC 8314 section 3: implicit TLS before STARTTLS */
	for (size_t i = 0; i < f->count; i++) {
		const struct setup_server *s = &f->servers[i];

		if (s->protocol == p && (!best || (s->is_implicit && !best->is_implicit)))
			best = s;
	}
	return best;
}

struct span setup_title(const struct setup_facts *f)
{
	return f->title.len ? f->title : f->domain;
}

void setup_put_element(struct buf *b, unsigned depth, const char *name, struct span text)
{
	buf_printf(b, "%*s<%s>", (int)depth * 2, "", name);
	http_html_put(b, text);
	buf_printf(b, "</%s>\n", name);
}

void setup_put_number(struct buf *b, unsigned depth, const char *name, uint64_t n)
{
	buf_printf(b, "%*s<%s>%llu</%s>\n", (int)depth * 2, "", name, (unsigned long long)n, name);
}

static void put_server(struct buf *b, const struct setup_facts *f, const struct setup_server *s)
{
	const char *element = s->protocol == SETUP_SUBMISSION ? "outgoingServer" : "incomingServer";

	buf_printf(b, "    <%s type=\"%s\">\n", element, words[s->protocol].config);
	setup_put_element(b, 3, "hostname", f->host);
	setup_put_number(b, 3, "port", s->port);
	setup_put_element(b, 3, "socketType", s->is_implicit ? SPAN("SSL") : SPAN("STARTTLS"));
	/* the format's word for PLAIN and LOGIN under TLS; it has none for SCRAM */
	setup_put_element(b, 3, "authentication", SPAN("password-cleartext"));
	setup_put_element(b, 3, "username", SPAN("%EMAILADDRESS%"));
	buf_printf(b, "    </%s>\n", element);
}

/* Programs take the first of each kind, so the better ones stand first: IMAP before POP3, TLS first
 * before STARTTLS. */
void setup_put_autoconfig(struct buf *b, const struct setup_facts *f)
{
	static const enum setup_protocol order[] = {SETUP_IMAP, SETUP_POP3, SETUP_SUBMISSION};

	buf_str(b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n"
		"  <emailProvider id=\"");
	http_html_put(b, f->domain);
	buf_str(b, "\">\n");
	setup_put_element(b, 2, "domain", f->domain);
	setup_put_element(b, 2, "displayName", setup_title(f));
	setup_put_element(b, 2, "displayShortName", setup_title(f));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		for (int is_implicit = 1; is_implicit >= 0; is_implicit--) {
			for (size_t k = 0; k < f->count; k++) {
				if (f->servers[k].protocol == order[i] &&
					f->servers[k].is_implicit == is_implicit)
					put_server(b, f, &f->servers[k]);
			}
		}
	}
	buf_str(b, "  </emailProvider>\n</clientConfig>\n");
}

size_t setup_srvs(struct arena *a, const struct setup_facts *f, struct setup_srv **srvs_r)
{
	struct setup_srv *srvs = ARENA_ARRAY(a, struct setup_srv, SETUP_PROTOCOL_COUNT * 2 + 1);
	size_t n = 0;

	for (int p = 0; p < SETUP_PROTOCOL_COUNT; p++) {
		for (int is_implicit = 1; is_implicit >= 0; is_implicit--) {
			struct setup_srv *s = &srvs[n++];

			/* RFC 6186 section 3.4: 0 0 0 . says "not here" */
			*s = (struct setup_srv){.target = SPAN("."),
				.name = span_str(arena_printf(a, "%s._tcp." SPAN_FMT,
					words[p].srv[is_implicit], SPAN_ARG(f->domain)))};
			for (size_t i = 0; i < f->count; i++) {
				const struct setup_server *sv = &f->servers[i];

				if (sv->protocol != (enum setup_protocol)p ||
					sv->is_implicit != is_implicit || s->port)
					continue;
				/* RFC 8314 section 5.1: a lower priority value where TLS comes first;
				 * section 3.4 of RFC 6186: IMAP before POP3 */
				s->priority = (uint16_t)((p == SETUP_POP3 ? 20 : 0) +
					(is_implicit ? 0 : 10));
				s->weight = 1;
				s->port = sv->port;
				s->target = f->host;
			}
		}
	}
	/* RFC 8620 section 2.2 */
	if (f->jmap_port)
		srvs[n++] = (struct setup_srv){
			.name = span_str(
				arena_printf(a, "_jmap._tcp." SPAN_FMT, SPAN_ARG(f->domain))),
			.weight = 1,
			.port = f->jmap_port,
			.target = f->host};
	*srvs_r = srvs;
	return n;
}
