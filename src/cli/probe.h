#pragma once
/* yizhan probe: what a mail server says of itself, and what is found by asking. Inside of the command:
 * everything is gathered into these structs first (fibers of one loop, one a port), then judged
 * (probe_judge.c), then shown (probe_show.c, probe_json.c). All lives in the probe's arena. */

#include "net/dns.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/smtp/smtp_syntax.h"
#include "cli/cli.h"

#define PROBE_HOSTS_MAX 32   /* MX hosts looked at */
#define PROBE_ADDRS_MAX 16   /* of one host */
#define PROBE_PORTS_MAX 16   /* of one address */
#define PROBE_NAMES_MAX 8    /* PTR names told */
#define PROBE_CAPS_MAX  128  /* lines of one capability list */
#define PROBE_LINE_MAX  8192 /* of IMAP and POP3; RFC 2683 section 3.2.1.5 */
#define PROBE_TLSA_MAX  32
#define PROBE_TABLE_MAX (1024 * 1024)
#define PROBE_GUESS_NS  (3 * CLOCK_SEC) /* a port of unknown protocol may stay silent so long */

/* name, usual port, family, TLS at once, title */
#define PROBE_KINDS(X)                                                                             \
	X(SMTP, "smtp", 25, SMTP, false)                                                           \
	X(SUBMISSIONS, "submissions", 465, SMTP, true)                                             \
	X(SUBMISSION, "submission", 587, SMTP, false)                                              \
	X(IMAP, "imap", 143, IMAP, false)                                                          \
	X(IMAPS, "imaps", 993, IMAP, true)                                                         \
	X(POP3, "pop3", 110, POP3, false)                                                          \
	X(POP3S, "pop3s", 995, POP3, true)
enum probe_kind_id {
#define X(id, name, port, family, is_tls) PROBE_##id,
	PROBE_KINDS(X)
#undef X
		PROBE_KIND_COUNT
};
enum probe_family { PROBE_FAMILY_SMTP, PROBE_FAMILY_IMAP, PROBE_FAMILY_POP3, PROBE_FAMILY_COUNT };
struct probe_kind {
	const char *name;
	uint16_t port;
	enum probe_family family;
	bool is_tls;
};
extern const struct probe_kind probe_kinds[PROBE_KIND_COUNT];

enum probe_answer { PROBE_UNTRIED, PROBE_NO, PROBE_YES, PROBE_UNSURE };
const char *probe_answer_str(enum probe_answer a);

/* What a server offers: one line a capability, "SIZE 1000". */
struct probe_caps {
	const char **lines;
	size_t count;
	const char *auth; /* mechanisms with blanks between, upper case; "" */
	bool has_starttls;
};

struct probe_step {
	const char *name; /* "connect" */
	int64_t ns;
};
#define PROBE_STEPS_MAX 8

#define PROBE_VERSIONS 4 /* TLS 1.0 to 1.3 */
struct probe_version {
	enum probe_answer is_spoken;
	const char *why; /* not, or not known */
};

struct probe_tls {
	bool is_tried, is_up;
	const char *why; /* it is not up */
	const char *version, *cipher, *group, *alpn;
	unsigned bits;
	struct tls_verdict verdict; /* by the authorities */
	const char *name;           /* that was verified */
	struct tls_cert *certs;
	size_t cert_count;
	struct probe_version versions[PROBE_VERSIONS];
	bool is_dane_tried;
	struct tls_verdict dane; /* by TLSA records alone */
	const char *dane_why;    /* it could not be tried */
	bool dane_fits[PROBE_TLSA_MAX];
};

struct probe_port {
	struct probe_host *host;
	struct probe_addr *addr;
	const struct probe_kind *kind; /* NULL: to be found out */
	uint16_t port;
	bool is_asked_for; /* the user named it */
	bool is_open;
	const char *why; /* it is not open, or the conversation ended early */
	struct probe_step steps[PROBE_STEPS_MAX];
	size_t step_count;
	const char *greeting; /* LF between lines */
	struct probe_caps before, after;
	bool has_hello, has_hello_after;
	bool has_size;
	uint64_t size_max;
	struct probe_tls tls;
	enum probe_answer injection;
	const char *injection_why;
	enum probe_answer relay;
	const char *relay_why; /* the reply */
};

struct probe_addr {
	struct addr addr;
	const char *text;
	const char *ptr[PROBE_NAMES_MAX];
	size_t ptr_count;
	enum dns_status ptr_status;
	bool is_confirmed; /* a PTR name has this address */
	struct probe_port ports[PROBE_PORTS_MAX];
	size_t port_count;
};

struct probe_host {
	const char *name; /* "" for a bare address */
	unsigned pref;
	bool is_mx;
	bool is_literal;
	const char *alias_of; /* CNAME target, NULL: none */
	enum dns_status status;
	bool is_secure; /* the addresses are validated */
	struct probe_addr *addrs;
	size_t addr_count;
	enum dns_status tlsa_status;
	bool is_tlsa_secure;
	struct tls_tlsa tlsa[PROBE_TLSA_MAX];
	size_t tlsa_count;
	enum probe_answer is_in_policy; /* MTA-STS */
};

struct probe_domain {
	const char *name;
	enum dns_status mx_status;
	bool is_mx_secure, is_null_mx;
	/* MTA-STS (RFC 8461) */
	enum dns_status sts_status;
	const char *sts_txt, *sts_id;
	size_t sts_count; /* records that begin with v=STSv1 */
	const char *policy, *policy_why;
	const char *policy_mode;
	const char **patterns;
	size_t pattern_count;
	uint64_t max_age;
	/* TLSRPT (RFC 8460) */
	enum dns_status rpt_status;
	const char *rpt_txt;
	size_t rpt_count;
	const char *rua; /* "mailto:..." with commas; NULL: none */
};

/* How bad: notes do not count for the exit status. */
#define PROBE_LEVELS(X)                                                                            \
	X(NOTE, "note")                                                                            \
	X(WARNING, "warning")                                                                      \
	X(PROBLEM, "problem")
enum probe_level {
#define X(id, name) PROBE_##id,
	PROBE_LEVELS(X)
#undef X
		PROBE_LEVEL_COUNT
};
struct probe_finding {
	enum probe_level level;
	const char *where; /* "mx1.example 192.0.2.1:25" or a domain */
	const char *what;  /* a short name for programs: "open-relay" */
	const char *text;
};

struct probe_map { /* --connect-port */
	uint16_t from, to;
};

struct probe {
	struct cli_call *call;
	struct arena *arena;
	/* asked for */
	const char *target;
	const char *verify_name; /* --name; NULL */
	const char *hello;       /* NULL: by the connection */
	const char *ca_file;
	int64_t timeout_ns;
	uint16_t ports[PROBE_PORTS_MAX];
	size_t port_count; /* 0: the usual ones */
	const struct probe_kind *kind;
	bool is_host_forced, is_relay_checked, is_detailed;
	struct probe_map maps[PROBE_PORTS_MAX];
	size_t map_count;
	/* tools */
	struct dns *dns;
	struct tls_client *tls;                      /* with authorities */
	struct tls_client *versions[PROBE_VERSIONS]; /* one version each, without */
	struct work_lane *lane;
	/* found */
	bool is_domain;
	struct probe_domain domain;
	struct probe_host hosts[PROBE_HOSTS_MAX];
	size_t host_count;
	uint64_t ports_planned, ports_done;
	struct probe_finding *findings;
	size_t finding_count, finding_cap;
	int code; /* sysexits when nothing could be looked at */
	const char *why;
	int64_t now_sec;
};

/* ---- probe_dns.c ---- */
/** The rows of a table for --dns-table (a file "NAME TYPE [secure] VALUE" a line); NULL: told. */
struct dns *probe_dns_table(struct probe *p, const char *file);
/** Hosts, addresses, PTR, TLSA, records of the domain. 0, or a sysexits code (p->why says). */
FIBER int probe_dns(struct probe *p);

/* ---- probe_sts.c ---- */
/** Fetch and read the policy of p->domain, and see which hosts are in it. */
FIBER void probe_sts(struct probe *p);

/* ---- probe_talk.c: one conversation, whatever the protocol ---- */
struct probe_port_job {
	struct probe *p;
	struct probe_port *port;
};

struct probe_talk {
	struct probe *p;
	struct probe_port *port;
	const struct probe_kind *kind;
	struct stream *s;
	struct smtp_reply_parser reply; /* SMTP */
	unsigned tag;                   /* IMAP */
	const char *greeting;
	bool is_timed; /* steps are written down */
	struct err e;
};
void probe_talk_init(struct probe_talk *t, const struct probe_port_job *job);
void probe_talk_fini(struct probe_talk *t);
/** Connect, TLS where it comes at once (with `tls`), greeting. 0 or -1 with t->e. */
FIBER int probe_talk_open(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r);
FIBER int probe_talk_connect(struct probe_talk *t);
FIBER int probe_talk_hello(struct probe_talk *t, struct probe_caps *caps_r);
/** The command and the handshake. */
FIBER int probe_talk_starttls(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r);
FIBER void probe_talk_quit(struct probe_talk *t);
/** STARTTLS and a command behind it in one segment: is that answered after the handshake? */
FIBER enum probe_answer probe_talk_inject(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, const char **why_r);
/** SMTP: one command; the code, or -1. */
FIBER int probe_talk_command(struct probe_talk *t, const char *line);
struct span probe_talk_text(const struct probe_talk *t); /* of the last SMTP reply, without code */
/** What to say of t->e to people: the system's words, or the text. */
const char *probe_talk_why(const struct probe_talk *t);

/* ---- probe_port.c ---- */
/** All of one port; a fiber_fn on a struct probe_port_job. */
FIBER int probe_port_run(void *job);

/* ---- probe_words.c ---- */
/** What a capability line means, in words; NULL: not known. */
const char *probe_words_cap(struct arena *a, enum probe_family family, const char *line);
/** What a mechanism is worth: is the secret readable without TLS? */
const char *probe_words_auth(const char *mechanism, bool *is_readable_r);
const char *probe_words_size(struct arena *a, uint64_t octets);

/* ---- probe_judge.c ---- */
void probe_judge(struct probe *p);
/** 0 fine, 1 warnings or problems. */
int probe_judge_code(const struct probe *p);
/** Is the port's certificate good by either way? */
bool probe_is_trusted(const struct probe_port *port);
const char *probe_days(const struct probe *p, struct arena *a, int64_t not_after);

/* ---- probe_show.c, probe_json.c ---- */
void probe_show(struct probe *p);
void probe_json(struct probe *p);
/** Peer's text made harmless: controls and bad UTF-8 as \xNN; an LF stays when `keeps_lf`. */
const char *probe_clean(struct arena *a, const char *text, bool keeps_lf);
