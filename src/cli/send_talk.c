#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "cli/send_priv.h"

/* The conversation, stage by stage, so that it can be stopped behind each of them. */

/* An error of the session, told once; the exit status. */
static int failed(struct send_talk *t, int code)
{
	const struct yz_error *e = yz_error(t->session);
	const char *advice = send_advice(e->code, e->reply, YZ_NOT_SENT);

	send_complain(t->screen, "%s", e->text);
	if (advice)
		send_say(t->screen, "%s", advice);
	t->is_over = true;
	return code ? code : send_exit_of(e);
}

/* The stage is over: go on, or stop here? */
static bool is_stop(struct send_talk *t, enum send_stop stop)
{
	const struct send_plan *p = t->plan;

	if (p->drop_after == stop || p->drop_after_send == stop) {
		yz_close(t->session);
		send_say(t->screen, "connection dropped, as asked for");
		t->is_over = true;
	} else if (p->quit_after == stop) {
		t->is_over = true;
	}
	return t->is_over;
}

/* --drop-after-send: the command goes out, its reply is not waited for. */
static bool is_dropped(struct send_talk *t, enum send_stop stop, const char *verb, const char *args)
{
	if (t->plan->drop_after_send != stop || t->is_over)
		return false;
	yz_put(t->session, verb, args);
	return is_stop(t, stop);
}

static int open_own(struct send_talk *t)
{
	struct send_plan *p = t->plan;
	struct yz_transport transport;
	struct err e = {0};

	if (p->pipe) {
		send_say(t->screen, "starting %s", p->pipe);
		t->pipe = send_pipe_start(p->pipe, &e);
	} else {
		struct span head = span_str(arena_printf(p->a, "PROXY %s\r\n", p->raw_proxy));

		send_say(t->screen, "connecting to %s", p->url);
		t->pipe = send_pipe_connect(p->url, p->options.family, head, &e);
	}
	if (!t->pipe) {
		send_complain(t->screen, "%s", e.text);
		t->is_over = true;
		return p->pipe ? SEND_EXIT_PIPE_DIED : SEND_EXIT_CONNECT;
	}
	send_pipe_transport(t->pipe, &transport);
	if (yz_attach(t->session, &transport, p->host, p->is_lmtp) != YZ_OK ||
		yz_greeting(t->session) != YZ_OK)
		return failed(t,
			p->pipe && yz_error(t->session)->code == YZ_E_CLOSED ? SEND_EXIT_PIPE_DIED
									     : 0);
	return 0;
}

/* A pipe's command that went away is swaks' own number, wherever it happens. */
static int lost(const struct send_talk *t)
{
	const struct yz_error *e = yz_error(t->session);

	return t->plan->pipe && (e->code == YZ_E_CLOSED || e->code == YZ_E_SYSTEM)
		? SEND_EXIT_PIPE_DIED
		: 0;
}

static int check_certificate(struct send_talk *t)
{
	const struct yz_tls_info *tls = yz_tls(t->session);
	const char *name = t->plan->host_name_checked;

	send_screen_tls(t->screen, t->session);
	if (!name || !tls || (tls->cert_count && send_cert_is_for(tls->certs[0].pem, name)))
		return 0;
	send_complain(t->screen, "the certificate is not for %s", name);
	yz_close(t->session);
	t->is_over = true;
	return SEND_EXIT_TLS;
}

static int save_certificates(struct send_talk *t, enum send_id id, size_t max)
{
	const struct yz_tls_info *tls = yz_tls(t->session);
	const char *file = send_arg(t->plan->words, id);
	FILE *f;

	if (!send_has(t->plan->words, id) || !tls)
		return 0;
	f = file ? fopen(file, "we") : NULL;
	if (file && !f) {
		send_complain(t->screen, "%s: %s", file, strerror(errno));
		return SEND_EXIT_WORDS;
	}
	for (size_t i = 0; i < tls->cert_count && i < max; i++) {
		if (f)
			fputs(tls->certs[i].pem, f);
		else if (!send_screen_is_json(t->screen))
			send_screen_raw(t->screen, span_str(tls->certs[i].pem));
	}
	return !f || fclose(f) == 0 ? 0 : SEND_EXIT_WORDS;
}

static int look_at_tls(struct send_talk *t)
{
	int code = yz_tls(t->session) ? check_certificate(t) : 0;

	if (!code)
		code = save_certificates(t, SEND_O_TLS_PEER_CERT, 1);
	if (!code)
		code = save_certificates(t, SEND_O_TLS_PEER_CHAIN, SIZE_MAX);
	return code;
}

static int open_session(struct send_talk *t)
{
	int code;

	if (t->plan->pipe || t->plan->raw_proxy) {
		code = open_own(t);
		return code;
	}
	if (yz_open(t->session, t->plan->url) != YZ_OK)
		return failed(t, 0);
	return look_at_tls(t);
}

static const char *hello_verb(const struct send_talk *t)
{
	return t->plan->is_lmtp ? "LHLO" : t->plan->is_helo_only ? "HELO" : "EHLO";
}

static int hello(struct send_talk *t, int code, enum send_stop stop)
{
	const char *name = t->plan->options.hello_name;

	if (t->plan->drop_after_send == stop) {
		name = name ? name : send_host_name(t->plan->a);
		if (is_dropped(t, stop, hello_verb(t), name ? name : "localhost"))
			return 0;
	}
	if (yz_hello(t->session, NULL) != YZ_OK)
		return failed(t,
			lost(t)                                           ? lost(t)
				: yz_error(t->session)->code == YZ_E_HELO ? code
									  : 0);
	return 0;
}

static int start_tls(struct send_talk *t)
{
	enum send_need need = t->plan->tls;
	int err;

	if (need == SEND_NEVER || yz_tls(t->session))
		return 0;
	if (need != SEND_REQUIRED && !yz_cap(t->session, "STARTTLS"))
		return 0;
	if (is_dropped(t, SEND_STOP_TLS, "STARTTLS", NULL))
		return 0;
	err = yz_starttls(t->session);
	if (err == YZ_E_REPLY && need == SEND_OPTIONAL) {
		send_say(t->screen, "TLS was refused: going on in clear");
		return 0;
	}
	if (err != YZ_OK)
		return failed(t, err == YZ_E_HELO ? SEND_EXIT_HELO_TLS : SEND_EXIT_TLS);
	return look_at_tls(t);
}

static int xclient(struct send_talk *t, bool is_first)
{
	if (!t->plan->xclient_count || t->plan->is_xclient_first != is_first || t->is_over)
		return 0;
	return send_xclient(t);
}

/* Up to the login. */
static int begin(struct send_talk *t)
{
	bool has_second = t->plan->tls != SEND_NEVER || t->plan->xclient_count;
	int code = open_session(t);

	if (code || is_stop(t, SEND_STOP_BANNER))
		return code;
	code = hello(t, SEND_EXIT_HELO,
		t->plan->drop_after_send == SEND_STOP_FIRST_HELO || has_second
			? SEND_STOP_FIRST_HELO
			: SEND_STOP_HELO);
	if (code || t->is_over || is_stop(t, SEND_STOP_FIRST_HELO))
		return code;
	code = xclient(t, true);
	if (!code && !t->is_over)
		code = start_tls(t);
	if (code || t->is_over || is_stop(t, SEND_STOP_TLS))
		return code;
	code = xclient(t, false);
	if (code || t->is_over || is_stop(t, SEND_STOP_XCLIENT) || is_stop(t, SEND_STOP_HELO))
		return code;
	if (t->plan->auth != SEND_NEVER)
		code = send_login(t);
	if (!code && !t->is_over)
		is_stop(t, SEND_STOP_AUTH);
	return code;
}

int send_xclient(struct send_talk *t)
{
	struct send_plan *p = t->plan;
	const char *offered = yz_cap(t->session, "XCLIENT");
	const struct yz_reply *r;

	if (!offered && p->is_xclient_checked) {
		if (p->xclient != SEND_REQUIRED)
			return 0;
		send_complain(t->screen, "the server does not offer XCLIENT");
		t->is_over = true;
		return SEND_EXIT_XCLIENT;
	}
	for (size_t i = 0; i < p->xclient_count; i++) {
		if (is_dropped(t, SEND_STOP_XCLIENT, "XCLIENT", p->xclients[i]))
			return 0;
		if (yz_cmd(t->session, "XCLIENT", p->xclients[i], &r) != YZ_OK)
			return failed(t, 0);
		if (r->code / 100 == 2)
			continue;
		if (p->xclient == SEND_OPTIONAL)
			break;
		send_complain(t->screen, "XCLIENT was refused: %d %s", r->code, r->text);
		t->is_over = true;
		return SEND_EXIT_XCLIENT;
	}
	/* 220: a session begins anew, with EHLO */
	if (yz_hello(t->session, NULL) != YZ_OK)
		return failed(t, SEND_EXIT_HELO_XCLIENT);
	return 0;
}

/* ---- login ---- */

struct mapped {
	struct send_plan *plan;
	int step;
	char *secret;
};

/* PLAIN (RFC 4616) or LOGIN under another name. */
static int map_step(void *arg, const void *challenge, size_t len, void *out, size_t *n)
{
	struct mapped *m = arg;
	const char *user = m->plan->options.user ? m->plan->options.user : "";
	struct buf b;
	size_t max = *n;

	(void)len;
	if (!challenge && strcmp(m->plan->auth_base, "LOGIN") == 0)
		return -1;
	buf_init(&b, SEND_SECRET_MAX * 2);
	if (strcmp(m->plan->auth_base, "PLAIN") == 0) {
		buf_char(&b, 0);
		buf_str(&b, user);
		buf_char(&b, 0);
		buf_str(&b, m->secret);
	} else {
		buf_str(&b, m->step++ == 0 ? user : m->secret);
	}
	int code = buf_len(&b) <= max ? 0 : -1;
	if (!code) {
		memcpy(out, buf_span(&b).ptr, buf_len(&b));
		*n = buf_len(&b);
	}
	buf_fini(&b);
	return code;
}

static int login_mapped(struct send_talk *t)
{
	struct mapped m = {.plan = t->plan};

	m.secret = arena_alloc(t->plan->a, SEND_SECRET_MAX);
	if (send_secret(&t->plan->secrets, "password", t->plan->options.user, m.secret,
		    SEND_SECRET_MAX) < 0)
		m.secret[0] = 0;
	return yz_auth(t->session, t->plan->auth_alias, map_step, &m);
}

int send_login(struct send_talk *t)
{
	enum send_need need = t->plan->auth;
	int err;

	if (is_dropped(t, SEND_STOP_AUTH, "AUTH", "PLAIN"))
		return 0;
	err = t->plan->auth_alias ? login_mapped(t) : yz_login(t->session, NULL, NULL);
	if (err == YZ_OK)
		return 0;
	bool is_missing = err == YZ_E_NOTSUPP;
	if (yz_is_connected(t->session) &&
		(need == SEND_OPTIONAL || (need == SEND_STRICT && is_missing))) {
		send_say(t->screen, "going on without a login: %s", yz_error(t->session)->text);
		return 0;
	}
	int code = failed(t, lost(t) ? lost(t) : SEND_EXIT_AUTH);
	if (is_missing && !yz_tls(t->session) && yz_cap(t->session, "AUTH"))
		send_say(t->screen, "passwords go in clear with --auth-clear only");
	return code;
}

/* ---- letters ---- */

struct yz_txn *send_make_txn(struct send_talk *t, struct send_letter *l)
{
	struct send_plan *p = t->plan;
	struct yz_mail_params mail = p->mail;
	struct yz_source source;
	struct yz_txn *txn = yz_txn_new(t->session, l->from, &mail);

	for (size_t i = 0; i < l->rcpt_count; i++)
		yz_txn_rcpt(txn, l->rcpts[i], &p->rcpt);
	send_letter_source(l, &source);
	yz_txn_source(txn, &source, p->eol);
	yz_txn_progress(txn, send_screen_progress, t->screen);
	return txn;
}

static void count_results(struct send_talk *t, const struct yz_txn *txn)
{
	for (size_t i = 0; i < yz_txn_count(txn); i++) {
		enum yz_outcome o = yz_txn_result(txn, i)->outcome;

		t->accepted += o == YZ_ACCEPTED;
		t->unknown += o == YZ_UNKNOWN;
		t->refused += o != YZ_ACCEPTED && o != YZ_UNKNOWN;
	}
}

static int send_letter(struct send_talk *t, struct send_letter *l)
{
	struct yz_txn *txn = send_make_txn(t, l);
	int64_t began = clock_mono_ns();
	int err = yz_send(txn), code = 0;
	int64_t took = clock_mono_ns() - began;

	count_results(t, txn);
	send_screen_results(t->screen, l, txn, took);
	if (t->json)
		send_put_txn(t->json, l, txn, took);
	if (err != YZ_OK) {
		const struct yz_error *e = yz_txn_error(txn);
		const char *advice = send_advice(e->code, NULL, YZ_NOT_SENT);

		code = t->plan->pipe && e->code == YZ_E_CLOSED ? SEND_EXIT_PIPE_DIED
							       : send_exit_of(e);
		if (!e->reply)
			send_complain(t->screen, "%s", e->text);
		if (advice)
			send_say(t->screen, "%s", advice);
		t->is_over |= !yz_is_connected(t->session);
	}
	yz_txn_free(&txn);
	return code;
}

/* Send all of it, and hang up when the last line is out and only the reply is awaited. */
static int drop_at_dot(struct send_talk *t, struct send_letter *l)
{
	struct yz_txn *txn = send_make_txn(t, l);
	struct yz_want want;
	int err;

	yz_set_nonblocking(t->session, true);
	err = yz_send(txn);
	yz_wants(t->session, &want);
	while (err == YZ_E_AGAIN &&
		!(l->is_at_end && send_screen_saw_data(t->screen) && want.events == YZ_READ)) {
		struct pollfd at = {.fd = want.fd,
			.events = (short)((want.events & YZ_READ ? POLLIN : 0) |
				(want.events & YZ_WRITE ? POLLOUT : 0))};

		poll(&at, want.fd >= 0, want.timeout_ms > INT32_MAX ? -1 : (int)want.timeout_ms);
		err = yz_step(t->session, &want);
	}
	if (err == YZ_E_AGAIN) {
		yz_cancel(t->session);
		yz_close(t->session);
		send_say(t->screen, "connection dropped behind the last line, as asked for");
		err = YZ_OK;
	}
	t->is_over = true;
	int code = err == YZ_OK ? 0 : failed(t, 0);
	yz_txn_free(&txn);
	return code;
}

static int mail_step(struct send_talk *t, struct send_letter *l)
{
	const struct yz_reply *r;
	const char *extra = t->plan->mail.extra;

	if (is_dropped(t, SEND_STOP_MAIL, "MAIL",
		    arena_printf(t->plan->a, "FROM:<%s>%s%s", l->from, extra ? " " : "",
			    extra ? extra : "")))
		return 0;
	if (yz_cmd_mail(t->session, l->from, extra, &r) != YZ_OK)
		return failed(t, lost(t));
	is_stop(t, SEND_STOP_MAIL);
	return 0;
}

static int rcpt_steps(struct send_talk *t, struct send_letter *l)
{
	const struct yz_reply *r;
	const char *extra = t->plan->rcpt.extra;

	for (size_t i = 0; i < l->rcpt_count; i++) {
		if (is_dropped(t, SEND_STOP_RCPT, "RCPT",
			    arena_printf(t->plan->a, "TO:<%s>%s%s", l->rcpts[i], extra ? " " : "",
				    extra ? extra : "")))
			return 0;
		int err = yz_cmd_rcpt(t->session, l->rcpts[i], extra, &r);
		if (!yz_is_connected(t->session))
			return failed(t, lost(t));
		t->accepted += err == YZ_OK;
		t->refused += err != YZ_OK;
		if (err == YZ_OK)
			send_say(t->screen, "%s  would be accepted", l->rcpts[i]);
		else
			send_complain(t->screen, "%s  %s", l->rcpts[i], yz_error(t->session)->text);
	}
	if (!t->accepted)
		t->is_over = true;
	return t->accepted ? (is_stop(t, SEND_STOP_RCPT), 0) : SEND_EXIT_RCPT;
}

int send_steps(struct send_talk *t, struct send_letter *l)
{
	const struct yz_reply *r;
	int code = mail_step(t, l);

	if (!code && !t->is_over)
		code = rcpt_steps(t, l);
	if (code || t->is_over || is_dropped(t, SEND_STOP_DATA, "DATA", NULL))
		return code;
	if (yz_cmd(t->session, "DATA", NULL, &r) != YZ_OK)
		return failed(t, lost(t));
	if (r->code != 354) {
		send_complain(t->screen, "DATA was refused: %d %s", r->code, r->text);
		t->is_over = true;
		return SEND_EXIT_DATA;
	}
	is_stop(t, SEND_STOP_DATA);
	return 0;
}

static bool stops_early(const struct send_plan *p)
{
	enum send_stop stops[] = {p->quit_after, p->drop_after, p->drop_after_send};

	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		if (stops[i] >= SEND_STOP_MAIL && stops[i] <= SEND_STOP_DATA)
			return true;
	}
	return false;
}

/* The first letter is there already: its errors come before a connection is made. */
static int send_letters(struct send_talk *t, struct send_letter *l)
{
	int worst = 0, code;

	while (l && !t->is_over) {
		if (stops_early(t->plan))
			code = send_steps(t, l);
		else if (t->plan->drop_after_send == SEND_STOP_DOT)
			code = drop_at_dot(t, l);
		else
			code = send_letter(t, l);
		worst = worst ? worst : code;
		if (t->plan->drop_after == SEND_STOP_DOT && !t->is_over)
			is_stop(t, SEND_STOP_DOT);
		if (t->is_over)
			break;
		l = send_letters_next(&t->letters, &code);
		worst = worst ? worst : code;
	}
	return worst;
}

/* Of several fates the exit status: unknown before some, some before what refused all. */
static int sum_up(const struct send_talk *t, int code)
{
	if (t->unknown)
		return SEND_EXIT_UNKNOWN;
	if (stops_early(t->plan))
		return code;
	return t->accepted && t->refused ? SEND_EXIT_SOME : code;
}

static int converse(struct send_talk *t, struct send_letter *first)
{
	int code = begin(t);

	if (!code && !t->is_over) {
		if (t->json) {
			json_key(t->json, "messages");
			json_open_array(t->json);
		}
		code = sum_up(t, send_letters(t, first));
		if (t->json)
			json_close(t->json);
	}
	if (t->json) {
		send_put_session(t->json, t->session);
		send_put_error(t->json, yz_error(t->session));
	}
	if (yz_is_connected(t->session) && yz_quit(t->session) != YZ_OK && !code &&
		yz_error(t->session)->code == YZ_E_REPLY)
		code = SEND_EXIT_QUIT;
	return code;
}

static int make_context(struct send_talk *t)
{
	struct send_plan *p = t->plan;
	const struct yz_tls_options *o = &p->tls_options;
	struct yz_error e;

	t->ctx = yz_ctx_new();
	if (p->resolver.nameserver && yz_ctx_set_resolver(t->ctx, &p->resolver) != YZ_OK)
		return cli_fail(
			SEND_EXIT_WORDS, "--dns-server %s is no address", p->resolver.nameserver);
	if ((o->ca_file || o->ca_dir || o->cert_file || o->ciphers || o->ciphersuites || o->pins ||
		    o->min_version || o->verify) &&
		yz_ctx_set_tls(t->ctx, o, &e) != YZ_OK)
		return cli_fail(SEND_EXIT_TLS, "%s", e.text);
	t->session = yz_session_new(t->ctx, &p->options);
	yz_set_trace(t->session, send_screen_trace, t->screen, send_screen_trace_flags(t->screen));
	return 0;
}

int send_talk_open(struct send_talk *t)
{
	int code = make_context(t);

	return code ? code : begin(t);
}

bool send_talk_close(struct send_talk *t)
{
	if (t->session && yz_is_connected(t->session))
		yz_quit(t->session);
	yz_session_free(&t->session);
	yz_ctx_free(&t->ctx);
	return send_pipe_end(&t->pipe);
}

int send_talk_run(struct send_plan *p, struct send_screen *screen, struct json_out *json)
{
	struct send_talk *t = ARENA_NEW(p->a, struct send_talk);
	struct send_letter *first = NULL;
	int code;

	t->plan = p;
	t->screen = screen;
	t->json = json;
	code = send_letters_begin(&t->letters, p);
	if (!code)
		first = send_letters_next(&t->letters, &code);
	if (!code && !first)
		code = cli_fail(SEND_EXIT_SOURCE, "there is no message in it");
	if (!code)
		code = make_context(t);
	if (!code)
		code = converse(t, first);
	send_letters_end(&t->letters);
	if (send_talk_close(t)) {
		send_complain(screen, "%s: not found", p->pipe);
		code = SEND_EXIT_PIPE_DIED;
	}
	return code;
}
