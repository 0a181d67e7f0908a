#include "services/bounce/bounce.h"

#include "base/enc.h"
#include "base/must.h"
#include "run/fiber.h"
#include "proto/mail/mail_dsn.h"
#include "proto/mail/mail_field.h"
#include "services/router/destination.h"

#define REPORT_TEXT_MAX (4 * 1024 * 1024) /* a report without what it returns; its cap */
#define PREFIX_MAX      4096

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool bounce_is_wanted(enum bounce_kind kind, unsigned notify)
{
	if (notify & SPOOL_NOTIFY_NEVER)
		return false;
	switch (kind) {
	case BOUNCE_FAILED: return notify == 0 || notify & SPOOL_NOTIFY_FAILURE;
	case BOUNCE_DELAYED: return notify == 0 || notify & SPOOL_NOTIFY_DELAY;
	case BOUNCE_RELAYED:
	case BOUNCE_DELIVERED:
	case BOUNCE_EXPANDED: return notify & SPOOL_NOTIFY_SUCCESS;
	}
	return false;
}

/* ---- what is returned ------------------------------------------------------------------------- */

/* Octets of the header section in `text`, its last line end included; all when it has no end. */
static size_t header_len(struct span text)
{
	ptrdiff_t at = span_find_span(text, SPAN("\r\n\r\n"));

	if (span_starts(text, SPAN("\r\n")))
		return 0;
	return at < 0 ? text.len : (size_t)at + 2;
}

/* Chunk `i` of the original, wherever it lies; empty behind the end. */
static FIBER int read_chunk(const struct bounce_letter *about, uint64_t i, struct arena *a,
	struct span *chunk_r, struct err *e)
{
	size_t got = 0;
	char *p;

	if (about->body)
		return body_chunk(about->body, i, a, chunk_r, e);
	p = arena_alloc(a, BODY_CHUNK);
	if (stage_read(about->stage, i * BODY_CHUNK, p, BODY_CHUNK, &got, e) < 0)
		return -1;
	*chunk_r = span_of(p, got);
	return 0;
}

static uint64_t original_len(const struct bounce_letter *about)
{
	return about->prefix.len + (about->body ? body_len(about->body) : stage_len(about->stage));
}

/* Our Received lines and the header section of the original. */
static FIBER int read_header(
	const struct bounce_letter *about, struct arena *a, struct span *header_r, struct err *e)
{
	struct buf *b = arena_buf(a, about->prefix.len + BOUNCE_HEADER_MAX);
	struct span chunk;

	if (read_chunk(about, 0, a, &chunk, e) < 0)
		return -1;
	buf_span_put(b, about->prefix);
	/* a longer one comes back cut */
	buf_span_put(b, span_sub(chunk, 0, min(header_len(chunk), BOUNCE_HEADER_MAX)));
	*header_r = buf_span(b);
	return 0;
}

/* All of the original, with our Received lines before it. */
static FIBER int read_original(const struct bounce_letter *about, struct buf *out, struct err *e)
{
	struct arena *a = arena_new();
	struct span chunk;
	int rc;

	buf_span_put(out, about->prefix);
	for (uint64_t i = 0; (rc = read_chunk(about, i, a, &chunk, e)) == 0; i++) {
		buf_span_put(out, chunk);
		if (chunk.len == 0)
			break;
		arena_reset(a);
	}
	arena_free(&a);
	return rc;
}

/* ---- the report ------------------------------------------------------------------------------- */

static void fill_rcpt(enum bounce_kind kind, const struct bounce_letter *about,
	const struct bounce_rcpt *from, struct mail_dsn_rcpt *r)
{
	static const enum mail_dsn_action actions[] = {[BOUNCE_FAILED] = MAIL_DSN_FAILED,
		[BOUNCE_DELAYED] = MAIL_DSN_DELAYED,
		[BOUNCE_RELAYED] = MAIL_DSN_RELAYED,
		[BOUNCE_DELIVERED] = MAIL_DSN_DELIVERED,
		[BOUNCE_EXPANDED] = MAIL_DSN_EXPANDED};

	*r = (struct mail_dsn_rcpt){.action = actions[kind],
		.address = from->address,
		.orcpt = from->orcpt,
		.code = from->code,
		.enhanced = from->enhanced,
		.text = from->text,
		.remote_host = from->host,
		.last_attempt_sec = from->at_ns / CLOCK_SEC,
		.retry_until_sec = about->expires_ns / CLOCK_SEC};
	for (size_t i = 0; i < MAIL_DSN_NEXT_MAX; i++)
		r->next_sec[i] = from->next_ns[i] / CLOCK_SEC;
}

static struct span queue_id(struct arena *a, uint64_t id)
{
	struct buf *b = arena_buf(a, PREFIX_MAX);

	enc_put_id(b, id);
	return buf_span(b);
}

static enum mail_dsn_words words_of(
	enum bounce_language language, const struct mail_dsn_original *original)
{
	switch (language) {
	case BOUNCE_LANGUAGE_EN: return MAIL_DSN_EN;
	case BOUNCE_LANGUAGE_ZH: return MAIL_DSN_ZH;
	case BOUNCE_LANGUAGE_AUTO: break;
	}
	return original->words;
}

static void fill_dsn(const struct bounce_opts *o, struct arena *a, enum bounce_kind kind,
	const struct bounce_letter *about, const struct mail_dsn_original *original,
	struct mail_dsn *dsn_r)
{
	struct mail_dsn_rcpt *rcpts = ARENA_ARRAY(a, struct mail_dsn_rcpt, about->rcpt_count);
	int64_t now = loop_wall_ns() / CLOCK_SEC;

	for (size_t i = 0; i < about->rcpt_count; i++)
		fill_rcpt(kind, about, &about->rcpts[i], &rcpts[i]);
	*dsn_r = (struct mail_dsn){.host = span_str(o->hostname),
		.queue_id = queue_id(a, about->msg_id),
		.envid = about->env->envid,
		.random = loop_random(),
		.arrived_sec = about->arrived_ns / CLOCK_SEC,
		.deliver_by_sec = about->env->by_mode ? about->env->by_ns / CLOCK_SEC : 0,
		.now_sec = now,
		.zone_minutes = clock_zone_minutes(now),
		.words = words_of(o->language, original),
		.rcpts = rcpts,
		.rcpt_count = about->rcpt_count,
		.hops = original->hops,
		.hop_count = original->hop_count,
		.hops_left_out = original->hops_left_out,
		.original_len = original_len(about),
		/* RFC 8689 section 5: the body stays here, whatever RET asked for */
		.is_headers_only = about->env->ret == SPOOL_RET_HDRS || about->env->is_requiretls,
		.is_binary = about->env->body_type == SPOOL_BODY_BINARY};
}

static void free_stage(void *arg)
{
	stage_free(arg);
}

/* By the key for the domain of its From. Better an unsigned report than none. */
static FIBER struct span sign_report(const struct bounce_opts *o, struct arena *a, struct span text)
{
	struct buf *fields;
	bool is_needed = false;

	if (!o->signer || signer_is_needed(o->signer, &is_needed, NULL) < 0 || !is_needed)
		return SPAN_NONE;
	fields = arena_buf(a, SIGN_FIELDS_MAX);
	sign_bytes(o->signer, span_str(o->hostname), text, fields, NULL);
	return buf_span(fields);
}

/* Head, original, tail into a stage that goes with the arena. */
static FIBER int stage_report(const struct bounce_opts *o, struct arena *a,
	const struct bounce_letter *about, struct span header, struct mail_dsn *d,
	struct spool_new *letter, struct err *e)
{
	struct buf *text = arena_buf(a, REPORT_TEXT_MAX);
	struct buf *whole = arena_buf(a, BOUNCE_FULL_MAX + about->prefix.len);
	struct stage **stage = ARENA_NEW(a, struct stage *);
	struct span back = header;

	if (mail_dsn_is_full(d)) {
		if (read_original(about, whole, e) < 0)
			return -1;
		back = buf_span(whole);
	}
	/* What the sender declared is not always what it sent. */
	d->is_8bit = !span_is_ascii(back);
	d->is_global = about->env->is_smtputf8 && d->is_8bit;
	mail_dsn_put_head(text, d);
	mail_dsn_put_original(text, d, back);
	mail_dsn_put_tail(text, d);
	if (!buf_ok(text) || !buf_ok(whole))
		return err_set(e, ERR_LIMIT, "the report does not fit");
	*stage = stage_new(o->store);
	arena_defer(a, free_stage, stage);
	letter->body = *stage;
	letter->env.is_smtputf8 = d->is_smtputf8;
	letter->env.body_type = span_is_ascii(buf_span(text)) ? SPOOL_BODY_7BIT : SPOOL_BODY_8BIT;
	letter->prefix = sign_report(o, a, buf_span(text));
	return stage_put(*stage, buf_span(text), e);
}

/* ---- whom it goes to -------------------------------------------------------------------------- */

/* Recipients of the report. None is left when the address leads nowhere. `notify`: what becomes of
 * the report itself when it fails. */
static FIBER int resolve(struct router *router, struct arena *a, struct span to, unsigned notify,
	struct spool_new *letter, struct err *e)
{
	struct router_answer ans;

	if (router_resolve_address(router, a, to, true, &ans, e) < 0)
		return -1;
	if (ans.verdict != ROUTER_OK)
		return 0;
	letter->rcpts = ARENA_ARRAY(a, struct spool_rcpt_new, ans.target_count);
	for (size_t i = 0; i < ans.target_count; i++) {
		struct spool_rcpt_new *r = &letter->rcpts[letter->rcpt_count++];

		router_spool_rcpt(&ans.targets[i], r);
		r->destination = destination_with_tls(a, r->destination,
			spool_is_tls_demanded(&letter->env), letter->env.is_tls_optional);
		r->notify = notify;
		if (r->is_local)
			r->prefix = mail_local_prefix(a, SPAN_NONE, r->address, SPAN_NONE);
	}
	return 0;
}

static bool is_about(const struct bounce_letter *about, struct span address)
{
	for (size_t i = 0; i < about->rcpt_count; i++) {
		if (span_eq_nocase(about->rcpts[i].address, address))
			return true;
	}
	return false;
}

/* A report about a report, or one that leads nowhere: the log, and whoever is named for it. */
static FIBER int resolve_double(const struct bounce_opts *o, struct router *router, struct arena *a,
	const struct bounce_letter *about, struct spool_new *letter, struct span *to_r,
	struct err *e)
{
	log_event(o->log, LOG_WARN, "bounce.double", LF_ID("id", about->msg_id),
		LF("from", about->env->reverse_path), LF("to", about->rcpts[0].address),
		LF_INT("recipients", about->rcpt_count), LF("reason", about->rcpts[0].text));
	if (o->double_bounces.len == 0 || is_about(about, o->double_bounces))
		return 0;
	*to_r = o->double_bounces;
	/* here it ends, whatever that address leads to */
	return resolve(router, a, o->double_bounces, SPOOL_NOTIFY_NEVER, letter, e);
}

/* A report of a report, or between two addresses that only collect reports, would go round and
 * round (RFC 5321 section 6.1, RFC 3464 section 2). */
static bool is_double(const struct bounce_letter *about)
{
	struct span from = about->env->reverse_path;

	if (from.len == 0 || mail_dsn_is_daemon(from))
		return true;
	for (size_t i = 0; i < about->rcpt_count; i++)
		if (!mail_dsn_is_collector(about->rcpts[i].address))
			return false;
	return mail_dsn_is_collector(from);
}

/* Nobody reads that a machine's letter is late; at the addresses that count reports it would count
 * as a failure. */
static bool is_notice_unwanted(enum bounce_kind kind, const struct bounce_letter *about,
	const struct mail_dsn_original *original)
{
	return kind == BOUNCE_DELAYED && !about->is_delay_asked &&
		(original->is_automatic || mail_dsn_is_collector(about->env->reverse_path));
}

/* Who is to be told, if anybody. */
static FIBER int address_report(const struct bounce_opts *o, struct router *router, struct arena *a,
	enum bounce_kind kind, const struct bounce_letter *about, struct spool_new *letter,
	struct span *to_r, struct err *e)
{
	bool is_doubled = is_double(about);

	*to_r = about->env->reverse_path;
	/* not NEVER: its failure goes to double_bounces; a null sender is told nothing by others */
	if (!is_doubled && resolve(router, a, *to_r, 0, letter, e) < 0)
		return -1;
	if (letter->rcpt_count > 0 || kind != BOUNCE_FAILED)
		return 0;
	return resolve_double(o, router, a, about, letter, to_r, e);
}

FIBER int bounce_write(const struct bounce_opts *o, struct router *router, struct arena *a,
	enum bounce_kind kind, const struct bounce_letter *about, struct spool_new *letter_r,
	bool *is_owed_r, struct err *e)
{
	struct mail_dsn_original original;
	int64_t now = loop_wall_ns();
	struct span header, to;
	struct mail_dsn d;

	MUST(about->rcpt_count > 0 && about->rcpt_count <= BOUNCE_RCPTS_MAX);
	*is_owed_r = false;
	*letter_r = (struct spool_new){.id = store_new_id(o->store),
		.parent_id = about->msg_id,
		/* RFC 8689 section 5: it is protected as what it tells of was */
		.env = {.origin = SPAN("dsn"),
			.class = SPOOL_CLASS_REPORT,
			.is_requiretls = about->env->is_requiretls},
		.arrived_ns = now,
		.expires_ns = now + BOUNCE_LIFETIME_NS};
	if (address_report(o, router, a, kind, about, letter_r, &to, e) < 0)
		return -1;
	if (letter_r->rcpt_count == 0)
		return 0;
	if (read_header(about, a, &header, e) < 0)
		return -1;
	mail_dsn_read_original(a, header, now / CLOCK_SEC, &original);
	if (is_notice_unwanted(kind, about, &original))
		return 0;
	fill_dsn(o, a, kind, about, &original, &d);
	d.to = to;
	d.id = letter_r->id;
	/* Who has an ASCII address may sit behind a server without SMTPUTF8. */
	d.is_smtputf8 = !span_is_ascii(to);
	if (stage_report(o, a, about, header, &d, letter_r, e) < 0)
		return -1;
	log_event(o->log, LOG_INFO, "bounce.report", LF_ID("id", letter_r->id),
		LF_ID("about", about->msg_id), LF("to", to),
		LF_STR("action", mail_dsn_action_str(d.rcpts[0].action)),
		LF_INT("recipients", d.rcpt_count));
	*is_owed_r = true;
	return 0;
}

/* ---- delivered here --------------------------------------------------------------------------- */

static FIBER int tell(const struct bounce_opts *o, struct router *router, struct arena *a,
	enum bounce_kind kind, const struct bounce_letter *about, struct err *e)
{
	struct spool_new report;
	bool is_owed;
	int rc;

	if (bounce_write(o, router, a, kind, about, &report, &is_owed, e) < 0)
		return -1;
	if (!is_owed)
		return 0;
	rc = spool_accept(o->store, &report, false, e);
	if (rc == 0 && report.stored)
		body_unref(&report.stored);
	return rc;
}

/* As many reports as it takes, each in memory of its own. */
static FIBER int tell_all(const struct bounce_opts *o, struct router *router, enum bounce_kind kind,
	const struct bounce_letter *about, struct err *e)
{
	struct arena *a = arena_new();
	size_t count = about->rcpt_count;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i += BOUNCE_RCPTS_MAX) {
		struct bounce_letter some = *about;

		some.rcpts = about->rcpts + i;
		some.rcpt_count = min(count - i, BOUNCE_RCPTS_MAX);
		rc = tell(o, router, a, kind, &some, e);
		arena_reset(a);
	}
	arena_free(&a);
	return rc;
}

/* Those of `from` that wanted to hear of such a thing. */
static FIBER void tell_of(const struct bounce_opts *o, struct router *router,
	const struct spool_new *letter, enum bounce_kind kind, const struct spool_rcpt_new *from,
	size_t count)
{
	bool is_expanded = kind == BOUNCE_EXPANDED;
	struct arena *a = arena_new();
	struct bounce_rcpt *rcpts = ARENA_ARRAY(a, struct bounce_rcpt, count);
	struct bounce_letter about = {.msg_id = letter->id,
		.env = &letter->env,
		.prefix = letter->prefix,
		.stage = letter->body,
		.arrived_ns = letter->arrived_ns,
		.expires_ns = letter->expires_ns,
		.rcpts = rcpts};
	struct err e = {0};

	for (size_t i = 0; i < count; i++) {
		const struct spool_rcpt_new *r = &from[i];

		if ((r->is_local || is_expanded) && bounce_is_wanted(kind, r->notify))
			rcpts[about.rcpt_count++] = (struct bounce_rcpt){.address = r->address,
				.orcpt = r->orcpt,
				.enhanced = SPAN("2.1.5"),
				.text = is_expanded ? SPAN("passed on to several recipients")
						    : SPAN("delivered to the mailbox"),
				.at_ns = letter->arrived_ns};
	}
	if (about.rcpt_count > 0 && tell_all(o, router, kind, &about, &e) < 0)
		log_event(o->log, LOG_ERROR, "bounce.lost", LF_ID("about", letter->id),
			LF_STR("reason", e.text));
	arena_free(&a);
}

FIBER void bounce_delivered(
	const struct bounce_opts *o, struct router *router, const struct spool_new *letter)
{
	tell_of(o, router, letter, BOUNCE_DELIVERED, letter->rcpts, letter->rcpt_count);
}

FIBER void bounce_expanded(const struct bounce_opts *o, struct router *router,
	const struct spool_new *letter, const struct spool_rcpt_new *aliases, size_t count)
{
	tell_of(o, router, letter, BOUNCE_EXPANDED, aliases, count);
}
