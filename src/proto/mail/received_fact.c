#include "proto/mail/received_priv.h"

#include <string.h>

#include "base/must.h"
#include "proto/mail/mime_lex.h"

/* What stations write in comments: there is no grammar, so words are taken for what they look like.
 * Examples are in tests/unit/proto/mail/test_received.c, by the name of the program that writes so. */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_number(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.ptr[i]))
			return false;
	return s.len > 0;
}

bool received_is_cipher(struct span w)
{
	static const char *const heads[] = {"TLS_", "TLS13_", "ECDHE", "DHE", "EDH", "AES", "RSA",
		"DES-", "RC4", "ADH", "AECDH", "CAMELLIA", "CHACHA", "PSK", "NULL-", "EXP"};

	if (w.len < 6 || (span_find(w, '-') < 0 && span_find(w, '_') < 0))
		return false;
	for (size_t i = 0; i < w.len; i++)
		if (!(mime_is_token(w.ptr[i]) || w.ptr[i] == '/'))
			return false;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (span_starts_nocase(w, span_str(heads[i])))
			return true;
	return false;
}

/* "TLSv1.3", "TLS1_3", "TLS1.2", "TLS13", "SSLv3": the version in one form. What stands behind a
 * colon or a slash is in *rest_r. */
static bool take_version(
	struct arena *a, struct span w, struct span *version_r, struct span *rest_r)
{
	struct span head = w, tail = SPAN_NONE;
	char major, minor = 0;

	for (size_t i = 0; i < w.len; i++) {
		if (w.ptr[i] != ':' && w.ptr[i] != '/')
			continue;
		head = span_sub(w, 0, i);
		tail = span_skip(w, i + 1);
		break;
	}
	bool is_ssl = span_starts_nocase(head, SPAN("SSL"));

	if (!is_ssl && !span_starts_nocase(head, SPAN("TLS")))
		return false;
	head = span_skip(head, 3);
	if (head.len && (head.ptr[0] == 'v' || head.ptr[0] == 'V'))
		head = span_skip(head, 1);
	if (!head.len || !is_digit(head.ptr[0]))
		return false;
	major = head.ptr[0];
	head = span_skip(head, 1);
	if (head.len > 1 && (head.ptr[0] == '.' || head.ptr[0] == '_' || head.ptr[0] == '-'))
		head = span_skip(head, 1);
	if (head.len && is_digit(head.ptr[0])) {
		minor = head.ptr[0];
		head = span_skip(head, 1);
	}
	if (head.len)
		return false;
	*version_r = span_str(minor && (is_ssl || major != '1' || minor != '0')
			? arena_printf(a, "%sv%c.%c", is_ssl ? "SSL" : "TLS", major, minor)
			: arena_printf(a, "%sv%c", is_ssl ? "SSL" : "TLS", major));
	*rest_r = tail;
	return true;
}

static void set_cipher(struct received *r, struct span w)
{
	if (!r->tls_cipher.len)
		r->tls_cipher = w;
	r->tls = RECEIVED_TLS_YES;
}

static void set_bits(struct received *r, struct span w)
{
	uint64_t n;
	struct span used, of;

	span_cut(w, '/', &used, &of);
	if (!r->tls_bits && span_u64_max(used, 100000, &n))
		r->tls_bits = (unsigned)n;
}

static struct span without_angles(struct span s)
{
	if (s.len >= 2 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
		return span_sub(s, 1, s.len - 2);
	return s;
}

static void set_login(struct received *r, struct span w)
{
	if (!r->login.len)
		r->login = without_angles(w);
}

/* The word is what the one before asked for. */
static void take_wanted(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct received *r = rd->r;
	enum received_want want = f->want;
	struct span rest;

	f->want = RECEIVED_WANT_NONE;
	f->is_known = true;
	if (want == RECEIVED_WANT_HELO) {
		r->helo = w;
		rd->has_helo = true;
	} else if (want == RECEIVED_WANT_VERSION) {
		if (take_version(rd->a, w, &r->tls_version, &rest))
			r->tls = RECEIVED_TLS_YES;
	} else if (want == RECEIVED_WANT_CIPHER) {
		set_cipher(r, w);
	} else if (want == RECEIVED_WANT_BITS) {
		set_bits(r, w);
	} else if (want == RECEIVED_WANT_LOGIN) {
		set_login(r, w);
	} else if (want == RECEIVED_WANT_MECHANISM) {
		f->want = RECEIVED_WANT_LOGIN;
	} else if (want == RECEIVED_WANT_SENDER) {
		r->sender = w;
	} else if (want == RECEIVED_WANT_UID) {
		set_login(r, span_str(arena_printf(rd->a, "uid " SPAN_FMT, SPAN_ARG(w))));
	} else if (want == RECEIVED_WANT_PROTOCOL) {
		received_protocol(r, w);
	}
}

enum form { BARE = 1, VALUE = 2 }; /* "cipher X"; "cipher=X" and "cipher: X" */

static const struct {
	const char *name;
	enum received_want want;
	unsigned forms;
} keys[] = {
	{"helo", RECEIVED_WANT_HELO, BARE | VALUE},
	{"ehlo", RECEIVED_WANT_HELO, BARE | VALUE},
	{"lhlo", RECEIVED_WANT_HELO, BARE | VALUE},
	{"version", RECEIVED_WANT_VERSION, VALUE},
	{"cipher", RECEIVED_WANT_CIPHER, BARE | VALUE},
	{"bits", RECEIVED_WANT_BITS, VALUE},
	{"username", RECEIVED_WANT_LOGIN, BARE | VALUE},
	{"user", RECEIVED_WANT_LOGIN, VALUE},
	{"account", RECEIVED_WANT_LOGIN, BARE | VALUE},
	{"authid", RECEIVED_WANT_LOGIN, VALUE},
	{"authenticated-user", RECEIVED_WANT_LOGIN, VALUE},
	{"authenticated-sender", RECEIVED_WANT_LOGIN, VALUE},
	{"auth", RECEIVED_WANT_MECHANISM, VALUE},
	{"mechanism", RECEIVED_WANT_SKIP, BARE | VALUE},
	{"verify", RECEIVED_WANT_SKIP, VALUE},
	{"port", RECEIVED_WANT_SKIP, VALUE},
	{"envelope-from", RECEIVED_WANT_SENDER, BARE | VALUE},
	{"envelope-sender", RECEIVED_WANT_SENDER, BARE | VALUE},
	{"return-path", RECEIVED_WANT_SENDER, BARE | VALUE},
	{"userid", RECEIVED_WANT_UID, BARE | VALUE},
	{"uid", RECEIVED_WANT_UID, BARE | VALUE},
};

static bool take_key(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct span name = w, value = SPAN_NONE;
	unsigned form = BARE;
	size_t i = 0;

	while (i < w.len && w.ptr[i] != '=' && w.ptr[i] != ':')
		i++;
	if (i && i < w.len) {
		name = span_sub(w, 0, i);
		value = span_skip(w, i + 1);
		form = VALUE;
	}
	for (i = 0; i < ARRAY_LEN(keys); i++)
		if ((keys[i].forms & form) && span_eq_nocase(name, span_str(keys[i].name)))
			break;
	if (i == ARRAY_LEN(keys))
		return false;
	f->is_known = true;
	f->want = keys[i].want;
	if (span_starts_nocase(name, SPAN("auth")) || keys[i].want == RECEIVED_WANT_MECHANISM ||
		span_eq_nocase(name, SPAN("account")) || span_eq_nocase(name, SPAN("username")))
		rd->r->is_auth |= !span_eq_nocase(value, SPAN("no"));
	if (keys[i].want == RECEIVED_WANT_UID)
		f->is_local = true;
	if (value.len) {
		take_wanted(rd, f, value);
		/* "auth=yes" has no login behind it; "AUTH: LOGIN alice" does */
		if (keys[i].want == RECEIVED_WANT_MECHANISM)
			f->want = RECEIVED_WANT_NONE;
	}
	return true;
}

/* Words that mean something by themselves. */
static bool take_word(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct received *r = rd->r;

	if (span_eq_nocase(w, SPAN("TLS")) || span_eq_nocase(w, SPAN("SSL")) ||
		span_eq_nocase(w, SPAN("TLS:")) || span_eq_nocase(w, SPAN("encrypted"))) {
		r->tls = RECEIVED_TLS_YES;
	} else if (span_eq_nocase(w, SPAN("authenticated")) ||
		span_eq_nocase(w, SPAN("smtp-auth")) || span_eq_nocase(w, SPAN("authenticated:"))) {
		r->is_auth = true;
		f->is_after_auth = true;
	} else if (f->is_after_auth &&
		(span_eq_nocase(w, SPAN("sender:")) || span_eq_nocase(w, SPAN("user:")) ||
			span_eq_nocase(w, SPAN("as")) || span_eq_nocase(w, SPAN("id")))) {
		f->want = RECEIVED_WANT_LOGIN;
	} else if (span_eq_nocase(w, SPAN("bits"))) {
		set_bits(r, f->number);
	} else if (span_eq_nocase(w, SPAN("forged")) || span_eq_nocase(w, SPAN("unverified"))) {
		r->is_reverse_doubtful = true;
	} else if (span_eq_nocase(w, SPAN("invoked"))) {
		f->is_local = true;
	} else if (span_eq_nocase(w, SPAN("via")) && !f->count) {
		f->want = RECEIVED_WANT_PROTOCOL;
	} else if (span_eq_nocase(w, SPAN("unix")) || span_starts_nocase(w, SPAN("[unix"))) {
		r->is_unix = true;
	} else {
		return false;
	}
	f->is_known = true;
	return true;
}

static bool take_tls(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct received *r = rd->r;
	struct span version, rest, piece;

	if (take_version(rd->a, w, &version, &rest)) {
		r->tls = RECEIVED_TLS_YES;
		if (!r->tls_version.len)
			r->tls_version = version;
		while (rest.len) { /* "TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO" */
			span_cut(rest, ':', &piece, &rest);
			if (is_number(piece))
				set_bits(r, piece);
			else if (received_is_cipher(piece))
				set_cipher(r, piece);
		}
	} else if (received_is_cipher(w)) {
		set_cipher(r, w);
	} else if (w.len > 4 && span_ends_nocase(w, SPAN("bits")) && is_digit(w.ptr[0])) {
		set_bits(r, span_sub(w, 0, w.len - 4));
	} else {
		return false;
	}
	f->is_known = true;
	return true;
}

/* An address, perhaps with a user in front: "alice@192.0.2.1". In the comments behind "from" also
 * without brackets; elsewhere "4.96.0.1" may well be a version. */
static bool take_ip(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct received *r = rd->r;
	struct received_ip ip;
	ptrdiff_t at = span_rfind(w, '@');
	struct span host = at < 0 ? w : span_skip(w, (size_t)at + 1);
	struct received_ip *to = rd->clause == RECEIVED_IN_BY ? &r->by_ip : &r->from_ip;

	if (rd->clause != RECEIVED_IN_FROM && rd->clause != RECEIVED_IN_BY)
		return false;
	if (!host.len || (host.ptr[0] != '[' && rd->clause == RECEIVED_IN_BY))
		return false;
	if (!received_ip(rd->a, host, &ip))
		return false;
	if (at > 0 && rd->clause == RECEIVED_IN_FROM)
		set_login(r, span_sub(w, 0, (size_t)at));
	if (!to->bits)
		*to = ip;
	f->has_ip = f->is_known = true;
	return true;
}

void received_fact(struct received_reader *rd, struct received_facts *f, struct span w)
{
	struct span used, of;

	if (++rd->looked > RECEIVED_WORDS_MAX || !w.len)
		return;
	if (f->want)
		take_wanted(rd, f, w);
	else if (!take_key(rd, f, w) && !take_ip(rd, f, w) && !take_tls(rd, f, w) &&
		!take_word(rd, f, w)) {
		span_cut(w, '/', &used, &of);
		if (is_number(used))
			f->number = w;
		if (!f->first.len && !f->count)
			f->first = w;
	}
	f->count++;
}

/* Words end at blanks, commas, semicolons and brackets; "[…]" and "<…>" stay whole. */
static struct span next_word(struct span *s)
{
	size_t i = 0, n;

	while (i < s->len && (mime_is_blank(s->ptr[i]) || strchr(",;()", s->ptr[i])))
		i++;
	*s = span_skip(*s, i);
	n = 0;
	if (s->len && (s->ptr[0] == '[' || s->ptr[0] == '<')) {
		ptrdiff_t end = span_find(span_sub(*s, 0, 512), s->ptr[0] == '[' ? ']' : '>');

		n = end < 0 ? 0 : (size_t)end;
	}
	while (n < s->len && !mime_is_blank(s->ptr[n]) && s->ptr[n] && !strchr(",;()", s->ptr[n]))
		n += s->ptr[n] == '\\' ? 2 : 1; /* quoted-pair, RFC 5322 section 3.2.1 */
	if (!n && s->len)
		n = 1;
	struct span word = span_sub(*s, 0, n);

	*s = span_skip(*s, n);
	return word;
}

/* "name [192.0.2.1]" behind "from": the name is what the address resolves to. */
static void set_reverse(struct received_reader *rd, struct span name)
{
	struct received *r = rd->r;
	ptrdiff_t at = span_rfind(name, '@');

	if (at >= 0) { /* "IDENT:alice@host", RFC 1413 */
		struct span user = span_sub(name, 0, (size_t)at);

		set_login(r, span_starts_nocase(user, SPAN("IDENT:")) ? span_skip(user, 6) : user);
		name = span_skip(name, (size_t)at + 1);
	}
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	if (span_find(name, '=') >= 0)
		return;
	if (span_eq_nocase(name, SPAN("unknown")))
		r->is_reverse_unknown = true;
	else if (!r->reverse.len)
		r->reverse = name;
}

/* "(from alice@localhost)" of sendmail, "(Postfix, from userid 1000)" */
static void end_local(struct received_reader *rd, struct received_facts *f, struct span inner)
{
	struct span head, tail;

	rd->r->kind = RECEIVED_LOCAL;
	span_cut(inner, ',', &head, &tail);
	if (!tail.len && f->first.len)
		head = f->first;
	if (!rd->r->software.len && rd->clause != RECEIVED_IN_FROM)
		rd->r->software = span_trim(head);
}

void received_comment(struct received_reader *rd, struct span inner)
{
	struct received *r = rd->r;
	struct received_facts f = {0};
	struct received_ip ip;
	struct span s = inner, w;

	inner = span_trim(inner);
	if (rd->clause == RECEIVED_IN_NONE && span_starts_nocase(inner, SPAN("from "))) {
		r->kind = RECEIVED_LOCAL;
		s = span_skip(inner, 5);
		set_login(r, next_word(&s));
		return;
	}
	while ((w = next_word(&s)).len && rd->looked <= RECEIVED_WORDS_MAX)
		received_fact(rd, &f, w);
	if (f.is_local) {
		end_local(rd, &f, inner);
	} else if (rd->clause == RECEIVED_IN_FROM && f.has_ip && f.first.len) {
		set_reverse(rd, f.first);
	} else if (rd->clause == RECEIVED_IN_BY && f.count == 1 && received_ip(rd->a, inner, &ip)) {
		if (!r->by_ip.bits)
			r->by_ip = ip;
	} else if (!f.is_known && rd->clause != RECEIVED_IN_FROM && rd->clause != RECEIVED_IN_FOR &&
		rd->clause != RECEIVED_IN_DATE && !r->software.len) {
		r->software = inner;
	} else if (!f.is_known && rd->clause == RECEIVED_IN_FROM && f.count == 1 &&
		span_eq_nocase(inner, SPAN("unknown"))) {
		r->is_reverse_unknown = true;
	}
}
