#include "services/host/host_priv.h"

/* The wiring of POP3. */

void host_pop3_new(struct host *h)
{
	struct pop3d_opts opts = {.store = h->store, .auth = h->auth, .log = &h->log};

	h->pop3d = pop3d_new(&opts);
}

void host_pop3_policy(const struct config *c, struct pop3d_policy *p)
{
	uint32_t days;

	MUST(config_pop3_expire(c->pop3.expire, &days)); /* it was checked */
	*p = (struct pop3d_policy){.login_delay_ns = c->pop3.login_delay,
		.keep_expunged_ns = c->reading.keep_expunged,
		.is_exclusive = c->pop3.is_exclusive,
		.is_seen_set = c->pop3.is_seen_set,
		.is_retrieved_removed = days == 0};
}

void host_pop3_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct pop3_server_opts *o)
{
	*o = (struct pop3_server_opts){
		.hostname = c->hostname,
		.software = "Yizhan",
		.is_tls_implicit = l->tls == CONFIG_TLS_IMPLICIT,
		.tls = l->tls == CONFIG_TLS_NONE ? NULL : h->tls[CONFIG_POP3],
		.is_clear_allowed = l->addresses.count &&
			span_starts(span_str(l->addresses.items[0]), SPAN("unix:")),
		.login_delay_sec = c->pop3.login_delay / CLOCK_SEC,
		.is_utf8_needed = c->pop3.utf8_headers == 1,
		.log = &h->log,
		.is_draining = &h->is_draining,
	};
	MUST(config_pop3_expire(c->pop3.expire, &o->expire_days));
	pop3_server_limits_default(&o->limits);
	o->limits.idle_ns = c->pop3.idle_time;
	for (size_t i = 0; i < l->without.count; i++)
		o->features_off |= pop3_feature_bit(span_str(l->without.items[i]));
}

FIBER void host_pop3_serve(struct host_conn *c, const char *refuse)
{
	struct err e = {0};

	pop3d_conn_init(&c->pop3, c->worker->host->pop3d, &c->settings->pop3_policy, c->stream,
		c->worker->book);
	c->pop3.refuse = refuse;
	if (pop3_server_run(c->stream, &c->settings->pop3[c->bound->listener], &pop3d_decider,
		    &c->pop3, &e) < 0)
		log_event(&c->worker->log, LOG_DEBUG, "pop3.broken", LF_STR("error", e.text));
	pop3d_conn_end(&c->pop3);
}

bool host_pop3_is_busy(const struct host_conn *c)
{
	return !c->pop3.is_idle;
}

void host_pop3_put_status(struct host *h, struct json_out *j)
{
	json_key(j, "pop3");
	pop3d_put_status(h->pop3d, j);
}
