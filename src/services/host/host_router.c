#include "services/host/host_priv.h"
#include "services/pool/pool.h"
#include "services/router/router.h"

/* What the router cannot do by itself: ask a next hop about a recipient, and keep the key of SRS young.
 * Advisers see no carriers; they meet here. */

#define ASK_NS       (30 * CLOCK_SEC)
#define SRS_LOOK_NS  CLOCK_HOUR
#define SRS_AGAIN_NS (10 * CLOCK_SEC) /* the store failed */

FIBER int host_router_ask(void *arg, struct arena *a, struct span destination, struct span address,
	enum router_asked *asked_r, struct span *said_r, struct err *e)
{
	struct host_worker *w = arg;
	struct outbound_question q = {.a = a, .address = address};
	int64_t retry_ns;

	*asked_r = ROUTER_ASKED_UNKNOWN;
	if (!w->is_queue_running)
		return err_set(e, ERR_STATE, "the server is just starting");
	if (span_starts(destination, SPAN("pool:")) &&
		pool_pick(w->host->pools, a, destination, &destination, &retry_ns, e) < 0)
		return -1;
	if (outbound_ask(&w->host->outbound, destination, &q, loop_now_ns() + ASK_NS, e) < 0)
		return -1;
	*said_r = span_str(arena_printf(a, "%u " SPAN_FMT, q.code, SPAN_ARG(q.text)));
	if (q.code / 100 == 2)
		*asked_r = ROUTER_ASKED_YES;
	else if (q.code / 100 == 5)
		*asked_r = ROUTER_ASKED_NO;
	return 0;
}

FIBER int host_router_keep(void *arg)
{
	struct host *h = arg;
	struct err e = {0};
	int rc = 0;

	while (fiber_sleep(rc < 0 ? SRS_AGAIN_NS : SRS_LOOK_NS, NULL) == 0) {
		rc = router_srs_turn(h->store, false, &e);
		if (rc < 0 && e.code != ERR_CANCELLED)
			log_event(&h->log, LOG_WARN, "host.srs.failed", LF_STR("error", e.text));
	}
	return 0;
}
