/* The library's reader: any octets, in two pieces, can be looked at from every side, come back as they
 * were, and take a new field that is then found. */
#include <stdlib.h>
#include <string.h>

#include "yizhan.h"

#include "base/must.h"

#define OCTETS_MAX ((size_t)64 << 20)

static void look(const struct yz_mail *m)
{
	const struct yz_entity *root = yz_mail_root(m);
	struct yz_envelope env;
	struct yz_defect d;
	char *text;
	size_t n, count = 0;

	for (const struct yz_entity *e = root; e; e = yz_entity_next(e)) {
		struct yz_field f;
		struct yz_place p;

		yz_entity_place(e, &p);
		MUST(p.header <= p.body && p.body <= p.preamble_end &&
			p.preamble_end <= p.epilogue);
		MUST(p.epilogue <= p.end && p.end <= yz_mail_size(m));
		for (size_t i = 0; i < 20 && yz_entity_field(e, i, &f) == YZ_OK; i++)
			MUST(yz_entity_get(e, f.name, 0) || memchr(f.name, 0, 1) || !*f.name ||
				yz_entity_fields(e));
		for (size_t i = 0; i < yz_entity_children(e) && i < 20; i++)
			MUST(yz_entity_parent(yz_entity_child(e, i)) == e);
		yz_entity_filename(e);
		yz_entity_id(e);
		MUST(strchr(yz_entity_type(e), '/'));
		if (yz_entity_read_mem(e, YZ_UNFLOWED, OCTETS_MAX, &text, &n) == YZ_OK)
			yz_free(text);
		if (++count > 50)
			break;
	}
	yz_entity_addresses(root, "To");
	yz_entity_ids(root, "References", &n);
	yz_mail_attachments(m, &n);
	yz_mail_body(m, NULL);
	yz_mail_dsn(m);
	yz_mail_mdn(m);
	for (size_t i = 0; yz_mail_defect(m, i, &d) == YZ_OK; i++)
		MUST(d.entity && d.offset <= yz_mail_size(m));
	yz_mail_envelope((struct yz_mail *)m, &env);
}

static void answer(const struct yz_mail *m)
{
	struct yz_msg *r = yz_mail_reply(m, "me@example.org", YZ_REPLY_ALL | YZ_REPLY_QUOTE);
	char *text;
	size_t n;

	if (yz_msg_write_mem(r, NULL, OCTETS_MAX, &text, &n) == YZ_OK) {
		struct yz_mail *read = yz_mail_parse(text, n, NULL);

		/* what we make of it readers agree about, but for what it has no From for */
		MUST(yz_mail_get(read, "Subject"));
		yz_mail_free(&read);
		yz_free(text);
	}
	yz_msg_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size ? data[0] % size : 0, n;
	struct yz_mail *m = yz_mail_new(NULL), *again;
	char *out;

	MUST(yz_mail_feed(m, data, cut) == YZ_OK);
	MUST(yz_mail_feed(m, data + cut, size - cut) == YZ_OK && yz_mail_end(m) == YZ_OK);
	look(m);
	answer(m);
	MUST(yz_mail_write_mem(m, OCTETS_MAX, &out, &n) == YZ_OK);
	MUST(n == size && (!n || memcmp(out, data, n) == 0));
	yz_free(out);
	MUST(yz_mail_prepend(m, "X-First", "caf\xc3\xa9") == YZ_OK);
	MUST(yz_mail_write_mem(m, OCTETS_MAX, &out, &n) == YZ_OK && n > size);
	again = yz_mail_parse(out, n, NULL);
	MUST(strcmp(yz_mail_get(again, "X-First"), "caf\xc3\xa9") == 0);
	yz_mail_free(&again);
	yz_free(out);
	yz_mail_free(&m);
	return 0;
}
