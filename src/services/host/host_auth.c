#include "services/host/host_priv.h"

/* The wiring of logins: one auth room a process, a book of sessions each worker. */

void host_auth_new(struct host *h)
{
	struct auth_opts opts = {.store = h->store,
		.guard = h->guard,
		.log = &h->log,
		.is_sha1 = h->config->auth.is_sha1};

	h->auth = auth_new(&opts);
}

FIBER int host_auth_main(void *arg)
{
	struct host_worker *w = arg;

	return auth_book_main(w->book);
}

void host_auth_put_status(struct host *h, struct json_out *j)
{
	struct auth_counters c;

	auth_counters(h->auth, &c);
	json_key(j, "logins");
	json_open_object(j);
	json_kv_u64(j, "good", c.good);
	json_kv_u64(j, "wrong", c.wrong);
	json_kv_u64(j, "refused", c.refused);
	json_kv_u64(j, "cached", c.cached);
	json_kv_u64(j, "derived", c.derived);
	json_close(j);
}
