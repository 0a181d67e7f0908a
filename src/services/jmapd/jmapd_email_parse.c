/* Email/parse (RFC 8621 section 4.9): blobs as messages, those that are attached to others above all. */
#include "services/jmapd/jmapd_email.h"

#include "base/must.h"
#include "proto/mail/mime_imap.h"

struct parsing {
	struct jmap_call *c;
	struct jmap_account *account;
	struct span *ids;
	size_t count;
	struct jmap_email_want want;
	struct span *bad, *missing;
	size_t bad_count, missing_count;
	bool is_open; /* "parsed" has begun */
};

/* ---- one blob, on the lane ---- */

struct job {
	struct parsing *p;
	struct arena *a;
	struct span id, octets;
	const struct jmap_blob *blob;
	bool is_message;
};

/* A part of it is told as a part of the body that it lies in; of an upload, or of a message that was encoded, as
 * a part of that blob. */
static void put_blob(struct json_out *j, const struct jmap_mail *m, const struct mime_part *p)
{
	if (m->email_id)
		jmap_put_blob_of_part(j, m->email_id,
			(uint64_t)((int64_t)p->body_offset + m->shift),
			p->end_offset - p->body_offset, p->encoding);
	else
		jmap_put_blob_within(
			j, m->blob_id, p->body_offset, p->end_offset - p->body_offset, p->encoding);
}

static void take_place(struct jmap_mail *m, const struct jmap_blob *b)
{
	if (b->encoding == MIME_CTE_BASE64 || b->encoding == MIME_CTE_QP)
		return;
	m->email_id = b->email_id;
	m->shift = (int64_t)b->offset - (int64_t)b->prefix.len;
}

static int parse(void *arg, struct err *e)
{
	struct job *job = arg;
	struct jmap_email_item item = {.size = job->octets.len};
	struct jmap_piece piece = {0, job->octets};
	struct mime_bodies bodies;

	(void)e;
	item.mail.tree = jmap_mail_parse(job->a, job->octets);
	job->is_message = item.mail.tree->root->field_count > 0;
	if (!job->is_message)
		return 0;
	mime_bodies(job->a, item.mail.tree, &bodies);
	item.has_attachment = mime_has_attachment(&bodies);
	item.preview = mime_preview(job->a, item.mail.tree, job->octets);
	item.mail.pieces = &piece;
	item.mail.piece_count = 1;
	item.mail.put_blob = put_blob;
	take_place(&item.mail, job->blob);
	item.mail.blob_id = job->id;
	if (!job->p->is_open) {
		json_open_object(job->p->c->out);
		job->p->is_open = true;
	}
	json_key_span(job->p->c->out, job->id);
	jmap_put_email(job->p->c->out, job->a, &job->p->want, &item, NULL, 0);
	return 0;
}

/* ---- the method ---- */

/* *is_bad_r: it is too large to be opened. */
static FIBER int read_blob(struct parsing *p, struct job *job, struct jmap_blob *blob,
	bool *is_found_r, bool *is_bad_r, struct err *e)
{
	const struct jmapd_opts *opts = jmapd_opts_of(p->c->d);
	uint64_t max = opts->message_max > JMAP_PARSE_BLOB_MAX ? opts->message_max
							       : JMAP_PARSE_BLOB_MAX;

	*is_bad_r = false;
	*is_found_r = false;
	if (!jmap_is_id(job->id))
		return 0;
	if (jmap_blob_find(p->c->d, job->a, p->account, job->id, blob, is_found_r, e) < 0)
		return err_wrap(e, "looking for a blob");
	if (!*is_found_r)
		return 0;
	*is_bad_r = blob->size > max;
	if (*is_bad_r)
		return 0;
	if (jmap_blob_read(blob, job->a, (size_t)max, &job->octets, e) < 0)
		return err_wrap(e, "reading a blob");
	return 0;
}

static FIBER int take_blob(struct parsing *p, struct arena *a, struct span said, struct err *e)
{
	struct jmap_blob blob = {0};
	struct job job = {.p = p, .a = a, .id = jmap_id_text(p->c, said), .blob = &blob};
	bool is_found, is_bad;

	if (read_blob(p, &job, &blob, &is_found, &is_bad, e) < 0)
		return -1;
	if (is_found && !is_bad && work_run(jmapd_opts_of(p->c->d)->lane, parse, &job, e) < 0)
		return err_wrap(e, "parsing a blob");
	if (!is_found)
		p->missing[p->missing_count++] = said;
	else if (!job.is_message)
		p->bad[p->bad_count++] = said;
	return 0;
}

static bool is_again(const struct parsing *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (span_eq(p->ids[k], p->ids[i]))
			return true;
	return false;
}

static void put_ids(struct json_out *j, const char *name, const struct span *ids, size_t count)
{
	json_key(j, name);
	if (!count) {
		json_null(j);
		return;
	}
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_span(j, ids[i]);
	json_close(j);
}

static FIBER int take_arguments(struct parsing *p, struct err *e)
{
	struct jmap_call *c = p->c;
	struct span *names;
	size_t name_count;

	if (jmap_account(c, &p->account, e) < 0 ||
		jmap_arg_texts(c, "blobIds", &p->ids, &p->count, e) < 0 ||
		jmap_arg_texts(c, "properties", &names, &name_count, e) < 0 ||
		jmap_email_want(c, names, name_count, true, &p->want, e) < 0)
		return -1;
	if (!p->ids)
		return jmap_fail_argument(c, e, "blobIds", "a list of Ids is needed");
	if (p->count > JMAP_GET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "at most %d blobs", JMAP_GET_MAX);
	p->missing = ARENA_ARRAY(c->a, struct span, p->count + 1);
	p->bad = ARENA_ARRAY(c->a, struct span, p->count + 1);
	return 0;
}

FIBER int jmap_email_parse(struct jmap_call *c, struct err *e)
{
	struct parsing *p = ARENA_NEW(c->a, struct parsing);
	int rc = 0;

	p->c = c;
	if (take_arguments(p, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', p->account->id);
	json_key(c->out, "parsed");
	for (size_t i = 0; i < p->count && rc == 0; i++) {
		struct arena *a = arena_new();

		if (!is_again(p, i))
			rc = take_blob(p, a, p->ids[i], e);
		arena_free(&a);
	}
	if (rc < 0)
		return -1;
	if (p->is_open)
		json_close(c->out);
	else
		json_null(c->out);
	put_ids(c->out, "notParsable", p->bad, p->bad_count);
	put_ids(c->out, "notFound", p->missing, p->missing_count);
	return 0;
}
