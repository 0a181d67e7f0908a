#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "store/directory.h"
#include "services/acme/acme_priv.h"
#include "services/fetch/fetch.h"

#define TYPE_FRONT "urn:ietf:params:acme:error:"
#define JOSE_TYPE  "Content-Type: application/jose+json" /* section 6.2 */

FIBER int acme_say(struct acme_talk *t, struct err *e, const char *fmt, ...)
{
	struct err why = {0};
	struct buf b;
	va_list ap;

	buf_init(&b, ACME_STEP_MAX);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	log_event(t->acme->opts.log, LOG_DEBUG, "acme.step", LF("text", buf_span(&b)));
	/* Who asked may go: what the authority is at goes on, and has not failed. */
	if (t->step && t->step(t->step_arg, buf_cstr(&b), &why) < 0)
		t->step = NULL;
	buf_fini(&b);
	return why.code == ERR_CANCELLED ? err_copy(e, &why) : 0;
}

/* ---- waiting ---- */

/* RFC 9110 section 10.2.3: seconds, or a date. */
static int64_t retry_after(struct span text)
{
	struct tm tm = {0};
	uint64_t seconds;
	int64_t ns = 0, left;

	if (span_u64_max(text, ACME_WAITS_MAX / CLOCK_SEC, &seconds)) {
		ns = (int64_t)seconds * CLOCK_SEC;
	} else if (text.len && text.len < 64) {
		struct buf b;

		buf_init(&b, 64);
		buf_span_put(&b, text);
		if (strptime(buf_cstr(&b), "%a, %d %b %Y %H:%M:%S GMT", &tm)) {
			/* of any year: more than nanoseconds count */
			left = (int64_t)timegm(&tm) - loop_wall_ns() / CLOCK_SEC;
			ns = left < 0                               ? 0
				: left > ACME_WAITS_MAX / CLOCK_SEC ? ACME_WAITS_MAX
								    : left * CLOCK_SEC;
		}
		buf_fini(&b);
	}
	return ns < 0 ? 0 : ns > ACME_WAITS_MAX ? ACME_WAITS_MAX : ns;
}

FIBER int acme_wait(const struct acme_reply *r, unsigned *tries, int64_t deadline_ns, struct err *e)
{
	int64_t ns = r->retry_ns ? r->retry_ns : (int64_t)++ * tries * ACME_WAIT_NS / 2;

	if (ns > ACME_WAIT_MAX_NS)
		ns = ACME_WAIT_MAX_NS;
	if (loop_now_ns() + ns > deadline_ns)
		return err_set(e, ERR_TIMEOUT, "the authority does not decide in time");
	return fiber_sleep(ns, e);
}

/* ---- what went wrong ---- */

/* type, what can be done about it */
static const struct {
	const char *type, *hint;
} hints[] = {
	{"connection", "port 80 (http-01) or 443 (tls-alpn-01) of that name must lead here"},
	{"dns", "publish an address (A, AAAA) of that name, and see that its DNS answers"},
	{"unauthorized", "somebody else answers there, or a proxy does not pass this on"},
	{"incorrectResponse", "somebody else answers there, or a proxy does not pass this on"},
	{"tls", "port 443 of that name must lead to a TLS listener of this server"},
	{"caa", "a CAA record of the domain does not name this authority: publish one that does"},
	{"rejectedIdentifier", "this authority gives no certificates for that name"},
	{"unsupportedIdentifier", "this authority gives no certificates for that name"},
	{"rateLimited", "wait, and ask less often"},
	{"externalAccountRequired",
		"set eab_kid and eab_key in the section acme as the authority gave them"},
	{"invalidContact", "set email in the section acme to an address that works"},
	{"unsupportedContact", "set email in the section acme to an address that works"},
	{"userActionRequired",
		"read the authority's new terms; yizhan cert request agrees to them"},
	{"accountDoesNotExist", "yizhan cert request --new-account makes another account"},
};

static const char *hint_of(struct span type)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (span_eq(type, span_str(hints[i].type)))
			return hints[i].hint;
	return NULL;
}

/* What an authority says is shown on terminals: nothing in it may steer one. */
static const char *harmless(struct acme_talk *t, const char *text)
{
	char *clean = arena_str(t->a, span_str(text));

	for (char *p = clean; *p; p++) {
		unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];

		/* C0, DEL, and C1 in UTF-8 */
		if (c < ' ' || c == 0x7f)
			*p = ' ';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			p[0] = p[1] = ' ';
	}
	return clean;
}

int acme_problem(struct acme_talk *t, const struct acme_doc *problem, struct err *e)
{
	struct span type = span_str(acme_doc_text(problem, "type"));
	const struct acme_doc *subs = acme_doc_get(problem, "subproblems");
	struct buf *b = arena_buf(t->a, ACME_STEP_MAX);
	const char *hint;

	if (span_starts(type, SPAN(TYPE_FRONT)))
		type = span_skip(type, strlen(TYPE_FRONT));
	t->problem = harmless(t, arena_str(t->a, type));
	type = span_str(t->problem);
	hint = hint_of(type);
	/* section 6.7.1: each with the name it is about */
	for (size_t i = 0; i < acme_doc_count(subs) && i < ACME_NAMES_MAX; i++) {
		const struct acme_doc *sub = acme_doc_at(subs, i);

		buf_printf(b, "; %s: %s",
			harmless(t, acme_doc_text(acme_doc_get(sub, "identifier"), "value")),
			harmless(t, acme_doc_text(sub, "detail")));
	}
	return err_set(e, ERR_REPLY, "the authority says (" SPAN_FMT "): %.120s%.60s%s%s",
		SPAN_ARG(span_sub(type, 0, 40)), harmless(t, acme_doc_text(problem, "detail")),
		buf_cstr(b), hint ? ". To do: " : "", hint ? hint : "");
}

static int bad_reply(
	struct acme_talk *t, const struct acme_reply *r, const char *url, struct err *e)
{
	if (r->doc && acme_doc_text(r->doc, "type")[0])
		return acme_problem(t, r->doc, e);
	t->problem = "";
	return err_set(e, ERR_REPLY, "the authority answers %ld to %s", r->status, url);
}

/* ---- requests ---- */

static void base_request(struct acme_talk *t, const char *url, struct fetch_request *r)
{
	*r = (struct fetch_request){.lane = t->acme->lane,
		.dns = t->acme->dns,
		.url = url,
		.body_max = ACME_BODY_MAX,
		.ca_file = t->plan->s.ca_file[0] ? t->plan->s.ca_file : NULL};
}

static void take_reply(
	struct acme_talk *t, const struct fetch_answer *answer, struct acme_reply *reply_r)
{
	struct span nonce = fetch_field(answer, "Replay-Nonce");

	/* section 6.5.1: what is no base64url is no nonce */
	t->nonce = NULL;
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.ptr[i] <= ' ' || nonce.ptr[i] == '"' || nonce.ptr[i] >= 0x7f)
			nonce = SPAN_NONE;
	if (nonce.len)
		t->nonce = arena_str(t->a, nonce);
	reply_r->status = answer->status;
	reply_r->location = arena_str(t->a, fetch_field(answer, "Location"));
	reply_r->retry_ns = retry_after(fetch_field(answer, "Retry-After"));
	reply_r->body = answer->body;
	reply_r->doc = acme_doc(t->a, answer->body);
}

static FIBER int ask(
	struct acme_talk *t, struct fetch_request *r, struct acme_reply *reply_r, struct err *e)
{
	struct fetch_answer answer;

	*reply_r = (struct acme_reply){.location = ""};
	t->problem = "";
	if (fetch_run(r, t->a, &answer, e) < 0) {
		if (answer.is_untrusted)
			return err_wrap(e,
				"the certificate of the authority's own server (%s) does not hold; "
				"ca_file in the section acme can name who signed it",
				r->url);
		return err_wrap(e, "asking %s", r->url);
	}
	take_reply(t, &answer, reply_r);
	t->retry_ns = answer.status == 429 || answer.status == 503 ? reply_r->retry_ns : 0;
	return 0;
}

/* Section 7.2. */
static FIBER int need_nonce(struct acme_talk *t, struct err *e)
{
	struct fetch_request r;
	struct acme_reply reply;

	if (t->nonce)
		return 0;
	base_request(t, t->new_nonce, &r);
	r.method = "HEAD";
	if (ask(t, &r, &reply, e) < 0)
		return -1;
	return t->nonce ? 0 : err_set(e, ERR_PROTO, "%s gives no nonce", t->new_nonce);
}

static FIBER int post_once(struct acme_talk *t, const char *url, struct span payload,
	struct acme_reply *reply_r, struct err *e)
{
	static const char *const fields[] = {JOSE_TYPE};
	struct acme_sign sign = {.key = t->key, .kid = t->kid, .url = url, .payload = payload};
	struct fetch_request r;
	struct buf *body = arena_buf(t->a, ACME_BODY_MAX);

	if (need_nonce(t, e) < 0)
		return -1;
	sign.nonce = t->nonce;
	t->nonce = NULL; /* good for one request */
	if (acme_put_jws(body, &sign, e) < 0)
		return -1;
	base_request(t, url, &r);
	r.body = buf_span(body);
	r.fields = fields;
	r.field_count = 1;
	return ask(t, &r, reply_r, e);
}

FIBER int acme_post(struct acme_talk *t, const char *url, struct span payload,
	struct acme_reply *reply_r, struct err *e)
{
	/* Foreign text that becomes an address: where it leads is the authority's own business, that
	 * it is one is ours. */
	if (strlen(url) > ACME_URL_MAX || span_has_line_break(span_str(url)))
		return err_set(e, ERR_PROTO, "the authority names no address");
	for (int i = 0; i < ACME_NONCE_TRIES; i++) {
		if (post_once(t, url, payload, reply_r, e) < 0)
			return -1;
		if (reply_r->status < 400)
			return 0;
		bad_reply(t, reply_r, url, e);
		/* section 6.5: try again with the nonce that came with the refusal */
		if (strcmp(t->problem, "badNonce") != 0)
			return -1;
	}
	return -1;
}

/* ---- the directory (section 7.1.1) ---- */

static FIBER int read_directory(struct acme_talk *t, struct err *e)
{
	const char *url = t->plan->s.directory;
	const struct acme_doc *meta;
	struct fetch_request r;
	struct acme_reply reply;

	base_request(t, url, &r);
	if (ask(t, &r, &reply, e) < 0)
		return -1;
	if (reply.status != 200)
		return bad_reply(t, &reply, url, e);
	t->new_nonce = acme_doc_text(reply.doc, "newNonce");
	t->new_account = acme_doc_text(reply.doc, "newAccount");
	t->new_order = acme_doc_text(reply.doc, "newOrder");
	meta = acme_doc_get(reply.doc, "meta");
	t->terms = acme_doc_text(meta, "termsOfService");
	t->is_eab_wanted = acme_doc_is(meta, "externalAccountRequired");
	if (!t->new_nonce[0] || !t->new_account[0] || !t->new_order[0])
		return err_set(e, ERR_PROTO, "%s is no directory of RFC 8555", url);
	return acme_say(t, e, "the authority is there: %s", url);
}

/* ---- the account (section 7.3) ---- */

/* The row of settings: address of the account (or an empty line), contact, key. One for each authority. */
static const char *account_row(struct acme_talk *t)
{
	static const struct hash_key same = {0, 0};

	return arena_printf(t->a, "acme.account.%016llx",
		(unsigned long long)hash_bytes(&same, span_str(t->plan->s.directory)));
}

static FIBER int save_account(struct acme_talk *t, const char *kid, struct err *e)
{
	struct span pem, row;

	if (acme_key_put(t->a, t->key, &pem, e) < 0)
		return -1;
	row = span_str(
		arena_printf(t->a, "%s\n%s\n" SPAN_FMT, kid, t->plan->s.email, SPAN_ARG(pem)));
	secret_guard(t->a, row);
	return directory_setting_set(t->acme->opts.store, span_str(account_row(t)), row, e);
}

/* 0 and t->key when there is one; t->kid when it is known to the authority. */
static FIBER int find_account(struct acme_talk *t, struct span *contact_r, struct err *e)
{
	struct span row, kid;
	struct err why = {0};

	*contact_r = SPAN_NONE;
	if (t->is_new_account)
		return 0;
	if (directory_setting(t->acme->opts.store, t->a, span_str(account_row(t)), &row, &why) < 0)
		return why.code == ERR_NOT_FOUND ? 0 : err_copy(e, &why);
	secret_guard(t->a, row);
	span_cut(row, '\n', &kid, &row);
	span_cut(row, '\n', contact_r, &row);
	t->key = acme_key_read(row, e);
	if (!t->key)
		return err_wrap(e, "the key of the account");
	t->kid = kid.len && !t->is_forgotten ? arena_str(t->a, kid) : NULL;
	return 0;
}

static void put_contact(struct acme_talk *t, struct json_out *j)
{
	json_key(j, "contact");
	json_open_array(j);
	if (t->plan->s.email[0])
		json_str(j, arena_printf(t->a, "mailto:%s", t->plan->s.email));
	json_close(j);
}

/* Section 7.3.4: the authority's customer key signs our public one. */
static int put_binding(struct acme_talk *t, struct json_out *j, struct err *e)
{
	const struct acme_settings *s = &t->plan->s;
	struct acme_sign sign = {.kid = s->eab_kid, .url = t->new_account};
	struct buf *mac = arena_buf(t->a, 1024), *jwk = arena_buf(t->a, 8192),
		   *jws = arena_buf(t->a, 16384);

	if (!s->eab_kid[0] && !t->is_eab_wanted)
		return 0;
	if (!s->eab_kid[0])
		return err_set(e, ERR_CONFIG,
			"this authority takes customers of its own only: set eab_kid and eab_key in the "
			"section acme as it gave them");
	if (!acme_get_b64(mac, span_str(s->eab_key)) || !buf_len(mac))
		return err_set(e, ERR_CONFIG, "acme: eab_key is no base64url");
	sign.mac = buf_span(mac);
	secret_guard(t->a, sign.mac);
	if (acme_put_jwk(jwk, t->key, e) < 0)
		return -1;
	sign.payload = buf_span(jwk);
	if (acme_put_jws(jws, &sign, e) < 0)
		return -1;
	json_key(j, "externalAccountBinding");
	json_raw(j, buf_span(jws));
	return 0;
}

static FIBER int register_account(struct acme_talk *t, struct err *e)
{
	struct buf *b = arena_buf(t->a, 65536);
	struct acme_reply reply;
	struct json_out j;

	if (!t->plan->s.is_agreed)
		return err_set(e, ERR_CONFIG,
			"acme: agree = yes is needed: the authority's terms of service are %s",
			t->terms[0] ? t->terms : "not published");
	/* The key is ours before the authority knows it: a crash here costs nothing. */
	if (!t->key && (!(t->key = acme_key_new(e)) || save_account(t, "", e) < 0))
		return -1;
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_bool(&j, "termsOfServiceAgreed", true);
	put_contact(t, &j);
	if (put_binding(t, &j, e) < 0)
		return -1;
	json_close(&j);
	if (acme_post(t, t->new_account, buf_span(b), &reply, e) < 0)
		return err_wrap(e, "making an account");
	if (!reply.location[0])
		return err_set(e, ERR_PROTO, "the authority gives the account no address");
	t->kid = reply.location;
	if (save_account(t, t->kid, e) < 0)
		return -1;
	log_event(t->acme->opts.log, LOG_INFO, "acme.account",
		LF_STR("directory", t->plan->s.directory), LF_STR("account", t->kid));
	return acme_say(t, e, "the account is %s", t->kid);
}

static FIBER int change_contact(struct acme_talk *t, struct err *e)
{
	struct buf *b = arena_buf(t->a, 4096);
	struct acme_reply reply;
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	put_contact(t, &j);
	json_close(&j);
	if (acme_post(t, t->kid, buf_span(b), &reply, e) < 0)
		return err_wrap(e, "telling the authority the new e-mail address");
	return save_account(t, t->kid, e);
}

FIBER int acme_talk_begin(struct acme_talk *t, struct err *e)
{
	struct span contact;

	t->key = NULL;
	t->kid = t->nonce = NULL;
	t->problem = "";
	if (read_directory(t, e) < 0 || find_account(t, &contact, e) < 0)
		return -1;
	if (!t->kid)
		return register_account(t, e);
	if (!span_eq(contact, span_str(t->plan->s.email)) && change_contact(t, e) < 0)
		return -1;
	return 0;
}

void acme_talk_end(struct acme_talk *t)
{
	EVP_PKEY_free(t->key);
	t->key = NULL;
}
