#include "proto/mail/received.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/received_priv.h"

#define DATE_MAX 200 /* octets of a date; no form is longer with its comment */

/* ---- addresses ---- */

static void set_v4(struct arena *a, const uint8_t octets[4], struct received_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	memcpy(ip->octets, octets, 4);
	ip->bits = 32;
	ip->text = span_str(
		arena_printf(a, "%u.%u.%u.%u", octets[0], octets[1], octets[2], octets[3]));
}

static bool parse_ip(struct arena *a, struct span s, struct received_ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t octets[16];
	char text[INET6_ADDRSTRLEN];

	if (s.len < 2 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = 0;
	if (strlen(text) != s.len)
		return false;
	if (inet_pton(AF_INET, text, octets) == 1) {
		set_v4(a, octets, ip);
		return true;
	}
	if (inet_pton(AF_INET6, text, octets) != 1)
		return false;
	if (memcmp(octets, mapped, sizeof(mapped)) == 0) {
		set_v4(a, octets + 12, ip);
		return true;
	}
	memset(ip, 0, sizeof(*ip));
	memcpy(ip->octets, octets, 16);
	ip->bits = 128;
	MUST(inet_ntop(AF_INET6, octets, text, sizeof(text)));
	ip->text = arena_span(a, span_str(text));
	return true;
}

static struct span without_zone(struct span s)
{
	ptrdiff_t percent = span_find(s, '%'); /* RFC 6874: "fe80::1%eth0" */

	return percent < 0 ? s : span_sub(s, 0, (size_t)percent);
}

bool received_ip(struct arena *a, struct span s, struct received_ip *ip_r)
{
	ptrdiff_t end;
	uint64_t port;

	memset(ip_r, 0, sizeof(*ip_r));
	s = span_trim(s);
	if (s.len && s.ptr[0] == '[') {
		end = span_find(s, ']');
		s = span_sub(s, 1, end < 0 ? s.len : (size_t)end - 1);
	}
	if (span_starts_nocase(s, SPAN("IPv6:"))) /* RFC 5321 section 4.1.3 */
		s = span_skip(s, 5);
	if (parse_ip(a, without_zone(s), ip_r))
		return true;
	end = span_rfind(s, ':');
	return end > 0 && span_u64_max(span_skip(s, (size_t)end + 1), 65535, &port) &&
		span_find(span_sub(s, 0, (size_t)end), ':') < 0 &&
		parse_ip(a, span_sub(s, 0, (size_t)end), ip_r);
}

bool received_ip_eq(const struct received_ip *x, const struct received_ip *y)
{
	return x->bits && x->bits == y->bits && memcmp(x->octets, y->octets, x->bits / 8) == 0;
}

bool received_ip_is_loopback(const struct received_ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	return (ip->bits == 32 && ip->octets[0] == 127) ||
		(ip->bits == 128 && memcmp(ip->octets, one, 16) == 0);
}

bool received_ip_is_private(const struct received_ip *ip)
{
	const uint8_t *o = ip->octets;

	if (received_ip_is_loopback(ip))
		return true;
	if (ip->bits == 32)
		return o[0] == 10 || (o[0] == 172 && o[1] >> 4 == 1) ||
			(o[0] == 192 && o[1] == 168) || (o[0] == 169 && o[1] == 254) ||
			(o[0] == 100 && o[1] >> 6 == 1); /* RFC 6598 */
	return ip->bits == 128 &&
		((o[0] & 0xfe) == 0xfc || (o[0] == 0xfe && (o[1] & 0xc0) == 0x80));
}

bool received_ip_in(const struct received_ip *ip, struct span net)
{
	struct arena *a;
	struct received_ip base;
	struct span host, bits;
	uint64_t n = 128;
	bool is_in;

	if (!span_cut(net, '/', &host, &bits))
		bits = SPAN("128");
	a = arena_new();
	is_in = received_ip(a, host, &base) && span_u64_max(bits, 128, &n) && ip->bits == base.bits;
	arena_free(&a);
	if (n > ip->bits)
		n = ip->bits;
	for (unsigned i = 0; is_in && i < n; i++)
		is_in = !((ip->octets[i / 8] ^ base.octets[i / 8]) >> (7 - i % 8) & 1);
	return is_in;
}

/* ---- dates ---- */

/* Names that mean one zone wherever they are used; RFC 5322 section 4.3 has none of them. */
static const struct {
	const char *name;
	int minutes;
} zones[] = {{"CET", 60}, {"MET", 60}, {"CEST", 120}, {"MEST", 120}, {"EET", 120}, {"EEST", 180},
	{"WET", 0}, {"WEST", 60}, {"MSK", 180}, {"JST", 540}, {"KST", 540}, {"HKT", 480},
	{"SGT", 480}, {"AEST", 600}, {"AEDT", 660}, {"NZST", 720}, {"NZDT", 780}};

static void set_named_zone(struct span text, struct mime_date *d)
{
	struct span word;

	while ((word = span_word(&text)).len) {
		for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
			if (!span_eq_nocase(word, span_str(zones[i].name)))
				continue;
			d->unix_sec -= (zones[i].minutes - d->zone_minutes) * 60;
			d->zone_minutes = zones[i].minutes;
			d->has_zone = true;
			return;
		}
	}
}

static bool digits(struct span s, size_t at, size_t len, int max, int *out)
{
	uint64_t v;

	if (at + len > s.len || !span_u64_max(span_sub(s, at, len), (uint64_t)max, &v))
		return false;
	*out = (int)v;
	return true;
}

/* "2026-11-23T06:30:00.5Z", "2026-11-23 06:30:00.123 +0000 UTC m=+1.2" */
static bool iso_date(struct span s, struct mime_date *d)
{
	struct clock_civil c = {0};
	struct span zone;
	int hours = 0, minutes = 0;

	if (s.len < 19 || s.ptr[4] != '-' || s.ptr[7] != '-' || s.ptr[13] != ':' ||
		s.ptr[16] != ':' || !digits(s, 0, 4, 9999, &c.year) ||
		!digits(s, 5, 2, 12, &c.month) || !digits(s, 8, 2, 31, &c.day) ||
		!digits(s, 11, 2, 23, &c.hour) || !digits(s, 14, 2, 59, &c.minute) ||
		!digits(s, 17, 2, 60, &c.second) || c.month < 1 || c.day < 1)
		return false;
	s = span_skip(s, 19);
	if (s.len && (s.ptr[0] == '.' || s.ptr[0] == ','))
		for (s = span_skip(s, 1); s.len && s.ptr[0] >= '0' && s.ptr[0] <= '9';)
			s = span_skip(s, 1);
	zone = span_word(&s);
	d->is_obsolete = true;
	if (zone.len >= 5 && (zone.ptr[0] == '+' || zone.ptr[0] == '-') &&
		digits(zone, 1, 2, 14, &hours) &&
		digits(zone, zone.ptr[3] == ':' ? 4 : 3, 2, 59, &minutes)) {
		d->zone_minutes = (hours * 60 + minutes) * (zone.ptr[0] == '-' ? -1 : 1);
		d->has_zone = true;
	} else {
		d->has_zone = span_eq_nocase(zone, SPAN("Z")) ||
			span_eq_nocase(zone, SPAN("UTC")) || span_eq_nocase(zone, SPAN("GMT"));
	}
	c.zone_minutes = d->zone_minutes;
	d->unix_sec = clock_from_civil(&c);
	return true;
}

bool received_date(struct span text, struct mime_date *date_r)
{
	text = span_trim(text);
	/* comments may stand behind it, and of any length */
	if (mime_date_parse(span_sub(text, 0, DATE_MAX), date_r)) {
		if (!date_r->has_zone)
			set_named_zone(span_sub(text, 0, DATE_MAX), date_r);
		return true;
	}
	memset(date_r, 0, sizeof(*date_r));
	return iso_date(span_sub(text, 0, DATE_MAX), date_r);
}

/* ---- protocols ---- */

/* "(UTF8)(E)SMTP(S)(A)", and LMTP: RFC 3848, RFC 6531 section 4.3. Gmail writes SMTPS. */
static bool mail_protocol(struct received *r, struct span w)
{
	struct received p = {0};

	if (span_starts_nocase(w, SPAN("UTF8"))) {
		p.is_utf8 = true;
		w = span_skip(w, 4);
	}
	if (span_starts_nocase(w, SPAN("ESMTP"))) {
		p.is_esmtp = true;
		w = span_skip(w, 1);
	}
	p.kind = span_starts_nocase(w, SPAN("LMTP")) ? RECEIVED_LMTP : RECEIVED_SMTP;
	if (p.kind == RECEIVED_SMTP && !span_starts_nocase(w, SPAN("SMTP")))
		return false;
	w = span_skip(w, 4);
	p.tls = RECEIVED_TLS_NO;
	if (span_starts_nocase(w, SPAN("S"))) {
		p.tls = RECEIVED_TLS_YES;
		w = span_skip(w, 1);
	}
	if (span_starts_nocase(w, SPAN("A"))) {
		p.is_auth = true;
		w = span_skip(w, 1);
	}
	if (w.len)
		return false;
	r->kind = p.kind;
	r->is_esmtp = p.is_esmtp || p.is_utf8;
	r->is_utf8 = p.is_utf8;
	r->is_auth |= p.is_auth;
	if (r->tls == RECEIVED_TLS_UNKNOWN)
		r->tls = p.tls;
	return true;
}

bool received_protocol(struct received *r, struct span word)
{
	static const struct {
		const char *name;
		enum received_kind kind;
		bool is_tls, is_auth, is_esmtp;
	} others[] = {
		{"asmtp", RECEIVED_SMTP, false, true, true},
		{"smtpsvc", RECEIVED_SMTP, false, false, true},
		{"bsmtp", RECEIVED_UUCP, false, false, false},
		{"local", RECEIVED_LOCAL, false, false, false},
		{"local-esmtp", RECEIVED_LOCAL, false, false, true},
		{"http", RECEIVED_HTTP, false, false, false},
		{"https", RECEIVED_HTTP, true, false, false},
		{"httprest", RECEIVED_HTTP, true, false, false},
		{"httpsrest", RECEIVED_HTTP, true, false, false},
		{"jmap", RECEIVED_HTTP, false, false, false},
		{"mapi", RECEIVED_MAPI, false, false, false},
		{"imap", RECEIVED_IMAP, false, false, false},
		{"imap4", RECEIVED_IMAP, false, false, false},
		{"imaps", RECEIVED_IMAP, true, false, false},
		{"pop3", RECEIVED_POP, false, false, false},
		{"pop3s", RECEIVED_POP, true, false, false},
		{"apop", RECEIVED_POP, false, false, false},
		{"uucp", RECEIVED_UUCP, false, false, false},
	};

	if (mail_protocol(r, word))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (!span_eq_nocase(word, span_str(others[i].name)))
			continue;
		r->kind = others[i].kind;
		r->is_auth |= others[i].is_auth;
		r->is_esmtp = others[i].is_esmtp;
		if (others[i].is_tls)
			r->tls = RECEIVED_TLS_YES;
		return true;
	}
	return false;
}

/* ---- names ---- */

const char *received_kind_name(enum received_kind kind)
{
	static const char *const names[] = {
#define X(id, name, text) [RECEIVED_##id] = name,
		RECEIVED_KINDS(X)
#undef X
	};

	return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "";
}

static const struct {
	const char *name, *text;
} defects[] = {
#define X(id, name, text) [RECEIVED_##id] = {name, text},
	RECEIVED_DEFECTS(X)
#undef X
};

const char *received_defect_name(enum received_defect d)
{
	return (size_t)d < ARRAY_LEN(defects) ? defects[d].name : "";
}

const char *received_defect_text(enum received_defect d)
{
	return (size_t)d < ARRAY_LEN(defects) ? defects[d].text : "";
}
