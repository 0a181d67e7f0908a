/* Leaving a list on the web, with one request and no questions (RFC 8058). The address names the list and
 * the member, and bears a mark that only this server can make for the two: who has a member's copy can take
 * that member out of that list, and do nothing else. A GET changes nothing, for programs follow links; it
 * shows a page with a button. No cookies, no scripts. */

#include "base/clock.h"
#include "base/enc.h"
#include "base/secret.h"
#include "services/lists/lists_priv.h"
#include "services/web/web.h"

#define LEAVE_BODY_MAX (8 * 1024)
#define LEAVE_PAGE_MAX (16 * 1024)

/* ---- addresses ---- */

static struct span mark_of(struct lists *l, struct arena *a, uint64_t list, struct span member)
{
	struct span text = span_str(arena_printf(
		a, "leave %llu " SPAN_FMT, (unsigned long long)list, SPAN_ARG(member)));
	struct buf *b = arena_buf(a, 64);

	enc_put_id(b, hash_bytes(&l->key, text) & INT64_MAX);
	return directory_local_part(a, buf_span(b));
}

struct span lists_leave_fields(struct lists_post *p, struct span member)
{
	const char *url = p->lists->opts.url;
	struct buf *b;

	if (!url || !*url || p->list.members > LISTS_PERSONAL_MAX)
		return SPAN_NONE;
	b = arena_buf(p->a, 4096);
	buf_printf(b, "List-Unsubscribe: <%s/leave/%llu/", url, (unsigned long long)p->list.id);
	enc_put_hex(b, member);
	buf_printf(b, "/" SPAN_FMT ">,\r\n <mailto:" SPAN_FMT ">\r\n",
		SPAN_ARG(mark_of(p->lists, p->a, p->list.id, member)),
		SPAN_ARG(lists_address(p, "leave", SPAN_NONE)));
	buf_str(b, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
	return buf_ok(b) ? buf_span(b) : SPAN_NONE;
}

/* What a request means, if it is one of ours. */
struct leaving {
	struct lists *lists;
	struct arena *a;
	struct mlist_info list;
	struct span member;
	bool is_member;
};

static FIBER int read_path(struct leaving *l, const struct web_call *c, struct err *e)
{
	struct buf *member = arena_buf(l->a, 1024);
	struct mlist_member m;
	struct err why = {0};
	uint64_t id;

	if (!span_u64(c->captures[0], &id) || !enc_get_hex(member, c->captures[1]) ||
		!secret_eq(mark_of(l->lists, l->a, id, buf_span(member)), c->captures[2]))
		return err_set(e, ERR_NOT_FOUND, "no such address");
	l->member = buf_span(member);
	if (mlist_get(l->lists->opts.store, l->a, id, &l->list, e) < 0)
		return -1;
	l->is_member = mlist_member_get(l->lists->opts.store, l->a, id, l->member, &m, &why) == 0 &&
		(m.role & MLIST_RECEIVES);
	return l->is_member || !why.code || why.code == ERR_NOT_FOUND ? 0 : err_copy(e, &why);
}

/* ---- pages ---- */

static void put_text(struct buf *b, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '<': buf_str(b, "&lt;"); break;
		case '>': buf_str(b, "&gt;"); break;
		case '&': buf_str(b, "&amp;"); break;
		case '"': buf_str(b, "&quot;"); break;
		default: buf_char(b, text.ptr[i]);
		}
	}
}

static struct span page(const struct leaving *l, bool is_done)
{
	struct buf *b = arena_buf(l->a, LEAVE_PAGE_MAX);
	struct span title = l->list.title.len ? l->list.title : l->list.local;

	buf_str(b,
		"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	put_text(b, title);
	buf_str(b, "</title>\n<h1>");
	put_text(b, title);
	buf_str(b, "</h1>\n<p>");
	put_text(b, l->member);
	if (is_done || !l->is_member) {
		buf_str(b,
			is_done ? " has left this mailing list.</p>\n"
				: " is not a member of this mailing list.</p>\n");
	} else {
		buf_str(b,
			" gets the mail of this mailing list.</p>\n<form method=\"post\">"
			"<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">"
			"<button>Leave the list</button></form>\n");
	}
	return buf_span(b);
}

static FIBER int answer(const struct leaving *l, struct web_call *c, bool is_done, struct err *e)
{
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	http_set(c->x, "Referrer-Policy", SPAN("no-referrer"));
	/* what the server says by itself would not let the button be pressed */
	http_set(c->x, "Content-Security-Policy",
		SPAN("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"));
	return http_reply(c->x, 200, "text/html; charset=utf-8", page(l, is_done), e);
}

static FIBER int show(void *lists, struct web_call *c, struct err *e)
{
	struct leaving l = {.lists = lists, .a = c->r->arena};

	return lists_need_key(l.lists, e) < 0 || read_path(&l, c, e) < 0 ? -1
									 : answer(&l, c, false, e);
}

/* ---- leaving ---- */

/* RFC 8058 section 3.2: the request says List-Unsubscribe=One-Click, as a form of either kind. */
static FIBER bool is_one_click(struct web_call *c, struct err *e)
{
	struct span body, name = SPAN("name=\"List-Unsubscribe\"");
	ptrdiff_t at;

	if (http_body_read_all(c->x, LEAVE_BODY_MAX, &body, e) < 0)
		return false;
	if (span_find_span(body, SPAN("List-Unsubscribe=One-Click")) >= 0)
		return true;
	at = span_find_span(body, name);
	if (at >= 0 &&
		span_starts(span_trim(span_skip(body, (size_t)at + name.len)), SPAN("One-Click")))
		return true;
	err_set(e, ERR_SYNTAX, "the request does not say List-Unsubscribe=One-Click");
	return false;
}

/* Owners and moderators stay what they are; they get no more mail. */
static FIBER int leave(struct leaving *l, struct err *e)
{
	struct store *s = l->lists->opts.store;
	struct mlist_member m;
	int rc = mlist_member_get(s, l->a, l->list.id, l->member, &m, e);

	if (rc == 0) {
		m.role &= ~(unsigned)MLIST_RECEIVES;
		rc = m.role & (MLIST_OWNER | MLIST_MODERATOR)
			? mlist_member_put(s, l->list.id, &m, NULL, e)
			: mlist_member_remove(s, l->list.id, l->member, e);
	}
	if (rc == 0)
		log_event(l->lists->opts.log, LOG_INFO, "list.left", LF_INT("list", l->list.id),
			LF("member", l->member), LF_STR("by", "one click"));
	return rc;
}

static FIBER int take(void *lists, struct web_call *c, struct err *e)
{
	struct leaving l = {.lists = lists, .a = c->r->arena};
	struct err why = {0};

	if (lists_need_key(l.lists, e) < 0 || read_path(&l, c, e) < 0 || !is_one_click(c, e))
		return -1;
	/* who has left already has left */
	if (l.is_member && leave(&l, &why) < 0 && why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	return answer(&l, c, true, e);
}

void lists_web_add(struct lists *l, struct web *w)
{
	static const char path[] = "/leave/{list}/{member}/{mark}";

	if (!w)
		return;
	web_add(w, &(struct web_route){.path = path, .methods = WEB_GET, .handle = show, .arg = l});
	web_add(w,
		&(struct web_route){.path = path,
			.methods = WEB_POST,
			.body_octets = LEAVE_BODY_MAX,
			.handle = take,
			.arg = l});
}
