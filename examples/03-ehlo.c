/* What the server says it can do, and a message that is refused before it is sent when it is larger
 * than the server takes.
 *
 *	./03-ehlo mail.example.org me@example.org you@example.net */

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

/* Tell what was offered; the limit is the one everybody asks for. */
static void report(const struct yz_session *s)
{
	const char *params;
	const char *keyword;

	if (!yz_is_esmtp(s)) {
		printf("The server does not know EHLO: no extensions.\n");
		return;
	}
	for (size_t i = 0; (keyword = yz_cap_at(s, i, &params)); i++)
		printf("  %s%s%s\n", keyword, *params ? " " : "", params);
	if (yz_size_max(s))
		printf("Maximum message size is %llu\n", (unsigned long long)yz_size_max(s));
	else if (yz_cap(s, "SIZE"))
		printf("The server tells no maximum message size\n");
}

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
	if (yz_open(s, argv[1]) != YZ_OK) {
		fprintf(stderr, "%s\n", yz_error(s)->text);
		yz_session_free(&s);
		return 1;
	}
	if (yz_hello(s, NULL) != YZ_OK) { /* EHLO, and HELO where that is not known */
		printf("Remote server refused HELO; code: %d\n",
			yz_error(s)->reply ? yz_error(s)->reply->code : 0);
		yz_quit(s);
		yz_session_free(&s);
		return 1;
	}
	report(s);

	struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
	for (int i = 3; i < argc; i++)
		yz_txn_rcpt(t, argv[i], NULL);
	yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
	int err = yz_send(t);
	size_t sent = yz_txn_accepted(t);
	if (err == YZ_E_SIZE)
		printf("Message too large; aborting.\n");
	else
		printf("Message sent to %zu recipient%s\n", sent, sent == 1 ? "" : "s");
	for (size_t i = 0; err != YZ_E_SIZE && i < yz_txn_count(t); i++)
		if (yz_txn_result(t, i)->outcome != YZ_ACCEPTED)
			printf("%s: %s\n", yz_txn_result(t, i)->path, yz_txn_result(t, i)->text);
	int status = sent == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
