#include "run/bell.h"

#include <time.h>

#include "run_test.h"

#define SLEEPERS 4
#define ITEMS    20000

/* A queue of nothing but its length. */
struct queue {
	pthread_mutex_t lock;
	struct bell bell;
	unsigned items, taken;
	bool is_closing;
};

static void *take_all(void *arg)
{
	struct queue *q = arg;

	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (!q->items && !q->is_closing)
			bell_sleep(&q->bell, &q->lock);
		if (!q->items)
			break;
		q->items--;
		q->taken++;
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void put(struct queue *q)
{
	unsigned n;

	pthread_mutex_lock(&q->lock);
	q->items++;
	n = bell_claim(&q->bell, 1);
	pthread_mutex_unlock(&q->lock);
	bell_ring(&q->bell, n);
}

static void every_item_finds_a_taker_and_every_sleeper_the_end(void **state)
{
	struct queue q = {.lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[SLEEPERS];

	bell_init(&q.bell);
	for (size_t i = 0; i < SLEEPERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_all, &q), 0);
	for (unsigned i = 0; i < ITEMS; i++)
		put(&q);
	pthread_mutex_lock(&q.lock);
	q.is_closing = true;
	bell_ring(&q.bell, bell_claim(&q.bell, SLEEPERS));
	pthread_mutex_unlock(&q.lock);
	for (size_t i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(q.taken, ITEMS);
	bell_fini(&q.bell);
	pthread_mutex_destroy(&q.lock);
}

static void a_claim_is_no_more_than_those_who_sleep(void **state)
{
	struct queue q = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct timespec pause = {0, 1000000};
	unsigned asleep = 0, claimed;
	pthread_t thread;

	bell_init(&q.bell);
	assert_int_equal(bell_claim(&q.bell, 3), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_all, &q), 0);
	while (!asleep) {
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&q.lock);
		asleep = q.bell.sleepers;
		pthread_mutex_unlock(&q.lock);
	}
	pthread_mutex_lock(&q.lock);
	claimed = bell_claim(&q.bell, 3);
	assert_int_equal(claimed, 1);
	assert_int_equal(bell_claim(&q.bell, 3), 0); /* it is spoken for */
	q.is_closing = true;
	pthread_mutex_unlock(&q.lock);
	bell_ring(&q.bell, claimed);
	pthread_join(thread, NULL);
	bell_fini(&q.bell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_item_finds_a_taker_and_every_sleeper_the_end),
		cmocka_unit_test(a_claim_is_no_more_than_those_who_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
