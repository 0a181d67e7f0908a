/* A hundred sessions in one poll loop, on one thread. A call that would wait returns YZ_E_AGAIN, and
 * yz_step() goes on with it when its descriptor is ready or its time has come.
 *
 *	./08-nonblocking mail.example.org me@example.org you@example.net [sessions] */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <yizhan.h>

#define MESSAGE                                                                                    \
	"To: %s\n"                                                                                 \
	"From: %s\n"                                                                               \
	"Subject: From session %d\n"                                                               \
	"\n"                                                                                       \
	"One of many at the same time.\n"

enum stage { CONNECTING, SENDING, QUITTING, OVER };

struct one {
	struct yz_session *session;
	struct yz_txn *txn;
	enum stage stage;
	int is_sent;
	struct yz_want want;
	int64_t due_ms; /* when it must be called although nothing came; -1: never */
	char text[1024];
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A call has returned: begin the next one, until one has to wait. */
static void go_on(struct one *o, int err)
{
	while (err != YZ_E_AGAIN && o->stage != OVER) {
		if (o->stage == CONNECTING && err == YZ_OK) {
			o->stage = SENDING;
			err = yz_send(o->txn);
		} else if (o->stage == SENDING) {
			o->is_sent = yz_txn_accepted(o->txn) == 1;
			o->stage = QUITTING;
			err = yz_quit(o->session);
		} else {
			if (o->stage == CONNECTING)
				fprintf(stderr, "%s\n", yz_error(o->session)->text);
			o->stage = OVER;
		}
	}
	yz_wants(o->session, &o->want);
	o->due_ms = o->want.timeout_ms < 0 ? -1 : now_ms() + o->want.timeout_ms;
}

static void begin(struct one *o, struct yz_ctx *ctx, char **argv, int number)
{
	int len = snprintf(o->text, sizeof(o->text), MESSAGE, argv[3], argv[2], number);

	o->session = yz_session_new(ctx, NULL);
	o->txn = yz_txn_new(o->session, argv[2], NULL);
	yz_txn_rcpt(o->txn, argv[3], NULL);
	yz_txn_body(o->txn, o->text, (size_t)len, YZ_EOL_FIX);
	yz_set_nonblocking(o->session, true);
	go_on(o, yz_connect(o->session, argv[1]));
}

/* Wait for all of them at once; how many are still on their way. */
static int turn(struct one *all, struct pollfd *fds, int count)
{
	int64_t now = now_ms(), wait = 60000;
	int left = 0;

	for (int i = 0; i < count; i++) {
		const struct one *o = &all[i];

		fds[i].fd = o->stage == OVER ? -1 : o->want.fd;
		fds[i].events = (short)((o->want.events & YZ_READ ? POLLIN : 0) |
			(o->want.events & YZ_WRITE ? POLLOUT : 0));
		fds[i].revents = 0;
		left += o->stage != OVER;
		if (o->stage != OVER && o->due_ms >= 0 && o->due_ms - now < wait)
			wait = o->due_ms > now ? o->due_ms - now : 0;
	}
	if (left == 0)
		return 0;
	poll(fds, (nfds_t)count, (int)wait);
	now = now_ms();
	for (int i = 0; i < count; i++)
		if (all[i].stage != OVER &&
			(fds[i].revents || (all[i].due_ms >= 0 && all[i].due_ms <= now)))
			go_on(&all[i], yz_step(all[i].session, NULL));
	return left;
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 100, sent = 0;

	if (argc < 4 || argc > 5 || count < 1) {
		printf("usage: %s server fromaddr toaddr [sessions]\n", argv[0]);
		return 2;
	}
	struct yz_ctx *ctx = yz_ctx_new();
	struct one *all = calloc((size_t)count, sizeof(*all));
	struct pollfd *fds = calloc((size_t)count, sizeof(*fds));

	if (!all || !fds)
		return 1;
	for (int i = 0; i < count; i++)
		begin(&all[i], ctx, argv, i + 1);
	while (turn(all, fds, count))
		;
	for (int i = 0; i < count; i++) {
		sent += all[i].is_sent;
		yz_txn_free(&all[i].txn);
		yz_session_free(&all[i].session);
	}
	printf("%d of %d sessions sent their message\n", sent, count);
	free(all);
	free(fds);
	yz_ctx_free(&ctx);
	return sent == count ? 0 : 1;
}
