/* Ask for delivery status notifications (RFC 3461): a report when the first recipient gets it, one when it
 * fails for any, and nothing for the others' success. Whether the server passes that on is told.
 *
 *	./11-dsn mail.example.org me@example.org you@example.net [toaddr...] */

#include <stdio.h>
#include <string.h>

#include <yizhan.h>

#define MESSAGE                                                                                    \
	"To: %s\n"                                                                                 \
	"From: %s\n"                                                                               \
	"Subject: Please report\n"                                                                 \
	"\n"                                                                                       \
	"The envelope asks for reports; this text does not.\n"

int main(int argc, char **argv)
{
	if (argc < 4) {
		printf("usage: %s server fromaddr toaddr [toaddr...]\n", argv[0]);
		return 2;
	}
	char message[4096];
	int len = snprintf(message, sizeof(message), MESSAGE, argv[3], argv[2]);
	struct yz_session *s = yz_session_new(NULL, NULL);

	if (yz_connect(s, argv[1]) != YZ_OK) {
		fprintf(stderr, "%s\n", yz_error(s)->text);
		yz_session_free(&s);
		return 1;
	}
	printf(yz_cap(s, "DSN") ? "The server takes DSN parameters.\n"
				: "The server knows no DSN: the parameters are left out.\n");

	struct yz_mail_params mail = YZ_INIT(mail);
	mail.ret = YZ_RET_HDRS; /* reports bring the header back, not the whole message */
	mail.envid = "letter 11";
	struct yz_txn *t = yz_txn_new(s, argv[2], &mail);
	for (int i = 3; i < argc; i++) {
		struct yz_rcpt_params rcpt = YZ_INIT(rcpt);
		char orcpt[512];

		snprintf(orcpt, sizeof(orcpt), "rfc822;%s", argv[i]);
		rcpt.orcpt = orcpt;
		rcpt.notify = YZ_NOTIFY_FAILURE |
			(i == 3 ? YZ_NOTIFY_SUCCESS | YZ_NOTIFY_DELAY : 0);
		yz_txn_rcpt(t, argv[i], &rcpt);
	}
	yz_txn_body(t, message, (size_t)len, YZ_EOL_FIX);
	yz_send(t);
	for (size_t i = 0; i < yz_txn_count(t); i++)
		printf("%s: %s\n", yz_txn_result(t, i)->path, yz_txn_result(t, i)->text);
	int status = yz_txn_accepted(t) == yz_txn_count(t) ? 0 : 1;
	yz_txn_free(&t);
	yz_quit(s);
	yz_session_free(&s);
	return status;
}
