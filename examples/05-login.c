/* Log in, then send. The password is asked for without showing it, goes out under TLS only, and by
 * the strongest mechanism that both sides have.
 *
 *	./05-login [--ca ca.pem] submission://mail.example.org me@example.org you@example.net */

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

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

/* A line from standard input without its end, without echo when `is_secret` on a terminal. */
static int ask(const char *prompt, char *to, size_t n, int is_secret)
{
	struct termios old, quiet;
	int is_hidden = is_secret && tcgetattr(STDIN_FILENO, &old) == 0;

	printf("%s", prompt);
	fflush(stdout);
	if (is_hidden) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	char *line = fgets(to, (int)n, stdin);
	if (is_hidden) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		printf("\n");
	}
	if (!line)
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
	if (argc < 4) {
		printf("Syntax: %s [--ca file] server fromaddr toaddr [toaddr...]\n", program);
		return 2;
	}
	char to[4096] = "", message[8192], user[256], password[256];
	for (int i = 3; i < argc; i++)
		snprintf(to + strlen(to), sizeof(to) - strlen(to), "%s%s", i > 3 ? ", " : "",
			argv[i]);
	int len = snprintf(message, sizeof(message), MESSAGE, to, argv[2]);
	if (ask("Enter username: ", user, sizeof(user), 0) < 0 ||
		ask("Enter password: ", password, sizeof(password), 1) < 0)
		return 1;

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
	int status = 1;

	if (yz_connect(s, argv[1]) != YZ_OK) {
		printf("%s\n", yz_error(s)->text);
	} else if (yz_login(s, user, password) != YZ_OK) {
		printf("Authentication failed: %s\n", yz_error(s)->text);
		yz_quit(s);
	} else {
		printf("Logged in by %s.\n", yz_auth_mechanism(s));
		struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
		for (int i = 3; i < argc; i++)
			yz_txn_rcpt(t, argv[i], NULL);
		yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
		yz_send(t);
		size_t sent = yz_txn_accepted(t);
		for (size_t i = 0; i < yz_txn_count(t); i++)
			if (yz_txn_result(t, i)->outcome != YZ_ACCEPTED)
				printf("%s: %s\n", yz_txn_result(t, i)->path,
					yz_txn_result(t, i)->text);
		printf("Message sent to %zu recipient%s\n", sent, sent == 1 ? "" : "s");
		status = sent == yz_txn_count(t) ? 0 : 1;
		yz_txn_free(&t);
		yz_quit(s);
	}
	explicit_bzero(password, sizeof(password));
	yz_session_free(&s);
	yz_ctx_free(&ctx);
	return status;
}
