#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/send_priv.h"

/* `yizhan send`: the words, the plan, and what is done with it. */

static const char *const needs[] = {
	"never", "optional", "optional, but then it must work", "required"};

static void put_list(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "  %-20s %s\n", name, value ? value : "-");
}

static bool is_wanted(const char *sections, const char *name)
{
	struct span rest = span_str(sections), one;

	if (!sections || !sections[0] || span_eq_nocase(rest, SPAN("ALL")))
		return true;
	while (rest.len) {
		span_cut(rest, ',', &one, &rest);
		if (span_eq_nocase(span_trim(one), span_str(name)))
			return true;
	}
	return false;
}

static const char *tls_words(const struct send_plan *p)
{
	return p->is_tls_at_once ? "at once" : needs[p->tls];
}

static void put_sections(
	struct buf *b, const struct send_plan *p, const char *sections, bool shows_passwords)
{
	const struct send_words *w = p->words;

	if (is_wanted(sections, "APP")) {
		buf_str(b, "App\n");
		put_list(b, "version", YIZHAN_VERSION);
		put_list(b, "account", p->account ? p->account->name : NULL);
	}
	if (is_wanted(sections, "TRANSPORT")) {
		buf_str(b, "Transport\n");
		put_list(b, p->pipe ? "pipe" : "url", send_plan_shown(p));
		put_list(b, "local address", p->options.source_address);
		put_list(b, "SOCKS", p->options.proxy ? "yes" : NULL);
	}
	if (is_wanted(sections, "PROTOCOL")) {
		buf_str(b, "Protocol\n");
		put_list(b, "protocol", p->is_lmtp ? "LMTP" : p->is_helo_only ? "SMTP" : "ESMTP");
		put_list(b, "EHLO name", p->options.hello_name);
		put_list(b, "from", send_arg(w, SEND_O_FROM));
		put_list(b, "to", send_arg(w, SEND_O_TO));
		put_list(b, "cc", send_arg(w, SEND_O_CC));
		put_list(b, "bcc", send_arg(w, SEND_O_BCC));
	}
	if (is_wanted(sections, "XCLIENT") && p->xclient_count) {
		buf_str(b, "XCLIENT\n");
		for (size_t i = 0; i < p->xclient_count; i++)
			put_list(b, needs[p->xclient], p->xclients[i]);
	}
	if (is_wanted(sections, "PROXY") && (p->raw_proxy || p->options.proxy_header.version)) {
		buf_str(b, "PROXY\n");
		put_list(b, "text", p->raw_proxy);
		put_list(b, "source", p->options.proxy_header.source);
		put_list(b, "destination", p->options.proxy_header.destination);
	}
	if (is_wanted(sections, "TLS")) {
		buf_str(b, "TLS\n");
		put_list(b, "TLS", tls_words(p));
		put_list(b, "certificate",
			p->options.verify == YZ_VERIFY_NO ? "any" : "must be good");
		put_list(b, "authorities",
			p->tls_options.ca_file ? p->tls_options.ca_file : p->tls_options.ca_dir);
		put_list(b, "client certificate", p->tls_options.cert_file);
	}
	if (is_wanted(sections, "AUTH")) {
		buf_str(b, "Login\n");
		put_list(b, "login", needs[p->auth]);
		put_list(b, "user", p->options.user);
		put_list(b, "mechanisms", p->mechanisms ? p->mechanisms : "strongest first");
		put_list(b, "password",
			!p->secrets.password      ? NULL
				: shows_passwords ? p->secrets.password
						  : "(hidden)");
	}
}

struct span send_dump_text(struct send_plan *p, bool shows_passwords)
{
	const char *sections = send_arg(p->words, SEND_O_DUMP_BODY);
	struct buf b;

	buf_init(&b, 1 << 20);
	put_sections(&b, p, sections, shows_passwords);
	struct span made = span_str(arena_str(p->a, buf_span(&b)));
	buf_fini(&b);
	return made;
}

/* The message as it would go out. */
static int put_letter(struct send_letter *l, struct buf *out)
{
	struct yz_source source;

	send_letter_source(l, &source);
	for (;;) {
		char *p = buf_reserve(out, 65536);
		long n = p ? source.read(source.arg, p, 65536) : -1;

		if (n < 0)
			return cli_fail(SEND_EXIT_SOURCE,
				"the message cannot be read, or is too large to be shown");
		if (n == 0)
			return 0;
		buf_added(out, (size_t)n);
	}
}

static void put_dry_json(struct send_plan *p, struct send_letter *l, struct span message)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, SEND_SHOWN_MAX);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_str(&j, "url", p->pipe ? NULL : send_plan_shown(p));
	json_kv_str(&j, "pipe", p->pipe);
	json_kv_str(&j, "account", p->account ? p->account->name : NULL);
	json_kv_str(&j, "tls", tls_words(p));
	json_kv_str(&j, "user", p->options.user);
	json_kv_str(&j, "from", l->from);
	json_key(&j, "recipients");
	json_open_array(&j);
	for (size_t i = 0; i < l->rcpt_count; i++)
		json_str(&j, l->rcpts[i]);
	json_close(&j);
	json_kv_span(&j, "message", message);
	json_close(&j);
	buf_char(&b, '\n');
	fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
	buf_fini(&b);
}

static void put_dry(struct send_plan *p, struct send_letter *l, struct span message)
{
	printf("server      %s\n", send_plan_shown(p));
	if (p->account)
		printf("account     %s\n", p->account->name);
	printf("TLS         %s\n", tls_words(p));
	if (p->auth != SEND_NEVER)
		printf("login       %s\n", p->options.user ? p->options.user : "-");
	printf("from        <%s>\n", l->from);
	for (size_t i = 0; i < l->rcpt_count; i++)
		printf("to          <%s>\n", l->rcpts[i]);
	printf("message     %zu octets\n\n", message.len);
	fwrite(message.ptr, 1, message.len, stdout);
}

/* --dry-run, --dump, --dump-mail: everything but the conversation. */
static int show_only(struct send_plan *p)
{
	struct send_letters *ls = ARENA_NEW(p->a, struct send_letters);
	struct send_letter *l;
	int code = send_letters_begin(ls, p);

	if (!code && send_has(p->words, SEND_O_DUMP)) {
		struct buf b;

		buf_init(&b, 1 << 20);
		put_sections(&b, p, send_arg(p->words, SEND_O_DUMP), true);
		fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
		buf_fini(&b);
		if (!is_wanted(send_arg(p->words, SEND_O_DUMP), "DATA"))
			return 0;
		puts("Data");
	}
	while (!code && (l = send_letters_next(ls, &code))) {
		struct buf b;

		buf_init(&b, SEND_FILE_MAX * 3);
		code = put_letter(l, &b);
		if (!code && !send_has(p->words, SEND_O_DRY_RUN))
			fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
		else if (!code && send_has(p->words, SEND_O_JSON))
			put_dry_json(p, l, buf_span(&b));
		else if (!code)
			put_dry(p, l, buf_span(&b));
		buf_fini(&b);
	}
	send_letters_end(ls);
	return code;
}

static const char *exit_text(int code)
{
	static const struct {
		int code;
		const char *text;
	} all[] = {
#define X(id, value, text) {value, text},
		SEND_EXITS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].code == code)
			return all[i].text;
	}
	return "";
}

static int run_json(struct send_plan *p, struct send_screen *screen)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, SEND_SHOWN_MAX * 2);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_str(&j, "url", send_plan_shown(p));
	int code = send_talk_run(p, screen, &j);
	send_screen_put_transcript(screen, &j);
	json_kv_i64(&j, "exit", code);
	json_kv_str(&j, "exit_text", exit_text(code));
	json_close(&j);
	buf_char(&b, '\n');
	send_screen_raw(screen, buf_span(&b));
	buf_fini(&b);
	return code;
}

static int run_plan(struct send_plan *p)
{
	const struct send_words *w = p->words;
	struct send_screen *screen;
	int code;

	if (send_has(w, SEND_O_DRY_RUN) || send_has(w, SEND_O_DUMP) ||
		send_has(w, SEND_O_DUMP_MAIL))
		return show_only(p);
	screen = send_screen_new(p->words);
	if (!screen)
		return SEND_EXIT_WORDS;
	code = send_screen_is_json(screen) ? run_json(p, screen) : send_talk_run(p, screen, NULL);
	send_screen_free(&screen, code);
	return code;
}

/* Recipients are asked for on a terminal, as swaks does, when nothing else tells them. */
static int ask_recipient(struct send_words *w)
{
	bool is_told = send_has(w, SEND_O_TO) || send_has(w, SEND_O_CC) ||
		send_has(w, SEND_O_BCC) || send_has(w, SEND_O_READ_RCPTS) ||
		send_has(w, SEND_O_QUIT_AFTER) || send_has(w, SEND_O_DROP_AFTER) ||
		send_has(w, SEND_O_DROP_SEND);
	char *typed = is_told ? NULL : send_ask(w->a, "To", false);

	if (typed && typed[0])
		w->values[SEND_O_TO] = (struct send_value){.is_set = true, .arg = typed};
	return 0;
}

static int support(void)
{
	puts("TLS, STARTTLS, SCRAM (with PLUS), PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER, XOAUTH2, "
	     "EXTERNAL,\nPIPELINING, CHUNKING, BINARYMIME, 8BITMIME, SMTPUTF8, SIZE, DSN, REQUIRETLS, "
	     "DELIVERBY,\nFUTURERELEASE, MT-PRIORITY, XCLIENT, PROXY, LMTP, Unix sockets, pipes, "
	     "SOCKS5.\nNot: PRDR, CRAM-SHA1, DIGEST-MD5, NTLM.");
	return 0;
}

static void end_words(void *arg)
{
	struct send_words *w = arg;

	free(w->items);
	free(w->operands);
}

static int run_send(struct cli_call *c)
{
	struct send_words *w = ARENA_NEW(c->arena, struct send_words);
	struct send_plan *p = ARENA_NEW(c->arena, struct send_plan);
	int code;

	w->a = c->arena;
	arena_defer(c->arena, end_words, w);
	code = send_words_read(w, c->argc, c->argv);
	if (c->is_json)
		w->values[SEND_O_JSON].is_set = true;
	if (code)
		return code;
	if (send_has(w, SEND_O_HELP))
		return cli_help(c->command);
	if (send_has(w, SEND_O_SWAKS_HELP))
		return send_print_swaks_help();
	if (send_has(w, SEND_O_VERSION))
		return cli_version.run(c);
	if (send_has(w, SEND_O_SUPPORT))
		return support();
	if (send_has(w, SEND_O_SETUP))
		return send_setup(w, send_arg(w, SEND_O_SETUP));
	code = send_words_ask(w);
	if (!code)
		code = ask_recipient(w);
	if (!code)
		code = send_plan_make(p, w);
	if (!code)
		code = run_plan(p);
	send_plan_fini(p);
	return code;
}

const struct cli_command cli_send = {
	.name = "send",
	.group = "Sending",
	.line = "send mail and show the conversation, as swaks and msmtp do",
	.text = "Connects to the server that is named, to an account's, or to the MX hosts of the "
		"recipient, and shows all that is said. Without more words a small test message is "
		"sent: yizhan send --to you@example.org --server mail.example.org",
	.usage = "[OPTIONS] [FILE...]",
	.run = run_send,
	.is_hidden_arguments = true,
	.sections = send_sections,
};
