/* The header of a letter to a list, and what is asked of it. */

#include <string.h>

#include "proto/mail/mail_word.h"
#include "proto/mail/mime_address.h"
#include "services/lists/lists_priv.h"

static void take_field(void *arg, const struct mail_field *f)
{
	struct lists_post *p = arg;

	if (p->field_count == p->field_cap) {
		size_t cap = p->field_cap ? p->field_cap * 2 : 32;
		struct lists_field *more = ARENA_ARRAY(p->a, struct lists_field, cap);

		if (p->field_count)
			memcpy(more, p->fields, p->field_count * sizeof(*more));
		p->fields = more;
		p->field_cap = cap;
	}
	p->fields[p->field_count++] = (struct lists_field){.id = f->id,
		.whole = span_sub(p->head, (size_t)f->offset, (size_t)f->len),
		.name = arena_span(p->a, f->name),
		.value = arena_span(p->a, f->value)};
}

/* Chunks until the header is over; it must fit into LISTS_HEADER_MAX. */
static FIBER int read_head(struct lists_post *p, struct err *e)
{
	struct span front = p->parcel->prefix;
	struct buf *text = arena_buf(p->a, LISTS_HEADER_MAX + BODY_CHUNK + front.len);
	struct mail_header h;
	struct arena *chunk = arena_new();
	int rc = 0;

	mail_header_init(&h, NULL, NULL);
	mail_header_feed(&h, front);
	buf_span_put(text, front);
	for (uint64_t i = 0; rc == 0 && !h.is_done; i++) {
		struct span bytes;

		arena_reset(chunk);
		rc = body_chunk(p->parcel->body, i, chunk, &bytes, e);
		if (rc < 0 || !bytes.len)
			break;
		mail_header_feed(&h, bytes);
		buf_span_put(text, bytes);
		if (!h.is_done && buf_len(text) > LISTS_HEADER_MAX)
			rc = err_set(e, ERR_LIMIT, "the header is longer than %d octets",
				LISTS_HEADER_MAX);
	}
	mail_header_finish(&h);
	if (rc == 0 && !buf_ok(text))
		rc = err_set(e, ERR_LIMIT, "the header is too long");
	p->head = span_sub(buf_span(text), 0, (size_t)h.body_offset);
	p->body_at = h.body_offset > front.len ? h.body_offset - front.len : 0;
	mail_header_fini(&h);
	arena_free(&chunk);
	return rc;
}

const struct lists_field *lists_field(const struct lists_post *p, const char *name)
{
	for (size_t i = 0; i < p->field_count; i++) {
		if (span_eq_nocase(p->fields[i].name, span_str(name)))
			return &p->fields[i];
	}
	return NULL;
}

static size_t count_of(const struct lists_post *p, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < p->field_count; i++)
		n += span_eq_nocase(p->fields[i].name, span_str(name));
	return n;
}

/* Exactly one From with exactly one mailbox: who else would be its author? */
static void read_author(struct lists_post *p)
{
	const struct lists_field *from = lists_field(p, "From");
	struct mime_address_list list;

	if (!from || count_of(p, "From") != 1)
		return;
	mime_address_parse(p->a, from->value, 10, &list);
	if (list.count != 1 || list.mailboxes != 1 || !list.items[0].domain.len)
		return;
	p->author = mime_address_spec(p->a, &list.items[0]);
	p->author_name = mime_address_name(p->a, &list.items[0]);
}

static bool has_word(const struct lists_post *p, const char *name, const char *const *words)
{
	const struct lists_field *f = lists_field(p, name);

	for (size_t i = 0; f && words[i]; i++) {
		if (span_starts_nocase(span_trim(f->value), span_str(words[i])))
			return true;
	}
	return false;
}

/* RFC 3834 section 5 and what is met in life. */
static void read_auto(struct lists_post *p)
{
	static const char *const bulk[] = {"bulk", "junk", "auto_reply", NULL};
	static const char *const no[] = {"no", NULL};
	/* "OOF" and the like stand in mail that people write */
	static const char *const all[] = {"all", NULL};

	p->is_auto = p->parcel->env.reverse_path.len == 0 ||
		(lists_field(p, "Auto-Submitted") && !has_word(p, "Auto-Submitted", no)) ||
		has_word(p, "Precedence", bulk) || has_word(p, "X-Auto-Response-Suppress", all);
}

/* Our own List-Id, or the list among those it was delivered to. What stands in front of the message counts
 * too: a copy that has never left this server has the fields of its list there. */
static void read_loop(struct lists_post *p)
{
	struct span id = span_str(arena_printf(p->a, "<" SPAN_FMT "." SPAN_FMT ">",
		SPAN_ARG(p->list.local), SPAN_ARG(p->list.domain)));

	for (size_t i = 0; i < p->field_count; i++) {
		const struct lists_field *f = &p->fields[i];

		if (span_eq_nocase(f->name, SPAN("List-Id")) && span_find_span(f->value, id) >= 0)
			p->is_loop = true;
		if (span_eq_nocase(f->name, SPAN("Delivered-To")) &&
			span_eq_nocase(span_trim(f->value), p->address))
			p->is_loop = true;
	}
}

FIBER int lists_read(struct lists_post *p, struct err *e)
{
	struct mail_header h;
	const struct lists_field *f;

	if (read_head(p, e) < 0)
		return -1;
	mail_header_init(&h, take_field, p);
	mail_header_feed(&h, p->head);
	mail_header_finish(&h);
	mail_header_fini(&h);
	read_author(p);
	read_auto(p);
	read_loop(p);
	f = lists_field(p, "Subject");
	p->subject = f ? mail_word_decode(p->a, f->value) : SPAN_NONE;
	f = lists_field(p, "Message-ID");
	p->message_id = f ? trail_message_id(f->value) : SPAN_NONE;
	return 0;
}
