-- The post road: what routing, lists, TLS policy, shaping, time and the station log keep.

-- A letter's class (enum spool_class), deadline (DELIVERBY) and earliest time (FUTURERELEASE).
-- queue_msg.flags: 1 SMTPUTF8; ret << 4; body_type << 8; 1 << 12 REQUIRETLS; 1 << 13 TLS-Required: No;
-- by_mode << 14 (1 R, 2 N); 1 << 16 BY trace; 1 << 17 expires_ns was set by an administrator.
ALTER TABLE queue_msg ADD COLUMN class @int NOT NULL DEFAULT 0;
ALTER TABLE queue_msg ADD COLUMN by_ns @int NOT NULL DEFAULT 0;
ALTER TABLE queue_msg ADD COLUMN release_ns @int NOT NULL DEFAULT 0;
-- The reverse-path that this recipient's next hop is told: '' the message's, '<>' the null sender.
ALTER TABLE queue_rcpt ADD COLUMN sender @text NOT NULL DEFAULT '';
ALTER TABLE queue_rcpt ADD COLUMN priority @int NOT NULL DEFAULT 0;
-- The next hop that an administrator chose in place of the router's; '' none.
ALTER TABLE queue_rcpt ADD COLUMN rerouted_from @text NOT NULL DEFAULT '';
-- Who stopped it, and when; '' and 0: nobody, or it was accepted that way.
ALTER TABLE queue_rcpt ADD COLUMN held_by @text NOT NULL DEFAULT '';
ALTER TABLE queue_rcpt ADD COLUMN held_ns @int NOT NULL DEFAULT 0;
-- queue_rcpt.flags: notify; 16, 32, 64, 128 the first to fourth delay notice went out; 256 its deadline
-- (DELIVERBY, mode N) was told; 512 given up by an administrator: it fails as soon as it is claimed.
-- What waits, by priority and destination: a lane is due when the first of its rows is, or sooner, never
-- later; but not before paused_ns. What is urgent is claimed first, within one priority each lane in turn:
-- so however much waits for a dead destination, it is in nobody's way. Kept by triggers.
CREATE TABLE queue_lane (
	priority @int NOT NULL,
	destination @text NOT NULL,
	next_ns @int NOT NULL,
	paused_ns @int NOT NULL,
	PRIMARY KEY (destination, priority)
) @keyed;
CREATE INDEX queue_lane_due ON queue_lane (priority, next_ns);
DROP INDEX queue_rcpt_due;
CREATE INDEX queue_rcpt_due ON queue_rcpt (destination, priority, next_ns) WHERE state = 0;
@lanes
-- So that a start finds what a dead process held, without looking at what waits.
CREATE INDEX queue_rcpt_active ON queue_rcpt (lease_ns) WHERE state = 1;

-- How recipients of a relay domain are checked (enum directory_check): 0 not, 1 by relay_rcpt, 2 by
-- asking the next hop, 3 the same and taken when it does not answer.
ALTER TABLE domain ADD COLUMN check_kind @int NOT NULL DEFAULT 0;
CREATE TABLE relay_rcpt (
	domain @text NOT NULL,
	local @text NOT NULL,
	PRIMARY KEY (domain, local)
) @keyed;

-- Where an account's mail goes as well (keep: or instead). Catch-all addresses are aliases with the
-- local part '*'.
CREATE TABLE forward (
	account_id @int NOT NULL,
	n @int NOT NULL,
	target @text NOT NULL,
	PRIMARY KEY (account_id, n)
) @keyed;
ALTER TABLE account ADD COLUMN is_forward_only @int NOT NULL DEFAULT 0;

-- Routes. egress: the row of egress (or pool of them) that connections go out from; '' the default.
ALTER TABLE route ADD COLUMN egress @text NOT NULL DEFAULT '';
-- By sender: 'user@domain' or '@domain'; for mail that no route of its recipient's domain claims.
CREATE TABLE sender_route (
	sender @text NOT NULL PRIMARY KEY,
	next_hop @text NOT NULL,
	egress @text NOT NULL
) @keyed;
-- How to log in at a next hop (the destination key without "lmtp:", or a pool's name); sender as above
-- or '' for all. mechs: allowed, '' the best that is offered. is_clear: a password may go over a
-- connection without TLS.
CREATE TABLE credential (
	next_hop @text NOT NULL,
	sender @text NOT NULL,
	username @text NOT NULL,
	secret @text NOT NULL,
	mechs @text NOT NULL,
	is_clear @int NOT NULL,
	PRIMARY KEY (next_hop, sender)
) @keyed;
-- Redundant next hops, named in routes as pool:NAME. policy: 0 order, 1 weight, 2 random.
CREATE TABLE pool (
	name @text NOT NULL PRIMARY KEY,
	policy @int NOT NULL
) @keyed;
CREATE TABLE pool_member (
	pool @text NOT NULL,
	n @int NOT NULL,
	next_hop @text NOT NULL,
	weight @int NOT NULL,
	is_off @int NOT NULL,
	PRIMARY KEY (pool, n)
) @keyed;
-- Where connections go out from: source addresses, name in EHLO, SOCKS5 proxy. Several rows of one
-- name are a pool. need_ptr: an IPv6 source is used only while its name in DNS leads back to it.
CREATE TABLE egress (
	name @text NOT NULL,
	n @int NOT NULL,
	address4 @text NOT NULL,
	address6 @text NOT NULL,
	hostname @text NOT NULL,
	proxy @text NOT NULL,
	weight @int NOT NULL,
	need_ptr @int NOT NULL,
	PRIMARY KEY (name, n)
) @keyed;

-- TLS policy. match: a domain, '.domain' for all below it, or a next hop's key.
CREATE TABLE tls_override (
	match @text NOT NULL PRIMARY KEY,
	level @int NOT NULL,
	note @text NOT NULL
) @keyed;
CREATE TABLE sts_policy (
	domain @text NOT NULL PRIMARY KEY,
	policy_id @text NOT NULL,
	body @text NOT NULL,
	fetched_ns @int NOT NULL,
	refreshed_ns @int NOT NULL,
	expires_ns @int NOT NULL
) @keyed;
-- TLSRPT (RFC 8460): one row a day, policy, host and kind of result. day: days since 1970, UTC.
CREATE TABLE tls_result (
	day @int NOT NULL,
	domain @text NOT NULL,
	policy @text NOT NULL,		-- 'tlsa', 'sts', 'no-policy-found'
	mx @text NOT NULL,
	kind @text NOT NULL,		-- '' success, else RFC 8460 section 4.3
	sessions @int NOT NULL,
	detail @text NOT NULL,		-- of the last one
	peer @text NOT NULL,		-- its address
	policy_text @text NOT NULL,
	PRIMARY KEY (day, domain, policy, mx, kind)
) @keyed;

-- Shaping: rows that win over the built-in table. match: 'example.org', '.example.org', 'mx:.google.com',
-- '*'. -1 and '': as the next less special row says.
CREATE TABLE shape (
	match @text NOT NULL PRIMARY KEY,
	connections @int NOT NULL,
	connection_rate @text NOT NULL,	-- '100/1m', 'none'
	message_rate @text NOT NULL,
	messages @int NOT NULL,		-- a connection
	recipients @int NOT NULL,	-- a transaction
	is_off @int NOT NULL,
	note @text NOT NULL
) @keyed;
-- Replies that mean more than their code.
CREATE TABLE shape_reply (
	n @int NOT NULL PRIMARY KEY,
	match @text NOT NULL,
	pattern @text NOT NULL,
	action @int NOT NULL,
	pause_ns @int NOT NULL,
	note @text NOT NULL
) @keyed;

-- Mailing lists. post: 0 members, 1 anyone, 2 moderated, 3 owners; join: 0 open (confirmed), 1 owners say.
CREATE TABLE list (
	id @id,
	domain @text NOT NULL,
	local @text NOT NULL,
	title @text NOT NULL,
	post @int NOT NULL,
	join_kind @int NOT NULL,
	rewrite @int NOT NULL,		-- From: 0 where DMARC needs it, 1 always, 2 never
	subject_prefix @text NOT NULL,
	footer @text NOT NULL,
	octets_max @int NOT NULL,	-- of a post; 0 the server's
	is_reply_to_list @int NOT NULL,
	members @int NOT NULL,		-- kept, never counted
	created_ns @int NOT NULL
);
CREATE UNIQUE INDEX list_address ON list (domain, local);
CREATE TABLE list_member (
	list_id @int NOT NULL,
	address @text NOT NULL,
	name @text NOT NULL,
	role @int NOT NULL,		-- bits: 1 receives, 2 posts without moderation, 4 moderator, 8 owner
	state @int NOT NULL,		-- 0 active, 1 suspended by its owner, 2 suspended for bounces
	bounce_score @int NOT NULL,
	bounce_ns @int NOT NULL,	-- last counted
	joined_ns @int NOT NULL,
	PRIMARY KEY (list_id, address)
) @keyed;
-- Whom mail for the list's owners goes to, however many members there are.
CREATE INDEX list_member_owner ON list_member (list_id) WHERE role >= 8;
-- What waits for somebody's word: a confirmation to join (0) or leave (1), the proof that a suspended
-- member can be reached again (2), a post for moderation (3: its letter waits in the queue, msg_id).
-- verdict: 0 none yet, 1 yes, 2 no.
CREATE TABLE list_pending (
	token @text NOT NULL PRIMARY KEY,
	list_id @int NOT NULL,
	kind @int NOT NULL,
	address @text NOT NULL,
	subject @text NOT NULL,
	msg_id @int NOT NULL,
	verdict @int NOT NULL,
	made_ns @int NOT NULL,
	expires_ns @int NOT NULL
) @keyed;
CREATE INDEX list_pending_list ON list_pending (list_id, kind, address);
CREATE INDEX list_pending_msg ON list_pending (msg_id) WHERE msg_id <> 0;
CREATE INDEX list_pending_expires ON list_pending (expires_ns);

-- The station log: letters by id and Message-ID, and what happened to each. Kept for a time, not for
-- ever; written behind the mail, never before it.
CREATE TABLE trail (
	id @id,				-- the letter's
	message_id @text NOT NULL,
	parent_id @int NOT NULL,	-- the letter that this one came from (report, list, return from a filter); 0
	at_ns @int NOT NULL
);
CREATE INDEX trail_parent ON trail (parent_id) WHERE parent_id <> 0;
CREATE INDEX trail_message_id ON trail (message_id) WHERE message_id <> '';
CREATE TABLE trail_event (
	id @id,				-- store_new_id(): ordered by time
	msg_id @int NOT NULL,
	kind @int NOT NULL,
	rcpt @text NOT NULL,
	facts @text NOT NULL,		-- JSON
	talk @bytes NOT NULL		-- the conversation, by policy; ''
);
CREATE INDEX trail_event_msg ON trail_event (msg_id, id);
