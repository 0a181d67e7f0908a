/* Log in with an OAuth access token (OAUTHBEARER of RFC 7628, or XOAUTH2) read from standard
 * input: the library asks for it when the server wants it, and wipes it after use.
 *
 *	print-token | ./10-oauth [--ca ca.pem] submission://mail.example.org user \
 *		me@example.org you@example.net */

#include <stdio.h>
#include <string.h>

#include <yizhan.h>

#define MESSAGE                                                                                    \
	"To: %s\n"                                                                                 \
	"From: %s\n"                                                                               \
	"Subject: With a token\n"                                                                  \
	"\n"                                                                                       \
	"No password was used.\n"

static int read_token(void *arg, const char *what, const char *user, char *to, size_t n)
{
	(void)arg;
	(void)user;
	if (strcmp(what, "token") != 0 || !fgets(to, (int)n, stdin))
		return -1;
	to[strcspn(to, "\r\n")] = '\0';
	return 0;
}

int main(int argc, char **argv)
{
	const char *program = argv[0], *ca = NULL;

	if (argc > 2 && strcmp(argv[1], "--ca") == 0) {
		ca = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc != 5) {
		printf("usage: %s [--ca file] server user fromaddr toaddr < token\n", program);
		return 2;
	}
	char message[1024];
	int len = snprintf(message, sizeof(message), MESSAGE, argv[4], argv[3]);
	struct yz_ctx *ctx = yz_ctx_new();
	struct yz_tls_options tls = YZ_INIT(tls);
	struct yz_error why;
	tls.ca_file = ca;
	if (yz_ctx_set_tls(ctx, &tls, &why) != YZ_OK) {
		printf("%s\n", why.text);
		yz_ctx_free(&ctx);
		return 1;
	}
	struct yz_options options = YZ_INIT(options);
	options.tls = YZ_TLS_REQUIRED;
	options.user = argv[2];
	options.mechanisms = "OAUTHBEARER XOAUTH2";
	options.secret = read_token;
	struct yz_session *s = yz_session_new(ctx, &options);
	int status = 1;

	if (yz_connect(s, argv[1]) != YZ_OK) {
		printf("%s\n", yz_error(s)->text);
	} else {
		struct yz_txn *t = yz_txn_new(s, argv[3], NULL);

		printf("Logged in by %s.\n", yz_auth_mechanism(s));
		yz_txn_rcpt(t, argv[4], NULL);
		yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
		yz_send(t);
		printf("%s: %s\n", argv[4], yz_txn_result(t, 0)->text);
		status = yz_txn_accepted(t) == 1 ? 0 : 1;
		yz_txn_free(&t);
		yz_quit(s);
	}
	yz_session_free(&s);
	yz_ctx_free(&ctx);
	return status;
}
