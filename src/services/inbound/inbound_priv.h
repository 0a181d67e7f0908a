#pragma once
/* Inside inbound. */

#include "proto/mail/mail_header.h"
#include "services/inbound/inbound.h"

/* The zone is looked up once a second. */
struct received_time {
	int64_t sec;
	int zone_minutes;
};

/** Our Received field (RFC 5321 section 4.4), folded, with its CRLF, in s->txn. `for_address` is
 * empty unless there is exactly one recipient. */
struct span received_field(const struct smtp_session *s, struct span hostname, uint64_t id,
	struct span for_address, const struct received_time *time);
/** Return-Path, Delivered-To, then `received`: what stands before the body in a mailbox. */
struct span local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span received);

struct inbound {
	struct inbound_opts opts;
	struct inbound_counters counters;
	struct received_time time; /* as of the last letter */
};

/* A transaction: from the first RCPT on. */
struct inbound_txn {
	struct arena *arena; /* the session's, of this transaction */
	struct stage *stage;
	struct mail_header header; /* counts Received fields */
	struct span message_id;    /* without angle brackets; "" */
	struct router_delivered delivered;
	bool is_tls_optional; /* "TLS-Required: No" (RFC 8689 section 5) */
	bool is_bulk;         /* Precedence says so */
};

/* inbound_rcpt.c */

struct inbound_counts {
	size_t local, remote;
	bool is_success_wanted;
	struct spool_rcpt_new
		*expanded; /* addresses that became several, and whose sender hears it */
	size_t expanded_count;
};
/** Marks recipients that the message has been delivered to before: ROUTER_LOOP. -1: all of them. */
int inbound_loops(struct inbound_conn *c, struct smtp_session *s, struct err *e);
/** The accepted recipients, aliases opened, into letter->rcpts. What differs per mailbox is its prefix. */
void inbound_rcpts(struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter,
	struct inbound_counts *counts_r);

/* inbound_trail.c */

/** Called for each field of a message that comes in; `arg` is the struct inbound_txn. */
void inbound_note_field(void *arg, const struct mail_field *f);
/** Tell the station log of a letter that was accepted, or that was refused at its end. */
void inbound_trail(
	const struct inbound_conn *c, const struct smtp_session *s, const struct spool_new *letter);
void inbound_trail_refused(const struct inbound_conn *c, const struct smtp_session *s, uint64_t id,
	const struct err *why);
