#pragma once
/* Inside the operations: how one writes its rows. */

#include "base/hash.h"
#include "base/json_out.h"
#include "store/spool.h"
#include "services/host/ops.h"

struct ops_call {
	struct ops_ctx *ctx;
	const struct json_in *args; /* may be NULL: none */
	struct arena *arena;        /* of this call; reset after each row that says so */
	ops_line_fn *line;
	void *line_arg;
	struct buf buf;
	struct json_out json;
};

/** Open {"row":{ and, with ops_row_end, close and send it. */
struct json_out *ops_row(struct ops_call *c);
FIBER int ops_row_end(struct ops_call *c, struct err *e);
/** {"progress":…} now. */
FIBER int ops_progress(struct ops_call *c, uint64_t done, uint64_t total, struct err *e);

/** An argument that must be there (ERR_SYNTAX without). */
int ops_need(struct ops_call *c, const char *name, struct span *text_r, struct err *e);
void ops_put_time(struct json_out *j, const char *key, int64_t wall_ns); /* RFC 3339; 0: null */
void ops_put_id(struct json_out *j, const char *key, uint64_t id);

/** The row {key: value}, alone. */
FIBER int ops_tell(struct ops_call *c, const char *key, struct span value, struct err *e);
struct directory_account;
/** The account that the argument "address" names; *address_r as it was said. */
FIBER int ops_account(
	struct ops_call *c, struct directory_account *acc_r, struct span *address_r, struct err *e);
/** A person gets a reserved name only with the argument "force_reserved". */
int ops_reserved(struct ops_call *c, unsigned kind, struct span address, struct err *e);
/** "imap,pop3": bits of enum account_scope. ERR_SYNTAX. */
int ops_scopes(struct span text, unsigned *scopes_r, struct err *e);
void ops_put_scopes(struct json_out *j, const char *key, unsigned scopes);
/** Set a password that somebody typed: SASLprep, the verifiers that the configuration wants. */
FIBER int ops_password(struct ops_call *c, uint64_t id, struct span password, struct err *e);

struct spool_filter;
struct spool_order;
/** The arguments id, sender, recipient, destination, state as a filter; *is_any_r: any of them. */
int ops_queue_filter(struct ops_call *c, struct spool_filter *f, bool *is_any_r, struct err *e);
/** Give an order to all that the filter means (or, without one, to `all`), with progress and an event in
 * the log; *changed_r also when it ends early. */
FIBER int ops_queue_obey(
	struct ops_call *c, struct spool_order *o, uint64_t *changed_r, struct err *e);
/** The row {"changed": n}; none of a message that was named is an error. */
FIBER int ops_queue_tell(struct ops_call *c, uint64_t changed, struct err *e);
/** Both. */
FIBER int ops_queue_order(struct ops_call *c, struct spool_order *o, struct err *e);
/** The event of an order that was obeyed. */
void ops_queue_log(struct ops_call *c, const char *what, struct span target, uint64_t changed);

/** Destinations that are down, by name; hash_map_fini() it. What is due for one waits in the store as it
 * was accepted: its reason and its next event are its site's, which ops_ask_site() puts in. */
FIBER void ops_down_sites(struct ops_call *c, struct hash_map *down);
void ops_ask_site(struct spool_item *it, const struct hash_map *down);

/** A router for this call, with nothing kept; the caller frees it. */
struct router *ops_router(struct ops_call *c);

typedef FIBER int ops_fn(struct ops_call *c, struct err *e);
ops_fn op_queue_list, op_queue_show, op_queue_retry, op_queue_hold, op_queue_release, op_queue_drop;
ops_fn op_search_rebuild, op_search_status;
ops_fn op_dns, op_explain, op_trace, op_metrics;
ops_fn op_queue_expire, op_queue_reroute, op_queue_edit;
ops_fn op_mailbox_list, op_mailbox_show, op_mailbox_export, op_mailbox_folders;
ops_fn op_mailbox_import, op_mailbox_moved, op_mailbox_gone, op_mailbox_undelete;
ops_fn op_domain_add, op_domain_set, op_domain_remove, op_domain_list;
ops_fn op_account_add, op_account_set, op_account_remove, op_account_list, op_account_restore;
ops_fn op_account_show, op_account_suspend, op_account_resume, op_account_password;
ops_fn op_account_rename, op_account_import, op_address_add, op_address_remove;
ops_fn op_member_add, op_member_set, op_member_remove, op_member_list;
ops_fn op_send_as_add, op_send_as_remove, op_send_as_list, op_identities;
ops_fn op_app_add, op_app_list, op_app_remove;
ops_fn op_totp_status, op_totp_reset, op_sessions, op_sign_out, op_logins;
ops_fn op_certificate_add, op_certificate_list, op_certificate_remove;
ops_fn op_alias_add, op_alias_set, op_alias_remove, op_alias_list, op_alias_import;
ops_fn op_route_add, op_route_set, op_route_remove, op_route_list, op_route_test;
ops_fn op_account_forward, op_recipients_add, op_recipients_remove, op_recipients_list;
ops_fn op_list_add, op_list_set, op_list_remove, op_list_list, op_list_show, op_list_members;
ops_fn op_list_member_add, op_list_member_set, op_list_member_remove, op_list_import;
ops_fn op_list_held, op_list_approve, op_list_reject;
ops_fn op_key_add, op_key_list, op_key_check, op_key_activate, op_key_retire;
ops_fn op_key_rotate, op_key_remove, op_key_import, op_key_export;
ops_fn op_cert_list, op_cert_request, op_cert_renew, op_cert_remove, op_cert_check;
ops_fn op_tls_set, op_tls_remove, op_tls_list, op_tls_report;
ops_fn op_pool_add, op_pool_set, op_pool_remove, op_pool_list;
ops_fn op_egress_add, op_egress_set, op_egress_remove, op_egress_list, op_egress_check;
ops_fn op_login_add, op_login_remove, op_login_list;
ops_fn op_status, op_fibers, op_backup, op_check, op_reload, op_resolve;
ops_fn op_ban_list, op_ban_add, op_ban_remove, op_ban_allow, op_ban_allowed;
ops_fn op_queue_sites, op_shape_list, op_shape_set, op_shape_remove, op_shape_test;
ops_fn op_shape_replies, op_shape_reply_set, op_shape_reply_remove;
