#pragma once
/* The system calls of a socket at the bottom of a stream, all but the waits: net/socket.c waits on
 * the loop, libyz/socket.c in its own step. Nothing here yields or blocks: the descriptor does not.
 * Not thread-safe. Errors of the wire have scope peer, again later. */

#include "net/stream.h"

#define SOCK_PARTS 32 /* handed to the kernel in one sendmsg */

struct sock {
	int fd;
	bool is_drained; /* the last read came back short: nothing is waiting now */
	bool is_tcp;
	bool is_owing; /* octets came since the last write: their ACK may wait for our next one */
};

/** Octets read, 0 at the end, or -1 with errno (EINTR is seen to). */
ssize_t sock_recv(struct sock *s, void *p, size_t n);
/** Before waiting for input: acknowledge what came. */
void sock_ack(struct sock *s);
/** Would a read find something? Asks the kernel. */
bool sock_poll(struct sock *s);

/* What of a write is left. */
struct sock_rest {
	const struct span *parts;
	size_t count, from; /* `from` octets of parts[0] are gone */
};
/** Hand at most `room` octets of what is left to the kernel. 1: nothing is left; 0: some went, go on
 * (*sent_r octets); -1 with errno, EAGAIN when the socket takes no more. */
int sock_send(struct sock *s, struct sock_rest *rest, size_t room, size_t *sent_r);

/** FIN. */
int sock_shutdown(struct sock *s, struct err *e);
/** ERR_IO "what: …"; returns -1. */
int sock_error(struct err *e, int sys_errno, const char *what);
/** Both ends' addresses. */
void sock_addresses(struct stream *st, int fd);
