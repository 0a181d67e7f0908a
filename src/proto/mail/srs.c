#include "proto/mail/srs.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"

#define DAY_SEC   86400
#define DAY_COUNT 1024 /* two characters of base32 */
#define HASH_LEN  8

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* ---- hash and day ----------------------------------------------------------------------------- */

static void put_hash(struct span key, char kind, struct span text, char out[HASH_LEN])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct buf b;
	uint64_t bits = 0;
	unsigned len;

	buf_init(&b, 2 * SRS_PATH_MAX);
	buf_char(&b, kind);
	for (size_t i = 0; i < text.len; i++)
		buf_char(&b, (char)span_lower((unsigned char)text.ptr[i]));
	MUST(buf_ok(&b));
	MUST(HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)buf_cstr(&b),
		buf_len(&b), mac, &len));
	buf_fini(&b);
	for (int i = 0; i < 5; i++)
		bits = bits << 8 | mac[i];
	for (int i = 0; i < HASH_LEN; i++)
		out[i] = base32[bits >> (5 * (HASH_LEN - 1 - i)) & 31];
}

/* Without telling by the time it takes where the first difference is. */
static bool is_hash(struct span key, char kind, struct span text, struct span hash)
{
	char want[HASH_LEN];
	unsigned differ = 0;

	put_hash(key, kind, text, want);
	for (size_t i = 0; i < HASH_LEN; i++)
		differ |= (unsigned)(span_lower((unsigned char)want[i]) ^
			span_lower((unsigned char)hash.ptr[i]));
	return differ == 0;
}

static bool is_ours(const struct srs_keys *keys, char kind, struct span text, struct span hash)
{
	bool is_found = false;

	if (hash.len != HASH_LEN || text.len > SRS_PATH_MAX)
		return false;
	for (size_t i = 0; i < keys->count; i++)
		is_found |= is_hash(keys->keys[i], kind, text, hash);
	return is_found;
}

static int base32_value(char c)
{
	const char *at = c ? strchr(base32, c >= 'a' && c <= 'z' ? c - 32 : c) : NULL;

	return at ? (int)(at - base32) : -1;
}

static bool is_in_time(struct span day, int64_t wall_sec)
{
	int high = day.len == 2 ? base32_value(day.ptr[0]) : -1;
	int low = day.len == 2 ? base32_value(day.ptr[1]) : -1;
	int64_t age;

	if (high < 0 || low < 0)
		return false;
	age = (wall_sec / DAY_SEC - (high * 32 + low)) % DAY_COUNT;
	age = age < 0 ? age + DAY_COUNT : age;
	return age <= SRS_DAYS || age == DAY_COUNT - 1; /* a clock may be a little ahead */
}

/* ---- syntax ----------------------------------------------------------------------------------- */

static bool is_separator(char c)
{
	return c == '=' || c == '+' || c == '-';
}

static bool is_kind(struct span local, const char *kind)
{
	return local.len > 5 && span_starts_nocase(local, span_str(kind)) &&
		is_separator(local.ptr[4]);
}

/* A quoted local part (RFC 5321 section 4.1.2) without its quotes, its pairs left as they are. */
static struct span unwrap(struct span local, bool *is_quoted_r)
{
	*is_quoted_r = local.len >= 2 && local.ptr[0] == '"' && local.ptr[local.len - 1] == '"';
	return *is_quoted_r ? span_sub(local, 1, local.len - 2) : local;
}

bool srs_is(struct span local)
{
	bool is_quoted;

	local = unwrap(local, &is_quoted);
	return is_kind(local, "SRS0") || is_kind(local, "SRS1");
}

/* What follows the hash of an SRS1: "first=REST", REST with its separator. */
static bool cut_srs1(struct span text, struct span *first_r, struct span *rest_r)
{
	return span_cut(text, '=', first_r, rest_r) && first_r->len && rest_r->len > 1 &&
		is_separator(rest_r->ptr[0]);
}

static struct span sign(struct arena *a, const struct srs_keys *keys, char kind, struct span text,
	bool is_quoted, struct span domain)
{
	const char *quote = is_quoted ? "\"" : "";
	char hash[HASH_LEN];
	struct span address;

	if (text.len > SRS_PATH_MAX)
		return SPAN_NONE;
	put_hash(keys->keys[0], kind, text, hash);
	address = span_str(arena_printf(a, "%sSRS%c=%.*s=" SPAN_FMT "%s@" SPAN_FMT, quote, kind,
		HASH_LEN, hash, SPAN_ARG(text), quote, SPAN_ARG(domain)));
	if (address.len > SRS_PATH_MAX || address.len - domain.len - 1 > SRS_LOCAL_MAX)
		return SPAN_NONE;
	return address;
}

struct span srs_forward(struct arena *a, const struct srs_keys *keys, struct span sender,
	struct span domain, int64_t wall_sec)
{
	ptrdiff_t at = span_rfind(sender, '@');
	struct span host, local, hash, rest, first, opaque;
	unsigned day = (unsigned)(wall_sec / DAY_SEC % DAY_COUNT);
	bool is_quoted;

	if (!keys->count || at <= 0)
		return SPAN_NONE;
	local = unwrap(span_sub(sender, 0, (size_t)at), &is_quoted);
	host = span_skip(sender, (size_t)at + 1);
	if (!host.len || span_find(host, '=') >= 0) /* no domain has one: it would not come back */
		return SPAN_NONE;
	if (is_kind(local, "SRS1") && span_cut(span_skip(local, 5), '=', &hash, &rest) &&
		cut_srs1(rest, &first, &opaque))
		return sign(a, keys, '1', rest, is_quoted, domain);
	if (is_kind(local, "SRS0"))
		return sign(a, keys, '1',
			span_str(arena_printf(a, SPAN_FMT "=" SPAN_FMT, SPAN_ARG(host),
				SPAN_ARG(span_skip(local, 4)))),
			is_quoted, domain);
	return sign(a, keys, '0',
		span_str(arena_printf(a, "%c%c=" SPAN_FMT "=" SPAN_FMT, base32[day / 32],
			base32[day % 32], SPAN_ARG(host), SPAN_ARG(local))),
		is_quoted, domain);
}

static struct span join(
	struct arena *a, bool is_quoted, const char *front, struct span local, struct span domain)
{
	const char *quote = is_quoted ? "\"" : "";

	return span_str(arena_printf(a, "%s%s" SPAN_FMT "%s@" SPAN_FMT, quote, front,
		SPAN_ARG(local), quote, SPAN_ARG(domain)));
}

enum srs_verdict srs_reverse(struct arena *a, const struct srs_keys *keys, struct span local,
	int64_t wall_sec, struct span *address_r)
{
	struct span hash, rest, day, domain, user;
	bool is_quoted;

	local = unwrap(local, &is_quoted);
	if (!is_kind(local, "SRS0") && !is_kind(local, "SRS1"))
		return SRS_NONE;
	if (!span_cut(span_skip(local, 5), '=', &hash, &rest) ||
		!is_ours(keys, local.ptr[3], rest, hash))
		return SRS_FORGED;
	if (local.ptr[3] == '1') {
		if (!cut_srs1(rest, &domain, &user))
			return SRS_FORGED;
		*address_r = join(a, is_quoted, "SRS0", user, domain);
		return SRS_OK;
	}
	if (!span_cut(rest, '=', &day, &rest) || !span_cut(rest, '=', &domain, &user) ||
		!domain.len || (!user.len && !is_quoted))
		return SRS_FORGED;
	if (!is_in_time(day, wall_sec))
		return SRS_OLD;
	*address_r = join(a, is_quoted, "", user, domain);
	return SRS_OK;
}
