#include <stdio.h>

#include "base/must.h"
#include "cli/send_priv.h"

/* What may be said to `yizhan send`. Names, short names and meanings are those of swaks where there is
 * one; what differs is told in the section "For users of swaks". */

#define MUST_ARG SEND_ARG
#define ASKED    (SEND_MAY | SEND_PROMPT)
#define CONTENT  (SEND_MAY | SEND_PROMPT | SEND_CONTENT)

static const struct cli_flag option_flags[] = {
	{"--account", "NAME", "use this account of accounts.conf; --no-account: none", NULL,
		SEND_O_ACCOUNT, MUST_ARG},
	{"--accounts", "FILE", "the accounts file", NULL, SEND_O_ACCOUNTS, MUST_ARG},
	{"--setup", "ADDRESS",
		"find the servers of this address by SRV records (RFC 6186, RFC 8314) and add an "
		"account for it",
		NULL, SEND_O_SETUP, MUST_ARG},
	{"--options, --config", "[FILE]",
		"read options from this file instead of ~/.config/yizhan/send.conf; without a "
		"file: from none",
		NULL, SEND_O_OPTIONS, SEND_MAY},
	{"--dns-server", "ADDRESS[:PORT]", "ask this server for MX and SRV records", NULL,
		SEND_O_DNS_SERVER, MUST_ARG},
	{"--help", NULL, "explain the command", NULL, SEND_O_HELP, 0},
	{"--swaks-help", NULL, "what differs from swaks, in a table", NULL, SEND_O_SWAKS_HELP, 0},
	{"--support", NULL, "tell what this program can do, and end", NULL, SEND_O_SUPPORT, 0},
	{"--version", NULL, "print the version", NULL, SEND_O_VERSION, 0},
	{0},
};

static const struct cli_flag transport_flags[] = {
	{"--server, -s", "HOST[:PORT]",
		"the server; HOST/PORT and [HOST]:PORT too. Without it: the account's, else the MX "
		"hosts of the last recipient's domain",
		NULL, SEND_O_SERVER, ASKED},
	{"--port, -p", "PORT", "its port, a number or a service name", NULL, SEND_O_PORT, ASKED},
	{"--url", "URL",
		"all of it: smtp:, submission:, submissions:, smtps:, lmtp:, unix:/path, "
		"mx:DOMAIN",
		NULL, SEND_O_URL, MUST_ARG},
	{"--copy-routing, --mx", "DOMAIN", "the MX hosts of this domain", NULL, SEND_O_MX,
		MUST_ARG},
	{"--local-interface, -li", "ADDRESS[:PORT]", "connect from this address", NULL,
		SEND_O_LOCAL, ASKED},
	{"--local-port, --lport, -lp", "PORT", "connect from this port", NULL, SEND_O_LOCAL_PORT,
		ASKED},
	{"--interface", "NAME", "connect through this network device", NULL, SEND_O_DEVICE,
		MUST_ARG},
	{"-4", NULL, "IPv4 only", NULL, SEND_O_4, 0},
	{"-6", NULL, "IPv6 only", NULL, SEND_O_6, 0},
	{"--socket", "PATH", "a Unix socket", NULL, SEND_O_SOCKET, ASKED},
	{"--pipe", "COMMAND", "a command that speaks SMTP on standard input and output", NULL,
		SEND_O_PIPE, ASKED},
	{"--socks", "[USER:PASSWORD@]HOST[:PORT]", "through a SOCKS5 proxy", NULL, SEND_O_SOCKS,
		MUST_ARG},
	{0},
};

#define STAGES                                                                                     \
	"CONNECT BANNER FIRST-HELO FIRST-EHLO FIRST-LHLO XCLIENT STARTTLS TLS HELO EHLO LHLO "     \
	"AUTH MAIL FROM RCPT TO"

static const struct cli_flag protocol_flags[] = {
	{"--to, -t", "ADDRESS[,...]",
		"recipients. -t without a word: those of the message's own To, Cc and Bcc", NULL,
		SEND_O_TO, ASKED | SEND_ADDS_UP},
	{"--cc", "ADDRESS[,...]", "recipients that stand in Cc", NULL, SEND_O_CC,
		ASKED | SEND_ADDS_UP},
	{"--bcc", "ADDRESS[,...]", "recipients that stand nowhere", NULL, SEND_O_BCC,
		ASKED | SEND_ADDS_UP},
	{"--from, -f", "ADDRESS", "the sender; \"<>\" is none. Default: the account's, else you",
		NULL, SEND_O_FROM, ASKED},
	{"--read-recipients", NULL,
		"take recipients from To, Cc and Bcc too; Bcc does not travel. The message comes "
		"from standard input when no file is named",
		NULL, SEND_O_READ_RCPTS, 0},
	{"--helo, --ehlo, --lhlo, -h", "NAME", "this machine's name in EHLO", NULL, SEND_O_HELO,
		ASKED},
	{"--quit-after, --quit, -q", "STAGE", "say QUIT once this stage is over", STAGES,
		SEND_O_QUIT_AFTER, MUST_ARG},
	{"--drop-after, --drop, --da, -da", "STAGE", "hang up once this stage is over",
		STAGES " DATA DOT", SEND_O_DROP_AFTER, MUST_ARG},
	{"--drop-after-send, --das, -das", "STAGE",
		"hang up once this stage's command is sent, before its reply", STAGES " DATA DOT",
		SEND_O_DROP_SEND, MUST_ARG},
	{"--timeout", "TIME",
		"for each step: 30, 30s, 5m; 0: none. Default: those of RFC 5321 (swaks: 30s)",
		NULL, SEND_O_TIMEOUT, ASKED},
	{"--protocol", "NAME",
		"SMTP says HELO only; ESMTP; LMTP; with S for STARTTLS and A for a login behind it; "
		"SSMTP, SSMTPA and SMTPS: TLS at once",
		"SMTP SSMTP SSMTPA SMTPS ESMTP ESMTPA ESMTPS ESMTPSA LMTP LMTPA LMTPS LMTPSA",
		SEND_O_PROTOCOL, MUST_ARG},
	{"--lmtp", NULL, "the same as --protocol LMTP", NULL, SEND_O_LMTP, 0},
	{"--pipeline", NULL, "send commands together when the server offers that: the default",
		NULL, SEND_O_PIPELINE, 0},
	{"--prdr", NULL, "refused: that draft was given up; LMTP tells each recipient's fate", NULL,
		SEND_O_PRDR, 0},
	{"--force-getpwuid", NULL, "the default sender is the user's name, not $LOGNAME", NULL,
		SEND_O_GETPWUID, 0},
	{"--without", "NAME[,...]",
		"do not use, although it is offered: pipelining, chunking, 8bitmime, smtputf8, dsn, "
		"size, rset",
		"pipelining chunking 8bitmime smtputf8 dsn size rset", SEND_O_WITHOUT,
		MUST_ARG | SEND_ADDS_UP},
	{"--all-or-nothing", NULL, "one refused recipient ends it and nobody gets mail", NULL,
		SEND_O_ALL_OR_NOTHING, 0},
	{"--dsn-notify, -N", "WHEN[,...]",
		"report to the sender: success, failure, delay, or never",
		"success failure delay never", SEND_O_NOTIFY, MUST_ARG},
	{"--dsn-return, -R", "WHAT", "with a report comes back: full or hdrs", "full hdrs",
		SEND_O_RET, MUST_ARG},
	{"--dsn-envid, -V", "ID", "and this id", NULL, SEND_O_ENVID, MUST_ARG},
	{"--require-tls", NULL, "ask for TLS on the whole way (RFC 8689)", NULL, SEND_O_REQUIRETLS,
		0},
	{"--smtputf8", NULL, "say SMTPUTF8 also where nothing needs it", NULL, SEND_O_SMTPUTF8, 0},
	{"--deliver-by", "TIME[,R|N]", "deliver within this time, or return (R) or notify (N)",
		NULL, SEND_O_DELIVER_BY, MUST_ARG},
	{"--hold-for", "TIME", "release it no sooner (FUTURERELEASE)", NULL, SEND_O_HOLD_FOR,
		MUST_ARG},
	{"--priority", "N", "-9 to 9 (MT-PRIORITY)", NULL, SEND_O_PRIORITY, MUST_ARG},
	{"--mail-params", "TEXT", "further parameters of MAIL, as they stand", NULL,
		SEND_O_MAIL_PARAMS, MUST_ARG},
	{"--rcpt-params", "TEXT", "further parameters of each RCPT", NULL, SEND_O_RCPT_PARAMS,
		MUST_ARG},
	{"--count", "N", "send the message N times over one connection", NULL, SEND_O_COUNT,
		MUST_ARG},
	{0},
};

static const struct cli_flag tls_flags[] = {
	{"--tls, -tls", NULL, "STARTTLS or nothing; --no-tls: never", NULL, SEND_O_TLS, 0},
	{"--tls-optional, -tlso", NULL,
		"STARTTLS when it is offered; where its start is refused, go on in clear", NULL,
		SEND_O_TLS_OPTIONAL, 0},
	{"--tls-optional-strict, -tlsos", NULL,
		"STARTTLS when it is offered, and then it must work: the default", NULL,
		SEND_O_TLS_STRICT, 0},
	{"--tls-on-connect, -tlsc", NULL, "TLS at once, port 465", NULL, SEND_O_TLS_CONNECT, 0},
	{"--tls-protocol, -tlsp", "VERSIONS",
		"tlsv1, tlsv1_1, tlsv1_2, tlsv1_3, several with commas, or no_NAME", NULL,
		SEND_O_TLS_PROTOCOL, MUST_ARG},
	{"--tls-cipher", "LIST", "ciphers for TLS 1.2, as OpenSSL names them", NULL,
		SEND_O_TLS_CIPHER, MUST_ARG},
	{"--tls-ciphersuites", "LIST", "and for TLS 1.3", NULL, SEND_O_TLS_SUITES, MUST_ARG},
	{"--tls-verify", NULL,
		"check the certificate: the default with --tls, --tls-on-connect and logins; "
		"--no-tls-verify: take any",
		NULL, SEND_O_TLS_VERIFY, 0},
	{"--tls-verify-ca", NULL, "check who signed it, not its name", NULL, SEND_O_TLS_VERIFY_CA,
		0},
	{"--tls-verify-host", NULL, "check its name, not who signed it", NULL,
		SEND_O_TLS_VERIFY_HOST, 0},
	{"--tls-verify-target", "NAME", "the name that must stand in it, instead of the server's",
		NULL, SEND_O_TLS_TARGET, MUST_ARG},
	{"--tls-ca-path", "PATH", "file or directory of trusted certificates", NULL, SEND_O_TLS_CA,
		MUST_ARG},
	{"--tls-cert", "FILE", "our certificate, PEM", NULL, SEND_O_TLS_CERT, MUST_ARG},
	{"--tls-key", "FILE", "its key", NULL, SEND_O_TLS_KEY, MUST_ARG},
	{"--tls-chain", "FILE", "certificates between ours and its root", NULL, SEND_O_TLS_CHAIN,
		MUST_ARG},
	{"--tls-get-peer-cert", "[FILE]", "print the server's certificate, or save it", NULL,
		SEND_O_TLS_PEER_CERT, SEND_MAY},
	{"--tls-get-peer-chain", "[FILE]", "print all that it sent, or save them", NULL,
		SEND_O_TLS_PEER_CHAIN, SEND_MAY},
	{"--tls-sni", "NAME", "the name asked for, which is checked too; \"\": none is sent", NULL,
		SEND_O_TLS_SNI, MUST_ARG},
	{"--tls-pin", "sha256:HEX[,...]", "the certificate or key must be one of these", NULL,
		SEND_O_TLS_PIN, MUST_ARG},
	{0},
};

static const struct cli_flag auth_flags[] = {
	{"--auth, -a", "[MECHANISM,...]",
		"log in, with these mechanisms in that order; without: the strongest first", NULL,
		SEND_O_AUTH, SEND_MAY},
	{"--auth-optional, -ao", "[MECHANISM,...]", "log in if possible, else go on", NULL,
		SEND_O_AUTH_OPTIONAL, SEND_MAY},
	{"--auth-optional-strict, -aos", "[MECHANISM,...]",
		"go on only when the server offers no such login", NULL, SEND_O_AUTH_STRICT,
		SEND_MAY},
	{"--auth-user, -au", "USER", "user name; asked for, or from ~/.netrc, without a word", NULL,
		SEND_O_USER, ASKED},
	{"--auth-password, -ap", "PASSWORD",
		"password; better one of the next four: others can see the words of a command",
		NULL, SEND_O_PASSWORD, ASKED | SEND_HIDDEN},
	{"--auth-password-command", "COMMAND", "the first line that it prints", NULL,
		SEND_O_PASSWORD_COMMAND, MUST_ARG},
	{"--auth-password-file", "FILE", "the first line of it", NULL, SEND_O_PASSWORD_FILE,
		MUST_ARG},
	{"--auth-keyring", NULL,
		"from the desktop's keyring (secret-tool: host, user, service smtp)", NULL,
		SEND_O_KEYRING, 0},
	{"--auth-netrc", NULL, "from ~/.netrc", NULL, SEND_O_NETRC, 0},
	{"--auth-token", "TOKEN", "OAuth access token (OAUTHBEARER, XOAUTH2)", NULL, SEND_O_TOKEN,
		MUST_ARG},
	{"--auth-token-command", "COMMAND", "the first line that it prints", NULL,
		SEND_O_TOKEN_COMMAND, MUST_ARG},
	{"--auth-extra, -ae", "KEY=VALUE[,...]", "authzid=NAME: act as somebody else", NULL,
		SEND_O_AUTH_EXTRA, MUST_ARG},
	{"--auth-map, -am", "ALIAS=BASE", "the server's name for PLAIN or LOGIN", NULL,
		SEND_O_AUTH_MAP, MUST_ARG},
	{"--auth-clear", NULL, "send passwords also where there is no TLS", NULL, SEND_O_CLEAR_AUTH,
		0},
	{"--auth-plaintext, -apt", NULL, "show login lines decoded (goes with --show-secrets)",
		NULL, SEND_O_AUTH_PLAINTEXT, 0},
	{"--auth-hide-password, -ahp", "[TEXT]", "secrets are hidden: the default", NULL,
		SEND_O_AUTH_HIDE, SEND_MAY},
	{0},
};

static const struct cli_flag xclient_flags[] = {
	{"--xclient-name", "NAME", "the attribute NAME of XCLIENT", NULL, SEND_O_X_NAME,
		ASKED | SEND_LIST},
	{"--xclient-addr", "ADDRESS", "ADDR", NULL, SEND_O_X_ADDR, ASKED | SEND_LIST},
	{"--xclient-port", "PORT", "PORT", NULL, SEND_O_X_PORT, ASKED | SEND_LIST},
	{"--xclient-proto", "NAME", "PROTO", NULL, SEND_O_X_PROTO, ASKED | SEND_LIST},
	{"--xclient-destaddr", "ADDRESS", "DESTADDR", NULL, SEND_O_X_DESTADDR, ASKED | SEND_LIST},
	{"--xclient-destport", "PORT", "DESTPORT", NULL, SEND_O_X_DESTPORT, ASKED | SEND_LIST},
	{"--xclient-helo", "NAME", "HELO", NULL, SEND_O_X_HELO, ASKED | SEND_LIST},
	{"--xclient-login", "NAME", "LOGIN", NULL, SEND_O_X_LOGIN, ASKED | SEND_LIST},
	{"--xclient-reverse-name", "NAME", "REVERSE_NAME", NULL, SEND_O_X_REVERSE,
		ASKED | SEND_LIST},
	{"--xclient", "TEXT", "a command of its own with this text, unchecked", NULL,
		SEND_O_XCLIENT, ASKED | SEND_LIST},
	{"--xclient-delim", NULL, "what follows stands in a command of its own", NULL,
		SEND_O_X_DELIM, SEND_LIST},
	{"--xclient-optional", NULL, "go on whatever becomes of it", NULL, SEND_O_X_OPTIONAL, 0},
	{"--xclient-optional-strict", NULL, "go on when it is not offered", NULL, SEND_O_X_STRICT,
		0},
	{"--xclient-before-starttls", NULL, "before STARTTLS instead of behind it", NULL,
		SEND_O_X_BEFORE_TLS, 0},
	{"--xclient-no-verify", NULL, "attributes need not have been offered", NULL,
		SEND_O_X_NO_VERIFY, 0},
	{0},
};

static const struct cli_flag proxy_flags[] = {
	{"--proxy-version", "1|2", "the form of the PROXY header; 1 by default", "1 2",
		SEND_O_PROXY_VERSION, MUST_ARG},
	{"--proxy", "TEXT", "this behind \"PROXY \" (version 1), as it is", NULL, SEND_O_PROXY,
		ASKED},
	{"--proxy-family", "FAMILY", "TCP4, TCP6; AF_INET, AF_INET6, AF_UNSPEC",
		"TCP4 TCP6 AF_INET AF_INET6 AF_UNSPEC", SEND_O_PROXY_FAMILY, ASKED},
	{"--proxy-command", "NAME", "LOCAL or PROXY (version 2)", "LOCAL PROXY",
		SEND_O_PROXY_COMMAND, ASKED},
	{"--proxy-protocol", "NAME", "STREAM (version 2)", "STREAM", SEND_O_PROXY_PROTOCOL, ASKED},
	{"--proxy-source", "ADDRESS", "where the client is said to be", NULL, SEND_O_PROXY_SOURCE,
		ASKED},
	{"--proxy-source-port", "PORT", "", NULL, SEND_O_PROXY_SOURCE_PORT, ASKED},
	{"--proxy-dest", "ADDRESS", "what it is said to have connected to", NULL, SEND_O_PROXY_DEST,
		ASKED},
	{"--proxy-dest-port", "PORT", "", NULL, SEND_O_PROXY_DEST_PORT, ASKED},
	{0},
};

static const struct cli_flag data_flags[] = {
	{"--data, -d", "TEXT",
		"the whole message, header and body; \\n is a line's end; \"-\": standard input; "
		"@FILE: a file. Tokens in it are replaced: %FROM_ADDRESS%, %TO_ADDRESS%, %DATE%, "
		"%MESSAGEID%, %BODY%, %NEW_HEADERS%, %NEWLINE%, %VERSION%",
		NULL, SEND_O_DATA, CONTENT},
	{"--body", "TEXT", "the text; \"-\" and @FILE as above", NULL, SEND_O_BODY, CONTENT},
	{"--html", "TEXT", "the same in HTML, beside the text", NULL, SEND_O_HTML,
		MUST_ARG | SEND_CONTENT},
	{"--subject", "TEXT", "the subject", NULL, SEND_O_SUBJECT, MUST_ARG},
	{"--attach", "@FILE", "attach a file (or the text itself, or \"-\")", NULL, SEND_O_ATTACH,
		MUST_ARG | SEND_LIST},
	{"--attach-body", "TEXT", "a body part; several are alternatives", NULL, SEND_O_ATTACH_BODY,
		MUST_ARG | SEND_LIST},
	{"--attach-type", "TYPE", "media type of what follows", NULL, SEND_O_ATTACH_TYPE,
		MUST_ARG | SEND_LIST},
	{"--attach-name", "[NAME]", "file name of what follows; without a word: none", NULL,
		SEND_O_ATTACH_NAME, SEND_MAY | SEND_LIST},
	{"--add-header, -ah", "HEADER", "add \"Name: value\"; \\n parts several", NULL,
		SEND_O_ADD_HEADER, MUST_ARG | SEND_LIST},
	{"--header, --h-NAME", "HEADER",
		"the same in place of one that is there; --h-Subject TEXT is short for --header "
		"\"Subject: TEXT\"",
		NULL, SEND_O_HEADER, MUST_ARG | SEND_LIST},
	{"--mbox", "FILE", "send each message of an mbox file", NULL, SEND_O_MBOX, MUST_ARG},
	{"--no-data-fixup, -ndf", NULL,
		"change nothing: no tokens, no missing fields, Bcc stays, a From_ line stays", NULL,
		SEND_O_NO_FIXUP, 0},
	{"--no-strip-from, -nsf", NULL, "keep the From_ line of a mailbox", NULL, SEND_O_NO_STRIP,
		0},
	{"--dump-as-body, -dab", "[SECTION,...]", "the body is what --dump prints", NULL,
		SEND_O_DUMP_BODY, SEND_MAY},
	{"--dump-as-body-shows-password, -dabsp", NULL, "and passwords too", NULL,
		SEND_O_DUMP_BODY_PW, 0},
	{"--line-ends", "fix|strict",
		"CR and LF alone become CRLF (fix, the default), or the message is refused",
		"fix strict", SEND_O_LINE_ENDS, MUST_ARG},
	{0},
};

static const struct cli_flag output_flags[] = {
	{"--json", NULL, "one object with all that is known instead of the conversation", NULL,
		SEND_O_JSON, 0},
	{"--transcript", NULL, "the conversation in the object too", NULL, SEND_O_TRANSCRIPT, 0},
	{"--dry-run", NULL, "show envelope, way and message; connect to nothing", NULL,
		SEND_O_DRY_RUN, 0},
	{"--quiet", NULL, "errors only", NULL, SEND_O_QUIET, 0},
	{"--silent, -S", "[1|2|3]",
		"1: nothing, or everything when something went wrong; 2: errors only; 3: nothing",
		"1 2 3", SEND_O_SILENT, SEND_MAY},
	{"--show-data", NULL, "the message's lines too (swaks: the default)", NULL,
		SEND_O_SHOW_DATA, 0},
	{"--suppress-data, -n", NULL, "the message in one line: the default", NULL, SEND_O_NO_DATA,
		0},
	{"--show-time-lapse, -stl", "[i]",
		"how long each reply took, on lines of their own; on a terminal it stands at the "
		"right",
		NULL, SEND_O_LAPSE, SEND_MAY},
	{"--color", "WHEN", "auto (on a terminal), always, never", "auto always never",
		SEND_O_COLOR, MUST_ARG},
	{"--show-secrets", NULL, "passwords and tokens are shown in the conversation", NULL,
		SEND_O_SECRETS, 0},
	{"--no-hints, -nth", NULL, "no marks before what is sent and received", NULL,
		SEND_O_NO_HINTS, 0},
	{"--no-info-hints, -nih", NULL, "no marks before other lines", NULL, SEND_O_NO_INFO_HINTS,
		0},
	{"--no-send-hints, -nsh", NULL, "", NULL, SEND_O_NO_SEND_HINTS, 0},
	{"--no-receive-hints, -nrh", NULL, "", NULL, SEND_O_NO_RECV_HINTS, 0},
	{"--hide-receive, -hr", NULL, "do not show what the server says", NULL, SEND_O_HIDE_RECV,
		0},
	{"--hide-send, -hs", NULL, "nor what it is told", NULL, SEND_O_HIDE_SEND, 0},
	{"--hide-informational, -hi", NULL, "nor what is neither, errors excepted", NULL,
		SEND_O_HIDE_INFO, 0},
	{"--hide-all, -ha", NULL, "show nothing", NULL, SEND_O_HIDE_ALL, 0},
	{"--show-raw-text, -raw", NULL, "each line in hexadecimal too", NULL, SEND_O_RAW, 0},
	{"--output-file, --output", "FILE", "write there, errors too", NULL, SEND_O_OUTPUT,
		MUST_ARG},
	{"--output-file-stdout", "FILE", "what goes to standard output", NULL, SEND_O_OUTPUT_OUT,
		MUST_ARG},
	{"--output-file-stderr", "FILE", "what goes to standard error", NULL, SEND_O_OUTPUT_ERR,
		MUST_ARG},
	{"--protect-prompt, -pp", NULL, "passwords are typed unseen: always so", NULL,
		SEND_O_PROTECT, 0},
	{"--dump-mail", NULL, "print the message and end", NULL, SEND_O_DUMP_MAIL, 0},
	{"--dump", "[SECTION,...]",
		"print what the words mean, and end: app, output, transport, protocol, xclient, "
		"proxy, tls, auth, data, all",
		NULL, SEND_O_DUMP, SEND_MAY},
	{"--no-progress", NULL, "no bar for large messages on a terminal", NULL, SEND_O_NO_PROGRESS,
		0},
	{0},
};

#define STR_(x) #x
#define STR(x)  STR_(x)
static const struct cli_flag exit_flags[] = {
#define X(id, value, text) {STR(value), NULL, text, NULL, 0, 0},
	SEND_EXITS(X)
#undef X
		{0},
};

/* What swaks does, and what is done here. */
static const struct cli_flag swaks_flags[] = {
	{"(no TLS word)", NULL,
		"swaks: clear text. Here: STARTTLS when offered (--no-tls: clear text)", NULL, 0,
		0},
	{"--tls, -tlsc", NULL, "swaks: any certificate. Here: a good one (--no-tls-verify: any)",
		NULL, 0, 0},
	{"--auth without TLS", NULL,
		"swaks: sends passwords. Here: only mechanisms that do not show them, unless "
		"--auth-clear",
		NULL, 0, 0},
	{"--auth", NULL,
		"Here also SCRAM (with PLUS), OAUTHBEARER, XOAUTH2, EXTERNAL; not "
		"CRAM-SHA1 and NTLM",
		NULL, 0, 0},
	{"-ahp", NULL, "Here secrets are hidden unless --show-secrets", NULL, 0, 0},
	{"-n", NULL, "Here the message is shown in one line unless --show-data", NULL, 0, 0},
	{"--pipeline", NULL, "Here the default (--without pipelining: lock step)", NULL, 0, 0},
	{"--to, --cc, --bcc twice", NULL, "swaks: the last. Here: all of one source count", NULL, 0,
		0},
	{"-t alone", NULL, "swaks: asks. Here: recipients of the message itself", NULL, 0, 0},
	{"some RCPT refused", NULL, "swaks: exit 0. Here: exit 40, and each recipient's fate", NULL,
		0, 0},
	{"lost behind the dot", NULL, "swaks: exit 6. Here: exit 41, unknown", NULL, 0, 0},
	{"--timeout", NULL, "swaks: 30s. Here: those of RFC 5321", NULL, 0, 0},
	{"--data FILE", NULL, "swaks: a file, when it can be opened. Here: @FILE", NULL, 0, 0},
	{"--raw", NULL, "swaks: each read and write. Here: each line", NULL, 0, 0},
	{"--prdr", NULL, "Here refused, exit 30", NULL, 0, 0},
	{"SWAKS_OPT_to, .swaksrc", NULL,
		"Here YIZHAN_SEND_to and ~/.config/yizhan/send.conf, in the same form", NULL, 0, 0},
	{0},
};

const struct cli_section send_sections[] = {
	{"Options and accounts",
		"Options stand in ~/.config/yizhan/send.conf (one a line, without quotes: "
		"\"from me@example.org\"), in the environment (YIZHAN_SEND_from=me@example.org) and "
		"on the command line; the later counts. --no-NAME forgets what was said before; "
		"--NAME=VALUE works as well, and names may be shortened. FILE is a message to be "
		"sent, \"-\" standard input.",
		option_flags},
	{"Server", NULL, transport_flags},
	{"Envelope and protocol", NULL, protocol_flags},
	{"TLS", NULL, tls_flags},
	{"Login", NULL, auth_flags},
	{"XCLIENT", NULL, xclient_flags},
	{"PROXY header", NULL, proxy_flags},
	{"Message", "Without any of these a small test message is made.", data_flags},
	{"Output",
		"Marks: \"->\" sent, \"<-\" received, with \"~\" under TLS; \"<**\" a refusal; "
		"\"===\" what is neither; \"***\" an error.",
		output_flags},
	{"Accounts file",
		"~/.config/yizhan/accounts.conf has a section \"[NAME]\" for each account, with lines "
		"\"key = value\"; \"default = NAME\" before the first one says which is used when "
		"none is named (else the one whose \"from\" is the sender, else the first). \"#\" "
		"begins a comment.",
		send_account_keys},
	{"Exit status", NULL, exit_flags},
	{"For users of swaks", NULL, swaks_flags},
	{0},
};

const struct cli_flag *send_flag(int id)
{
	/* the sections behind the options are for reading only */
	for (const struct cli_section *s = send_sections; s->flags != send_account_keys; s++) {
		for (const struct cli_flag *f = s->flags; f->names; f++) {
			if (f->id == id)
				return f;
		}
	}
	MUST(!"an option has a row");
	return NULL;
}

int send_print_swaks_help(void)
{
	printf("What differs from swaks\n\n");
	for (const struct cli_flag *f = swaks_flags; f->names; f++)
		printf("  %-24s %s\n", f->names, f->help);
	printf("\nAll else has the names that it has there.\n");
	return 0;
}
