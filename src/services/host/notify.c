#include "services/host/notify.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	/* "@name" is an abstract socket: its first octet is NUL. */
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, strlen(path));
	if (path[0] == '@')
		un.sun_path[0] = 0;

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody to tell when it fails: the service manager will notice. */
	ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	(void)n;
	close(fd);
}

void notify_reloading(void)
{
	struct buf b;

	buf_init(&b, 128);
	buf_printf(&b, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_mono_ns() / CLOCK_US));
	notify_send(buf_cstr(&b));
	buf_fini(&b);
}

size_t notify_take_fds(struct arena *a, struct notify_fd *fds_r, size_t max)
{
	const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
	struct span names = span_str(getenv("LISTEN_FDNAMES"));
	uint64_t pid, count;
	size_t taken = 0;

	if (!pid_text || !count_text || !span_u64(span_str(pid_text), &pid) ||
		pid != (uint64_t)getpid() || !span_u64_max(span_str(count_text), 1024, &count))
		count = 0;
	for (uint64_t i = 0; i < count && taken < max; i++) {
		struct span name, rest;
		int fd = FIRST_FD + (int)i, flags = fcntl(fd, F_GETFD);

		span_cut(names, ':', &name, &rest);
		names = rest;
		if (flags < 0)
			continue;
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		fds_r[taken++] = (struct notify_fd){
			.name = name.len ? arena_str(a, name) : "unknown",
			.fd = fd,
		};
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return taken;
}
