/* Send one message; say what became of each recipient.
 *
 *	cc 01-simple.c $(pkg-config --cflags --libs yizhan) -o 01-simple
 *	./01-simple mail.example.org me@example.org you@example.net */

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

int main(int argc, char **argv)
{
	if (argc < 4) {
		printf("usage: %s server fromaddr toaddr [toaddr...]\n", argv[0]);
		return 2;
	}
	char to[4096] = "", message[8192];
	for (int i = 3; i < argc; i++)
		snprintf(to + strlen(to), sizeof(to) - strlen(to), "%s%s", i > 3 ? ", " : "",
			argv[i]);
	int len = snprintf(message, sizeof(message), MESSAGE, to, argv[2]);

	struct yz_session *s = yz_session_new(NULL, NULL);
	if (yz_connect(s, argv[1]) != YZ_OK) {
		fprintf(stderr, "%s\n", yz_error(s)->text);
		yz_session_free(&s);
		return 1;
	}
	struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
	for (int i = 3; i < argc; i++)
		yz_txn_rcpt(t, argv[i], NULL);
	yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
	yz_send(t);

	for (size_t i = 0; i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		if (r->outcome != YZ_ACCEPTED)
			printf("%s: %s: %s\n", r->path, yz_outcome_str(r->outcome), r->text);
	}
	size_t sent = yz_txn_accepted(t);
	printf("Message sent to %zu recipient%s\n", sent, sent == 1 ? "" : "s");
	int status = sent == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
