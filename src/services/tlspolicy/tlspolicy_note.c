/* Results for TLSRPT: summed in memory, written together. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy_priv.h"

#define NOTE_KEY_MAX  2048
#define NOTE_BATCH    16         /* rows of one transaction; they lie on a fiber's stack */
#define NOTE_TEXT_MAX (8 * 1024) /* of a policy */

static int64_t today(void)
{
	return loop_wall_ns() / CLOCK_DAY;
}

static void waiting_free(struct tlspolicy_waiting *w)
{
	free(w->memory);
	free(w);
}

void tlspolicy_waiting_clear(struct tlspolicy *t)
{
	struct span name;
	void *w;

	for (size_t at = 0; hash_map_next(&t->waiting, &at, &name, &w);) {
		hash_map_remove(&t->waiting, name);
		waiting_free(w);
	}
}

/* One block for all texts of a result. */
static struct tlspolicy_waiting *waiting_new(const struct tls_result *r)
{
	struct tlspolicy_waiting *w = NEW(struct tlspolicy_waiting);
	const struct span *from[] = {
		&r->domain, &r->policy, &r->mx, &r->kind, &r->detail, &r->peer, &r->policy_text};
	struct span *to[] = {&w->result.domain, &w->result.policy, &w->result.mx, &w->result.kind,
		&w->result.detail, &w->result.peer, &w->result.policy_text};
	size_t len = 1;
	char *at;

	w->result = *r;
	for (size_t i = 0; i < ARRAY_LEN(from); i++)
		len += from[i]->len;
	w->memory = at = mem_alloc(len);
	for (size_t i = 0; i < ARRAY_LEN(to); i++) {
		size_t n = from[i]->len;

		if (n)
			memcpy(at, from[i]->ptr, n);
		*to[i] = span_of(at, n);
		at += n;
	}
	return w;
}

static void note(struct tlspolicy *t, struct tls_result *r)
{
	struct tlspolicy_waiting *w, *old;
	struct span name;
	struct buf key;

	buf_init(&key, NOTE_KEY_MAX);
	buf_printf(&key, "%lld ", (long long)r->day);
	buf_span_put(&key, r->domain);
	buf_char(&key, ' ');
	buf_span_put(&key, r->policy);
	buf_char(&key, ' ');
	buf_span_put(&key, r->mx);
	buf_char(&key, ' ');
	buf_span_put(&key, r->kind);
	name = buf_span(&key);
	w = waiting_new(r);
	pthread_mutex_lock(&t->lock);
	old = hash_map_get(&t->waiting, name);
	if (!buf_ok(&key) || (!old && hash_map_count(&t->waiting) >= TLSPOLICY_NOTES_MAX)) {
		t->lost++;
		old = w;
	} else {
		w->result.sessions += old ? old->result.sessions : 0;
		hash_map_set(&t->waiting, name, w);
	}
	pthread_mutex_unlock(&t->lock);
	if (old)
		waiting_free(old);
	buf_fini(&key);
}

void tlspolicy_note_domain(struct tlspolicy *t, struct span domain, enum tlsrpt_policy policy,
	enum tlsrpt_result kind, struct span detail, const char *policy_text)
{
	struct tls_result r = {.day = today(),
		.domain = domain,
		.policy = span_str(tlsrpt_policy_str(policy)),
		.kind = span_str(tlsrpt_result_str(kind)),
		.sessions = 1,
		.detail = span_sub(detail, 0, TLS_DETAIL_MAX),
		.policy_text = span_sub(span_str(policy_text), 0, NOTE_TEXT_MAX)};

	if (t->opts.store)
		note(t, &r);
}

void tlspolicy_note(struct tlspolicy *t, const struct tls_policy *p, const struct tls_host *h,
	enum tlsrpt_result kind, struct span peer, struct span detail)
{
	struct tls_result r = {.day = today(),
		.domain = p->domain,
		.policy = span_str(tlsrpt_policy_str(h->report)),
		.mx = h->name,
		.kind = span_str(tlsrpt_result_str(kind)),
		.sessions = 1,
		.peer = peer,
		.detail = span_sub(detail, 0, TLS_DETAIL_MAX),
		.policy_text = span_sub(span_str(h->policy_text), 0, NOTE_TEXT_MAX)};

	/* RFC 8460 reports to domains; a next hop that we chose has none. */
	if (t->opts.store && !p->is_fixed)
		note(t, &r);
}

FIBER int tlspolicy_flush(struct tlspolicy *t, struct err *e)
{
	struct tls_result rows[NOTE_BATCH];
	struct tlspolicy_waiting *taken[NOTE_BATCH];
	int rc = 0;

	while (t->opts.store) {
		struct span name;
		size_t count = 0;
		void *w;

		pthread_mutex_lock(&t->lock);
		for (size_t at = 0;
			count < ARRAY_LEN(rows) && hash_map_next(&t->waiting, &at, &name, &w);
			count++) {
			hash_map_remove(&t->waiting, name);
			taken[count] = w;
			rows[count] = taken[count]->result;
		}
		pthread_mutex_unlock(&t->lock);
		if (count == 0)
			return rc;
		if (rc == 0)
			rc = tls_result_add(t->opts.store, rows, count, e);
		for (size_t i = 0; i < count; i++)
			waiting_free(taken[i]);
	}
	return rc;
}

static FIBER void forget_old(struct tlspolicy *t)
{
	int64_t day = today();

	if (!t->opts.store || t->swept_day == day)
		return;
	t->swept_day = day;
	tls_result_sweep(t->opts.store, day - TLS_RESULT_DAYS, NULL);
	sts_fact_sweep(t->opts.store, loop_wall_ns(), NULL);
}

FIBER int tlspolicy_keep(void *tlspolicy)
{
	struct tlspolicy *t = tlspolicy;

	while (fiber_sleep(TLSPOLICY_FLUSH_NS, NULL) == 0) {
		struct err e = {0};

		if (tlspolicy_flush(t, &e) < 0 && e.code != ERR_CANCELLED && t->opts.log)
			log_event(t->opts.log, LOG_WARN, "tls.results.lost",
				LF_STR("reason", e.text));
		forget_old(t);
	}
	return 0;
}
