/* URLs of CATENATE: octets of messages that are here already. */

#include "base/enc.h"
#include "services/imapd/imapd_append.h"
#include "services/imapd/imapd_fetch_priv.h"
#include "services/imapd/imapd_names.h"

#define APPEND_URL_MAX 4096

/* "/INBOX;UIDVALIDITY=385759045/;UID=20/;SECTION=1.5/;PARTIAL=0.1024" (RFC 5092 section 11). */
struct append_url {
	struct span mailbox;
	uint64_t uidvalidity, uid;
	struct span section, partial;
	bool has_uidvalidity, has_section, has_partial;
};

/* No NUL can be meant. */
static bool percent_decode(struct arena *a, struct span s, struct span *out_r)
{
	return enc_get_percent(a, s, out_r) && span_find(*out_r, '\0') < 0;
}

/* ";NAME=" at the front of a piece, in any case. */
static bool take_key(struct span s, const char *key, struct span *value_r)
{
	struct span k = span_str(key);

	if (!span_eq_nocase(span_sub(s, 0, k.len), k))
		return false;
	*value_r = span_skip(s, k.len);
	return true;
}

static bool parse_tail(struct arena *a, struct span rest, struct append_url *u)
{
	struct span piece, value;

	while (rest.len) {
		span_cut(rest, '/', &piece, &rest);
		if (!u->has_section && !u->has_partial && take_key(piece, ";SECTION=", &value)) {
			u->has_section = true;
			if (!percent_decode(a, value, &u->section))
				return false;
		} else if (!u->has_partial && take_key(piece, ";PARTIAL=", &u->partial)) {
			u->has_partial = true;
		} else {
			return false;
		}
	}
	return true;
}

static bool parse_url(struct arena *a, struct span url, struct append_url *u)
{
	ptrdiff_t at = span_find_span(url, SPAN("/;UID="));
	struct span name, uid, rest = SPAN("");
	ptrdiff_t semicolon;

	*u = (struct append_url){0};
	if (url.len < 2 || url.len > APPEND_URL_MAX || url.ptr[0] != '/' || url.ptr[1] == '/')
		return false;
	if (at < 0)
		at = span_find_span(url, SPAN("/;uid="));
	if (at < 1)
		return false;
	name = span_sub(url, 1, (size_t)at - 1);
	uid = span_skip(url, (size_t)at + 6);
	if (span_find(uid, '/') >= 0 && !span_cut(uid, '/', &uid, &rest))
		return false;
	if (!span_u64(uid, &u->uid) || u->uid == 0 || u->uid > UINT32_MAX)
		return false;
	semicolon = span_find(name, ';');
	if (semicolon >= 0) {
		struct span value;

		if (!take_key(span_skip(name, (size_t)semicolon), ";UIDVALIDITY=", &value) ||
			!span_u64(value, &u->uidvalidity))
			return false;
		u->has_uidvalidity = true;
		name = span_sub(name, 0, (size_t)semicolon);
	}
	return percent_decode(a, name, &u->mailbox) && parse_tail(a, rest, u);
}

/* The section is read by the grammar of FETCH: it is one item, or it is nothing. */
static bool parse_section(
	struct arena *a, const struct append_url *u, struct imap_fetch_item *item_r)
{
	struct imap_dialect dialect = {0};
	struct imap_command cmd;
	struct err e = {0};
	struct buf *line = arena_buf(a, 2 * APPEND_URL_MAX);
	struct span from, count;

	buf_printf(line, "x UID FETCH 1 BODY.PEEK[" SPAN_FMT "]", SPAN_ARG(u->section));
	if (u->has_partial) { /* "0.1024", or "512" for all behind it */
		if (!span_cut(u->partial, '.', &from, &count)) {
			from = u->partial;
			count = SPAN("4294967295");
		}
		buf_printf(line, "<" SPAN_FMT "." SPAN_FMT ">", SPAN_ARG(from), SPAN_ARG(count));
	}
	if (!buf_ok(line) || imap_command_parse(a, buf_span(line), &dialect, &cmd, &e) < 0 ||
		cmd.fetch.what.count != 1 || cmd.fetch.has_changed_since ||
		cmd.fetch.what.items[0].kind != IMAP_FETCH_SECTION)
		return false;
	*item_r = cmd.fetch.what.items[0];
	return item_r->section.kind != IMAP_SECTION_HEADER_FIELDS &&
		item_r->section.kind != IMAP_SECTION_HEADER_FIELDS_NOT;
}

static FIBER int read_message(struct imapd_conn *c, struct arena *a, uint64_t mailbox_id,
	uint32_t uid, struct mailbox_msg **msg_r, struct err *e)
{
	const unsigned want = MAILBOX_WANT_HEAD | MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS;
	struct uid_range one = {uid, uid};
	size_t count = 0;

	for (int tries = 0; tries < 2; tries++) {
		struct mailbox_cursor cursor = {
			.mailbox_id = mailbox_id, .ranges = &one, .count = 1};
		struct facts_want needs;

		if (mailbox_page(imapd_store(c), a, &cursor, want, msg_r, &count, e) < 0)
			return -1;
		if (count == 0 || (*msg_r)->facts)
			break;
		needs = (struct facts_want){(*msg_r)->id, (*msg_r)->blob_id, (*msg_r)->blob_len};
		if (facts_need(imapd_store(c), &needs, 1, e) < 0)
			return -1;
	}
	if (count == 0)
		*msg_r = NULL;
	return 0;
}

static FIBER int copy_octets(struct imapd_conn *c, const struct mailbox_msg *m, uint64_t from,
	uint64_t to, struct stage *st, struct err *e)
{
	struct fetch_source src;
	int rc = 0;

	fetch_source_init(&src, imapd_store(c), m);
	while (rc == 0 && from < to) {
		struct span piece;

		rc = fetch_source_piece(&src, from, to, &piece, e);
		if (rc == 0) {
			from += piece.len;
			rc = stage_put(st, piece, e);
		}
	}
	fetch_source_fini(&src);
	return rc;
}

FIBER int imapd_append_url(struct imapd_conn *c, struct span url, struct stage *st,
	uint64_t *octets, bool *is_bad_r, struct err *e)
{
	struct arena *a = c->s->cmd;
	struct imap_fetch_item item;
	struct fetch_place at;
	struct mailbox_ref ref;
	struct mailbox_msg *m;
	struct append_url u;

	*is_bad_r = true;
	if (!parse_url(a, url, &u) || !parse_section(a, &u, &item))
		return 0;
	if (names_find(c, imap_name_capital(a, u.mailbox), MAILBOX_RIGHT_READ, &ref, e) < 0) {
		bool is_answer = e->code == ERR_NOT_FOUND || e->code == ERR_DENIED;

		if (is_answer)
			err_clear(e);
		return is_answer ? 0 : -1;
	}
	if (u.has_uidvalidity && u.uidvalidity != ref.info.uidvalidity)
		return 0;
	if (read_message(c, a, ref.info.id, (uint32_t)u.uid, &m, e) < 0)
		return -1;
	if (!m)
		return 0;
	at = fetch_place_of(m, &item.section);
	if (at.is_nil)
		return 0;
	fetch_cut(&item, &at.from, &at.to);
	*is_bad_r = false;
	*octets += at.to - at.from;
	return copy_octets(c, m, at.from, at.to, st, e);
}
