/* The mechanisms that GNU SASL plays for us, and its SASLprep. Each exchange has a library context of
 * its own (0.5 us to make): nothing is shared, so nothing is global. */

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "proto/sasl/sasl_priv.h"

struct sasl_gnu {
	Gsasl *library;
	Gsasl_session *session;
};

bool sasl_gnu_has(const char *mech)
{
	Gsasl *library;
	bool has;

	if (gsasl_init(&library) != GSASL_OK)
		return false;
	has = gsasl_client_support_p(library, mech) != 0;
	gsasl_done(library);
	return has;
}

/* The library asks for what a mechanism needs. */
static int sasl_gnu_asks(Gsasl *library, Gsasl_session *session, Gsasl_property wanted)
{
	const struct sasl_client *c = gsasl_callback_hook_get(library);
	struct span value;

	switch (wanted) {
	case GSASL_AUTHID: value = c->opts.user; break;
	case GSASL_AUTHZID: value = c->opts.authzid; break;
	case GSASL_PASSWORD: value = c->opts.password; break;
	case GSASL_SERVICE: value = c->opts.service; break;
	case GSASL_HOSTNAME: value = c->opts.host; break;
	case GSASL_REALM: value = c->opts.realm; break;
	case GSASL_QOP: value = SPAN("qop-auth"); break;
	default: return GSASL_NO_CALLBACK;
	}
	if (value.len == 0)
		return GSASL_NO_CALLBACK;
	return gsasl_property_set_raw(session, wanted, value.ptr, value.len);
}

static void sasl_gnu_wipe(Gsasl_session *session, Gsasl_property what)
{
	/* The library frees what it copied, but does not wipe it. */
	char *copy = (char *)gsasl_property_fast(session, what);

	if (copy)
		secret_wipe(copy, strlen(copy));
}

void sasl_gnu_free(struct sasl_gnu **g)
{
	if (!*g)
		return;
	if ((*g)->session) {
		sasl_gnu_wipe((*g)->session, GSASL_PASSWORD);
		sasl_gnu_wipe((*g)->session, GSASL_DIGEST_MD5_HASHED_PASSWORD);
		gsasl_finish((*g)->session);
	}
	gsasl_done((*g)->library);
	free(*g);
	*g = NULL;
}

static int sasl_gnu_start(struct sasl_client *c, struct err *e)
{
	struct sasl_gnu *g = NEW(struct sasl_gnu);
	int rc = gsasl_init(&g->library);

	if (rc != GSASL_OK) {
		free(g);
		return err_set(e, ERR_STATE, "GNU SASL: %s", gsasl_strerror(rc));
	}
	c->gnu = g;
	gsasl_callback_hook_set(g->library, c);
	gsasl_callback_set(g->library, sasl_gnu_asks);
	rc = gsasl_client_start(g->library, c->mech->name, &g->session);
	if (rc != GSASL_OK)
		return err_set(e, ERR_STATE, "%s: %s", c->mech->name, gsasl_strerror(rc));
	return 0;
}

static bool sasl_gnu_is_ours(int rc)
{
	switch (rc) {
	case GSASL_MALLOC_ERROR:
	case GSASL_CRYPTO_ERROR:
	case GSASL_SASLPREP_ERROR:
	case GSASL_NO_CALLBACK:
	case GSASL_NO_AUTHID:
	case GSASL_NO_AUTHZID:
	case GSASL_NO_PASSWORD:
	case GSASL_NO_SERVICE:
	case GSASL_NO_HOSTNAME:
	case GSASL_GSSAPI_IMPORT_NAME_ERROR:
	case GSASL_GSSAPI_INIT_SEC_CONTEXT_ERROR:
	case GSASL_GSSAPI_ACQUIRE_CRED_ERROR: return true;
	default: return false;
	}
}

/* The library reads a challenge of NTLM into a struct of 1076 octets and looks at all of it, however
 * few came: what is not there must be zeros, not what lay on the stack. */
#define SASL_NTLM_CHALLENGE 1072
#define SASL_NTLM_MIN       32 /* up to and with the server's nonce */

static int sasl_ntlm_pad(struct span challenge, struct buf *padded, struct err *e)
{
	if (challenge.len < SASL_NTLM_MIN || challenge.len > SASL_NTLM_CHALLENGE ||
		!span_starts(challenge, span_of("NTLMSSP\0\2\0\0\0", 12)))
		return sasl_fault(e, "NTLM: this is no challenge");
	memset(buf_reserve(padded, SASL_NTLM_CHALLENGE), 0, SASL_NTLM_CHALLENGE);
	memcpy(buf_reserve(padded, SASL_NTLM_CHALLENGE), challenge.ptr, challenge.len);
	buf_added(padded, SASL_NTLM_CHALLENGE);
	return 0;
}

static int sasl_gnu_step(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	char *answer = NULL;
	size_t len = 0;
	int rc = gsasl_step(c->gnu->session, challenge.ptr, challenge.len, &answer, &len);

	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
		if (sasl_gnu_is_ours(rc))
			return err_set(e, ERR_STATE, "%s: %s", c->mech->name, gsasl_strerror(rc));
		return sasl_fault(e, "%s: %s", c->mech->name, gsasl_strerror(rc));
	}
	if (rc == GSASL_OK)
		c->is_over = c->is_verified = true;
	if (answer) {
		buf_put(out, answer, len);
		secret_wipe(answer, len);
		gsasl_free(answer);
	}
	return 0;
}

int sasl_client_gnu(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	struct buf padded;
	int rc;

	if (!c->gnu && sasl_gnu_start(c, e) < 0)
		return -1;
	if (!c->mech->is_first && challenge.len == 0)
		return sasl_fault(e, "%s: an empty challenge", c->mech->name);
	if (c->steps == 0 || strcmp(c->mech->name, "NTLM") != 0)
		return sasl_gnu_step(c, challenge, out, e);
	buf_init(&padded, SASL_NTLM_CHALLENGE);
	rc = sasl_ntlm_pad(challenge, &padded, e);
	if (rc == 0)
		rc = sasl_gnu_step(c, buf_span(&padded), out, e);
	buf_fini(&padded);
	return rc;
}

/* ---- SASLprep ---- */

int sasl_prep(struct span text, struct buf *out, struct err *e)
{
	char *copy, *ready = NULL;
	bool is_plain = true;
	int rc;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char ch = (unsigned char)text.ptr[i];

		if (ch < ' ' || ch == 0x7f)
			return err_set(e, ERR_SYNTAX, "a control character");
		is_plain = is_plain && ch < 0x80;
	}
	if (text.len == 0)
		return err_set(e, ERR_SYNTAX, "nothing there");
	if (is_plain) {
		if (buf_reserve(out, text.len))
			buf_span_put(out, text);
		return 0;
	}
	if (!utf8_is_valid(text))
		return err_set(e, ERR_SYNTAX, "not UTF-8");
	copy = mem_dup(text.ptr, text.len);
	/* In 2.2.0 the flag means its opposite: whichever way it is read, one of them lets pass what
	 * is younger than Unicode 3.2. */
	rc = gsasl_saslprep(copy, 0, &ready, NULL);
	if (rc != GSASL_OK)
		rc = gsasl_saslprep(copy, GSASL_ALLOW_UNASSIGNED, &ready, NULL);
	secret_wipe(copy, text.len);
	free(copy);
	if (rc != GSASL_OK)
		return err_set(e, ERR_SYNTAX, "characters that SASLprep does not allow");
	rc = *ready ? 0 : err_set(e, ERR_SYNTAX, "nothing is left of it");
	buf_str(out, ready);
	secret_wipe(ready, strlen(ready));
	gsasl_free(ready);
	return rc;
}
