#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/send_priv.h"

/* Header sections as text. A debugging tool must be able to send what is wrong, so fields go as they
 * were typed; only what is not ASCII is encoded, and CR, LF and NUL never become part of one. */

struct span send_head_of(struct span message)
{
	size_t at = 0;

	while (at < message.len) {
		struct span rest = span_skip(message, at);
		ptrdiff_t lf = span_find(rest, '\n');
		size_t len = lf < 0 ? rest.len : (size_t)lf + 1;

		at += len;
		if (lf >= 0 && (len == 1 || (len == 2 && rest.ptr[0] == '\r')))
			break;
	}
	return span_sub(message, 0, at);
}

/* One field at the front of `rest`, with its folds. */
static struct span field_at(struct span rest)
{
	size_t at = 0;

	do {
		ptrdiff_t lf = span_find(span_skip(rest, at), '\n');

		at = lf < 0 ? rest.len : at + (size_t)lf + 1;
	} while (at < rest.len && (rest.ptr[at] == ' ' || rest.ptr[at] == '\t'));
	return span_sub(rest, 0, at);
}

static bool is_named(struct span field, struct span name)
{
	if (field.len <= name.len || !span_eq_nocase(span_sub(field, 0, name.len), name))
		return false;
	for (size_t i = name.len; i < field.len; i++) {
		if (field.ptr[i] == ':')
			return true;
		if (field.ptr[i] != ' ' && field.ptr[i] != '\t')
			break;
	}
	return false;
}

bool send_head_has(struct span head, const char *name)
{
	struct span rest = head, field;

	while (rest.len) {
		field = field_at(rest);
		if (is_named(field, span_str(name)))
			return true;
		rest = span_skip(rest, field.len);
	}
	return false;
}

/* `head` anew, with `text` in place of the first field of that name; all of them go when `text` is
 * empty. */
static bool replace(struct buf *head, struct span name, struct span text)
{
	struct span rest = buf_span(head), field;
	struct buf made;
	bool is_found = false;

	buf_init(&made, SEND_HEAD_MAX * 2);
	while (rest.len) {
		field = field_at(rest);
		rest = span_skip(rest, field.len);
		if (!is_named(field, name) || (text.len && is_found)) {
			buf_span_put(&made, field);
			continue;
		}
		is_found = true;
		buf_span_put(&made, text);
	}
	buf_fini(head);
	*head = made;
	return is_found;
}

void send_head_remove(struct buf *head, const char *name)
{
	replace(head, span_str(name), SPAN(""));
}

/* The value as it travels: words are encoded where they must. NULL: it cannot be had that way. */
static char *encoded(struct span name, struct span value, struct arena *a)
{
	struct yz_msg *m = yz_msg_new();
	char *octets = NULL, *field = NULL;
	size_t n;

	if (yz_msg_add(m, arena_str(a, name), arena_str(a, span_trim(value))) == YZ_OK &&
		yz_msg_write_mem(m, NULL, SEND_HEAD_MAX, &octets, &n) == YZ_OK) {
		struct span rest = span_of(octets, n);

		while (rest.len && !field) {
			struct span one = field_at(rest);

			if (is_named(one, name))
				field = arena_str(a, one);
			rest = span_skip(rest, one.len);
		}
		yz_free(octets);
	}
	yz_msg_free(&m);
	return field;
}

/* "Name: value" with its line end. */
static int make_field(struct arena *a, const char *text, struct span *name_r, struct span *field_r)
{
	struct span field = span_str(text), value;

	if (!span_cut(field, ':', name_r, &value) || !span_trim(*name_r).len)
		return cli_fail(SEND_EXIT_WORDS, "\"%s\" is no header: Name: value", text);
	*name_r = span_trim(*name_r);
	for (size_t i = 0; i < name_r->len; i++) {
		if (name_r->ptr[i] <= ' ' || name_r->ptr[i] > '~')
			return cli_fail(SEND_EXIT_WORDS, "\"" SPAN_FMT "\" is no name of a header",
				SPAN_ARG(*name_r));
	}
	if (span_has_line_break(field))
		return cli_fail(
			SEND_EXIT_WORDS, "a line break in \"" SPAN_FMT "\"", SPAN_ARG(*name_r));
	if (!span_is_ascii(field)) {
		char *made = encoded(*name_r, value, a);

		if (made) {
			*field_r = span_str(made);
			return 0;
		}
	}
	*field_r = span_str(arena_printf(a, "%s\r\n", text));
	return 0;
}

/* Where the empty line begins. */
static size_t end_of_fields(struct span head)
{
	if (head.len >= 2 && memcmp(head.ptr + head.len - 2, "\r\n", 2) == 0 &&
		(head.len == 2 || head.ptr[head.len - 3] == '\n'))
		return head.len - 2;
	if (head.len >= 1 && head.ptr[head.len - 1] == '\n' &&
		(head.len == 1 || head.ptr[head.len - 2] == '\n'))
		return head.len - 1;
	return head.len;
}

static void insert(struct buf *head, struct span field)
{
	struct span all = buf_span(head);
	size_t at = end_of_fields(all);
	bool has_end = at == 0 || all.ptr[at - 1] == '\n';
	struct buf made;

	buf_init(&made, SEND_HEAD_MAX * 2);
	buf_span_put(&made, span_sub(all, 0, at));
	if (!has_end)
		buf_str(&made, "\r\n");
	buf_span_put(&made, field);
	buf_span_put(&made, span_skip(all, at));
	buf_fini(head);
	*head = made;
}

static int each_line(struct arena *a, struct buf *head, const char *text,
	int (*fn)(struct arena *a, struct buf *head, const char *one))
{
	struct span rest = span_str(text), one;
	int code = 0;

	/* a literal "\n" parts several fields */
	while (!code && rest.len) {
		ptrdiff_t at = span_find_span(rest, SPAN("\\n"));

		one = at < 0 ? rest : span_sub(rest, 0, (size_t)at);
		rest = at < 0 ? SPAN_NONE : span_skip(rest, (size_t)at + 2);
		if (span_trim(one).len)
			code = fn(a, head, arena_str(a, one));
	}
	return code;
}

static int set_one(struct arena *a, struct buf *head, const char *text)
{
	struct span name, field;
	int code = make_field(a, text, &name, &field);

	if (!code && !replace(head, name, field))
		insert(head, field);
	return code;
}

static int add_one(struct arena *a, struct buf *head, const char *text)
{
	struct span name, field;
	int code = make_field(a, text, &name, &field);

	if (!code)
		insert(head, field);
	return code;
}

int send_head_set(struct arena *a, struct buf *head, const char *field)
{
	return each_line(a, head, field, set_one);
}

int send_head_add(struct arena *a, struct buf *head, const char *field)
{
	return each_line(a, head, field, add_one);
}

const char *send_message_id(struct arena *a)
{
	const char *host = send_host_name(a);
	char *id = yz_make_message_id(NULL, host && strchr(host, '.') ? host : "localhost");
	const char *kept = arena_str(a, span_str(id ? id : "<1@localhost>"));

	yz_free(id);
	return kept;
}

const char *send_from_field(struct arena *a, const char *address, const char *name)
{
	char *made = name ? yz_address_format(name, address, false) : NULL;
	const char *kept = made ? arena_str(a, span_str(made)) : arena_printf(a, "<%s>", address);

	yz_free(made);
	return kept;
}

void send_head_complete(struct arena *a, struct buf *head, const char *from, const char *name)
{
	struct buf more;

	buf_init(&more, 65536);
	send_head_remove(head, "Bcc");
	send_head_remove(head, "Resent-Bcc");
	if (from && from[0] && !send_head_has(buf_span(head), "From"))
		buf_printf(&more, "From: %s\r\n", send_from_field(a, from, name));
	if (!send_head_has(buf_span(head), "Date")) {
		int64_t now = clock_wall_ns() / CLOCK_SEC;

		buf_str(&more, "Date: ");
		clock_put_rfc5322(&more, now, clock_zone_minutes(now));
		buf_str(&more, "\r\n");
	}
	if (!send_head_has(buf_span(head), "Message-ID"))
		buf_printf(&more, "Message-ID: %s\r\n", send_message_id(a));
	if (buf_len(&more))
		insert(head, buf_span(&more));
	buf_fini(&more);
}

int send_head_envelope(struct arena *a, struct span head, struct send_envelope *env_r)
{
	struct yz_mail *m = yz_mail_parse(head.ptr, head.len, NULL);
	struct yz_envelope env;
	int code = 0;

	*env_r = (struct send_envelope){.from = ""};
	if (yz_mail_envelope(m, &env) != YZ_OK) {
		code = cli_fail(EX_DATAERR, "who is it for? %s", yz_mail_error(m)->text);
	} else {
		env_r->from = arena_str(a, span_str(env.from));
		env_r->rcpts = ARENA_ARRAY(a, const char *, env.rcpt_count + 1);
		for (size_t i = 0; i < env.rcpt_count; i++)
			env_r->rcpts[env_r->rcpt_count++] = arena_str(a, span_str(env.rcpts[i]));
	}
	yz_mail_free(&m);
	return code;
}

const char **send_addresses(struct arena *a, const char *list, size_t *count_r)
{
	struct yz_addresses *all = yz_addresses_parse(list, true);
	const char **made = NULL;

	*count_r = 0;
	if (all && all->count) {
		made = ARENA_ARRAY(a, const char *, all->count);
		for (size_t i = 0; i < all->count; i++)
			made[(*count_r)++] = arena_str(a, span_str(all->items[i].address));
	} else {
		/* what no reader takes for an address may be what is to be tried: as it stands */
		struct span rest = span_str(list), one;

		made = ARENA_ARRAY(a, const char *, strlen(list) + 1);
		while (rest.len) {
			span_cut(rest, ',', &one, &rest);
			one = span_trim(one);
			if (one.len > 2 && one.ptr[0] == '<' && one.ptr[one.len - 1] == '>')
				one = span_sub(one, 1, one.len - 2);
			if (one.len)
				made[(*count_r)++] = arena_str(a, one);
		}
	}
	yz_addresses_free(&all);
	return *count_r ? made : NULL;
}
