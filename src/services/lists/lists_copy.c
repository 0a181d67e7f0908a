/* The copies of a post. Where nothing of the message has to be changed, nothing is: what the list adds
 * stands in front, and the author's DKIM signature holds. */

#include <string.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/mail_word.h"
#include "proto/trust/dmarc.h"
#include "services/lists/lists_priv.h"

#define COPY_HEAD_MAX (LISTS_HEADER_MAX + 64 * 1024)
#define COPY_RCPTS    (LISTS_COPIES + ROUTER_TARGETS_MAX) /* the last member may be many */
#define DMARC_WALK    8 /* names that are looked up at most (RFC 9989 section 4.10) */

/* ---- what the author's domain wants (RFC 9989) ---- */

/* 1: a record, its policy in *policy_r; 0: none; -1: DNS did not say. */
static FIBER int look_dmarc(
	struct lists_post *p, struct span domain, bool is_author, enum dmarc_policy *policy_r)
{
	struct span name = span_str(arena_printf(p->a, "_dmarc." SPAN_FMT, SPAN_ARG(domain)));
	struct dmarc_record r;
	struct dns_answer ans;

	if (dns_query(*p->lists->opts.dns, p->a, name, DNS_TXT, loop_now_ns() + LISTS_DNS_NS, &ans,
		    NULL) < 0 ||
		ans.status == DNS_FAIL || ans.status == DNS_BOGUS)
		return -1;
	for (size_t i = 0; i < ans.count; i++) {
		if (!dmarc_parse(ans.rr[i].text, &r))
			continue;
		*policy_r = dmarc_policy_for(&r, !is_author, true);
		return 1;
	}
	return 0;
}

static size_t labels_of(struct span domain)
{
	size_t n = 1;

	for (size_t i = 0; i < domain.len; i++)
		n += domain.ptr[i] == '.';
	return n;
}

FIBER bool lists_is_strict(struct lists_post *p)
{
	ptrdiff_t at = span_rfind(p->author, '@');
	struct span domain = router_domain_key(p->a, span_skip(p->author, (size_t)(at + 1)));
	struct span first = domain;
	enum dmarc_policy policy;

	if (!p->lists->opts.dns || !*p->lists->opts.dns || !domain.len)
		return false;
	for (unsigned i = 0; i < DMARC_WALK && span_find(domain, '.') > 0; i++) {
		int rc = look_dmarc(p, domain, domain.ptr == first.ptr, &policy);

		if (rc < 0) /* better an odd From than a copy that is refused */
			return true;
		if (rc > 0)
			return policy != DMARC_NONE;
		do {
			domain = span_skip(domain, (size_t)span_find(domain, '.') + 1);
		} while (labels_of(domain) >= DMARC_WALK); /* behind a long name its last seven */
	}
	return false;
}

/* ---- the header ---- */

/* Fields of another list, or of none, that ours take the place of (RFC 2369, RFC 2919). */
static bool is_ours(struct span name)
{
	static const char *const names[] = {"List-Id", "List-Post", "List-Help", "List-Subscribe",
		"List-Unsubscribe", "List-Unsubscribe-Post", "List-Owner", "List-Archive",
		"Precedence", "Return-Path"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (span_eq_nocase(name, span_str(names[i])))
			return true;
	}
	return false;
}

struct copy {
	struct lists_post *p;
	struct buf *head; /* the message's header as it goes out */
	bool is_prefixed, is_rewritten, has_footer;
	bool is_personal; /* each member's copy says how that one leaves (RFC 8058) */
	bool is_begun;
	struct sign_job *job;  /* once is_begun; NULL: no key signs for the list's domain */
	struct span signature; /* of copies that are not personal */
};

static bool needs_prefix(const struct lists_post *p)
{
	return p->list.subject_prefix.len && span_find_span(p->subject, p->list.subject_prefix) < 0;
}

static bool is_utf8(struct span type)
{
	for (size_t i = 0; i < type.len; i++) {
		if (span_starts_nocase(span_skip(type, i), SPAN("utf-8")))
			return true;
	}
	return false;
}

/* Plain text that is not encoded takes a few lines more, in letters that it has; nothing else does. */
static bool takes_footer(const struct lists_post *p)
{
	const struct lists_field *type = lists_field(p, "Content-Type");
	const struct lists_field *coding = lists_field(p, "Content-Transfer-Encoding");
	struct span t = type ? span_trim(type->value) : SPAN("text/plain");
	struct span c = coding ? span_trim(coding->value) : SPAN("7bit");
	bool is_8bit = span_eq_nocase(c, SPAN("8bit"));

	if (!p->list.footer.len || !span_starts_nocase(t, SPAN("text/plain")))
		return false;
	return span_is_ascii(p->list.footer) ? is_8bit || span_eq_nocase(c, SPAN("7bit"))
					     : is_8bit && is_utf8(t);
}

static void put_address_field(struct buf *b, const char *name, struct span address)
{
	buf_printf(b, "%s: <mailto:" SPAN_FMT ">\r\n", name, SPAN_ARG(address));
}

/* "From: Alice via Team <team@example.org>", the author in Reply-To. */
static void put_rewritten_from(struct copy *c, const struct lists_field *was)
{
	struct lists_post *p = c->p;
	struct span who = p->author_name.len ? p->author_name : p->author;
	struct span title = p->list.title.len ? p->list.title : p->list.local;
	struct span name = span_str(
		arena_printf(p->a, SPAN_FMT " via " SPAN_FMT, SPAN_ARG(who), SPAN_ARG(title)));

	buf_str(c->head, "From: ");
	if (span_is_ascii(name)) {
		buf_char(c->head, '"');
		for (size_t i = 0; i < name.len; i++) {
			if (name.ptr[i] == '"' || name.ptr[i] == '\\')
				buf_char(c->head, '\\');
			buf_char(c->head, name.ptr[i]);
		}
		buf_char(c->head, '"');
	} else {
		mail_word_put(c->head, name, 6);
	}
	buf_printf(c->head, "\r\n <" SPAN_FMT ">\r\nX-Original-From:" SPAN_FMT "\r\n",
		SPAN_ARG(p->address), SPAN_ARG(was->value));
}

static void put_subject(struct copy *c, struct span was)
{
	buf_str(c->head, "Subject: ");
	mail_word_put(c->head, c->p->list.subject_prefix, 9);
	buf_printf(c->head, "%s" SPAN_FMT "\r\n", was.len ? " " : "", SPAN_ARG(was));
}

static void put_field(struct copy *c, const struct lists_field *f)
{
	struct lists_post *p = c->p;

	if (c->is_rewritten && f->id == MAIL_FROM)
		put_rewritten_from(c, f);
	else if (c->is_prefixed && f->id == MAIL_SUBJECT)
		put_subject(c, span_trim(f->value));
	else if (f->id == MAIL_REPLY_TO && p->list.is_reply_to_list)
		return;
	else if (!is_ours(f->name))
		buf_span_put(c->head, f->whole);
}

static int make_head(struct copy *c, struct err *e)
{
	struct lists_post *p = c->p;
	bool has_subject = lists_field(p, "Subject") != NULL;

	c->head = arena_buf(p->a, COPY_HEAD_MAX + p->parcel->prefix.len);
	for (size_t i = 0; i < p->field_count; i++)
		put_field(c, &p->fields[i]);
	if (c->is_prefixed && !has_subject)
		put_subject(c, SPAN_NONE);
	if (p->list.is_reply_to_list)
		buf_printf(c->head, "Reply-To: <" SPAN_FMT ">\r\n", SPAN_ARG(p->address));
	else if (c->is_rewritten && !lists_field(p, "Reply-To"))
		buf_printf(c->head, "Reply-To: <" SPAN_FMT ">\r\n", SPAN_ARG(p->author));
	if (p->field_count) {
		const struct lists_field *last = &p->fields[p->field_count - 1];
		size_t end = (size_t)(last->whole.ptr - p->head.ptr) + last->whole.len;

		/* the empty line, if there is one */
		buf_span_put(c->head, span_skip(p->head, end));
	}
	return buf_ok(c->head) ? 0 : err_set(e, ERR_LIMIT, "the header of the copy is too long");
}

/* What stands in front of each copy: our Received and the fields of the list. */
static struct span copy_prefix(const struct copy *c, uint64_t id)
{
	struct lists_post *p = c->p;
	int64_t now = loop_wall_ns() / CLOCK_SEC;
	struct mail_received r = {.by = span_str(p->lists->opts.hostname),

		.wall_sec = now,
		.zone_minutes = clock_zone_minutes(now)};
	struct buf *b = arena_buf(p->a, 16 * 1024), *text = arena_buf(p->a, 64);

	enc_put_id(text, id);
	r.id = buf_span(text);
	mail_received_put(b, &r);
	/* Lists that are members of each other take away each other's List-Id; this stays. */
	mail_delivered_to_put(b, p->address);
	buf_str(b, "List-Id: ");
	if (p->list.title.len) {
		mail_word_put(b, p->list.title, 9);
		buf_str(b, "\r\n ");
	}
	buf_printf(b, "<" SPAN_FMT "." SPAN_FMT ">\r\n", SPAN_ARG(p->list.local),
		SPAN_ARG(p->list.domain));
	if (p->list.post == MLIST_POST_OWNERS)
		buf_str(b, "List-Post: NO\r\n");
	else
		put_address_field(b, "List-Post", p->address);
	put_address_field(b, "List-Help", lists_address(p, "request", SPAN_NONE));
	put_address_field(b, "List-Subscribe", lists_address(p, "join", SPAN_NONE));
	if (!c->is_personal)
		put_address_field(b, "List-Unsubscribe", lists_address(p, "leave", SPAN_NONE));
	put_address_field(b, "List-Owner", lists_address(p, "owner", SPAN_NONE));
	buf_str(b, "Precedence: list\r\n");
	MUST(buf_ok(b));
	return buf_span(b);
}

/* ---- bodies ---- */

FIBER int lists_put_body(struct lists_post *p, struct stage *to, uint64_t from, struct err *e)
{
	struct arena *chunk = arena_new();
	uint64_t len = body_len(p->parcel->body);
	int rc = 0;

	for (uint64_t i = from / BODY_CHUNK; rc == 0 && i * BODY_CHUNK < len; i++) {
		struct span bytes;

		arena_reset(chunk);
		rc = body_chunk(p->parcel->body, i, chunk, &bytes, e);
		if (rc == 0 && i == from / BODY_CHUNK)
			bytes = span_skip(bytes, (size_t)(from % BODY_CHUNK));
		if (rc == 0)
			rc = stage_put(to, bytes, e);
	}
	arena_free(&chunk);
	return rc;
}

static FIBER int put_footer(struct lists_post *p, struct stage *to, struct err *e)
{
	struct buf *b = arena_buf(p->a, 2 * MLIST_SETTINGS_MAX);

	buf_str(b, "\r\n-- \r\n");
	for (size_t i = 0; i < p->list.footer.len; i++) {
		if (p->list.footer.ptr[i] == '\n')
			buf_char(b, '\r');
		buf_char(b, p->list.footer.ptr[i]);
	}
	buf_str(b, "\r\n");
	return stage_put(to, buf_span(b), e);
}

static FIBER struct spool_new *copy_begin(struct copy *c, struct err *e)
{
	struct lists_post *p = c->p;
	struct spool_new *l = lists_offspring(p, COPY_RCPTS, e);

	l->env.class = SPOOL_CLASS_BULK;
	l->env.body_type = p->parcel->env.body_type;
	l->env.is_smtputf8 = p->parcel->env.is_smtputf8;
	l->env.is_requiretls = p->parcel->env.is_requiretls;
	l->env.is_tls_optional = p->parcel->env.is_tls_optional;
	l->env.priority = p->parcel->env.priority;
	l->env.reverse_path = lists_address(p, "bounces", SPAN_NONE);
	l->expires_ns = p->parcel->expires_ns;
	l->prefix = copy_prefix(c, l->id);
	if (stage_put(l->body, buf_span(c->head), e) < 0 ||
		lists_put_body(p, l->body, p->body_at, e) < 0 ||
		(c->has_footer && put_footer(p, l->body, e) < 0))
		return NULL;
	/* One pass over the body for all: Received, where letters differ, is not signed. */
	if (!c->is_begun &&
		(lists_sign_begin(p, l, &c->job, e) < 0 ||
			(!c->is_personal &&
				lists_sign_end(p, c->job, SPAN_NONE, &c->signature, e) < 0)))
		return NULL;
	c->is_begun = true;
	l->prefix = lists_join_spans(p->a, c->signature, l->prefix);
	return l;
}

/* ---- who gets one ---- */

static FIBER int add_member(struct copy *c, struct spool_new *l, struct span address, struct err *e)
{
	struct lists_post *p = c->p;
	struct lists_to to = {.address = address, .sender = lists_bounce_path(p, address)};
	struct span signature;

	if (c->is_personal) {
		to.front = lists_leave_fields(p, address);
		if (lists_sign_end(p, c->job, to.front, &signature, e) < 0)
			return -1;
		to.front = lists_join_spans(p->a, signature, to.front);
	}
	return lists_add_rcpt(p, l, COPY_RCPTS, &to, e);
}

static FIBER int copy_page(struct copy *c, const struct mlist_member *page, size_t count,
	struct spool_new **l, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct mlist_member *m = &page[i];

		if (!(m->role & MLIST_RECEIVES) || m->state != MLIST_ACTIVE)
			continue;
		if (!*l || (*l)->rcpt_count >= LISTS_COPIES) {
			*l = copy_begin(c, e);
			if (!*l)
				return -1;
		}
		if (add_member(c, *l, m->address, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int lists_copy(struct lists_post *p, struct err *e)
{
	struct copy c = {.p = p, .is_prefixed = needs_prefix(p), .has_footer = takes_footer(p)};
	bool is_changed = c.is_prefixed || c.has_footer;
	struct span after = SPAN_NONE;
	struct spool_new *l = NULL;
	struct mlist_member *page;
	size_t count = MLIST_PAGE;

	c.is_rewritten = p->list.rewrite == MLIST_REWRITE_ALWAYS ||
		(p->list.rewrite == MLIST_REWRITE_NEEDED && is_changed && lists_is_strict(p));
	c.is_personal = lists_leave_fields(p, p->address).len > 0;
	if (make_head(&c, e) < 0)
		return -1;
	while (count == MLIST_PAGE) {
		if (mlist_members(p->lists->opts.store, p->a, p->list.id, after, &page, &count, e) <
				0 ||
			copy_page(&c, page, count, &l, e) < 0)
			return -1;
		if (count)
			after = page[count - 1].address;
	}
	/* a page of members whose addresses lead nowhere */
	if (l && !l->rcpt_count)
		p->parcel->offspring_count--;
	lists_done(p, "posted");
	return 0;
}
