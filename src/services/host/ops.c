#include "services/host/ops.h"

#include <string.h>

#include "base/enc.h"
#include "net/stream.h"
#include "services/host/ops_priv.h"

/* name, flags, function, help */
#define OPS(X)                                                                                     \
	X("queue.list", OPS_READ, op_queue_list, "recipients that wait")                           \
	X("queue.show", OPS_READ, op_queue_show, "one message of the queue")                       \
	X("queue.retry", 0, op_queue_retry, "try now")                                             \
	X("queue.hold", 0, op_queue_hold, "stop trying")                                           \
	X("queue.release", 0, op_queue_release, "try again what was held")                         \
	X("queue.drop", 0, op_queue_drop, "forget without a report")                               \
	X("trace", OPS_READ, op_trace, "what happened to a letter")                                \
	X("queue.expire", 0, op_queue_expire, "give up, with a report")                            \
	X("queue.reroute", 0, op_queue_reroute, "another next hop")                                \
	X("queue.edit", 0, op_queue_edit, "recipient, priority, lifetime")                         \
	X("mailbox.folders", OPS_READ, op_mailbox_folders, "folders of an account")                \
	X("mailbox.list", OPS_READ, op_mailbox_list, "messages of a folder")                       \
	X("mailbox.show", OPS_READ, op_mailbox_show, "one message's facts")                        \
	X("mailbox.export", OPS_READ, op_mailbox_export, "octets of messages")                     \
	X("mailbox.import", 0, op_mailbox_import, "octets of messages, the other way")             \
	X("mailbox.moved", 0, op_mailbox_moved, "what was brought from another server")            \
	X("mailbox.gone", OPS_READ, op_mailbox_gone, "what was expunged and can be brought back")  \
	X("mailbox.undelete", 0, op_mailbox_undelete, "bring it back")                             \
	X("domain.add", 0, op_domain_add, "")                                                      \
	X("domain.set", 0, op_domain_set, "")                                                      \
	X("domain.remove", 0, op_domain_remove, "")                                                \
	X("domain.list", OPS_READ, op_domain_list, "")                                             \
	X("account.add", 0, op_account_add, "")                                                    \
	X("account.set", 0, op_account_set, "")                                                    \
	X("account.remove", 0, op_account_remove, "marked, or gone at once")                       \
	X("account.restore", 0, op_account_restore, "")                                            \
	X("account.list", OPS_READ, op_account_list, "")                                           \
	X("account.show", OPS_READ, op_account_show, "")                                           \
	X("account.suspend", 0, op_account_suspend, "")                                            \
	X("account.resume", 0, op_account_resume, "")                                              \
	X("account.password", 0, op_account_password, "")                                          \
	X("account.rename", 0, op_account_rename, "")                                              \
	X("account.import", 0, op_account_import, "a page of accounts with hashes")                \
	X("account.address_add", 0, op_address_add, "further addresses")                           \
	X("account.address_remove", 0, op_address_remove, "")                                      \
	X("account.member_add", 0, op_member_add, "of teams and groups")                           \
	X("account.member_set", 0, op_member_set, "")                                              \
	X("account.member_remove", 0, op_member_remove, "")                                        \
	X("account.member_list", OPS_READ, op_member_list, "")                                     \
	X("account.send_as_add", 0, op_send_as_add, "")                                            \
	X("account.send_as_remove", 0, op_send_as_remove, "")                                      \
	X("account.send_as_list", OPS_READ, op_send_as_list, "")                                   \
	X("account.identities", OPS_READ, op_identities, "what it may write under")                \
	X("account.app_add", 0, op_app_add, "app passwords")                                       \
	X("account.app_list", OPS_READ, op_app_list, "")                                           \
	X("account.app_remove", 0, op_app_remove, "")                                              \
	X("account.totp_status", OPS_READ, op_totp_status, "second factor of logins at the page")  \
	X("account.totp_reset", 0, op_totp_reset, "")                                              \
	X("account.sessions", OPS_READ, op_sessions, "logins of browsers")                         \
	X("account.sign_out", 0, op_sign_out, "")                                                  \
	X("account.logins", OPS_READ, op_logins, "who tried to log in")                            \
	X("account.certificate_add", 0, op_certificate_add, "client certificates")                 \
	X("account.certificate_list", OPS_READ, op_certificate_list, "")                           \
	X("account.certificate_remove", 0, op_certificate_remove, "")                              \
	X("alias.add", 0, op_alias_add, "")                                                        \
	X("alias.set", 0, op_alias_set, "")                                                        \
	X("alias.remove", 0, op_alias_remove, "")                                                  \
	X("alias.list", OPS_READ, op_alias_list, "")                                               \
	X("alias.import", 0, op_alias_import, "a page of /etc/aliases")                            \
	X("route.add", 0, op_route_add, "")                                                        \
	X("route.set", 0, op_route_set, "")                                                        \
	X("route.remove", 0, op_route_remove, "")                                                  \
	X("route.list", OPS_READ, op_route_list, "")                                               \
	X("route.test", OPS_READ, op_route_test, "what would be done, and why")                    \
	X("account.forward", 0, op_account_forward, "")                                            \
	X("recipients.add", 0, op_recipients_add, "")                                              \
	X("recipients.remove", 0, op_recipients_remove, "")                                        \
	X("recipients.list", OPS_READ, op_recipients_list, "")                                     \
	X("list.add", 0, op_list_add, "a mailing list")                                            \
	X("list.set", 0, op_list_set, "")                                                          \
	X("list.remove", 0, op_list_remove, "")                                                    \
	X("list.list", OPS_READ, op_list_list, "")                                                 \
	X("list.show", OPS_READ, op_list_show, "")                                                 \
	X("list.members", OPS_READ, op_list_members, "")                                           \
	X("list.member_add", 0, op_list_member_add, "")                                            \
	X("list.member_set", 0, op_list_member_set, "")                                            \
	X("list.member_remove", 0, op_list_member_remove, "")                                      \
	X("list.import", 0, op_list_import, "a page of members")                                   \
	X("list.held", OPS_READ, op_list_held, "posts that wait for a moderator")                  \
	X("list.approve", 0, op_list_approve, "")                                                  \
	X("list.reject", 0, op_list_reject, "")                                                    \
	X("key.add", 0, op_key_add, "keys that sign")                                              \
	X("key.list", OPS_READ, op_key_list, "and their records")                                  \
	X("key.check", OPS_READ | OPS_ONLINE, op_key_check, "what DNS says of them")               \
	X("key.activate", 0, op_key_activate, "")                                                  \
	X("key.retire", 0, op_key_retire, "")                                                      \
	X("key.rotate", 0, op_key_rotate, "")                                                      \
	X("key.remove", 0, op_key_remove, "")                                                      \
	X("key.import", 0, op_key_import, "")                                                      \
	X("key.export", OPS_READ, op_key_export, "the private key")                                \
	X("tls.set", 0, op_tls_set, "how safe the way to a destination must be")                   \
	X("tls.remove", 0, op_tls_remove, "")                                                      \
	X("tls.list", OPS_READ, op_tls_list, "")                                                   \
	X("tls.report", OPS_READ, op_tls_report, "what TLS to other servers was like")             \
	X("pool.add", 0, op_pool_add, "redundant next hops")                                       \
	X("pool.set", 0, op_pool_set, "")                                                          \
	X("pool.remove", 0, op_pool_remove, "")                                                    \
	X("pool.list", OPS_READ, op_pool_list, "with the health of each member")                   \
	X("egress.add", 0, op_egress_add, "where connections go out from")                         \
	X("egress.set", 0, op_egress_set, "")                                                      \
	X("egress.remove", 0, op_egress_remove, "")                                                \
	X("egress.list", OPS_READ, op_egress_list, "")                                             \
	X("egress.check", OPS_READ | OPS_ONLINE, op_egress_check, "names that lead back")          \
	X("login.add", 0, op_login_add, "how to log in at a next hop")                             \
	X("login.remove", 0, op_login_remove, "")                                                  \
	X("login.list", OPS_READ, op_login_list, "")                                               \
	X("ban.list", OPS_READ, op_ban_list, "networks that may not connect")                      \
	X("ban.add", 0, op_ban_add, "")                                                            \
	X("ban.remove", 0, op_ban_remove, "")                                                      \
	X("ban.allow", 0, op_ban_allow, "")                                                        \
	X("ban.allowed", OPS_READ, op_ban_allowed, "networks that are never banned")               \
	X("queue.sites", OPS_READ | OPS_ONLINE, op_queue_sites, "destinations, as they are")       \
	X("shape.list", OPS_READ, op_shape_list, "")                                               \
	X("shape.set", 0, op_shape_set, "")                                                        \
	X("shape.remove", 0, op_shape_remove, "")                                                  \
	X("shape.test", OPS_READ, op_shape_test, "")                                               \
	X("shape.replies", OPS_READ, op_shape_replies, "")                                         \
	X("shape.reply_set", 0, op_shape_reply_set, "")                                            \
	X("shape.reply_remove", 0, op_shape_reply_remove, "")                                      \
	X("cert.list", OPS_READ, op_cert_list, "certificates in use, and those of an authority")   \
	X("cert.request", OPS_ONLINE, op_cert_request, "a certificate from the authority, now")    \
	X("cert.renew", OPS_ONLINE, op_cert_renew, "")                                             \
	X("cert.remove", 0, op_cert_remove, "")                                                    \
	X("cert.check", OPS_READ | OPS_ONLINE, op_cert_check, "")                                  \
	X("search.rebuild", 0, op_search_rebuild, "the index, anew")                               \
	X("search.status", OPS_READ, op_search_status, "")                                         \
	X("status", OPS_READ, op_status, "counters and limits of the server")                      \
	X("metrics", OPS_READ | OPS_ONLINE, op_metrics, "counters as Prometheus reads them")       \
	X("explain", OPS_READ | OPS_ONLINE, op_explain, "what would be done with a message")       \
	X("dns", OPS_READ, op_dns, "what DNS says, and should say")                                \
	X("fibers", OPS_READ | OPS_ONLINE, op_fibers, "every fiber of the server")                 \
	X("backup", OPS_READ, op_backup, "consistent copy of the store")                           \
	X("check", OPS_READ, op_check, "is the store sound?")                                      \
	X("reload", OPS_ONLINE, op_reload, "as SIGHUP")

const struct ops_info ops_table[] = {
#define X(name, flags, fn, help) {name, flags, help},
	OPS(X)
#undef X
};
const size_t ops_count = ARRAY_LEN(ops_table);

static ops_fn *const ops_fns[] = {
#define X(name, flags, fn, help) fn,
	OPS(X)
#undef X
};

void ops_put_who(struct buf *b, unsigned uid)
{
	if (uid == 0)
		buf_str(b, "root");
	else
		buf_printf(b, "uid %u", uid);
}

struct json_out *ops_row(struct ops_call *c)
{
	buf_clear(&c->buf);
	json_out_init(&c->json, &c->buf);
	json_open_object(&c->json);
	json_key(&c->json, "row");
	json_open_object(&c->json);
	return &c->json;
}

static FIBER int send_line(struct ops_call *c, struct err *e)
{
	json_close(&c->json);
	buf_char(&c->buf, '\n');
	if (!buf_ok(&c->buf))
		return err_set(e, ERR_LIMIT, "an answer line over %d octets", OPS_LINE_MAX);
	return c->line(c->line_arg, buf_span(&c->buf), e);
}

FIBER int ops_row_end(struct ops_call *c, struct err *e)
{
	json_close(&c->json);
	return send_line(c, e);
}

FIBER int ops_progress(struct ops_call *c, uint64_t done, uint64_t total, struct err *e)
{
	buf_clear(&c->buf);
	json_out_init(&c->json, &c->buf);
	json_open_object(&c->json);
	json_key(&c->json, "progress");
	json_open_object(&c->json);
	json_kv_u64(&c->json, "done", done);
	json_kv_u64(&c->json, "total", total);
	json_close(&c->json);
	return send_line(c, e);
}

static FIBER int ops_end(struct ops_call *c, const struct err *failed, struct err *e)
{
	buf_clear(&c->buf);
	json_out_init(&c->json, &c->buf);
	json_open_object(&c->json);
	json_key(&c->json, failed ? "error" : "end");
	json_open_object(&c->json);
	if (failed) {
		json_kv_str(&c->json, "code", err_code_str(failed->code));
		json_kv_str(&c->json, "text", failed->text);
	}
	json_close(&c->json);
	return send_line(c, e);
}

int ops_need(struct ops_call *c, const char *name, struct span *text_r, struct err *e)
{
	*text_r = json_in_text(c->args, name);
	return text_r->len ? 0 : err_set(e, ERR_SYNTAX, "\"%s\" is missing", name);
}

void ops_put_time(struct json_out *j, const char *key, int64_t wall_ns)
{
	struct buf b;

	json_key(j, key);
	if (wall_ns <= 0 || wall_ns == CLOCK_NEVER) {
		json_null(j);
		return;
	}
	buf_init(&b, 64);
	clock_put_rfc3339_ms(&b, wall_ns);
	json_span(j, buf_span(&b));
	buf_fini(&b);
}

void ops_put_id(struct json_out *j, const char *key, uint64_t id)
{
	struct buf b;

	buf_init(&b, 32);
	enc_put_id(&b, id);
	json_key(j, key);
	json_span(j, buf_span(&b));
	buf_fini(&b);
}

static FIBER int run(struct ops_call *c, struct span cmd, struct err *e)
{
	for (size_t i = 0; i < ops_count; i++) {
		if (!span_eq(cmd, span_str(ops_table[i].name)))
			continue;
		if ((ops_table[i].flags & OPS_ONLINE) && !c->ctx->host)
			return err_set(e, ERR_STATE, "no server runs");
		return ops_fns[i](c, e);
	}
	return err_set(
		e, ERR_UNSUPPORTED, "no such operation: " SPAN_FMT, SPAN_ARG(span_sub(cmd, 0, 64)));
}

FIBER int ops_answer(
	struct ops_ctx *ctx, struct span request, ops_line_fn *line, void *arg, struct err *e)
{
	struct ops_call c = {.ctx = ctx, .line = line, .line_arg = arg};
	struct err why = {0};
	struct json_in *doc = json_in_parse(request, &why);
	int rc = -1;

	buf_init(&c.buf, OPS_LINE_MAX);
	c.arena = arena_new();
	if (doc) {
		c.args = json_in_get(doc, "args");
		rc = run(&c, json_in_text(doc, "cmd"), &why);
	}
	rc = ops_end(&c, rc < 0 ? &why : NULL, e);
	if (doc)
		json_in_free(&doc);
	arena_free(&c.arena);
	buf_fini(&c.buf);
	return rc;
}

/* ---- on a stream ---- */

#define SERVE_IDLE_NS (60 * CLOCK_SEC)
#define SERVE_REST_NS (5 * CLOCK_SEC)

static FIBER int put_line(void *arg, struct span line, struct err *e)
{
	struct stream *s = arg;

	stream_set_timeout(s, SERVE_IDLE_NS);
	return stream_write(s, &line, 1, e);
}

/* An operation that reads on has ended before its input: who sends it hears why before the connection goes. */
static FIBER void drop_rest(struct stream *s)
{
	do {
		stream_drop_input(s);
		stream_set_timeout(s, SERVE_REST_NS);
	} while (stream_fill(s, NULL) == 0);
}

FIBER void ops_serve(struct ops_ctx *ctx, struct stream *s)
{
	struct span line;

	ctx->input = s;
	for (;;) {
		struct err e = {0};

		stream_set_timeout(s, SERVE_IDLE_NS);
		if (stream_read_line(s, OPS_REQUEST_MAX, &line, NULL, &e) < 0)
			break;

		struct arena *a = arena_new();
		int rc = ops_answer(ctx, arena_span(a, line), put_line, s, &e);
		arena_free(&a);
		if (rc < 0)
			break;
		if (ctx->is_input_open) {
			drop_rest(s);
			break;
		}
	}
	ctx->input = NULL;
}
