#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"
#include "store/directory.h"
#include "services/acme/acme_priv.h"

/* What is due, when, and what became of it. */

#define KEEP_LOOK_NS CLOCK_HOUR /* at the latest */
#define KEEP_SOON_NS CLOCK_MIN  /* the store failed */

/* After a failure: authorities count those by the hour (5 of a name, say), so the first tries are not
 * close together, and the last ones are a day apart. */
static const int64_t ladder_ns[] = {CLOCK_MIN, 10 * CLOCK_MIN, 100 * CLOCK_MIN, CLOCK_DAY};

struct acme *acme_new(const struct acme_opts *opts)
{
	struct acme *acme = NEW(struct acme);

	acme->opts = *opts;
	pthread_mutex_init(&acme->lock, NULL);
	fiber_cond_init(&acme->changed);
	return acme;
}

/* ---- settings ---- */

static void plan_unref(struct acme_plan **p)
{
	struct acme_plan *was = *p;

	*p = NULL;
	if (!was)
		return;
	MUST(was->refs > 0);
	if (--was->refs == 0) {
		struct arena *a = was->arena;

		arena_free(&a);
	}
}

static const char *copy(struct arena *a, const char *text)
{
	return arena_str(a, span_str(text));
}

static struct acme_plan *plan_new(const struct acme_settings *s, struct err *e)
{
	struct arena *a = arena_new();
	struct acme_plan *p = ARENA_NEW(a, struct acme_plan);
	const char **names = ARENA_ARRAY(a, const char *, s->name_count + 1);
	struct span text;

	p->arena = a;
	p->refs = 1;
	p->s = *s;
	p->s.directory = copy(a, s->directory);
	p->s.email = copy(a, s->email);
	p->s.eab_kid = copy(a, s->eab_kid);
	p->s.eab_key = copy(a, s->eab_key);
	secret_guard(a, span_str(p->s.eab_key));
	p->s.ca_file = copy(a, s->ca_file);
	p->s.names = names;
	for (size_t i = 0; i < s->name_count; i++) {
		if (acme_names(a, span_str(s->names[i]), &text, e) < 0) {
			err_wrap(e, "acme: names");
			plan_unref(&p);
			return NULL;
		}
		names[i] = arena_str(a, text);
	}
	return p;
}

int acme_check(const struct acme_settings *settings, struct err *e)
{
	struct acme_plan *p;

	if (settings->directory[0] && !settings->is_agreed)
		return err_set(e, ERR_CONFIG,
			"acme: agree = yes is needed: it says that you agree to the terms of service "
			"of %s",
			settings->directory);
	if (settings->directory[0] && !span_starts(span_str(settings->directory), SPAN("https://")))
		return err_set(e, ERR_CONFIG, "acme: directory \"%s\" is no https address",
			settings->directory);
	p = plan_new(settings, e);
	if (!p)
		return -1;
	plan_unref(&p);
	return 0;
}

int acme_set(struct acme *acme, const struct acme_settings *settings, struct err *e)
{
	struct acme_plan *fresh = plan_new(settings, e);

	if (!fresh)
		return -1;
	plan_unref(&acme->plan);
	acme->plan = fresh;
	fiber_cond_broadcast(&acme->changed);
	return 0;
}

void acme_connect(struct acme *acme, struct work_lane *lane, struct dns *dns)
{
	acme->lane = lane;
	acme->dns = dns;
}

bool acme_is_on(const struct acme *acme)
{
	return acme->plan && acme->plan->s.directory[0];
}

void acme_free(struct acme **acme_p)
{
	struct acme *acme = *acme_p;

	*acme_p = NULL;
	if (!acme)
		return;
	plan_unref(&acme->plan);
	MUST(!acme->answers); /* fibers clean up behind themselves */
	pthread_mutex_destroy(&acme->lock);
	free(acme);
}

/* ---- one certificate ---- */

/* A third of its life is left then. */
static int64_t renewal_ns(const struct certificate *row)
{
	int64_t life_ns = row->not_after_ns - row->not_before_ns;

	/* machines that began together do not come together */
	return row->not_after_ns - life_ns / 3 -
		(int64_t)(loop_random() % (uint64_t)(life_ns / 50 + 1));
}

static int64_t again_ns(const struct acme_talk *t, int64_t tries)
{
	size_t last = sizeof(ladder_ns) / sizeof(ladder_ns[0]) - 1;
	int64_t ns = ladder_ns[(size_t)tries - 1 < last ? (size_t)tries - 1 : last];

	ns += (int64_t)(loop_random() % (uint64_t)(ns / 10));
	return loop_wall_ns() + (t->retry_ns > ns ? t->retry_ns : ns);
}

static FIBER int finish(
	struct acme_talk *t, struct certificate *row, const struct err *failed, struct err *e)
{
	const struct log *log = t->acme->opts.log;

	if (failed) {
		row->tries++;
		row->next_ns = again_ns(t, row->tries);
		row->error = span_str(failed->text);
		log_event(log, LOG_ERROR, "acme.failed", LF("name", row->name),
			LF_STR("error", failed->text), LF_INT("tries", row->tries));
	} else {
		row->tries = 0;
		row->error = SPAN_NONE;
		row->next_ns = renewal_ns(row);
		log_event(log, LOG_INFO, "acme.certificate", LF("name", row->name),
			LF_INT("days", (row->not_after_ns - loop_wall_ns()) / CLOCK_DAY));
	}
	if (certificate_put(t->acme->opts.store, row, e) < 0)
		return -1;
	if (!failed)
		t->acme->opts.changed(t->acme->opts.arg);
	return 0;
}

static FIBER int try_once(struct acme_talk *t, struct certificate *row, struct err *e)
{
	int rc = acme_talk_begin(t, e);

	if (rc == 0)
		rc = acme_order(t, row, e);
	acme_talk_end(t);
	return rc;
}

/* An authority that has forgotten us (section 7.3.1) takes the same key again. */
static FIBER int forget_account(struct acme_talk *t, struct err *e)
{
	if (acme_say(t, e, "the authority does not know the account any more") < 0)
		return -1;
	t->is_forgotten = true;
	return 0;
}

static FIBER int certificate_get(struct acme_talk *t, struct span name, struct span names,
	struct certificate *row, struct err *e)
{
	bool is_found;

	if (certificate_find(t->acme->opts.store, t->a, name, row, &is_found, e) < 0)
		return -1;
	if (!span_eq(row->names, names))
		row->order_url = SPAN_NONE;
	row->names = names;
	return 0;
}

static FIBER int obtain(struct acme_talk *t, struct span names, struct err *e)
{
	struct span first = names, name = span_word(&first);
	struct certificate row;
	struct err why = {0};
	int rc;

	if (certificate_get(t, name, names, &row, e) < 0)
		return -1;
	rc = try_once(t, &row, &why);
	if (rc < 0 && why.code == ERR_REPLY && strcmp(t->problem, "accountDoesNotExist") == 0 &&
		!t->is_new_account) {
		if (forget_account(t, e) < 0)
			return -1;
		row.order_url = SPAN_NONE;
		rc = try_once(t, &row, &why);
	}
	/* What was cancelled goes on at the next start: nothing has failed. */
	if (rc < 0 && why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (finish(t, &row, rc < 0 ? &why : NULL, e) < 0)
		return -1;
	return rc < 0 ? err_copy(e, &why) : 0;
}

static FIBER int begin(struct acme *acme, struct acme_talk *t, struct err *e)
{
	while (acme->is_busy)
		if (fiber_cond_wait(&acme->changed, CLOCK_NEVER, e) < 0)
			return -1;
	if (!acme_is_on(acme) || !acme->lane)
		return err_set(e, ERR_STATE,
			"no authority is set up: the section acme needs directory and agree = yes");
	acme->is_busy = true;
	t->acme = acme;
	t->plan = acme->plan;
	t->plan->refs++;
	t->a = arena_new();
	return 0;
}

static void end(struct acme *acme, struct acme_talk *t)
{
	arena_free(&t->a);
	plan_unref(&t->plan);
	acme->is_busy = false;
	fiber_cond_broadcast(&acme->changed);
}

FIBER int acme_request(struct acme *acme, struct span names, bool is_new_account,
	acme_step_fn *step, void *arg, struct err *e)
{
	struct acme_talk t = {.step = step, .step_arg = arg, .is_new_account = is_new_account};
	struct span normal;
	int rc;

	if (begin(acme, &t, e) < 0)
		return -1;
	rc = acme_names(t.a, names, &normal, e);
	if (rc == 0)
		rc = obtain(&t, normal, e);
	end(acme, &t);
	return rc;
}

FIBER int acme_look(struct acme *acme, acme_step_fn *step, void *arg, struct err *e)
{
	struct acme_talk t = {.step = step, .step_arg = arg};
	int rc;

	if (begin(acme, &t, e) < 0)
		return -1;
	rc = acme_talk_begin(&t, e);
	if (rc == 0)
		rc = acme_say(&t, e, "it knows us as %s", t.kid);
	acme_talk_end(&t);
	end(acme, &t);
	return rc;
}

/* ---- the keeper ---- */

/* Of what the configuration names: is it there, for the same names, and not due? */
static bool is_row_of(const struct certificate *row, struct span names)
{
	struct span rest = names;

	return span_eq(row->name, span_word(&rest));
}

struct due {
	struct arena *a;
	struct span names; /* "" nothing is due */
	int64_t next_ns;   /* wall clock, of what comes next */
};

static void offer(struct due *d, int64_t at_ns, struct span names)
{
	if (at_ns >= d->next_ns)
		return;
	d->next_ns = at_ns;
	d->names = names;
}

static FIBER int find_due(struct acme *acme, struct due *d, struct err *e)
{
	const struct acme_settings *s;
	struct certificate *rows;
	size_t count;

	d->next_ns = CLOCK_NEVER;
	if (certificate_list(acme->opts.store, d->a, &rows, &count, e) < 0)
		return -1;
	s = &acme->plan->s;
	for (size_t i = 0; i < s->name_count; i++) {
		struct span names = arena_span(d->a, span_str(s->names[i]));
		size_t k = 0;

		while (k < count && !is_row_of(&rows[k], names))
			k++;
		/* one that has other names now is asked for at once, but not again and again */
		if (k == count)
			offer(d, 0, names);
		else if (!span_eq(rows[k].names, names))
			offer(d, 0, names);
	}
	for (size_t k = 0; k < count; k++)
		offer(d, rows[k].next_ns, rows[k].names);
	return 0;
}

static FIBER int keep_once(struct acme *acme, int64_t *wait_ns_r, struct err *e)
{
	struct due d = {.a = arena_new()};
	struct acme_talk t = {0};
	struct err why = {0};
	int rc = find_due(acme, &d, e);
	int64_t left_ns = rc < 0 ? 0 : d.next_ns - loop_wall_ns();

	*wait_ns_r = left_ns > KEEP_LOOK_NS ? KEEP_LOOK_NS : left_ns;
	if (rc == 0 && left_ns <= 0) {
		rc = begin(acme, &t, e);
		/* a failure is in the row by then, and told */
		if (rc == 0 && obtain(&t, d.names, &why) < 0 && why.code == ERR_CANCELLED)
			rc = err_copy(e, &why);
		if (t.a)
			end(acme, &t);
		*wait_ns_r = 0;
	}
	arena_free(&d.a);
	return rc;
}

FIBER int acme_keep(void *arg)
{
	struct acme *acme = arg;
	int64_t wait_ns = 0;
	struct err e = {0};

	for (;;) {
		if (!acme_is_on(acme)) {
			wait_ns = KEEP_LOOK_NS;
		} else if (keep_once(acme, &wait_ns, &e) < 0) {
			if (e.code == ERR_CANCELLED)
				return 0;
			log_event(acme->opts.log, LOG_ERROR, "acme.keep", LF_STR("error", e.text));
			wait_ns = KEEP_SOON_NS;
		}
		/* never in circles, whatever the store says */
		if (wait_ns < CLOCK_SEC)
			wait_ns = CLOCK_SEC;
		err_clear(&e);
		if (fiber_cond_wait(&acme->changed, loop_now_ns() + wait_ns, &e) < 0 &&
			e.code == ERR_CANCELLED)
			return 0;
	}
}
