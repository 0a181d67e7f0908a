#include "services/host/host_priv.h"

/* The wiring of submission: what the configuration allows, and who is at the other end. */

void host_submission_new(struct host *h)
{
	struct submission_opts opts = {
		.store = h->store, .auth = h->auth, .lane = h->lane, .log = &h->log};

	h->submission = submission_new(&opts);
}

bool host_rate_parse(const char *text, struct gcra_rate *rate_r)
{
	*rate_r = (struct gcra_rate){0};
	return span_eq(span_str(text), SPAN("none")) || gcra_parse(span_str(text), rate_r);
}

void host_submission_policy(const struct config *c, struct submission_policy *p)
{
	*p = (struct submission_policy){.hostname = c->hostname,
		.separator = c->separator[0],
		.is_client_hidden = c->submission.is_client_hidden,
		.authors = (enum submission_authors)c->submission.authors};
	MUST(host_rate_parse(c->submission.messages, &p->messages)); /* it was checked */
	MUST(host_rate_parse(c->submission.recipients, &p->recipients));
}

/* Over a Unix socket the kernel says who it is; nobody logs in there. */
static FIBER int meet_local(struct host_conn *c, struct err *e)
{
	struct host *h = c->worker->host;
	struct arena *a = arena_new();
	struct host_user user;
	int uid = net_peer_uid(c->stream);
	int rc = uid < 0 ? err_set(e, ERR_DENIED, "the system does not say who it is")
			 : host_user_of(h, a, (uint64_t)uid, &user, e);

	if (rc == 0) {
		struct submission_local who = {.uid = (uint64_t)uid,
			.login = user.login,
			.gecos = user.name,
			.is_trusted = host_is_trusted(c->settings->config, &user)};

		rc = submission_local(&c->submission, &who, e);
	}
	arena_free(&a);
	return rc;
}

FIBER void host_submission_serve(struct host_conn *c, const char *refuse)
{
	struct host *h = c->worker->host;
	struct err e = {0};

	/* Neither relay nor filtered: here nothing counts but who it is. */
	inbound_conn_init(&c->inbound, c->worker->inbound, &c->settings->policy, false, false);
	submission_conn_init(&c->submission, h->submission, &c->settings->submission, c->stream,
		c->worker->book);
	c->inbound.submission = &c->submission;
	c->inbound.refuse = refuse;
	if (!refuse && c->bound->is_unix && meet_local(c, &e) < 0) {
		log_event(&c->worker->log, LOG_WARN, "submission.local.refused",
			LF_STR("error", e.text));
		c->inbound.refuse = "Cannot tell who you are, or your account is suspended";
	}
	err_clear(&e);
	if (smtp_server_run(c->stream, &c->settings->smtp[c->bound->listener], &inbound_decider,
		    &c->inbound, &e) < 0)
		log_event(&c->worker->log, LOG_DEBUG, "smtp.in.broken", LF_STR("error", e.text));
	submission_conn_fini(&c->submission);
}

void host_submission_put_status(struct host *h, struct json_out *j)
{
	json_key(j, "submission");
	submission_put_status(h->submission, j);
}
