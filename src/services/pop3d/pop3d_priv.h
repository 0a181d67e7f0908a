#pragma once
/* Between the files of pop3d: pop3d.c (the process, logging in), pop3d_hold.c (who is in, and since when),
 * pop3d_drop.c (the mailbox: sizes, contents, removing). */

#include "base/hash.h"
#include "base/log.h"
#include "services/pop3d/pop3d.h"

#define POP3D_HOLDS_MAX   100000 /* accounts that are remembered: those beyond are never too early */
#define POP3D_ADDRESS_MAX 320

struct pop3d_holds;
struct pop3d {
	struct pop3d_opts opts;
	struct pop3d_holds *holds;
	struct pop3d_counters counters; /* atomic, each */
};
void pop3d_count(uint64_t *counter, uint64_t n);

/* ---- pop3d_hold.c: any thread, nothing here yields ---- */
struct pop3d_holds *pop3d_holds_new(void);
void pop3d_holds_free(struct pop3d_holds **h);
/** A session of this mailbox begins. POP3_CODE_NONE: it may, and pop3d_hold_leave is owed. */
enum pop3_code pop3d_hold_enter(struct pop3d_holds *h, uint64_t mailbox_id,
	const struct pop3d_policy *policy, int64_t now_ns);
void pop3d_hold_leave(struct pop3d_holds *h, uint64_t mailbox_id);
size_t pop3d_holds_count(struct pop3d_holds *h);

/* ---- pop3d_drop.c ---- */
FIBER int pop3d_drop_open(struct pop3d_conn *c, struct pop3_drop *drop_r, struct err *e);
/** What was read is shown as read. */
FIBER void pop3d_drop_seen(struct pop3d_conn *c);
void pop3d_drop_close(struct pop3d_conn *c);
FIBER int pop3d_drop_size(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e);
void pop3d_drop_uidl(void *ctx, uint32_t i, struct buf *b);
FIBER int pop3d_body_open(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e);
FIBER int pop3d_body_next(void *ctx, struct span *octets_r, struct err *e);
void pop3d_body_close(void *ctx, uint32_t i, bool is_whole);
void pop3d_drop_rest(void *ctx);
FIBER int pop3d_drop_update(void *ctx, const uint32_t *gone, uint32_t count, struct err *e);
