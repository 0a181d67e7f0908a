/* Reads messages through libyizhan and writes them back, for tests/integration/test_mime_library.py.
 *
 *	yz_copy <messages	each: its length in decimal, LF, and its octets
 *
 * Each comes back three times, in the same form: as it was; as what a reader finds in a message that
 * forwards it ("-1" where it cannot be forwarded); and with the fields X-First and X-Last. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yizhan.h"

#define OCTETS_MAX ((size_t)256 << 20)

static void fail(const char *what)
{
	fprintf(stderr, "yz_copy: %s\n", what);
	exit(1);
}

static void put(const char *octets, size_t n)
{
	printf("%zu\n", n);
	fwrite(octets, 1, n, stdout);
}

static void put_mail(struct yz_mail *m)
{
	char *octets;
	size_t n;

	if (yz_mail_write_mem(m, OCTETS_MAX, &octets, &n) != YZ_OK)
		fail(yz_mail_error(m)->text);
	put(octets, n);
	yz_free(octets);
}

static void put_forwarded(struct yz_mail *m)
{
	struct yz_msg_options o = YZ_INIT(o);
	struct yz_msg *f = yz_mail_forward(m, 0);
	struct yz_mail *read;
	char *octets, *inner;
	size_t n;

	o.way = YZ_WAY_BINARY;
	if (!f || yz_msg_write_mem(f, &o, OCTETS_MAX, &octets, &n) != YZ_OK) {
		printf("-1\n");
		yz_msg_free(&f);
		return;
	}
	read = yz_mail_parse(octets, n, NULL);
	if (yz_entity_read_mem(yz_entity_child(yz_mail_root(read), 0), YZ_RAW, OCTETS_MAX, &inner,
		    &n) != YZ_OK)
		fail(yz_mail_error(read)->text);
	put(inner, n);
	yz_free(inner);
	yz_mail_free(&read);
	yz_free(octets);
	yz_msg_free(&f);
}

/* Every view there is: nothing may break on any message. */
static void look(const struct yz_mail *m)
{
	const struct yz_entity *root = yz_mail_root(m);
	struct yz_msg *r;
	size_t n;
	char *text;

	for (const struct yz_entity *e = root; e; e = yz_entity_next(e)) {
		struct yz_field f;

		for (size_t i = 0; yz_entity_field(e, i, &f) == YZ_OK; i++)
			yz_entity_get(e, f.name, 0);
		yz_entity_type(e);
		yz_entity_filename(e);
		yz_entity_id(e);
		if (yz_entity_read_mem(e, YZ_UNFLOWED, OCTETS_MAX, &text, &n) == YZ_OK)
			yz_free(text);
	}
	yz_entity_addresses(root, "From");
	yz_entity_ids(root, "References", &n);
	yz_mail_attachments(m, &n);
	yz_mail_body(m, NULL);
	yz_mail_dsn(m);
	yz_mail_mdn(m);
	r = yz_mail_reply(m, "me@example.org", YZ_REPLY_ALL | YZ_REPLY_QUOTE);
	if (yz_msg_write_mem(r, NULL, OCTETS_MAX, &text, &n) == YZ_OK)
		yz_free(text);
	yz_msg_free(&r);
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		size_t n = strtoul(line, NULL, 10), cut = n / 3;
		char *octets = malloc(n + 1);
		struct yz_mail *m = yz_mail_new(NULL);

		if (!octets || fread(octets, 1, n, stdin) != n)
			fail("a message that ends early");
		if (yz_mail_feed(m, octets, cut) != YZ_OK ||
			yz_mail_feed(m, octets + cut, n - cut) != YZ_OK || yz_mail_end(m) != YZ_OK)
			fail(yz_mail_error(m)->text);
		look(m);
		put_mail(m);
		put_forwarded(m);
		if (yz_mail_prepend(m, "X-First", "1") != YZ_OK ||
			yz_mail_append(m, "X-Last", "2") != YZ_OK)
			fail(yz_mail_error(m)->text);
		put_mail(m);
		yz_mail_free(&m);
		free(octets);
	}
	free(line);
	return 0;
}
