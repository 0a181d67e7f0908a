#include "cli/bench.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sysexits.h>

#include "base/arena.h"
#include "base/must.h"
#include "cli/bench_priv.h"

static int unix_addr(struct span path, struct bench_addr *addr_r, struct err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&addr_r->ss;

	if (path.len == 0 || path.len >= sizeof(un->sun_path))
		return err_set(e, ERR_SYNTAX, "a socket path has 1 to %zu octets",
			sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path.ptr, path.len);
	addr_r->len = sizeof(*un);
	return 0;
}

int bench_addr_parse(const char *text, struct bench_addr *addr_r, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	struct span all = span_str(text), host, port;
	struct arena *a;
	ptrdiff_t colon;
	int rc;

	memset(addr_r, 0, sizeof(*addr_r));
	if (span_starts(all, SPAN("unix:")))
		return unix_addr(span_skip(all, 5), addr_r, e);
	colon = span_rfind(all, ':');
	if (colon < 0)
		return err_set(e, ERR_SYNTAX, "%s: no port; write HOST:PORT", text);
	host = span_sub(all, 0, (size_t)colon);
	port = span_skip(all, (size_t)colon + 1);
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = span_sub(host, 1, host.len - 2);
	a = arena_new();
	rc = getaddrinfo(
		host.len ? arena_str(a, host) : "127.0.0.1", arena_str(a, port), &hints, &found);
	arena_free(&a);
	if (rc != 0)
		return err_set(e, ERR_NOT_FOUND, "%s: %s", text, gai_strerror(rc));
	memcpy(&addr_r->ss, found->ai_addr, found->ai_addrlen);
	addr_r->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int bench_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *n_r)
{
	if (span_u64_max(span_str(text), max, n_r) && *n_r >= min)
		return 0;
	fprintf(stderr, "yizhan bench: --%s takes a number from %llu to %llu, not '%s'\n", name,
		(unsigned long long)min, (unsigned long long)max, text);
	return -1;
}

double bench_cpu_seconds(void)
{
	struct rusage u;

	MUST(getrusage(RUSAGE_SELF, &u) == 0);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Values below BENCH_HIST_SUB have a slot each; above, the top six bits behind the leading one
 * choose the slot within their power of two. */
static size_t hist_slot(uint64_t v)
{
	unsigned shift;
	size_t slot;

	if (v < BENCH_HIST_SUB)
		return (size_t)v;
	shift = (unsigned)(63 - __builtin_clzll(v)) - 6;
	slot = (size_t)(shift + 1) * BENCH_HIST_SUB + (size_t)((v >> shift) - BENCH_HIST_SUB);
	return slot < BENCH_HIST_SLOTS ? slot : BENCH_HIST_SLOTS - 1;
}

void bench_hist_add(struct bench_hist *h, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	h->count++;
	if (ns > h->max_ns)
		h->max_ns = ns;
	h->slots[hist_slot((uint64_t)ns)]++;
}

int64_t bench_hist_at(const struct bench_hist *h, unsigned permille)
{
	uint64_t want = (h->count * permille + 999) / 1000, seen = 0;

	for (size_t i = 0; i < BENCH_HIST_SLOTS; i++) {
		seen += h->slots[i];
		if (seen >= want && seen > 0) {
			size_t shift = i < BENCH_HIST_SUB ? 0 : i / BENCH_HIST_SUB - 1;
			uint64_t low = i < BENCH_HIST_SUB ? i : i % BENCH_HIST_SUB + BENCH_HIST_SUB;
			int64_t ns = (int64_t)(low << shift);

			return ns < h->max_ns ? ns : h->max_ns;
		}
	}
	return h->max_ns;
}

int cli_bench(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "source") == 0)
		return bench_source(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "sink") == 0)
		return bench_sink(argc - 1, argv + 1);
	fprintf(stderr,
		"usage: yizhan bench source --to HOST:PORT ...   send messages, measure\n"
		"       yizhan bench sink --listen HOST:PORT ... accept and discard, count\n"
		"'yizhan bench source --help' and 'yizhan bench sink --help' say more.\n");
	return EX_USAGE;
}
