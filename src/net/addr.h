#pragma once
/* Addresses: IPv4, IPv6, Unix sockets; networks in CIDR form. Values, no ownership. */

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/err.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len; /* 0: unset */
};

/** Longest text of addr_put: "unix:" and a path, or an IPv6 address with brackets and port. */
#define ADDR_TEXT_MAX 128

/** "127.0.0.1:25", "[::1]:25", "unix:/path"; without a port `default_port` is taken. */
int addr_parse(struct span text, uint16_t default_port, struct addr *addr_r, struct err *e);
/** IP only, no port: "192.0.2.1", "2001:db8::1". */
bool addr_parse_ip(struct span text, uint16_t port, struct addr *addr_r);
/** "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path" */
void addr_put(struct buf *b, const struct addr *a);
/** The IP without port; "unix" for a Unix socket. */
void addr_put_ip(struct buf *b, const struct addr *a);
/** RFC 5321 section 4.1.3: "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
void addr_put_literal(struct buf *b, const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_is_ip(const struct addr *a);
bool addr_is_unix(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
/** An IPv4-mapped IPv6 address (::ffff:192.0.2.1, what a dual-stack socket shows) becomes IPv4. */
void addr_unmap(struct addr *a);
/** Same family, address (or path) and port. */
bool addr_eq(const struct addr *a, const struct addr *b);
/** Same IP (ports ignored); an IPv4-mapped IPv6 address equals its IPv4 form. */
bool addr_same_ip(const struct addr *a, const struct addr *b);

struct addr_net {
	struct addr base;
	unsigned bits;
};
/** "10.0.0.0/8", "::1/128", a bare IP is one host. Host bits that are set are an error. */
int addr_net_parse(struct span text, struct addr_net *net_r, struct err *e);
bool addr_net_has(const struct addr_net *net, const struct addr *a);
