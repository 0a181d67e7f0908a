/* The envelope of what is sent (RFC 8621 section 7). Pure. */
#include "services/jmapd/jmapd_send.h"

#include "proto/mail/mime_parse.h"

#define PARAM_MAX 500 /* octets of a parameter's value */

static bool is_graphic(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
			return false;
	return true;
}

/* An address that can be said in a command: a local part and a domain, nothing that ends a line. */
static bool is_address(struct span s)
{
	ptrdiff_t at = span_rfind(s, '@');

	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f || s.ptr[i] == '<' ||
			s.ptr[i] == '>')
			return false;
	return at > 0 && (size_t)at + 1 < s.len && s.len <= 320 && s.ptr[at + 1] != '.' &&
		s.ptr[s.len - 1] != '.' && span_find_span(span_skip(s, (size_t)at), SPAN("..")) < 0;
}

static bool bad(struct arena *a, struct jmap_set_error *why_r, const char *why)
{
	jmap_bad_property(a, why_r, "envelope", why);
	return false;
}

/* ---- parameters ---- */

/* RFC 3461 section 4: xtext. JMAP has it undone. */
static void put_xtext(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c >= 0x7f || c == '+' || c == '=')
			buf_printf(b, "+%02X", c);
		else
			buf_char(b, (char)c);
	}
}

static bool put_param(struct buf *b, struct span name, const struct json_in *v)
{
	struct span value = json_in_span(v), kind, rest;

	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = span_lower((unsigned char)name.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c != '-' || !i))
			return false;
	}
	if (!name.len || name.len > 64 || value.len > PARAM_MAX)
		return false;
	buf_char(b, ' ');
	buf_span_put(b, name);
	if (json_in_is_null(v))
		return true;
	if (!json_in_is_text(v) || !value.len)
		return false;
	buf_char(b, '=');
	if (span_eq_nocase(name, SPAN("ORCPT")) && span_cut(value, ';', &kind, &rest)) {
		if (!is_graphic(kind))
			return false;
		buf_span_put(b, kind);
		buf_char(b, ';');
		put_xtext(b, rest);
		return true;
	}
	if (span_eq_nocase(name, SPAN("ENVID")) || span_eq_nocase(name, SPAN("AUTH"))) {
		put_xtext(b, value);
		return true;
	}
	buf_span_put(b, value);
	return is_graphic(value) && span_find(value, '=') < 0;
}

/* {"NAME": "value" or null} as " NAME=value". */
static bool read_params(struct arena *a, const struct json_in *v, struct span *params_r)
{
	struct buf *b = arena_buf(a, 4000);
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	*params_r = SPAN("");
	if (!v || json_in_is_null(v))
		return true;
	if (!json_in_is_object(v))
		return false;
	while (json_in_next(v, &at, &name, &value))
		if (!put_param(b, span_str(name), value))
			return false;
	*params_r = buf_span(b);
	return buf_ok(b);
}

/* RFC 4865: when it is let go; false: not a time, or too far away. */
static bool read_hold(
	const struct json_in *params, int64_t now_ns, int64_t max_ns, int64_t *until_r)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	*until_r = 0;
	while (params && json_in_is_object(params) && json_in_next(params, &at, &name, &v)) {
		struct span n = span_str(name), value = json_in_span(v);
		uint64_t seconds;
		int64_t sec;

		if (span_eq_nocase(n, SPAN("HOLDFOR"))) {
			if (*until_r || !span_u64_max(value, 999999999, &seconds))
				return false;
			*until_r = now_ns + (int64_t)seconds * CLOCK_SEC;
		} else if (span_eq_nocase(n, SPAN("HOLDUNTIL"))) {
			if (*until_r || !clock_parse_rfc3339(value, &sec) || sec < 0 ||
				sec > INT64_MAX / CLOCK_SEC)
				return false;
			*until_r = sec * CLOCK_SEC;
		}
	}
	return *until_r <= now_ns + max_ns;
}

/* ---- as it was told ---- */

static bool read_rcpts(struct arena *a, const struct json_in *list, struct jmap_envelope *env)
{
	size_t count = json_in_count(list);

	if (!json_in_is_array(list))
		return false;
	env->rcpts = ARENA_ARRAY(a, struct jmap_letter_rcpt, count + 1);
	env->bad = ARENA_ARRAY(a, struct span, count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct json_in *v = json_in_at(list, i);
		struct jmap_letter_rcpt *r = &env->rcpts[env->rcpt_count];

		r->address = json_in_text(v, "email");
		if (!r->address.ptr || !read_params(a, json_in_get(v, "parameters"), &r->params))
			return false;
		if (is_address(r->address))
			env->rcpt_count++;
		else
			env->bad[env->bad_count++] = r->address;
	}
	return true;
}

bool jmap_envelope_read(struct arena *a, const struct json_in *v, int64_t now_ns,
	int64_t delay_max_ns, struct jmap_envelope *env, struct jmap_set_error *why_r)
{
	const struct json_in *from = json_in_get(v, "mailFrom");
	const struct json_in *email = json_in_get(from, "email");
	const struct json_in *params = json_in_get(from, "parameters");

	*env = (struct jmap_envelope){0};
	if (!json_in_is_object(v) || !json_in_is_object(from) || !json_in_is_text(email))
		return bad(a, why_r, "an envelope has mailFrom and rcptTo");
	env->mail_from = json_in_span(email);
	if (env->mail_from.len && !is_address(env->mail_from))
		return bad(a, why_r, "mailFrom is no address");
	if (!read_params(a, params, &env->params))
		return bad(a, why_r, "a parameter of mailFrom is none");
	if (!read_hold(params, now_ns, delay_max_ns, &env->hold_until_ns))
		return bad(a, why_r, "it cannot be held back so long, or the time is none");
	return read_rcpts(a, json_in_get(v, "rcptTo"), env) ||
		bad(a, why_r, "rcptTo is a list of addresses, with parameters that are some");
}

/* ---- as the header tells ---- */

static bool invalid(struct arena *a, struct jmap_set_error *why_r, const char *property)
{
	jmap_bad_property(
		a, why_r, property, "the field has no address that could be used, or too many");
	why_r->type = "invalidEmail";
	return false;
}

static void add_rcpt(struct jmap_envelope *env, struct span address)
{
	for (size_t i = 0; i < env->rcpt_count; i++)
		if (span_eq_nocase(env->rcpts[i].address, address))
			return;
	env->rcpts[env->rcpt_count++] = (struct jmap_letter_rcpt){
		.address = address, .params = SPAN("")};
}

static bool add_field(struct arena *a, struct jmap_envelope *env, struct span value, size_t max)
{
	struct mime_address_list list;

	if (!value.len)
		return true;
	mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count; i++) {
		struct span spec;

		if (list.items[i].kind != MIME_MAILBOX)
			continue;
		spec = mime_address_spec(a, &list.items[i]);
		if (!is_address(spec) || env->rcpt_count == max)
			return false;
		add_rcpt(env, spec);
	}
	return true;
}

/* The one address of From or Sender; "" none at all. */
static bool author(struct arena *a, struct span value, unsigned fields, struct span *address_r)
{
	struct mime_address_list list;

	*address_r = SPAN("");
	if (!fields)
		return true;
	mime_address_parse(a, value, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count && !address_r->len; i++)
		if (list.items[i].kind == MIME_MAILBOX)
			*address_r = mime_address_spec(a, &list.items[i]);
	return fields == 1 && list.mailboxes == 1 && is_address(*address_r);
}

bool jmap_envelope_of(struct arena *a, const struct jmap_sent *m, struct jmap_envelope *env,
	struct jmap_set_error *why_r)
{
	*env = (struct jmap_envelope){.params = SPAN("")};
	env->rcpts = ARENA_ARRAY(a, struct jmap_letter_rcpt, JMAP_RECIPIENTS_MAX + 2);
	if (m->sender_count) {
		if (!author(a, m->sender, m->sender_count, &env->mail_from))
			return invalid(a, why_r, "sender");
	} else if (!author(a, m->from, m->from_count, &env->mail_from)) {
		return invalid(a, why_r, "from");
	}
	/* one more than may be: it is told as too many */
	if (!add_field(a, env, m->to, JMAP_RECIPIENTS_MAX + 1))
		return env->rcpt_count > JMAP_RECIPIENTS_MAX || invalid(a, why_r, "to");
	if (!add_field(a, env, m->cc, JMAP_RECIPIENTS_MAX + 1))
		return env->rcpt_count > JMAP_RECIPIENTS_MAX || invalid(a, why_r, "cc");
	if (!add_field(a, env, m->bcc, JMAP_RECIPIENTS_MAX + 1))
		return env->rcpt_count > JMAP_RECIPIENTS_MAX || invalid(a, why_r, "bcc");
	return true;
}

struct span jmap_envelope_json(
	struct arena *a, const struct jmap_envelope *env, const struct json_in *told)
{
	struct buf *b = arena_buf(a, JMAP_PLAIN_MAX);
	struct json_out j;

	if (told) {
		json_in_put(b, told);
		return buf_span(b);
	}
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "mailFrom");
	json_open_object(&j);
	json_kv_span(&j, "email", env->mail_from);
	json_key(&j, "parameters");
	json_null(&j);
	json_close(&j);
	json_key(&j, "rcptTo");
	json_open_array(&j);
	for (size_t i = 0; i < env->rcpt_count; i++) {
		json_open_object(&j);
		json_kv_span(&j, "email", env->rcpts[i].address);
		json_key(&j, "parameters");
		json_null(&j);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	return buf_span(b);
}
