#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/arena.h"
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
	const struct addr *to;
	const size_t *order; /* indices of `to`, in the order of the attempts */
	struct net_source *source;
	int64_t deadline_ns;
	struct fiber_cond changed;
	size_t running;
	struct stream *won; /* the first that connected */
	size_t which;
	size_t first_failed; /* the error kept is that of the earliest attempt */
	struct err why;
};

struct net_attempt {
	struct net_race *race;
	size_t turn;
};

/* RFC 8305 section 4: families take turns, each in its own order. */
static void net_interleave(const struct addr *to, size_t count, size_t *order)
{
	sa_family_t family = to[0].sa.sa_family;
	size_t next[2] = {0, 0}; /* of the first family, of the others */

	for (size_t i = 0; i < count; i++) {
		bool is_other = i % 2;

		for (int tries = 0; tries < 2; tries++, is_other = !is_other) {
			size_t *n = &next[is_other];

			while (*n < count && (to[*n].sa.sa_family != family) != is_other)
				++*n;
			if (*n < count) {
				order[i] = (*n)++;
				break;
			}
		}
	}
}

static bool net_is_no_route(const struct err *e)
{
	return e->sys_errno == ENETUNREACH || e->sys_errno == EADDRNOTAVAIL ||
		e->sys_errno == EAFNOSUPPORT;
}

static FIBER struct stream *net_connect_one(
	const struct addr *to, struct net_source *source, int64_t deadline_ns, struct err *e)
{
	bool is_ip6 = to->sa.sa_family == AF_INET6;
	const struct addr *from = !source ? NULL : is_ip6 ? source->in6 : source->in4;
	struct err why = {0};
	struct stream *s = net_connect(to, addr_is_unix(to) ? NULL : from, deadline_ns, &why);

	if (!s && source && is_ip6 && net_is_no_route(&why))
		source->has_no_ip6 = true;
	if (!s)
		err_copy(e, &why);
	return s;
}

static FIBER int net_attempt(void *arg)
{
	struct net_attempt *a = arg;
	struct net_race *r = a->race;
	size_t turn = a->turn, index = r->order[turn];
	struct err why = {0};
	struct stream *s;

	free(a);
	s = net_connect_one(&r->to[index], r->source, r->deadline_ns, &why);
	r->running--;
	if (s && !r->won) {
		r->won = s;
		r->which = index;
	} else if (s) {
		stream_free(&s);
	} else if (turn < r->first_failed) {
		r->first_failed = turn;
		r->why = why;
	}
	fiber_cond_broadcast(&r->changed);
	return 0;
}

static int net_attempt_start(struct net_race *r, struct fiber_group *g, size_t turn, struct err *e)
{
	struct net_attempt *a = NEW(struct net_attempt);

	a->race = r;
	a->turn = turn;
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

FIBER struct stream *net_connect_any(const struct addr *to, size_t count, struct net_source *source,
	int64_t deadline_ns, size_t *which_r, struct err *e)
{
	struct net_race r = {
		.to = to, .source = source, .deadline_ns = deadline_ns, .first_failed = count};
	struct fiber_group g;
	struct arena *a;
	size_t *order;
	int rc;

	*which_r = 0;
	if (count == 0) {
		err_set(e, ERR_NOT_FOUND, "no address to connect to");
		return NULL;
	}
	if (count == 1) /* no race, no fiber */
		return net_connect_one(to, source, deadline_ns, e);
	a = arena_new();
	order = ARENA_ARRAY(a, size_t, count);
	net_interleave(to, count, order);
	r.order = order;
	fiber_cond_init(&r.changed);
	fiber_group_init(&g);
	rc = net_race_run(&r, &g, count, e);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	arena_free(&a);
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
