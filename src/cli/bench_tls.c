#include "cli/bench_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/must.h"

#define PIECE_MAX (64 * 1024) /* what is handed to OpenSSL at once */

/* Nothing but OpenSSL's own structures lie behind these two names. */
static SSL_CTX *ctx_of(struct bench_tls *t)
{
	return (SSL_CTX *)t;
}

static SSL *ssl_of(struct bench_tls_conn *c)
{
	return (SSL *)c;
}

struct bench_tls *bench_tls_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	MUST(ctx != NULL);
	/* A generator measures; whom it talks to was chosen by its user. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return (struct bench_tls *)ctx;
}

void bench_tls_free(struct bench_tls **t)
{
	SSL_CTX_free(ctx_of(*t));
	*t = NULL;
}

struct bench_tls_conn *bench_tls_open(struct bench_tls *t, int fd)
{
	SSL *ssl = SSL_new(ctx_of(t));

	MUST(ssl != NULL);
	MUST(SSL_set_fd(ssl, fd) == 1);
	SSL_set_connect_state(ssl);
	return (struct bench_tls_conn *)ssl;
}

void bench_tls_close(struct bench_tls_conn **c)
{
	SSL_free(ssl_of(*c));
	*c = NULL;
}

static ssize_t result(struct bench_tls_conn *c, int n)
{
	int why;

	if (n > 0)
		return n;
	why = SSL_get_error(ssl_of(c), n);
	ERR_clear_error();
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPIPE;
	return -1;
}

int bench_tls_handshake(struct bench_tls_conn *c, bool *is_done_r)
{
	int n = SSL_do_handshake(ssl_of(c));

	*is_done_r = n == 1;
	return n == 1 || (result(c, n) < 0 && errno == EAGAIN) ? 0 : -1;
}

ssize_t bench_tls_read(struct bench_tls_conn *c, void *p, size_t n)
{
	return result(c, SSL_read(ssl_of(c), p, (int)(n < PIECE_MAX ? n : PIECE_MAX)));
}

ssize_t bench_tls_write(struct bench_tls_conn *c, const void *p, size_t n)
{
	return result(c, SSL_write(ssl_of(c), p, (int)(n < PIECE_MAX ? n : PIECE_MAX)));
}
