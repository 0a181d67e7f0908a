#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "services/host/host_priv.h"

/* The control socket: requests of services/host/ops.h, one a line, one connection a fiber. */

#define CONTROL_IDLE_NS     (60 * CLOCK_SEC)
#define CONTROL_CLIENTS_MAX 64

struct control {
	struct host *host;
	struct fiber_group clients;
};

struct client {
	struct control *control;
	struct stream *stream;
};

char *host_control_path(struct arena *a, const char *data)
{
	return arena_printf(a, "%s/control.sock", data);
}

/* One server a directory: whoever answers on the socket is it. */
int host_control_bind(struct host *h, struct err *e)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *path = host_control_path(h->arena, h->data);
	struct ucred who = {0};
	socklen_t len = sizeof(who);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, errno, "socket");
	if (strlen(path) >= sizeof(un.sun_path)) {
		close(fd);
		return err_set(e, ERR_CONFIG, "%s: too long for a socket", path);
	}
	memcpy(un.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0) {
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
		close(fd);
		return err_set(e, ERR_BUSY, "process %d serves %s already", (int)who.pid, h->data);
	}
	unlink(path);
	mode_t was = umask(0177);
	int rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
	int why = errno;

	umask(was);
	if (rc < 0 || listen(fd, CONTROL_CLIENTS_MAX) < 0) {
		close(fd);
		return err_sys(e, rc < 0 ? why : errno, "%s", path);
	}
	h->control_fd = fd;
	return 0;
}

static FIBER void refuse(struct stream *s)
{
	struct span line = SPAN(
		"{\"error\":{\"code\":\"denied\",\"text\":\"only the server's own user and root "
		"may ask\"}}\n");

	stream_set_timeout(s, CONTROL_IDLE_NS);
	stream_write(s, &line, 1, NULL);
}

static FIBER void serve(struct host *h, struct stream *s)
{
	struct ops_ctx ctx = {.store = h->store,
		.host = h,
		.lane = h->lane,
		.config = h->config,
		.data = h->data};
	int uid = net_peer_uid(s);
	struct buf by;

	/* The file's mode already keeps others out; this holds where modes do not. */
	if (uid != 0 && uid != (int)geteuid()) {
		refuse(s);
		return;
	}
	buf_init(&by, 32);
	ops_put_who(&by, (unsigned)uid);
	ctx.by = buf_span(&by);
	ops_serve(&ctx, s);
	buf_fini(&by);
}

static FIBER int client_main(void *arg)
{
	struct client *c = arg;
	struct stream *s = c->stream;
	struct host *h = c->control->host;

	serve(h, s);
	stream_set_timeout(s, HOST_CLOSE_NS);
	stream_shutdown(s, NULL);
	stream_free(&s);
	free(c);
	return 0;
}

static void client_start(struct control *control, struct stream *stream)
{
	struct client *c;

	if (control->clients.count >= CONTROL_CLIENTS_MAX) {
		stream_free(&stream);
		return;
	}
	c = NEW(struct client);
	c->control = control;
	c->stream = stream;
	if (fiber_start(&control->clients, "control", client_main, c, NULL) < 0) {
		stream_free(&stream);
		free(c);
	}
}

FIBER int host_control_main(void *arg)
{
	struct host *h = arg;
	struct control control = {.host = h};
	struct arena *a = arena_new();
	const char *path = host_control_path(a, h->data);
	struct net_listen_opts opts = {.fd = h->control_fd};
	struct net_listener *l = net_listen(&opts, NULL);
	struct stream *stream = NULL;

	fiber_group_init(&control.clients);
	if (l) {
		h->control_fd = -1;
		while (net_accept(l, &h->log, &stream, NULL) == 0)
			client_start(&control, stream);
		net_listener_free(&l);
	}
	/* An answer under way may end; idle clients go. */
	fiber_group_cancel(&control.clients);
	fiber_group_join(&control.clients);
	unlink(path);
	arena_free(&a);
	return 0;
}
