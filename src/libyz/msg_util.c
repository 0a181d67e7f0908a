/* Helpers of messages: what email.utils and its neighbours do. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <idn2.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_lex.h"
#include "libyz/msg_priv.h"

int64_t msg_now_sec(void)
{
	return clock_wall_ns() / CLOCK_SEC;
}

uint64_t msg_random(void)
{
	uint64_t v;

	/* Up to 256 bytes come whole or not at all (getrandom(2)); early boot may be interrupted. */
	while (getrandom(&v, sizeof(v), 0) != sizeof(v))
		;
	return v;
}

bool msg_ascii_domain(struct buf *b, struct span domain)
{
	char *utf8 = mem_dup(domain.ptr, domain.len);
	uint8_t *label = NULL;
	int rc = idn2_lookup_u8(
		(const uint8_t *)utf8, &label, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	if (rc == IDN2_OK)
		buf_str(b, (const char *)label);
	idn2_free(label);
	free(utf8);
	return rc == IDN2_OK;
}

char *msg_give(struct buf *b, size_t *n_r)
{
	size_t n = buf_len(b);

	if (n_r)
		*n_r = 0;
	if (!buf_ok(b)) {
		buf_fini(b);
		return NULL;
	}
	if (n_r)
		*n_r = n;
	return buf_steal(b, &n);
}

const char *msg_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void msg_date_fill(const struct mime_date *d, struct yz_date *date_r)
{
	date_r->unix_sec = d->unix_sec;
	date_r->zone_minutes = d->zone_minutes;
	date_r->has_zone = d->has_zone;
	date_r->is_obsolete = d->is_obsolete;
}

/* --- addresses --------------------------------------------------------------------------------- */

void msg_addresses_fill(
	struct arena *a, const struct mime_address_list *list, struct yz_addresses *to)
{
	struct yz_address *items = ARENA_ARRAY(a, struct yz_address, list->count + 1);
	const char **groups = ARENA_ARRAY(a, const char *, list->count + 1), *group = NULL;

	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < list->count; i++) {
		const struct mime_address *m = &list->items[i];
		struct yz_address *y = &items[to->count];

		if (m->kind == MIME_GROUP_START) {
			group = arena_str(a, mime_address_name(a, m));
			groups[to->group_count++] = group;
		} else if (m->kind == MIME_GROUP_END) {
			group = NULL;
		} else {
			y->name = arena_str(a, mime_address_name(a, m));
			y->address = arena_str(a, mime_address_spec(a, m));
			y->local = arena_str(a, m->local);
			y->domain = arena_str(a, m->domain);
			y->group = group;
			y->is_malformed = mime_defects_ambiguous(m->defects) != 0;
			to->count++;
		}
	}
	to->items = items;
	to->groups = groups;
	to->is_malformed = mime_defects_ambiguous(list->defects) != 0;
}

struct addresses {
	struct yz_addresses face;
	struct arena *a;
};

struct yz_addresses *yz_addresses_parse(const char *list, bool is_strict)
{
	struct addresses *own = NEW(struct addresses);
	struct mime_address_list parsed;
	struct yz_addresses *face = &own->face;

	own->a = arena_new();
	mime_address_parse(own->a, arena_span(own->a, span_str(list)), MIME_ADDRESSES_MAX, &parsed);
	msg_addresses_fill(own->a, &parsed, face);
	if (is_strict && face->is_malformed)
		yz_addresses_free(&face);
	return face;
}

void yz_addresses_free(struct yz_addresses **ap)
{
	struct addresses *own;

	if (!*ap)
		return;
	own = CONTAINER_OF(*ap, struct addresses, face);
	*ap = NULL;
	arena_free(&own->a);
	free(own);
}

char *yz_address_format(const char *name, const char *address, bool is_utf8)
{
	const struct msg_settings s = {.is_utf8 = is_utf8, .line_max = MSG_LINE_MUST};
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	if (msg_put_mailbox(&b, span_str(name), span_str(address), &s, NULL) < 0)
		b.is_full = true;
	return msg_give(&b, NULL);
}

bool yz_address_split(const char *text, char **name_r, char **address_r)
{
	struct yz_addresses *list = yz_addresses_parse(text, false);
	bool is_found = list->count > 0;

	if (is_found && name_r)
		*name_r = mem_dup(list->items[0].name, strlen(list->items[0].name));
	if (is_found && address_r)
		*address_r = mem_dup(list->items[0].address, strlen(list->items[0].address));
	yz_addresses_free(&list);
	return is_found;
}

/* --- dates and ids ------------------------------------------------------------------------------ */

bool yz_date_parse(const char *text, struct yz_date *date_r)
{
	struct mime_date d;

	memset(date_r, 0, sizeof(*date_r));
	if (!mime_date_parse(span_str(text), &d))
		return false;
	msg_date_fill(&d, date_r);
	return true;
}

char *yz_date_format(int64_t unix_sec, int zone_minutes)
{
	const struct clock_civil first = {.year = 0, .month = 1, .day = 2};
	const struct clock_civil last = {.year = 9999, .month = 12, .day = 30};
	struct buf b;

	if (unix_sec < clock_from_civil(&first) || unix_sec > clock_from_civil(&last) ||
		zone_minutes < -899 || zone_minutes > 899)
		return NULL;
	buf_init(&b, MSG_LINE_SHOULD);
	clock_put_rfc5322(&b, unix_sec, zone_minutes);
	return msg_give(&b, NULL);
}

static bool is_id_text(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!mime_is_atext(s[i]) && !(s[i] == '.' && i > 0 && i + 1 < n && s[i - 1] != '.'))
			return false;
	return n > 0 && n <= MSG_ADDRESS_MAX / 2 && span_is_ascii(span_str(s));
}

char *yz_make_message_id(const char *left, const char *domain)
{
	struct buf b;

	domain = domain ? domain : "localhost";
	if ((left && !is_id_text(left)) || !is_id_text(domain))
		return NULL;
	buf_init(&b, 4 * MSG_ADDRESS_MAX);
	buf_char(&b, '<');
	enc_put_id(&b, (uint64_t)clock_wall_ns());
	buf_char(&b, '.');
	enc_put_id(&b, msg_random());
	if (left)
		buf_printf(&b, ".%s", left);
	buf_printf(&b, "@%s>", domain);
	return msg_give(&b, NULL);
}

/* --- words and parameters ----------------------------------------------------------------------- */

static char *given(struct span s)
{
	return mem_dup(s.ptr ? s.ptr : "", s.len);
}

char *yz_words_decode(const char *value)
{
	struct arena *a = arena_new();
	char *out = given(mail_word_decode(a, span_str(value)));

	arena_free(&a);
	return out;
}

char *yz_words_encode(const char *text, const char *charset, size_t column)
{
	const struct msg_settings s = {.charset = span_str(charset)};
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	if (column > MSG_LINE_SHOULD || msg_put_text(&b, span_str(text), column, &s, NULL) < 0)
		b.is_full = true;
	return msg_give(&b, NULL);
}

char *yz_rfc2231_encode(const char *text, const char *language)
{
	struct span in = span_str(text);
	struct buf b;

	if (!utf8_is_valid(in) || (language && strpbrk(language, "'\r\n %*\"")))
		return NULL;
	buf_init(&b, YZ_HELPER_MAX);
	buf_printf(&b, "utf-8'%s'", language ? language : "");
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.ptr[i];

		if (c < 0x80 && mime_is_token((char)c) && !strchr("*'%", c))
			buf_char(&b, (char)c);
		else
			buf_printf(&b, "%%%02X", c);
	}
	return msg_give(&b, NULL);
}

/* The parameter of a whole field value; ptr NULL: none. */
static struct span param_of(
	struct arena *a, struct span field, struct span name, const struct mime_param **p_r)
{
	struct mime_value *v = ARENA_NEW(a, struct mime_value);
	uint64_t defects = 0;

	mime_type_parse(a, field, MIME_FIELD_PARAMS_MAX, v);
	if (!v->type.len)
		mime_disposition_parse(a, field, MIME_FIELD_PARAMS_MAX, v);
	*p_r = mime_value_param(v, mime_lower(a, name));
	return *p_r ? mime_param_text(a, *p_r, &defects) : SPAN_NONE;
}

char *yz_rfc2231_decode(const char *value, char **charset_r, char **language_r)
{
	struct arena *a = arena_new();
	const char *field = arena_printf(a, "x; v*=%s", value);
	const struct mime_param *p;
	struct span text = param_of(a, span_str(field), SPAN("v"), &p);
	char *out = NULL;

	if (charset_r)
		*charset_r = NULL;
	if (language_r)
		*language_r = NULL;
	if (text.ptr && !strpbrk(value, ";\"\r\n")) {
		out = given(text);
		if (charset_r)
			*charset_r = given(p->charset);
		if (language_r)
			*language_r = given(p->language);
	}
	arena_free(&a);
	return out;
}

char *yz_param_encode(const char *name, const char *value)
{
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	if (msg_put_param(&b, span_str(name), span_str(value), MSG_LINE_SHOULD / 4, NULL) < 0)
		b.is_full = true;
	return msg_give(&b, NULL);
}

char *yz_param_get(const char *field, const char *name)
{
	struct arena *a = arena_new();
	const struct mime_param *p;
	struct span text = param_of(a, span_str(field), span_str(name), &p);
	char *out = text.ptr ? given(text) : NULL;

	arena_free(&a);
	return out;
}

char *yz_quote(const char *text)
{
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_char(&b, '\\');
		buf_char(&b, *c);
	}
	return msg_give(&b, NULL);
}

/* As email.utils.unquote: quotes or angle brackets around it go, and so do backslashes. */
char *yz_unquote(const char *text)
{
	struct span s = span_str(text);
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
		return given(span_sub(s, 1, s.len - 2));
	if (s.len < 2 || s.ptr[0] != '"' || s.ptr[s.len - 1] != '"')
		return given(s);
	s = span_sub(s, 1, s.len - 2);
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		buf_char(&b, s.ptr[i]);
	}
	return msg_give(&b, NULL);
}
