/* A hostile client's responses, a line each, to each mechanism: the first octet says which. The
 * decider knows a user whom nobody can be here. */
#include "base/must.h"
#include "proto/sasl/sasl_server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MECHS                                                                                      \
	"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 "       \
	"EXTERNAL PLAIN LOGIN"

static int keys(
	void *ctx, struct span user, bool is_sha1, struct sasl_keys *k, bool *yes_r, struct err *e)
{
	MUST(user.len && user.len <= SASL_SERVER_NAME_MAX && span_find(user, 0) < 0);
	*yes_r = span_eq(user, SPAN("user"));
	k->iterations = 4096;
	k->salt_len = 4;
	for (size_t i = 0; i < sizeof(k->stored); i++)
		k->stored[i] = (unsigned char)i;
	return 0;
}

static int password(void *ctx, struct span user, struct span text, bool *yes_r, struct err *e)
{
	MUST(user.len && text.len && span_find(user, 0) < 0 && span_find(text, 0) < 0);
	return 0;
}

static int token(void *ctx, struct span claimed, struct span text, struct buf *user_r, bool *yes_r,
	struct err *e)
{
	MUST(text.len && !span_has_line_break(text) && !span_has_line_break(claimed));
	return 0;
}

static const struct sasl_decider decider = {.keys = keys, .password = password, .token = token};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sasl_server_opts opts = {.mechs = MECHS,
		.has_tls = true,
		.tls_exporter = {"0123456789abcdef", 16},
		.secret = {"sixteen octets, or more", 23}};
	struct span mechs = SPAN(MECHS), mech = SPAN_NONE, rest, line;
	enum sasl_verdict verdict = SASL_MORE;
	struct sasl_server *s;
	struct buf challenge;

	if (size == 0)
		return 0;
	for (int i = data[0] % 9; i >= 0; i--)
		mech = span_word(&mechs);
	s = sasl_server_new(mech, &opts, &decider, NULL, NULL);
	MUST(s);
	buf_str(&s->nonce, "nonce");
	buf_init(&challenge, 256 * 1024);
	rest = span_of(data + 1, size - 1);
	while (verdict == SASL_MORE && rest.len) {
		span_cut(rest, '\n', &line, &rest);
		if (sasl_server_step(s, line, &challenge, &verdict, NULL) < 0)
			break;
		MUST(verdict != SASL_ACCEPTED);
	}
	MUST(buf_ok(&challenge));
	buf_fini(&challenge);
	sasl_server_free(&s);
	return 0;
}
