/* Clients that come, log in, send one message and go: a new TCP connection and a full TLS handshake
 * each time, as a telephone does. Prints one JSON object.
 *
 *	login_load HOST PORT USER PASSWORD FROM TO CLIENTS SECONDS OCTETS
 *
 * TLS is first (port 465). Commands wait for their replies: no pipelining, the slowest honest client. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX  256
#define SESSIONS_MAX 200000
#define LINE_MAX_    4096

struct job {
	struct sockaddr_in to;
	SSL_CTX *tls;
	char login[2 * LINE_MAX_]; /* base64 of PLAIN */
	const char *from, *rcpt;
	char *message;
	size_t message_len;
	int64_t until_ns;
};

struct client {
	const struct job *job;
	pthread_t thread;
	uint64_t done, failed;
	int64_t *took_ns;
	char why[256];
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The last line of a reply; its code, or -1. */
static int reply(SSL *s, char *line)
{
	size_t n = 0;

	for (;;) {
		int got = SSL_read(s, line + n, (int)(LINE_MAX_ - 1 - n));

		if (got <= 0)
			return -1;
		n += (size_t)got;
		line[n] = 0;
		if (n < 2 || line[n - 1] != '\n')
			continue;
		char *last = line;
		for (char *p = line; p < line + n - 1; p++)
			if (*p == '\n')
				last = p + 1;
		if (strlen(last) > 3 && last[3] == ' ')
			return (int)strtol(last, NULL, 10);
	}
}

static int say(SSL *s, const char *text, size_t len, char *line)
{
	return SSL_write(s, text, (int)len) == (int)len ? reply(s, line) : -1;
}

static bool talk(SSL *s, const struct job *j, char *line)
{
	char command[3 * LINE_MAX_];
	int code = reply(s, line);

#define SAY(want, ...)                                                                             \
	if (code > 0) {                                                                            \
		snprintf(command, sizeof(command), __VA_ARGS__);                                   \
		code = say(s, command, strlen(command), line);                                     \
		code = code == (want) ? code : -1;                                                 \
	}
	if (code != 220)
		return false;
	SAY(250, "EHLO client.test\r\n");
	SAY(235, "AUTH PLAIN %s\r\n", j->login);
	SAY(250, "MAIL FROM:<%s>\r\n", j->from);
	SAY(250, "RCPT TO:<%s>\r\n", j->rcpt);
	SAY(354, "DATA\r\n");
	if (code > 0 && say(s, j->message, j->message_len, line) != 250)
		return false;
	SAY(221, "QUIT\r\n");
#undef SAY
	return code > 0;
}

static bool session(const struct job *j, char *line)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL *s = SSL_new(j->tls);
	bool is_good = false;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	line[0] = 0;
	if (connect(fd, (const struct sockaddr *)&j->to, sizeof(j->to)) == 0 && SSL_set_fd(s, fd) &&
		SSL_connect(s) == 1) {
		is_good = talk(s, j, line);
		SSL_shutdown(s);
	}
	SSL_free(s);
	close(fd);
	ERR_clear_error();
	return is_good;
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	char line[LINE_MAX_];

	while (now_ns() < c->job->until_ns && c->done + c->failed < SESSIONS_MAX) {
		int64_t began = now_ns();

		if (session(c->job, line)) {
			c->took_ns[c->done++] = now_ns() - began;
		} else {
			c->failed++;
			snprintf(c->why, sizeof(c->why), "%.200s", line);
		}
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void make_message(struct job *j, size_t octets)
{
	char head[1024];
	size_t n = (size_t)snprintf(head, sizeof(head),
		"From: <%s>\r\nTo: <%s>\r\nSubject: bench\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
		"Message-ID: <bench@client.test>\r\n\r\n",
		j->from, j->rcpt);

	j->message = malloc(n + octets + 80);
	memcpy(j->message, head, n);
	while (n < octets) {
		memset(j->message + n, 'x', 70);
		memcpy(j->message + n + 70, "\r\n", 2);
		n += 72;
	}
	memcpy(j->message + n, ".\r\n", 3);
	j->message_len = n + 3;
}

int main(int argc, char **argv)
{
	struct job j = {0};
	struct client clients[CLIENTS_MAX] = {0};
	struct rusage used;
	size_t count, total = 0;
	uint64_t failed = 0;
	int64_t began, *all;
	char plain[LINE_MAX_];

	if (argc != 10) {
		fprintf(stderr,
			"usage: login_load HOST PORT USER PASSWORD FROM TO CLIENTS SECONDS OCTETS\n");
		return 64;
	}
	j.to = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(argv[2], NULL, 10))};
	inet_pton(AF_INET, argv[1], &j.to.sin_addr);
	int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, argv[3], 0, argv[4]);
	EVP_EncodeBlock((unsigned char *)j.login, (const unsigned char *)plain, len);
	j.from = argv[5];
	j.rcpt = argv[6];
	count = (size_t)strtol(argv[7], NULL, 10);
	if (count < 1 || count > CLIENTS_MAX)
		return 64;
	make_message(&j, (size_t)strtol(argv[9], NULL, 10));
	j.tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(j.tls, SSL_SESS_CACHE_OFF);
	began = now_ns();
	j.until_ns = began + (int64_t)(strtod(argv[8], NULL) * 1e9);
	for (size_t i = 0; i < count; i++) {
		clients[i].job = &j;
		clients[i].took_ns = malloc(SESSIONS_MAX * sizeof(int64_t));
		pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
		total += clients[i].done;
		failed += clients[i].failed;
	}
	double seconds = (double)(now_ns() - began) / 1e9;

	all = malloc((total + 1) * sizeof(*all));
	for (size_t i = 0, n = 0; i < count; n += clients[i].done, i++)
		memcpy(all + n, clients[i].took_ns, clients[i].done * sizeof(*all));
	qsort(all, total, sizeof(*all), by_size);
	getrusage(RUSAGE_SELF, &used);
	printf("{\"sessions\":%zu,\"failed\":%llu,\"seconds\":%.4f,\"rate\":%.1f,\"p50_ms\":%.2f,"
	       "\"p99_ms\":%.2f,\"client_cpu\":%.3f}\n",
		total, (unsigned long long)failed, seconds, (double)total / seconds,
		total ? (double)all[total / 2] / 1e6 : 0,
		total ? (double)all[total - 1 - total / 100] / 1e6 : 0,
		(double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	for (size_t i = 0; i < count; i++)
		if (clients[i].why[0]) {
			fprintf(stderr, "a session failed: %s\n", clients[i].why);
			break;
		}
	return failed && !total ? 75 : 0;
}
