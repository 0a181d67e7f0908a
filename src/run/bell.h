#pragma once
/* A bell: threads sleep until it is rung. It does for a queue under a lock what a condition variable
 * does, with one difference: ringing never waits. pthread_cond_signal may (glibc before 2.41): while
 * a thread that it woke earlier has not had a core yet, for 5 to 8 ms where all cores are busy. A
 * loop thread must not wait for that.
 *
 *	the sleeper			the one who rings, any thread
 *
 *	lock				lock
 *	while (!queue)			put into the queue
 *		bell_sleep(b, &lock);	n = bell_claim(b, 1);
 *	take from the queue		unlock
 *	unlock				bell_ring(b, n);
 *
 * The queue's lock guards `sleepers`. A thread that was claimed sleeps until it is rung for, so it
 * is there as long as somebody holds a claim on it. */

#include <pthread.h>
#include <semaphore.h>

struct bell {
	sem_t rings;
	unsigned sleepers; /* not claimed */
};

void bell_init(struct bell *b);
void bell_fini(struct bell *b);
/** With the lock held: let go of it, sleep until a ring, take it again. */
void bell_sleep(struct bell *b, pthread_mutex_t *lock);
/** With the lock held: up to `max` sleepers that the caller will ring for; their count. */
unsigned bell_claim(struct bell *b, unsigned max);
/** With or without the lock: wake those that were claimed. Does not wait. */
void bell_ring(struct bell *b, unsigned claimed);
