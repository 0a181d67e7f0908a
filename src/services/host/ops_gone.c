#include "store/mailbox.h"
#include "store/directory.h"
#include "services/host/ops_priv.h"

/* mailbox.gone and mailbox.undelete: what was expunged (reading { keep_expunged }), told and brought back. */

struct gone {
	struct ops_call *c;
	uint64_t account_id;
	struct span folder; /* "" all */
	int64_t since_ns;   /* 0 all */
	const struct json_in *uids;
	uint64_t back;
};

typedef FIBER int gone_fn(struct gone *g, const struct mailbox_gone *x, struct err *e);

static bool is_meant(const struct gone *g, const struct mailbox_gone *x)
{
	char *text;
	bool is_in = !json_in_count(g->uids);

	for (size_t i = 0; !is_in && i < json_in_count(g->uids); i++) {
		text = arena_printf(g->c->arena, "%u", x->msg.uid);
		is_in = span_eq(json_in_span(json_in_at(g->uids, i)), span_str(text));
	}
	return is_in;
}

static FIBER int each(struct gone *g, gone_fn *fn, struct err *e)
{
	struct mailbox_gone_cursor cursor = {0};
	size_t count = 1;
	int rc = 0;

	while (rc == 0 && count) {
		struct mailbox_gone *list = NULL;
		struct arena *a = arena_new();

		rc = mailbox_gone_list(g->c->ctx->store, a, g->account_id, g->folder, g->since_ns,
			&cursor, &list, &count, e);
		for (size_t i = 0; rc == 0 && i < count; i++)
			if (is_meant(g, &list[i]))
				rc = fn(g, &list[i], e);
		arena_free(&a);
	}
	return rc;
}

static FIBER int tell(struct gone *g, const struct mailbox_gone *x, struct err *e)
{
	struct json_out *j = ops_row(g->c);

	json_kv_span(j, "folder", x->folder);
	json_kv_u64(j, "uid", x->msg.uid);
	json_kv_u64(j, "size", x->msg.size);
	ops_put_time(j, "expunged_at", x->expunged_ns);
	ops_put_time(j, "received_at", x->msg.received_ns);
	json_kv_span(j, "from", x->msg.from);
	json_kv_span(j, "subject", x->msg.subject);
	return ops_row_end(g->c, e);
}

static FIBER int bring_back(struct gone *g, const struct mailbox_gone *x, struct err *e)
{
	if (mailbox_undelete(g->c->ctx->store, g->account_id, x->msg.id, SPAN_NONE, e) < 0)
		return err_wrap(e, "%llu messages are back, and then", (unsigned long long)g->back);
	g->back++;
	return tell(g, x, e);
}

static FIBER int begin(struct gone *g, struct ops_call *c, struct err *e)
{
	struct directory_account acc = {0};
	struct span address;
	uint64_t since_ms = 0;

	*g = (struct gone){.c = c,
		.folder = json_in_text(c->args, "folder"),
		.uids = json_in_get(c->args, "uids")};
	if (ops_account(c, &acc, &address, e) < 0)
		return -1;
	g->account_id = acc.id;
	if (json_in_u64(c->args, "since", &since_ms))
		g->since_ns = (int64_t)since_ms * CLOCK_MS;
	return 0;
}

FIBER int op_mailbox_gone(struct ops_call *c, struct err *e)
{
	struct gone g;

	return begin(&g, c, e) < 0 ? -1 : each(&g, tell, e);
}

FIBER int op_mailbox_undelete(struct ops_call *c, struct err *e)
{
	struct gone g;

	if (begin(&g, c, e) < 0 || each(&g, bring_back, e) < 0)
		return -1;
	return g.back ? 0 : err_set(e, ERR_NOT_FOUND, "nothing like that can be brought back");
}
