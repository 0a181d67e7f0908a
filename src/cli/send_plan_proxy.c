#include <string.h>
#include <strings.h>

#include "cli/send_plan_priv.h"

/* XCLIENT and PROXY: who the client is said to be. */

static const struct {
	enum send_id id;
	const char *name;
} attributes[] = {
	{SEND_O_X_NAME, "NAME"},
	{SEND_O_X_ADDR, "ADDR"},
	{SEND_O_X_PORT, "PORT"},
	{SEND_O_X_PROTO, "PROTO"},
	{SEND_O_X_DESTADDR, "DESTADDR"},
	{SEND_O_X_DESTPORT, "DESTPORT"},
	{SEND_O_X_HELO, "HELO"},
	{SEND_O_X_LOGIN, "LOGIN"},
	{SEND_O_X_REVERSE, "REVERSE_NAME"},
};

static const char *attribute_of(int id)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		if ((int)attributes[i].id == id)
			return attributes[i].name;
	}
	return NULL;
}

/* RFC 1891 section 5 */
static void put_xtext(struct buf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 33 || c > 126 || c == '+' || c == '=')
			buf_printf(b, "+%02X", c);
		else
			buf_char(b, (char)c);
	}
}

static void end_command(struct send_plan *p, struct buf *b)
{
	if (buf_len(b))
		p->xclients[p->xclient_count++] = arena_str(p->a, buf_span(b));
	buf_clear(b);
}

int send_plan_set_xclient(struct send_plan *p)
{
	const struct send_words *w = p->words;
	struct buf b;

	p->xclients = ARENA_ARRAY(p->a, const char *, w->item_count * 2 + 1);
	p->is_xclient_checked = !send_has(w, SEND_O_X_NO_VERIFY);
	p->is_xclient_first = send_has(w, SEND_O_X_BEFORE_TLS);
	buf_init(&b, 65536);
	for (size_t i = 0; i < w->item_count; i++) {
		const struct send_item *item = &w->items[i];
		const char *name = attribute_of(item->id);

		if (item->id == SEND_O_X_DELIM || item->id == SEND_O_XCLIENT)
			end_command(p, &b);
		if (item->id == SEND_O_XCLIENT) {
			buf_str(&b, item->arg);
			end_command(p, &b);
			p->is_xclient_checked = false;
		}
		if (!name)
			continue;
		buf_printf(&b, "%s%s=", buf_len(&b) ? " " : "", name);
		put_xtext(&b, item->arg);
	}
	end_command(p, &b);
	buf_fini(&b);
	if (!p->xclient_count)
		return 0;
	p->xclient = send_has(w, SEND_O_X_STRICT) ? SEND_STRICT
		: send_has(w, SEND_O_X_OPTIONAL)  ? SEND_OPTIONAL
						  : SEND_REQUIRED;
	return 0;
}

static int set_proxy_port(const char *text, int *port_r)
{
	return send_plan_port(text, port_r) ? SEND_EXIT_PROXY_WORDS : 0;
}

int send_plan_set_proxy(struct send_plan *p)
{
	const struct send_words *w = p->words;
	struct yz_proxy_header *h = &p->options.proxy_header;
	const char *raw = send_arg(w, SEND_O_PROXY), *version = send_arg(w, SEND_O_PROXY_VERSION);
	const char *family = send_arg(w, SEND_O_PROXY_FAMILY);
	const char *command = send_arg(w, SEND_O_PROXY_COMMAND);
	const char *kind = send_arg(w, SEND_O_PROXY_PROTOCOL);
	const char *source = send_arg(w, SEND_O_PROXY_SOURCE);
	const char *source_port = send_arg(w, SEND_O_PROXY_SOURCE_PORT);
	const char *dest = send_arg(w, SEND_O_PROXY_DEST);
	const char *dest_port = send_arg(w, SEND_O_PROXY_DEST_PORT);
	int number = version && strcmp(version, "2") == 0 ? 2 : 1;

	if (version && strcmp(version, "1") != 0 && number != 2)
		return cli_fail(SEND_EXIT_PROXY_WORDS, "--proxy-version is 1 or 2");
	if (raw && (family || source || source_port || dest || dest_port || command || kind))
		return cli_fail(
			SEND_EXIT_PROXY_WORDS, "--proxy stands without other --proxy-* words");
	if (raw && (number != 1 || p->is_tls_at_once || p->pipe || strncmp(p->url, "smtp://", 7)))
		return cli_fail(SEND_EXIT_PROXY_WORDS,
			"--proxy TEXT goes with version 1, a --server, and no TLS at once");
	p->raw_proxy = raw;
	if (raw || !(version || family || command || source || dest))
		return 0;
	h->version = number;
	h->is_local = (command && strcasecmp(command, "LOCAL") == 0) ||
		(family && strcasecmp(family, "AF_UNSPEC") == 0);
	if (kind && strcasecmp(kind, "STREAM") != 0)
		return cli_fail(
			SEND_EXIT_PROXY_WORDS, "--proxy-protocol is STREAM: mail has no other");
	if (h->is_local)
		return 0;
	if (!source || !source_port || !dest || !dest_port)
		return cli_fail(SEND_EXIT_PROXY_WORDS,
			"--proxy-source, --proxy-source-port, --proxy-dest and --proxy-dest-port "
			"go together");
	/* the addresses tell the family; a word that says otherwise is a mistake */
	if (family && (strchr(family, '6') != NULL) != (strchr(source, ':') != NULL))
		return cli_fail(
			SEND_EXIT_PROXY_WORDS, "--proxy-family %s does not fit %s", family, source);
	h->source = source;
	h->destination = dest;
	return set_proxy_port(source_port, &h->source_port) ||
			set_proxy_port(dest_port, &h->destination_port)
		? SEND_EXIT_PROXY_WORDS
		: 0;
}
