/* The search index: how fast it is filled, how large it is, how long a search takes when it is warm.
 *
 *	search_bench [--documents N] [--dir D]
 *
 * A directory D that has been filled before is not filled again.
 * Documents are of about 4 KB: a header as it comes from a large provider, words of a made-up language with
 * the frequencies of a natural one (one in ten is Chinese). One line a figure. A search is what the index
 * says and the kept texts that have to be looked at. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "lib/scratch.h"
#include "store/search.h"
#include "store/store.h"

#define ACCOUNT 1
#define WORDS   30000
#define BATCH   64
#define ROUNDS  5

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

static char *words[WORDS];

static void make_words(void)
{
	static const char *const parts[] = {"an", "er", "in", "the", "re", "on", "st", "en", "al",
		"ti", "or", "ar", "co", "de", "ment", "pro", "ing", "li", "ma", "to", "per", "ve",
		"ci", "nu", "sh", "gra", "mo", "ty", "be", "ka", "vo", "wi", "ze", "qu", "ux",
		"hy"};
	struct buf b;

	for (size_t i = 0; i < WORDS; i++) {
		size_t n = 1 + (i > 60) + random_below(2) + (i > 2000);

		buf_init(&b, 200);
		while (n--)
			buf_str(&b, parts[random_below(ARRAY_LEN(parts))]);
		words[i] = buf_steal(&b, NULL);
	}
}

/* The rank of a word of a text: the n-th is met 1/n as often as the first. */
static size_t rank(void)
{
	double u = (double)random_below(1 << 30) / (1 << 30);

	return (size_t)(pow(WORDS, u) - 1);
}

static void put_base64(struct buf *b, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	while (n--)
		buf_char(b, digits[random_below(64)]);
}

static void put_header(struct buf *h, uint64_t n)
{
	buf_printf(h, "Return-Path: <%s@example.org>\nDelivered-To: user@yizhan.test\n",
		words[rank()]);
	for (int i = 0; i < 3; i++) {
		buf_printf(h,
			"Received: from mail%d.example.org ([192.0.2.%d]) by mx.yizhan.test with ESMTPS id ",
			(int)random_below(9), (int)random_below(250));
		put_base64(h, 12);
		buf_str(h, "; Mon, 23 Nov 2026 10:00:00 +0000\n");
	}
	buf_str(h,
		"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:to:subject:date; bh=");
	put_base64(h, 44);
	buf_str(h, "; b=");
	put_base64(h, 344);
	buf_printf(h, "\nFrom: %s %s <%s@example.org>\nTo: User <user@yizhan.test>\nSubject:",
		words[rank()], words[rank()], words[rank()]);
	for (int i = 0; i < 6; i++)
		buf_printf(h, " %s", words[rank()]);
	buf_printf(h,
		"\nDate: Mon, 23 Nov 2026 10:00:00 +0000\nMessage-ID: <%llx.%llu@example.org>\n"
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n",
		(unsigned long long)random_below(1ULL << 60), (unsigned long long)n);
}

static void put_body(struct buf *b, bool is_chinese)
{
	while (buf_len(b) < 2700) {
		if (is_chinese) {
			uint32_t c = 0x4e00 + (uint32_t)rank() % 3000;
			char octets[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 63)),
				(char)(0x80 | (c & 63))};

			buf_put(b, octets, 3);
			if (random_below(12) == 0)
				buf_str(b, "\xef\xbc\x8c");
		} else {
			buf_str(b, words[rank()]);
			buf_char(b, random_below(12) ? ' ' : '\n');
		}
	}
}

static void fill(struct store *s, uint64_t documents)
{
	struct search_doc docs[BATCH];
	struct buf texts[BATCH][2];
	struct search_stats stats;
	int64_t spent = 0;
	struct err e = {0};

	for (uint64_t n = 1; n <= documents; n += BATCH) {
		size_t count = documents - n + 1 < BATCH ? (size_t)(documents - n + 1) : BATCH;
		int64_t start;

		for (size_t i = 0; i < count; i++) {
			buf_init(&texts[i][0], 8192);
			buf_init(&texts[i][1], 8192);
			put_header(&texts[i][0], n + i);
			put_body(&texts[i][1], (n + i) % 10 == 0);
			if ((n + i) % 5000 == 77)
				buf_str(&texts[i][1], " zeppelin");
			docs[i] = (struct search_doc){.n = n + i,
				.header = buf_span(&texts[i][0]),
				.body = buf_span(&texts[i][1])};
		}
		start = clock_mono_ns();
		if (search_put(s, ACCOUNT, docs, count, n - 1, n + count - 1, &e) < 0) {
			fprintf(stderr, "%s\n", e.text);
			exit(1);
		}
		spent += clock_mono_ns() - start;
		for (size_t i = 0; i < count; i++) {
			buf_fini(&texts[i][0]);
			buf_fini(&texts[i][1]);
		}
	}
	MUST(search_stats(s, &stats, &e) == 0);
	printf("index: %.0f documents/s, text %.0f MB, kept %.0f MB, file %.0f MB for %llu documents\n",
		(double)documents * 1e9 / (double)spent, (double)stats.text_octets / 1e6,
		(double)stats.kept_octets / 1e6, (double)stats.file_octets / 1e6,
		(unsigned long long)documents);
}

static void look(struct store *s, const char *what, const struct search_needle *needle)
{
	int64_t best = INT64_MAX, best_find = INT64_MAX;
	uint64_t sure = 0, asked = 0, found = 0;
	struct err e = {0};

	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono_ns(), found_at;
		struct search_hits hits;
		struct search_verdict *list;
		uint64_t n = 0, at = 0;

		MUST(search_find_blocking(s, ACCOUNT, needle, &hits, &e) == 0);
		found_at = clock_mono_ns();
		list = mem_alloc((hits.maybe.count + 1) * sizeof(*list));
		while (search_set_next(&hits.maybe, at, &at))
			list[n++] = (struct search_verdict){.n = at++, .asked = 1};
		MUST(search_verify_blocking(
			     s, &(struct search_look){ACCOUNT, needle, 1, list, n}, &e) == 0);
		found = sure = hits.sure.count;
		asked = n;
		for (uint64_t i = 0; i < n; i++)
			found += list[i].found;
		if (clock_mono_ns() - start < best) {
			best = clock_mono_ns() - start;
			best_find = found_at - start;
		}
		free(list);
		search_hits_fini(&hits);
	}
	printf("search %-28s %8.2f ms (index %.2f ms): %llu found, %llu sure, %llu looked at\n",
		what, (double)best / 1e6, (double)best_find / 1e6, (unsigned long long)found,
		(unsigned long long)sure, (unsigned long long)asked);
}

/* Words as the pages ask for them: the beginning of a word, characters in a row. */
static void ask_for_people(struct store *s)
{
	static const struct {
		const char *what, *text;
	} asked[] = {
		{"people: the", "the"},
		{"people: menti", "menti"},
		{"people: pro ing", "pro ing"},
		{"people: of the subject", "subject"},
		{"people: 3 Chinese", "\xe4\xb8\x80\xe4\xb8\x81\xe4\xb8\x82"},
		{"people: 4 Chinese", "\xe4\xb8\x80\xe4\xb8\x80\xe4\xb8\x81\xe4\xb8\x80"},
	};

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct search_needle n = {
			SEARCH_TEXT, SEARCH_WORDS, {"", 0}, span_str(asked[i].text)};

		look(s, asked[i].what, &n);
	}
}

static void ask(struct store *s)
{
	static const struct {
		const char *what;
		enum search_field field;
		const char *text;
	} asked[] = {
		{"rare", SEARCH_TEXT, "zeppelin"},
		{"absent", SEARCH_TEXT, "xylophon"},
		{"absent, in the body", SEARCH_BODY, "nothingness"},
		{"a Chinese word of 2", SEARCH_BODY, "\xe4\xb8\x8a\xe4\xb8\x8b"},
		{"a Chinese word of 2, common", SEARCH_BODY, "\xe4\xb8\x80\xe4\xb8\x81"},
		{"a Chinese character", SEARCH_BODY, "\xe4\xb8\x8a"},
		{"an address", SEARCH_FROM, "qu@example.org"},
		{"two letters", SEARCH_SUBJECT, "ux"},
	};
	static const size_t ranks[] = {5000, 500, 50, 5};

	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct search_needle n = {
			asked[i].field, SEARCH_SUBSTRING, {"", 0}, span_str(asked[i].text)};

		look(s, asked[i].what, &n);
	}
	for (size_t i = 0; i < ARRAY_LEN(ranks); i++) {
		struct search_needle n = {
			SEARCH_TEXT, SEARCH_SUBSTRING, {"", 0}, span_str(words[ranks[i]])};
		char what[64];

		snprintf(what, sizeof(what), "word %zu (%s)", ranks[i], words[ranks[i]]);
		look(s, what, &n);
		n.field = SEARCH_SUBJECT;
		snprintf(what, sizeof(what), "subject, word %zu", ranks[i]);
		look(s, what, &n);
	}
	ask_for_people(s);
}

int main(int argc, char **argv)
{
	char dir[SCRATCH_MAX] = "";
	struct store_opts opts = {.dir = dir};
	uint64_t documents = 20000, there;
	bool is_scratch;
	struct store *s;
	struct err e = {0};

	for (int i = 1; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], "--documents"))
			MUST(span_u64(span_str(argv[i + 1]), &documents));
		else if (!strcmp(argv[i], "--dir"))
			snprintf(dir, sizeof(dir), "%s", argv[i + 1]);
	is_scratch = !dir[0];
	if (is_scratch)
		MUST(scratch_new(dir));
	make_words();
	s = store_open(&opts, &e);
	if (!s) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	MUST(search_marker(s, ACCOUNT, &there, &e) == 0);
	if (!there)
		fill(s, documents);
	ask(s);
	store_close(&s);
	if (is_scratch)
		MUST(scratch_remove(dir));
	for (size_t i = 0; i < WORDS; i++)
		free(words[i]);
	return 0;
}
