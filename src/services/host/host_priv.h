#pragma once
/* Inside the host. Threads: the main thread runs loop 0 (control, queue, signals and its share of
 * connections), each other worker thread one loop. What is written here after the start belongs to
 * loop 0, unless it says otherwise. */

#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/secret.h"
#include "run/fiber.h"
#include "net/net.h"
#include "net/tls_ring.h"
#include "proto/smtp/smtp_server.h"
#include "store/indexer.h"
#include "store/store.h"
#include "services/auth/auth.h"
#include "services/guard/guard.h"
#include "services/acme/acme.h"
#include "services/host/host.h"
#include "services/host/log_thread.h"
#include "services/host/notify.h"
#include "services/host/ops.h"
#include "services/inbound/inbound.h"
#include "services/imapd/imapd.h"
#include "services/jmapd/jmapd.h"
#include "services/local/drop.h"
#include "services/local/place.h"
#include "services/pop3d/pop3d.h"
#include "services/pool/pool.h"
#include "services/lists/lists.h"
#include "services/submission/submission.h"
#include "services/queue/queue.h"
#include "services/bounce/bounce.h"
#include "services/router/router.h"
#include "services/setup/setup.h"
#include "services/sign/sign.h"
#include "services/tlspolicy/tlspolicy.h"
#include "services/trail/trail.h"
#include "services/web/web.h"
#include "services/web/web_image.h"
#include "services/web/web_login.h"
#include "services/web/web_page.h"

#define HOST_DEMO_DOMAIN   "yizhan.test"
#define HOST_BACKLOG       4096
#define HOST_PROXY_NS      (10 * CLOCK_SEC) /* for the PROXY header */
#define HOST_CLOSE_NS      (2 * CLOCK_SEC)  /* for the goodbye of a connection */
#define HOST_FDS_RESERVED  36               /* store, loops, log, control; listeners come on top */
#define HOST_ADMIT_SHARDS  16
#define HOST_REFUSAL_MAX   256 /* octets of what a banned client is told */
#define HOST_FETCH_THREADS 2   /* each may wait a minute for a web server */
#define HOST_IMAGE_THREADS 4
#define HOST_IMAGE_WAITING 64
#define HOST_IMAGE_AGENT   "Mozilla/5.0 (compatible; mail image proxy)" /* one that servers know */
#define HOST_FETCH_WAITING 256
#define HOST_JMAP_THREADS  2
#define HOST_JMAP_WAITING  1024

/* What connections of one configuration share: counted, never changed (docs/memory.md). */
struct host_settings {
	int refs; /* atomic */
	struct config *config;
	struct inbound_policy policy;
	struct submission_policy submission;
	struct smtp_server_opts *smtp; /* one a listener */
	struct http_server_opts *http; /* the same; those of its protocol count */
	struct pop3_server_opts *pop3;
	struct pop3d_policy pop3_policy;
	struct imap_server_opts *imap;
	struct imapd_policy imap_policy;
	struct smtp_server_opts *drop_smtp;
	int64_t connections_max;
	struct arena *arena;
};
struct host_settings *host_settings_new(struct host *h, struct config *c);
struct host_settings *host_settings_ref(struct host_settings *s);
void host_settings_unref(struct host_settings **s);

/* An address that is bound: one descriptor for each worker. */
struct host_bound {
	size_t listener; /* its place in the configuration */
	const char *name;
	struct addr addr;
	int protocol, tls;
	bool is_unix;
	const char *unlink_path; /* at the end; NULL: none */
	int fds[HOST_THREADS_MAX];
};

/* How many are connected, in all and from one address. Threads share it under small locks that are
 * never held across a yield. */
#define HOST_FILTER_SECRET 32

struct host_admit_slot {
	uint64_t key[2];
	uint32_t count, used;
};
struct host_admit {
	struct host_admit_shard {
		pthread_mutex_t lock;
		struct host_admit_slot *slots; /* open addressing */
		size_t size, used;
	} shards[HOST_ADMIT_SHARDS];
	struct hash_key *key; /* owned */
	int64_t total;        /* atomic */
	int64_t refused;      /* atomic */
	int64_t *listeners;   /* atomic, one a listener */
};
void host_admit_init(struct host_admit *a, size_t listeners);
void host_admit_fini(struct host_admit *a);
/** NULL: come in. Otherwise why not; then nothing is counted. */
const char *host_admit_enter(struct host_admit *a, const struct host_settings *s, size_t listener,
	const struct addr *peer, bool is_free);
void host_admit_leave(struct host_admit *a, size_t listener, const struct addr *peer, bool is_free);

struct host_worker {
	struct host *host;
	unsigned index;
	pthread_t thread;
	struct loop *loop;
	struct log log;
	struct host_settings *settings; /* of this worker; replaced by a message */
	struct router *router;
	struct inbound *inbound; /* until all loops have ended: others read its counters */
	struct auth_book *book;  /* of who is logged in here */
	struct watch *watch;     /* of who looks at mailboxes here */
	struct imapd *imapd;
	struct fiber_group accepts, conns, queue, trail, auth;
	struct list_node conn_list;
	struct fiber_cond changed;
	bool is_stopping, is_queue_ready, is_queue_running;
	bool is_ready; /* set by its own thread, read after its message */
	struct err err;
	uint64_t connections; /* since the start */
};

struct host {
	const struct host_opts *opts;
	struct arena *arena;
	struct log_thread *log_thread;
	struct log log;
	struct config *config; /* the first one: it lives as long as the host */
	const char *data;
	struct local_place place; /* where users of this machine hand over mail */
	int maildrop_fd; /* of the drop directory's notices, once its fiber has ended; -1 */
	int control_fd;
	struct notify_fd passed[NOTIFY_FDS_MAX];
	size_t passed_count;
	size_t bound_count;
	struct host_bound *bounds;
	size_t worker_count, workers_started, workers_ready, workers_ended;
	struct host_worker *workers;
	struct store *store;
	struct indexer *indexer;                  /* what readers want, made behind the mail */
	struct tls_ring *tls_ring;                /* all certificates */
	struct tls_server *tls[CONFIG_PROTOCOLS]; /* on that ring; tickets are each one's own */
	struct acme *acme;
	struct work_lane *acme_lane; /* NULL: nobody is asked */
	struct fiber_group acme_group;
	bool is_acme_begun;
	struct dns *dns;
	struct tls_client *tls_client; /* NULL: no STARTTLS going out */
	struct tlspolicy *tls_policy;  /* NULL with it */
	struct work_lane *fetch_lane;  /* where policies are fetched */
	struct fiber_group tls_keeper;
	struct fiber_cond shape_changed;
	struct loop_msg shape_msg;
	bool is_shape_posted; /* atomic: shape_msg is on its way */
	uint64_t shape_generation;
	struct outbound_opts outbound;
	struct outbound_net outbound_net;
	struct pools *pools;
	char filter_secret[HOST_FILTER_SECRET]; /* proves what comes back from the filter */
	struct fiber_group road;                /* of loop 0: keeps the pools */
	bool is_road_begun;
	struct signer *signer;
	struct trail *trail;
	struct web *web;             /* routes; never changed once connections are served */
	struct web_login *web_login; /* who asks over HTTP */
	struct web_image *web_image;
	struct work_lane *image_lane;     /* where strangers' servers are asked */
	struct fetch_public fetch_public; /* dns comes with the queue */
	struct lists *lists;
	struct queue *queue;
	struct work_lane *lane;
	struct host_settings *settings;
	struct host_admit admit;
	struct guard *guard;
	struct work_lane *provider_lane; /* where tokens are asked about; NULL: no provider */
	struct secret provider_secret;   /* ours at the provider */
	struct tls_authority *client_authority; /* of clients' certificates; NULL none */
	struct auth *auth;
	struct watch_hub *watch_hub;
	struct jmapd *jmapd;
	struct work_lane *jmap_lane; /* long JSON, and what is decoded for JMAP */
	struct submission *submission;
	struct pop3d *pop3d;
	struct fiber_group group; /* of loop 0: control, worker 0 */
	struct fiber_cond changed;
	bool is_draining; /* atomic: sessions of all threads look at it */
	bool is_stopping, is_reloading;
	unsigned signals;
	int64_t started_mono_ns, started_wall_ns;
	const char *passwords[2]; /* the demo's */
	int exit_code;
};

/* host_bind.c */
int host_bind_all(struct host *h, struct err *e);
void host_bind_close(struct host *h);

/* host_worker.c */
/** Run as the main fiber of a worker's loop (or, for worker 0, a fiber of loop 0). */
FIBER int host_worker_main(void *arg);
int host_worker_start(struct host_worker *w, struct err *e);

/** Tell a worker something, from loop 0. */
enum host_word { HOST_WORD_SETTINGS, HOST_WORD_QUEUE, HOST_WORD_STOP };
void host_worker_tell(struct host_worker *w, enum host_word what, struct host_settings *settings);

/* host_conn.c */

/* A connection: one fiber from accept to close, in its worker's group. */
struct host_conn {
	struct list_node node; /* worker->conn_list */
	struct host_worker *worker;
	const struct host_bound *bound;
	const struct config_listener *listener;
	struct host_settings *settings;
	struct stream *stream;
	struct fiber *fiber;
	union { /* by protocol */
		struct {
			struct inbound_conn inbound; /* SMTP, LMTP, submission */
			struct submission_conn submission;
		};
		struct http_conn http;
		struct pop3d_conn pop3;
		struct imapd_conn *imap; /* while it is served */
	};
};
/* How a protocol is served. */
struct host_service {
	/** The whole connection. `refuse`: it may not come in, and this is why; NULL: it may. */
	FIBER void (*serve)(struct host_conn *c, const char *refuse);
	/** Within something that it may finish when the server stops? Does not yield. */
	bool (*is_busy)(const struct host_conn *c);
	struct span full; /* what is said, without a session, when there is no room; "" nothing */
	bool is_login;    /* people log in: what the guard has banned by itself is refused too */
};
/** Do people log in there? */
bool host_conn_logs_in(int protocol);

/* host_web.c */
/** All routes. Before the loops run, after the addresses are bound. */
void host_web_new(struct host *h);
/** All routes into the log, at level debug. */
void host_web_tell(const struct host *h);
void host_web_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct http_server_opts *o);
FIBER void host_web_serve(struct host_conn *c, const char *refuse);
bool host_web_is_busy(const struct host_conn *c);
#define HOST_WEB_FULL                                                                              \
	SPAN("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 30\r\n"        \
	     "Content-Length: 0\r\n\r\n")

struct host_acceptor { /* one for each address and worker; host_accept_main frees it */
	struct host_worker *worker;
	struct host_bound *bound;
};
FIBER int host_accept_main(void *arg);
void host_conn_drain(struct host_worker *w);

/* host_guard.c */
/** `c` may be NULL: its defaults. */
struct guard *host_guard_make(const struct config *c, struct store *store, const struct log *log);
void host_guard_reload(struct host *h, const struct config *c);
void host_guard_put_status(struct host *h, struct json_out *j);

/* host_local.c */

/* A user of this machine. */
struct host_user {
	uint64_t uid;
	bool is_found;
	struct span login, name; /* "uid1000" where the system knows nobody of that number */
};
/** By number. Spans live in `a`. */
FIBER int host_user_of(
	struct host *h, struct arena *a, uint64_t uid, struct host_user *user_r, struct err *e);
/** May he write under any address? */
bool host_is_trusted(const struct config *c, const struct host_user *u);
/** For the router: is there such a user? `arg` is the worker. */
FIBER bool host_is_user(void *arg, struct span login);
/** Before the addresses are bound, with the rights that we were started with: the drop directory, and the
 * listener that nobody had to write. What cannot be had is told in the log. */
void host_local_prepare(struct host *h);

/* host_auth.c */
/** Before the loops run, after the store and the guard. */
/** Reads the files of the section auth. */
int host_auth_new(struct host *h, struct err *e);
/** After the store is closed, and the lane's threads have ended. */
void host_auth_free(struct host *h);
/** The book of a worker's sessions. */
FIBER int host_auth_main(void *arg);
void host_auth_put_status(struct host *h, struct json_out *j);
/* host_submission.c */
/** Before the loops run, after the auth room. */
void host_submission_new(struct host *h);
/** "300/1h", "300/1h burst 50", "none". */
bool host_rate_parse(const char *text, struct gcra_rate *rate_r);
void host_submission_policy(const struct config *c, struct submission_policy *p);
/** As in struct host_service. */
FIBER void host_submission_serve(struct host_conn *c, const char *refuse);
void host_submission_put_status(struct host *h, struct json_out *j);

/* host_pop3.c */
/** Before the loops run, after the auth room. */
void host_pop3_new(struct host *h);
void host_pop3_policy(const struct config *c, struct pop3d_policy *p);
void host_pop3_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct pop3_server_opts *o);
/** As in struct host_service. */
FIBER void host_pop3_serve(struct host_conn *c, const char *refuse);
bool host_pop3_is_busy(const struct host_conn *c);
void host_pop3_put_status(struct host *h, struct json_out *j);
#define HOST_POP3_FULL SPAN("-ERR [SYS/TEMP] Too many connections, try again later\r\n")

/* host_imap.c */
/** Before the loops run, after the store is open. */
void host_imap_new(struct host *h);
/** On a worker's loop: before its first connection, after its last. */
void host_imap_begin(struct host_worker *w);
void host_imap_end(struct host_worker *w);
/** In `a`. */
void host_imap_policy(
	struct host *h, struct arena *a, const struct config *c, struct imapd_policy *p);
void host_imap_opts(struct host *h, const struct config *c, const struct config_listener *l,
	struct imap_server_opts *o);
/** As in struct host_service. */
FIBER void host_imap_serve(struct host_conn *c, const char *refuse);
bool host_imap_is_busy(const struct host_conn *c);
#define HOST_IMAP_FULL SPAN("* BYE [UNAVAILABLE] Too many connections, try again later\r\n")

/* host_jmap.c */
/** Routes for it. Before the loops run, after the auth room and host_imap_new. */
void host_jmap_new(struct host *h);
/** After connections have ended, before the lanes do. */
void host_jmap_free(struct host *h);
/** A fiber of loop 0, until host_jmap_stop. */
FIBER int host_jmap_main(void *host);
/** Another one, until it is cancelled. */
FIBER int host_jmap_push_main(void *host);
void host_jmap_stop(struct host *h);

/* host_maildrop.c */
/** Takes what lies in the drop directory, until it is cancelled. A fiber of worker 0. */
FIBER int host_maildrop_main(void *arg);

/* host_demo.c */
FIBER int host_demo_seed(struct host *h, struct err *e);
FIBER int host_demo_write(struct host *h, struct err *e);
/** A fiber of loop 0: the demo's domain gets its keys, at its first start. Nobody waits for it. */
FIBER int host_demo_keys(void *host);

/* host_control.c */
FIBER int host_control_main(void *arg);
/** Before the loops: bind it, or ERR_BUSY and who holds it when a server runs here. */
int host_control_bind(struct host *h, struct err *e);

/* host_queue.c */
/** Before the loops run. */
void host_queue_new(struct host *h);
/** When a letter is given up as the settings are now (wall clock). */
int64_t host_queue_expires_ns(const struct host *h, const struct spool_item *it);
/** The settings have changed. */
void host_queue_reload(struct host *h);
/** Resolver and certificate authorities, which take their time; then the workers' shards begin.
 * Letters for others that come earlier wait in the store. */
FIBER int host_queue_begin(struct host *h, struct err *e);
/** After the last letter: write down what TLS was like. */
FIBER void host_queue_end(struct host *h);
void host_queue_free(struct host *h);
/** The station log's book of a worker. */
FIBER int host_trail_main(void *arg);
/** The queue's shard of a worker. */
FIBER int host_queue_main(void *arg);
void host_queue_wire(struct host_worker *w, struct inbound_opts *opts);

/* ---- host_router.c ---- */
/** For struct router_opts; `arg` is the worker. */
FIBER int host_router_ask(void *arg, struct arena *a, struct span destination, struct span address,
	enum router_asked *asked_r, struct span *said_r, struct err *e);
/** A fiber of loop 0: the key of SRS turns in time. */
FIBER int host_router_keep(void *host);
/* ---- host_accounts.c ---- */
/** A fiber of loop 0: accounts whose grace time is over go. */
FIBER int host_accounts_keep(void *host);

/** An administrator wants letters tried: pauses of destinations are over. */
void host_queue_forgive(struct host *h);
/** An administrator has held or dropped letters: those in memory are to obey too. */
void host_queue_recall(struct host *h);
/** What was told to the station log is in the store. */
FIBER void host_trail_flush(struct host *h);
void host_queue_put_status(struct host *h, struct json_out *j);

/* host_road.c */
/** Before the loops run, after h->outbound is set up. */
void host_road_new(struct host *h);
/** On loop 0, before mail is carried. */
FIBER int host_road_begin(struct host *h, struct err *e);
FIBER void host_road_end(struct host *h);
/** After the store is closed. */
void host_road_free(struct host *h);
/** An administrator has changed pools, egresses or logins. */
FIBER int host_road_changed(struct host *h, struct err *e);
void host_road_put_status(struct host *h, struct json_out *j);

/** The way to a destination, as the queue would find it. It lives in `a`. */
FIBER int host_queue_way(struct host *h, struct arena *a, struct span destination,
	struct outbound_way **way_r, struct err *e);
/** As queue_sites. */
FIBER void host_queue_sites(
	struct host *h, struct arena *a, struct queue_site_info **sites_r, size_t *count_r);

/* host_shape.c */
/** The table of shaping as the store and the configuration (may be NULL) have it; the caller unrefs. */
FIBER struct shape *host_shape_read(
	struct store *store, const struct config *config, struct err *e);
/** The queue gets it, now and whenever it changes. */
FIBER int host_shape_begin(struct host *h, struct err *e);

/* host_setup.c */
/** The servers that mail programs are told of, and their host; the rest is the caller's. They live in `a`.
 * As they are bound, or without a host as `c` (may be NULL) has them. */
void host_setup_facts(
	const struct host *h, const struct config *c, struct arena *a, struct setup_facts *f);
/** Where JMAP is spoken with TLS from the first octet: the port, 0 nowhere. As bound, or without a host as `c` has it. */
uint16_t host_setup_jmap(const struct host *h, const struct config *c);
/** Is there an HTTP listener that serves the documents? */
bool host_setup_is_served(const struct host *h, const struct config *c);

/* host_setup_web.c */
/** Routes for it. Before the listeners serve. */
void host_setup_web(struct host *h);

/* host_filter.c */
/** The destination key of the filter, "" without one. */
int host_filter_hop(struct arena *a, const struct config *c, struct span *key_r, struct err *e);
/** May mail be sent through the filter of `c`? After the listeners are bound. */
int host_filter_check(struct host *h, const struct config *c, struct err *e);
/** Read the secret, or make it. Before connections are served. */
FIBER int host_filter_begin(struct host *h, struct err *e);

/* host_reload.c */
FIBER int host_reload(struct host *h, struct err *e);
void host_log_opts(const struct host *h, const struct config *c, struct log_thread_opts *opts_r);

/* host_tls.c */
/** Make the servers, one a protocol, and load their certificates. Blocks. */
int host_tls_new(struct host *h, const struct config *c, struct err *e);
/** The certificates as `c` has them, read now; on error the old ones stay. Blocks. */
int host_tls_load(struct host *h, const struct config *c, struct err *e);
void host_tls_free(struct host *h);
/** A fiber of loop 0: looks at the certificates every hour. */
FIBER int host_tls_keep(void *host);
/** Tell the log what is wrong with certificates, or soon will be. */
void host_tls_warn(struct host *h);
/** The same as texts in `a`; how many. */
size_t host_tls_troubles(struct host *h, struct arena *a, const char ***texts_r);
void host_tls_put_status(struct host *h, struct json_out *j);
/** Load them again, after a change in the store. */
FIBER void host_tls_refresh(struct host *h);

/* host_acme.c */
/** After the store and the ring of certificates. */
int host_acme_new(struct host *h, struct err *e);
void host_acme_settings(const struct config *c, struct acme_settings *s_r);
/** The key of an external account, in `a`; "" none. Blocks. */
int host_acme_key(const struct config *c, struct arena *a, const char **key_r, struct err *e);
/** What the configuration says from now on. */
int host_acme_set(struct host *h, const struct config *c, const char *eab_key, struct err *e);
/** After the resolver is there. */
FIBER int host_acme_begin(struct host *h, struct err *e);
FIBER void host_acme_end(struct host *h);
void host_acme_free(struct host *h);
/** Register what answers challenges. */
void host_acme_web(struct host *h);

/* for the operations */
#define HOST_METRICS_MAX (512 * 1024)
/** The counters as Prometheus reads them. Any loop. */
FIBER int host_metrics_put(struct host *h, struct buf *b, struct err *e);
/** SHA-256 of the public key of the certificate that is shown, in hex, in `a`; "" without one. */
struct span host_spki(struct host *h, struct arena *a);
/** Of all workers; *connections_r: taken since the start. */
struct inbound_counters host_inbound_sum(const struct host *h, uint64_t *connections_r);
void host_put_status(struct host *h, struct json_out *j);
