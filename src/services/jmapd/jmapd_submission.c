/* EmailSubmission/set (RFC 8621 section 7.5): a message of the store is handed to our own submission. */
#include "services/jmapd/jmapd_submission.h"

#include "base/enc.h"
#include "run/loop.h"
#include "store/account.h"
#include "services/jmapd/jmapd_contact_card.h"

const char *const jmap_submission_properties[] = {"id", "identityId", "emailId", "threadId",
	"envelope", "sendAt", "undoStatus", "deliveryStatus", "dsnBlobIds", "mdnBlobIds", "traceId",
	NULL};
const struct jmap_type jmap_submission_type = {
	"EmailSubmission", 'S', jmap_submission_properties, OBJECT_SUBMISSION};

/* What onSuccess… wants to know: which Email a submission of this call was for. */
struct done {
	uint64_t submission, email;
};
struct sending {
	struct done *list;
	size_t count;
};

/* One submission on its way. */
struct draft {
	struct jmap_call *c;
	const struct jmap_account *account;
	struct email email;
	struct outbox_identity identity;
	struct jmap_sent sent;
	struct jmap_envelope env;
	const struct json_in *told; /* the envelope as it was given; NULL: none */
	struct jmap_set_error *why;
};

static int refuse(struct draft *d, const char *type, const char *description)
{
	*d->why = (struct jmap_set_error){.type = type, .description = description};
	return 0;
}

static int refuse_property(struct draft *d, const char *property, const char *description)
{
	jmap_bad_property(d->c->a, d->why, property, description);
	return 0;
}

/* ---- what is to be sent ---- */

static FIBER int find_parts(struct draft *d, const struct json_in *object, struct err *e)
{
	struct store *s = jmapd_opts_of(d->c->d)->store;
	struct outbox_identity *list;
	uint64_t email_id, identity_id, state;
	size_t count;

	if (!jmap_id_of(d->c, json_in_text(object, "emailId"), 'M', &email_id))
		return refuse_property(d, "emailId", "there is no such Email");
	if (!jmap_id_of(d->c, json_in_text(object, "identityId"), 'I', &identity_id))
		return refuse_property(d, "identityId", "there is no such Identity");
	if (email_get(s, d->c->a, &d->account->eyes, &email_id, 1, MAILBOX_WANT_HEAD, &d->email,
		    &state, e) < 0 ||
		jmap_identities(d->c, d->account, &list, &count, e) < 0)
		return -1;
	if (!d->email.row_count)
		return refuse_property(d, "emailId", "there is no such Email");
	for (size_t i = 0; i < count; i++)
		if (list[i].id == identity_id)
			d->identity = list[i];
	return d->identity.id ? 0 : refuse_property(d, "identityId", "there is no such Identity");
}

static int read_object(struct draft *d, const struct json_in *object)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	while (json_in_next(object, &at, &name, &v)) {
		struct span n = span_str(name);

		if (span_eq(n, SPAN("envelope")))
			d->told = json_in_is_null(v) ? NULL : v;
		else if (!span_eq(n, SPAN("emailId")) && !span_eq(n, SPAN("identityId")))
			return refuse_property(d, name, "it is the server's to set");
	}
	return 0;
}

/* May he write as this? An Identity "*@domain" allows all of it. */
static FIBER int may_send_as(struct draft *d, struct span address, bool *may_r, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(d->c->d);
	enum account_way way;

	if (account_may_send(o->store, d->account->id, address, o->separator, &way, e) < 0)
		return -1;
	*may_r = way != ACCOUNT_NOT_ITS;
	return 0;
}

static bool identity_allows(const struct draft *d, struct span address)
{
	struct span email = d->identity.email;

	if (email.len > 1 && email.ptr[0] == '*')
		return span_ends_nocase(address, span_skip(email, 1));
	return span_eq_nocase(email, address);
}

/* RFC 8621 section 7.5: forbiddenFrom, and invalidEmail without an author. */
static FIBER int check_from(struct draft *d, struct err *e)
{
	struct mime_address_list list;
	bool may = true;

	mime_address_parse(d->c->a, d->sent.from, MIME_ADDRESSES_MAX, &list);
	if (d->sent.from_count != 1 || !list.mailboxes) {
		refuse_property(d, "from", "a message that is sent has one From field");
		d->why->type = "invalidEmail";
		return 0;
	}
	for (size_t i = 0; may && i < list.count; i++)
		if (list.items[i].kind == MIME_MAILBOX &&
			may_send_as(d, mime_address_spec(d->c->a, &list.items[i]), &may, e) < 0)
			return -1;
	return may ? 0 : refuse(d, "forbiddenFrom", "you may not write under its From address");
}

static FIBER int settle_envelope(struct draft *d, struct err *e)
{
	int64_t now = loop_wall_ns();
	bool may = false;

	if (d->told ? !jmap_envelope_read(d->c->a, d->told, now,
			      jmapd_opts_of(d->c->d)->delay_max_ns, &d->env, d->why)
		    : !jmap_envelope_of(d->c->a, &d->sent, &d->env, d->why))
		return 0;
	/* section 7: what the header tells counts where the Identity allows it */
	if (!d->told && !identity_allows(d, d->env.mail_from) &&
		!(d->identity.email.len && d->identity.email.ptr[0] == '*'))
		d->env.mail_from = d->identity.email;
	if (d->env.mail_from.len && may_send_as(d, d->env.mail_from, &may, e) < 0)
		return -1;
	if (d->env.mail_from.len && !may)
		return refuse(d, "forbiddenMailFrom", "you may not send under this address");
	return 0;
}

static void refuse_recipients(struct draft *d, const struct span *list, size_t count)
{
	struct buf *b = arena_buf(d->c->a, JMAP_PLAIN_MAX);

	for (size_t i = 0; i < count; i++) {
		buf_char(b, i ? ',' : '[');
		json_quote(b, list[i]);
	}
	buf_char(b, ']');
	refuse(d, "invalidRecipients", "some recipients cannot be reached");
	jmap_why_more(d->c->a, d->why, "invalidRecipients", buf_span(b));
}

static int check_recipients(struct draft *d)
{
	if (d->env.bad_count) {
		refuse_recipients(d, d->env.bad, d->env.bad_count);
		return 0;
	}
	if (!d->env.rcpt_count)
		return refuse(d, "noRecipients", "nobody would get it");
	if (d->env.rcpt_count <= JMAP_RECIPIENTS_MAX)
		return 0;
	refuse(d, "tooManyRecipients", NULL);
	jmap_why_more(d->c->a, d->why, "maxRecipients",
		span_str(arena_printf(d->c->a, "%d", JMAP_RECIPIENTS_MAX)));
	return 0;
}

static int refuse_size(struct draft *d)
{
	refuse(d, "tooLarge", NULL);
	jmap_why_more(d->c->a, d->why, "maxSize",
		span_str(arena_printf(
			d->c->a, "%llu", (unsigned long long)jmapd_opts_of(d->c->d)->message_max)));
	return 0;
}

/* ---- handing it in ---- */

/* What our own submission has refused, as a SetError. */
static void tell_refusal(struct draft *d, const struct jmap_letter *l)
{
	struct span *bad = ARENA_ARRAY(d->c->a, struct span, l->rcpt_count + 1);
	size_t count = 0;

	for (size_t i = 0; l->replies && i < l->rcpt_count; i++)
		if (l->replies[i].len && l->replies[i].ptr[0] == '5')
			bad[count++] = l->rcpts[i].address;
	if (count)
		refuse_recipients(d, bad, count);
	else if (l->code == 552 && span_find_span(l->reply, SPAN("5.3.4")) >= 0)
		refuse_size(d);
	else if (l->code == 450 && span_find_span(l->reply, SPAN("4.7.1")) >= 0)
		refuse(d, "rateLimit", NULL);
	else if (span_find_span(l->reply, SPAN(" 5.6.")) >= 0)
		refuse(d, "invalidEmail", NULL);
	else
		refuse(d, "forbiddenToSend", NULL);
	/* it was written for a client who has logged in */
	d->why->description = arena_str(d->c->a, l->reply);
}

static struct span replies_json(struct arena *a, const struct jmap_letter *l)
{
	struct buf *b = arena_buf(a, JMAP_ANSWER_MAX);

	buf_char(b, '[');
	for (size_t i = 0; i < l->rcpt_count; i++) {
		if (i)
			buf_char(b, ',');
		json_quote(b, l->replies ? l->replies[i] : l->reply);
	}
	buf_char(b, ']');
	return buf_span(b);
}

static void is_coming(struct jmap_letter *l, void *arg)
{
	struct draft *d = arg;

	l->outbox->replies = replies_json(d->c->a, l);
}

/* Its row is stored with the letter: when the answer of our own server does not come (the disk is full behind the
 * commit, we stop), the row tells whether it is sent. */
static FIBER int is_sent(struct draft *d, const struct outbox_row *row, bool *is_sent_r)
{
	struct outbox_row found = {0};
	struct err e = {0};
	int rc = outbox_get(
		jmapd_opts_of(d->c->d)->store, d->c->a, d->account->id, &row->id, 1, &found, &e);

	*is_sent_r = rc == 0 && found.id;
	return rc;
}

static FIBER int hand_in(struct draft *d, struct outbox_row *row, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(d->c->d);
	int64_t now = loop_wall_ns();
	struct err why = {0};
	bool is_there = true;
	struct jmap_letter letter = {.account_id = d->account->id,
		.mail_from = d->env.mail_from,
		.params = d->env.params,
		.rcpts = d->env.rcpts,
		.rcpt_count = d->env.rcpt_count,
		.source = jmap_sent_source(&d->sent),
		.is_coming = is_coming,
		.arg = d,
		.outbox = row};

	*row = (struct outbox_row){.id = store_new_id(o->store),
		.account_id = d->account->id,
		.identity_id = d->identity.id,
		.email_id = d->email.id,
		.thread_id = d->email.thread_id,
		.envelope = jmap_envelope_json(d->c->a, &d->env, d->told),
		.replies = SPAN("[]"),
		.send_at_ns = d->env.hold_until_ns > now ? d->env.hold_until_ns : now,
		.created_ns = now,
		.undo = d->env.hold_until_ns > now ? OUTBOX_PENDING : OUTBOX_FINAL};
	if (o->submit(o->arg, d->c->a, &letter, &why) < 0 &&
		(is_sent(d, row, &is_there) < 0 || !is_there))
		return err_copy(e, &why);
	if (!why.code && letter.code / 100 != 2) {
		tell_refusal(d, &letter);
		return 0;
	}
	jmap_contacts_sent(d->c, d->account->id, &d->sent);
	return 0;
}

/* Each step may refuse. */
static FIBER int send_it(
	struct draft *d, const struct json_in *object, struct outbox_row *row, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(d->c->d);
	struct err why = {0};

	if (read_object(d, object) < 0 || d->why->type)
		return 0;
	if (find_parts(d, object, e) < 0)
		return -1;
	if (d->why->type)
		return 0;
	if (jmap_sent_open(&d->sent, d->c->a, o->store, &d->email.msg, &why) < 0)
		return why.code == ERR_LIMIT ? refuse_size(d) : err_copy(e, &why);
	if (jmap_sent_source(&d->sent).size > o->message_max)
		return refuse_size(d);
	if (check_from(d, e) < 0 || (!d->why->type && settle_envelope(d, e) < 0))
		return -1;
	if (d->why->type || check_recipients(d) < 0 || d->why->type)
		return 0;
	return hand_in(d, row, e);
}

/* RFC 8620 section 5.3: all that the client has not sent. It is on its way: what cannot be told is asked for. */
static FIBER void tell_made(struct jmap_set *set, const struct outbox_row *made,
	bool is_envelope_told, struct span *server_set_r)
{
	struct span properties[] = {SPAN("threadId"), SPAN("sendAt"), SPAN("undoStatus"),
		SPAN("deliveryStatus"), SPAN("dsnBlobIds"), SPAN("mdnBlobIds"), SPAN("traceId"),
		SPAN("envelope")};
	struct store *s = jmapd_opts_of(set->call->d)->store;
	struct outbox_row row = {0};

	if (outbox_get(s, set->call->a, set->account->id, &made->id, 1, &row, NULL) == 0 &&
		row.id &&
		jmap_submission_tell(set->call, set->account, &row, properties,
			ARRAY_LEN(properties) - is_envelope_told, server_set_r, NULL) == 0)
		return;
	if (jmap_submission_tell(set->call, set->account, made, properties, 3, server_set_r, NULL) <
		0)
		*server_set_r = SPAN_NONE;
}

static FIBER int create(struct jmap_set *set, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct sending *s = set->arg;
	struct draft *d = ARENA_NEW(set->call->a, struct draft);
	struct outbox_row row = {0};
	struct buf *b;

	*d = (struct draft){.c = set->call, .account = set->account, .why = why_r};
	if (send_it(d, object, &row, e) < 0)
		return -1;
	if (why_r->type)
		return 0;
	s->list[s->count++] = (struct done){row.id, row.email_id};
	b = arena_buf(set->call->a, 64);
	enc_put_object(b, 'S', row.id);
	*id_r = buf_span(b);
	tell_made(set, &row, d->told != NULL, server_set_r);
	return 0;
}

/* ---- taking back, forgetting ---- */

/* Only undoStatus changes, and only so; all else may be there as it is (RFC 8620 section 5.3). */
static FIBER int read_patch(struct jmap_set *set, const struct outbox_row *row,
	const struct json_in *patch, bool *is_canceled_r, struct jmap_set_error *why_r,
	struct err *e)
{
	const struct json_in *v;
	struct json_in *now;
	struct span object;
	const char *name;
	void *at = NULL;

	if (jmap_submission_tell(set->call, set->account, row, NULL, 0, &object, e) < 0)
		return -1;
	now = json_in_parse_any(object, JMAP_ANSWER_MAX, JSON_OUT_DEPTH, e);
	if (!now)
		return -1;
	while (json_in_next(patch, &at, &name, &v)) {
		const struct json_in *is = json_in_get(now, name);

		if (is && json_in_is_same(is, v))
			continue;
		if (span_eq(span_str(name), SPAN("undoStatus")) &&
			span_eq(json_in_span(v), SPAN("canceled")))
			*is_canceled_r = true;
		else
			jmap_bad_property_too(set->call->a, why_r, name, "it cannot be changed so");
	}
	json_in_free(&now);
	return 0;
}

static FIBER int update(struct jmap_set *set, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct store *store = jmapd_opts_of(set->call->d)->store;
	struct sending *s = set->arg;
	struct outbox_row row;
	bool is_canceled = false, is_done = false;

	if (outbox_get(store, set->call->a, set->account->id, &id, 1, &row, e) < 0)
		return -1;
	if (!row.id) {
		*why_r = (struct jmap_set_error){.type = "notFound"};
		return 0;
	}
	if (read_patch(set, &row, patch, &is_canceled, why_r, e) < 0)
		return -1;
	if (why_r->type)
		return 0;
	if (is_canceled &&
		outbox_cancel(store, set->account->id, id, loop_wall_ns(), &is_done, e) < 0)
		return -1;
	if (is_canceled && !is_done)
		*why_r = (struct jmap_set_error){
			.type = "cannotUnsend", .description = "it is on its way already"};
	else
		s->list[s->count++] = (struct done){id, row.email_id};
	return 0;
}

static FIBER int destroy(struct jmap_set *set, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct store *store = jmapd_opts_of(set->call->d)->store;
	struct sending *s = set->arg;
	struct outbox_row row;
	bool was_there = false;

	if (outbox_get(store, set->call->a, set->account->id, &id, 1, &row, e) < 0 ||
		outbox_remove(store, set->account->id, id, &was_there, e) < 0)
		return -1;
	if (!was_there)
		*why_r = (struct jmap_set_error){.type = "notFound"};
	else
		s->list[s->count++] = (struct done){id, row.email_id};
	return 0;
}

static const struct jmap_set_type submission_set_type = {
	.type = &jmap_submission_type, .create = create, .update = update, .destroy = destroy};

/* ---- onSuccessUpdateEmail, onSuccessDestroyEmail ---- */

static bool email_of(struct jmap_call *c, const struct sending *s, struct span text, uint64_t *id_r)
{
	uint64_t id;

	if (!jmap_id_of(c, text, 'S', &id))
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].submission == id) {
			*id_r = s->list[i].email;
			return true;
		}
	return false;
}

static size_t put_updates(struct jmap_call *c, const struct sending *s, const struct json_in *list,
	struct json_out *j)
{
	struct buf *b = arena_buf(c->a, JMAP_PLAIN_MAX);
	const struct json_in *patch;
	const char *name;
	void *at = NULL;
	size_t count = 0;
	uint64_t email;

	json_key(j, "update");
	json_open_object(j);
	while (json_in_next(list, &at, &name, &patch)) {
		if (!email_of(c, s, span_str(name), &email))
			continue;
		buf_clear(b);
		enc_put_object(b, 'M', email);
		json_key_span(j, buf_span(b));
		buf_clear(b);
		json_in_put(b, patch);
		json_raw(j, buf_span(b));
		count++;
	}
	json_close(j);
	return count;
}

static void also_emails(struct jmap_call *c, const struct jmap_account *account,
	const struct sending *s, const struct json_in *updates, const struct span *destroys,
	size_t destroy_count)
{
	struct buf *b = arena_buf(c->a, JMAP_PLAIN_MAX);
	struct json_out j;
	uint64_t email;
	size_t count;

	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "accountId");
	jmap_put_id(&j, 'A', account->id);
	count = put_updates(c, s, updates, &j);
	json_key(&j, "destroy");
	json_open_array(&j);
	for (size_t i = 0; i < destroy_count; i++)
		if (email_of(c, s, destroys[i], &email)) {
			jmap_put_id(&j, 'M', email);
			count++;
		}
	json_close(&j);
	json_close(&j);
	if (count)
		jmap_also(c, "Email/set", buf_span(b));
}

static int check_updates(struct jmap_call *c, const struct json_in *list, struct err *e)
{
	const struct json_in *patch;
	const char *name;
	void *at = NULL;

	if (list && !json_in_is_null(list) && !json_in_is_object(list))
		return jmap_fail_argument(c, e, "onSuccessUpdateEmail", "an object is expected");
	while (json_in_next(list, &at, &name, &patch))
		if (!json_in_is_object(patch))
			return jmap_fail_argument(
				c, e, "onSuccessUpdateEmail", "an object of patches is expected");
	return 0;
}

FIBER int jmap_submission_set(struct jmap_call *c, struct err *e)
{
	const struct json_in *updates = json_in_get(c->args, "onSuccessUpdateEmail");
	struct sending s = {.list = ARENA_ARRAY(c->a, struct done, JMAP_SET_MAX + 1)};
	struct jmap_account *account;
	struct outbox_identity *identities;
	struct span *destroys = NULL;
	size_t destroy_count = 0, count;

	if (check_updates(c, updates, e) < 0 ||
		jmap_arg_texts(c, "onSuccessDestroyEmail", &destroys, &destroy_count, e) < 0 ||
		jmap_account(c, &account, e) < 0 ||
		jmap_identities(c, account, &identities, &count, e) < 0 ||
		jmap_set_run(c, &submission_set_type, &s, e) < 0)
		return -1;
	also_emails(c, account, &s, updates, destroys, destroy_count);
	return 0;
}

const struct jmap_method jmap_submission_methods[] = {
	{"EmailSubmission/get", JMAP_CAP_PLACE_SUBMISSION, 0, jmap_submission_get},
	{"EmailSubmission/changes", JMAP_CAP_PLACE_SUBMISSION, 0, jmap_submission_changes},
	{"EmailSubmission/query", JMAP_CAP_PLACE_SUBMISSION, 0, jmap_submission_query},
	{"EmailSubmission/queryChanges", JMAP_CAP_PLACE_SUBMISSION, 0,
		jmap_submission_query_changes},
	{"EmailSubmission/set", JMAP_CAP_PLACE_SUBMISSION, JMAP_CHANGES_STATE, jmap_submission_set},
	{NULL, 0, 0, NULL},
};
