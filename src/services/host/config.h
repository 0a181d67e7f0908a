#pragma once
/* The configuration of one machine: yizhan.conf, or the built-in demo when there is none.
 *
 * One table (config_schema.c) says every section and setting with its type, default, limits and
 * help; the reader, `yizhan help config`, the man page and completion come from it. libconfuse
 * reads the file; in front of it stands a scan of our own that finds all of these in one run, with
 * file and line: unbalanced braces, unknown names (the nearest right one is told), a single setting
 * given twice, `$` (libconfuse would put environment variables in).
 *
 * A struct config never changes once it is read; it is shared by threads and counted
 * (docs/memory.md): a reload makes a new one, connections keep the one they began with. */

#include "base/arena.h"
#include "net/addr.h"

/* In the order of the setting's words. */
enum config_protocol {
	CONFIG_SMTP,
	CONFIG_LMTP,
	CONFIG_SUBMISSION, /* RFC 6409: whoever has logged in, or is a user of this machine */
	CONFIG_HTTP,
	CONFIG_IMAP,
	CONFIG_POP3,
	CONFIG_PROTOCOLS
};
enum config_tls { CONFIG_TLS_NONE, CONFIG_TLS_STARTTLS, CONFIG_TLS_IMPLICIT };

struct config_texts {
	size_t count;
	const char **items;
};
struct config_nets {
	size_t count;
	struct addr_net *items;
};
struct config_times {
	size_t count;
	int64_t *items; /* ns */
};

struct config_listener {
	const char *name;
	int protocol; /* enum config_protocol */
	int tls;      /* enum config_tls */
	struct config_texts addresses;
	struct config_nets proxy_networks; /* who must send a PROXY header */
	struct config_nets networks;       /* who may connect; none: everybody */
	bool is_relay;                     /* whoever connects here may relay */
	bool is_filtered;                  /* the content filter brings mail back here */
	int64_t unix_mode;
	int64_t connections_max;
	struct config_texts without; /* capabilities that are not offered here */
};

/* A mail program that cannot do what it asks for, known by what it says of itself (ID, RFC 2971). */
struct config_imap_client {
	const char *label;
	const char *name;
	struct config_texts without;
};

/* Beside the default of [tls]: for the names of one domain or several. */
struct config_certificate {
	const char *name;
	const char *certificate, *key;
	struct config_texts names; /* none: those in the certificate */
};

struct config {
	struct arena *arena;
	const char *file; /* NULL: the built-in demo */
	bool is_demo;
	int64_t port_offset;

	const char *hostname;
	const char *data;
	const char *user;
	int64_t threads; /* 0: one a core, at most 8 */
	struct config_nets relay_networks;
	int newlines; /* enum smtp_newlines */
	const char *separator;
	bool has_folders; /* what stands behind the separator names one */
	struct {
		const char *certificate, *key;
		bool is_tls12;
	} tls;
	struct {
		int64_t connections, connections_ip, message_octets, recipients, transactions;
		int64_t command_line, text_line, received, errors_soft, errors_hard, errors_delay;
		int64_t junk_commands, command_time, data_time, session_time, drain_time;
	} limits;
	struct {
		int64_t readers, stage_memory, stage_disk;
		bool is_fsync;
	} store;
	struct {
		struct config_texts forwarders;
		const char *hosts, *trust_anchor;
		bool is_dnssec;
	} resolver;
	struct {
		bool is_dane, is_sts;
		const char *ca_file, *sts_address;
		int64_t sts_port;
	} tls_policy;
	struct {
		int64_t expire, expire_report, expire_bulk, drain_time, connections, port;
		struct config_times retry, retry_report, retry_bulk; /* empty: as retry */
		struct config_times delay_notice, delay_notice_bulk;
		int64_t hold_max, deliver_by_min;
		const char *double_bounces;
		bool is_loopback, is_tls, is_hold;
		int bounce_language; /* enum bounce_language */
	} queue;
	struct { /* of our own people */
		bool is_client_hidden;
		int authors;                       /* enum submission_authors */
		const char *messages, *recipients; /* rates, or "none" */
	} submission;
	struct {
		const char *url; /* "" none */
	} lists;
	struct {                               /* mail of the users of this machine */
		const char *socket, *maildrop; /* "": in the data directory; "none" */
		struct config_texts trusted_users;
	} local;
	struct {
		int64_t network_failures, network_time, account_failures, account_time;
		int64_t ban_time, ban_max, known_time, entries;
		struct config_nets trusted;
	} guard;
	struct {
		bool is_sha1, is_bound;
		bool is_cert_asked;    /* of clients, where people log in */
		const char *client_ca; /* "" none */
		const char *introspection, *client_id, *client_secret_file, *jwks, *issuer,
			*audience;
		const char *user_claim, *scope, *ca_file, *discovery;
	} auth;
	struct {
		int64_t grace;
		int over_quota; /* 0 defer, 1 refuse */
	} accounts;
	struct {
		int64_t keep;
		int conversations; /* enum trail_talk */
	} trail;
	struct {
		const char *directory, *email, *ca_file, *eab_kid, *eab_key_file;
		bool is_agreed, is_key_renewed;
		struct config_texts names;
		int challenge; /* 0 both, 1 http-01, 2 tls-alpn-01 */
	} acme;
	struct {
		const char *next_hop; /* "" no filter */
		int on_failure;       /* 0 wait, 1 pass */
		struct config_nets networks;
	} filter;
	struct {
		struct config_nets proxies, metrics_networks, image_networks;
		int proxy_field; /* enum http_proxy_field */
		int64_t hsts, head_time, idle_time;
	} http;
	struct {
		const char *server, *title;
	} clients;
	struct { /* IMAP, POP3 and pages */
		int64_t keep_expunged;
	} reading;
	struct {
		int64_t idle_time, login_delay;
		const char *expire; /* "never", or days */
		bool is_seen_set, is_exclusive;
		int utf8_headers; /* 0 always, 1 where UTF8 was asked for */
	} pop3;
	struct {
		const char *destination;
		int format, level; /* enum log_format, enum log_level */
	} log;

	size_t listener_count;
	struct config_listener *listeners;
	size_t certificate_count;
	struct config_certificate *certificates;
	size_t imap_client_count;
	struct config_imap_client *imap_clients;
	int refs; /* atomic */
};

#define CONFIG_FILE_MAX   (1024 * 1024)
#define CONFIG_ERRORS_MAX 50   /* told in one run; then it is enough */
#define CONFIG_LISTED_MAX 1000 /* sections of one kind that have names */
#define CONFIG_TIMES_MAX  32

struct config_error {
	unsigned line; /* 0: the file as a whole */
	const char *text;
};
struct config_errors {
	struct arena *arena; /* NULL inside at first; config_errors_fini frees it */
	size_t count;
	struct config_error items[CONFIG_ERRORS_MAX];
};
void config_errors_fini(struct config_errors *errs);

/** The port that an address without one means. */
uint16_t config_port(const struct config_listener *l);
/** What pop3 { expire } says; POP3_EXPIRE_NEVER (proto/pop3/pop3_server.h). False: it is no such text. */
bool config_pop3_expire(const char *text, uint32_t *days_r);
/** Read a file. NULL when anything is wrong: `errs` then has at least one entry. Blocking. */
struct config *config_read(const char *file, struct config_errors *errs);
/** The same from memory; `file` is only its name. */
struct config *config_read_text(const char *file, struct span text, struct config_errors *errs);
/** The built-in demo in the directory `data` (borrowed until return). */
struct config *config_demo(const char *data, int64_t port_offset);
struct config *config_ref(struct config *c);
void config_unref(struct config **c);

/* What a setting holds. */
enum config_kind {
	CONFIG_TEXT,
	CONFIG_TEXTS,
	CONFIG_NUMBER,
	CONFIG_SIZE,
	CONFIG_TIME,
	CONFIG_TIMES,
	CONFIG_BOOL,
	CONFIG_WORD,
	CONFIG_NETS,
	CONFIG_ADDRS,
	CONFIG_KINDS
};

struct config_setting {
	const char *section; /* "": top level */
	const char *name;
	enum config_kind kind;
	size_t offset;      /* in struct config, or in an item of its listed section */
	const char *preset; /* default, as it would stand in a file; lists: blanks between */
	const char
		*words;   /* CONFIG_WORD: "starttls none"; the place is the value. CONFIG_TIMES: how
			     * many at most, NULL: CONFIG_TIMES_MAX */
	int64_t min, max; /* numbers; CONFIG_TEXT: 1 in min means "must not be empty" */
	bool is_reloadable;
	const char *help;
};
struct config_section {
	const char *name;
	/* It may stand many times, each with a name: an array in struct config, whose items begin with
	 * their name. item_size 0: it stands once. */
	size_t item_size, count_offset, items_offset;
	const char *help;
};
extern const struct config_setting config_settings[];
extern const size_t config_setting_count;
extern const struct config_section config_sections[];
extern const size_t config_section_count;
const char *config_kind_str(enum config_kind k);
/** Is the section one that may stand many times? */
bool config_is_listed(const struct config_section *s);
/** The section a setting stands in. */
const struct config_section *config_section_of(const struct config_setting *s);
/** How many of a listed section there are, and each. */
size_t config_count(const struct config *c, const struct config_section *s);
void *config_item(const struct config *c, const struct config_section *s, size_t i);

/** Every setting with its help, default and limits: text for people, or a man page in roff. */
void config_put_help(struct buf *b);
void config_put_man(struct buf *b);
/** Make one setting of `to` that of `from`, whose memory must outlive it. */
void config_setting_copy(
	struct config *to, const struct config *from, const struct config_setting *s);
/** Which settings differ: calls fn for each with old and new as text. */
void config_diff(const struct config *was, const struct config *is,
	void (*fn)(void *arg, const struct config_setting *s, struct span was, struct span is),
	void *arg);
