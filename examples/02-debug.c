/* The conversation with the server, from the first look-up on: times, directions, TLS facts. What is
 * secret is shown as a note.
 *
 *	./02-debug mail.example.org me@example.org you@example.net */

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

struct watch {
	int64_t began_ns; /* 0: not yet */
};

static void show(void *arg, const struct yz_trace_event *ev)
{
	static const char *const marks[] = {
		[YZ_DIR_NONE] = "***", [YZ_DIR_OUT] = "-->", [YZ_DIR_IN] = "<--"};
	struct watch *w = arg;

	if (!w->began_ns)
		w->began_ns = ev->time_ns;
	fprintf(stderr, "%8.1f ms %s%s ", (double)(ev->time_ns - w->began_ns) / 1e6, marks[ev->dir],
		ev->is_encrypted ? " tls" : "");
	if (ev->kind == YZ_TRACE_DATA)
		fprintf(stderr, "[%llu octets of the message]\n", (unsigned long long)ev->octets);
	else
		fprintf(stderr, "%.*s%s\n", (int)ev->len, ev->text,
			ev->is_unexpected ? "   (!)" : "");
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

	struct watch watch = {0};
	struct yz_session *s = yz_session_new(NULL, NULL);
	struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
	size_t sent = 0;

	yz_set_trace(s, show, &watch, 0);
	for (int i = 3; i < argc; i++)
		yz_txn_rcpt(t, argv[i], NULL);
	yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
	if (yz_connect(s, argv[1]) != YZ_OK || yz_send(t) != YZ_OK) {
		printf("Your message may not have been sent!\n%s\n", yz_error(s)->text);
	} else {
		sent = yz_txn_accepted(t);
		printf("Message successfully sent to %zu recipient%s\n", sent,
			sent == 1 ? "" : "s");
	}
	for (size_t i = 0; i < yz_txn_count(t); i++)
		if (yz_txn_result(t, i)->outcome != YZ_ACCEPTED)
			printf("%s: %s\n", yz_txn_result(t, i)->path, yz_txn_result(t, i)->text);
	int status = sent == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
