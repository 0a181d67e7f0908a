/* The memory of fibers: one mapping each, guard page at the bottom, struct fiber at the top. */

#include "run/fiber_priv.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/must.h"
#include "run/loop_priv.h"

#define STACK_PAGE 4096
#define STACK_MAP  (STACK_PAGE + FIBER_STACK_BYTES)
/* What the frame that saves a stack pointer may still use below its frame address. */
#define STACK_SLACK 256

/* vm.max_map_count is a limit of the process, so its count is one too (the room's only global). */
static atomic_size_t stack_count;

static char *stack_map_of(const struct fiber *f)
{
	return (char *)(uintptr_t)f->ctx.bottom - STACK_PAGE;
}

static struct fiber *stack_new(struct loop *l, struct err *e)
{
	struct fiber *f;
	char *map;

	if (atomic_fetch_add(&stack_count, 1) >= FIBER_STACKS_MAX) {
		atomic_fetch_sub(&stack_count, 1);
		err_set(e, ERR_LIMIT, "no more than %d fibers", FIBER_STACKS_MAX);
		return NULL;
	}
	map = mmap(NULL, STACK_MAP, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED || mprotect(map, STACK_PAGE, PROT_NONE) < 0) {
		err_set(e, ERR_LIMIT, "no memory for a fiber's stack: %s", strerror(errno));
		if (map != MAP_FAILED)
			munmap(map, STACK_MAP);
		atomic_fetch_sub(&stack_count, 1);
		return NULL;
	}
	f = (struct fiber *)(void *)(map + STACK_MAP - ((sizeof(*f) + 63) & ~(size_t)63));
	f->loop = l;
	f->ctx.bottom = map + STACK_PAGE;
	f->ctx.size = (size_t)((char *)f - (map + STACK_PAGE));
	switch_ctx_init(&f->ctx);
	list_init(&f->queue_node);
	list_init(&f->all_node);
	list_init(&f->group_node);
	return f;
}

static void stack_free(struct fiber *f)
{
	char *map = stack_map_of(f);

	switch_ctx_fini(&f->ctx);
	list_remove(&f->queue_node);
	munmap(map, STACK_MAP);
	atomic_fetch_sub(&stack_count, 1);
}

struct fiber *fiber_make(struct loop *l, struct err *e)
{
	struct fiber *f;

	if (list_empty(&l->pool)) {
		f = stack_new(l, e);
		if (!f)
			return NULL;
	} else {
		f = LIST_ITEM(list_pop_front(&l->pool), struct fiber, all_node);
		list_remove(&f->queue_node);
		l->pool_count--;
	}
	list_push_back(&l->fibers, &f->all_node);
	l->fiber_count++;
	return f;
}

void fiber_unmake(struct loop *l, struct fiber *f)
{
	list_remove(&f->all_node);
	l->fiber_count--;
	f->state = FIBER_FREE;
	if (l->pool_count >= LOOP_POOL_MAX) {
		stack_free(f);
		return;
	}
	/* The warmest stack is taken first. */
	list_push_front(&l->pool, &f->all_node);
	l->pool_count++;
	f->parked_at_ns = l->tick_ns;
	list_push_back(&l->parked, &f->queue_node);
	loop_sweep_arm(l);
}

void fiber_pool_drain(struct loop *l)
{
	while (!list_empty(&l->pool))
		stack_free(LIST_ITEM(list_pop_front(&l->pool), struct fiber, all_node));
	l->pool_count = 0;
}

size_t fiber_stack_resident(const struct fiber *f)
{
	unsigned char pages[FIBER_STACK_BYTES / STACK_PAGE];
	char *from = stack_map_of(f) + STACK_PAGE;
	size_t bytes = 0;

	if (mincore(from, FIBER_STACK_BYTES, pages) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		bytes += pages[i] & 1 ? STACK_PAGE : 0;
	return bytes;
}

void fiber_trim(struct fiber *f)
{
	char *from = stack_map_of(f) + STACK_PAGE;
	uintptr_t keep = ((uintptr_t)f->ctx.sp - STACK_SLACK) & ~(uintptr_t)(STACK_PAGE - 1);
	size_t resident = fiber_stack_resident(f);

	MUST(f->state != FIBER_RUNNING && f->ctx.sp > from && f->ctx.sp < (char *)f);
	if (resident > f->stack_peak)
		f->stack_peak = (uint32_t)resident;
	if (keep > (uintptr_t)from)
		madvise(from, keep - (uintptr_t)from, MADV_DONTNEED);
}
