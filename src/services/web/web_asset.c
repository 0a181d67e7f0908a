#include "services/web/web_asset_priv.h"

#include "base/buf.h"

const struct web_asset *web_asset_named(struct span name)
{
	for (size_t i = 0; i < web_asset_count; i++)
		if (span_eq(span_str(web_assets[i].name), name))
			return &web_assets[i];
	return NULL;
}

const struct web_asset *web_asset_at(struct span path)
{
	for (size_t i = 0; i < web_asset_count; i++)
		if (span_eq(span_str(web_assets[i].path), path))
			return &web_assets[i];
	return NULL;
}

/* The form that the client likes best; the smallest among equals. */
static struct span choose(struct web_call *c, const struct web_asset *a, const char **coding_r)
{
	const struct {
		const char *coding;
		struct span octets;
	} forms[] = {{"br", a->brotli}, {"gzip", a->gzip}, {"identity", a->plain}};
	struct span accept = http_field_list(c->x, "Accept-Encoding"), chosen = a->plain;
	unsigned best = 0;

	*coding_r = "identity";
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		unsigned q = forms[i].octets.ptr
			? http_accept_coding(accept, span_str(forms[i].coding))
			: 0;

		if (q > best) {
			best = q;
			chosen = forms[i].octets;
			*coding_r = forms[i].coding;
		}
	}
	return chosen;
}

FIBER int web_asset_reply(struct web_call *c, const struct web_asset *a, struct err *e)
{
	const char *coding;
	struct span octets = choose(c, a, &coding);
	struct buf *etag = arena_buf(c->r->arena, HTTP_ETAG_MAX);

	/* RFC 9110 section 8.8.3.3: each form has a tag of its own. */
	buf_str(etag, a->etag);
	if (coding[0] != 'i') {
		http_set(c->x, "Content-Encoding", span_str(coding));
		buf_printf(etag, "-%s", coding);
	}
	http_set_etag(c->x, buf_span(etag), false);
	http_set(c->x, "Vary", SPAN("Accept-Encoding"));
	return http_reply(c->x, 200, a->type, octets, e);
}
