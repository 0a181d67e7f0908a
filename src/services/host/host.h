#pragma once
/* The host: one process that serves. It reads what was configured, binds, drops privileges, opens
 * the store, runs N loop threads and ends in order. The only place where fibers are started for
 * strangers, and where one service is wired to another. */

#include "base/json_out.h"
#include "base/log.h"
#include "services/host/config.h"

struct host;

#define HOST_THREADS_MAX         64
#define HOST_THREADS_DEFAULT_MAX 8

struct host_opts {
	const char *config_file; /* NULL: the demo */
	const char *data;        /* NULL: the configuration's; wins over it */
	const char *web_dir;     /* NULL: the mail page that is embedded; else from there */
	int64_t port_offset;
	/* -1 / NULL: as configured */
	int log_format, log_level;
	/** Once, when everything is ready: what a person wants to read. May be NULL. */
	void (*ready)(void *arg, const struct host *h);
	/** A problem before there is a log: one line for standard error. */
	void (*complain)(void *arg, unsigned line, const char *text);
	void *arg;
};

/** Serve until a signal ends it. Returns an exit code of sysexits.h: 0, 69 (the address cannot be
 * had), 73 (data directory), 75 (another server runs), 78 (configuration). Blocking. */
int host_run(const struct host_opts *opts);

/** Where it listens, for the banner: i from 0 on; false behind the last. */
struct host_place {
	const char *listener;
	const struct addr *addr;
	int protocol, tls; /* enum config_protocol, enum config_tls */
};
bool host_place(const struct host *h, size_t i, struct host_place *place_r);
/** Is there a service for it (enum config_protocol)? */
bool host_conn_serves(int protocol);
const struct config *host_config(const struct host *h);
const char *host_data(const struct host *h);
/** The demo's accounts: false behind the last. */
bool host_demo_account(
	const struct host *h, size_t i, const char **address_r, const char **password_r);

/** Why an address cannot be bound: who holds it, when that can be seen. */
void host_bind_holder(struct buf *b, const struct addr *a);
/** DIR/control.sock, for those who connect. In `a`. */
char *host_control_path(struct arena *a, const char *data);
