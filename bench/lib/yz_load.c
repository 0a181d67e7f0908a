/* The load of bench/lib/run through libyizhan, by its public face alone:
 *
 *	yz_load one|many|data|new URL COUNT SIZE	so many messages of SIZE octets
 *	yz_load pipe URL				one message from standard input, of any length
 *
 * one: yz_send, a message at a time, all the server offers; many: yz_send_many; data: DATA only;
 * new: a connection for each message. Prints one JSON object. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <yizhan.h>

#define BATCH 200 /* transactions given to yz_send_many at a time */
#define LINE  72
#define FROM  "from@source.test"
#define RCPT  "to@sink.test"

struct load {
	const char *url;
	long count;
	char *text;
	size_t size;
	long sent;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Header and lines of text with CRLF, the same for every program of this bench. */
static char *letter(size_t size)
{
	static const char head[] = "From: <" FROM ">\r\nTo: <" RCPT ">\r\nSubject: bench\r\n\r\n";
	char *text = malloc(size + LINE + 2);

	if (!text || size < sizeof(head) + LINE)
		exit(70);
	memcpy(text, head, sizeof(head) - 1);
	for (size_t at = sizeof(head) - 1; at < size; at += LINE) {
		memset(text + at, 'X', LINE - 2);
		memcpy(text + at + LINE - 2, "\r\n", 2);
	}
	memcpy(text + size - 2, "\r\n", 2);
	return text;
}

static void trouble(const struct yz_session *s)
{
	fprintf(stderr, "%s\n", yz_error(s)->text);
	exit(1);
}

static struct yz_session *connected(const struct load *l, unsigned flags)
{
	struct yz_options options = YZ_INIT(options);

	options.hello_name = "bench.test";
	options.flags = flags;
	options.tls = YZ_TLS_NEVER;
	struct yz_session *s = yz_session_new(NULL, &options);
	if (yz_connect(s, l->url) != YZ_OK)
		trouble(s);
	return s;
}

static struct yz_txn *transaction(const struct load *l, struct yz_session *s)
{
	struct yz_txn *t = yz_txn_new(s, FROM, NULL);

	yz_txn_rcpt(t, RCPT, NULL);
	yz_txn_body(t, l->text, l->size, YZ_EOL_FIX);
	return t;
}

static void over(struct yz_session *s)
{
	yz_quit(s);
	yz_session_free(&s);
}

static void send_one(struct load *l, unsigned flags)
{
	struct yz_session *s = connected(l, flags);

	for (long i = 0; i < l->count; i++) {
		struct yz_txn *t = transaction(l, s);

		if (yz_send(t) != YZ_OK)
			trouble(s);
		l->sent++;
		yz_txn_free(&t);
	}
	over(s);
}

static void send_many(struct load *l)
{
	struct yz_session *s = connected(l, 0);
	struct yz_txn *txns[BATCH];

	while (l->sent < l->count) {
		long n = l->count - l->sent < BATCH ? l->count - l->sent : BATCH, taken = 0;

		for (long i = 0; i < n; i++)
			txns[i] = transaction(l, s);
		int err = yz_send_many(s, txns, (size_t)n);
		for (long i = 0; i < n; i++) {
			taken += yz_txn_outcome(txns[i]) == YZ_ACCEPTED;
			yz_txn_free(&txns[i]);
		}
		if (err != YZ_OK || taken != n)
			trouble(s);
		l->sent += n;
	}
	over(s);
}

static void send_new(struct load *l)
{
	for (; l->sent < l->count; l->sent++) {
		struct yz_session *s = connected(l, 0);
		struct yz_txn *t = transaction(l, s);

		if (yz_send(t) != YZ_OK)
			trouble(s);
		yz_txn_free(&t);
		over(s);
	}
}

static void send_pipe(struct load *l)
{
	struct yz_session *s = connected(l, 0);
	struct yz_txn *t = yz_txn_new(s, FROM, NULL);

	yz_txn_rcpt(t, RCPT, NULL);
	yz_txn_fd(t, STDIN_FILENO, YZ_EOL_FIX);
	if (yz_send(t) != YZ_OK)
		trouble(s);
	l->size = (size_t)yz_txn_octets(t);
	l->sent = 1;
	yz_txn_free(&t);
	over(s);
}

/* The peak of this program alone: getrusage would also count whoever started it. */
static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	struct load l = {.url = argc > 2 ? argv[2] : ""};

	if (argc == 5) {
		l.count = strtol(argv[3], NULL, 10);
		l.size = strtoul(argv[4], NULL, 10);
		l.text = letter(l.size);
	}
	double began = now();
	if (l.text && strcmp(mode, "one") == 0)
		send_one(&l, 0);
	else if (l.text && strcmp(mode, "data") == 0)
		send_one(&l, YZ_NO_CHUNKING);
	else if (l.text && strcmp(mode, "many") == 0)
		send_many(&l);
	else if (l.text && strcmp(mode, "new") == 0)
		send_new(&l);
	else if (argc == 3 && strcmp(mode, "pipe") == 0)
		send_pipe(&l);
	else
		return 64;
	double took = now() - began;
	printf("{\"sent\": %ld, \"octets\": %zu, \"seconds\": %.6f, \"resident_kib\": %ld}\n",
		l.sent, l.size, took, resident_kib());
	free(l.text);
	return 0;
}
