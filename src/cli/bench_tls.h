#pragma once
/* TLS of the load generator: OpenSSL on a non-blocking socket, with read(2)'s manners. A room of
 * its own because it measures: it checks no certificates. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bench_tls;      /* settings shared by all sessions */
struct bench_tls_conn; /* one session */

struct bench_tls *bench_tls_new(void);
void bench_tls_free(struct bench_tls **t);
/** `fd` is borrowed. */
struct bench_tls_conn *bench_tls_open(struct bench_tls *t, int fd);
void bench_tls_close(struct bench_tls_conn **c);
/** One step; -1: it failed. `*is_done_r` false: more must arrive first. */
int bench_tls_handshake(struct bench_tls_conn *c, bool *is_done_r);
/** As read(2) and write(2) do: -1 with errno, EAGAIN when it has to wait. */
ssize_t bench_tls_read(struct bench_tls_conn *c, void *p, size_t n);
ssize_t bench_tls_write(struct bench_tls_conn *c, const void *p, size_t n);
