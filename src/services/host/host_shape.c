/* The table of shaping: read from the store at the start, and again whenever it has changed; the queue
 * is told, and obeys at once. */

#include "services/host/host_priv.h"

#define SHAPE_AGAIN_NS (5 * CLOCK_SEC) /* after an error of the store */

FIBER struct shape *host_shape_read(struct store *store, const struct config *config, struct err *e)
{
	struct arena *a = arena_new();
	struct shape *shape = NULL;
	struct shape_rows rows;

	if (shape_load(store, a, &rows, e) == 0)
		shape = shape_new(
			&rows, config ? (unsigned)config->queue.connections : QUEUE_CONNECTIONS);
	arena_free(&a);
	return shape;
}

static FIBER int follow(struct host *h, struct err *e)
{
	struct shape *shape = host_shape_read(h->store, h->config, e);

	if (!shape)
		return -1;
	queue_reshape(h->queue, shape);
	shape_unref(&shape);
	return 0;
}

static void change_arrived(struct loop_msg *msg)
{
	struct host *h = CONTAINER_OF(msg, struct host, shape_msg);

	__atomic_store_n(&h->is_shape_posted, false, __ATOMIC_SEQ_CST);
	fiber_cond_broadcast(&h->shape_changed);
}

/* Runs on the writer's thread after each commit that touched the directory. */
static void tables_changed(void *arg)
{
	struct host *h = arg;

	if (__atomic_exchange_n(&h->is_shape_posted, true, __ATOMIC_SEQ_CST))
		return;
	h->shape_msg = (struct loop_msg){.fn = change_arrived};
	loop_post(h->workers[0].loop, &h->shape_msg);
}

static FIBER int keep(void *host)
{
	struct host *h = host;
	struct err e = {0};

	while (!fiber_is_cancelled(fiber_self())) {
		uint64_t now = store_directory_generation(h->store);

		if (now == h->shape_generation) {
			fiber_cond_wait(&h->shape_changed, CLOCK_NEVER, NULL);
		} else if (follow(h, &e) == 0) {
			h->shape_generation = now;
		} else {
			log_event(&h->log, LOG_ERROR, "shape.load", LF_STR("reason", e.text));
			err_clear(&e);
			fiber_sleep(SHAPE_AGAIN_NS, NULL);
		}
	}
	return 0;
}

FIBER int host_shape_begin(struct host *h, struct err *e)
{
	fiber_cond_init(&h->shape_changed);
	h->shape_generation = store_directory_generation(h->store);
	if (follow(h, e) < 0)
		return err_wrap(e, "shaping");
	store_subscribe(h->store, STORE_DIRECTORY, tables_changed, h);
	return fiber_start(&h->tls_keeper, "shaping", keep, h, e);
}
