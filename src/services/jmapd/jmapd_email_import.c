/* Email/import (RFC 8621 section 4.8): messages that were uploaded become Emails. */
#include "base/clock.h"
#include "base/enc.h"
#include "run/loop.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/received.h"
#include "store/stage.h"
#include "services/jmapd/jmapd_create.h"
#include "services/jmapd/jmapd_write.h"

#define PIECE_OCTETS (48 * 1024)

struct import {
	struct jmap_account *account;
	struct jmap_boxes boxes;
	bool has_boxes;
};

/* ---- when it was received, unless that is said: as its newest Received field tells (section 4.8) ---- */

struct times {
	struct mail_header header;
	int64_t received_ns; /* 0: no such field that can be read */
};

static void take_field(void *arg, const struct mail_field *f)
{
	struct times *t = arg;
	struct received hop;
	struct arena *a;

	if (f->id != MAIL_RECEIVED || t->received_ns)
		return;
	a = arena_new();
	received_parse(a, f->value, &hop);
	if (!(hop.defects & (1u << RECEIVED_DATE_MISSING | 1u << RECEIVED_DATE_BAD)) &&
		hop.date.unix_sec > 0 && hop.date.unix_sec < INT64_MAX / CLOCK_SEC)
		t->received_ns = hop.date.unix_sec * CLOCK_SEC;
	arena_free(&a);
}

/* ---- its octets ---- */

/* Lines end with CRLF, as in all that is kept; NUL is in no message (RFC 5322 section 3.5). */
static FIBER int take_octets(struct stage *stage, struct jmap_blob *blob, uint64_t max,
	int64_t *received_ns_r, bool *is_good_r, struct err *e)
{
	struct times times = {0};
	struct arena *a = arena_new();
	char *piece = arena_alloc(a, PIECE_OCTETS);
	struct buf *out = arena_buf(a, 2 * PIECE_OCTETS);
	bool was_cr = false;
	uint64_t at = 0;
	size_t got = 1;
	int rc = 0;

	*is_good_r = true;
	mail_header_init(&times.header, take_field, &times);
	while (rc == 0 && got && *is_good_r && at < blob->size) {
		rc = blob->source.read(blob->source.arg, at, piece, PIECE_OCTETS, &got, e);
		buf_clear(out);
		for (size_t i = 0; rc == 0 && i < got; i++) {
			if (piece[i] == '\n' && !was_cr)
				buf_char(out, '\r');
			buf_char(out, piece[i]);
			was_cr = piece[i] == '\r';
			*is_good_r = *is_good_r && piece[i] != '\0';
		}
		if (rc == 0 && stage_len(stage) + buf_len(out) > max)
			*is_good_r = false;
		if (rc == 0 && *is_good_r && !times.header.is_done)
			mail_header_feed(&times.header, buf_span(out));
		if (rc == 0 && *is_good_r)
			rc = stage_put(stage, buf_span(out), e);
		at += got;
	}
	mail_header_finish(&times.header);
	mail_header_fini(&times.header);
	*received_ns_r = times.received_ns;
	arena_free(&a);
	return rc;
}

/* Is there a header at all? What begins with none is no message (section 4.8: invalidEmail). */
static FIBER int looks_like_mail(struct stage *stage, bool *is_r, struct err *e)
{
	struct arena *a = arena_new();
	char *head = arena_alloc(a, 1024);
	size_t got = 0;
	int rc = stage_read(stage, 0, head, 1024, &got, e);
	ptrdiff_t end = span_find(span_of(head, got), '\n');
	struct span line = span_sub(span_of(head, got), 0, end < 0 ? got : (size_t)end);
	ptrdiff_t colon = span_find(line, ':');

	*is_r = colon > 0;
	for (ptrdiff_t i = 0; i < colon; i++)
		*is_r = *is_r && line.ptr[i] > ' ' && line.ptr[i] < 0x7f;
	arena_free(&a);
	return rc;
}

static bool read_members(
	struct jmap_call *c, const struct json_in *object, struct jmap_set_error *why_r)
{
	static const char *const names[] = {"blobId", "mailboxIds", "keywords", "receivedAt"};
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	while (json_in_next(object, &at, &name, &v)) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			is_known |= span_eq(span_str(name), span_str(names[i]));
		if (!is_known)
			jmap_bad_property_too(c->a, why_r, name, "there is no such property");
	}
	if (!json_in_is_text(json_in_get(object, "blobId")))
		jmap_bad_property_too(c->a, why_r, "blobId", "a blob is needed");
	if (!json_in_is_object(json_in_get(object, "mailboxIds")))
		jmap_bad_property_too(c->a, why_r, "mailboxIds", "a mailbox is needed");
	return !why_r->type;
}

/* The blob into the stage; *why_r->type: it is not to be. */
static FIBER int take_blob(struct jmap_set *set, const struct json_in *object, struct stage *stage,
	int64_t *received_ns_r, struct jmap_set_error *why_r, struct err *e)
{
	struct jmap_call *c = set->call;
	struct span blob_id = json_in_text(object, "blobId");
	struct jmap_blob blob;
	bool is_found = false, is_good = false, is_mail = false;
	uint64_t max = jmapd_opts_of(c->d)->message_max;

	if (jmap_blob_find(c->d, c->a, set->account, blob_id, &blob, &is_found, e) < 0)
		return -1;
	if (!is_found) {
		/* RFC 8621 section 4.8 */
		jmap_bad_property(c->a, why_r, "blobId", "there is no such blob");
		return 0;
	}
	if (blob.size > max) {
		*why_r = (struct jmap_set_error){.type = "tooLarge"};
		jmap_why_more(c->a, why_r, "maxSize",
			span_str(arena_printf(c->a, "%llu", (unsigned long long)max)));
		return 0;
	}
	if (take_octets(stage, &blob, max, received_ns_r, &is_good, e) < 0 ||
		looks_like_mail(stage, &is_mail, e) < 0)
		return -1;
	if (!is_good || !is_mail)
		*why_r = (struct jmap_set_error){
			.type = "invalidEmail", .description = "the blob is no message"};
	return 0;
}

static FIBER int import_one(struct jmap_set *set, const struct json_in *object,
	struct stage **stage, struct span *id_r, struct span *server_set_r,
	struct jmap_set_error *why_r, struct err *e)
{
	struct import *x = set->arg;
	struct jmap_place place = {0};
	const struct json_in *received = json_in_get(object, "receivedAt");
	int64_t received_ns = 0, header_ns = 0;
	uint64_t id = 0;
	struct buf *b = arena_buf(set->call->a, 64);

	if (!read_members(set->call, object, why_r))
		return 0;
	if (received && !json_in_is_null(received) &&
		!jmap_date(json_in_span(received), &received_ns)) {
		jmap_bad_property(set->call->a, why_r, "receivedAt", "it cannot be set, or not so");
		return 0;
	}
	jmap_place_read(set->call, &x->boxes, json_in_get(object, "mailboxIds"),
		json_in_get(object, "keywords"), &place, why_r);
	if (why_r->type)
		return 0;
	if (take_blob(set, object, *stage, &header_ns, why_r, e) < 0)
		return -1;
	if (why_r->type)
		return 0;
	if (jmap_email_put(set->call, set->account, &place, stage,
		    received_ns ? received_ns : header_ns, &id, server_set_r, why_r, e) < 0)
		return -1;
	enc_put_object(b, 'M', id);
	*id_r = buf_span(b);
	return 0;
}

static FIBER int create(struct jmap_set *set, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct import *x = set->arg;
	struct stage *stage;
	int rc;

	if (!x->has_boxes && jmap_boxes_read(set->call, set->account, &x->boxes, e) < 0)
		return -1;
	x->has_boxes = true;
	stage = stage_new(jmapd_opts_of(set->call->d)->store);
	rc = import_one(set, object, &stage, id_r, server_set_r, why_r, e);
	stage_free(&stage);
	return rc;
}

static FIBER int state(struct jmap_set *set, uint64_t *modseq_r, struct err *e)
{
	struct email_states states;

	if (email_states(jmapd_opts_of(set->call->d)->store, set->account->id, &states, e) < 0)
		return -1;
	*modseq_r = states.email;
	return 0;
}

static const char *const email_properties[] = {"id", NULL};
static const struct jmap_type email_type = {"Email", 'M', email_properties, OBJECT_KIND_COUNT};
static const struct jmap_set_type import_type = {
	.type = &email_type,
	.create = create,
	.state = state,
	.changes = jmap_email_set_changes,
};

FIBER int jmap_email_import(struct jmap_call *c, struct err *e)
{
	struct import x = {0};

	return jmap_create_run(c, &import_type, "emails", &x, e);
}
