#include "base/enc.h"
#include "base/must.h"
#include "base/secret.h"
#include "proto/imap/imap_client_priv.h"
#include "proto/sasl/sasl_client.h"

/* From the greeting to the login, and the names behind it. */

FIBER int imap_client_capability(struct imap_client *c, struct err *e)
{
	struct imap_say words[] = {IMAP_RAW("CAPABILITY")};

	buf_clear(&c->caps);
	return imap_client_do(c, words, 1, NULL, e);
}

FIBER int imap_client_greet(struct imap_client *c, struct err *e)
{
	struct imap_response r;
	int64_t answer_ns = c->opts.answer_ns;

	c->opts.answer_ns = c->opts.greeting_ns;
	int rc = imap_client_read(c, &r, e);
	c->opts.answer_ns = answer_ns;
	if (rc < 0)
		return -1;
	if (imap_client_is_reply(c, &r, &rc, e)) /* BYE */
		return imap_client_lost(c, e);
	if (!span_eq(r.tag, SPAN("*")) || (r.said != IMAP_SAID_OK && r.said != IMAP_SAID_PREAUTH)) {
		err_set(e, ERR_PROTO, "no greeting of IMAP");
		return imap_client_lost(c, e);
	}
	c->is_logged_in = r.said == IMAP_SAID_PREAUTH;
	return buf_len(&c->caps) ? 0 : imap_client_capability(c, e);
}

FIBER int imap_client_starttls(struct imap_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e)
{
	struct imap_say words[] = {IMAP_RAW("STARTTLS")};

	/* RFC 9051 section 6.2.1; behind PREAUTH it cannot be had, and somebody may have put that there */
	if (c->is_logged_in || !imap_client_has(c, "STARTTLS"))
		return err_set(e, ERR_UNSUPPORTED, "the server offers no STARTTLS");
	if (imap_client_do(c, words, 1, NULL, e) < 0)
		return -1;
	if (tls_connect(c->stream, tls, name, is_verify, e) < 0)
		return imap_client_lost(c, e);
	return imap_client_capability(c, e); /* what was said in clear is forgotten */
}

/* ---- login ---- */

static FIBER int send_base64(struct imap_client *c, struct span octets, struct err *e)
{
	struct buf b;

	buf_init(&b, SASL_RESPONSE_MAX * 2);
	buf_reserve(&b, octets.len * 4 / 3 + 8);
	enc_put_base64(&b, octets);
	buf_str(&b, "\r\n");
	stream_put(c->stream, buf_span(&b));
	secret_wipe(b.mem, b.cap);
	buf_fini(&b);
	return 0;
}

/* One answer to a "+"; *is_begun: the initial response has gone. -1: given up, and the server was told. */
static FIBER int answer(struct imap_client *c, struct sasl_client *sasl, struct span text,
	bool *is_first, struct err *e)
{
	struct buf challenge, out;
	int rc = 0;

	buf_init(&challenge, SASL_RESPONSE_MAX);
	buf_init(&out, SASL_RESPONSE_MAX);
	if (!*is_first && !enc_get_base64(&challenge, text))
		rc = err_set(e, ERR_PROTO, "a challenge that is not base64");
	if (rc == 0)
		rc = sasl_client_step(sasl,
			*is_first ? SPAN_NONE
				  : span_of(buf_len(&challenge) ? buf_span(&challenge).ptr : "",
					    buf_len(&challenge)),
			&out, e);
	*is_first = false;
	if (rc == 0)
		send_base64(c, buf_span(&out), e);
	else
		stream_put(c->stream, SPAN("*\r\n"));
	if (out.mem)
		secret_wipe(out.mem, out.cap);
	buf_fini(&challenge);
	buf_fini(&out);
	return rc;
}

static FIBER int exchange(
	struct imap_client *c, struct sasl_client *sasl, bool is_first, struct err *e)
{
	struct imap_response r;
	struct err why = {0};
	int rc;

	for (;;) {
		if (imap_client_read(c, &r, e) < 0)
			return -1;
		if (imap_client_is_reply(c, &r, &rc, e))
			break;
		if (span_eq(r.tag, SPAN("+")) && why.code == ERR_NONE)
			answer(c, sasl, r.text, &is_first, &why);
	}
	if (why.code != ERR_NONE)
		return err_copy(e, &why);
	return rc < 0 ? -1 : sasl_client_verify(sasl, e);
}

static FIBER int authenticate(struct imap_client *c, const struct sasl_mech *mech,
	const struct sasl_client_opts *opts, struct err *e)
{
	struct sasl_client *sasl = sasl_client_new(span_str(mech->name), opts, e);
	bool is_first = mech->is_first;
	struct buf first, line;
	int rc;

	if (!sasl)
		return -1;
	buf_init(&first, SASL_RESPONSE_MAX);
	buf_init(&line, SASL_RESPONSE_MAX * 2);
	buf_printf(&line, "AUTHENTICATE %s", mech->name);
	if (is_first && imap_client_has(c, "SASL-IR")) { /* RFC 4959 */
		is_first = false;
		rc = sasl_client_step(sasl, SPAN_NONE, &first, e);
		buf_reserve(&line, buf_len(&first) * 4 / 3 + 8);
		buf_char(&line, ' ');
		if (buf_len(&first))
			enc_put_base64(&line, buf_span(&first));
		else
			buf_char(&line, '=');
	} else {
		rc = 0;
	}
	struct imap_say words[] = {{buf_span(&line), false}};
	if (rc == 0)
		rc = imap_client_say(c, words, 1, e);
	if (first.mem)
		secret_wipe(first.mem, first.cap);
	secret_wipe(line.mem, line.cap);
	secret_wipe(c->out.mem, c->out.cap);
	buf_fini(&first);
	buf_fini(&line);
	if (rc == 0)
		rc = exchange(c, sasl, is_first, e);
	sasl_client_free(&sasl);
	return rc;
}

static FIBER int plain_login(
	struct imap_client *c, const struct imap_client_login *l, struct err *e)
{
	struct imap_say words[] = {IMAP_RAW("LOGIN"), IMAP_STR(l->user), IMAP_STR(l->password)};
	int rc = imap_client_say(c, words, ARRAY_LEN(words), e);

	secret_wipe(c->out.mem, c->out.cap);
	return rc < 0 ? -1 : imap_client_end(c, NULL, e);
}

static void put_offered(const struct imap_client *c, struct buf *b)
{
	struct span rest = buf_span(&c->caps), word;

	while ((word = span_word(&rest)).len) {
		if (!span_starts(word, SPAN("AUTH=")))
			continue;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, span_skip(word, 5));
	}
}

static FIBER int try_login(struct imap_client *c, const struct imap_client_login *l, struct err *e)
{
	bool is_clear = c->stream->tls || l->is_clear_allowed;
	const struct sasl_mech *mech = NULL;
	struct arena *a = arena_new();
	struct buf *offered = arena_buf(a, IMAP_CLIENT_CAPS_MAX);
	struct buf *exporter = arena_buf(a, 256), *unique = arena_buf(a, 256);
	int rc;

	put_offered(c, offered);
	if (c->stream->tls) {
		tls_channel_binding(c->stream, TLS_BINDING_EXPORTER, exporter, NULL);
		tls_channel_binding(c->stream, TLS_BINDING_UNIQUE, unique, NULL);
	}
	struct sasl_client_opts opts = {.user = l->user,
		.password = l->password,
		.token = l->token,
		.service = SPAN("imap"),
		.host = l->host,
		.port = l->port,
		.tls_exporter = buf_span(exporter),
		.tls_unique = buf_span(unique),
		.offered = buf_span(offered),
		.has_tls = c->stream->tls != NULL};
	if (sasl_client_choose(buf_span(offered), SPAN_NONE, is_clear, &opts, &mech, 1))
		rc = authenticate(c, mech, &opts, e);
	else if (l->password.len && is_clear && !imap_client_has(c, "LOGINDISABLED"))
		rc = plain_login(c, l, e);
	else
		rc = err_set(e, ERR_UNSUPPORTED, "the server offers no login that we could use%s",
			is_clear ? "" : " without TLS");
	arena_free(&a);
	return rc;
}

FIBER int imap_client_login(struct imap_client *c, const struct imap_client_login *l, struct err *e)
{
	struct err why = {0};

	if (c->is_logged_in)
		return 0;
	if (try_login(c, l, &why) < 0) {
		if (why.code == ERR_REPLY)
			why.code = ERR_DENIED;
		return err_copy(e, &why);
	}
	c->is_logged_in = true;
	/* RFC 9051 section 6.2.2: what it offers now may be more */
	return imap_client_capability(c, e);
}

/* ---- names ---- */

struct listing {
	struct arena *a;
	struct imap_namespaces spaces; /* as they are on the wire */
	struct imap_client_name *list;
	size_t count, cap;
};

static FIBER int take_namespace(struct imap_client *c, struct imap_response *r, struct err *e)
{
	struct listing *l = c->listing;

	if (!span_eq_nocase(r->name, SPAN("NAMESPACE")) ||
		!imap_namespaces_parse(&r->words, &l->spaces))
		return 0;
	l->spaces.personal = arena_span(l->a, l->spaces.personal);
	for (size_t i = 0; i < l->spaces.foreign_count; i++)
		l->spaces.foreign[i] = arena_span(l->a, l->spaces.foreign[i]);
	return 0;
}

/* The name without the namespace's prefix, its levels parted by '/'. A '/' within a level, where another
 * octet parts them, becomes '_'. */
static struct span plain_name(struct listing *l, const struct imap_listed *from)
{
	struct span name = from->name, prefix = l->spaces.personal;
	char *to;

	if (prefix.len && span_starts(name, prefix) && name.len > prefix.len)
		name = span_skip(name, prefix.len);
	to = arena_str(l->a, name);
	for (size_t i = 0; from->separator && from->separator != '/' && i < name.len; i++)
		to[i] = (char)(to[i] == '/' ? '_' : to[i] == from->separator ? '/' : to[i]);
	if (span_eq_nocase(name, SPAN("INBOX")))
		return SPAN("INBOX");
	return span_of(to, name.len);
}

/* Other people's mailboxes, and shared ones: "Public/…", and "Public" itself. */
static bool is_foreign(const struct listing *l, struct span wire, char separator)
{
	for (size_t i = 0; i < l->spaces.foreign_count; i++) {
		struct span prefix = l->spaces.foreign[i];

		if (span_starts(wire, prefix))
			return true;
		if (separator && prefix.len && prefix.ptr[prefix.len - 1] == separator &&
			span_eq(wire, span_sub(prefix, 0, prefix.len - 1)))
			return true;
	}
	return false;
}

static FIBER int take_list(struct imap_client *c, struct imap_response *r, struct err *e)
{
	struct listing *l = c->listing;
	struct imap_listed from;

	if (!span_eq_nocase(r->name, SPAN("LIST")))
		return 0;
	if (imap_listed_parse(&r->words, c->is_utf8, &from, e) < 0)
		return -1;
	if (is_foreign(l, from.wire, from.separator))
		return 0;
	if (l->count == IMAP_CLIENT_NAMES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d mailboxes", IMAP_CLIENT_NAMES_MAX);
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct imap_client_name *more = ARENA_ARRAY(l->a, struct imap_client_name, cap);

		for (size_t i = 0; i < l->count; i++)
			more[i] = l->list[i];
		l->list = more;
		l->cap = cap;
	}
	l->list[l->count++] = (struct imap_client_name){.wire = arena_span(l->a, from.wire),
		.name = plain_name(l, &from),
		.use = from.use,
		.is_noselect = from.is_noselect};
	return 0;
}

FIBER int imap_client_list(struct imap_client *c, struct arena *a, struct imap_client_name **list_r,
	size_t *count_r, struct err *e)
{
	struct imap_say namespace[] = {IMAP_RAW("NAMESPACE")};
	struct listing l = {.a = a};
	bool is_use = imap_client_has(c, "SPECIAL-USE") && imap_client_has(c, "LIST-EXTENDED");
	int rc = 0;

	c->listing = &l;
	if (imap_client_has(c, "NAMESPACE"))
		rc = imap_client_do(c, namespace, 1, take_namespace, e);
	struct buf *pattern = arena_buf(a, l.spaces.personal.len + 8);
	buf_span_put(pattern, l.spaces.personal);
	buf_char(pattern, '*');
	struct imap_say list[] = {IMAP_RAW("LIST"), IMAP_STR(SPAN("")), IMAP_STR(buf_span(pattern)),
		IMAP_RAW("RETURN (SPECIAL-USE)")};
	struct imap_say inbox[] = {IMAP_RAW("LIST"), IMAP_STR(SPAN("")), IMAP_STR(SPAN("INBOX"))};
	if (rc == 0)
		rc = imap_client_do(c, list, is_use ? 4 : 3, take_list, e);
	/* "INBOX.*" does not name INBOX itself */
	if (rc == 0 && l.spaces.personal.len)
		rc = imap_client_do(c, inbox, ARRAY_LEN(inbox), take_list, e);
	c->listing = NULL;
	*list_r = l.list;
	*count_r = l.count;
	return rc;
}
