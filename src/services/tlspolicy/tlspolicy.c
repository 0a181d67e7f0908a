/* What holds for a destination. */

#include "services/tlspolicy/tlspolicy.h"

#include <stdlib.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy_priv.h"

struct tlspolicy *tlspolicy_new(const struct tlspolicy_opts *opts)
{
	struct tlspolicy *t = NEW(struct tlspolicy);
	struct hash_key key = {clock_mono_ns() ^ (uintptr_t)t, clock_wall_ns()};

	t->opts = *opts;
	pthread_mutex_init(&t->lock, NULL);
	hash_map_init(&t->failed, key);
	hash_map_init(&t->waiting, key);
	return t;
}

void tlspolicy_free(struct tlspolicy **tp)
{
	struct tlspolicy *t = *tp;

	if (!t)
		return;
	*tp = NULL;
	tlspolicy_failed_clear(t);
	tlspolicy_waiting_clear(t);
	hash_map_fini(&t->failed);
	hash_map_fini(&t->waiting);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static uint64_t generation(const struct tlspolicy *t)
{
	return t->opts.store ? store_directory_generation(t->opts.store) : 0;
}

bool tlspolicy_is_current(const struct tlspolicy *t, const struct tls_policy *policy)
{
	return policy->generation == generation(t);
}

/* Everything that a decision is made of. */
struct weigh {
	struct tlspolicy *t;
	struct arena *a;
	const struct tlspolicy_ask *ask;
	struct tls_policy *p;
	struct tls_override row;
	bool has_row;
	struct tlspolicy_sts sts;
	struct buf why;
};

static void say(struct weigh *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct weigh *w, const char *fmt, ...)
{
	va_list ap;

	buf_str(&w->why, buf_len(&w->why) ? "; " : "");
	va_start(ap, fmt);
	buf_vprintf(&w->why, fmt, ap);
	va_end(ap);
}

static void raise_to(struct tls_policy *p, enum tls_level level)
{
	if (p->level < level)
		p->level = level;
}

/* Rows `none` and `may` lower what the domain publishes: an administrator says so on purpose. All others
 * only raise. */
static bool does_published_count(const struct weigh *w)
{
	if (w->p->is_requiretls)
		return true;
	if (w->has_row && w->row.level <= TLS_LEVEL_MAY)
		return false;
	return !w->p->is_tls_optional;
}

static void weigh_row(struct weigh *w)
{
	if (!w->has_row)
		return;
	/* Without TLSA records this one asks for nothing; with them the host decides. */
	if (w->row.level != TLS_LEVEL_DANE)
		w->p->level = w->row.level;
	say(w, "the override for " SPAN_FMT " says %s", SPAN_ARG(w->row.match),
		tls_level_str(w->row.level));
}

/* RFC 7672 section 2.2: names of hosts that are not validated prove nothing. */
static void weigh_dane(struct weigh *w)
{
	bool is_asked = w->has_row && w->row.level >= TLS_LEVEL_DANE;

	if (!does_published_count(w) || (w->t->opts.is_dane_off && !is_asked) || !w->t->opts.dns)
		return;
	if (!w->ask->is_fixed && !w->ask->is_mx_secure) {
		if (is_asked)
			say(w, "DNSSEC does not protect its MX records, so there is no DANE");
		return;
	}
	w->p->is_dane = true;
	say(w,
		w->ask->is_fixed
			? "TLSA records of the host decide where DNSSEC protects them"
			: "DNSSEC protects its MX records: TLSA records of each host decide");
}

static FIBER int weigh_sts(struct weigh *w, struct err *e)
{
	struct tls_policy *p = w->p;

	if (!does_published_count(w) || w->ask->is_fixed || w->t->opts.is_sts_off)
		return 0;
	if (tlspolicy_sts_find(w->t, w->a, p->domain, &w->sts, e) < 0)
		return -1;
	p->sts = w->sts.policy;
	p->sts_text = w->sts.text;
	if (w->sts.why)
		say(w, "%s", w->sts.why);
	if (p->sts && p->sts->mode == MTA_STS_ENFORCE)
		raise_to(p, TLS_LEVEL_VERIFY);
	return 0;
}

/* RFC 8689: what the letter itself asks for. */
static void weigh_letter(struct weigh *w)
{
	if (w->p->is_requiretls) {
		raise_to(w->p, TLS_LEVEL_VERIFY);
		say(w, "the letter asks for REQUIRETLS");
	} else if (w->p->is_tls_optional) {
		say(w, "the letter says TLS-Required: No, what is published does not count");
	}
}

/* Patterns that are the same for all customers of a provider keep them together. */
static void put_patterns(struct weigh *w, struct buf *b)
{
	const struct mta_sts_policy *sts = w->p->sts;
	struct buf all;

	buf_init(&all, TLSPOLICY_KEY_MAX);
	for (size_t i = 0; i < sts->mx_count; i++) {
		buf_char(&all, i ? ',' : ':');
		buf_span_put(&all, sts->mx[i]);
	}
	if (buf_ok(&all)) {
		buf_span_put(b, buf_span(&all));
	} else {
		buf_str(b, "=");
		buf_span_put(b, w->p->domain);
	}
	buf_fini(&all);
}

static void make_key(struct weigh *w)
{
	const struct tls_policy *p = w->p;
	struct buf b;

	buf_init(&b, 2 * TLSPOLICY_KEY_MAX + TLS_MATCH_MAX);
	if (p->level != TLS_LEVEL_MAY)
		buf_str(&b, tls_level_str(p->level));
	if (p->is_dane)
		buf_str(&b, "+dane");
	if (p->sts && (p->sts->mode == MTA_STS_ENFORCE || p->is_requiretls)) {
		buf_str(&b, "+sts");
		put_patterns(w, &b);
	}
	if (p->is_requiretls)
		buf_str(&b, p->is_mx_secure ? "+requiretls" : "+requiretls-unsigned");
	if (p->is_tls_optional)
		buf_str(&b, "+optional");
	w->p->key = arena_span(w->a, buf_span(&b));
	buf_fini(&b);
}

static FIBER int weigh_all(struct weigh *w, struct err *e)
{
	struct tlspolicy *t = w->t;

	if (t->opts.store &&
		tls_override_find(t->opts.store, w->a, w->p->domain, &w->row, &w->has_row, e) < 0)
		return -1;
	weigh_row(w);
	weigh_dane(w);
	if (weigh_sts(w, e) < 0)
		return -1;
	weigh_letter(w);
	if (buf_len(&w->why) == 0)
		say(w, "no policy is published: TLS where it is offered");
	return 0;
}

FIBER int tlspolicy_domain(struct tlspolicy *t, struct arena *a, const struct tlspolicy_ask *ask,
	struct tls_policy **policy_r, struct err *e)
{
	struct tls_policy *p = ARENA_NEW(a, struct tls_policy);
	struct weigh w = {.t = t, .a = a, .ask = ask, .p = p};
	int rc;

	p->generation = generation(t); /* before the tables are read */
	p->level = TLS_LEVEL_MAY;
	p->domain = arena_span(a, ask->destination);
	p->is_fixed = ask->is_fixed;
	p->is_mx_secure = ask->is_mx_secure;
	p->is_requiretls = ask->is_requiretls;
	p->is_tls_optional = ask->is_tls_optional && !ask->is_requiretls; /* section 4.1 */
	buf_init(&w.why, 4096);
	rc = weigh_all(&w, e);
	if (rc == 0) {
		make_key(&w);
		p->why = arena_str(a, buf_span(&w.why));
		*policy_r = p;
	}
	buf_fini(&w.why);
	return rc;
}
