/* Sessions of a loop that end when their login does. The store's notice comes on its writer's thread and
 * becomes a message to each loop that has a book. */

#include <stdlib.h>

#include "base/mem.h"
#include "services/auth/auth_priv.h"

/* On the book's loop. */
static void bell_arrived(struct loop_msg *msg)
{
	struct auth_bell *bell = (struct auth_bell *)msg;
	struct auth *a = bell->auth;

	pthread_mutex_lock(&a->lock);
	bell->is_posted = false;
	pthread_mutex_unlock(&a->lock);
	if (bell->book)
		fiber_cond_broadcast(&bell->book->changed);
}

void auth_book_ring(void *auth)
{
	struct auth *a = auth;

	pthread_mutex_lock(&a->lock);
	for (struct auth_bell *b = a->bells; b; b = b->next) {
		if (!b->loop || b->is_posted)
			continue;
		b->is_posted = true;
		b->msg = (struct loop_msg){.fn = bell_arrived};
		loop_post(b->loop, &b->msg);
	}
	pthread_mutex_unlock(&a->lock);
}

static struct auth_bell *bell_take(struct auth *a, struct auth_book *book)
{
	struct auth_bell *b;

	pthread_mutex_lock(&a->lock);
	/* One whose last notice is still under way is another loop's. */
	for (b = a->bells; b && (b->loop || b->is_posted); b = b->next)
		;
	if (!b) {
		b = NEW(struct auth_bell);
		b->auth = a;
		b->next = a->bells;
		a->bells = b;
	}
	b->book = book;
	b->loop = loop_current();
	pthread_mutex_unlock(&a->lock);
	return b;
}

void auth_bells_free(struct auth *a)
{
	while (a->bells) {
		struct auth_bell *b = a->bells;

		a->bells = b->next;
		free(b);
	}
}

struct auth_book *auth_book_new(struct auth *a)
{
	struct auth_book *b = NEW(struct auth_book);

	b->auth = a;
	list_init(&b->marks);
	fiber_cond_init(&b->changed);
	b->bell = bell_take(a, b);
	return b;
}

void auth_book_free(struct auth_book **b)
{
	struct auth_book *was = *b;

	*b = NULL;
	if (!was)
		return;
	MUST(list_empty(&was->marks));
	pthread_mutex_lock(&was->auth->lock);
	was->bell->loop = NULL;
	was->bell->book = NULL;
	pthread_mutex_unlock(&was->auth->lock);
	free(was);
}

void auth_book_add(struct auth_book *b, struct auth_mark *m, struct auth_conn *c)
{
	*m = (struct auth_mark){.conn = c, .fiber = fiber_self()};
	list_push_back(&b->marks, &m->node);
	/* It came in with what was known before the last look. */
	if (c->who.generation < b->generation) {
		b->generation = c->who.generation;
		fiber_cond_broadcast(&b->changed);
	}
}

void auth_book_remove(struct auth_book *b, struct auth_mark *m)
{
	(void)b;
	list_remove(&m->node);
}

/* ---- looking at all of them ---- */

static int by_state(const void *x, const void *y)
{
	const struct account_state *a = x, *b = y;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->credential != b->credential)
		return a->credential < b->credential ? -1 : 1;
	return a->app_id < b->app_id ? -1 : a->app_id > b->app_id;
}

static bool is_due(const struct auth_mark *m, uint64_t generation)
{
	return !m->is_ended && m->conn->who.generation < generation;
}

static struct account_state state_of(const struct auth_mark *m)
{
	const struct auth_who *w = &m->conn->who;

	return (struct account_state){
		.id = w->account_id, .credential = w->credential, .app_id = w->app_id};
}

/* Sorted, each once. */
static size_t gather(const struct auth_book *b, uint64_t generation, struct account_state *states)
{
	size_t count = 0, kept = 0;

	LIST_EACH (n, &b->marks) {
		const struct auth_mark *m = LIST_ITEM(n, struct auth_mark, node);

		if (is_due(m, generation))
			states[count++] = state_of(m);
		if (count == ACCOUNT_STATES_MAX)
			break;
	}
	qsort(states, count, sizeof(*states), by_state);
	for (size_t i = 0; i < count; i++) {
		if (!kept || by_state(&states[kept - 1], &states[i]) != 0)
			states[kept++] = states[i];
	}
	return kept;
}

/* Marks came and went meanwhile: each is looked up anew. */
static void judge(
	struct auth_book *b, uint64_t generation, const struct account_state *states, size_t count)
{
	LIST_EACH_SAFE (n, &b->marks) {
		struct auth_mark *m = LIST_ITEM(n, struct auth_mark, node);
		struct account_state key = state_of(m);
		const struct account_state *st;

		if (!is_due(m, generation))
			continue;
		st = bsearch(&key, states, count, sizeof(*states), by_state);
		if (!st)
			continue;
		if (st->is_good) {
			m->conn->who.generation = generation;
			continue;
		}
		m->is_ended = true;
		log_event(b->auth->opts.log, LOG_INFO, "auth.ended",
			LF("user", m->conn->who.address));
		fiber_cancel(m->fiber);
	}
}

static FIBER int look(struct auth_book *b, struct err *e)
{
	uint64_t generation = store_directory_generation(b->auth->opts.store);
	struct account_state *states = mem_alloc(sizeof(*states) * ACCOUNT_STATES_MAX);
	size_t count;
	int rc = 0;

	/* A mark that is added during a read with an older generation takes this back. */
	b->generation = generation;
	while (rc == 0 && (count = gather(b, generation, states))) {
		rc = account_states(b->auth->opts.store, states, count, e);
		if (rc == 0)
			judge(b, generation, states, count);
	}
	if (rc < 0)
		b->generation = 0;
	free(states);
	return rc;
}

FIBER int auth_book_main(void *arg)
{
	struct auth_book *b = arg;
	struct err e = {0};

	for (;;) {
		while (b->generation == store_directory_generation(b->auth->opts.store)) {
			if (fiber_cond_wait(&b->changed, CLOCK_NEVER, &e) < 0)
				return 0;
		}
		if (look(b, &e) == 0)
			continue;
		if (e.code == ERR_CANCELLED)
			return 0;
		log_event(b->auth->opts.log, LOG_WARN, "auth.book.failed", LF_STR("error", e.text));
		if (fiber_sleep(AUTH_BOOK_WAIT_NS, NULL) < 0)
			return 0;
	}
}
