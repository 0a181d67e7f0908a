/* AUTH: which mechanisms, in which order, with what. */

#include "libyz/libyz_priv.h"

FIBER int login(struct yz_session *s, const char *user, const char *password)
{
	s->phase = YZ_PHASE_AUTH;
	return fail(s, YZ_E_NOTSUPP, "no mechanism is built in yet: yz_auth takes one of your own");
}

/* ---- a mechanism of the caller's own ---- */

struct own {
	yz_sasl_fn *step;
	void *arg;
};

static int own_step(void *arg, struct smtp_auth_step *step, struct err *e)
{
	struct own *o = arg;
	size_t n = SMTP_AUTH_RESPONSE_MAX;
	char *out = buf_reserve(step->response, n);
	int rc;

	if (!out)
		return err_set(e, ERR_LIMIT, "AUTH: the response is too long");
	rc = o->step(o->arg, step->is_first ? NULL : step->challenge.ptr,
		step->is_first ? 0 : step->challenge.len, out, &n);
	if (step->is_first && rc < 0)
		return 0; /* no initial response */
	if (rc < 0 || n > SMTP_AUTH_RESPONSE_MAX)
		return err_set(e, ERR_DENIED, "AUTH: given up by the caller");
	buf_added(step->response, n);
	step->has_response = true;
	return 0;
}

FIBER int login_own(struct yz_session *s, const char *mech, yz_sasl_fn *step, void *arg)
{
	struct own o = {step, arg};
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_AUTH;
	rc = smtp_client_auth(&s->client, span_str(mech), own_step, &o, &e);
	if (s->client.auth.code)
		reply_keep(&s->auth, &s->client.auth);
	if (rc == 0)
		s->auth_mechanism = arena_str(s->conn, span_str(mech));
	if (rc < 0 && e.code == ERR_DENIED && !s->client.is_over) {
		talk_result(s, 0, YZ_E_AUTH, &e);
		return fail(s, YZ_E_AUTH, "%s", e.text);
	}
	return talk_result(s, rc, YZ_E_AUTH, &e);
}
