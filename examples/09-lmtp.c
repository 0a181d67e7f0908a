/* Hand a message from standard input to a mailbox server by LMTP (RFC 2033): each recipient has a
 * final reply of its own.
 *
 *	./09-lmtp lmtp://localhost:24 me@example.org alice@example.net bob@example.net < message
 *	./09-lmtp lmtp+unix:/run/lmtp.sock me@example.org alice@example.net < message */

#include <stdio.h>
#include <unistd.h>

#include <yizhan.h>

int main(int argc, char **argv)
{
	if (argc < 4) {
		printf("usage: %s url fromaddr toaddr [toaddr...] < message\n", argv[0]);
		return 2;
	}
	struct yz_session *s = yz_session_new(NULL, NULL);
	struct yz_txn *t = yz_txn_new(s, argv[2], NULL);

	for (int i = 3; i < argc; i++)
		yz_txn_rcpt(t, argv[i], NULL);
	yz_txn_fd(t, STDIN_FILENO, YZ_EOL_FIX);
	if (yz_connect(s, argv[1]) != YZ_OK || yz_send(t) != YZ_OK)
		fprintf(stderr, "%s\n", yz_error(s)->text);
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		if (r->reply)
			printf("%s: %s (%d %s)\n", r->path, yz_outcome_str(r->outcome),
				r->reply->code, r->reply->text);
		else
			printf("%s: %s\n", r->path, yz_outcome_str(r->outcome));
	}
	int status = yz_txn_accepted(t) == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
