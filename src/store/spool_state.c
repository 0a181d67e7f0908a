/* The table of states and moves (docs/queue.md). */

#include "base/must.h"
#include "store/spool_priv.h"

#define MOVE(to) (1U << (to))

/* from -> the states it may become */
static const unsigned moves[SPOOL_STATES] = {
	[SPOOL_WAITING] = MOVE(SPOOL_WAITING) | MOVE(SPOOL_ACTIVE) | MOVE(SPOOL_HELD) |
		MOVE(SPOOL_LOCAL) | MOVE(SPOOL_END_DELIVERED) | MOVE(SPOOL_END_DROPPED),
	[SPOOL_ACTIVE] = MOVE(SPOOL_WAITING) | MOVE(SPOOL_HELD) | MOVE(SPOOL_LOCAL) |
		MOVE(SPOOL_END_DELIVERED) | MOVE(SPOOL_END_FAILED) | MOVE(SPOOL_END_DROPPED),
	[SPOOL_HELD] = MOVE(SPOOL_WAITING) | MOVE(SPOOL_END_DELIVERED) | MOVE(SPOOL_END_DROPPED),
	[SPOOL_LOCAL] = MOVE(SPOOL_LOCAL) | MOVE(SPOOL_END_DELIVERED) | MOVE(SPOOL_END_FAILED) |
		MOVE(SPOOL_END_DROPPED),
};

const char *spool_state_str(enum spool_state s)
{
	static const char *const names[SPOOL_STATES] = {
		[SPOOL_WAITING] = "waiting",
		[SPOOL_ACTIVE] = "active",
		[SPOOL_HELD] = "held",
		[SPOOL_LOCAL] = "local",
	};

	return (unsigned)s < SPOOL_STATES ? names[s] : "unknown";
}

const char *spool_action_str(enum spool_action a)
{
	static const char *const words[SPOOL_ACTION_COUNT] = {
#define X(id, word) [SPOOL_##id] = word,
		SPOOL_ACTIONS(X)
#undef X
	};

	return (unsigned)a < SPOOL_ACTION_COUNT ? words[a] : "unknown";
}

enum spool_state spool_wish_state(int64_t wish)
{
	if (wish == SPOOL_WISH_HOLD)
		return SPOOL_HELD;
	return wish == SPOOL_WISH_LOCAL ? SPOOL_LOCAL : SPOOL_WAITING;
}

bool spool_may_move(unsigned from, unsigned to)
{
	return from < SPOOL_STATES && to < SPOOL_MOVES && (moves[from] & MOVE(to));
}

void spool_move(unsigned from, unsigned to)
{
	MUST(spool_may_move(from, to));
}
