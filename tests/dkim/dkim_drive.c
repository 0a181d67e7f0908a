/* Signs and verifies messages in bulk, for tests that compare it with other programs.
 *
 *	dkim_drive sign HEADER/BODY IN OUT DOMAIN SELECTOR=PEM...	files of IN, signed, into OUT
 *	dkim_drive verify DIR NAME=RECORD...				"FILE VERDICT[,VERDICT...]"
 *	dkim_drive key rsa|ed25519 PEM					a new key; its record on the output
 *
 * Messages are fed in pieces whose size changes with every file. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "proto/trust/dkim_sign.h"
#include "proto/trust/dkim_verify.h"

#define MESSAGE_MAX (64u << 20)
#define KEYS_MAX    4

static struct span read_file(struct arena *a, const char *path)
{
	struct buf *b = arena_buf(a, MESSAGE_MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f) {
		perror(path);
		exit(1);
	}
	do {
		char *p = buf_reserve(b, 65536);

		MUST(p);
		n = fread(p, 1, 65536, f);
		buf_added(b, n);
	} while (n);
	fclose(f);
	return buf_span(b);
}

static size_t piece_of(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		n = n * 31 + (unsigned char)*name;
	return n % 7 == 0 ? 1 : n % 5000 + 1;
}

static void sign_file(const struct dkim_sign_settings *s, const struct dkim_sign_key *keys,
	size_t count, const char *in, const char *out, const char *name)
{
	struct arena *a = arena_new();
	struct span m = read_file(a, arena_printf(a, "%s/%s", in, name));
	struct buf *fields = arena_buf(a, 100000);
	struct dkim_sign_settings settings = *s;
	size_t step = piece_of(name);
	struct dkim_message message;
	struct err e = {0};
	FILE *f;

	dkim_message_init(&message, dkim_sign_wants, &settings);
	for (size_t at = 0; at < m.len; at += step)
		dkim_message_feed(&message, span_sub(m, at, step));
	dkim_message_end(&message);
	if (dkim_sign(&message, s, keys, count, fields, &e) < 0) {
		fprintf(stderr, "%s: %s\n", name, e.text);
		exit(1);
	}
	dkim_message_fini(&message);
	f = fopen(arena_printf(a, "%s/%s", out, name), "we");
	MUST(f);
	MUST(fwrite(buf_span(fields).ptr, 1, buf_len(fields), f) == buf_len(fields));
	MUST(fwrite(m.ptr, 1, m.len, f) == m.len);
	fclose(f);
	arena_free(&a);
}

struct rows {
	struct span name[KEYS_MAX * 2], text[KEYS_MAX * 2];
	size_t count;
};

static void verify_file(const struct rows *rows, const char *dir, const char *name)
{
	struct arena *a = arena_new();
	struct span m = read_file(a, arena_printf(a, "%s/%s", dir, name));
	struct dkim_verifier *v = dkim_verifier_new(a, &dkim_rfc6376, time(NULL));
	size_t step = piece_of(name), count;
	struct dkim_result *r;

	for (size_t at = 0; at < m.len; at += step)
		dkim_verifier_feed(v, span_sub(m, at, step));
	count = dkim_verifier_end(v, &r);
	printf("%s ", name);
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;

		while (k < rows->count && !span_eq(rows->name[k], r[i].key_name))
			k++;
		if (k < rows->count)
			dkim_verifier_key(v, i, DKIM_KEY_FOUND, &rows->text[k], 1);
		else
			dkim_verifier_key(v, i, DKIM_KEY_NONE, NULL, 0);
		printf("%s%s", i ? "," : "", dkim_verdict_str(r[i].verdict));
	}
	printf("%s\n", count ? "" : "none");
	arena_free(&a);
}

static int each_file(const char *dir, void (*fn)(void *arg, const char *name), void *arg)
{
	struct dirent **list;
	int n = scandir(dir, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.')
			fn(arg, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return n < 0;
}

struct job {
	struct dkim_sign_settings settings;
	struct dkim_sign_key keys[KEYS_MAX];
	struct dkim_pkey *owned[KEYS_MAX];
	size_t count;
	const char *in, *out;
	struct rows rows;
};

static void sign_one(void *arg, const char *name)
{
	struct job *j = arg;

	sign_file(&j->settings, j->keys, j->count, j->in, j->out, name);
}

static void verify_one(void *arg, const char *name)
{
	struct job *j = arg;

	verify_file(&j->rows, j->in, name);
}

static int sign(struct arena *a, struct job *j, int argc, char **argv)
{
	struct span header, body;
	struct err e = {0};

	MUST(argc > 6 && span_cut(span_str(argv[2]), '/', &header, &body));
	j->settings = (struct dkim_sign_settings){
		.dialect = &dkim_rfc6376, .now_sec = time(NULL), .lifetime_sec = DKIM_LIFETIME_SEC};
	MUST(dkim_canon_parse(header, &j->settings.header) &&
		dkim_canon_parse(body, &j->settings.body));
	j->in = argv[3];
	j->out = argv[4];
	for (int i = 6; i < argc && j->count < KEYS_MAX; i++) {
		struct span selector, file;

		MUST(span_cut(span_str(argv[i]), '=', &selector, &file));
		j->owned[j->count] = dkim_pkey_read(read_file(a, file.ptr), &e);
		if (!j->owned[j->count])
			fprintf(stderr, "%s\n", e.text);
		MUST(j->owned[j->count]);
		j->keys[j->count] = (struct dkim_sign_key){
			span_str(argv[5]), selector, j->owned[j->count]};
		j->count++;
	}
	e.code = (enum err_code)each_file(j->in, sign_one, j);
	for (size_t i = 0; i < j->count; i++)
		dkim_pkey_free(&j->owned[i]);
	return e.code != 0;
}

static int verify(struct job *j, int argc, char **argv)
{
	j->in = argv[2];
	for (int i = 3; i < argc; i++) {
		size_t n = j->rows.count++;

		MUST(n < ARRAY_LEN(j->rows.name) &&
			span_cut(span_str(argv[i]), '=', &j->rows.name[n], &j->rows.text[n]));
	}
	return each_file(j->in, verify_one, j);
}

static int make_key(struct arena *a, char **argv)
{
	struct buf *pem = arena_buf(a, DKIM_PEM_MAX), *record = arena_buf(a, DKIM_RECORD_MAX);
	struct dkim_pkey *key;
	enum dkim_algorithm algorithm;
	FILE *f = fopen(argv[3], "we");

	MUST(f && dkim_algorithm_parse_key(span_str(argv[2]), &algorithm));
	key = dkim_pkey_generate(algorithm, 2048, NULL);
	MUST(key && dkim_pkey_write(key, pem, NULL) == 0 &&
		dkim_pkey_record(key, &dkim_rfc6376, false, record, NULL) == 0);
	fputs(buf_cstr(pem), f);
	fclose(f);
	puts(buf_cstr(record));
	dkim_pkey_free(&key);
	return 0;
}

int main(int argc, char **argv)
{
	struct arena *a = arena_new();
	struct job *j = ARENA_NEW(a, struct job);
	int rc = 64;

	if (argc > 6 && strcmp(argv[1], "sign") == 0)
		rc = sign(a, j, argc, argv);
	else if (argc > 2 && strcmp(argv[1], "verify") == 0)
		rc = verify(j, argc, argv);
	else if (argc == 4 && strcmp(argv[1], "key") == 0)
		rc = make_key(a, argv);
	arena_free(&a);
	return rc;
}
