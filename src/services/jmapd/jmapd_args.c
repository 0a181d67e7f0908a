#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"
#include "base/must.h"

/* Failing, arguments, ids, dates: what all methods share. */

/* ---- failing ---- */

int jmap_fail(struct jmap_call *c, const char *type, struct err *e, const char *fmt, ...)
{
	va_list ap;
	struct buf *b = arena_buf(c->req->a, 1024);

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
	c->req->fail_type = type;
	c->req->fail_text = buf_cstr(b);
	c->req->fail_argument = NULL;
	return err_set(e, ERR_STATE, "%s: %s", type, c->req->fail_text);
}

int jmap_fail_argument(struct jmap_call *c, struct err *e, const char *name, const char *why)
{
	jmap_fail(c, "invalidArguments", e, "%s: %s", name, why);
	c->req->fail_argument = arena_str(c->req->a, span_str(name));
	return -1;
}

/* ---- ids, dates, states ---- */

bool jmap_is_id(struct span text)
{
	if (!text.len || text.len > 255)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (!(c >= '0' && c <= '9') && !(span_lower(c) >= 'a' && span_lower(c) <= 'z') &&
			c != '-' && c != '_')
			return false;
	}
	return true;
}

struct span jmap_id_text(const struct jmap_call *c, struct span text)
{
	const struct jmap_creation *made;

	if (!text.len || text.ptr[0] != '#')
		return text;
	made = hash_map_get(&c->req->created, span_skip(text, 1));
	return made ? made->id : text;
}

bool jmap_id_of(const struct jmap_call *c, struct span text, char kind, uint64_t *id_r)
{
	return enc_get_object(jmap_id_text(c, text), kind, id_r);
}

void jmap_created(struct jmap_call *c, struct span creation_id, struct span id)
{
	struct jmap_creation *made = ARENA_NEW(c->req->a, struct jmap_creation);

	made->creation_id = arena_span(c->req->a, creation_id);
	made->id = arena_span(c->req->a, id);
	hash_map_set(&c->req->created, creation_id, made);
}

/* UTCDate: RFC 3339 with "T" and "Z" in upper case (RFC 8620 section 1.4) */
bool jmap_date(struct span text, int64_t *ns_r)
{
	int64_t sec;

	if (text.len < 20 || text.ptr[10] != 'T' || text.ptr[text.len - 1] != 'Z' ||
		!clock_parse_rfc3339(text, &sec) || sec > INT64_MAX / CLOCK_SEC - 1 ||
		sec < INT64_MIN / CLOCK_SEC + 1)
		return false;
	*ns_r = sec * CLOCK_SEC;
	return true;
}

/* Texts that need no escapes, without a copy. */
static void open_quote(struct json_out *j)
{
	json_raw(j, SPAN("\""));
}

void jmap_put_date(struct json_out *j, int64_t ns)
{
	int64_t sec = ns / CLOCK_SEC - (ns % CLOCK_SEC < 0);

	open_quote(j);
	clock_put_rfc3339(j->buf, sec);
	buf_char(j->buf, '"');
}

void jmap_put_id(struct json_out *j, char kind, uint64_t id)
{
	open_quote(j);
	enc_put_object(j->buf, kind, id);
	buf_char(j->buf, '"');
}

void jmap_put_state(struct json_out *j, uint64_t modseq)
{
	open_quote(j);
	buf_u64(j->buf, modseq);
	buf_char(j->buf, '"');
}

bool jmap_state_of(struct span text, uint64_t *modseq_r)
{
	return span_u64_max(text, INT64_MAX, modseq_r) && (text.len == 1 || text.ptr[0] != '0');
}

/* ---- accounts ---- */

static const unsigned changing_rights = ~(
	unsigned)(MAILBOX_RIGHT_LOOKUP | MAILBOX_RIGHT_READ | MAILBOX_RIGHT_POST);

static FIBER int add_account(struct jmapd *d, struct arena *a, struct jmap_account *account,
	const struct mailbox_ref *refs, size_t count, struct err *e)
{
	struct mailbox_ref *mine = ARENA_ARRAY(a, struct mailbox_ref, count);
	uint64_t *eyes = ARENA_ARRAY(a, uint64_t, count);
	size_t seen = 0, kept = 0;
	unsigned rights = 0;
	struct account_login login;
	bool is_found;

	for (size_t i = 0; i < count; i++) {
		size_t at;

		if (refs[i].info.account_id != account->id)
			continue;
		mine[kept++] = refs[i];
		rights |= refs[i].rights;
		if (!(refs[i].rights & MAILBOX_RIGHT_READ))
			continue;
		for (at = seen++; at > 0 && eyes[at - 1] > refs[i].info.id; at--)
			eyes[at] = eyes[at - 1];
		eyes[at] = refs[i].info.id;
	}
	if (account_login_get(d->opts.store, a, account->id, &login, &is_found, e) < 0)
		return -1;
	account->address = is_found ? login.address : SPAN_NONE;
	account->mailboxes = mine;
	account->mailbox_count = kept;
	account->eyes = (struct email_eyes){
		.account_id = account->id, .mailboxes = eyes, .mailbox_count = seen};
	account->is_read_only = !(rights & changing_rights);
	return 0;
}

void jmap_own_account(const struct jmap_user *user, struct jmap_account *account_r)
{
	*account_r = (struct jmap_account){.id = user->account_id,
		.address = user->address,
		.user_id = user->account_id,
		.is_own = true,
		.eyes = {.account_id = user->account_id, .is_all = true}};
}

FIBER int jmap_accounts(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct jmap_account **list_r, size_t *count_r, struct err *e)
{
	struct mailbox_ref *refs;
	size_t ref_count, count = 1;
	struct jmap_account *list;

	if (mailbox_visible(d->opts.store, a, user->account_id, &refs, &ref_count, e) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct jmap_account, ref_count + 1);
	jmap_own_account(user, &list[0]);
	for (size_t i = 0; i < ref_count; i++) {
		bool is_known = false;

		for (size_t k = 0; k < count; k++)
			is_known = is_known || list[k].id == refs[i].info.account_id;
		if (is_known)
			continue;
		list[count].id = refs[i].info.account_id;
		list[count].user_id = user->account_id;
		if (add_account(d, a, &list[count], refs, ref_count, e) < 0)
			return -1;
		count++;
	}
	*list_r = list;
	*count_r = count;
	return 0;
}

FIBER int jmap_account_of(
	struct jmap_call *c, struct span id, struct jmap_account **account_r, struct err *e)
{
	struct jmap_request *r = c->req;
	uint64_t number;

	*account_r = NULL;
	if (!enc_get_object(id, 'A', &number))
		return 0;
	if (number == c->user.account_id) {
		*account_r = ARENA_NEW(c->a, struct jmap_account);
		jmap_own_account(&c->user, *account_r);
		return 0;
	}
	if (!r->accounts &&
		jmap_accounts(c->d, r->a, &r->user, &r->accounts, &r->account_count, e) < 0)
		return -1;
	for (size_t i = 0; i < r->account_count; i++)
		if (r->accounts[i].id == number)
			*account_r = &r->accounts[i];
	return 0;
}

void jmap_accounts_forget(struct jmap_call *c)
{
	c->req->accounts = NULL;
}

FIBER int jmap_account(struct jmap_call *c, struct jmap_account **account_r, struct err *e)
{
	const struct json_in *id = json_in_get(c->args, "accountId");

	if (!json_in_is_text(id))
		return jmap_fail_argument(c, e, "accountId", "an Id is needed");
	if (jmap_account_of(c, json_in_span(id), account_r, e) < 0)
		return -1;
	if (!*account_r)
		return jmap_fail(c, "accountNotFound", e, "there is no such account");
	if (!jmap_account_has(c->d, *account_r, c->method->capability))
		return jmap_fail(c, "accountNotSupportedByMethod", e,
			"the account does not have the capability of this method");
	if ((c->method->flags & JMAP_CHANGES_STATE) && (*account_r)->is_read_only)
		return jmap_fail(c, "accountReadOnly", e, "nothing can be changed in this account");
	return 0;
}

/* ---- arguments ---- */

/* NULL: missing or null. */
static const struct json_in *given(const struct jmap_call *c, const char *name)
{
	const struct json_in *v = json_in_get(c->args, name);

	return v && !json_in_is_null(v) ? v : NULL;
}

int jmap_arg_bool(struct jmap_call *c, const char *name, bool *v, struct err *e)
{
	const struct json_in *arg = given(c, name);

	if (!arg)
		return 0;
	if (!json_in_is_bool(arg))
		return jmap_fail_argument(c, e, name, "true or false is expected");
	*v = json_in_truth(arg);
	return 0;
}

int jmap_arg_int(
	struct jmap_call *c, const char *name, int64_t min, int64_t max, int64_t *v, struct err *e)
{
	const struct json_in *arg = given(c, name);
	int64_t n;

	if (!arg)
		return 0;
	n = json_in_int(arg);
	if (!json_in_is_int(arg) || n > JSON_IN_INT || n < -JSON_IN_INT)
		return jmap_fail_argument(c, e, name, "a whole number is expected");
	if (n < min || n > max)
		return jmap_fail_argument(c, e, name, "the number is out of range");
	*v = n;
	return 0;
}

int jmap_arg_text(struct jmap_call *c, const char *name, struct span *v, struct err *e)
{
	const struct json_in *arg = given(c, name);

	if (!arg)
		return 0;
	if (!json_in_is_text(arg))
		return jmap_fail_argument(c, e, name, "a string is expected");
	*v = json_in_span(arg);
	return 0;
}

int jmap_arg_texts(
	struct jmap_call *c, const char *name, struct span **list_r, size_t *count_r, struct err *e)
{
	const struct json_in *arg = given(c, name);

	*list_r = NULL;
	*count_r = 0;
	if (!arg)
		return 0;
	if (!json_in_is_array(arg))
		return jmap_fail_argument(c, e, name, "a list is expected");
	*count_r = json_in_count(arg);
	*list_r = ARENA_ARRAY(c->a, struct span, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++) {
		if (!json_in_is_text(json_in_at(arg, i)))
			return jmap_fail_argument(c, e, name, "a list of strings is expected");
		(*list_r)[i] = json_in_span(json_in_at(arg, i));
	}
	return 0;
}

int jmap_args_only(struct jmap_call *c, struct err *e, const char *const *names)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(c->args, &at, &name, &value)) {
		bool is_known = false;

		for (size_t i = 0; names[i] && !is_known; i++)
			is_known = span_eq(span_str(names[i]), span_str(name));
		if (!is_known)
			return jmap_fail_argument(c, e, name, "there is no such argument");
	}
	return 0;
}
