#pragma once
/* Where users of this machine hand over mail: the server's own socket, and the directory for when it is
 * down. Pure. */

#include "base/arena.h"

/* What a package uses; a program that can read no configuration looks there. */
#define LOCAL_SOCKET   "/run/yizhan/submit"
#define LOCAL_MAILDROP "/var/spool/yizhan/maildrop"

struct local_place {
	const char *socket, *maildrop; /* NULL: none */
};
/** As the settings local.socket and local.maildrop of a server with that data directory say. Lives in
 * `a`. */
struct local_place local_place(
	struct arena *a, const char *data, const char *socket, const char *maildrop);
