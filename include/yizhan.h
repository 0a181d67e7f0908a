#pragma once
/* libyizhan: sending mail from C, and knowing what became of each recipient.
 *
 *	struct yz_session *s = yz_session_new(NULL, NULL);
 *	if (yz_connect(s, "submission://mail.example.org") == YZ_OK) {
 *		struct yz_txn *t = yz_txn_new(s, "me@example.org", NULL);
 *		yz_txn_rcpt(t, "you@example.net", NULL);
 *		yz_txn_body(t, text, strlen(text), YZ_EOL_FIX);
 *		yz_send(t);
 *		for (size_t i = 0; i < yz_txn_count(t); i++)
 *			printf("%s: %s\n", yz_txn_result(t, i)->path,
 *				yz_outcome_str(yz_txn_result(t, i)->outcome));
 *		yz_txn_free(&t);
 *		yz_quit(s);
 *	}
 *	yz_session_free(&s);
 *
 * or all of it in one call: yz_sendmail().
 *
 * Rules that hold everywhere
 * - A call returns YZ_OK (0) or another enum yz_err; yz_error(s) tells the whole story until the
 *   session's next call. A server's refusal is data: its reply is kept whole.
 * - Threads: a context is shared by all; a session, with its transactions, belongs to one thread at
 *   a time; a message likewise. No signals are used or raised, no environment variable is read, no
 *   locale matters, nothing global changes.
 * - Waiting: blocking by default. After yz_set_nonblocking() every call marked WAITS returns
 *   YZ_E_AGAIN as soon as it would wait, and yz_step() goes on with it; outputs are set at its end,
 *   and live until then, as octets and lists given to it do. Every wait has a limit.
 * - Strings are UTF-8, NUL-ended, copied on entry. Strings and structs that are returned belong to
 *   the object they came from and live until its next call that WAITS, or until it is freed, where
 *   nothing else is said. CR, LF and NUL in what becomes part of a command are refused (YZ_E_INVAL) and
 *   nothing is sent.
 * - Memory: small allocations never fail: when memory is out the hook of yz_set_oom_hook() is
 *   called, which must not return. What a server can make large has a limit.
 * - Option structs begin with their own size: set it to sizeof(struct …), zero the rest
 *   (YZ_INIT does both). Fields are only ever added at the end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define YZ_API   __attribute__((visibility("default")))
#define YZ_WAITS /* may wait: see "Waiting" above */

#define YZ_VERSION_MAJOR 0
#define YZ_VERSION_MINOR 1
#define YZ_VERSION_PATCH 0

/** Zero an option struct and set its size: struct yz_options o = YZ_INIT(o); */
#define YZ_INIT(v)                                                                                 \
	{                                                                                          \
		.size = sizeof(v)                                                                  \
	}

/** "0.1.0". Any thread. */
YZ_API const char *yz_version(void);
/** Called when memory is out, with the octets that were wanted; must not return. Set it before the
 * first other call. The default prints one line and aborts. */
YZ_API void yz_set_oom_hook(void (*hook)(size_t wanted));

/* --- errors ---------------------------------------------------------------------------------- */

/* code, value, name, text */
#define YZ_ERRORS(X)                                                                               \
	X(OK, 0, "ok", "no error")                                                                 \
	X(E_INVAL, 1, "inval", "an argument is not allowed; nothing was sent")                     \
	X(E_STATE, 2, "state", "not possible in this state (not connected, say)")                  \
	X(E_RESOLVE, 3, "resolve", "the host name could not be looked up")                         \
	X(E_CONNECT, 4, "connect", "no address of the host could be connected to")                 \
	X(E_TIMEOUT, 5, "timeout", "the time for this step is over")                               \
	X(E_CLOSED, 6, "closed", "the connection was closed or broke")                             \
	X(E_PROTO, 7, "proto", "the server does not follow the protocol")                          \
	X(E_TLS, 8, "tls", "TLS could not be had, or failed")                                      \
	X(E_TLS_VERIFY, 9, "tls-verify", "the server's certificate is not to be trusted")          \
	X(E_GREETING, 10, "greeting", "the server does not greet with 220")                        \
	X(E_HELO, 11, "helo", "EHLO and HELO were refused")                                        \
	X(E_AUTH, 12, "auth", "login failed or is not possible")                                   \
	X(E_NOTSUPP, 13, "notsupp", "the server lacks what this needs")                            \
	X(E_SIZE, 14, "size", "the message is larger than the server takes; nothing was sent")     \
	X(E_SENDER, 15, "sender", "the server refuses the sender")                                 \
	X(E_RCPTS, 16, "rcpts", "no recipient was accepted")                                       \
	X(E_DATA, 17, "data", "the server refuses the message")                                    \
	X(E_REPLY, 18, "reply", "the server refuses the command")                                  \
	X(E_SOURCE, 19, "source", "the message could not be read to its end")                      \
	X(E_UNKNOWN, 20, "unknown", "connection lost after the message: accepted or not?")         \
	X(E_SYSTEM, 21, "system", "the operating system refuses (os_errno says why)")              \
	X(E_CANCELLED, 22, "cancelled", "yz_cancel() was called")                                  \
	X(E_LIMIT, 23, "limit", "a limit of this library")                                         \
	X(E_AGAIN, 24, "again", "non-blocking: not finished, call yz_step()")
enum yz_err {
#define X(id, value, name, text) YZ_##id = value,
	YZ_ERRORS(X)
#undef X
};
/** "tls-verify"; never NULL. */
YZ_API const char *yz_err_name(int err);
/** A sentence; never NULL. */
YZ_API const char *yz_err_text(int err);

/* Where in the conversation. */
#define YZ_PHASES(X)                                                                               \
	X(NONE, "none")                                                                            \
	X(RESOLVE, "resolve")                                                                      \
	X(CONNECT, "connect")                                                                      \
	X(PROXY, "proxy")                                                                          \
	X(TLS, "tls")                                                                              \
	X(GREETING, "greeting")                                                                    \
	X(HELLO, "hello")                                                                          \
	X(AUTH, "auth")                                                                            \
	X(MAIL, "mail")                                                                            \
	X(RCPT, "rcpt")                                                                            \
	X(DATA, "data")                                                                            \
	X(BODY, "body")                                                                            \
	X(FINAL, "final")                                                                          \
	X(RSET, "rset")                                                                            \
	X(QUIT, "quit")                                                                            \
	X(COMMAND, "command")
enum yz_phase {
#define X(id, name) YZ_PHASE_##id,
	YZ_PHASES(X)
#undef X
};
YZ_API const char *yz_phase_name(enum yz_phase phase);

/* A reply of the server (RFC 5321 section 4.2). */
struct yz_reply {
	int code;                      /* 250; 0: none */
	unsigned cls, subject, detail; /* 2.1.5 of RFC 3463; 0 0 0: none was said */
	size_t line_count;             /* at least 1 when there is a code */
	const char *const *lines;      /* their text as sent, without code; enhanced code kept */
	const char *text;              /* the lines joined by LF, enhanced code taken off */
};

#define YZ_ERROR_TEXT 320
struct yz_error {
	int code;            /* enum yz_err */
	enum yz_phase phase; /* in which it happened */
	int os_errno;        /* 0: none */
	long tls_verify;     /* X509_V_ERR_… of OpenSSL when the code is YZ_E_TLS_VERIFY */
	bool is_temporary;   /* trying again later may help */
	const struct yz_reply *reply; /* the cause, or NULL; until the next call */
	char text[YZ_ERROR_TEXT];     /* one line for people; no secret in it */
};

/* --- context: what sessions share ------------------------------------------------------------- */

struct yz_ctx;
struct yz_session;

struct yz_tls_options {
	size_t size;
	const char *ca_file;      /* PEM; NULL: the system's */
	const char *ca_dir;       /* hashed directory; NULL: none */
	const char *cert_file;    /* client certificate chain, PEM */
	const char *key_file;     /* its key */
	const char *key_password; /* or NULL */
	int min_version;          /* 12 (default) or 13; 10 and 11 where OpenSSL still has them */
	int max_version;          /* 0: the newest */
	const char *ciphers;      /* OpenSSL's list for TLS 1.2; NULL: its defaults */
	const char *ciphersuites; /* for TLS 1.3 */
	const char *pins; /* "sha256:HEX[,…]": one of them is the fingerprint of the server's
	                           * certificate or of its public key; then no CA is needed */
	/* Last word on a certificate chain that was found bad (X509_V_ERR_…) or good (0): return 0 to
	 * accept it. */
	int (*verify)(void *arg, const struct yz_session *s, long verify_error);
	void *verify_arg;
	const char *alpn; /* NULL: none is offered */
};

/** A context with the system's certificates and defaults. NULL never comes back. */
YZ_API struct yz_ctx *yz_ctx_new(void);
/** After its last session. Sets *ctx to NULL. */
YZ_API void yz_ctx_free(struct yz_ctx **ctx);
/** Before the first session. Reads the files. YZ_E_TLS, YZ_E_INVAL. error_r may be NULL. */
YZ_API int yz_ctx_set_tls(
	struct yz_ctx *ctx, const struct yz_tls_options *options, struct yz_error *error_r);

/* Looking names up. By default the C library does it, on a thread of its own when a session must
 * not block. */
struct yz_resolver {
	size_t size;
	/* Addresses of `host` ("192.0.2.1", "2001:db8::1") go to add(); returns 0, or an errno-like
	 * number (text for people by `fail`). Called on a library thread. NULL: getaddrinfo. */
	int (*addresses)(void *arg, const char *host, int family,
		void (*add)(void *to, const char *address), void *to);
	/* MX hosts of `domain`, in any order; none: add nothing and return 0. NULL: the resolver of the C
	 * library, or `nameserver`. */
	int (*mx)(void *arg, const char *domain,
		void (*add)(void *to, unsigned preference, const char *host), void *to);
	void *arg;
	const char *nameserver; /* "ADDRESS[:PORT]" asked instead of the system's; NULL */
};
/** Before the first session. */
YZ_API int yz_ctx_set_resolver(struct yz_ctx *ctx, const struct yz_resolver *resolver);

/* --- session: one connection ------------------------------------------------------------------ */

enum yz_tls_policy {
	YZ_TLS_DEFAULT, /* submission: REQUIRED; smtps, submissions: at once; else OPTIONAL */
	YZ_TLS_NEVER,
	YZ_TLS_OPTIONAL, /* STARTTLS when offered; a bad certificate still ends it (see verify) */
	YZ_TLS_REQUIRED
};
enum yz_verify {
	YZ_VERIFY_DEFAULT, /* YES; for mx: and under OPTIONAL there NO, as mail servers do */
	YZ_VERIFY_YES,
	YZ_VERIFY_NO
};

enum yz_flag {                     /* bits of yz_options.flags */
	YZ_NO_PIPELINING = 1 << 0, /* although it is offered; the same below */
	YZ_NO_CHUNKING = 1 << 1,
	YZ_NO_8BITMIME = 1 << 2,
	YZ_NO_SMTPUTF8 = 1 << 3,
	YZ_NO_DSN = 1 << 4,
	YZ_NO_SIZE = 1 << 5,
	YZ_NO_RSET = 1 << 6,          /* never send RSET between transactions */
	YZ_ALLOW_CLEAR_AUTH = 1 << 7, /* PLAIN, LOGIN, OAuth without TLS */
	YZ_NO_EHLO = 1 << 8,          /* HELO at once */
	YZ_NO_AUTH = 1 << 9,          /* yz_connect does not log in although there is a user */
};

#define YZ_FOREVER (-1)

struct yz_timeouts {      /* milliseconds; 0: default, YZ_FOREVER: none. RFC 5321 section 4.5.3.2 */
	int64_t connect;  /* 30 s, each address; the name look-up too */
	int64_t greeting; /* 5 min */
	int64_t command;  /* 5 min: EHLO, AUTH, MAIL, RCPT and all others; TLS handshake */
	int64_t data;     /* 2 min, until 354 */
	int64_t block;    /* 3 min without progress while the body goes out */
	int64_t final;    /* 10 min: shorter makes duplicates */
	int64_t quit;     /* 5 s */
};

/* The header of the PROXY protocol, for servers behind a load balancer that expect it. */
struct yz_proxy_header {
	int version;                      /* 1 or 2; 0: none is sent */
	bool is_local;                    /* version 2 LOCAL, version 1 UNKNOWN */
	const char *source, *destination; /* addresses */
	int source_port, destination_port;
};

struct yz_options {
	size_t size;
	const char *hello_name; /* NULL: the machine's name when it has a dot, else its address as a
	                         * literal (RFC 5321 section 4.1.3) */
	unsigned flags;         /* enum yz_flag */
	enum yz_tls_policy tls;
	enum yz_verify verify;
	const char *tls_name; /* for SNI and verification instead of the URL's host */
	bool no_sni;
	struct yz_timeouts timeouts;
	int family;                 /* 0: both; 4; 6 */
	const char *source_address; /* local address bound to; "ADDRESS" or "ADDRESS:PORT" */
	const char *interface;      /* local interface bound to (SO_BINDTODEVICE) */
	const char *proxy; /* "socks5://[USER:PASSWORD@]HOST[:PORT]"; the proxy looks names up */
	struct yz_proxy_header proxy_header;
	/* Login. The URL's user and password are used where these are NULL. */
	const char *user, *password;
	const char *authzid;
	const char *mechanisms; /* "SCRAM-SHA-256 PLAIN": those, in that order; NULL: the strongest
	                         * offered first */
	/* Instead of `password`: called when it is needed, fills at most n octets and a NUL; 0, or -1
	 * for none. The octets are wiped after use. `what` is "password" or "token". */
	int (*secret)(void *arg, const char *what, const char *user, char *to, size_t n);
	void *secret_arg;
	const char *token;                  /* OAuth access token: OAUTHBEARER and XOAUTH2 */
	const char *local_certificate_name; /* EXTERNAL's authorization identity; NULL: empty */
};

/** `ctx` NULL: one of its own. `options` NULL: defaults. Never NULL; what is wrong in the options is
 * reported by yz_connect (YZ_E_INVAL). */
YZ_API struct yz_session *yz_session_new(struct yz_ctx *ctx, const struct yz_options *options);
/** Closes without QUIT. Transactions of the session must have been freed. NULL inside is fine. */
YZ_API void yz_session_free(struct yz_session **s);

/** What went wrong in the last call; code YZ_OK when nothing did. Never NULL. */
YZ_API const struct yz_error *yz_error(const struct yz_session *s);
/** For every step from now on. 0 is refused (YZ_E_INVAL). */
YZ_API int yz_set_timeout(struct yz_session *s, int64_t ms);

/* URLs: scheme:[//][user[:password]@]host[:port] (percent-encoding is undone)
 *	smtp: 25	submission: 587, STARTTLS required	submissions:, smtps: 465, TLS at once
 *	lmtp: 24	unix:/path (SMTP), lmtp+unix:/path	mx:DOMAIN (its MX hosts in turn, port 25;
 *	mx://DOMAIN:PORT for another)			"HOST[:PORT]" alone is smtp:
 * IPv6 addresses stand in brackets. A bad port is refused before any socket is made. */

/** Connect, greeting, TLS by policy, EHLO (HELO), login when there is a user. */
YZ_API YZ_WAITS int yz_connect(struct yz_session *s, const char *url);
/** Connect and read the greeting, no more: each further step is yours. */
YZ_API YZ_WAITS int yz_open(struct yz_session *s, const char *url);

/* A transport of the caller's own in place of a socket (a tunnel, a test's mock). Results of read
 * and write: octets moved (0 from read: the end), or -1 with an errno in *os_errno (EAGAIN, in
 * non-blocking sessions: call again when `fd` is ready). */
struct yz_transport {
	size_t size;
	long (*read)(void *arg, void *to, size_t n, int64_t timeout_ms, int *os_errno);
	long (*write)(void *arg, const void *from, size_t n, int64_t timeout_ms, int *os_errno);
	/* After the 220 of STARTTLS, in place of the library's own TLS: 0, or -1. NULL: the library
	 * speaks TLS through read and write. */
	int (*starttls)(void *arg, const char *server_name);
	void (*close)(void *arg); /* exactly once; NULL: nothing */
	int fd;                   /* for poll in non-blocking sessions; -1: cannot be waited for */
	void *arg;
};
/** Use that transport (copied) as the session's connection; reads nothing. `host` is for TLS and
 * messages. Then yz_greeting(), or yz_talk() for the rest of what yz_connect does. */
YZ_API int yz_attach(
	struct yz_session *s, const struct yz_transport *transport, const char *host, bool is_lmtp);
/** Read the greeting. YZ_E_GREETING (and closed) when it is not 220. */
YZ_API YZ_WAITS int yz_greeting(struct yz_session *s);
/** From the greeting to the login, as yz_connect after it has connected. */
YZ_API YZ_WAITS int yz_talk(struct yz_session *s);

/** EHLO (LHLO), HELO where that is refused with 5yz; `name` NULL: as in the options. */
YZ_API YZ_WAITS int yz_hello(struct yz_session *s, const char *name);
YZ_API YZ_WAITS int yz_ehlo(
	struct yz_session *s, const char *name, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_helo(
	struct yz_session *s, const char *name, const struct yz_reply **reply_r);
/** STARTTLS, handshake, and EHLO again when one was said before. YZ_E_NOTSUPP, YZ_E_REPLY (the
 * session goes on in clear), YZ_E_TLS, YZ_E_TLS_VERIFY (it is closed). */
YZ_API YZ_WAITS int yz_starttls(struct yz_session *s);
/** Log in with the mechanisms both sides have, the strongest first; NULL: user and password of the
 * options. After a 535 the next is tried. YZ_E_AUTH with the last reply, YZ_E_NOTSUPP. */
YZ_API YZ_WAITS int yz_login(struct yz_session *s, const char *user, const char *password);
/** A mechanism of the caller's own. `step` gets each challenge, decoded (NULL at first: an initial
 * response, or -1 for none), and fills at most *n octets; returns 0, or -1 to give up ("*" is
 * sent). */
typedef int yz_sasl_fn(
	void *arg, const void *challenge, size_t challenge_len, void *out, size_t *n);
YZ_API YZ_WAITS int yz_auth(
	struct yz_session *s, const char *mechanism, yz_sasl_fn *step, void *arg);

/** Any command: VERB [ARGS]; any reply is YZ_OK and in *reply_r (may be NULL). */
YZ_API YZ_WAITS int yz_cmd(
	struct yz_session *s, const char *verb, const char *args, const struct yz_reply **reply_r);
/** The two halves of that, for commands that have no reply or several. */
YZ_API YZ_WAITS int yz_put(struct yz_session *s, const char *verb, const char *args);
YZ_API YZ_WAITS int yz_get_reply(struct yz_session *s, const struct yz_reply **reply_r);

/* The verbs one by one. A reply that is not 2yz (354 for DATA) is YZ_E_SENDER, _RCPTS, _DATA or
 * _REPLY; *reply_r (may be NULL) is set either way. `path` goes between angle brackets as it is;
 * `params` behind it ("SIZE=100 BODY=8BITMIME"), NULL for none. */
YZ_API YZ_WAITS int yz_cmd_mail(struct yz_session *s, const char *path, const char *params,
	const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_cmd_rcpt(struct yz_session *s, const char *path, const char *params,
	const struct yz_reply **reply_r);
/** DATA, the octets (dots stuffed, ended with CRLF.CRLF; line ends as `eol` says), the final reply. In
 * LMTP the replies behind the first are read with yz_get_reply. */
enum yz_eol {
	YZ_EOL_FIX,    /* CR, LF and CRLF all become CRLF; a last line without an end gets one */
	YZ_EOL_STRICT, /* a bare CR or LF is refused (YZ_E_SOURCE, with its offset in the text) */
	YZ_EOL_BINARY, /* octets as they are: BINARYMIME with CHUNKING only */
	YZ_EOL_KEEP /* as they are by yz_cmd_data, dots behind LF doubled: smtplib's byte strings */
};
YZ_API YZ_WAITS int yz_cmd_data(struct yz_session *s, const void *octets, size_t n, enum yz_eol eol,
	const struct yz_reply **reply_r);
/** STARTTLS and the handshake, no more: the capabilities are forgotten, EHLO is yours. */
YZ_API YZ_WAITS int yz_cmd_starttls(struct yz_session *s, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_vrfy(
	struct yz_session *s, const char *what, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_expn(
	struct yz_session *s, const char *what, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_help(
	struct yz_session *s, const char *what, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_noop(struct yz_session *s, const struct yz_reply **reply_r);
YZ_API YZ_WAITS int yz_rset(struct yz_session *s, const struct yz_reply **reply_r);
/** QUIT and close. The connection is closed whatever comes back; YZ_OK when that was 221. */
YZ_API YZ_WAITS int yz_quit(struct yz_session *s);
/** Close at once. */
YZ_API void yz_close(struct yz_session *s);

/* What is known about the connection. */
YZ_API bool yz_is_connected(const struct yz_session *s);
/** Parameters of an EHLO keyword (any case): NULL not offered, "" none. AUTH= of old servers is
 * counted as AUTH. Forgotten by STARTTLS, QUIT, a new connection or EHLO. */
YZ_API const char *yz_cap(const struct yz_session *s, const char *keyword);
/** The i-th keyword and its parameters, in the server's order; NULL behind the last. */
YZ_API const char *yz_cap_at(const struct yz_session *s, size_t i, const char **params_r);
/** RFC 1870: the fixed limit; 0: none is told (SIZE or SIZE 0). */
YZ_API uint64_t yz_size_max(const struct yz_session *s);
YZ_API bool yz_is_esmtp(const struct yz_session *s);
/** The last greeting, EHLO/HELO reply, AUTH reply; NULL: none yet. */
YZ_API const struct yz_reply *yz_greeting_reply(const struct yz_session *s);
YZ_API const struct yz_reply *yz_hello_reply(const struct yz_session *s);
YZ_API const struct yz_reply *yz_auth_reply(const struct yz_session *s);
/** The mechanism that logged in; NULL. */
YZ_API const char *yz_auth_mechanism(const struct yz_session *s);
YZ_API const char *yz_hello_name(const struct yz_session *s);
YZ_API const char *yz_host(const struct yz_session *s);  /* of the URL, or the MX host taken */
YZ_API const char *yz_peer(const struct yz_session *s);  /* "192.0.2.1:25"; "" */
YZ_API const char *yz_local(const struct yz_session *s); /* "192.0.2.7:40312"; "" */
YZ_API int yz_fd(const struct yz_session *s);            /* -1 */
/* Each address that was tried, in order, and how it went (YZ_OK for the one in use). */
struct yz_attempt {
	const char *host, *address;
	int err, os_errno;
	const char *text;
};
YZ_API size_t yz_attempts(const struct yz_session *s, const struct yz_attempt **attempts_r);

struct yz_cert {                          /* strings live until the session is closed */
	const char *subject, *issuer;     /* RFC 2253 */
	const char *names;                /* "DNS:a.example DNS:b.example IP:192.0.2.1" */
	int64_t not_before, not_after;    /* seconds since 1970 */
	const char *serial;               /* hex */
	const char *key;                  /* "RSA 2048", "EC P-256", "Ed25519" */
	const char *signature;            /* "sha256WithRSAEncryption" */
	const char *sha256, *spki_sha256; /* hex */
	const char *pem;
};
struct yz_tls_info {
	const char *version, *cipher; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	unsigned bits;
	const char *group; /* key exchange, "X25519"; NULL when not known */
	const char *name;  /* that was verified */
	const char *alpn;  /* or NULL */
	bool is_verified, is_resumed;
	long verify_error; /* X509_V_OK is 0 */
	const char *verify_text;
	size_t cert_count; /* as sent, the server's first */
	const struct yz_cert *certs;
};
/** NULL without TLS. */
YZ_API const struct yz_tls_info *yz_tls(const struct yz_session *s);

/* --- transaction: one message to its envelope ------------------------------------------------- */

struct yz_txn;

enum yz_body_type { YZ_BODY_AUTO, YZ_BODY_7BIT, YZ_BODY_8BITMIME, YZ_BODY_BINARYMIME };
enum yz_ret { YZ_RET_NONE, YZ_RET_FULL, YZ_RET_HDRS };
enum yz_notify {
	YZ_NOTIFY_NEVER = 1,
	YZ_NOTIFY_SUCCESS = 2,
	YZ_NOTIFY_FAILURE = 4,
	YZ_NOTIFY_DELAY = 8
};

enum yz_txn_flag {                  /* bits of yz_mail_params.flags */
	YZ_ALL_OR_NOTHING = 1 << 0, /* the first refused recipient ends it, nobody gets mail */
	YZ_DSN_OR_FAIL = 1 << 1,    /* DSN parameters a server does not take: YZ_E_NOTSUPP;
	                                  * without it they are left out */
	YZ_REQUIRETLS = 1 << 2,     /* RFC 8689: under TLS and where offered, else YZ_E_NOTSUPP */
	YZ_SMTPUTF8 = 1 << 3,       /* RFC 6531 also where nothing is seen to need it */
	YZ_8BIT_ANYWAY = 1 << 4,    /* send 8-bit octets although 8BITMIME is not offered */
	YZ_NO_DECLARE = 1 << 5,     /* no SIZE, BODY, SMTPUTF8 by ourselves: `extra` says all */
};

struct yz_mail_params {
	size_t size;
	unsigned flags;         /* enum yz_txn_flag */
	enum yz_body_type body; /* AUTO: 8BITMIME exactly when the message has 8-bit octets */
	enum yz_ret ret;        /* RFC 3461 */
	const char *envid;      /* decoded; xtext is made of it */
	const char *auth;       /* AUTH= of RFC 4954: mailbox, "<>", or NULL */
	int64_t by_seconds;     /* DELIVERBY (RFC 2852); with by_mode 'R' or 'N', 0: not asked */
	char by_mode;
	bool by_trace;
	int64_t hold_for;   /* FUTURERELEASE (RFC 4865): seconds; 0: not asked */
	int64_t hold_until; /* or: seconds since 1970 */
	bool has_priority;  /* MT-PRIORITY (RFC 6710): -9 to 9 */
	int priority;
	uint64_t declared_size; /* SIZE= when the source does not know its own; 0 */
	const char *extra;      /* further parameters as they stand, "X-FOO=1" */
};
struct yz_rcpt_params {
	size_t size;
	unsigned notify;   /* enum yz_notify bits; NEVER stands alone */
	const char *orcpt; /* "rfc822;user@example.org", decoded */
	const char *extra;
	void *user; /* comes back in the result */
};

/** A message from `reverse_path` ("" or "<>": the null sender; a display name is refused). May be
 * made before the session is connected. Never NULL; what is wrong is reported by yz_send. */
YZ_API struct yz_txn *yz_txn_new(
	struct yz_session *s, const char *reverse_path, const struct yz_mail_params *params);
YZ_API void yz_txn_free(struct yz_txn **t);
YZ_API int yz_txn_rcpt(
	struct yz_txn *t, const char *forward_path, const struct yz_rcpt_params *params);

/* Where a body comes from. It is read when it is sent. */
struct yz_source {
	size_t size_of;                              /* sizeof(struct yz_source) */
	long (*read)(void *arg, void *to, size_t n); /* octets; 0 at the end; -1 failed */
	int (*rewind)(void *arg);                    /* 0, or -1; NULL: can be read once */
	long long size;                              /* octets, or -1: not known */
	void *arg;
};
/** Octets in memory, borrowed until the transaction is sent. */
YZ_API int yz_txn_body(struct yz_txn *t, const void *octets, size_t n, enum yz_eol eol);
YZ_API int yz_txn_source(struct yz_txn *t, const struct yz_source *source, enum yz_eol eol);
/** From where the descriptor stands to its end; a pipe does. It stays the caller's. */
YZ_API int yz_txn_fd(struct yz_txn *t, int fd, enum yz_eol eol);
YZ_API int yz_txn_file(struct yz_txn *t, const char *path, enum yz_eol eol);
/** Called while the body goes out: octets so far (of all, or -1). */
YZ_API void yz_txn_progress(
	struct yz_txn *t, void (*fn)(void *arg, uint64_t sent, int64_t of), void *arg);

enum yz_outcome {
	YZ_NOT_SENT,     /* nothing was taken: not tried, or the connection failed before the end */
	YZ_ACCEPTED,     /* the server has taken responsibility */
	YZ_REFUSED_TEMP, /* 4yz, and 552 for a recipient (RFC 5321 section 4.5.3.1.10) */
	YZ_REFUSED_PERM, /* 5yz */
	YZ_UNKNOWN /* the connection was lost behind the final dot: sending again may double it */
};
/** "accepted"; never NULL. */
YZ_API const char *yz_outcome_str(enum yz_outcome outcome);

struct yz_result {
	const char *path;
	enum yz_outcome outcome;
	enum yz_phase phase; /* that decided: YZ_PHASE_MAIL, _RCPT, _DATA, _FINAL */
	const struct yz_reply
		*reply;              /* that decided; NULL: none (the connection failed, or ours) */
	const struct yz_reply *rcpt; /* its reply to RCPT; NULL: never asked */
	bool is_ours;                /* refused by this library: the server lacks what is needed */
	const char *text;            /* one line that explains it */
	void *user;
};

/** Send it. YZ_OK: at least one recipient accepted (all, with YZ_ALL_OR_NOTHING). YZ_E_SENDER,
 * YZ_E_RCPTS, YZ_E_DATA: refused, the session goes on. YZ_E_NOTSUPP, YZ_E_SIZE, YZ_E_INVAL: nothing was
 * sent. YZ_E_SOURCE, _CLOSED, _TIMEOUT, _PROTO, _UNKNOWN: the session is closed. Results always tell
 * each recipient's outcome. It is never sent a second time by itself. */
YZ_API YZ_WAITS int yz_send(struct yz_txn *t);
/** Several, in order; with PIPELINING and CHUNKING the next one leaves before the last one's reply is
 * read. YZ_OK: each was decided (look at each). An error: the connection failed; those behind are
 * YZ_NOT_SENT. */
YZ_API YZ_WAITS int yz_send_many(struct yz_session *s, struct yz_txn *const *txns, size_t count);

YZ_API size_t yz_txn_count(const struct yz_txn *t);
/** In the order of yz_txn_rcpt. Lives until the transaction is freed. */
YZ_API const struct yz_result *yz_txn_result(const struct yz_txn *t, size_t i);
YZ_API size_t yz_txn_accepted(const struct yz_txn *t);
/** The worst over all: UNKNOWN if any, else the first that was not accepted. */
YZ_API enum yz_outcome yz_txn_outcome(const struct yz_txn *t);
/** The last reply: to the final dot (where the queue id stands), else what refused; NULL. */
YZ_API const struct yz_reply *yz_txn_reply(const struct yz_txn *t);
/** The error of this transaction, kept although the session went on. */
YZ_API const struct yz_error *yz_txn_error(const struct yz_txn *t);
YZ_API uint64_t yz_txn_octets(const struct yz_txn *t); /* of the body, as sent before stuffing */

/** All in one: connect, send, QUIT. `to` ends with NULL. YZ_OK: all accepted. Of what went wrong `why`
 * (may be NULL) gets a text of at most n octets with its NUL. Blocks. */
YZ_API int yz_sendmail(const char *url, const char *from, const char *const *to,
	const void *message, size_t message_len, char *why, size_t n);

/* --- without blocking ------------------------------------------------------------------------- */

enum yz_events { YZ_READ = 1, YZ_WRITE = 2 };
struct yz_want {
	int fd;             /* -1: only time */
	int events;         /* enum yz_events bits */
	int64_t timeout_ms; /* call yz_step at the latest after this; -1: no limit */
};
/** From now on calls that WAIT return YZ_E_AGAIN instead; the call runs on a stack of its own (64 KiB
 * with a guard page), bound to the thread that makes it until it has finished. */
YZ_API int yz_set_nonblocking(struct yz_session *s, bool is_nonblocking);
/** Go on with the call that returned YZ_E_AGAIN: its result, or YZ_E_AGAIN again with *want_r set (may be
 * NULL). YZ_E_STATE when none is under way. Never blocks. */
YZ_API int yz_step(struct yz_session *s, struct yz_want *want_r);
/** What the call under way waits for. */
YZ_API void yz_wants(const struct yz_session *s, struct yz_want *want_r);
/** The call under way ends with YZ_E_CANCELLED (at once; the connection is closed). */
YZ_API void yz_cancel(struct yz_session *s);

/* --- watching --------------------------------------------------------------------------------- */

#define YZ_TRACE_KINDS(X)                                                                          \
	X(RESOLVE, "resolve") /* text: host and what was found */                                  \
	X(CONNECT, "connect") /* text: address tried; "connected" */                               \
	X(TLS, "tls")         /* version, cipher, verification */                                  \
	X(LINE, "line")       /* a line of the conversation */                                     \
	X(DATA, "data")       /* octets of the body: counted, text only with YZ_TRACE_BODY */      \
	X(NOTE, "note")                                                                            \
	X(CLOSE, "close")
enum yz_trace_kind {
#define X(id, name) YZ_TRACE_##id,
	YZ_TRACE_KINDS(X)
#undef X
};
enum yz_dir { YZ_DIR_NONE, YZ_DIR_OUT, YZ_DIR_IN };
enum yz_trace_flag { YZ_TRACE_SECRETS = 1, YZ_TRACE_BODY = 2 };
struct yz_trace_event {
	enum yz_trace_kind kind;
	enum yz_dir dir;
	bool is_encrypted;  /* went through TLS */
	bool is_masked;     /* a secret stands here; text is a note in its place */
	bool is_unexpected; /* a reply that refuses or breaks the protocol */
	int64_t time_ns;    /* monotonic */
	const char *
		text; /* without line end; NUL-ended, may hold any other octet; lives during the call */
	size_t len;
	uint64_t octets; /* DATA: how many */
};
typedef void yz_trace_fn(void *arg, const struct yz_trace_event *event);
/** NULL ends it. Also before connecting: the greeting is seen. Called on the session's thread. */
YZ_API void yz_set_trace(struct yz_session *s, yz_trace_fn *fn, void *arg, unsigned flags);

/* --- small helpers of smtplib ------------------------------------------------------------------ */

/* These return a string that the caller frees with yz_free, or NULL when the input cannot be made into
 * one. Any thread. */
/** "Name <a@b>" or "a@b" becomes "<a@b>" (smtplib.quoteaddr). */
YZ_API char *yz_quote_address(const char *address);
/** Line ends become CRLF and dots are stuffed, as DATA wants it (smtplib.quotedata); *n_r octets. */
YZ_API char *yz_quote_data(const void *octets, size_t n, size_t *n_r);
YZ_API void yz_free(void *p);

/* --- messages: include/yizhan.h, second half --------------------------- MESSAGES-BEGIN --------- */

/* Rules of this half
 * - Nothing waits but for what the caller's callbacks, files and descriptors do.
 * - Names, values and texts are UTF-8 and copied. CR, LF and NUL are refused where a header field is
 *   made (YZ_E_INVAL): nothing foreign can add a field, a part or a line.
 * - A call returns YZ_OK or an enum yz_err; yz_msg_error(), yz_mail_error() tell the rest. A failed call
 *   changes nothing.
 * - A message of either kind belongs to one thread at a time. Character sets are iconv's, which
 *   may read its tables from disk.
 * - The time is the system's real-time clock, random numbers are the kernel's. No zone is taken from
 *   the environment: dates are written in UTC where no zone is given. */

/* --- small values ------------------------------------------------------------------------------ */

struct yz_address {
	const char *name;           /* as people read it; "" when there is none */
	const char *address;        /* local@domain, the local part quoted where it must be */
	const char *local, *domain; /* quotes undone; domain "" when there is none */
	const char *group;          /* the group it stands in (RFC 5322 section 3.4); NULL: none */
	bool is_malformed;          /* readers may see another address here */
};
struct yz_addresses {
	size_t count; /* of mailboxes */
	const struct yz_address *items;
	size_t group_count; /* also the empty ones ("undisclosed-recipients:;") */
	const char *const *groups;
	bool is_malformed; /* readers may disagree about the list */
};
struct yz_date {
	int64_t unix_sec;
	int zone_minutes; /* east of UTC */
	bool has_zone;    /* false: "-0000", or none was told */
	bool is_obsolete; /* not the form of RFC 5322 section 3.3 */
};

/** Where octets go: 0, or anything else to end it (YZ_E_SOURCE). */
typedef int yz_write_fn(void *arg, const void *octets, size_t n);

/* --- making a message -------------------------------------------------------------------------- */

struct yz_msg;
struct yz_part; /* belongs to its message, lives as long */

/** An empty message. Never NULL. */
YZ_API struct yz_msg *yz_msg_new(void);
/** With all its parts. Transactions that send it must have been freed. NULL inside is fine. */
YZ_API void yz_msg_free(struct yz_msg **m);
/** What went wrong in the last call. Never NULL. */
YZ_API const struct yz_error *yz_msg_error(const struct yz_msg *m);

/* Fields stand in the message in the order in which they were added. Those that may come once (RFC
 * 5322 section 3.6) are refused the second time (YZ_E_STATE). Content fields are the parts' business
 * and refused (YZ_E_INVAL). */

/** Field `name` with free text: encoded words where they are needed (RFC 2047). Fields known to hold
 * addresses, dates or ids are read as that. YZ_E_INVAL, YZ_E_STATE, YZ_E_LIMIT. */
YZ_API int yz_msg_add(struct yz_msg *m, const char *name, const char *text);
/** The same in the place of the first field of that name; the others go. */
YZ_API int yz_msg_set(struct yz_msg *m, const char *name, const char *text);
/** A value that is ready, in ASCII: it is folded at its blanks and not looked into. */
YZ_API int yz_msg_add_ready(struct yz_msg *m, const char *name, const char *value);
/** How many fields of that name went. */
YZ_API size_t yz_msg_remove(struct yz_msg *m, const char *name);
/** The first field of that name as text; NULL: none. Lives until the next call with the message. */
YZ_API const char *yz_msg_get(const struct yz_msg *m, const char *name);
/** The i-th field's name and value; NULL behind the last. They live as long. */
YZ_API const char *yz_msg_field(const struct yz_msg *m, size_t i, const char **value_r);

/** Addresses as people write them, "Zoë <zoe@example.org>, Team: a@b.c, d@e.f;". Those of a field that
 * is there already stay, and these come behind them. Malformed lists are refused (YZ_E_INVAL). */
YZ_API int yz_msg_addresses(struct yz_msg *m, const char *name, const char *list);
/** The same for the usual fields. */
YZ_API int yz_msg_from(struct yz_msg *m, const char *list);
YZ_API int yz_msg_sender(struct yz_msg *m, const char *mailbox);
YZ_API int yz_msg_reply_to(struct yz_msg *m, const char *list);
YZ_API int yz_msg_to(struct yz_msg *m, const char *list);
YZ_API int yz_msg_cc(struct yz_msg *m, const char *list);
/** Who gets it unseen: never written, unless asked for (yz_msg_options.keeps_bcc). */
YZ_API int yz_msg_bcc(struct yz_msg *m, const char *list);
/** One more mailbox of field `name`; `display` may be NULL, and may hold anything that is text. */
YZ_API int yz_msg_mailbox(
	struct yz_msg *m, const char *name, const char *display, const char *address);
/** A group of mailboxes (RFC 5322 section 3.4), also an empty one; of the items name and address
 * count. */
YZ_API int yz_msg_group(struct yz_msg *m, const char *name, const char *group,
	const struct yz_address *items, size_t count);

YZ_API int yz_msg_subject(struct yz_msg *m, const char *text);
/** Date, Resent-Date … in place of one that is there. Without Date the time of writing is put. */
YZ_API int yz_msg_date(struct yz_msg *m, const char *name, int64_t unix_sec, int zone_minutes);
/** Message-ID "<left@right>", or "left@right". Without it one is made when it is written, and stays. */
YZ_API int yz_msg_id(struct yz_msg *m, const char *id);
/** The Message-ID it has or will have. Lives as long as the message. */
YZ_API const char *yz_msg_message_id(struct yz_msg *m);
/** The name behind the @ of a Message-ID that is made; "": none is made. By default the domain of From,
 * else "localhost". */
YZ_API int yz_msg_host(struct yz_msg *m, const char *host);
/** Minutes east of UTC of a Date that is made; 0 is the default. */
YZ_API int yz_msg_zone(struct yz_msg *m, int zone_minutes);
/** List-Unsubscribe (RFC 2369): `https` and `mailto` URLs, either may be NULL; with `one_click` (needs
 * https) List-Unsubscribe-Post too (RFC 8058). In place of what was there. */
YZ_API int yz_msg_list_unsubscribe(
	struct yz_msg *m, const char *https, const char *mailto, bool one_click);

/* Bodies: text and HTML together become multipart/alternative, HTML with inline parts
 * multipart/related, and attachments make it multipart/mixed. */

/** The text, in place of what was there. Lines end with LF or CRLF. */
YZ_API int yz_msg_text(struct yz_msg *m, const char *text);
YZ_API int yz_msg_html(struct yz_msg *m, const char *html);
/** The text travels as format=flowed (RFC 3676): each of its lines is a paragraph. */
YZ_API void yz_msg_flowed(struct yz_msg *m, bool is_flowed);
/** An invitation (RFC 6047) beside the text; `method` is "REQUEST", "REPLY", "CANCEL" … */
YZ_API int yz_msg_calendar(struct yz_msg *m, const char *method, const char *ics);

struct yz_attachment {
	size_t size;
	const char *filename;    /* NULL: none (of yz_msg_attach_file: the path's last name) */
	const char *type;        /* "type/subtype"; NULL: by the file name's ending, else
	                          * application/octet-stream */
	const char *id;          /* Content-ID without angle brackets; needed by inline parts */
	const char *description; /* NULL: none */
	bool is_inline;          /* shown by the HTML as cid:ID (RFC 2392) */
	bool is_borrowed;        /* octets in memory are not copied: they outlive the message */
};
/** Octets in memory, copied. `a` may be NULL. */
YZ_API int yz_msg_attach(
	struct yz_msg *m, const void *octets, size_t n, const struct yz_attachment *a);
/** A file that is opened now and read, a piece at a time, when the message is written. YZ_E_SYSTEM. */
YZ_API int yz_msg_attach_file(struct yz_msg *m, const char *path, const struct yz_attachment *a);
/** What a descriptor has from where it stands now; it stays open until the message is freed, and the
 * caller's. A pipe can be written once. */
YZ_API int yz_msg_attach_fd(struct yz_msg *m, int fd, const struct yz_attachment *a);
/** What a callback gives. The source's arg outlives the message. */
YZ_API int yz_msg_attach_source(
	struct yz_msg *m, const struct yz_source *source, const struct yz_attachment *a);
/** A whole message, forwarded as it is (message/rfc822). Copied. */
YZ_API int yz_msg_attach_message(struct yz_msg *m, const void *octets, size_t n);

/* Any tree of parts by hand. NULL is returned, and yz_msg_error() set, where something is refused. */

/** text/subtype */
YZ_API struct yz_part *yz_part_text(struct yz_msg *m, const char *subtype, const char *text);
/** Octets of any type but multipart, copied. */
YZ_API struct yz_part *yz_part_octets(
	struct yz_msg *m, const char *type, const void *octets, size_t n);
YZ_API struct yz_part *yz_part_source(
	struct yz_msg *m, const char *type, const struct yz_source *source);
YZ_API struct yz_part *yz_part_message(struct yz_msg *m, const void *octets, size_t n);
/** multipart/subtype: mixed, alternative, related, report … */
YZ_API struct yz_part *yz_part_multi(struct yz_msg *m, const char *subtype);
/** At the end of a multipart. YZ_E_STATE: `parent` is none, or `child` is in a part already. */
YZ_API int yz_part_add(struct yz_part *parent, struct yz_part *child);
/** A parameter of Content-Type; RFC 2231 is seen to. */
YZ_API int yz_part_param(struct yz_part *p, const char *name, const char *value);
/** Content-Disposition; `filename` may be NULL. */
YZ_API int yz_part_disposition(struct yz_part *p, const char *disposition, const char *filename);
YZ_API int yz_part_id(struct yz_part *p, const char *id);
YZ_API int yz_part_description(struct yz_part *p, const char *text);
/** This part is the message's body: the texts and attachments of above are not written. NULL: they
 * are again. */
YZ_API int yz_msg_body(struct yz_msg *m, struct yz_part *root);
/** No text, HTML, calendar, attachment or root any more; the fields stay. */
YZ_API void yz_msg_clear_body(struct yz_msg *m);

/* Writing. Lines end with CRLF. Lines are folded at 78 octets and never longer than 998; encoded words
 * have at most 75; base64 and quoted-printable lines 76. No boundary is in what it bounds. */

enum yz_way { YZ_WAY_7BIT, YZ_WAY_8BIT, YZ_WAY_BINARY };
struct yz_msg_options {
	size_t size;
	enum yz_way way;       /* what octets may be in it */
	bool is_utf8;          /* SMTPUTF8: fields in bare UTF-8 (RFC 6532) */
	bool is_ascii_domains; /* domains of addresses as A-labels (RFC 5890) */
	bool keeps_bcc;        /* a copy for the sender's own folder */
	bool is_lf;            /* line ends are LF: for files of Unix programs, not for sending */
	const char *charset; /* of words and texts where it has all their characters; NULL: UTF-8 */
	size_t fold;         /* columns, 0: 78, at most 998 */
};
/** To a callback; `o` NULL: 7-bit, for everywhere. YZ_E_NOTSUPP: the way cannot carry it (an address in
 * UTF-8, a forwarded 8-bit message on a 7-bit way: that is never re-encoded). YZ_E_SOURCE. May be called
 * again, with other options, unless a source can be read once only (YZ_E_STATE). */
YZ_API int yz_msg_write(
	struct yz_msg *m, const struct yz_msg_options *o, yz_write_fn *write, void *arg);
YZ_API int yz_msg_write_fd(struct yz_msg *m, const struct yz_msg_options *o, int fd);
/** A file of that name is made anew, mode 0600 but for the umask. */
YZ_API int yz_msg_write_file(struct yz_msg *m, const struct yz_msg_options *o, const char *path);
/** As a NUL-ended string that the caller frees with yz_free(); at most `max` octets (YZ_E_LIMIT). */
YZ_API int yz_msg_write_mem(
	struct yz_msg *m, const struct yz_msg_options *o, size_t max, char **octets_r, size_t *n_r);
/** Does an address in it need SMTPUTF8 (RFC 6531)? With `also_domains` an IDN counts too. */
YZ_API bool yz_msg_needs_utf8(const struct yz_msg *m, bool also_domains);

/* --- reading a message ------------------------------------------------------------------------- */

struct yz_mail;   /* a parsed message */
struct yz_entity; /* it, and each of its parts (RFC 2045 section 2.4); lives as long as it does */

struct yz_mail_options { /* 0: the default */
	size_t size;
	size_t parts;           /* 10,000; what is beyond a limit is not read apart: a defect */
	size_t depth;           /* 100 */
	size_t params;          /* 10,000 of all parts */
	size_t header_octets;   /* 4 MiB of all header sections */
	size_t fields;          /* 50,000 */
	size_t memory;          /* octets kept of what cannot be read again (feed, pipes): 64 MiB */
	bool allows_from_line;  /* an mbox's "From " line may stand in front */
	bool is_structure_only; /* feed: octets are not kept, only their places */
};
/** Push parser: give it octets in any cut, then yz_mail_end(). Never NULL. */
YZ_API struct yz_mail *yz_mail_new(const struct yz_mail_options *o);
/** YZ_E_LIMIT: more than is kept. YZ_E_STATE behind the end. */
YZ_API int yz_mail_feed(struct yz_mail *m, const void *octets, size_t n);
YZ_API int yz_mail_end(struct yz_mail *m);
/** A whole message in memory; the octets are borrowed. Anything at all can be read: never NULL. */
YZ_API struct yz_mail *yz_mail_parse(const void *octets, size_t n, const struct yz_mail_options *o);
/** From where the descriptor stands to its end. A file is read again for its bodies: the descriptor (of
 * the caller) stays open as long. What a pipe has is kept. *mail_r is NULL after an error. */
YZ_API int yz_mail_parse_fd(int fd, const struct yz_mail_options *o, struct yz_mail **mail_r);
YZ_API int yz_mail_parse_file(
	const char *path, const struct yz_mail_options *o, struct yz_mail **mail_r);
YZ_API void yz_mail_free(struct yz_mail **m);
YZ_API const struct yz_error *yz_mail_error(const struct yz_mail *m);

/** The message itself; NULL before yz_mail_end(). */
YZ_API const struct yz_entity *yz_mail_root(const struct yz_mail *m);
YZ_API uint64_t yz_mail_size(const struct yz_mail *m);

/* Walking. message/rfc822 has one child: the message in it. */
YZ_API const struct yz_entity *yz_entity_parent(const struct yz_entity *e);
YZ_API const struct yz_entity *yz_entity_child(const struct yz_entity *e, size_t i);
YZ_API size_t yz_entity_children(const struct yz_entity *e);
/** The next one in the order of the message, depth first; NULL at the end. */
YZ_API const struct yz_entity *yz_entity_next(const struct yz_entity *e);
YZ_API unsigned yz_entity_depth(const struct yz_entity *e);

struct yz_place {              /* octets from the message's first */
	uint64_t header, body; /* where they begin */
	uint64_t end;          /* of the body; the line end before a boundary is the boundary's */
	uint64_t preamble_end; /* of a multipart: the text before the first boundary; else body */
	uint64_t epilogue;     /* of a multipart: where the text behind the last begins; else end */
	uint64_t body_lines;
	bool has_8bit, has_nul; /* the body */
};
YZ_API void yz_entity_place(const struct yz_entity *e, struct yz_place *place_r);

/* Content. Types, names of parameters and encodings are in lower case. */
YZ_API const char *yz_entity_type(const struct yz_entity *e); /* "text/plain" where none counts */
YZ_API bool yz_entity_is(const struct yz_entity *e, const char *type); /* "text/html", "text/" */
YZ_API bool yz_entity_is_multipart(const struct yz_entity *e);
/** A parameter of Content-Type as people read it; NULL: none. */
YZ_API const char *yz_entity_param(const struct yz_entity *e, const char *name);
/** The i-th one's name; NULL behind the last. */
YZ_API const char *yz_entity_param_at(const struct yz_entity *e, size_t i, const char **value_r);
YZ_API const char *yz_entity_charset(const struct yz_entity *e); /* "us-ascii" where none is told */
YZ_API const char *yz_entity_encoding(const struct yz_entity *e);    /* "7bit" where none is told */
YZ_API const char *yz_entity_disposition(const struct yz_entity *e); /* "" where none is told */
YZ_API const char *yz_entity_disposition_param(const struct yz_entity *e, const char *name);
/** By Content-Disposition, else by Content-Type, in UTF-8; NULL: none. It is what the sender wrote: not
 * a path to be trusted. */
YZ_API const char *yz_entity_filename(const struct yz_entity *e);
YZ_API const char *yz_entity_id(const struct yz_entity *e); /* Content-ID without brackets; NULL */
YZ_API bool yz_entity_is_attachment(const struct yz_entity *e); /* as its disposition says */

/* Fields. */
struct yz_field {
	const char *name;      /* as written */
	const char *raw;       /* the value as it stands, folds and all, NUL-ended */
	size_t raw_len;        /* it may hold NULs itself */
	uint64_t offset, len;  /* of the whole field, with its last line end */
	uint64_t value_offset; /* behind the colon */
};
YZ_API size_t yz_entity_fields(const struct yz_entity *e);
/** YZ_E_INVAL behind the last. */
YZ_API int yz_entity_field(const struct yz_entity *e, size_t i, struct yz_field *field_r);
/** The value of the i-th field of that name (any case) in UTF-8 on one line, encoded words decoded; NULL
 * when there are fewer. */
YZ_API const char *yz_entity_get(const struct yz_entity *e, const char *name, size_t i);
/** The same unfolded, but not decoded. */
YZ_API const char *yz_entity_raw(const struct yz_entity *e, const char *name, size_t i);
/** The addresses of all fields of that name, as they stand. Never NULL. */
YZ_API const struct yz_addresses *yz_entity_addresses(const struct yz_entity *e, const char *name);
/** YZ_E_INVAL: no such field, or it is no date. */
YZ_API int yz_entity_date(const struct yz_entity *e, const char *name, struct yz_date *date_r);
/** "<left@right>" of Message-ID, In-Reply-To, References; an array of *count_r, with a NULL behind. */
YZ_API const char *const *yz_entity_ids(
	const struct yz_entity *e, const char *name, size_t *count_r);
/** yz_entity_get(yz_mail_root(m), name, 0). */
YZ_API const char *yz_mail_get(const struct yz_mail *m, const char *name);

/* Bodies. */
enum yz_form {
	YZ_RAW,     /* as it stands in the message */
	YZ_OCTETS,  /* transfer encoding undone */
	YZ_TEXT,    /* charset undone too: UTF-8 */
	YZ_UNFLOWED /* and format=flowed: one line a paragraph */
};
/** In pieces to a callback. YZ_E_SOURCE, YZ_E_STATE (octets were not kept). Defects that are found join
 * the message's list. */
YZ_API int yz_entity_read(
	const struct yz_entity *e, enum yz_form form, yz_write_fn *write, void *arg);
/** The same as a NUL-ended string of *n_r octets, at most `max` (YZ_E_LIMIT), that the caller frees with
 * yz_free(). */
YZ_API int yz_entity_read_mem(
	const struct yz_entity *e, enum yz_form form, size_t max, char **octets_r, size_t *n_r);
/** What is best shown: the first of the words of `preference` ("html plain") that there is; "related" is
 * the multipart/related with its HTML, "calendar" an invitation. NULL: none. */
YZ_API const struct yz_entity *yz_mail_body(const struct yz_mail *m, const char *preference);
/** All that is no shown text (RFC 8621 section 4.1.4): an array of *count_r that the message keeps. */
YZ_API const struct yz_entity *const *yz_mail_attachments(const struct yz_mail *m, size_t *count_r);

/* What is wrong with it. Never fatal: reading goes on as most readers do. */
struct yz_defect {
	const char *name; /* "two-from-fields", see yz_defect_name() */
	const struct yz_entity *entity;
	uint64_t offset;   /* in the message */
	bool is_ambiguous; /* readers are known to disagree about what the message says */
};
YZ_API size_t yz_mail_defects(const struct yz_mail *m);
YZ_API int yz_mail_defect(const struct yz_mail *m, size_t i, struct yz_defect *defect_r);
/** Every name there is, by number; NULL behind the last. */
YZ_API const char *yz_defect_name(unsigned number);
YZ_API bool yz_mail_is_ambiguous(const struct yz_mail *m);
/** The strict reading: YZ_E_INVAL with the first ambiguous defect and its place in the text. */
YZ_API int yz_mail_check(struct yz_mail *m);

/* Changing the header and writing it back: what is not changed stays octet for octet. Reading shows
 * the message as it came. Values are text as in yz_msg_add(). */
YZ_API size_t yz_mail_remove(struct yz_mail *m, const char *name);
/** The first field of that name gets this value, the others stay. YZ_E_INVAL: there is none. */
YZ_API int yz_mail_replace(struct yz_mail *m, const char *name, const char *text);
/** Before the first field (as trace fields are), or behind the last. */
YZ_API int yz_mail_prepend(struct yz_mail *m, const char *name, const char *text);
YZ_API int yz_mail_append(struct yz_mail *m, const char *name, const char *text);
YZ_API int yz_mail_write(struct yz_mail *m, yz_write_fn *write, void *arg);
YZ_API int yz_mail_write_mem(struct yz_mail *m, size_t max, char **octets_r, size_t *n_r);

/* Answers. */
enum yz_reply_flag {
	YZ_REPLY_ALL = 1,   /* To and Cc of the original too, but for `self` */
	YZ_REPLY_QUOTE = 2, /* the text begins with the original's, behind "> " */
};
/** A new message to who wrote it (Reply-To, else From): "Re: ", In-Reply-To and References (RFC 5322
 * section 3.6.4). `self`: addresses of the one who answers, which become From; NULL: none is set.
 * Never NULL. */
YZ_API struct yz_msg *yz_mail_reply(const struct yz_mail *m, const char *self, unsigned flags);
enum yz_forward_flag {
	YZ_FORWARD_INLINE = 1 /* its text and header in the text, instead of message/rfc822 */
};
/** A new message with "Fwd: " that holds it. NULL when it could not be read (yz_mail_error). */
YZ_API struct yz_msg *yz_mail_forward(struct yz_mail *m, unsigned flags);

/* --- reports ----------------------------------------------------------------------------------- */

struct yz_report_field { /* one that stands in a report: an extension, or as it was */
	const char *name, *value;
};
struct yz_dsn_rcpt {        /* RFC 3464 section 2.3; NULL, 0: not told */
	const char *action; /* "failed", "delayed", "delivered", "relayed", "expanded" */
	const char *status; /* "5.1.1" */
	unsigned cls, subject, detail;
	const char *final_recipient;                           /* the address */
	const char *original_recipient;                        /* decoded */
	const char *remote_mta, *diagnostic, *diagnostic_type; /* "550 5.1.1 …", "smtp" */
	const char *final_log_id;
	struct yz_date last_attempt, will_retry_until; /* unix_sec 0 */
	const struct yz_report_field *fields;          /* all, as they stand */
	size_t field_count;
};
struct yz_dsn {
	const char *reporting_mta, *received_from_mta, *dsn_gateway; /* the names */
	const char *envid;                                           /* as given to MAIL */
	struct yz_date arrival;
	const struct yz_dsn_rcpt *rcpts;
	size_t rcpt_count;
	const struct yz_report_field *fields;
	size_t field_count;
	const struct yz_entity *text;     /* for people; NULL */
	const struct yz_entity *original; /* the message or its header that came back; NULL */
	const char *original_message_id;  /* NULL */
};
/** What a delivery status notification says (RFC 3464, 6533); NULL: this is none. Kept by the message. */
YZ_API const struct yz_dsn *yz_mail_dsn(const struct yz_mail *m);

struct yz_mdn { /* RFC 8098 section 3 */
	const char *reporting_ua, *mdn_gateway;
	const char *final_recipient, *original_recipient;
	const char *original_message_id;
	const char *disposition;     /* "displayed", "deleted", "dispatched", "processed" */
	bool is_automatic;           /* automatic-action, not manual-action */
	bool was_sent_automatically; /* MDN-sent-automatically */
	const char *modifiers;       /* "error", "…,…"; "" */
	const char *error;           /* the text of the first Error field; NULL */
	const struct yz_report_field *fields;
	size_t field_count;
	const struct yz_entity *text, *original;
};
/** What a read receipt says; NULL: this is none. */
YZ_API const struct yz_mdn *yz_mail_mdn(const struct yz_mail *m);

/* --- sending a message ------------------------------------------------------------------------- */

/** The transaction sends this message (borrowed, with its sources, until it was sent) in the form that
 * the server takes: 8BITMIME, SMTPUTF8 when an address needs it, A-labels for domains alone. Before or
 * after connecting. YZ_E_NOTSUPP, YZ_E_STATE: as yz_msg_write(). */
YZ_API int yz_txn_message(struct yz_txn *t, struct yz_msg *m);

/** From the message's own fields to a transaction, and send it, as smtplib's send_message: from Sender,
 * else From; to To, Cc and Bcc; of one block of Resent fields those instead; several are refused
 * (YZ_E_INVAL). Bcc and Resent-Bcc do not travel, Date and Message-ID that are missing do; the message
 * stays as it was. `params` may be NULL. *txn_r, when asked for, has the results and is freed by the
 * caller; it is NULL when there was nothing to send (YZ_E_INVAL, YZ_E_LIMIT). Else as yz_send(). */
YZ_API YZ_WAITS int yz_send_message(struct yz_session *s, struct yz_msg *m,
	const struct yz_mail_params *params, struct yz_txn **txn_r);
/** The same with a message that is ready: its octets go as they are, but for what is said above. 8-bit
 * octets for a server without 8BITMIME: YZ_E_NOTSUPP. In non-blocking use `octets` live until it is
 * sent. */
YZ_API YZ_WAITS int yz_send_message_bytes(struct yz_session *s, const void *octets, size_t n,
	const struct yz_mail_params *params, struct yz_txn **txn_r);
/** And with a parsed one, changes included; it lives until it is sent. */
YZ_API YZ_WAITS int yz_send_mail(struct yz_session *s, struct yz_mail *m,
	const struct yz_mail_params *params, struct yz_txn **txn_r);

/* The envelope of a message, by the rules above. */
struct yz_envelope {
	const char *from; /* "local@domain"; "" when there is none */
	const char *const *rcpts;
	size_t rcpt_count; /* each once */
	bool is_resent, needs_utf8;
};
/** Belongs to the message, until the next call with it. */
YZ_API int yz_msg_envelope(struct yz_msg *m, struct yz_envelope *envelope_r);
YZ_API int yz_mail_envelope(struct yz_mail *m, struct yz_envelope *envelope_r);

/* --- helpers of email.utils -------------------------------------------------------------------- */

/* Strings that these return are the caller's, freed with yz_free(); NULL: the input cannot be made
 * into one. Any thread. */

/** The addresses of a list; with `is_strict` NULL when it is malformed. Freed by yz_addresses_free(). */
YZ_API struct yz_addresses *yz_addresses_parse(const char *list, bool is_strict);
YZ_API void yz_addresses_free(struct yz_addresses **a);
/** "Zoë <zoe@example.org>" in ASCII ("=?utf-8?q?…?= <…>"); with `is_utf8` as it is. */
YZ_API char *yz_address_format(const char *name, const char *address, bool is_utf8);
/** The first mailbox of a text, name and address (parseaddr); either may be NULL. false: there is none. */
YZ_API bool yz_address_split(const char *text, char **name_r, char **address_r);

/** RFC 5322 sections 3.3 and 4.3, and the forms seen beside it. false: it is no date. */
YZ_API bool yz_date_parse(const char *text, struct yz_date *date_r);
/** "Mon, 23 Nov 2026 06:30:00 +0000" */
YZ_API char *yz_date_format(int64_t unix_sec, int zone_minutes);
/** "<time.random[.left]@domain>"; `left` may be NULL; `domain` NULL: "localhost". */
YZ_API char *yz_make_message_id(const char *left, const char *domain);

/** A field's value to text (RFC 2047), and text to a field's value of lines of at most 78 octets with
 * CRLF folds; `column`: how much stands before it. `charset` NULL: UTF-8. */
YZ_API char *yz_words_decode(const char *value);
YZ_API char *yz_words_encode(const char *text, const char *charset, size_t column);
/** RFC 2231 section 4: "utf-8'en'caf%C3%A9" and back; `language` may be NULL, and so may the outputs. */
YZ_API char *yz_rfc2231_encode(const char *text, const char *language);
YZ_API char *yz_rfc2231_decode(const char *value, char **charset_r, char **language_r);
/** "name=value", "name*0*=utf-8''…; name*1*=…": a parameter in the form that its value needs, and the
 * parameter `name` of a whole field value ("text/plain; charset=x") as people read it. */
YZ_API char *yz_param_encode(const char *name, const char *value);
YZ_API char *yz_param_get(const char *field, const char *name);
/** Quotes and backslashes of a quoted string, undone or put; the quotes at both ends are not part. */
YZ_API char *yz_quote(const char *text);
YZ_API char *yz_unquote(const char *text);

/** Lines of 76 with CRLF. *n_r may be NULL. */
YZ_API char *yz_base64_encode(const void *octets, size_t n, size_t *n_r);
/** Lenient, as mail needs it; with `is_strict` NULL when there is anything that base64 has not. */
YZ_API char *yz_base64_decode(const char *text, size_t n, bool is_strict, size_t *n_r);
/** `is_text`: line ends stay line ends (as CRLF). */
YZ_API char *yz_qp_encode(const void *octets, size_t n, bool is_text, size_t *n_r);
YZ_API char *yz_qp_decode(const char *text, size_t n, size_t *n_r);
/** Octets in a charset to UTF-8; what means nothing becomes U+FFFD. NULL: the charset is not known. */
YZ_API char *yz_to_utf8(const void *octets, size_t n, const char *charset, size_t *n_r);
/** The media type that a file of that name has; "application/octet-stream" when it says nothing. */
YZ_API const char *yz_type_of_name(const char *filename);

/** The messages of an mbox file (From_ lines) in memory, one at a time: begin with *at 0; false at the
 * end. The message lies within `mbox`, behind its From_ line, without the empty line that ends it; its
 * quoted From_ lines (">From ") are left as they are: yz_mbox_unquote(). */
YZ_API bool yz_mbox_next(const void *mbox, size_t n, size_t *at, const char **from_line_r,
	size_t *from_line_len_r, const void **octets_r, size_t *octets_len_r);
/** ">From " to "From ", ">>From " to ">From " … (mboxrd), *n_r octets. */
YZ_API char *yz_mbox_unquote(const void *octets, size_t n, size_t *n_r);
/** A message as a piece of an mbox: From_ line, quoted, with the empty line behind it. */
YZ_API char *yz_mbox_quote(
	const void *octets, size_t n, const char *from, int64_t unix_sec, size_t *n_r);
#include "yizhan_journey.h"
#ifdef __cplusplus
}
#endif
