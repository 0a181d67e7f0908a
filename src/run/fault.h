#pragma once
/* Fault points: named steps of accept, deliver and settle at which a test ends the process as
 * kill -9 would. Only in test builds (-Dtests=true); in a release they are nothing.
 *
 * YIZHAN_CRASH_AT="accept.committed:3" in the environment kills the process the third time that
 * step is reached. The list is sorted; tests/crash walks all of it. */

/* id, name, what has happened when it is reached */
#define FAULT_POINTS(X)                                                                            \
	X(ACCEPT_BODY, "accept.body")           /* the whole body was read, nothing is stored */   \
	X(ACCEPT_COMMITTED, "accept.committed") /* durable; 250 is not said yet */                 \
	X(ACCEPT_STAGED, "accept.staged")     /* a large body's chunks are stored, unreferenced */ \
	X(COMMIT_AFTER, "commit.after")       /* the writer's group is durable, nobody is told */  \
	X(COMMIT_BEFORE, "commit.before")     /* the writer's group has run, is not committed */   \
	X(DELIVER_CLAIMED, "deliver.claimed") /* a carrier has taken a letter */                   \
	X(DELIVER_DOT, "deliver.dot")         /* the final dot was sent, no reply yet */           \
	X(DELIVER_REPLIED, "deliver.replied") /* the next hop said 250; nothing is settled */      \
	X(DROP_ACCEPTED, "drop.accepted")     /* a dropped letter is ours, its file is there */    \
	X(DROP_OPENED, "drop.opened")         /* its file is read, nothing is accepted */          \
	X(DROP_REMOVED, "drop.removed")       /* its file is gone, its name is still kept */       \
	X(SETTLE_BOUNCED, "settle.bounced")   /* a report is built, nothing is stored */           \
	X(SETTLE_COMMITTED, "settle.committed") /* settled durably */

enum fault_point {
#define X(id, name) FAULT_##id,
	FAULT_POINTS(X)
#undef X
		FAULT_POINT_COUNT
};

/** The name of each point, for tests that walk them. */
const char *fault_name(enum fault_point p);

#ifdef YIZHAN_FAULTS
/** Any thread. Reads the environment once. */
void fault_reach(enum fault_point p);
#define FAULT(id) fault_reach(FAULT_##id)
#else
#define FAULT(id) ((void)0)
#endif
