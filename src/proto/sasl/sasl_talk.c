#include "proto/sasl/sasl_talk.h"

#include "base/enc.h"
#include "base/must.h"
#include "base/secret.h"
#include "net/tls.h"

void sasl_talk_init(struct sasl_talk *t)
{
	*t = (struct sasl_talk){.opts.mechs = ""};
	buf_init(&t->bindings, SASL_TALK_BINDINGS_MAX);
	buf_init(&t->response, SASL_SERVER_RESPONSE_MAX);
	buf_init(&t->challenge, SASL_SERVER_RESPONSE_MAX);
}

void sasl_talk_bind(struct sasl_talk *t, struct stream *stream)
{
	static const enum tls_binding kinds[] = {
		TLS_BINDING_EXPORTER, TLS_BINDING_UNIQUE, TLS_BINDING_SERVER_END_POINT};
	struct span *to[] = {
		&t->opts.tls_exporter, &t->opts.tls_unique, &t->opts.tls_server_end_point};
	size_t ends[ARRAY_LEN(kinds)], from = 0;

	t->opts.has_tls = stream->tls != NULL;
	if (!stream->tls || span_find_span(span_str(t->opts.mechs), SPAN("-PLUS")) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		tls_channel_binding(stream, kinds[i], &t->bindings, NULL);
		ends[i] = buf_len(&t->bindings);
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		*to[i] = span_sub(buf_span(&t->bindings), from, ends[i] - from);
		from = ends[i];
	}
}

static void wipe(struct buf *b)
{
	if (b->mem)
		secret_wipe(b->mem, b->cap);
	buf_fini(b);
}

void sasl_talk_fini(struct sasl_talk *t)
{
	sasl_server_free(&t->sasl);
	wipe(&t->bindings);
	wipe(&t->response);
	wipe(&t->challenge);
}

bool sasl_talk_decode(struct sasl_talk *t, struct span text, bool is_initial)
{
	bool is_empty = is_initial && span_eq(text, SPAN("="));
	bool is_read;

	buf_clear(&t->response);
	is_read = enc_get_base64(&t->response, is_empty ? SPAN("") : text);
	if (text.len)
		secret_wipe((char *)(uintptr_t)text.ptr, text.len);
	return is_read;
}

struct span sasl_talk_response(struct sasl_talk *t)
{
	return span_of(buf_cstr(&t->response), buf_len(&t->response));
}
