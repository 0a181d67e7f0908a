#include "services/host/config.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"

/* A new setting is one row here; reader, help, man page and completion follow. */

const struct config_section config_sections[] = {
	{"", 0, 0, 0, "Settings outside any section."},
	{"listener", sizeof(struct config_listener), offsetof(struct config, listener_count),
		offsetof(struct config, listeners),
		"An address, or several, where mail is taken. It has a name, which is shown in logs "
		"and fits the name of a socket that systemd hands over: listener mx { … }"},
	{"tls", 0, 0, 0,
		"The certificate that STARTTLS and TLS listeners show to clients that ask for no name, "
		"or for one that no other certificate is for."},
	{"certificate", sizeof(struct config_certificate),
		offsetof(struct config, certificate_count), offsetof(struct config, certificates),
		"One more certificate, for clients that ask for one of its names (SNI). It has a name "
		"of its own for lists and errors: certificate example { … }. Two for one name may "
		"have keys of different kinds (RSA, ECDSA): each client gets what it can check."},
	{"acme", 0, 0, 0,
		"An authority that gives certificates by itself (ACME), Let's Encrypt for instance. They are "
		"asked for at once, kept in the store, and renewed when a third of their life is left."},
	{"limits", 0, 0, 0, "What one client may take. RFC 5321 section 4.5.3 gives the floors."},
	{"store", 0, 0, 0, "The store in the data directory."},
	{"resolver", 0, 0, 0, "How names are looked up."},
	{"queue", 0, 0, 0, "How mail for others is tried."},
	{"lists", 0, 0, 0, "Mailing lists (docs/lists.md)."},
	{"tls_policy", 0, 0, 0,
		"How safe the way to other servers must be. Per destination: yizhan tls set; which rule wins: "
		"docs/tls-policy.md."},
	{"auth", 0, 0, 0, "Logins (docs/login.md)."},
	{"accounts", 0, 0, 0, "Accounts: their end, their room (docs/accounts.md)."},
	{"guard", 0, 0, 0,
		"How often somebody may be wrong at a login (docs/guard.md). A network is an IPv4 address, or "
		"64 bits of IPv6. Who is banned, and the way back: yizhan ban list."},
	{"submission", 0, 0, 0,
		"Mail of our own people, who log in (RFC 6409): listeners with protocol = submission. What "
		"is asked of their mail: docs/submission.md."},
	{"local", 0, 0, 0,
		"Mail of the users of this machine: sendmail, cron, PHP. They do not log in; the kernel says "
		"who they are. docs/local.md."},
	{"trail", 0, 0, 0,
		"The station log: what happened to each letter, for yizhan trace. It lies in the store and "
		"is written behind the mail."},
	{"filter", 0, 0, 0,
		"A content filter that mail is sent through by SMTP before it goes on. It comes "
		"back on a listener with filtered = yes. While the filter is down, mail waits for it."},
	{"http", 0, 0, 0,
		"What listeners with protocol = http do: the station's pages, /healthz, /metrics."},
	{"clients", 0, 0, 0,
		"What mail programs are told when they ask for their settings (autoconfig, autodiscover, Apple's "
		"profiles, SRV records)."},
	{"reading", 0, 0, 0, "Mailboxes, whatever they are read by."},
	{"imap_client", sizeof(struct config_imap_client),
		offsetof(struct config, imap_client_count), offsetof(struct config, imap_clients),
		"A mail program that asks for what it cannot do: what it is not told of, once it has said who it "
		"is (ID). It has a label of its own: imap_client odd { … }"},
	{"pop3", 0, 0, 0, "Listeners with protocol = pop3 (docs/pop3.md)."},
	{"log", 0, 0, 0, "Where events are written."},
};
const size_t config_section_count = ARRAY_LEN(config_sections);

#define TOP(field)         offsetof(struct config, field)
#define LISTENER(field)    offsetof(struct config_listener, field)
#define CERTIFICATE(field) offsetof(struct config_certificate, field)
#define IMAP_CLIENT(field) offsetof(struct config_imap_client, field)
#define MIB                (1024LL * 1024)
#define GIB                (1024 * MIB)

/* clang-format off */
const struct config_setting config_settings[] = {
	{"", "hostname", CONFIG_TEXT, TOP(hostname), "", NULL, 0, 255, false,
		"The name of this machine in greetings, Received fields and reports. Empty: what the "
		"system says."},
	{"", "data", CONFIG_TEXT, TOP(data), "/var/lib/yizhan", NULL, 1, 0, false,
		"The data directory: store, control socket, lock. --data wins over it."},
	{"", "user", CONFIG_TEXT, TOP(user), "", NULL, 0, 0, false,
		"Started as root, become this user once the addresses are bound. Empty: \"yizhan\" "
		"when there is such a user."},
	{"", "threads", CONFIG_NUMBER, TOP(threads), "0", NULL, 0, 64, false,
		"Threads that serve connections. 0: one for each core, at most 8."},
	{"", "demo", CONFIG_BOOL, TOP(is_demo), "no", NULL, 0, 0, false,
		"At the first start make the domain yizhan.test with alice and bob, and listen on the demo's "
		"ports when there is no listener section. Without a configuration file this is so."},
	{"", "relay_networks", CONFIG_NETS, TOP(relay_networks), "", NULL, 0, 0, true,
		"Clients in these networks may send to anywhere. Nobody else may, not even loopback."},
	{"", "newlines", CONFIG_WORD, TOP(newlines), "refuse", "refuse normalise", 0, 0, true,
		"What to do with a bare CR or LF in a message: refuse it, or make it CRLF. Neither "
		"ever ends a message."},
	{"", "separator", CONFIG_TEXT, TOP(separator), "+", NULL, 0, 1, false,
		"alice+list reaches alice when this is \"+\". Empty: it does not."},

	{"", "subaddress_folders", CONFIG_BOOL, TOP(has_folders), "no", NULL, 0, 0, true,
		"alice+list goes into alice's folder \"list\" when she has one, written just so; else into INBOX. "
		"Not into Sent, Drafts, Trash, Junk and Archive."},

	{"listener", "protocol", CONFIG_WORD, LISTENER(protocol), "smtp", "smtp lmtp submission http imap pop3", 0, 0, false,
		"The protocol that is spoken. submission: mail of our own people, who log in."},
	{"listener", "address", CONFIG_ADDRS, LISTENER(addresses), "", NULL, 0, 0, false,
		"\"0.0.0.0:25\", \"[::]:25\", \"unix:/run/yizhan/smtp\"; without a port 25 (lmtp 24; submission "
		"587, or 465 with tls = implicit; http 80 or 443; imap 143 or 993; pop3 110 or 995). "
		"May be left out when systemd hands over a socket of this name."},
	{"listener", "tls", CONFIG_WORD, LISTENER(tls), "starttls", "none starttls implicit", 0, 0, false,
		"none; starttls: offered; implicit: the handshake comes first. A Unix socket has none, http none "
		"or implicit."},
	{"listener", "proxy_networks", CONFIG_NETS, LISTENER(proxy_networks), "", NULL, 0, 0, false,
		"Clients in these networks are proxies and must send a PROXY header (version 1 or 2)."},
	{"listener", "networks", CONFIG_NETS, LISTENER(networks), "", NULL, 0, 0, false,
		"Clients in these networks may connect, nobody else (behind a proxy: the client that it speaks for). "
		"Empty: everybody; with protocol = lmtp this machine alone."},
	{"listener", "relay", CONFIG_BOOL, LISTENER(is_relay), "no", NULL, 0, 0, false,
		"Whoever connects here may send to anywhere. Always so for a Unix socket with protocol = smtp; with "
		"protocol = lmtp neither that nor relay_networks counts, only this setting."},
	{"listener", "filtered", CONFIG_BOOL, LISTENER(is_filtered), "no", NULL, 0, 0, false,
		"Mail comes back here from the content filter; only filter networks may connect, nothing else "
		"is trusted, and it is not filtered again."},
	{"listener", "mode", CONFIG_NUMBER, LISTENER(unix_mode), "660", NULL, 0, 777, false,
		"Permission bits of a Unix socket, in octal."},
	{"listener", "connections", CONFIG_NUMBER, LISTENER(connections_max), "0", NULL, 0, 1000000, false,
		"At most this many at a time on this listener; more get 421 (imap BYE, pop3 -ERR). 0: only the limit "
		"of all."},
	{"listener", "without", CONFIG_TEXTS, LISTENER(without), "", NULL, 0, 0, false,
		"Capabilities of imap and pop3 that are not offered here, as their names stand in the protocol: "
		"{ \"COMPRESS=DEFLATE\", \"UTF8\" }."},

	{"tls", "certificate", CONFIG_TEXT, TOP(tls.certificate), "", NULL, 0, 0, true,
		"PEM file with the certificate and its chain, read again at SIGHUP. Empty: one signed by "
		"itself is made in the data directory."},
	{"tls", "key", CONFIG_TEXT, TOP(tls.key), "", NULL, 0, 0, true, "PEM file with the key."},
	{"tls", "tls12", CONFIG_BOOL, TOP(tls.is_tls12), "yes", NULL, 0, 0, false,
		"TLS 1.2 beside TLS 1.3."},

	{"certificate", "certificate", CONFIG_TEXT, CERTIFICATE(certificate), "", NULL, 1, 0, true,
		"PEM file with the certificate and its chain, read again at SIGHUP."},
	{"certificate", "key", CONFIG_TEXT, CERTIFICATE(key), "", NULL, 1, 0, true, "PEM file with the key."},
	{"certificate", "names", CONFIG_TEXTS, CERTIFICATE(names), "", NULL, 0, 0, true,
		"The names it is shown for: \"mail.example.org\", \"*.example.org\". None: those in it."},

	{"acme", "directory", CONFIG_TEXT, TOP(acme.directory), "", NULL, 0, 1024, true,
		"The authority's directory: \"https://acme-v02.api.letsencrypt.org/directory\". Empty: none."},
	{"acme", "agree", CONFIG_BOOL, TOP(acme.is_agreed), "no", NULL, 0, 0, true,
		"yes: I agree to the authority's terms of service. Without it nothing is asked for."},
	{"acme", "email", CONFIG_TEXT, TOP(acme.email), "", NULL, 0, 255, true,
		"Where the authority writes to when something is wrong. Empty: it is not told."},
	{"acme", "names", CONFIG_TEXTS, TOP(acme.names), "", NULL, 0, 0, true,
		"For which names: { \"mx.example.org\", \"mail.example.org autoconfig.example.org\" }. Each "
		"text is a certificate of its own, so that one name that fails leaves the others alone; names "
		"with a blank between share one. None: hostname."},
	{"acme", "challenge", CONFIG_WORD, TOP(acme.challenge), "both", "both http-01 tls-alpn-01", 0, 0, true,
		"How a name is proven: http-01, port 80 of it leads to an http listener here; tls-alpn-01, port "
		"443 leads to a listener with tls = implicit. both: those that a listener here can answer, "
		"the second when the first fails."},
	{"acme", "renew_key", CONFIG_BOOL, TOP(acme.is_key_renewed), "no", NULL, 0, 0, true,
		"A new key with each certificate. no: the key stays, and TLSA records of it stay true."},
	{"acme", "eab_kid", CONFIG_TEXT, TOP(acme.eab_kid), "", NULL, 0, 255, true,
		"For authorities that take their own customers only (external account binding): the key's name."},
	{"acme", "eab_key_file", CONFIG_TEXT, TOP(acme.eab_key_file), "", NULL, 0, 0, true,
		"A file with that key, in base64url as the authority gave it."},
	{"acme", "ca_file", CONFIG_TEXT, TOP(acme.ca_file), "", NULL, 0, 0, true,
		"Who signed the certificate of the authority's own server (PEM). Empty: the system's authorities."},

	{"limits", "connections", CONFIG_NUMBER, TOP(limits.connections), "20000", NULL, 1, 1000000, true,
		"Connections at a time, all listeners together; more get 421 4.7.0. A tenth of the file "
		"descriptors is kept back whatever stands here."},
	{"limits", "connections_ip", CONFIG_NUMBER, TOP(limits.connections_ip), "1000", NULL, 1, 1000000, true,
		"Connections at a time from one IP address; more get 421 4.7.0. relay_networks are free."},
	{"limits", "message", CONFIG_SIZE, TOP(limits.message_octets), "50M", NULL, 65536, 4 * GIB, true,
		"Octets of one message."},
	{"limits", "recipients", CONFIG_NUMBER, TOP(limits.recipients), "1000", NULL, 100, 100000, true,
		"Recipients of one message; more get 452 4.5.3."},
	{"limits", "transactions", CONFIG_NUMBER, TOP(limits.transactions), "100000", NULL, 1, INT32_MAX, true,
		"Messages in one connection; then 421."},
	{"limits", "command_line", CONFIG_SIZE, TOP(limits.command_line), "2048", NULL, 512, 65536, true,
		"Octets of one command line."},
	{"limits", "text_line", CONFIG_SIZE, TOP(limits.text_line), "0", NULL, 0, MIB, true,
		"Octets of one line of a message, CRLF counted. 0: any."},
	{"limits", "received", CONFIG_NUMBER, TOP(limits.received), "50", NULL, 10, 1000, true,
		"A message with more Received fields than this goes round in circles: 554 5.4.6."},
	{"limits", "errors_soft", CONFIG_NUMBER, TOP(limits.errors_soft), "5", NULL, 1, 1000000, true,
		"From this many errors on, each further one is answered late."},
	{"limits", "errors_hard", CONFIG_NUMBER, TOP(limits.errors_hard), "20", NULL, 1, 1000000, true,
		"After this many errors the connection is closed with 421 4.7.0."},
	{"limits", "errors_delay", CONFIG_TIME, TOP(limits.errors_delay), "1s", NULL, 0, CLOCK_MIN, true,
		"How late."},
	{"limits", "junk_commands", CONFIG_NUMBER, TOP(limits.junk_commands), "100", NULL, 1, 1000000, true,
		"NOOP, RSET, VRFY, HELP and the like between two messages; then 421."},
	{"limits", "command_time", CONFIG_TIME, TOP(limits.command_time), "5m", NULL, CLOCK_SEC, CLOCK_DAY, true,
		"How long a client may be silent between commands."},
	{"limits", "data_time", CONFIG_TIME, TOP(limits.data_time), "3m", NULL, CLOCK_SEC, CLOCK_DAY, true,
		"How long a client may be silent within a message."},
	{"limits", "session_time", CONFIG_TIME, TOP(limits.session_time), "0", NULL, 0, 30 * CLOCK_DAY, true,
		"How long a connection may last. 0: any time."},
	{"limits", "drain_time", CONFIG_TIME, TOP(limits.drain_time), "20s", NULL, 0, CLOCK_HOUR, true,
		"At the end, how long connections may finish what they are at."},

	{"store", "readers", CONFIG_NUMBER, TOP(store.readers), "2", NULL, 1, 64, false,
		"Connections that read, each with a thread."},
	{"store", "stage_memory", CONFIG_SIZE, TOP(store.stage_memory), "256M", NULL, MIB, 64 * GIB, false,
		"Memory for messages on their way in, all connections together; beyond it 452 4.3.1."},
	{"store", "stage_disk", CONFIG_SIZE, TOP(store.stage_disk), "4G", NULL, MIB, 65536 * GIB, false,
		"Disk for messages on their way in that are larger than 256 KiB."},
	{"store", "fsync", CONFIG_BOOL, TOP(store.is_fsync), "yes", NULL, 0, 0, false,
		"\"no\" loses mail when the power fails: for experiments only."},

	{"resolver", "forwarders", CONFIG_TEXTS, TOP(resolver.forwarders), "", NULL, 0, 0, false,
		"Name servers to ask, as \"127.0.0.1:5353\". None: the root servers and those below."},
	{"resolver", "hosts", CONFIG_TEXT, TOP(resolver.hosts), "", NULL, 0, 0, false,
		"A file like /etc/hosts whose names win over DNS."},
	{"resolver", "trust_anchor", CONFIG_TEXT, TOP(resolver.trust_anchor), "", NULL, 0, 0, false,
		"The root key for DNSSEC. Empty: Debian's."},
	{"resolver", "dnssec", CONFIG_BOOL, TOP(resolver.is_dnssec), "yes", NULL, 0, 0, false,
		"Validate answers."},

	{"queue", "expire", CONFIG_TIME, TOP(queue.expire), "5d", NULL, CLOCK_SEC, 60 * CLOCK_DAY, true,
		"When mail that could not be delivered goes back to its sender."},
	{"queue", "expire_report", CONFIG_TIME, TOP(queue.expire_report), "2d", NULL, CLOCK_SEC, 60 * CLOCK_DAY, true,
		"The same for reports and other mail with the null sender."},
	{"queue", "expire_bulk", CONFIG_TIME, TOP(queue.expire_bulk), "5d", NULL, CLOCK_SEC, 60 * CLOCK_DAY, true,
		"The same for circulars: what a list sends, and mail with \"Precedence: bulk\", list or junk."},
	{"queue", "retry", CONFIG_TIMES, TOP(queue.retry), "1m 5m 15m 30m 1h 2h 3h 4h", NULL, CLOCK_SEC, 7 * CLOCK_DAY, true,
		"How long after the first attempt the next one is made, after the second, and so on; the last "
		"one repeats. At most 32. Each is spread by 20 %."},
	{"queue", "retry_report", CONFIG_TIMES, TOP(queue.retry_report), "", NULL, CLOCK_SEC, 7 * CLOCK_DAY, true,
		"The same for reports. Empty: as retry."},
	{"queue", "retry_bulk", CONFIG_TIMES, TOP(queue.retry_bulk), "", NULL, CLOCK_SEC, 7 * CLOCK_DAY, true,
		"The same for circulars. Empty: as retry."},
	{"queue", "delay_notice", CONFIG_TIMES, TOP(queue.delay_notice), "4h 2d", "4", 0, 60 * CLOCK_DAY, true,
		"After these times, at most 4, a sender is told that his mail still waits. 0: never."},
	{"queue", "delay_notice_bulk", CONFIG_TIMES, TOP(queue.delay_notice_bulk), "0", "4", 0, 60 * CLOCK_DAY, true,
		"The same for circulars."},
	{"queue", "hold_max", CONFIG_TIME, TOP(queue.hold_max), "60d", NULL, CLOCK_MIN, 3650 * CLOCK_DAY, true,
		"How long a client that may relay may have its mail held (FUTURERELEASE)."},
	{"queue", "deliver_by_min", CONFIG_TIME, TOP(queue.deliver_by_min), "0", NULL, 0, CLOCK_DAY, true,
		"The shortest time within which a sender may ask for delivery or the return of his mail "
		"(DELIVERBY)."},
	{"queue", "connections", CONFIG_NUMBER, TOP(queue.connections), "20", NULL, 1, 1000, false,
		"Outgoing connections at a time to one destination."},
	{"queue", "port", CONFIG_NUMBER, TOP(queue.port), "25", NULL, 1, 65535, false,
		"The port where other servers take mail (for laboratories)."},
	{"queue", "loopback", CONFIG_BOOL, TOP(queue.is_loopback), "no", NULL, 0, 0, false,
		"The mail servers that DNS names may lie on loopback (for laboratories)."},
	{"queue", "tls", CONFIG_BOOL, TOP(queue.is_tls), "yes", NULL, 0, 0, false,
		"Use STARTTLS where the other server offers it."},
	{"queue", "hold", CONFIG_BOOL, TOP(queue.is_hold), "no", NULL, 0, 0, true,
		"Take mail for others, but do not try to send it until it is released."},
	{"lists", "url", CONFIG_TEXT, TOP(lists.url), "", NULL, 0, 200, false,
		"Where the web reaches a listener of this server with protocol = http: "
		"\"https://lists.example.org\". Then each copy of a post says how its one reader leaves "
		"the list with one click (RFC 8058). Empty: by mail only."},
	{"queue", "double_bounces", CONFIG_TEXT, TOP(queue.double_bounces), "", NULL, 0, 255, false,
		"Who gets the reports that nobody else can get. Empty: only the log."},
	{"queue", "bounce_language", CONFIG_WORD, TOP(queue.bounce_language), "auto", "auto en zh", 0, 0, false,
		"What reports to senders are written in: English, Chinese, or what the header of the "
		"letter shows that its author reads (auto): Accept-Language, Content-Language, Chinese words "
		"in Subject or From. Where nothing shows, English with a line of Chinese."},
	{"queue", "drain_time", CONFIG_TIME, TOP(queue.drain_time), "10s", NULL, CLOCK_SEC, CLOCK_HOUR, false,
		"At the end, how long letters under way may take."},

	{"tls_policy", "dane", CONFIG_BOOL, TOP(tls_policy.is_dane), "yes", NULL, 0, 0, false,
		"Obey TLSA records that DNSSEC protects (RFC 7672)."},
	{"tls_policy", "mta_sts", CONFIG_BOOL, TOP(tls_policy.is_sts), "yes", NULL, 0, 0, false,
		"Fetch and obey the MTA-STS policies of domains (RFC 8461). Needs libcurl."},
	{"tls_policy", "ca_file", CONFIG_TEXT, TOP(tls_policy.ca_file), "", NULL, 0, 0, false,
		"Authorities (PEM) that other servers' certificates are checked with, and those of web servers "
		"with policies. Empty: the system's."},
	{"tls_policy", "sts_port", CONFIG_NUMBER, TOP(tls_policy.sts_port), "443", NULL, 1, 65535, false,
		"The port where policies are fetched (for laboratories)."},
	{"tls_policy", "sts_address", CONFIG_TEXT, TOP(tls_policy.sts_address), "", NULL, 0, 0, false,
		"The address where all policies are fetched (for laboratories). Empty: as DNS says."},

	{"auth", "scram_sha1", CONFIG_BOOL, TOP(auth.is_sha1), "no", NULL, 0, 0, false,
		"Keep a verifier for SCRAM-SHA-1 beside that for SCRAM-SHA-256 when a password is set, and offer "
		"that mechanism: for clients that know no better one. Passwords set before have none."},
	{"auth", "channel_binding", CONFIG_BOOL, TOP(auth.is_bound), "yes", NULL, 0, 0, false,
		"Offer SCRAM-SHA-256-PLUS, which notices somebody between client and server. \"no\" helps programs "
		"that take it and cannot do it (mutt 2.2 left to itself)."},
	{"auth", "client_certificates", CONFIG_BOOL, TOP(auth.is_cert_asked), "no", NULL, 0, 0, false,
		"Ask clients of listeners where people log in for a certificate. Who shows one of his (yizhan account "
		"certificate-add) can log in with EXTERNAL; nobody must. Some programs then ask their users for one."},
	{"auth", "client_ca", CONFIG_TEXT, TOP(auth.client_ca), "", NULL, 0, 0, false,
		"Authorities (PEM). Whoever shows a certificate that they signed for an address (rfc822Name) of an "
		"account is that account; with it clients are asked for one. Empty: only certificate-add counts."},
	{"auth", "oauth_introspection", CONFIG_TEXT, TOP(auth.introspection), "", NULL, 0, 0, false,
		"Where an identity provider is asked about tokens (RFC 7662), an https address; with it OAUTHBEARER "
		"and XOAUTH2 are offered."},
	{"auth", "oauth_client_id", CONFIG_TEXT, TOP(auth.client_id), "", NULL, 0, 0, false,
		"Who we are to the provider."},
	{"auth", "oauth_client_secret_file", CONFIG_TEXT, TOP(auth.client_secret_file), "", NULL, 0, 0, false,
		"The file whose first line is our secret there, read at the start."},
	{"auth", "oauth_jwks", CONFIG_TEXT, TOP(auth.jwks), "", NULL, 0, 0, false,
		"Where a provider has the keys of its signed tokens (RFC 7517), an https address: they are "
		"verified here. Needs oauth_issuer and oauth_audience."},
	{"auth", "oauth_issuer", CONFIG_TEXT, TOP(auth.issuer), "", NULL, 0, 0, false,
		"What tokens must say in \"iss\". Empty: anything, with introspection only."},
	{"auth", "oauth_audience", CONFIG_TEXT, TOP(auth.audience), "", NULL, 0, 0, false,
		"What \"aud\" must hold: tokens for others are not good here. Empty: anything, with introspection only."},
	{"auth", "oauth_scope", CONFIG_TEXT, TOP(auth.scope), "", NULL, 0, 0, false,
		"A scope that a token must have. Empty: none."},
	{"auth", "oauth_user_claim", CONFIG_TEXT, TOP(auth.user_claim), "email", NULL, 1, 0, false,
		"Which claim holds an address of the account. An address that \"email_verified\" denies is none."},
	{"auth", "oauth_ca_file", CONFIG_TEXT, TOP(auth.ca_file), "", NULL, 0, 0, false,
		"Authorities (PEM) that the provider's certificate is checked with. Empty: the system's."},
	{"auth", "oauth_discovery", CONFIG_TEXT, TOP(auth.discovery), "", NULL, 0, 0, false,
		"The provider's openid-configuration, told to clients whose token is refused (RFC 7628)."},

	{"accounts", "grace", CONFIG_TIME, TOP(accounts.grace), "30d", NULL, 0, 3650 * CLOCK_DAY, true,
		"How long an account that was removed can be restored; then it and its mail are gone."},
	{"accounts", "over_quota", CONFIG_WORD, TOP(accounts.over_quota), "defer", "defer refuse", 0, 0, true,
		"Mail for a full mailbox: defer (452 4.2.2, the sender tries again) or refuse (552 5.2.2)."},

	{"guard", "network_failures", CONFIG_NUMBER, TOP(guard.network_failures), "10", NULL, 1, 1000000, true,
		"After so many failed logins within network_time a network is banned. The same wrong password "
		"again counts once."},
	{"guard", "network_time", CONFIG_TIME, TOP(guard.network_time), "10m", NULL, CLOCK_SEC, CLOCK_DAY, true,
		"See network_failures."},
	{"guard", "account_failures", CONFIG_NUMBER, TOP(guard.account_failures), "20", NULL, 1, 1000000, true,
		"After so many within account_time whoever has not logged in from where he comes has to wait, "
		"for that account."},
	{"guard", "account_time", CONFIG_TIME, TOP(guard.account_time), "1h", NULL, CLOCK_SEC, CLOCK_DAY, true,
		"See account_failures."},
	{"guard", "ban_time", CONFIG_TIME, TOP(guard.ban_time), "15m", NULL, CLOCK_SEC, 30 * CLOCK_DAY, true,
		"How long the first ban of a network lasts; each further one twice as long."},
	{"guard", "ban_max", CONFIG_TIME, TOP(guard.ban_max), "1d", NULL, CLOCK_SEC, 365 * CLOCK_DAY, true,
		"How long a ban lasts at most."},
	{"guard", "known_time", CONFIG_TIME, TOP(guard.known_time), "14d", NULL, CLOCK_MIN, 365 * CLOCK_DAY, true,
		"How long a network counts as known to an account after a login from there."},
	{"guard", "entries", CONFIG_NUMBER, TOP(guard.entries), "65536", NULL, 1024, 16777216, false,
		"How many networks, and how many accounts, are remembered; those not seen for the longest "
		"time are forgotten first."},
	{"guard", "trusted", CONFIG_NETS, TOP(guard.trusted), "", NULL, 0, 0, true,
		"Networks that are never banned, as loopback, relay_networks and proxy_networks never are."},
	{"submission", "hide_client", CONFIG_BOOL, TOP(submission.is_client_hidden), "no", NULL, 0, 0, true,
		"Leave the address and the name of the client's machine out of the Received field. The "
		"station log keeps them."},
	{"submission", "authors", CONFIG_WORD, TOP(submission.authors), "own", "own one", 0, 0, true,
		"A From field with several authors. own: when each is an address of the account; Sender is "
		"added. one: never."},
	{"submission", "messages", CONFIG_TEXT, TOP(submission.messages), "300/1h burst 300", NULL, 1, 0, true,
		"How many messages an account may send: \"300/1h\", evenly but for a burst at the start (a tenth, "
		"when no burst is given); more get 450 4.7.1. none: any number. An account's own rate wins."},
	{"submission", "recipients", CONFIG_TEXT, TOP(submission.recipients), "1000/1h burst 1000", NULL, 1, 0, true,
		"The same for recipients."},
	{"local", "socket", CONFIG_TEXT, TOP(local.socket), "", NULL, 0, 100, false,
		"The Unix socket where it is taken. Empty: \"submit\" in the data directory; none: nowhere. "
		"There is no need for it where a listener with protocol = submission has a Unix socket."},
	{"local", "maildrop", CONFIG_TEXT, TOP(local.maildrop), "", NULL, 0, 0, false,
		"The directory where sendmail leaves mail while the server is down. Empty: \"maildrop\" in "
		"the data directory; none: nowhere. For all users: mode 3733, owned by the server's user "
		"and group."},
	{"local", "trusted_users", CONFIG_TEXTS, TOP(local.trusted_users), "", NULL, 0, 0, true,
		"Users who may write under any address, by login name. root always may."},

	{"trail", "keep", CONFIG_TIME, TOP(trail.keep), "14d", NULL, 0, 3650 * CLOCK_DAY, false,
		"How long it is kept. 0: nothing is written."},
	{"trail", "conversations", CONFIG_WORD, TOP(trail.conversations), "failures", "none failures all",
		0, 0, false,
		"Of which deliveries what was said is kept: of those that were put off or failed, of all, "
		"of none. Contents of messages and logins are never in it."},

	{"filter", "next_hop", CONFIG_TEXT, TOP(filter.next_hop), "", NULL, 0, 255, true,
		"Where the filter takes mail: \"127.0.0.1:10025\", \"unix:/path\". Empty: mail is not filtered."},
	{"filter", "on_failure", CONFIG_WORD, TOP(filter.on_failure), "wait", "wait pass", 0, 0, true,
		"While the filter is down: wait, mail stays in the queue for it; pass: what comes in goes on "
		"unfiltered, until the filter answers again (what is in the queue for it still waits)."},
	{"filter", "networks", CONFIG_NETS, TOP(filter.networks), "127.0.0.0/8 ::1/128", NULL, 0, 0, true,
		"Where the filter may connect from when it brings mail back."},

	{"http", "proxies", CONFIG_NETS, TOP(http.proxies), "", NULL, 0, 0, true,
		"Reverse proxies in these networks are believed when they say who the client is and "
		"whether it came by https. Nobody else is, not even loopback."},
	{"http", "proxy_field", CONFIG_WORD, TOP(http.proxy_field), "x-forwarded", "x-forwarded forwarded", 0, 0, true,
		"Where they say it: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239). The other "
		"one is not looked at: it could be the client's own."},
	{"http", "image_networks", CONFIG_NETS, TOP(http.image_networks), "", NULL, 0, 0, false,
		"Networks that pictures in letters may be fetched from, and lists be left at, although they are not "
		"public. For a server of one's own inside, and for tests."},
	{"http", "metrics_networks", CONFIG_NETS, TOP(http.metrics_networks), "127.0.0.0/8 ::1/128", NULL, 0, 0, false,
		"Clients in these networks may read /metrics."},
	{"http", "hsts", CONFIG_TIME, TOP(http.hsts), "0", NULL, 0, 3650 * CLOCK_DAY, true,
		"For how long browsers that came by https are told to come so again. 0: they are not told."},
	{"http", "head_time", CONFIG_TIME, TOP(http.head_time), "10s", NULL, CLOCK_SEC, 5 * CLOCK_MIN, true,
		"How long a request's header may take, and the first request after the connection."},
	{"http", "idle_time", CONFIG_TIME, TOP(http.idle_time), "60s", NULL, CLOCK_SEC, CLOCK_HOUR, true,
		"How long a client may be silent between requests."},
	{"clients", "server", CONFIG_TEXT, TOP(clients.server), "", NULL, 0, 253, false,
		"The name that mail programs connect to; it must lead here and stand in the certificate. Empty: "
		"hostname."},
	{"clients", "title", CONFIG_TEXT, TOP(clients.title), "", NULL, 0, 100, false,
		"What people call this mail service. Empty: their domain."},

	{"reading", "keep_expunged", CONFIG_TIME, TOP(reading.keep_expunged), "14d", NULL, 0, 3650 * CLOCK_DAY, true,
		"How long a message that somebody has removed can be brought back (yizhan mailbox undelete). It does "
		"not count for quotas. 0: it is gone at once."},
	{"imap_client", "name", CONFIG_TEXT, IMAP_CLIENT(name), "", NULL, 1, 0, true,
		"What it says its name is; capitals do not matter. yizhan logs it as imap.id."},
	{"imap_client", "without", CONFIG_TEXTS, IMAP_CLIENT(without), "", NULL, 0, 0, true,
		"Capabilities that it is not told of, as their names stand in the protocol: { \"QRESYNC\" }."},
	{"pop3", "idle_time", CONFIG_TIME, TOP(pop3.idle_time), "10m", NULL, 10 * CLOCK_MIN, CLOCK_DAY, true,
		"How long a client may be silent. RFC 1939 section 3 allows no less than 10m."},
	{"pop3", "login_delay", CONFIG_TIME, TOP(pop3.login_delay), "0", NULL, 0, CLOCK_DAY, true,
		"An account logs in no more often than this; sooner gets [LOGIN-DELAY]. 0: as often as it likes."},
	{"pop3", "expire", CONFIG_TEXT, TOP(pop3.expire), "never", NULL, 1, 0, true,
		"What clients are told of how long mail stays (EXPIRE): never, or a time of whole days (\"30d\") for "
		"which it does at least. 0: what was retrieved is removed at QUIT, asked for or not."},
	{"pop3", "set_seen", CONFIG_BOOL, TOP(pop3.is_seen_set), "yes", NULL, 0, 0, true,
		"What was retrieved is shown as read by IMAP and web mail."},
	{"pop3", "exclusive", CONFIG_BOOL, TOP(pop3.is_exclusive), "no", NULL, 0, 0, true,
		"One POP3 session at a time in a mailbox; another one gets [IN-USE]. no: there may be several, and "
		"each keeps seeing what was there when it logged in."},
	{"pop3", "utf8_headers", CONFIG_WORD, TOP(pop3.utf8_headers), "always", "always asked", 0, 0, true,
		"Headers with octets beyond ASCII. always: all clients get them; asked: only those that have said UTF8, "
		"others get [UTF8]."},

	{"log", "destination", CONFIG_TEXT, TOP(log.destination), "stderr", NULL, 1, 0, true,
		"stderr, journald, or a file (opened again at SIGHUP)."},
	{"log", "format", CONFIG_WORD, TOP(log.format), "logfmt", "logfmt json", 0, 0, true,
		"How an event is written."},
	{"log", "level", CONFIG_WORD, TOP(log.level), "info", "error warn info debug", 0, 0, true,
		"Events of this weight and heavier."},
};
/* clang-format on */
const size_t config_setting_count = ARRAY_LEN(config_settings);

bool config_is_listed(const struct config_section *s)
{
	return s->item_size > 0;
}

const struct config_section *config_section_of(const struct config_setting *s)
{
	size_t i = 0;

	while (strcmp(config_sections[i].name, s->section) != 0)
		MUST(++i < config_section_count);
	return &config_sections[i];
}

size_t config_count(const struct config *c, const struct config_section *s)
{
	return *(const size_t *)((const char *)c + s->count_offset);
}

void *config_item(const struct config *c, const struct config_section *s, size_t i)
{
	char *items = *(char *const *)((const char *)c + s->items_offset);

	return items + i * s->item_size;
}

const char *config_kind_str(enum config_kind k)
{
	static const char *const names[CONFIG_KINDS] = {
		[CONFIG_TEXT] = "text",
		[CONFIG_TEXTS] = "list of texts",
		[CONFIG_NUMBER] = "number",
		[CONFIG_SIZE] = "size (512, 64K, 50M, 4G)",
		[CONFIG_TIME] = "time (90, 5m, 1h30m, 5d)",
		[CONFIG_TIMES] = "list of times",
		[CONFIG_BOOL] = "yes or no",
		[CONFIG_WORD] = "word",
		[CONFIG_NETS] = "list of networks (10.0.0.0/8)",
		[CONFIG_ADDRS] = "list of addresses",
	};
	return names[k];
}
