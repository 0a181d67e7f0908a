#pragma once
/* SOCKS5 (RFC 1928, RFC 1929), the client's part, on a stream that is connected to the proxy. The
 * library hands it names, which the proxy looks up; the server hands it addresses, for it looks up
 * itself. */

#include "net/stream.h"

#define SOCKS_FIELD_MAX 255 /* octets of a name, user or password */

/** Ask the proxy to connect to host:port; `host` is an IP address or a name of at most
 * SOCKS_FIELD_MAX octets. `user.ptr` NULL: no login is offered. Then the stream is the peer's. Errors
 * say that it was the proxy: ERR_DENIED (login, rules of offers), ERR_IO (it could not connect),
 * ERR_PROTO. */
FIBER int socks_connect(struct stream *st, struct span user, struct span password, struct span host,
	uint16_t port, struct err *e);
