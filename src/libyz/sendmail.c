/* All in one call, and the two small helpers of smtplib. */

#include "libyz/libyz_priv.h"

#include <string.h>

#include "base/mem.h"

static void tell(char *why, size_t n, const char *text)
{
	size_t len;

	if (!why || n == 0)
		return;
	len = strnlen(text, n - 1);
	memcpy(why, text, len);
	why[len] = '\0';
}

/* The first recipient that was not accepted, in words. */
static void tell_result(char *why, size_t n, const struct yz_txn *t)
{
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);
		char *text;

		if (r->outcome == YZ_ACCEPTED)
			continue;
		text = arena_printf(t->arena, "%s: %s", r->path, r->text);
		tell(why, n, text);
		return;
	}
}

static int result_code(const struct yz_txn *t, int rc)
{
	if (rc != YZ_OK || yz_txn_accepted(t) == yz_txn_count(t))
		return rc;
	return YZ_E_RCPTS;
}

int yz_sendmail(const char *url, const char *from, const char *const *to, const void *message,
	size_t message_len, char *why, size_t n)
{
	struct yz_session *s = yz_session_new(NULL, NULL);
	struct yz_txn *t = yz_txn_new(s, from, NULL);
	int rc;

	tell(why, n, "");
	for (size_t i = 0; to && to[i]; i++)
		yz_txn_rcpt(t, to[i], NULL);
	yz_txn_body(t, message, message_len, YZ_EOL_FIX);
	/* What is wrong with it is told before anybody is talked to. */
	rc = t->bad             ? fail(s, YZ_E_INVAL, "%s", t->bad)
		: t->count == 0 ? fail(s, YZ_E_INVAL, "there is no recipient")
				: yz_connect(s, url);
	if (rc != YZ_OK) {
		tell(why, n, yz_error(s)->text);
	} else {
		rc = result_code(t, yz_send(t));
		if (rc != YZ_OK && yz_error(s)->code != YZ_OK)
			tell(why, n, yz_error(s)->text);
		else if (rc != YZ_OK)
			tell_result(why, n, t);
		if (yz_is_connected(s))
			yz_quit(s); /* whatever it says, the result stands */
	}
	yz_txn_free(&t);
	yz_session_free(&s);
	return rc;
}

/* "Name <a@b>" or "a@b". */
char *yz_quote_address(const char *address)
{
	struct span a = span_trim(span_str(address)), inner = a;
	ptrdiff_t open = span_rfind(a, '<');
	char *out;

	if (span_has_line_break(a))
		return NULL;
	if (open >= 0 && a.len && a.ptr[a.len - 1] == '>')
		inner = span_sub(a, (size_t)open + 1, a.len - (size_t)open - 2);
	out = mem_alloc(inner.len + 3);
	out[0] = '<';
	if (inner.len)
		memcpy(out + 1, inner.ptr, inner.len);
	out[inner.len + 1] = '>';
	return out;
}

char *yz_quote_data(const void *octets, size_t n, size_t *n_r)
{
	struct smtp_eol filter = {0};
	struct span in = span_of(octets, n), out;
	bool at_line_start = true;
	struct buf b;
	char *bytes;

	if (n > (SIZE_MAX - 16) / 3)
		return NULL;
	buf_init(&b, 3 * n + 16);
	buf_reserve(&b, n + 1);
	while (in.len) {
		size_t used = smtp_eol_take(&filter, in, &out);

		smtp_dot_stuff(&b, out, &at_line_start);
		in = span_skip(in, used);
	}
	/* A last line without an end keeps it so, as there. */
	if (n && ((const char *)octets)[n - 1] == '\r')
		smtp_dot_stuff(&b, SPAN("\r\n"), &at_line_start);
	bytes = buf_steal(&b, n_r);
	return bytes ? bytes : mem_dup("", 0);
}
