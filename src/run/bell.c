#include "run/bell.h"

#include <errno.h>

#include "base/must.h"

void bell_init(struct bell *b)
{
	b->sleepers = 0;
	MUST(sem_init(&b->rings, 0, 0) == 0);
}

void bell_fini(struct bell *b)
{
	MUST(b->sleepers == 0);
	sem_destroy(&b->rings);
}

void bell_sleep(struct bell *b, pthread_mutex_t *lock)
{
	b->sleepers++;
	pthread_mutex_unlock(lock);
	while (sem_wait(&b->rings) < 0)
		MUST(errno == EINTR);
	pthread_mutex_lock(lock);
}

unsigned bell_claim(struct bell *b, unsigned max)
{
	unsigned n = b->sleepers < max ? b->sleepers : max;

	b->sleepers -= n;
	return n;
}

void bell_ring(struct bell *b, unsigned claimed)
{
	while (claimed--)
		MUST(sem_post(&b->rings) == 0);
}
