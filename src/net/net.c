#include "net/net.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/net_priv.h"

struct net_listener *net_listen(const struct net_listen_opts *opts, struct err *e)
{
	void **slot = loop_sim_slot();

	return slot ? net_sim_listen(opts, slot, e) : socket_listen(opts, e);
}

void net_listener_free(struct net_listener **l_p)
{
	struct net_listener *l = *l_p;

	if (!l)
		return;
	*l_p = NULL;
	l->ops->free(l);
}

const struct addr *net_listener_addr(const struct net_listener *l)
{
	return &l->addr;
}

struct net_listener *net_listener_clone(struct net_listener *l, struct err *e)
{
	return l->ops->clone(l, e);
}

FIBER int net_accept(
	struct net_listener *l, const struct log *log, struct stream **stream_r, struct err *e)
{
	*stream_r = NULL;
	return l->ops->accept(l, log, stream_r, e);
}

FIBER struct stream *net_connect(
	const struct addr *to, const struct addr *from, int64_t deadline_ns, struct err *e)
{
	void **slot = loop_sim_slot();
	struct stream *s;

	if (!addr_is_ip(to) && !addr_is_unix(to)) {
		err_set(e, ERR_CONFIG, "no address to connect to");
		return NULL;
	}
	s = slot ? net_sim_connect(to, from, slot, deadline_ns, e)
		 : socket_connect(to, from, deadline_ns, e);
	if (!s && e) {
		struct buf text;

		buf_init(&text, ADDR_TEXT_MAX);
		addr_put(&text, to);
		err_wrap(e, "%s", buf_cstr(&text));
		buf_fini(&text);
	}
	return s;
}

/* ---- happy eyeballs ---- */

struct net_race {
	const struct addr *to, *from;
	int64_t deadline_ns;
	struct fiber_cond changed;
	size_t running;
	struct stream *won; /* the first that connected */
	size_t which;
	size_t first_failed; /* the error kept is that of the most preferred address */
	struct err why;
};

struct net_attempt {
	struct net_race *race;
	size_t index;
};

static FIBER int net_attempt(void *arg)
{
	struct net_attempt *a = arg;
	struct net_race *r = a->race;
	size_t index = a->index;
	struct err why = {0};
	struct stream *s;

	free(a);
	s = net_connect(&r->to[index], r->from, r->deadline_ns, &why);
	r->running--;
	if (s && !r->won) {
		r->won = s;
		r->which = index;
	} else if (s) {
		stream_free(&s);
	} else if (index < r->first_failed) {
		r->first_failed = index;
		r->why = why;
	}
	fiber_cond_broadcast(&r->changed);
	return 0;
}

static int net_attempt_start(struct net_race *r, struct fiber_group *g, size_t index, struct err *e)
{
	struct net_attempt *a = NEW(struct net_attempt);

	a->race = r;
	a->index = index;
	if (fiber_start(g, "connect", net_attempt, a, e) < 0) {
		free(a);
		return -1;
	}
	r->running++;
	return 0;
}

/* Start one attempt after the other until one has won, all have failed or time is up. */
static FIBER int net_race_run(
	struct net_race *r, struct fiber_group *g, size_t count, struct err *e)
{
	size_t next = 0, running_then;
	int64_t go_ns = 0;

	while (!r->won && (next < count || r->running)) {
		struct err why = {0};
		int64_t now = loop_now_ns(), until = r->deadline_ns;
		bool may_start = next < count && r->running < NET_ATTEMPTS_MAX;

		if (now >= r->deadline_ns) {
			err_set(e, ERR_TIMEOUT, "connecting to %zu addresses", count);
			return net_err_peer(e);
		}
		/* RFC 8305 section 5: after the delay, or at once when none is under way. */
		if (may_start && (now >= go_ns || r->running == 0)) {
			if (net_attempt_start(r, g, next++, e) < 0)
				return -1;
			go_ns = now + NET_ATTEMPT_DELAY;
			continue;
		}
		if (may_start && go_ns < until)
			until = go_ns;
		running_then = r->running;
		if (fiber_cond_wait(&r->changed, until, &why) < 0 && why.code != ERR_TIMEOUT)
			return err_copy(e, &why);
		if (r->running < running_then)
			go_ns = 0; /* one has failed: the next need not wait */
	}
	if (r->won)
		return 0;
	err_copy(e, &r->why);
	return count > 1 ? err_wrap(e, "none of %zu addresses answers, the first", count) : -1;
}

FIBER struct stream *net_connect_any(const struct addr *to, size_t count, const struct addr *from,
	int64_t deadline_ns, size_t *which_r, struct err *e)
{
	struct net_race r = {
		.to = to, .from = from, .deadline_ns = deadline_ns, .first_failed = count};
	struct fiber_group g;
	int rc;

	if (count == 0) {
		err_set(e, ERR_NOT_FOUND, "no address to connect to");
		return NULL;
	}
	*which_r = 0;
	if (count == 1)
		return net_connect(to, from, deadline_ns, e);
	fiber_cond_init(&r.changed);
	fiber_group_init(&g);
	rc = net_race_run(&r, &g, count, e);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	if (rc < 0) {
		stream_free(&r.won);
		return NULL;
	}
	*which_r = r.which;
	return r.won;
}

int net_fd(const struct stream *s)
{
	const struct filter *f = s->top;

	while (f->below)
		f = f->below;
	return socket_filter_fd(f);
}

int net_peer_uid(const struct stream *s)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = net_fd(s);

	if (fd < 0 || !addr_is_unix(&s->local) ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -1;
	return (int)cred.uid;
}
