/* Sends mail through the shared libyizhan as a script on standard input says, for
 * tests/interop/test_library_peers.py. A line of the script is a verb and its arguments, with tabs
 * between:
 *
 *	option NAME VALUE	of the session: hello user password mechanisms flags tls tls_name
 *				certificate_name
 *	ca FILE, cert FILE KEY	of the context, before connect
 *	connect URL
 *	txn FROM [NAME VALUE…]	a transaction: flags ret envid body extra
 *	rcpt ADDRESS [NAME VALUE…]	notify orcpt
 *	body FILE [fix|strict]	which is opened when it is sent
 *	send			what was made since the last: one by yz_send, several by yz_send_many
 *	cmd VERB ARGS
 *	quit
 *
 * connect, send, cmd and quit each print one line of JSON about what came of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "yizhan.h"

#define ARGS_MAX 16
#define TXNS_MAX 256
#define OUT_MAX  ((size_t)4 << 20)

struct drive {
	struct yz_ctx *ctx;
	struct yz_session *s;
	struct yz_options options;
	struct yz_tls_options tls;
	struct yz_txn *txns[TXNS_MAX];
	size_t txn_count;
	struct buf out;
	struct json_out json;
};

static void fail(const char *what, const char *about)
{
	fprintf(stderr, "yz_drive: %s: %s\n", what, about);
	exit(2);
}

static char *copy(const char *text)
{
	char *c = strdup(text);

	if (!c)
		fail("out of memory", text);
	return c;
}

static void put_reply(struct json_out *j, const char *key, const struct yz_reply *r)
{
	json_key(j, key);
	if (!r) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_kv_u64(j, "code", (uint64_t)r->code);
	json_kv_u64(j, "class", r->cls);
	json_kv_u64(j, "subject", r->subject);
	json_kv_u64(j, "detail", r->detail);
	json_kv_str(j, "text", r->text);
	json_close(j);
}

static void put_error(struct json_out *j, const struct yz_error *e)
{
	json_kv_str(j, "err", yz_err_name(e->code));
	json_kv_str(j, "phase", yz_phase_name(e->phase));
	json_kv_str(j, "text", e->text);
	json_kv_bool(j, "is_temporary", e->is_temporary);
	json_kv_i64(j, "tls_verify", e->tls_verify);
	put_reply(j, "reply", e->reply);
}

static void begin(struct drive *d)
{
	buf_init(&d->out, OUT_MAX);
	json_out_init(&d->json, &d->out);
	json_open_object(&d->json);
}

static void end(struct drive *d)
{
	json_close(&d->json);
	struct span out = buf_span(&d->out);

	fwrite(out.ptr, 1, out.len, stdout);
	putchar('\n');
	fflush(stdout);
	buf_fini(&d->out);
}

static void set_option(struct yz_options *o, const char *name, const char *value)
{
	if (strcmp(name, "hello") == 0)
		o->hello_name = copy(value);
	else if (strcmp(name, "user") == 0)
		o->user = copy(value);
	else if (strcmp(name, "password") == 0)
		o->password = copy(value);
	else if (strcmp(name, "mechanisms") == 0)
		o->mechanisms = copy(value);
	else if (strcmp(name, "certificate_name") == 0)
		o->local_certificate_name = copy(value);
	else if (strcmp(name, "tls_name") == 0)
		o->tls_name = copy(value);
	else if (strcmp(name, "flags") == 0)
		o->flags = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "tls") == 0)
		o->tls = (enum yz_tls_policy)strtoul(value, NULL, 10);
	else
		fail("no such option", name);
}

static void put_session(struct drive *d)
{
	struct json_out *j = &d->json;
	const struct yz_tls_info *tls = yz_tls(d->s);
	const char *keyword, *params;

	json_kv_bool(j, "is_connected", yz_is_connected(d->s));
	json_kv_str(j, "mechanism", yz_auth_mechanism(d->s));
	put_reply(j, "auth", yz_auth_reply(d->s));
	json_kv_u64(j, "size_max", yz_size_max(d->s));
	json_kv_str(j, "tls", tls ? tls->version : NULL);
	json_kv_bool(j, "is_verified", tls && tls->is_verified);
	json_key(j, "caps");
	json_open_object(j);
	for (size_t i = 0; (keyword = yz_cap_at(d->s, i, &params)); i++)
		json_kv_str(j, keyword, params);
	json_close(j);
}

static void do_connect(struct drive *d, const char *url)
{
	struct yz_error why;

	d->ctx = yz_ctx_new();
	if (yz_ctx_set_tls(d->ctx, &d->tls, &why) != YZ_OK)
		fail("TLS options", why.text);
	d->s = yz_session_new(d->ctx, &d->options);
	yz_connect(d->s, url);
	begin(d);
	put_error(&d->json, yz_error(d->s));
	put_session(d);
	end(d);
}

static void do_txn(struct drive *d, char **args)
{
	struct yz_mail_params p = YZ_INIT(p);

	for (char **a = args + 1; a[0]; a += 2) {
		if (strcmp(a[0], "flags") == 0)
			p.flags = (unsigned)strtoul(a[1], NULL, 10);
		else if (strcmp(a[0], "ret") == 0)
			p.ret = strcmp(a[1], "hdrs") == 0 ? YZ_RET_HDRS : YZ_RET_FULL;
		else if (strcmp(a[0], "envid") == 0)
			p.envid = a[1];
		else if (strcmp(a[0], "body") == 0)
			p.body = (enum yz_body_type)strtoul(a[1], NULL, 10);
		else if (strcmp(a[0], "extra") == 0)
			p.extra = a[1];
		else
			fail("no such parameter", a[0]);
	}
	if (d->txn_count == TXNS_MAX)
		fail("too many transactions", args[0]);
	d->txns[d->txn_count++] = yz_txn_new(d->s, args[0], &p);
}

static struct yz_txn *current(struct drive *d)
{
	if (d->txn_count == 0)
		fail("no transaction", "txn comes first");
	return d->txns[d->txn_count - 1];
}

static void do_rcpt(struct drive *d, char **args)
{
	struct yz_rcpt_params p = YZ_INIT(p);

	for (char **a = args + 1; a[0]; a += 2) {
		if (strcmp(a[0], "notify") == 0)
			p.notify = (unsigned)strtoul(a[1], NULL, 10);
		else if (strcmp(a[0], "orcpt") == 0)
			p.orcpt = a[1];
		else
			fail("no such parameter", a[0]);
	}
	if (yz_txn_rcpt(current(d), args[0], &p) != YZ_OK)
		fail("recipient", args[0]);
}

static void put_txn(struct json_out *j, const struct yz_txn *t)
{
	json_open_object(j);
	put_error(j, yz_txn_error(t));
	json_kv_str(j, "outcome", yz_outcome_str(yz_txn_outcome(t)));
	put_reply(j, "last", yz_txn_reply(t));
	json_key(j, "results");
	json_open_array(j);
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		json_open_object(j);
		json_kv_str(j, "path", r->path);
		json_kv_str(j, "outcome", yz_outcome_str(r->outcome));
		json_kv_str(j, "phase", yz_phase_name(r->phase));
		put_reply(j, "reply", r->reply);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

static void do_send(struct drive *d)
{
	int err = d->txn_count == 1 ? yz_send(d->txns[0])
				    : yz_send_many(d->s, d->txns, d->txn_count);

	begin(d);
	json_kv_str(&d->json, "err", yz_err_name(err));
	json_kv_bool(&d->json, "is_connected", yz_is_connected(d->s));
	json_key(&d->json, "txns");
	json_open_array(&d->json);
	for (size_t i = 0; i < d->txn_count; i++)
		put_txn(&d->json, d->txns[i]);
	json_close(&d->json);
	end(d);
	for (size_t i = 0; i < d->txn_count; i++)
		yz_txn_free(&d->txns[i]);
	d->txn_count = 0;
}

static void do_cmd(struct drive *d, const char *verb, const char *args)
{
	const struct yz_reply *reply = NULL;

	if (verb)
		yz_cmd(d->s, verb, args, &reply);
	else
		yz_quit(d->s);
	begin(d);
	put_error(&d->json, yz_error(d->s));
	put_reply(&d->json, "answer", reply);
	end(d);
}

static void run(struct drive *d, char *line)
{
	char *args[ARGS_MAX + 2] = {NULL};
	size_t n = 0;

	for (char *at = line; at && n < ARGS_MAX;)
		args[n++] = strsep(&at, "\t");
	if (strcmp(args[0], "option") == 0 && n == 3) {
		set_option(&d->options, args[1], args[2]);
	} else if (strcmp(args[0], "ca") == 0 && n == 2) {
		d->tls.ca_file = copy(args[1]);
	} else if (strcmp(args[0], "cert") == 0 && n == 3) {
		d->tls.cert_file = copy(args[1]);
		d->tls.key_file = copy(args[2]);
	} else if (strcmp(args[0], "connect") == 0 && n == 2 && !d->s) {
		do_connect(d, args[1]);
	} else if (!d->s) {
		fail("not connected", args[0]);
	} else if (strcmp(args[0], "txn") == 0 && n % 2 == 0) {
		do_txn(d, args + 1);
	} else if (strcmp(args[0], "rcpt") == 0 && n % 2 == 0) {
		do_rcpt(d, args + 1);
	} else if (strcmp(args[0], "body") == 0 && n >= 2) {
		bool is_strict = n == 3 && strcmp(args[2], "strict") == 0;

		if (yz_txn_file(current(d), args[1], is_strict ? YZ_EOL_STRICT : YZ_EOL_FIX) !=
			YZ_OK)
			fail("body", args[1]);
	} else if (strcmp(args[0], "send") == 0) {
		do_send(d);
	} else if (strcmp(args[0], "cmd") == 0 && n >= 2) {
		do_cmd(d, args[1], args[2]);
	} else if (strcmp(args[0], "quit") == 0) {
		do_cmd(d, NULL, NULL);
	} else {
		fail("no such line", args[0]);
	}
}

static void free_copies(struct drive *d)
{
	const char *copies[] = {d->options.hello_name, d->options.user, d->options.password,
		d->options.mechanisms, d->options.tls_name, d->options.local_certificate_name,
		d->tls.ca_file, d->tls.cert_file, d->tls.key_file};

	for (size_t i = 0; i < sizeof(copies) / sizeof(*copies); i++)
		free((void *)copies[i]);
}

int main(void)
{
	struct drive d = {.options = YZ_INIT(d.options), .tls = YZ_INIT(d.tls)};
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		run(&d, line);
	}
	for (size_t i = 0; i < d.txn_count; i++)
		yz_txn_free(&d.txns[i]);
	yz_session_free(&d.s);
	yz_ctx_free(&d.ctx);
	free_copies(&d);
	free(line);
	return 0;
}
