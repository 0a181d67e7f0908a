#pragma once
/* The operations without a server: the store is opened (and locked) for one request. Blocking. */

#include "services/host/ops.h"

struct local_opts {
	const char *data;
	const struct config *config; /* of that server, as far as it is known; may be NULL */
	bool is_made; /* a data directory that is not there is made (account add before the first start) */
	/** One answer line with its LF, as the control socket would send it. -1 ends it. */
	int (*line)(void *arg, struct span line);
	void *arg;
};
/** ERR_BUSY: a server has the directory; ERR_NOT_FOUND: no store there. */
int local_run(const struct local_opts *opts, struct span request, struct err *e);
/** The same for many requests: `talk` runs on a loop with a stream on which the operations are served, as on the
 * control socket. Its result is the result; line and arg are not used. */
typedef FIBER int local_talk_fn(void *arg, struct stream *s);
int local_talk(const struct local_opts *opts, local_talk_fn *talk, void *arg, struct err *e);
/** Put a backup in the place of the store. */
int local_restore(const char *data, const char *file, struct err *e);
/** Does an operation of that name only read? */
bool local_is_reader(struct span cmd);
