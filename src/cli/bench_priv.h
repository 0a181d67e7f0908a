#pragma once
/* What the two ends of a measurement share. */

#include <getopt.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/span.h"

#define BENCH_SESSIONS_MAX 60000
#define BENCH_SIZE_MIN     400 /* the header lines alone take that much */
#define BENCH_SIZE_MAX     (1UL << 30)
#define BENCH_EVENTS       256

struct bench_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/** "HOST:PORT", "[v6]:PORT" or "unix:/path". Asks the system's resolver: command line only. */
int bench_addr_parse(const char *text, struct bench_addr *addr_r, struct err *e);
/** A number option within its bounds; -1 after telling the user what is wrong. */
int bench_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *n_r);
/** User and system time of this process so far. */
double bench_cpu_seconds(void);

/* Durations in log-linear slots: 64 to each power of two, so a percentile is within 1.6 %. */
#define BENCH_HIST_SUB   64
#define BENCH_HIST_SLOTS (BENCH_HIST_SUB * 48)
struct bench_hist {
	uint64_t count;
	int64_t max_ns;
	uint64_t slots[BENCH_HIST_SLOTS];
};
void bench_hist_add(struct bench_hist *h, int64_t ns);
/** The duration that `permille` of all do not pass. */
int64_t bench_hist_at(const struct bench_hist *h, unsigned permille);

int bench_source(int argc, char **argv);
int bench_sink(int argc, char **argv);
