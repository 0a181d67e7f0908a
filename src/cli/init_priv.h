#pragma once
/* `yizhan init`: the first start of a server. init.c asks, writes and makes; init_check.c looks at the
 * machine; init_show.c tells it all. */

#include "cli/cli.h"
#include "cli/probe_screen.h"

#define INIT_CHECKS_MAX  32
#define INIT_RECORDS_MAX 256

struct init_check {
	const char *name; /* "port-25" */
	enum mark mark;   /* GOOD, NOTE: was not looked at, WARN, BAD */
	const char *text;
	const char *advice; /* what to do next; "" nothing */
};

struct init_record { /* of DNS */
	const char *state, *name, *type, *publish, *why, *domain;
};

struct init {
	struct cli_call *c;
	struct arena *a;
	struct screen screen;
	const char *hostname, *domain, *account, *name; /* of its owner; "" */
	const char *password;                           /* NULL: the server makes one */
	const char *file, *data, *kept;                 /* kept: where the file of before is */
	const char *made_password;                      /* to be shown once */
	bool is_root, is_offline, is_asking, has_key, has_ip6;
	const char *outbound; /* where it is seen whether port 25 is open outwards */
	size_t check_count, record_count;
	struct init_check checks[INIT_CHECKS_MAX];
	struct init_record records[INIT_RECORDS_MAX];
};

/* ---- init_check.c ---- */
void init_check_add(struct init *i, const char *name, enum mark mark, const char *advice,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/** Everything but DNS, which the server's own operation looks up. */
void init_check_machine(struct init *i);
/** Names that are no names, before anything is written. An exit code, 0: fine. */
int init_check_words(struct init *i);

/* ---- init_show.c ---- */
void init_show(struct init *i);
