#pragma once
/* Inside the room: what AddressSanitizer and ThreadSanitizer must be told about our stacks.
 * Everything here is nothing in other builds. */

#include "run/switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SANITIZE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZE_TSAN 1
#endif
#endif

#ifdef SANITIZE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SANITIZE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef SANITIZE_TSAN
#define SANITIZE_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define SANITIZE_NO_TSAN
#endif

static inline void sanitize_fiber_new(struct fiber_ctx *c)
{
#ifdef SANITIZE_TSAN
	c->tsan = __tsan_create_fiber(0);
#else
	(void)c;
#endif
}

static inline void sanitize_fiber_free(struct fiber_ctx *c)
{
#ifdef SANITIZE_TSAN
	__tsan_destroy_fiber(c->tsan);
#endif
#ifdef SANITIZE_ASAN
	/* The next mapping at this address starts clean. */
	ASAN_UNPOISON_MEMORY_REGION(c->bottom, c->size);
#else
	(void)c;
#endif
}

/* Just before the jump, on the old stack. A stack that `is_ending` has no frames to come back to. */
static inline __attribute__((always_inline)) void sanitize_switch(
	struct fiber_ctx *from, struct fiber_ctx *to, bool is_ending)
{
#ifdef SANITIZE_ASAN
	__sanitizer_start_switch_fiber(is_ending ? NULL : &from->asan_fake, to->bottom, to->size);
#endif
#ifdef SANITIZE_TSAN
	if (!from->tsan)
		from->tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	(void)from, (void)to, (void)is_ending;
}

/* Just after it, on the new stack; the first time there (and after an ending) `to` has no fake
 * stack. The bounds of the loop's own stack are learned here. */
static inline __attribute__((always_inline)) void sanitize_switched(
	struct fiber_ctx *to, struct fiber_ctx *home)
{
#ifdef SANITIZE_ASAN
	void *fake = to->asan_fake;

	to->asan_fake = NULL;
	if (home)
		__sanitizer_finish_switch_fiber(fake, &home->bottom, &home->size);
	else
		__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
	(void)to, (void)home;
}
