/*
 * Load for bench/read/run: many clients, each in its own thread, each as fast as the answers come.
 *
 *   read_load append HOST PORT USER PASSWORD MAILBOX CLIENTS COUNT SIZE   one APPEND a command (LITERAL+)
 *   read_load lmtp   HOST PORT RCPT CLIENTS COUNT SIZE                    LHLO, then a message after the other
 *   read_load smtp   HOST PORT RCPT CLIENTS COUNT SIZE                    the same with EHLO
 *   read_load login  HOST PORT USER PASSWORD CLIENTS COUNT               connect, LOGIN, LOGOUT, close
 *
 * Prints {"seconds": .., "count": .., "failed": ..}; the time is from the first command behind the greeting (and login)
 * to the last answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 65536, CLIENTS_MAX = 1000 };

struct load {
	const char *mode, *host, *user, *password, *mailbox;
	int port, clients, count;
	size_t size;
	char *letter;
	size_t letter_size;
	pthread_barrier_t ready;
};

struct client {
	struct load *load;
	int number, todo, done, failed, fd;
	char buf[LINE_MAX_OCTETS];
	size_t used;
	double end;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->load->port)};
	int one = 1;
	inet_pton(AF_INET, c->load->host, &to.sin_addr);
	c->used = 0;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct timeval wait = {.tv_sec = 60};
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return connect(c->fd, (struct sockaddr *)&to, sizeof(to));
}

static int put(struct client *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(c->fd, p, n);
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The next line, in place, without its CRLF; NULL at the end. Valid until the next call. */
static char *line(struct client *c, char *out, size_t max)
{
	for (;;) {
		char *nl = memchr(c->buf, '\n', c->used);
		if (nl) {
			size_t n = (size_t)(nl - c->buf), keep = n < max - 1 ? n : max - 1;
			memcpy(out, c->buf, keep);
			out[keep] = '\0';
			c->used -= n + 1;
			memmove(c->buf, nl + 1, c->used);
			return out;
		}
		if (c->used == sizeof(c->buf))
			c->used = 0;
		ssize_t r = read(c->fd, c->buf + c->used, sizeof(c->buf) - c->used);
		if (r <= 0)
			return NULL;
		c->used += (size_t)r;
	}
}

/* Until the tagged line of an IMAP command; is it OK? */
static bool imap_ok(struct client *c, const char *tag)
{
	char text[512];
	size_t n = strlen(tag);
	while (line(c, text, sizeof(text)))
		if (strncmp(text, tag, n) == 0 && text[n] == ' ')
			return strncmp(text + n + 1, "OK", 2) == 0;
	return false;
}

static bool imap_login(struct client *c)
{
	char text[1024];
	if (dial(c) || !line(c, text, sizeof(text)))
		return false;
	int n = snprintf(
		text, sizeof(text), "l LOGIN \"%s\" \"%s\"\r\n", c->load->user, c->load->password);
	return put(c, text, (size_t)n) == 0 && imap_ok(c, "l");
}

/* An SMTP reply of any lines; its first digit, 0 at the end. */
static int smtp_reply(struct client *c)
{
	char text[1024];
	while (line(c, text, sizeof(text)))
		if (strlen(text) >= 3 && text[3] != '-')
			return text[0] - '0';
	return 0;
}

static int smtp_say(struct client *c, const char *word, const char *arg, const char *end)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s%s%s\r\n", word, arg, end);
	return put(c, text, (size_t)n) ? 0 : smtp_reply(c);
}

static void run_append(struct client *c)
{
	char head[512];
	for (; c->done < c->todo; c->done++) {
		int n = snprintf(head, sizeof(head), "a APPEND \"%s\" {%zu+}\r\n", c->load->mailbox,
			c->load->letter_size);
		if (put(c, head, (size_t)n) || put(c, c->load->letter, c->load->letter_size) ||
			put(c, "\r\n", 2) || !imap_ok(c, "a")) {
			c->failed += c->todo - c->done;
			return;
		}
	}
}

static void run_smtp(struct client *c)
{
	for (; c->done < c->todo; c->done++) {
		if (smtp_say(c, "MAIL FROM:<", "from@source.test", ">") != 2 ||
			smtp_say(c, "RCPT TO:<", c->load->user, ">") != 2 ||
			smtp_say(c, "DATA", "", "") != 3 ||
			put(c, c->load->letter, c->load->letter_size) ||
			smtp_say(c, ".", "", "") != 2) {
			c->failed += c->todo - c->done;
			return;
		}
	}
}

static void run_login(struct client *c)
{
	for (; c->done < c->todo; c->done++) {
		if (!imap_login(c) || put(c, "o LOGOUT\r\n", 10) || !imap_ok(c, "o"))
			c->failed++;
		close(c->fd);
	}
}

static void *run(void *arg)
{
	struct client *c = arg;
	const char *mode = c->load->mode;
	bool is_up = true;
	if (strcmp(mode, "append") == 0)
		is_up = imap_login(c);
	else if (strcmp(mode, "login") != 0)
		is_up = dial(c) == 0 && smtp_reply(c) == 2 &&
			smtp_say(c, strcmp(mode, "lmtp") == 0 ? "LHLO " : "EHLO ", "load.test",
				"") == 2;
	pthread_barrier_wait(&c->load->ready);
	if (!is_up)
		c->failed = c->todo;
	else if (strcmp(mode, "append") == 0)
		run_append(c);
	else if (strcmp(mode, "login") == 0)
		run_login(c);
	else
		run_smtp(c);
	c->end = now();
	return NULL;
}

/* A letter of about this size; lines of 72 octets. */
static void make_letter(struct load *l)
{
	l->letter = malloc(l->size + 1024);
	int n = snprintf(l->letter, 1024,
		"From: from@source.test\r\nTo: %s\r\nSubject: bench\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
		"Message-ID: <bench.%d@source.test>\r\n\r\n",
		l->user, (int)getpid());
	size_t used = (size_t)n;
	while (used < l->size) {
		for (int i = 0; i < 72; i++)
			l->letter[used + (size_t)i] =
				"courier horse gate lantern "[(used * 7 + (size_t)i) % 27];
		used += 72;
		l->letter[used++] = '\r';
		l->letter[used++] = '\n';
	}
	l->letter_size = used;
}

int main(int argc, char **argv)
{
	struct load l = {0};
	if (argc < 7) {
		fprintf(stderr, "usage: see the head of read_load.c\n");
		return 64;
	}
	l.mode = argv[1], l.host = argv[2], l.port = (int)strtol(argv[3], NULL, 10),
	l.user = argv[4];
	int at = 5;
	if (strcmp(l.mode, "append") == 0 || strcmp(l.mode, "login") == 0)
		l.password = argv[at++];
	if (strcmp(l.mode, "append") == 0)
		l.mailbox = argv[at++];
	l.clients = (int)strtol(argv[at++], NULL, 10);
	l.count = (int)strtol(argv[at++], NULL, 10);
	l.size = at < argc ? strtoul(argv[at], NULL, 10) : 4096;
	if (l.clients < 1 || l.clients > CLIENTS_MAX)
		return 64;
	make_letter(&l);
	pthread_barrier_init(&l.ready, NULL, (unsigned)l.clients + 1);
	struct client *clients = calloc((size_t)l.clients, sizeof(*clients));
	pthread_t *threads = calloc((size_t)l.clients, sizeof(*threads));
	for (int i = 0; i < l.clients; i++) {
		clients[i] = (struct client){.load = &l,
			.number = i,
			.todo = l.count / l.clients + (i < l.count % l.clients)};
		pthread_create(&threads[i], NULL, run, &clients[i]);
	}
	pthread_barrier_wait(&l.ready);
	double begin = now(), end = begin;
	int done = 0, failed = 0;
	for (int i = 0; i < l.clients; i++) {
		pthread_join(threads[i], NULL);
		done += clients[i].done;
		failed += clients[i].failed;
		end = clients[i].end > end ? clients[i].end : end;
	}
	printf("{\"seconds\": %.6f, \"count\": %d, \"failed\": %d}\n", end - begin, done, failed);
	return failed ? 1 : 0;
}
