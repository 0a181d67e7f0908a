/* A hostile server's challenges, a line each, to each mechanism: the first octet says which. */
#include "base/must.h"
#include "proto/sasl/sasl_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sasl_client_opts opts = {
	.user = {"jos\xc3\xa9,=", 7},
	.password = {"pencil", 6},
	.token = {"token", 5},
	.authzid = {"box", 3},
	.service = {"smtp", 4},
	.host = {"mail.yizhan.test", 16},
	.port = 587,
	.tls_exporter = {"0123456789abcdef", 16},
	.has_tls = true,
};

/* Derivations are slow, and not what is looked for. */
static bool is_slow(struct span challenge)
{
	struct scram_server_first m;

	return scram_parse_server_first(challenge, &m) && m.iterations > 100;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t count;
	const struct sasl_mech *mechs = sasl_mechs(&count), *m;
	struct span rest, line;
	struct sasl_client *c;
	struct buf out;
	int rc = 0;

	if (size == 0)
		return 0;
	m = &mechs[data[0] % count];
	if (span_starts(span_str(m->name), SPAN("GS"))) /* these talk to the world */
		return 0;
	c = sasl_client_new(span_str(m->name), &opts, NULL);
	MUST(c);
	buf_str(&c->scram.nonce, "nonce");
	buf_init(&out, SASL_RESPONSE_MAX);
	rest = span_of(data + 1, size - 1);
	if (m->is_first)
		MUST(sasl_client_step(c, SPAN_NONE, &out, NULL) == 0);
	while (rc == 0 && rest.len) {
		span_cut(rest, '\n', &line, &rest);
		rc = is_slow(line) ? -1 : sasl_client_step(c, line, &out, NULL);
	}
	/* Whoever does not know the password cannot show that he does. */
	if (c->kind->is_mutual)
		MUST(c->is_over || sasl_client_verify(c, NULL) < 0);
	if (m->needs_password && c->kind->scram == SCRAM_SHA256 && c->kind->is_mutual &&
		!c->kind->is_gnu)
		MUST(sasl_client_verify(c, NULL) < 0);
	buf_fini(&out);
	sasl_client_free(&c);
	return 0;
}
