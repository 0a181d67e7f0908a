#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/smtp/smtp_syntax.h"
#include "services/host/host.h"
#include "cli/init_priv.h"

/* The machine, as far as mail cares. Nothing here changes anything. */

#define OUTBOUND_DEFAULT "gmail-smtp-in.l.google.com:25"
#define OUTBOUND_MS      7000
#define DISK_LOW         (1024LL * 1024 * 1024)
#define DISK_SHORT       (100LL * 1024 * 1024)

void init_check_add(
	struct init *i, const char *name, enum mark mark, const char *advice, const char *fmt, ...)
{
	struct init_check *c = &i->checks[i->check_count];
	struct buf b;
	va_list ap;

	if (i->check_count == INIT_CHECKS_MAX)
		return;
	i->check_count++;
	buf_init(&b, 2048);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	*c = (struct init_check){name, mark, arena_str(i->a, buf_span(&b)), advice};
	buf_fini(&b);
}

/* ---- words ---- */

int init_check_words(struct init *i)
{
	struct smtp_address account;

	if (!i->hostname[0])
		return cli_fail(EX_USAGE, "what is this machine's name in DNS? say --hostname");
	if (!smtp_domain_is_valid(span_str(i->hostname), false) || i->hostname[0] == '[' ||
		!strchr(i->hostname, '.'))
		return cli_fail(EX_USAGE,
			"\"%s\" is no host name that DNS can know, as mx.example.org", i->hostname);
	if (!smtp_domain_is_valid(span_str(i->domain), true) || i->domain[0] == '[' ||
		!strchr(i->domain, '.'))
		return cli_fail(EX_USAGE, "\"%s\" is no domain, as example.org", i->domain);
	if (!i->account[0])
		return cli_fail(EX_USAGE, "who is the first account? say --account");
	if (smtp_address_parse(span_str(i->account), true, &account, NULL) < 0)
		return cli_fail(EX_USAGE, "\"%s\" is no address", i->account);
	if (!span_eq_nocase(account.domain, span_str(i->domain)))
		return cli_fail(EX_USAGE, "%s is not in %s: the first account must be", i->account,
			i->domain);
	return 0;
}

/* ---- ports ---- */

/* Errno of a bind, 0 when it works. */
static int try_bind(const struct addr *a)
{
	int one = 1, why = 0, fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &a->sa, a->len) < 0 || listen(fd, 1) < 0)
		why = errno;
	close(fd);
	return why;
}

static void check_port(struct init *i, uint16_t port, const char *what)
{
	const char *name = arena_printf(i->a, "port-%u", port);
	struct addr a;
	struct buf b;
	int why;

	if (!addr_parse_ip(SPAN("0.0.0.0"), port, &a))
		return;
	why = try_bind(&a);
	if (!why) {
		init_check_add(i, name, MARK_GOOD, "", "port %u (%s) is free", port, what);
		return;
	}
	buf_init(&b, 256);
	host_bind_holder(&b, &a);
	if (why == EADDRINUSE)
		init_check_add(i, name, MARK_BAD,
			"stop what serves there (systemctl disable --now postfix, exim4, sendmail), or "
			"give the listener another address",
			"port %u (%s)%s", port, what,
			buf_len(&b) ? buf_cstr(&b) : " is in use by another program");
	else if (why == EACCES || why == EPERM)
		init_check_add(i, name, MARK_BAD,
			"start the server as root: it binds the ports and then becomes its own user; "
			"or let systemd hand the sockets over",
			"port %u (%s) cannot be had without root's rights", port, what);
	else
		init_check_add(
			i, name, MARK_BAD, "", "port %u (%s): %s", port, what, strerror(why));
	buf_fini(&b);
}

/* ---- outwards ---- */

/* Connected within the time? Errno, 0 yes. */
static int try_connect(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why = 0;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	socklen_t len = sizeof(why);

	if (fd < 0)
		return errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		why = errno;
	else if (poll(&p, 1, OUTBOUND_MS) != 1)
		why = ETIMEDOUT;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	close(fd);
	return why;
}

static void check_outbound(struct init *i)
{
	const char *where = i->outbound ? i->outbound : OUTBOUND_DEFAULT;
	const char *colon = strrchr(where, ':');
	const char *host = colon ? arena_str(i->a, span_of(where, (size_t)(colon - where))) : where;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int why = ETIMEDOUT, rc;

	if (i->is_offline) {
		init_check_add(i, "outbound-25", MARK_NOTE, "",
			"whether port 25 is open outwards was not tried (--offline)");
		return;
	}
	rc = getaddrinfo(host, colon ? colon + 1 : "25", &hints, &found);
	if (rc) {
		init_check_add(i, "outbound-25", MARK_WARN,
			"see that this machine can look names up", "%s cannot be looked up: %s",
			host, gai_strerror(rc));
		return;
	}
	for (struct addrinfo *ai = found; ai && why; ai = ai->ai_next)
		why = try_connect(ai);
	freeaddrinfo(found);
	if (!why)
		init_check_add(
			i, "outbound-25", MARK_GOOD, "", "port 25 is open outwards (%s)", host);
	else
		init_check_add(i, "outbound-25", MARK_BAD,
			"many providers close port 25 until they are asked; or send through a smarthost: "
			"yizhan route set '*' HOST",
			"%s does not answer on port 25: %s", host, strerror(why));
}

/* ---- clock and disk ---- */

static void check_clock(struct init *i)
{
	struct timex t = {0};
	int state = adjtimex(&t);

	if (state < 0)
		init_check_add(i, "clock", MARK_NOTE, "",
			"the kernel does not tell whether the clock "
			"is right");
	else if (t.status & STA_UNSYNC)
		init_check_add(i, "clock", MARK_WARN,
			"apt-get install systemd-timesyncd, or chrony: signatures, certificates and "
			"one-time passwords need the right time",
			"no program keeps the clock right");
	else
		init_check_add(i, "clock", MARK_GOOD, "", "the clock is kept right");
}

static void check_disk(struct init *i)
{
	struct statvfs fs;
	struct buf b;
	int64_t octets;

	if (statvfs(i->data, &fs) < 0)
		return;
	octets = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	buf_init(&b, 64);
	buf_printf(&b, "%lld.%lld GiB free at %s", (long long)(octets >> 30),
		(long long)((octets & ((1LL << 30) - 1)) * 10 >> 30), i->data);
	init_check_add(i, "disk",
		octets < DISK_SHORT         ? MARK_BAD
			: octets < DISK_LOW ? MARK_WARN
					    : MARK_GOOD,
		octets < DISK_LOW ? "mail needs room: make some, or say --data DIR elsewhere" : "",
		"%s", buf_cstr(&b));
	buf_fini(&b);
}

void init_check_machine(struct init *i)
{
	check_port(i, 25, "mail from other servers");
	check_port(i, 587, "our people, STARTTLS");
	check_port(i, 465, "our people, TLS");
	check_outbound(i);
	check_clock(i);
	check_disk(i);
}
