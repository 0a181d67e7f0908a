/* All of it for people: one server in detail, or several side by side. */

#include <string.h>

#include "cli/probe_screen.h"

#define SHOW_CELL     28 /* a column beside others is at least so wide, */
#define SHOW_CELL_MAX 44 /* and at most */
#define SHOW_COLUMNS  8

/* ---- facts as cells, for both ways of showing ---- */

static struct cell cell_ptr(const struct screen *s, const struct probe_addr *a)
{
	if (!a->ptr_count)
		return (struct cell){
			MARK_NOTE, a->ptr_status == DNS_FAIL ? "no name server answers" : "none"};
	return (struct cell){a->is_confirmed ? MARK_GOOD : MARK_NOTE,
		a->is_confirmed
			? a->ptr[0]
			: arena_printf(s->arena, "%s, which does not lead back", a->ptr[0])};
}

static struct cell cell_state(const struct screen *s, const struct probe_port *port)
{
	(void)s;
	if (!port->is_open)
		return (struct cell){MARK_BAD, port->why};
	if (port->why)
		return (struct cell){MARK_BAD, port->why};
	return (struct cell){MARK_GOOD, "answers"};
}

static struct cell cell_times(const struct screen *s, const struct probe_port *port)
{
	const char *text = "";

	for (size_t i = 0; i < port->step_count; i++)
		text = arena_printf(s->arena, "%s%s%s %.*f", text, i ? ", " : "",
			port->steps[i].name, port->steps[i].ns < 10 * CLOCK_MS ? 1 : 0,
			(double)port->steps[i].ns / (double)CLOCK_MS);
	return (struct cell){MARK_NONE, arena_printf(s->arena, "%s ms", text)};
}

static struct cell cell_tls(const struct screen *s, const struct probe_port *port)
{
	const struct probe_tls *x = &port->tls;

	if (!x->is_tried)
		return (struct cell){MARK_WARN, "not offered"};
	if (!x->is_up)
		return (struct cell){MARK_BAD, x->why ? x->why : "failed"};
	return (struct cell){MARK_GOOD,
		arena_printf(s->arena, "%s %s, %u bits%s%s", x->version, x->cipher, x->bits,
			x->group ? ", " : "", x->group ? x->group : "")};
}

static struct cell cell_versions(const struct screen *s, const struct probe_port *port)
{
	static const char *const names[PROBE_VERSIONS] = {"1.0", "1.1", "1.2", "1.3"};
	static const char *const words[] = {"?", "no", "yes", "?"};
	const struct probe_version *v = port->tls.versions;
	enum mark mark = MARK_GOOD;
	const char *text = "";

	for (int i = 0; i < PROBE_VERSIONS; i++)
		text = arena_printf(s->arena, "%s%s%s %s", text, i ? ", " : "", names[i],
			words[v[i].is_spoken]);
	if (v[0].is_spoken == PROBE_YES || v[1].is_spoken == PROBE_YES)
		mark = port->kind == &probe_kinds[PROBE_SMTP] ? MARK_NOTE : MARK_WARN;
	if (v[2].is_spoken == PROBE_NO && v[3].is_spoken == PROBE_NO)
		mark = MARK_BAD;
	return (struct cell){mark, text};
}

static const char *date(struct arena *a, int64_t sec)
{
	struct clock_civil c;

	clock_to_civil(sec, 0, &c);
	return arena_printf(a, "%04d-%02d-%02d", c.year, c.month, c.day);
}

static struct cell cell_expiry(const struct screen *s, const struct probe_port *port)
{
	const struct tls_cert *c = port->tls.cert_count ? &port->tls.certs[0] : NULL;

	if (!c)
		return (struct cell){MARK_NONE, "-"};
	return (struct cell){c->not_after < s->p->now_sec           ? MARK_BAD
			: c->not_after - s->p->now_sec < 14 * 86400 ? MARK_WARN
								    : MARK_GOOD,
		arena_printf(s->arena, "%s (%s)", probe_days(s->p, s->arena, c->not_after),
			date(s->arena, c->not_after))};
}

static struct cell cell_trust(const struct screen *s, const struct probe_port *port)
{
	const struct probe_tls *x = &port->tls;
	enum mark bad = probe_is_trusted(port) ? MARK_NOTE : MARK_WARN;

	if (!x->is_up)
		return (struct cell){MARK_NONE, "-"};
	if (x->verdict.trust == TLS_TRUST_GOOD)
		return (struct cell){MARK_GOOD, arena_printf(s->arena, "trusted for %s", x->name)};
	if (x->verdict.trust == TLS_TRUST_WRONG_NAME)
		return (struct cell){bad, arena_printf(s->arena, "not for %s", x->name)};
	return (struct cell){bad, tls_trust_str(x->verdict.trust)};
}

static struct cell cell_dane(const struct screen *s, const struct probe_port *port)
{
	const struct probe_host *h = port->host;
	const struct probe_tls *x = &port->tls;

	if (h->tlsa_status == DNS_BOGUS)
		return (struct cell){MARK_BAD, "signatures are wrong"};
	if (!h->tlsa_count)
		return (struct cell){MARK_NONE, "no TLSA record"};
	if (!h->is_tlsa_secure)
		return (struct cell){MARK_WARN, "not validated"};
	if (!x->is_dane_tried)
		return (struct cell){MARK_NOTE, "for port 25 only"};
	if (x->dane.trust != TLS_TRUST_GOOD)
		return (struct cell){
			MARK_BAD, x->dane_why ? x->dane_why : tls_trust_str(x->dane.trust)};
	return (struct cell){MARK_GOOD,
		arena_printf(s->arena, "fits, validated (%zu record%s)", h->tlsa_count,
			h->tlsa_count == 1 ? "" : "s")};
}

static struct cell cell_sts(const struct screen *s, const struct probe_port *port)
{
	(void)s;
	switch (port->host->is_in_policy) {
	case PROBE_YES: return (struct cell){MARK_GOOD, "named"};
	case PROBE_NO: return (struct cell){MARK_BAD, "not named"};
	default: return (struct cell){MARK_NONE, "-"};
	}
}

static struct cell cell_auth(const struct screen *s, const struct probe_port *port)
{
	const char *before = port->before.auth, *after = port->after.auth;

	if (port->has_hello && before[0])
		return (struct cell){MARK_NONE,
			arena_printf(s->arena, "%s without TLS%s%s", before,
				port->has_hello_after ? "; under TLS " : "",
				port->has_hello_after ? after : "")};
	if (port->has_hello_after && after[0])
		return (struct cell){MARK_NONE, arena_printf(s->arena, "%s under TLS only", after)};
	return (struct cell){MARK_NONE, "none offered"};
}

static struct cell cell_size(const struct screen *s, const struct probe_port *port)
{
	if (!port->has_size)
		return (struct cell){MARK_NONE, "not told"};
	return (struct cell){MARK_NONE,
		port->size_max ? probe_words_size(s->arena, port->size_max) : "no fixed limit"};
}

static struct cell cell_relay(const struct screen *s, const struct probe_port *port)
{
	const char *why = port->relay_why ? port->relay_why : "";

	switch (port->relay) {
	case PROBE_YES:
		return (struct cell){s->p->is_relay_checked ? MARK_BAD : MARK_NOTE,
			arena_printf(s->arena, "%s: %s",
				s->p->is_relay_checked ? "OPEN" : "for this machine", why)};
	case PROBE_NO: return (struct cell){MARK_GOOD, arena_printf(s->arena, "refused: %s", why)};
	case PROBE_UNSURE: return (struct cell){MARK_NOTE, why};
	default: return (struct cell){MARK_DIM, "not tried (--relay-check)"};
	}
}

static struct cell cell_injection(const struct screen *s, const struct probe_port *port)
{
	const char *why = port->injection_why ? port->injection_why : "";

	(void)s;
	switch (port->injection) {
	case PROBE_YES: return (struct cell){MARK_BAD, why};
	case PROBE_NO: return (struct cell){MARK_GOOD, why};
	case PROBE_UNSURE: return (struct cell){MARK_NOTE, why};
	default: return (struct cell){MARK_DIM, "-"};
	}
}

static struct cell cell_greeting(const struct screen *s, const struct probe_port *port)
{
	struct span first, rest;

	span_cut(span_str(port->greeting), '\n', &first, &rest);
	return (struct cell){MARK_NONE, arena_str(s->arena, first)};
}

static struct cell cell_pref(const struct screen *s, const struct probe_port *port)
{
	return (struct cell){MARK_NONE, arena_printf(s->arena, "%u", port->host->pref)};
}

static struct cell cell_addr(const struct screen *s, const struct probe_port *port)
{
	return (struct cell){MARK_NONE,
		arena_printf(s->arena, "%s%s", port->addr->text,
			port->host->is_secure ? " (validated)" : "")};
}

static struct cell cell_port_ptr(const struct screen *s, const struct probe_port *port)
{
	return cell_ptr(s, port->addr);
}

/* ---- side by side ---- */

static const struct side_row {
	const char *label;
	struct cell (*cell)(const struct screen *s, const struct probe_port *port);
	bool is_mx, is_open, is_tls, is_smtp;
} side_rows[] = {
	{"preference", cell_pref, .is_mx = true},
	{"address", cell_addr},
	{"PTR", cell_port_ptr},
	{"state", cell_state},
	{"greeting", cell_greeting, .is_open = true},
	{"times", cell_times, .is_open = true},
	{"size limit", cell_size, .is_open = true, .is_smtp = true},
	{"login", cell_auth, .is_open = true},
	{"TLS", cell_tls, .is_open = true},
	{"TLS versions", cell_versions, .is_tls = true},
	{"certificate", cell_trust, .is_tls = true},
	{"", cell_expiry, .is_tls = true},
	{"DANE", cell_dane, .is_mx = true},
	{"MTA-STS", cell_sts, .is_mx = true},
	{"injection", cell_injection, .is_tls = true},
	{"relaying", cell_relay, .is_open = true, .is_smtp = true},
};

static bool is_shown(const struct side_row *r, const struct probe_port *port)
{
	return !(r->is_mx && !port->host->is_mx) && !(r->is_open && !port->is_open) &&
		!(r->is_tls && !port->tls.is_up) &&
		!(r->is_smtp && (!port->kind || port->kind->family != PROBE_FAMILY_SMTP));
}

/* One row of cells, each wrapped in its column. */
static void put_cells(const struct screen *s, const char *label, const struct cell *cells,
	size_t count, unsigned width, bool is_bold)
{
	struct span rest[SHOW_COLUMNS];
	bool is_first = true, is_more = true;

	for (size_t i = 0; i < count; i++)
		rest[i] = span_str(probe_clean(s->arena, cells[i].text, false));
	while (is_more) {
		is_more = false;
		unsigned owed = 0; /* blanks, written only before something: none at the end */

		screen_label(s, 2, is_first ? label : "");
		for (size_t i = 0; i < count; i++) {
			enum mark m = cells[i].mark;
			unsigned mark_width = screen_columns(span_str(screen_marks[m]));
			struct span line = screen_take_line(&rest[i], width - 2 - mark_width);

			if (line.len) {
				screen_blanks(owed + (is_first ? 0 : mark_width));
				screen_color(s, is_bold ? "\033[1m" : screen_colors[m]);
				if (is_first)
					fputs(screen_marks[m], stdout);
				if (!is_bold && m != MARK_DIM)
					screen_color(s, "\033[0m");
				printf(SPAN_FMT, SPAN_ARG(line));
				if (is_bold || m == MARK_DIM)
					screen_color(s, "\033[0m");
				owed = width - mark_width - screen_columns(line);
			} else {
				owed += width;
			}
			is_more = is_more || rest[i].len;
		}
		putchar('\n');
		is_first = false;
	}
}

static void put_side_block(
	const struct screen *s, struct probe_port *const *ports, size_t count, unsigned width)
{
	struct cell cells[SHOW_COLUMNS];
	bool is_any;

	for (size_t k = 0; k < count; k++)
		cells[k] = (struct cell){MARK_NONE,
			ports[k]->host->name[0] ? ports[k]->host->name : ports[k]->addr->text};
	put_cells(s, "", cells, count, width, true);
	for (size_t r = 0; r < ARRAY_LEN(side_rows); r++) {
		is_any = false;
		for (size_t k = 0; k < count; k++) {
			bool is_here = is_shown(&side_rows[r], ports[k]);

			is_any = is_any || is_here;
			cells[k] = is_here ? side_rows[r].cell(s, ports[k])
					   : (struct cell){MARK_NONE, "-"};
		}
		if (is_any)
			put_cells(s, side_rows[r].label, cells, count, width, false);
	}
	putchar('\n');
}

static void put_side(const struct screen *s, struct probe_port *const *ports, size_t count)
{
	size_t fit = (s->width - 2 - SHOW_LABEL) / SHOW_CELL;
	unsigned width;

	fit = fit < 1 ? 1 : fit > SHOW_COLUMNS ? SHOW_COLUMNS : fit;
	for (size_t i = 0; i < count; i += fit) {
		size_t n = count - i < fit ? count - i : fit;

		width = (unsigned)((s->width - 2 - SHOW_LABEL) / n);
		if (width > SHOW_CELL_MAX && n > 1)
			width = SHOW_CELL_MAX;
		put_side_block(s, ports + i, n, width);
	}
}

/* ---- in detail ---- */

static bool has_cap(const struct probe_caps *c, const char *line)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->lines[i], line) == 0)
			return true;
	return false;
}

/* Of `c` the lines that `but` (NULL: none) does not have. */
static bool put_caps(const struct screen *s, const char *label, enum probe_family family,
	const struct probe_caps *c, const struct probe_caps *but)
{
	unsigned widest = 0;
	bool is_first = true;

	for (size_t i = 0; i < c->count; i++) {
		unsigned w = screen_columns(span_str(probe_clean(s->arena, c->lines[i], false)));

		widest = w > widest && w <= 24 ? w : widest;
	}
	for (size_t i = 0; i < c->count; i++) {
		const char *line = probe_clean(s->arena, c->lines[i], false);
		const char *text = probe_words_cap(s->arena, family, c->lines[i]);
		unsigned w = screen_columns(span_str(line));

		if (but && has_cap(but, c->lines[i]))
			continue;
		screen_label(s, 4, is_first ? label : "");
		screen_wrapped(s, 4 + SHOW_LABEL, MARK_NONE,
			text ? arena_printf(s->arena, "%s%*s  %s", line,
				       (int)(w < widest ? widest - w : 0), "", text)
			     : line,
			widest + 2);
		is_first = false;
	}
	return !is_first;
}

static void put_auth(const struct screen *s, const char *label, const char *auth, bool is_tls)
{
	struct span rest = span_str(auth), word;
	bool is_first = true;

	while ((word = span_word(&rest)).len) {
		bool is_readable;
		const char *name = arena_str(s->arena, word);
		const char *text = probe_words_auth(name, &is_readable);

		screen_label(s, 4, is_first ? label : "");
		screen_wrapped(s, 4 + SHOW_LABEL, is_readable && !is_tls ? MARK_WARN : MARK_NONE,
			arena_printf(s->arena, "%-20s  %s", name, text), 22);
		is_first = false;
	}
	if (is_first)
		screen_row(s, 4, label, MARK_NONE, "no way offered");
}

static void put_certs(const struct screen *s, const struct probe_port *port)
{
	const struct probe_tls *x = &port->tls;
	struct cell c = cell_trust(s, port);

	screen_row(s, 4, "certificate", c.mark, c.text);
	c = cell_expiry(s, port);
	screen_row(s, 4, "", c.mark, c.text);
	for (size_t i = 0; i < x->cert_count; i++) {
		const struct tls_cert *cert = &x->certs[i];

		screen_label(s, 4, i ? "" : "chain");
		screen_wrapped(s, 4 + SHOW_LABEL, MARK_NONE,
			arena_printf(s->arena, "%zu  %s (%s, %s)", i + 1, cert->subject, cert->key,
				cert->signature),
			3);
		if (i == 0 && cert->names[0]) {
			screen_label(s, 4, "");
			screen_wrapped(s, 4 + SHOW_LABEL, MARK_NONE,
				arena_printf(s->arena, "   for %s", cert->names), 7);
		}
	}
	if (!x->cert_count)
		return;
	screen_row(s, 4, "", MARK_NONE,
		arena_printf(s->arena, "   issued by %s", x->certs[x->cert_count - 1].issuer));
	screen_blanks(4);
	screen_wrapped(s, 4, MARK_NONE, arena_printf(s->arena, "sha256 %s", x->certs[0].sha256), 7);
}

static void put_tlsa(const struct screen *s, const struct probe_port *port)
{
	for (size_t i = 0; i < port->host->tlsa_count; i++) {
		const struct tls_tlsa *r = &port->host->tlsa[i];
		bool is_usable = tls_tlsa_is_usable(r);
		struct buf hex;

		buf_init(&hex, 100);
		for (size_t k = 0; k < r->data.len && k < 8; k++)
			buf_printf(&hex, "%02x", (unsigned char)r->data.ptr[k]);
		screen_row(s, 4, "", port->tls.dane_fits[i] ? MARK_GOOD : MARK_NOTE,
			arena_printf(s->arena, "%u %u %u %s%s  %s", r->usage, r->selector,
				r->matching, buf_cstr(&hex), r->data.len > 8 ? "…" : "",
				!is_usable                       ? "not usable for SMTP"
					: port->tls.dane_fits[i] ? "is in the chain"
								 : "is not in the chain"));
		buf_fini(&hex);
	}
}

static void put_cell_row(const struct screen *s, const char *label, struct cell c)
{
	screen_row(s, 4, label, c.mark, c.text);
}

static void put_port(const struct screen *s, const struct probe_port *port)
{
	enum probe_family family = port->kind ? port->kind->family : PROBE_FAMILY_SMTP;

	screen_heading(s,
		arena_printf(s->arena, "  %u %s", port->port, port->kind ? port->kind->name : ""),
		port->is_open ? "" : port->why);
	if (!port->is_open)
		return;
	if (port->why)
		screen_row(s, 4, "state", MARK_BAD, port->why);
	if (port->greeting)
		screen_row(s, 4, "greeting", MARK_NONE, port->greeting);
	put_cell_row(s, "times", cell_times(s, port));
	if (port->has_hello) {
		if (!put_caps(s, "offers", family, &port->before, NULL))
			screen_row(s, 4, "offers", MARK_NONE, "nothing");
		put_auth(s, "login", port->before.auth, false);
	}
	put_cell_row(s, "TLS", cell_tls(s, port));
	if (port->tls.is_up) {
		put_cell_row(s, "versions", cell_versions(s, port));
		put_certs(s, port);
		if (port->host->tlsa_count) {
			put_cell_row(s, "DANE", cell_dane(s, port));
			put_tlsa(s, port);
		}
	}
	if (port->has_hello_after) {
		if (!put_caps(s, "under TLS", family, &port->after,
			    port->has_hello ? &port->before : NULL))
			screen_row(s, 4, "under TLS", MARK_NONE,
				port->has_hello ? "offers nothing more" : "offers nothing");
		put_auth(s, port->has_hello ? "login, TLS" : "login", port->after.auth, true);
	}
	if (port->injection != PROBE_UNTRIED)
		put_cell_row(s, "injection", cell_injection(s, port));
	if (family == PROBE_FAMILY_SMTP)
		put_cell_row(s, "relaying", cell_relay(s, port));
	putchar('\n');
}

static void put_addr(const struct screen *s, const struct probe_host *h, const struct probe_addr *a)
{
	struct cell ptr = cell_ptr(s, a);
	const char *closed = "";

	screen_heading(s, h->name[0] ? h->name : a->text, h->name[0] ? a->text : "");
	screen_row(s, 2, "PTR", ptr.mark, ptr.text);
	for (size_t i = 0; i < a->port_count; i++) {
		if (a->ports[i].is_open || a->ports[i].is_asked_for)
			put_port(s, &a->ports[i]);
		else
			closed = arena_printf(s->arena, "%s%s%u %s (%s)", closed,
				closed[0] ? ", " : "", a->ports[i].port, a->ports[i].kind->name,
				a->ports[i].why);
	}
	if (closed[0]) {
		screen_row(s, 2, "no answer", MARK_NONE, closed);
		putchar('\n');
	}
}

/* ---- all ---- */

static void put_domain(const struct screen *s)
{
	const struct probe_domain *d = &s->p->domain;
	struct arena *a = s->arena;
	const char *text;

	screen_heading(s, d->name,
		d->is_mx_secure ? "MX validated by DNSSEC" : "MX not validated by DNSSEC");
	if (d->is_null_mx)
		screen_row(s, 2, "MX", MARK_NOTE, "null MX: takes no mail");
	if (d->policy_why) {
		screen_row(s, 2, "MTA-STS", MARK_BAD, d->policy_why);
	} else if (d->policy_mode) {
		struct buf age;

		buf_init(&age, 64);
		clock_put_duration(&age, (int64_t)d->max_age * CLOCK_SEC);
		text = arena_printf(a, "%s for %s, id %s:", d->policy_mode, buf_cstr(&age),
			d->sts_id ? d->sts_id : "missing");
		for (size_t i = 0; i < d->pattern_count; i++)
			text = arena_printf(a, "%s %s", text, d->patterns[i]);
		buf_fini(&age);
		screen_row(s, 2, "MTA-STS", MARK_GOOD, text);
	} else {
		screen_row(s, 2, "MTA-STS", MARK_NOTE, "none");
	}
	screen_row(s, 2, "TLSRPT", d->rua ? MARK_GOOD : MARK_NOTE,
		d->rua ? arena_printf(a, "reports to %s", d->rua) : "none");
	putchar('\n');
}

static void put_findings(const struct screen *s)
{
	static const enum mark marks[] = {MARK_NOTE, MARK_WARN, MARK_BAD};
	size_t counted = 0;

	screen_heading(s, "Findings", "");
	for (size_t i = 0; i < s->p->finding_count; i++) {
		const struct probe_finding *f = &s->p->findings[i];

		counted += f->level != PROBE_NOTE;
		screen_blanks(2);
		screen_wrapped(s, 2, marks[f->level],
			arena_printf(s->arena, "%s: %s", f->where, f->text), 2);
	}
	if (!counted) {
		screen_blanks(2);
		screen_wrapped(s, 2, MARK_GOOD, "nothing to complain about", 2);
	}
}

/* The i-th port of every address: the k-th column is the k-th address. */
static size_t ports_at(struct probe *p, size_t i, struct probe_port **ports)
{
	size_t count = 0;

	for (size_t h = 0; h < p->host_count; h++)
		for (size_t k = 0; k < p->hosts[h].addr_count; k++)
			if (i < p->hosts[h].addrs[k].port_count)
				ports[count++] = &p->hosts[h].addrs[k].ports[i];
	return count;
}

static bool is_worth_showing(struct probe_port *const *ports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ports[i]->is_open || ports[i]->is_asked_for || ports[i]->host->is_mx)
			return true;
	return false;
}

void probe_show(struct probe *p)
{
	struct screen s;
	struct probe_port **ports = ARENA_ARRAY(
		p->arena, struct probe_port *, PROBE_HOSTS_MAX * PROBE_ADDRS_MAX);
	size_t columns = ports_at(p, 0, ports);
	const char *closed = "";

	screen_init(&s, p);
	if (p->is_domain)
		put_domain(&s);
	if (columns > 1 && !p->is_detailed) {
		for (size_t i = 0; i < PROBE_PORTS_MAX && (columns = ports_at(p, i, ports)); i++) {
			if (!is_worth_showing(ports, columns)) {
				closed = arena_printf(p->arena, "%s%s%u %s", closed,
					closed[0] ? ", " : "", ports[0]->port,
					ports[0]->kind->name);
				continue;
			}
			screen_heading(&s,
				arena_printf(p->arena, "Port %u %s", ports[0]->port,
					ports[0]->kind ? ports[0]->kind->name : ""),
				"");
			put_side(&s, ports, columns);
		}
		if (closed[0]) {
			screen_row(&s, 0, "No answer", MARK_NONE, closed);
			putchar('\n');
		}
	} else {
		for (size_t h = 0; h < p->host_count; h++)
			for (size_t k = 0; k < p->hosts[h].addr_count; k++)
				put_addr(&s, &p->hosts[h], &p->hosts[h].addrs[k]);
	}
	put_findings(&s);
}
