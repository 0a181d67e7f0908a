-- The first schema. Words with @ are the driver's (db_word): @id a 64-bit primary key that is the
-- row's own number, @int a 64-bit integer, @keyed a table kept in the order of its primary key.
--
-- Ids come from store_new_id(): 63 bits, ordered by time. Times are nanoseconds since 1970 (wall).
-- Names are stored in lower case, domains as A-labels.

-- Bodies. Chunk n of a body (256 KiB, the last one less) is the row blob_id + n: the ids are
-- allotted as a range, so a body costs no second tree. refs counts the rows of queue_msg and
-- message that point here; 0 is a body on its way in, -1 one whose chunks wait to be swept.
CREATE TABLE blob (
	id @id,
	refs @int NOT NULL,
	octets @int NOT NULL
);
CREATE INDEX blob_orphan ON blob (refs) WHERE refs < 1;

CREATE TABLE blob_chunk (
	id @id,
	data @bytes NOT NULL
);

-- The queue. The recipients of a message are the rows rcpt_first ... rcpt_first + rcpt_count - 1;
-- rcpt_left of them are still there. The message row goes with the last one.
CREATE TABLE queue_msg (
	id @id,
	blob_id @int NOT NULL,
	blob_octets @int NOT NULL,
	rcpt_first @int NOT NULL,
	rcpt_count @int NOT NULL,
	rcpt_left @int NOT NULL,
	arrived_ns @int NOT NULL,
	expires_ns @int NOT NULL,
	flags @int NOT NULL,		-- 1 SMTPUTF8; ret << 4; body_type << 8
	reverse_path @text NOT NULL,
	envid @text NOT NULL,
	origin @text NOT NULL,
	peer @text NOT NULL,
	prefix @bytes NOT NULL
);

-- state: enum spool_state (docs/queue.md); next_ns counts while waiting, lease_ns while active.
-- wish: what becomes of an active row when it is settled: 0 nothing, 1 hold, 2 drop.
CREATE TABLE queue_rcpt (
	id @id,
	msg_id @int NOT NULL,
	state @int NOT NULL,
	next_ns @int NOT NULL,
	lease_ns @int NOT NULL,
	attempts @int NOT NULL,
	flags @int NOT NULL,		-- notify; 16 delay told
	wish @int NOT NULL,
	account_id @int NOT NULL,	-- local rows
	address @text NOT NULL,
	orcpt @text NOT NULL,
	destination @text NOT NULL,	-- local rows: the folder
	last_ns @int NOT NULL,
	last_code @int NOT NULL,
	last_enhanced @text NOT NULL,
	last_text @text NOT NULL,
	last_host @text NOT NULL,
	prefix @bytes NOT NULL		-- local rows: what differs per recipient
);
CREATE INDEX queue_rcpt_due ON queue_rcpt (next_ns) WHERE state = 0;
CREATE INDEX queue_rcpt_local ON queue_rcpt (next_ns) WHERE state = 3;

-- Who there is.
CREATE TABLE domain (
	name @text NOT NULL PRIMARY KEY,
	kind @int NOT NULL		-- enum directory_domain_kind
) @keyed;

-- modseq is the account's one counter of changes; messages and octets are kept, never counted.
CREATE TABLE account (
	id @id,
	domain @text NOT NULL,
	local @text NOT NULL,
	name @text NOT NULL,
	is_suspended @int NOT NULL,
	scram_sha256 @text NOT NULL,	-- verifier "iterations:salt:stored:server"; '' no login
	quota_octets @int NOT NULL,	-- 0 none
	messages @int NOT NULL,
	octets @int NOT NULL,
	modseq @int NOT NULL,
	created_ns @int NOT NULL
);
CREATE UNIQUE INDEX account_address ON account (domain, local);

-- Further addresses of an account.
CREATE TABLE address (
	domain @text NOT NULL,
	local @text NOT NULL,
	account_id @int NOT NULL,
	PRIMARY KEY (domain, local)
) @keyed;
CREATE INDEX address_account ON address (account_id);

CREATE TABLE alias (
	domain @text NOT NULL,
	local @text NOT NULL,
	n @int NOT NULL,
	target @text NOT NULL,
	PRIMARY KEY (domain, local, n)
) @keyed;

CREATE TABLE route (
	domain @text NOT NULL PRIMARY KEY,	-- or '*'
	next_hop @text NOT NULL,
	is_lmtp @int NOT NULL
) @keyed;

CREATE TABLE setting (
	name @text NOT NULL PRIMARY KEY,
	value @text NOT NULL
) @keyed;

-- Mailboxes.
CREATE TABLE mailbox (
	id @id,
	account_id @int NOT NULL,
	name @text NOT NULL,		-- UTF-8, '/' between levels
	uidvalidity @int NOT NULL,
	uidnext @int NOT NULL,
	highest_modseq @int NOT NULL,
	messages @int NOT NULL,
	unseen @int NOT NULL,
	octets @int NOT NULL
);
CREATE UNIQUE INDEX mailbox_name ON mailbox (account_id, name);

-- id is the delivery's own number (made before the transaction, or the queue row's): its uniqueness
-- is what lets nothing be delivered twice.
CREATE TABLE message (
	id @id,
	mailbox_id @int NOT NULL,
	uid @int NOT NULL,
	modseq @int NOT NULL,
	flags @int NOT NULL,		-- enum mailbox_flag
	received_ns @int NOT NULL,
	blob_id @int NOT NULL,
	blob_octets @int NOT NULL,
	size @int NOT NULL,		-- prefix + body
	keywords @text NOT NULL,
	subject @text NOT NULL,
	sender @text NOT NULL,
	prefix @bytes NOT NULL
);
CREATE UNIQUE INDEX message_uid ON message (mailbox_id, uid);
CREATE INDEX message_modseq ON message (mailbox_id, modseq);

-- What was expunged, for QRESYNC and JMAP changes.
CREATE TABLE tombstone (
	mailbox_id @int NOT NULL,
	modseq @int NOT NULL,
	uid @int NOT NULL,
	message_id @int NOT NULL,
	PRIMARY KEY (mailbox_id, modseq, uid)
) @keyed;

-- Counters of the whole store, kept in the transactions that change them.
CREATE TABLE counter (
	id @id,				-- enum store_counter
	value @int NOT NULL
);
