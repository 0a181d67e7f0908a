#include <string.h>

#include "cli/init_priv.h"

/* What init has made and found. */

static const char *mark_word(enum mark m)
{
	return m == MARK_GOOD    ? "ok"
		: m == MARK_WARN ? "warning"
		: m == MARK_BAD  ? "bad"
				 : "unknown";
}

static void put_json(struct init *i)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, JSON_IN_MAX);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_str(&j, "config", i->file);
	json_kv_str(&j, "kept", i->kept);
	json_kv_str(&j, "data", i->data);
	json_kv_str(&j, "hostname", i->hostname);
	json_kv_str(&j, "domain", i->domain);
	json_kv_str(&j, "account", i->account);
	json_kv_str(&j, "password", i->made_password);
	json_kv_bool(&j, "key", i->has_key);
	json_key(&j, "records");
	json_open_array(&j);
	for (size_t n = 0; n < i->record_count; n++) {
		const struct init_record *r = &i->records[n];

		json_open_object(&j);
		json_kv_str(&j, "domain", r->domain);
		json_kv_str(&j, "state", r->state);
		json_kv_str(&j, "type", r->type);
		json_kv_str(&j, "name", r->name);
		json_kv_str(&j, "publish", r->publish);
		json_kv_str(&j, "why", r->why);
		json_close(&j);
	}
	json_close(&j);
	json_key(&j, "checks");
	json_open_array(&j);
	for (size_t n = 0; n < i->check_count; n++) {
		const struct init_check *c = &i->checks[n];

		json_open_object(&j);
		json_kv_str(&j, "name", c->name);
		json_kv_str(&j, "state", mark_word(c->mark));
		json_kv_str(&j, "text", c->text);
		json_kv_str(&j, "advice", c->advice);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	puts(buf_cstr(&b));
	buf_fini(&b);
}

/* ---- for people ---- */

static void show_made(struct init *i)
{
	struct screen *s = &i->screen;

	screen_heading(s, "made", "");
	screen_row(s, 2, "configuration", MARK_GOOD, i->file);
	if (i->kept)
		screen_row(s, 2, "", MARK_DIM, arena_printf(i->a, "the one before is %s", i->kept));
	screen_row(s, 2, "data", MARK_GOOD, i->data);
	screen_row(s, 2, "account", MARK_GOOD, i->account);
	screen_row(s, 2, "", MARK_DIM,
		arena_printf(i->a,
			"postmaster, abuse, hostmaster, security and root at %s lead to it",
			i->domain));
	if (i->made_password) {
		screen_row(s, 2, "password", MARK_GOOD, i->made_password);
		screen_row(s, 2, "", MARK_DIM, "write it down: it is not shown again");
	}
	if (i->has_key)
		screen_row(s, 2, "key", MARK_GOOD, "what leaves will be signed (DKIM)");
}

static void show_checks(struct init *i)
{
	struct screen *s = &i->screen;

	putchar('\n');
	screen_heading(s, "this machine", "");
	for (size_t n = 0; n < i->check_count; n++) {
		const struct init_check *c = &i->checks[n];

		screen_row(s, 2, c->name, c->mark, c->text);
		if (c->advice[0])
			screen_row(s, 2, "", MARK_DIM, c->advice);
	}
}

static enum mark mark_of(const char *state)
{
	return strcmp(state, "ok") == 0          ? MARK_GOOD
		: strcmp(state, "optional") == 0 ? MARK_NOTE
		: strcmp(state, "unknown") == 0  ? MARK_WARN
						 : MARK_BAD;
}

/* What is there already is told in a line; what is to be published as it stands in a zone file. */
static void show_records(struct init *i)
{
	struct screen *s = &i->screen;
	size_t missing = 0;

	putchar('\n');
	screen_heading(s, "DNS: publish these", "");
	for (size_t n = 0; n < i->record_count; n++) {
		const struct init_record *r = &i->records[n];

		if (!r->publish[0]) {
			if (strcmp(r->state, "ok") == 0)
				screen_row(s, 2, r->type, MARK_GOOD,
					arena_printf(i->a, "%s is published", r->name));
			continue;
		}
		missing++;
		screen_row(s, 2, r->type, i->is_offline ? MARK_NOTE : mark_of(r->state), r->why);
		screen_blanks(4);
		/* as long as it is: it is to be copied */
		puts(probe_clean(
			i->a, cli_zone_line(i->a, r->name, r->type, r->publish, ' '), false));
	}
	if (missing)
		printf("\n  All of them for a zone file: yizhan --config %s dns --zone%s\n",
			i->file, i->is_offline ? " --offline" : "");
}

static void show_next(struct init *i)
{
	struct screen *s = &i->screen;

	putchar('\n');
	screen_heading(s, "next", "");
	printf("  1. publish the records, and ask who gave you the address for its PTR record\n"
	       "  2. %s\n"
	       "  3. see whether all is well: yizhan --config %s dns\n",
		i->is_root && strcmp(i->file, "/etc/yizhan/yizhan.conf") == 0
			? "start the server: systemctl enable --now yizhan"
			: arena_printf(i->a, "start the server: yizhan serve --config %s", i->file),
		i->file);
}

void init_show(struct init *i)
{
	if (i->c->is_json) {
		put_json(i);
		return;
	}
	show_made(i);
	show_checks(i);
	show_records(i);
	show_next(i);
}
