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

/* What has waited for its time in the mailbox for such lies in Sent from then on. */
static FIBER int to_sent(struct jmapd *d, struct err *e)
{
	struct store *s = jmapd_opts_of(d)->store;
	struct arena *a = arena_new();
	struct outbox_over *list;
	size_t count = 0;
	int rc = outbox_over(s, a, &list, &count, e);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct err why = {0};

		/* one whose mailbox is full stays where it is; the others go */
		if (outbox_to_sent(s, &list[i], &why) < 0)
			tell(d, "jmap.sent.failed", &why);
	}
	arena_free(&a);
	return rc;
}

struct plan {
	struct jmapd *d;
	int64_t wall_ns, next_ns; /* wall clock */
	bool is_bad;
};

/* One kind of work is done; when it has more to do, and whether it failed. */
static void done(struct plan *p, int rc, const char *what, int64_t next_ns, struct err *e)
{
	if (rc < 0) {
		tell(p->d, what, e);
		p->is_bad = true;
	} else if (next_ns < p->next_ns) {
		p->next_ns = next_ns;
	}
	err_clear(e);
}

FIBER void jmap_tasks(struct jmapd *d, int64_t *next_r)
{
	struct plan p = {.d = d, .wall_ns = loop_wall_ns(), .next_ns = CLOCK_NEVER};
	int64_t next_ns = CLOCK_NEVER, wait;
	bool is_more = true;
	struct err e = {0};
	int rc;

	rc = jmap_snooze_run(d, &next_ns, &e);
	done(&p, rc, "jmap.snooze.failed", next_ns, &e);
	rc = outbox_tick(jmapd_opts_of(d)->store, p.wall_ns, &next_ns, &e);
	done(&p, rc, "jmap.outbox.failed", next_ns, &e);
	done(&p, to_sent(d, &e), "jmap.sent.failed", CLOCK_NEVER, &e);
	while (is_more && (rc = jmap_away_run(d, &is_more, &e)) == 0)
		;
	done(&p, rc, "vacation.failed", CLOCK_NEVER, &e);
	wait = p.is_bad ? JMAP_AGAIN_NS : JMAP_TASKS_NS;
	if (p.next_ns < p.wall_ns + wait)
		wait = p.next_ns > p.wall_ns ? p.next_ns - p.wall_ns : 0;
	*next_r = loop_now_ns() + wait;
}
