#pragma once
/* systemd's side of a service: readiness (sd_notify(3)) and sockets that it hands over
 * (sd_listen_fds(3)), spoken here over their sockets and environment, without a library. */

#include "base/arena.h"
#include "base/err.h"

#define NOTIFY_FDS_MAX 64

/** Send "READY=1", "STOPPING=1\nSTATUS=…", … when systemd listens; else nothing happens. */
void notify_send(const char *state);
/** "RELOADING=1" with the monotonic time that Type=notify-reload wants. */
void notify_reloading(void);

struct notify_fd {
	const char *name; /* FDNAME, "unknown" without */
	int fd;
};
/** The sockets handed over to this very process; they become close-on-exec, and the variables go
 * from the environment. Call once, before threads start. */
size_t notify_take_fds(struct arena *a, struct notify_fd *fds_r, size_t max);
