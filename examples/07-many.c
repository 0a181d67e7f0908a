/* Many messages over one connection: with PIPELINING and CHUNKING the next one leaves before the reply
 * to the last one has come. Each is told apart in the end.
 *
 *	./07-many mail.example.org me@example.org you@example.net 1000 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yizhan.h>

#define MESSAGE                                                                                    \
	"To: %s\n"                                                                                 \
	"From: %s\n"                                                                               \
	"Subject: Message %ld of %ld\n"                                                            \
	"\n"                                                                                       \
	"One of many.\n"
#define BATCH 100 /* messages kept in memory at a time */

struct letter {
	struct yz_txn *txn;
	char text[1024];
};

int main(int argc, char **argv)
{
	long count = argc == 5 ? strtol(argv[4], NULL, 10) : 0, sent = 0;

	if (count < 1) {
		printf("usage: %s server fromaddr toaddr count\n", argv[0]);
		return 2;
	}
	static struct letter letters[BATCH];
	struct yz_txn *txns[BATCH];
	struct yz_session *s = yz_session_new(NULL, NULL);
	int err = yz_connect(s, argv[1]);

	for (long at = 0; err == YZ_OK && at < count; at += BATCH) {
		int n = count - at < BATCH ? (int)(count - at) : BATCH;

		for (int i = 0; i < n; i++) {
			struct letter *l = &letters[i];
			int len = snprintf(l->text, sizeof(l->text), MESSAGE, argv[3], argv[2],
				at + i + 1, count);

			txns[i] = l->txn = yz_txn_new(s, argv[2], NULL);
			yz_txn_rcpt(l->txn, argv[3], NULL);
			yz_txn_body(l->txn, l->text, (size_t)len, YZ_EOL_FIX);
		}
		err = yz_send_many(s, txns, (size_t)n);
		for (int i = 0; i < n; i++) {
			const struct yz_result *r = yz_txn_result(txns[i], 0);

			if (r->outcome == YZ_ACCEPTED)
				sent++;
			else
				printf("message %ld: %s: %s\n", at + i + 1,
					yz_outcome_str(r->outcome), r->text);
			yz_txn_free(&txns[i]);
		}
	}
	if (err != YZ_OK)
		fprintf(stderr, "%s\n", yz_error(s)->text);
	printf("%ld of %ld messages sent\n", sent, count);
	yz_quit(s);
	yz_session_free(&s);
	return sent == count ? 0 : 1;
}
