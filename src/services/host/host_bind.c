#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/host/host_priv.h"

/* Sockets are bound here, in plain blocking code before any loop runs: privileges are dropped right
 * after it, and each worker's own SO_REUSEPORT socket must exist by then. */

static int fd_new(const struct addr *a, bool is_reuseport, struct err *e)
{
	int one = 1, fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (is_reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (a->sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, &a->sa, a->len) < 0) {
		int why = errno;

		close(fd);
		err_sys(e, why, "bind");
		if (e)
			e->code = why == EADDRINUSE ? ERR_EXISTS : ERR_IO;
		return -1;
	}
	return fd;
}

static int fd_listen(int fd, struct err *e)
{
	return listen(fd, HOST_BACKLOG) < 0 ? err_sys(e, errno, "listen") : 0;
}

/* Without SO_REUSEPORT first: a second server must be refused, not get every other client. */
static int bind_tcp(struct host *h, struct host_bound *b, struct err *e)
{
	int probe = fd_new(&b->addr, false, e);

	if (probe < 0)
		return -1;
	if (fd_listen(probe, e) < 0) {
		close(probe);
		if (e)
			e->code = e->sys_errno == EADDRINUSE ? ERR_EXISTS : e->code;
		return -1;
	}
	close(probe);
	for (size_t i = 0; i < h->worker_count; i++) {
		b->fds[i] = fd_new(&b->addr, true, e);
		if (b->fds[i] < 0 || fd_listen(b->fds[i], e) < 0)
			return -1;
		/* Port 0: the first socket gets one, the others share it. */
		b->addr.len = sizeof(b->addr.in6);
		getsockname(b->fds[i], &b->addr.sa, &b->addr.len);
	}
	return 0;
}

static int share_fd(struct host *h, struct host_bound *b, int fd, struct err *e)
{
	b->fds[0] = fd;
	for (size_t i = 1; i < h->worker_count; i++) {
		b->fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (b->fds[i] < 0)
			return err_sys(e, errno, "dup");
	}
	return 0;
}

static int bind_unix(struct host *h, struct host_bound *b, mode_t mode, struct err *e)
{
	const char *path = b->addr.un.sun_path;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_alive = fd >= 0 && connect(fd, &b->addr.sa, b->addr.len) == 0;
	struct stat st;

	if (fd >= 0)
		close(fd);
	if (is_alive)
		return err_set(e, ERR_EXISTS, "somebody serves there");
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_set(e, ERR_EXISTS, "there is a file that is no socket");
		unlink(path);
	}
	fd = fd_new(&b->addr, false, e);
	if (fd < 0)
		return -1;
	b->unlink_path = arena_str(h->arena, span_str(path));
	if (chmod(path, mode) < 0) {
		int why = errno;

		close(fd);
		return err_sys(e, why, "chmod");
	}
	if (fd_listen(fd, e) < 0) {
		close(fd);
		return -1;
	}
	return share_fd(h, b, fd, e);
}

static struct host_bound *bound_add(struct host *h, size_t listener)
{
	const struct config_listener *l = &h->config->listeners[listener];
	struct host_bound *grown = ARENA_ARRAY(h->arena, struct host_bound, h->bound_count + 1);

	if (h->bound_count)
		memcpy(grown, h->bounds, h->bound_count * sizeof(*grown));
	h->bounds = grown;
	struct host_bound *b = &h->bounds[h->bound_count++];
	*b = (struct host_bound){
		.listener = listener, .name = l->name, .protocol = l->protocol, .tls = l->tls};
	for (size_t i = 0; i < HOST_THREADS_MAX; i++)
		b->fds[i] = -1;
	return b;
}

static int bind_address(struct host *h, size_t listener, const char *text, struct err *e)
{
	const struct config_listener *l = &h->config->listeners[listener];
	struct host_bound *b = bound_add(h, listener);

	if (addr_parse(span_str(text), config_port(l), &b->addr, e) < 0)
		return -1;
	b->is_unix = addr_is_unix(&b->addr);
	if (!b->is_unix && addr_port(&b->addr)) {
		int64_t port = addr_port(&b->addr) + h->config->port_offset;

		if (port > 65535)
			return err_set(e, ERR_CONFIG, "the port offset is too large");
		addr_set_port(&b->addr, (uint16_t)port);
	}
	int rc = b->is_unix ? bind_unix(h, b, (mode_t)l->unix_mode, e) : bind_tcp(h, b, e);
	if (rc < 0) {
		struct buf where;

		buf_init(&where, 1024);
		addr_put(&where, &b->addr);
		if (e && e->code == ERR_EXISTS)
			host_bind_holder(&where, &b->addr);
		err_wrap(e, "listener %s: %s", l->name, buf_cstr(&where));
		buf_fini(&where);
	}
	return rc;
}

static int use_passed(struct host *h, size_t listener, bool *is_any_r, struct err *e)
{
	const struct config_listener *l = &h->config->listeners[listener];

	*is_any_r = false;
	for (size_t i = 0; i < h->passed_count; i++) {
		if (h->passed[i].fd < 0 || strcmp(h->passed[i].name, l->name) != 0)
			continue;
		struct host_bound *b = bound_add(h, listener);

		b->addr.len = sizeof(b->addr.un);
		if (getsockname(h->passed[i].fd, &b->addr.sa, &b->addr.len) < 0)
			return err_sys(e, errno, "the socket for listener %s", l->name);
		b->is_unix = addr_is_unix(&b->addr);
		if (share_fd(h, b, h->passed[i].fd, e) < 0)
			return -1;
		h->passed[i].fd = -1;
		*is_any_r = true;
	}
	return 0;
}

int host_bind_all(struct host *h, struct err *e)
{
	for (size_t i = 0; i < h->config->listener_count; i++) {
		const struct config_listener *l = &h->config->listeners[i];
		bool is_passed;

		if (!host_conn_serves(l->protocol))
			return err_set(e, ERR_CONFIG,
				"listener %s: this version does not speak that protocol", l->name);
		if (use_passed(h, i, &is_passed, e) < 0)
			return -1;
		if (is_passed)
			continue;
		if (!l->addresses.count)
			return err_set(e, ERR_CONFIG,
				"listener %s: no address, and systemd hands over no socket of this name",
				l->name);
		for (size_t k = 0; k < l->addresses.count; k++) {
			if (bind_address(h, i, l->addresses.items[k], e) < 0)
				return -1;
		}
	}
	for (size_t i = 0; i < h->passed_count; i++) {
		if (h->passed[i].fd >= 0) {
			log_event(&h->log, LOG_WARN, "host.socket.unused",
				LF_STR("name", h->passed[i].name));
			close(h->passed[i].fd);
			h->passed[i].fd = -1;
		}
	}
	return 0;
}

/* Those that no worker has taken over. */
void host_bind_close(struct host *h)
{
	for (size_t i = 0; i < h->bound_count; i++) {
		for (size_t k = 0; k < HOST_THREADS_MAX; k++) {
			if (h->bounds[i].fds[k] >= 0)
				close(h->bounds[i].fds[k]);
			h->bounds[i].fds[k] = -1;
		}
		if (h->bounds[i].unlink_path)
			unlink(h->bounds[i].unlink_path);
	}
}

/* The inode of the listening socket on that port, from the kernel's table. */
static uint64_t listening_inode(const char *table, uint16_t port)
{
	FILE *f = fopen(table, "re");
	uint64_t found = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while (f && !found && (n = getline(&line, &cap, f)) > 0) {
		struct span rest = span_of(line, (size_t)n), local, field = SPAN_NONE;
		char *end;

		span_word(&rest);
		local = span_word(&rest);
		span_word(&rest);
		if (!span_eq(span_word(&rest), SPAN("0A"))) /* LISTEN */
			continue;
		ptrdiff_t colon = span_rfind(local, ':');
		if (colon < 0 || strtoul(local.ptr + colon + 1, &end, 16) != port)
			continue;
		for (int i = 0; i < 6; i++)
			field = span_word(&rest);
		span_u64(field, &found);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool process_holds(const char *pid, uint64_t inode)
{
	struct arena *a = arena_new();
	const char *dir = arena_printf(a, "/proc/%s/fd", pid);
	const char *want = arena_printf(a, "socket:[%llu]", (unsigned long long)inode);
	DIR *d = opendir(dir);
	struct dirent *entry;
	bool is_found = false;

	while (d && !is_found && (entry = readdir(d))) {
		char *link = arena_alloc(a, 64);
		ssize_t n = readlink(arena_printf(a, "%s/%s", dir, entry->d_name), link, 63);

		is_found = n > 0 && span_eq(span_of(link, n), span_str(want));
	}
	if (d)
		closedir(d);
	arena_free(&a);
	return is_found;
}

void host_bind_holder(struct buf *b, const struct addr *a)
{
	uint64_t inode = 0;
	DIR *d;
	struct dirent *entry;

	if (addr_is_ip(a))
		inode = listening_inode(
			a->sa.sa_family == AF_INET6 ? "/proc/net/tcp6" : "/proc/net/tcp",
			addr_port(a));
	d = inode ? opendir("/proc") : NULL;
	while (d && (entry = readdir(d))) {
		uint64_t pid;

		if (!span_u64(span_str(entry->d_name), &pid) ||
			!process_holds(entry->d_name, inode))
			continue;
		buf_printf(b, " is held by process %s", entry->d_name);
		break;
	}
	if (d)
		closedir(d);
}
