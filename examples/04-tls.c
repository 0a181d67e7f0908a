/* Send under TLS or not at all; the certificate must be that server's. --ca names a file of
 * certificates to trust instead of the system's.
 *
 *	./04-tls [--ca ca.pem] mail.example.org me@example.org you@example.net */

#include <stdio.h>
#include <string.h>

#include <yizhan.h>

#define MESSAGE                                                                                    \
	"To: %s\n"                                                                                 \
	"From: %s\n"                                                                               \
	"Subject: Test Message from simple.py\n"                                                   \
	"\n"                                                                                       \
	"Hello,\n"                                                                                 \
	"\n"                                                                                       \
	"This is a test message sent to you from the simple.py program\n"                          \
	"in Foundations of Python Network Programming.\n"

static void report(const struct yz_tls_info *tls)
{
	printf("Using TLS connection.\n");
	printf("  %s, %s, %u bits\n", tls->version, tls->cipher, tls->bits);
	for (size_t i = 0; i < tls->cert_count; i++)
		printf("  %zu: %s\n     issued by %s\n", i, tls->certs[i].subject,
			tls->certs[i].issuer);
}

int main(int argc, char **argv)
{
	const char *program = argv[0], *ca = NULL;

	if (argc > 2 && strcmp(argv[1], "--ca") == 0) {
		ca = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc < 4) {
		printf("Syntax: %s [--ca file] server fromaddr toaddr [toaddr...]\n", program);
		return 2;
	}
	char to[4096] = "", message[8192];
	for (int i = 3; i < argc; i++)
		snprintf(to + strlen(to), sizeof(to) - strlen(to), "%s%s", i > 3 ? ", " : "",
			argv[i]);
	int len = snprintf(message, sizeof(message), MESSAGE, to, argv[2]);

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
	struct yz_session *s = yz_session_new(ctx, &options);
	size_t sent = 0;
	int status = 1;

	printf("Negotiating TLS....\n");
	if (yz_connect(s, argv[1]) != YZ_OK) {
		printf("%s\n", yz_error(s)->text);
	} else {
		report(yz_tls(s));
		struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
		for (int i = 3; i < argc; i++)
			yz_txn_rcpt(t, argv[i], NULL);
		yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
		yz_send(t);
		sent = yz_txn_accepted(t);
		for (size_t i = 0; i < yz_txn_count(t); i++)
			if (yz_txn_result(t, i)->outcome != YZ_ACCEPTED)
				printf("%s: %s\n", yz_txn_result(t, i)->path,
					yz_txn_result(t, i)->text);
		printf("Message sent to %zu recipient%s\n", sent, sent == 1 ? "" : "s");
		status = sent == yz_txn_count(t) ? 0 : 1;
		yz_txn_free(&t);
		yz_quit(s);
	}
	yz_session_free(&s);
	yz_ctx_free(&ctx);
	return status;
}
