#include "store/directory.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>

#include "base/utf8.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

/* --- names --------------------------------------------------------------------------------- */

int directory_bad(struct err *e, const char *what, struct span text)
{
	err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is not %s", SPAN_ARG(span_sub(text, 0, 80)), what);
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

/* RFC 5321 section 4.1.2: sub-domains of letters, digits and hyphens (after A-label conversion);
 * lengths by RFC 1035 section 2.3.4. */
static bool directory_domain_is_sane(struct span name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > DIRECTORY_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '.') {
			if (label == 0 || name.ptr[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (c == '-' && label == 0)
			return false;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && name.ptr[name.len - 1] != '-';
}

int directory_domain_name(struct arena *a, struct span text, struct span *name_r, struct err *e)
{
	char *ascii = NULL;
	struct span name = text;

	if (text.len && text.ptr[text.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > DIRECTORY_DOMAIN_MAX || span_has_line_break(name))
		return directory_bad(e, "a domain name", text);
	if (!span_is_ascii(name)) {
		if (!utf8_is_valid(name) ||
			idn2_to_ascii_8z(arena_str(a, name), &ascii,
				IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
			return directory_bad(e, "a domain name", text);
		name = arena_span(a, span_str(ascii));
		idn2_free(ascii);
	} else {
		name = arena_span(a, name);
	}
	for (size_t i = 0; i < name.len; i++)
		((char *)name.ptr)[i] = (char)span_lower((unsigned char)name.ptr[i]);
	if (!directory_domain_is_sane(name))
		return directory_bad(e, "a domain name", text);
	*name_r = name;
	return 0;
}

struct span directory_local_part(struct arena *a, struct span local)
{
	struct span copy = arena_span(a, local);

	if (!span_is_ascii(local) && utf8_is_valid(local)) {
		size_t len = 0;
		uint8_t *nfc = u8_normalize(
			UNINORM_NFC, (const uint8_t *)local.ptr, local.len, NULL, &len);

		if (nfc)
			copy = arena_span(a, span_of(nfc, len));
		free(nfc);
	}
	/* RFC 5321 section 2.4 lets the domain's owner decide about case: here it does not matter.
	 * Only ASCII letters fold. */
	for (size_t i = 0; i < copy.len; i++)
		((char *)copy.ptr)[i] = (char)span_lower((unsigned char)copy.ptr[i]);
	return copy;
}

struct span directory_unicode(struct arena *a, struct span name)
{
	ptrdiff_t at = span_rfind(name, '@');
	struct span domain = span_skip(name, (size_t)(at + 1)), shown = SPAN_NONE;
	char *text = NULL;

	if (span_find_span(domain, SPAN("xn--")) < 0)
		return SPAN_NONE;
	if (idn2_to_unicode_8z8z(arena_str(a, domain), &text, 0) == IDN2_OK &&
		!span_eq(span_str(text), domain))
		shown = span_str(arena_printf(
			a, SPAN_FMT "%s", SPAN_ARG(span_sub(name, 0, (size_t)(at + 1))), text));
	idn2_free(text);
	return shown;
}

int directory_address(struct arena *a, struct span text, struct span *local_r,
	struct span *domain_r, struct err *e)
{
	ptrdiff_t at = span_rfind(text, '@');
	struct span local;

	if (at <= 0)
		return directory_bad(e, "an address (local-part@domain)", text);
	local = span_sub(text, 0, (size_t)at);
	if (local.len > DIRECTORY_LOCAL_MAX || span_has_line_break(local) ||
		!utf8_is_valid(local) || span_find(local, ' ') >= 0 || span_find(local, '<') >= 0 ||
		span_find(local, '>') >= 0)
		return directory_bad(e, "an address (local-part@domain)", text);
	if (directory_domain_name(a, span_skip(text, (size_t)at + 1), domain_r, e) < 0)
		return -1;
	*local_r = directory_local_part(a, local);
	return 0;
}

struct span directory_join(struct arena *a, struct span local, struct span domain)
{
	return span_str(arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain)));
}

/* --- settings ------------------------------------------------------------------------------ */

DB_SQL(sql_directory_setting, "SELECT value FROM setting WHERE name = $1");
DB_SQL(sql_directory_setting_set,
	"INSERT INTO setting (name, value) VALUES ($1, $2) "
	"ON CONFLICT (name) DO UPDATE SET value = excluded.value");

struct directory_setting {
	struct arena *a;
	struct span key, value;
	bool is_found;
};

static int directory_setting_get(struct db *db, void *arg, struct err *e)
{
	struct directory_setting *s = arg;

	return db_get(db, e, s->a, &sql_directory_setting, &s->is_found, "t:t", s->key, &s->value);
}

FIBER int directory_setting(
	struct store *s, struct arena *a, struct span key, struct span *value_r, struct err *e)
{
	struct directory_setting look = {.a = a, .key = key};

	if (store_read(s, "directory.setting", directory_setting_get, &look, e) < 0)
		return -1;
	if (!look.is_found)
		return err_set(
			e, ERR_NOT_FOUND, "setting '" SPAN_FMT "' is not set", SPAN_ARG(key));
	*value_r = look.value;
	return 0;
}

static int directory_setting_put(struct db *db, void *arg, struct err *e)
{
	struct directory_setting *s = arg;

	if (db_run(db, e, &sql_directory_setting_set, "tt", s->key, s->value) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_setting_set(struct store *s, struct span key, struct span value, struct err *e)
{
	struct directory_setting put = {.key = key, .value = value};

	return store_write(s, "directory.setting", directory_setting_put, &put, e);
}
