#include "services/host/config_priv.h"

#include <confuse.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/gcra.h"
#include "base/must.h"
#include "proto/imap/imap_capability.h"
#include "proto/pop3/pop3_server.h"
#include "services/host/host.h"

#define CONFIG_EXPIRE_DAYS 3650

static void set_presets(struct arena *a, void *base, const char *section)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		if (section ? strcmp(s->section, section) == 0
			    : !config_is_listed(config_section_of(s)))
			config_value_preset(a, base, s);
	}
}

static struct config *config_new(void)
{
	struct arena *arena = arena_new();
	struct config *c = ARENA_NEW(arena, struct config);

	c->arena = arena;
	c->refs = 1;
	set_presets(arena, c, NULL);
	return c;
}

struct config *config_ref(struct config *c)
{
	MUST(__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED) > 0);
	return c;
}

void config_unref(struct config **c)
{
	if (!*c)
		return;
	int left = __atomic_sub_fetch(&(*c)->refs, 1, __ATOMIC_ACQ_REL);
	MUST(left >= 0);
	if (!left) {
		struct arena *arena = (*c)->arena;
		arena_free(&arena);
	}
	*c = NULL;
}

static const char *system_hostname(struct arena *a)
{
	char *name = arena_alloc(a, HOST_NAME_MAX + 1);

	if (gethostname(name, HOST_NAME_MAX) < 0 || !name[0])
		return "localhost";
	return name;
}

/* The demo listens on the ports of the table in the README; only those of this version. */
static void demo_listeners(struct config *c)
{
	static const struct {
		const char *name, *address;
		int protocol, tls;
	} demo[] = {
		{"smtp", "127.0.0.1:2525", CONFIG_SMTP, CONFIG_TLS_STARTTLS},
		{"submission", "127.0.0.1:5870", CONFIG_SUBMISSION, CONFIG_TLS_STARTTLS},
		{"submissions", "127.0.0.1:4650", CONFIG_SUBMISSION, CONFIG_TLS_IMPLICIT},
		{"web", "127.0.0.1:8080", CONFIG_HTTP, CONFIG_TLS_NONE},
		{"imap", "127.0.0.1:1430", CONFIG_IMAP, CONFIG_TLS_STARTTLS},
		{"imaps", "127.0.0.1:9930", CONFIG_IMAP, CONFIG_TLS_IMPLICIT},
		{"pop3", "127.0.0.1:1100", CONFIG_POP3, CONFIG_TLS_STARTTLS},
		{"pop3s", "127.0.0.1:9950", CONFIG_POP3, CONFIG_TLS_IMPLICIT},
	};

	c->listener_count = 0;
	c->listeners = ARENA_ARRAY(c->arena, struct config_listener, ARRAY_LEN(demo));
	for (size_t i = 0; i < ARRAY_LEN(demo); i++) {
		struct config_listener *l = &c->listeners[c->listener_count];

		if (!host_conn_serves(demo[i].protocol))
			continue;
		c->listener_count++;
		set_presets(c->arena, l, "listener");
		l->name = demo[i].name;
		l->protocol = demo[i].protocol;
		l->tls = demo[i].tls;
		l->addresses.count = 1;
		l->addresses.items = ARENA_ARRAY(c->arena, const char *, 1);
		l->addresses.items[0] = demo[i].address;
	}
}

static void demo_names(struct config *c)
{
	if (!c->hostname[0])
		c->hostname = "mx.yizhan.test";
	if (!c->listener_count)
		demo_listeners(c);
}

struct config *config_demo(const char *data, int64_t port_offset)
{
	struct config *c = config_new();

	c->is_demo = true;
	c->data = arena_str(c->arena, span_str(data));
	c->port_offset = port_offset;
	demo_names(c);
	return c;
}

/* libconfuse's own errors: the scan has told all we know of; config_read_text tells the rest. */
static void say_nothing(cfg_t *cfg, const char *fmt, va_list ap)
{
	(void)cfg;
	(void)fmt;
	(void)ap;
}

/* The schema as libconfuse wants it. Every value is a text here; our table knows the types. */
static cfg_opt_t *confuse_opts(struct arena *a, const char *section)
{
	cfg_opt_t *opts = ARENA_ARRAY(
		a, cfg_opt_t, config_setting_count + config_section_count + 1);
	size_t n = 0;

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];
		cfg_opt_t one = CFG_STR(s->name, NULL, CFGF_NONE);
		cfg_opt_t list = CFG_STR_LIST(s->name, NULL, CFGF_NONE);

		if (strcmp(s->section, section) != 0)
			continue;
		bool is_list = s->kind == CONFIG_TEXTS || s->kind == CONFIG_TIMES ||
			s->kind == CONFIG_NETS || s->kind == CONFIG_ADDRS;
		opts[n++] = is_list ? list : one;
	}
	for (size_t i = 1; i < config_section_count && !section[0]; i++) {
		const struct config_section *s = &config_sections[i];
		cfg_opt_t sub = CFG_SEC(s->name, confuse_opts(a, s->name),
			config_is_listed(s) ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE);

		opts[n++] = sub;
	}
	cfg_opt_t end = CFG_END();
	opts[n] = end;
	return opts;
}

struct reading {
	struct config *config;
	struct config_scan scan;
	struct config_errors *errs;
};

static void read_section(
	struct reading *r, cfg_t *cfg, const char *section, size_t instance, void *base)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		if (strcmp(s->section, section) != 0)
			continue;
		unsigned line = config_scan_line(&r->scan, s, instance);
		if (!line)
			continue;
		size_t count = cfg_size(cfg, s->name);
		const char **values = ARENA_ARRAY(r->config->arena, const char *, count + 1);

		for (size_t k = 0; k < count; k++) {
			values[k] = cfg_getnstr(cfg, s->name, (unsigned)k);
			if (!values[k])
				values[k] = "";
		}
		config_value_set(r->config->arena, base, s, values, count, r->errs, line);
	}
}

uint16_t config_port(const struct config_listener *l)
{
	static const uint16_t ports[CONFIG_PROTOCOLS][2] = {[CONFIG_SMTP] = {25, 25},
		[CONFIG_LMTP] = {24, 24},
		[CONFIG_SUBMISSION] = {587, 465}, /* RFC 6409, RFC 8314 section 3.3 */
		[CONFIG_HTTP] = {80, 443},
		[CONFIG_IMAP] = {143, 993},  /* RFC 8314 section 3.2 */
		[CONFIG_POP3] = {110, 995}}; /* section 3.1 */

	return ports[l->protocol][l->tls == CONFIG_TLS_IMPLICIT];
}

static void check_without(struct reading *r, const struct config_listener *l, unsigned line)
{
	for (size_t i = 0; i < l->without.count; i++) {
		struct span name = span_str(l->without.items[i]);
		bool is_known = l->protocol == CONFIG_POP3 ? pop3_feature_bit(name) != 0
			: l->protocol == CONFIG_IMAP       ? imap_cap_find(name) >= 0
							   : false;

		if (!is_known)
			config_error(r->errs, line,
				"listener %s: without: \"%s\" is no capability of its protocol",
				l->name, l->without.items[i]);
	}
}

/* What one setting cannot know of another. */
static void check_listener(struct reading *r, struct config_listener *l, unsigned line)
{
	int64_t octal = 0;
	bool is_octal = true;
	for (int64_t n = l->unix_mode, unit = 1; n; n /= 10, unit *= 8) {
		is_octal &= n % 10 < 8;
		octal += n % 10 * unit;
	}
	if (!is_octal)
		config_error(r->errs, line, "mode: \"%lld\" is not octal", (long long)l->unix_mode);
	l->unix_mode = octal;
	check_without(r, l, line);
	if (l->protocol == CONFIG_HTTP && l->tls == CONFIG_TLS_STARTTLS)
		l->tls = CONFIG_TLS_NONE; /* the default of the mail's protocols */
	for (size_t i = 0; i < l->addresses.count; i++) {
		if (span_starts(span_str(l->addresses.items[i]), SPAN("unix:"))) {
			l->is_relay |= l->protocol == CONFIG_SMTP;
			l->tls = CONFIG_TLS_NONE;
			if (l->addresses.count > 1)
				config_error(r->errs, line,
					"listener %s: a Unix socket needs a listener of its own",
					l->name);
		}
	}
}

/* The line where a listed section begins. */
static unsigned head_line(const struct reading *r, const struct config_section *s, size_t instance)
{
	for (size_t i = 0; i < r->scan.place_count; i++) {
		const struct config_place *p = &r->scan.places[i];

		if (!p->setting && p->section == s && p->instance == instance)
			return p->line;
	}
	return 0;
}

static void read_listed(struct reading *r, cfg_t *cfg, const struct config_section *s)
{
	struct config *c = r->config;
	size_t count = cfg_size(cfg, s->name);

	*(size_t *)((char *)c + s->count_offset) = count;
	*(void **)((char *)c + s->items_offset) = arena_alloc_array(
		c->arena, s->item_size, count + 1);
	for (size_t k = 0; k < count; k++) {
		cfg_t *sub = cfg_getnsec(cfg, s->name, (unsigned)k);
		void *item = config_item(c, s, k);

		set_presets(c->arena, item, s->name);
		*(const char **)item = arena_str(c->arena, span_str(cfg_title(sub)));
		read_section(r, sub, s->name, k, item);
	}
}

static void check_certificate(struct reading *r, const struct config_certificate *x, unsigned line)
{
	if (!x->certificate[0] || !x->key[0])
		config_error(r->errs, line,
			"certificate %s: \"certificate\" and \"key\" must be set", x->name);
}

static void check_imap_client(struct reading *r, const struct config_imap_client *x, unsigned line)
{
	if (!x->name[0])
		config_error(r->errs, line, "imap_client %s: \"name\" must be set", x->label);
	for (size_t i = 0; i < x->without.count; i++)
		if (imap_cap_find(span_str(x->without.items[i])) < 0)
			config_error(r->errs, line,
				"imap_client %s: without: \"%s\" is no capability of IMAP",
				x->label, x->without.items[i]);
}

static void check_listed(struct reading *r, const struct config_section *s)
{
	for (size_t k = 0; k < config_count(r->config, s); k++) {
		unsigned line = head_line(r, s, k);

		if (strcmp(s->name, "listener") == 0)
			check_listener(r, config_item(r->config, s, k), line);
		else if (strcmp(s->name, "imap_client") == 0)
			check_imap_client(r, config_item(r->config, s, k), line);
		else
			check_certificate(r, config_item(r->config, s, k), line);
	}
}

/* RFC 8058 section 3.1: the address is one of https. */
static void check_lists(struct reading *r)
{
	struct span url = span_str(r->config->lists.url);

	if (url.len &&
		(!span_starts(url, SPAN("https://")) || span_has_line_break(url) ||
			!span_is_ascii(url) || span_find(url, ' ') >= 0 ||
			span_find(url, '>') >= 0 || url.ptr[url.len - 1] == '/'))
		config_error(r->errs, 0,
			"lists: url: \"%s\" is not like \"https://lists.example.org\"",
			r->config->lists.url);
}
static void check_rate(struct reading *r, const char *name, const char *text)
{
	struct gcra_rate rate;

	if (!span_eq(span_str(text), SPAN("none")) && !gcra_parse(span_str(text), &rate))
		config_error(r->errs, 0,
			"submission: %s: \"%s\" is no rate (\"300/1h\", \"300/1h burst 50\", none)",
			name, text);
}

bool config_pop3_expire(const char *text, uint32_t *days_r)
{
	int64_t ns;

	*days_r = POP3_EXPIRE_NEVER;
	if (span_eq_nocase(span_str(text), SPAN("never")))
		return true;
	if (!clock_parse_duration(span_str(text), &ns) || ns < 0 || ns % CLOCK_DAY ||
		ns / CLOCK_DAY >= CONFIG_EXPIRE_DAYS)
		return false;
	*days_r = (uint32_t)(ns / CLOCK_DAY);
	return true;
}

static void check_pop3(struct reading *r)
{
	const char *text = r->config->pop3.expire;
	uint32_t days;

	if (!config_pop3_expire(text, &days))
		config_error(r->errs, 0,
			"pop3: expire: \"%s\" is neither never nor a number of days (\"30d\")",
			text);
}

static void check_acme(struct reading *r)
{
	struct acme_settings s;
	struct err e = {0};

	host_acme_settings(r->config, &s);
	if (acme_check(&s, &e) < 0)
		config_error(r->errs, 0, "%s", e.text);
	if (!!r->config->acme.eab_kid[0] != !!r->config->acme.eab_key_file[0])
		config_error(r->errs, 0, "acme: \"eab_kid\" and \"eab_key_file\" go together");
}

static void check_provider(struct reading *r, const char *name, const char *url)
{
	if (url[0] && !span_starts_nocase(span_str(url), SPAN("https://")))
		config_error(
			r->errs, 0, "auth: %s: \"%s\" does not begin with https://", name, url);
}

/* A signed token says for whom it is, and by whom: of every token of the provider ours are a few. */
static void check_auth(struct reading *r)
{
	const struct config *c = r->config;

	check_provider(r, "oauth_introspection", c->auth.introspection);
	check_provider(r, "oauth_jwks", c->auth.jwks);
	if (c->auth.jwks[0] && !c->auth.issuer[0])
		config_error(r->errs, 0, "auth: oauth_jwks needs oauth_issuer");
	if (c->auth.jwks[0] && !c->auth.audience[0])
		config_error(r->errs, 0, "auth: oauth_jwks needs oauth_audience");
}

static void read_tree(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->config;

	read_section(r, cfg, "", 0, c);
	for (size_t i = 1; i < config_section_count; i++) {
		const struct config_section *s = &config_sections[i];

		if (!config_is_listed(s)) {
			read_section(r, cfg_getsec(cfg, s->name), s->name, 0, c);
			continue;
		}
		read_listed(r, cfg, s);
		check_listed(r, s);
	}
	check_lists(r);
	check_rate(r, "messages", c->submission.messages);
	check_rate(r, "recipients", c->submission.recipients);
	check_auth(r);
	check_pop3(r);
	if (!!c->tls.certificate[0] != !!c->tls.key[0])
		config_error(r->errs, 0, "tls: \"certificate\" and \"key\" go together");
	check_acme(r);
	if (c->is_demo)
		demo_names(c);
	else if (!c->hostname[0])
		c->hostname = system_hostname(c->arena);
}

static void run_confuse(struct reading *r, struct span text)
{
	struct arena *a = arena_new();
	cfg_t *cfg = cfg_init(confuse_opts(a, ""), CFGF_NONE);
	FILE *file = fmemopen(arena_str(a, text), text.len, "r");

	/* an empty buffer cannot be opened, and says nothing */
	if (!file && text.len)
		config_error(r->errs, 0, "out of memory");
	cfg_set_error_function(cfg, say_nothing);
	if (file && cfg_parse_fp(cfg, file) != CFG_SUCCESS)
		config_error(r->errs, (unsigned)cfg->line, "this is not understood");
	else
		read_tree(r, cfg);
	if (file)
		fclose(file);
	cfg_free(cfg);
	arena_free(&a);
}

static int by_line(const void *a, const void *b)
{
	const struct config_error *x = a, *y = b;

	return x->line < y->line ? -1 : x->line > y->line;
}

struct config *config_read_text(const char *file, struct span text, struct config_errors *errs)
{
	struct config *c = config_new();
	struct reading r = {.config = c, .errs = errs};

	c->file = arena_str(c->arena, span_str(file));
	r.scan.arena = arena_new();
	r.scan.errs = errs;
	r.scan.text = text;
	config_scan_run(&r.scan);
	/* What is misshapen would only give errors that mislead. */
	if (!errs->count)
		run_confuse(&r, text);
	arena_free(&r.scan.arena);
	if (errs->count) {
		qsort(errs->items, errs->count, sizeof(errs->items[0]), by_line);
		config_unref(&c);
		return NULL;
	}
	return c;
}

struct config *config_read(const char *file, struct config_errors *errs)
{
	struct buf text;
	FILE *f = fopen(file, "re");

	if (!f) {
		config_error(errs, 0, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	buf_init(&text, CONFIG_FILE_MAX);
	for (char *p; (p = buf_reserve(&text, 8192));) {
		size_t n = fread(p, 1, 8192, f);

		buf_added(&text, n);
		if (!n)
			break;
	}
	struct config *c = NULL;
	if (ferror(f))
		config_error(errs, 0, "cannot be read: %s", strerror(errno));
	else if (!buf_ok(&text))
		config_error(errs, 0, "larger than %d octets", CONFIG_FILE_MAX);
	else
		c = config_read_text(file, buf_span(&text), errs);
	fclose(f);
	buf_fini(&text);
	return c;
}
