/* The same load as yz_load.c through libcurl, used as its manual advises: one easy handle, which keeps
 * the connection.
 *
 *	curl_load data|new URL COUNT SIZE
 *	curl_load pipe URL */

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 72
#define FROM "from@source.test"
#define RCPT "to@sink.test"

struct letter {
	const char *text; /* NULL: from standard input */
	size_t size, at;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As in yz_load.c. */
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

static size_t give(char *to, size_t size, size_t count, void *arg)
{
	struct letter *l = arg;
	size_t n = size * count;

	if (!l->text) {
		ssize_t got = read(STDIN_FILENO, to, n);

		if (got < 0)
			return CURL_READFUNC_ABORT;
		l->at += (size_t)got;
		return (size_t)got;
	}
	if (n > l->size - l->at)
		n = l->size - l->at;
	memcpy(to, l->text + l->at, n);
	l->at += n;
	return n;
}

static CURL *handle(const char *url, struct curl_slist *rcpts, struct letter *l, int is_new)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		exit(70);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, "<" FROM ">");
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, rcpts);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(curl, CURLOPT_READDATA, l);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (l->text)
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)l->size);
	else
		curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 2L << 20);
	if (is_new) {
		curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	}
	return curl;
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
	int is_pipe = argc == 3 && strcmp(mode, "pipe") == 0;

	if (!is_pipe && (argc != 5 || (strcmp(mode, "data") && strcmp(mode, "new"))))
		return 64;
	long count = is_pipe ? 1 : strtol(argv[3], NULL, 10), sent = 0;
	struct letter l = {.size = is_pipe ? 0 : strtoul(argv[4], NULL, 10)};
	char *text = is_pipe ? NULL : letter(l.size);

	l.text = text;
	curl_global_init(CURL_GLOBAL_ALL);
	double began = now();
	struct curl_slist *rcpts = curl_slist_append(NULL, "<" RCPT ">");
	CURL *curl = handle(argv[2], rcpts, &l, strcmp(mode, "new") == 0);
	for (; sent < count; sent++) {
		l.at = 0;
		CURLcode err = curl_easy_perform(curl);
		if (err != CURLE_OK) {
			fprintf(stderr, "%s\n", curl_easy_strerror(err));
			return 1;
		}
	}
	curl_easy_cleanup(curl);
	double took = now() - began;
	curl_slist_free_all(rcpts);
	printf("{\"sent\": %ld, \"octets\": %zu, \"seconds\": %.6f, \"resident_kib\": %ld}\n", sent,
		is_pipe ? l.at : l.size, took, resident_kib());
	free(text);
	return 0;
}
