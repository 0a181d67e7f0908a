#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "services/host/config.h"
#include "services/local/drop.h"
#include "cli/sendmail_priv.h"

/* The server of this machine: its socket takes a message while it runs; while it does not, the message
 * is left in its drop directory. Either way it is durable before we say so. */

/* A server that hangs is one that is down: every step ends. */
#define CONNECT_MS  5000
#define GREETING_MS 15000
#define COMMAND_MS  60000
#define FINAL_MS    120000

#define COPY_OCTETS 65536

/* ---- where ---- */

static struct sendmail_station *from_config(struct sendmail *m, const char *file, const char *data)
{
	struct config_errors errs = {0};
	struct config *c = config_read(file, &errs);
	struct sendmail_station *s;

	config_errors_fini(&errs);
	if (!c)
		return NULL;
	s = ARENA_NEW(m->a, struct sendmail_station);
	data = arena_str(m->a, span_str(data ? data : c->data));
	s->place = local_place(m->a, data, c->local.socket, c->local.maildrop);
	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		struct span at = l->addresses.count ? span_str(l->addresses.items[0]) : SPAN_NONE;

		if (l->protocol == CONFIG_SUBMISSION && span_starts(at, SPAN("unix:")))
			s->place.socket = arena_str(m->a, span_skip(at, 5));
	}
	config_unref(&c);
	return s;
}

static struct sendmail_station *from_data(struct sendmail *m, const char *data)
{
	struct sendmail_station *s = ARENA_NEW(m->a, struct sendmail_station);

	s->place = local_place(m->a, data, "", "");
	return s;
}

static bool is_there(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0;
}

static bool is_place_there(const struct local_place *p)
{
	return is_there(p->socket) || is_there(p->maildrop);
}

struct sendmail_station *sendmail_station(struct cli_call *c, struct sendmail *m, bool is_asked)
{
	const char *file = cli_config_file(c), *data = c->data ? c->data : getenv("YIZHAN_DATA");
	const char *socket = getenv("YIZHAN_SUBMIT");
	struct sendmail_station *s = file ? from_config(m, file, data) : NULL;

	if (!s && data)
		s = from_data(m, data);
	if (!s && socket)
		s = ARENA_NEW(m->a, struct sendmail_station);
	if (s && socket)
		s->place.socket = socket;
	if (s || is_asked)
		return s;
	/* a package's, whose configuration we may not read; else the demo of this user */
	s = ARENA_NEW(m->a, struct sendmail_station);
	s->place = (struct local_place){LOCAL_SOCKET, LOCAL_MAILDROP};
	if (is_place_there(&s->place))
		return s;
	data = getenv("HOME") || getenv("XDG_DATA_HOME") ? cli_data(c) : NULL;
	s = data ? from_data(m, data) : NULL;
	return s && is_place_there(&s->place) ? s : NULL;
}

const char *sendmail_login(struct sendmail *m)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw ? arena_str(m->a, span_str(pw->pw_name))
		  : arena_printf(m->a, "uid%u", (unsigned)getuid());
}

void sendmail_station_plan(struct sendmail *m)
{
	struct yz_timeouts *t = &m->plan->options.timeouts;

	m->plan->options.tls = YZ_TLS_NEVER;
	m->plan->options.hello_name = "localhost";
	*t = (struct yz_timeouts){.connect = CONNECT_MS,
		.greeting = GREETING_MS,
		.command = COMMAND_MS,
		.data = COMMAND_MS,
		.block = COMMAND_MS,
		.final = FINAL_MS};
}

/* The server's name, as it says itself: addresses without a domain are there. */
void sendmail_station_named(struct sendmail *m)
{
	const struct yz_reply *r = yz_hello_reply(m->talk->session);
	struct span text = r && r->line_count ? span_str(r->lines[0]) : SPAN_NONE;

	m->station->name = arena_str(m->a, span_word(&text));
}

/* ---- the drop directory ---- */

static bool has_high(struct span s)
{
	return !span_is_ascii(s);
}

/* What the content needs: known once all of it was seen. */
struct dropping {
	struct sendmail *m;
	struct drop_writer w;
	struct buf out;
	bool was_cr;
};

/* Every line end becomes CRLF, as on the wire. */
static int put_lines(struct dropping *d, struct span octets, struct err *e)
{
	for (size_t i = 0; i < octets.len; i++) {
		char c = octets.ptr[i];

		if (c == '\n' && !d->was_cr)
			buf_char(&d->out, '\r');
		else if (d->was_cr && c != '\n')
			buf_char(&d->out, '\n');
		buf_char(&d->out, c);
		d->was_cr = c == '\r';
		if (buf_len(&d->out) < COPY_OCTETS)
			continue;
		if (drop_put(&d->w, buf_span(&d->out), e) < 0)
			return -1;
		buf_clear(&d->out);
	}
	return 0;
}

static int put_letter(struct dropping *d, struct send_letter *l, struct err *e)
{
	char *piece = arena_alloc(d->m->a, COPY_OCTETS);
	off_t at = 0;
	ssize_t n;

	if (put_lines(d, buf_span(&l->text), e) < 0)
		return -1;
	while (l->fd >= 0 && (n = pread(l->fd, piece, COPY_OCTETS, at)) != 0) {
		if (n < 0)
			return err_sys(e, errno, "temporary file");
		if (put_lines(d, span_of(piece, (size_t)n), e) < 0)
			return -1;
		at += n;
	}
	if (d->was_cr)
		buf_char(&d->out, '\n');
	return drop_put(&d->w, buf_span(&d->out), e);
}

static bool is_letter_8bit(const struct send_letter *l)
{
	/* what lies in a file is not read twice for it */
	return l->fd >= 0 || has_high(buf_span(&l->text));
}

static int drop_letter(struct sendmail *m, struct send_letter *l, struct err *e)
{
	struct drop_envelope env = {.from = span_str(l->from),
		.rcpts = ARENA_ARRAY(m->a, struct span, l->rcpt_count),
		.rcpt_count = l->rcpt_count,
		.notify = span_str(m->notify),
		.ret = span_str(m->ret),
		.envid = span_str(m->envid),
		.is_8bit = is_letter_8bit(l),
		.is_utf8 = m->says_utf8 || has_high(span_str(l->from)) ||
			has_high(send_head_of(buf_span(&l->text)))};
	struct dropping d = {.m = m};
	struct span id;
	int rc;

	for (size_t i = 0; i < l->rcpt_count; i++) {
		env.rcpts[i] = span_str(l->rcpts[i]);
		env.is_utf8 |= has_high(env.rcpts[i]);
	}
	buf_init(&d.out, COPY_OCTETS * 2);
	rc = drop_begin(&d.w, m->a, m->station->place.maildrop, &env, e);
	if (rc == 0)
		rc = put_letter(&d, l, e);
	if (rc == 0)
		rc = drop_commit(&d.w, &id, e);
	else
		drop_abort(&d.w);
	buf_fini(&d.out);
	return rc;
}

int sendmail_leave(struct sendmail *m, struct send_letter *l, const char *why)
{
	struct err e = {0};

	if (!m->station->place.maildrop)
		return sendmail_fail(EX_TEMPFAIL, "%s; there is no drop directory either", why);
	if (drop_letter(m, l, &e) == 0) {
		if (m->is_verbose)
			printf("%s: left in %s for the server's next start\n", why,
				m->station->place.maildrop);
		return EX_OK;
	}
	if (e.code == ERR_SYNTAX || e.code == ERR_LIMIT)
		return sendmail_fail(EX_DATAERR, "%s", e.text);
	return sendmail_fail(EX_TEMPFAIL, "%s; it could not be left for later: %s", why, e.text);
}

/* ---- the server ---- */

bool sendmail_may_leave(const struct yz_txn *t)
{
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		enum yz_outcome o = yz_txn_result(t, i)->outcome;

		if (o != YZ_REFUSED_TEMP && o != YZ_NOT_SENT)
			return false;
	}
	return sendmail_exit_of(yz_txn_error(t)) == EX_TEMPFAIL;
}

static const char *at_station(struct sendmail *m, const char *address)
{
	return address[0] && !strrchr(address, '@')
		? arena_printf(m->a, "%s@%s", address, m->station->name)
		: address;
}

int sendmail_hand_over(struct sendmail *m, struct send_letter *l)
{
	const struct yz_error *why = NULL;
	int code = sendmail_connect(m, &why);

	if (code)
		return sendmail_leave(m, l,
			arena_printf(m->a, "%s: %s", m->station->place.socket,
				why ? why->text : "no connection"));
	l->from = at_station(m, l->from);
	for (size_t i = 0; i < l->rcpt_count; i++)
		l->rcpts[i] = at_station(m, l->rcpts[i]);
	struct yz_txn *t = send_make_txn(m->talk, l);
	yz_send(t);
	if (sendmail_may_leave(t))
		code = sendmail_leave(m, l, arena_str(m->a, span_str(yz_txn_error(t)->text)));
	else
		code = sendmail_tell(m, t);
	yz_txn_free(&t);
	return code;
}

/* The name is encoded as it must be; the server adds the domain of an address that has none. */
static void put_from(struct sendmail *m, struct buf *b)
{
	static const struct span nowhere = SPAN("@nowhere.invalid");
	bool is_given = m->from && m->from[0] && strcmp(m->from, "<>") != 0;
	const char *address = is_given ? m->from : sendmail_login(m);
	bool is_bare = !strchr(address, '@');
	struct span made = span_str(send_from_field(m->a,
		is_bare ? arena_printf(m->a, "%s" SPAN_FMT, address, SPAN_ARG(nowhere)) : address,
		m->full_name));
	ptrdiff_t at = is_bare ? span_find_span(made, nowhere) : -1;

	buf_span_put(b, span_sub(made, 0, at < 0 ? made.len : (size_t)at));
	if (at >= 0)
		buf_span_put(b, span_skip(made, (size_t)at + nowhere.len));
}

/* The date is that of now, not of when the server runs again; who it is from and its id are the server's
 * to say. */
void sendmail_station_header(struct sendmail *m, struct buf *head)
{
	int64_t now = clock_wall_ns() / CLOCK_SEC;
	struct buf b;

	buf_init(&b, 65536);
	send_head_remove(head, "Bcc");
	send_head_remove(head, "Resent-Bcc");
	if (!send_head_has(buf_span(head), "Date")) {
		buf_str(&b, "Date: ");
		clock_put_rfc5322(&b, now, clock_zone_minutes(now));
		send_head_add(m->a, head, buf_cstr(&b));
	}
	if (m->full_name && !send_head_has(buf_span(head), "From")) {
		buf_clear(&b);
		buf_str(&b, "From: ");
		put_from(m, &b);
		send_head_add(m->a, head, buf_cstr(&b));
	}
	buf_fini(&b);
}
