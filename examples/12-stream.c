/* A message of any length from a pipe, in fixed memory: it is never held as a whole. With CHUNKING its
 * length need not be known beforehand.
 *
 *	make-large-message | ./12-stream mail.example.org me@example.org you@example.net */

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <yizhan.h>

static void progress(void *arg, uint64_t sent, int64_t of)
{
	uint64_t *shown = arg;

	(void)of;
	if (sent - *shown < 64 * 1024 * 1024)
		return;
	*shown = sent;
	fprintf(stderr, "%llu MiB\n", (unsigned long long)(sent >> 20));
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		printf("usage: %s server fromaddr toaddr [toaddr...] < message\n", argv[0]);
		return 2;
	}
	struct yz_session *s = yz_session_new(NULL, NULL);
	struct yz_txn *t = yz_txn_new(s, argv[2], NULL);
	uint64_t shown = 0;

	for (int i = 3; i < argc; i++)
		yz_txn_rcpt(t, argv[i], NULL);
	yz_txn_fd(t, STDIN_FILENO, YZ_EOL_FIX);
	yz_txn_progress(t, progress, &shown);
	if (yz_connect(s, argv[1]) != YZ_OK || yz_send(t) != YZ_OK)
		fprintf(stderr, "%s\n", yz_error(s)->text);
	for (size_t i = 0; i < yz_txn_count(t); i++)
		printf("%s: %s\n", yz_txn_result(t, i)->path, yz_txn_result(t, i)->text);

	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("%llu octets, at most %ld KiB resident\n", (unsigned long long)yz_txn_octets(t),
		usage.ru_maxrss);
	int status = yz_txn_accepted(t) == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
