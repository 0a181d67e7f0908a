#pragma once
/* A scripted mail server on a thread, over loopback. One step a line:
 *	S:text		says text CRLF
 *	R:text		says text as it is; \r \n \t \xHH are undone
 *	C:text		expects this line
 *	C~text		expects a line that begins so
 *	D:		takes a body up to its lone dot, into peer->body
 *	B:n		takes n octets, into peer->body
 *	W:ms		waits
 *	E:		expects the client to close
 *	X:		closes
 *	A:		closes, and takes the next connection
 * Behind the last step the peer waits for the client to close. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define PEER_BODY_MAX (1 << 20)

struct peer {
	const char *script;
	bool is_trickling; /* says every octet by itself */
	int listener, fd;
	unsigned short port;
	pthread_t thread;
	char *body;
	size_t body_len;
	char in[65536];
	size_t in_len;
	char why[512]; /* "": it went by the script */
	char url[64];
};

/** Start playing. */
struct peer *peer_start(const char *script, bool is_trickling);
const char *peer_url(struct peer *p, const char *scheme);
/** Wait for its end; fails the test when it did not go by the script. */
void peer_end(struct peer **p);
/** A listening socket on 127.0.0.1. */
int peer_listen(unsigned short *port_r);
/** A port of 127.0.0.1 on which nobody listens. */
unsigned short peer_dead_port(void);
