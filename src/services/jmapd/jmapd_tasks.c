#include "services/jmapd/jmapd_tasks.h"

#include "run/loop.h"
#include "store/outbox.h"
#include "services/jmapd/jmapd_responder.h"
#include "services/jmapd/jmapd_write.h"

static void tell(struct jmapd *d, const char *what, const struct err *e)
{
	if (e->code != ERR_CANCELLED)
		log_event(jmapd_opts_of(d)->log, LOG_WARN, what, LF_STR("error", e->text));
}

FIBER void jmap_tasks(struct jmapd *d)
{
	int64_t next_ns;
	bool is_more = true;
	struct err e = {0};

	if (jmap_snooze_run(d, &next_ns, &e) < 0)
		tell(d, "jmap.snooze.failed", &e);
	err_clear(&e);
	if (outbox_tick(jmapd_opts_of(d)->store, loop_wall_ns(), &next_ns, &e) < 0)
		tell(d, "jmap.outbox.failed", &e);
	err_clear(&e);
	while (is_more && jmap_away_run(d, &is_more, &e) == 0)
		;
	if (e.code)
		tell(d, "vacation.failed", &e);
}
