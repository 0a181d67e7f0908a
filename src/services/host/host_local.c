#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/host/host_priv.h"

/* The users of this machine: who they are, and where they hand over mail. */

#define PASSWD_MAX (64 * 1024) /* octets of one entry */
#define LOGIN_MAX  64

/* ---- who somebody is: by the system, which may ask a directory elsewhere, so on the lane ---- */

struct passwd_look {
	uint64_t uid;
	const char *login; /* NULL: by number */
	struct arena *arena;
	struct host_user *user;
};

/* "Full Name,Room,Phone": the name; "&" is the login itself (passwd(5)). */
static struct span full_name(struct arena *a, const char *gecos, const char *login)
{
	struct span name, rest;
	ptrdiff_t and;

	span_cut(span_str(gecos), ',', &name, &rest);
	name = span_trim(name);
	if (span_has_line_break(name))
		return SPAN_NONE;
	and = span_find(name, '&');
	if (and < 0)
		return arena_span(a, name);
	return span_str(
		arena_printf(a, SPAN_FMT "%s" SPAN_FMT, SPAN_ARG(span_sub(name, 0, (size_t) and)),
			login, SPAN_ARG(span_skip(name, (size_t) and +1))));
}

static int look(void *arg, struct err *e)
{
	struct passwd_look *l = arg;
	char *text = arena_alloc(l->arena, PASSWD_MAX);
	struct passwd entry, *found = NULL;
	int rc = l->login ? getpwnam_r(l->login, &entry, text, PASSWD_MAX, &found)
			  : getpwuid_r((uid_t)l->uid, &entry, text, PASSWD_MAX, &found);

	if (!found && rc && rc != ENOENT)
		return err_sys(e, rc, "looking up a user");
	*l->user = (struct host_user){.is_found = found != NULL, .uid = l->uid};
	if (found) {
		l->user->uid = found->pw_uid;
		l->user->login = arena_span(l->arena, span_str(found->pw_name));
		l->user->name = full_name(l->arena, found->pw_gecos, found->pw_name);
	} else if (!l->login) {
		l->user->login = span_str(
			arena_printf(l->arena, "uid%llu", (unsigned long long)l->uid));
	}
	return 0;
}

FIBER int host_user_of(
	struct host *h, struct arena *a, uint64_t uid, struct host_user *user_r, struct err *e)
{
	struct passwd_look l = {.uid = uid, .arena = a, .user = user_r};

	return work_run(h->lane, look, &l, e);
}

bool host_is_trusted(const struct config *c, const struct host_user *u)
{
	if (u->uid == 0)
		return true;
	for (size_t i = 0; u->is_found && i < c->local.trusted_users.count; i++) {
		if (span_eq(u->login, span_str(c->local.trusted_users.items[i])))
			return true;
	}
	return false;
}

/* What is no login is not asked for. */
static bool is_login(struct span s)
{
	if (!s.len || s.len > LOGIN_MAX || s.ptr[0] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    c == '_' || c == '-' || c == '.'))
			return false;
	}
	return true;
}

FIBER bool host_is_user(void *arg, struct span login)
{
	struct host_worker *w = arg;
	struct arena *a;
	struct host_user user = {0};

	if (!is_login(login))
		return false;
	a = arena_new();
	struct passwd_look l = {.login = arena_str(a, login), .arena = a, .user = &user};
	int rc = work_run(w->host->lane, look, &l, NULL);
	arena_free(&a);
	return rc == 0 && user.is_found;
}

/* ---- where they hand it over ---- */

static bool has_socket(const struct config *c)
{
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (l->protocol == CONFIG_SUBMISSION && l->addresses.count &&
			span_starts(span_str(l->addresses.items[0]), SPAN("unix:")))
			return true;
	}
	return false;
}

/* The listener that nobody had to write. */
static void add_listener(struct host *h, const char *path)
{
	struct config *c = h->config;
	struct config_listener *all = ARENA_ARRAY(
		c->arena, struct config_listener, c->listener_count + 2);
	struct config_listener *l = &all[c->listener_count];

	if (c->listener_count)
		memcpy(all, c->listeners, c->listener_count * sizeof(*all));
	*l = (struct config_listener){.name = "local",
		.protocol = CONFIG_SUBMISSION,
		.tls = CONFIG_TLS_NONE,
		.unix_mode = 0666}; /* who connects is known by the kernel */
	l->addresses.count = 1;
	l->addresses.items = ARENA_ARRAY(c->arena, const char *, 1);
	l->addresses.items[0] = arena_printf(c->arena, "unix:%s", path);
	c->listeners = all;
	c->listener_count++;
}

void host_local_prepare(struct host *h)
{
	struct config *c = h->config;
	struct addr probe;
	struct err e = {0};

	h->place = local_place(h->arena, h->data, c->local.socket, c->local.maildrop);
	if (h->place.maildrop && drop_make_dir(h->place.maildrop, 03733, &e) < 0) {
		log_event(&h->log, LOG_WARN, "host.maildrop.failed", LF_STR("error", e.text));
		h->place.maildrop = NULL;
	}
	if (!h->place.socket || has_socket(c) || !host_conn_serves(CONFIG_SUBMISSION))
		return;
	/* a data directory with a long name cannot have a socket: everything else goes on */
	if (addr_parse(span_str(arena_printf(h->arena, "unix:%s", h->place.socket)), 0, &probe,
		    &e) < 0) {
		log_event(&h->log, LOG_WARN, "host.local.failed", LF_STR("error", e.text));
		return;
	}
	add_listener(h, h->place.socket);
}
