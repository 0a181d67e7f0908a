/* AUTH with a mechanism of proto/sasl. */

#include "proto/sasl/sasl_client.h"
#include "proto/smtp/smtp_client.h"

/* Does the client speak first? */
struct sasl_arg {
	struct sasl_client *sasl;
	bool is_first;
};

static int sasl_step(void *arg, struct smtp_auth_step *step, struct err *e)
{
	struct sasl_arg *a = arg;

	if (step->is_first && !a->is_first)
		return 0;
	step->has_response = true;
	return sasl_client_step(
		a->sasl, step->is_first ? SPAN_NONE : step->challenge, step->response, e);
}

FIBER int smtp_client_auth_sasl(
	struct smtp_client *c, struct span mech, struct sasl_client *sasl, struct err *e)
{
	const struct sasl_mech *m = sasl_mech_find(mech);
	struct sasl_arg arg = {sasl, m && m->is_first};

	if (smtp_client_auth(c, mech, sasl_step, &arg, e) < 0)
		return -1;
	/* 503: this session was logged in before, and nothing was shown now. */
	return c->auth.code == 503 ? 0 : sasl_client_verify(sasl, e);
}
