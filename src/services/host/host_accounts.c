#include "store/account_admin.h"
#include "store/mailbox.h"
#include "store/upload.h"
#include "services/host/host_priv.h"

/* What waits for its end goes when its time is over: removed accounts (docs/accounts.md), expunged messages
 * (docs/reading.md), uploads that nobody used (docs/jmap.md). A fiber of loop 0, so that one after the other does. What was begun before a crash
 * goes on. */

#define ACCOUNTS_LOOK_MIN_NS (1 * CLOCK_SEC)
#define ACCOUNTS_LOOK_MAX_NS CLOCK_HOUR
#define ACCOUNTS_LOOK_PART   10 /* of the shorter time */

static int64_t look_after(int64_t grace)
{
	int64_t ns = grace / ACCOUNTS_LOOK_PART;

	if (ns < ACCOUNTS_LOOK_MIN_NS)
		return ACCOUNTS_LOOK_MIN_NS;
	return ns > ACCOUNTS_LOOK_MAX_NS ? ACCOUNTS_LOOK_MAX_NS : ns;
}

static FIBER int purge_all(struct host *h, int64_t grace, struct err *e)
{
	int64_t before = loop_wall_ns() - grace;
	uint64_t id;

	do {
		if (account_next_to_purge(h->store, before, &id, e) < 0)
			return -1;
		if (!id)
			return 0;
		if (account_purge_due(h->store, id, before, e) < 0)
			return -1;
		log_event(&h->log, LOG_INFO, "host.account.gone", LF_INT("account", id));
	} while (true);
}

static FIBER int sweep_expunged(struct host *h, int64_t keep, struct err *e)
{
	uint64_t swept = 0;

	if (mailbox_gone_sweep(h->store, loop_wall_ns() - keep, &swept, e) < 0)
		return -1;
	if (swept)
		log_event(&h->log, LOG_INFO, "host.expunged.gone", LF_INT("messages", swept));
	return 0;
}

static FIBER int sweep_uploads(struct host *h, struct err *e)
{
	uint64_t swept = 0;

	if (upload_sweep(h->store, loop_wall_ns(), &swept, e) < 0)
		return -1;
	if (swept)
		log_event(&h->log, LOG_INFO, "host.uploads.gone", LF_INT("uploads", swept));
	return 0;
}

FIBER int host_accounts_keep(void *arg)
{
	struct host *h = arg;
	int64_t grace, keep;

	do {
		struct err e = {0};

		grace = h->settings->config->accounts.grace;
		keep = h->settings->config->reading.keep_expunged;
		if (purge_all(h, grace, &e) < 0 && e.code != ERR_CANCELLED)
			log_event(
				&h->log, LOG_WARN, "host.account.failed", LF_STR("error", e.text));
		err_clear(&e);
		if (sweep_expunged(h, keep, &e) < 0 && e.code != ERR_CANCELLED)
			log_event(
				&h->log, LOG_WARN, "host.expunged.failed", LF_STR("error", e.text));
		err_clear(&e);
		if (sweep_uploads(h, &e) < 0 && e.code != ERR_CANCELLED)
			log_event(
				&h->log, LOG_WARN, "host.uploads.failed", LF_STR("error", e.text));
	} while (fiber_sleep(look_after(grace < keep ? grace : keep), NULL) == 0);
	return 0;
}
