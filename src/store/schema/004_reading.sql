-- Reading: what IMAP, POP3 and pages need beside a message.

-- A small number of its own, never used again: the search index has it in the upper bits of its row
-- numbers. imap_off: capabilities that this account is not told of, blanks between; scopes_off: enum
-- account_scope bits that it may not use whatever the credential.
ALTER TABLE account ADD COLUMN number @int NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN imap_off @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN scopes_off @int NOT NULL DEFAULT 0;
-- The last UIDVALIDITY given to a mailbox of it.
ALTER TABLE account ADD COLUMN uidvalidity @int NOT NULL DEFAULT 0;
UPDATE account SET uidvalidity = COALESCE((SELECT MAX(uidvalidity) FROM mailbox WHERE account_id = account.id), 0);
UPDATE account SET number = (SELECT COUNT(*) FROM account o WHERE o.id <= account.id);
CREATE UNIQUE INDEX account_number ON account (number);
-- The last number given away (store_account_number_tx).
INSERT INTO counter (id, value) SELECT 100, COALESCE(MAX(number), 0) FROM account;

-- n: the account's MODSEQ when the row was made: unique in the account, in the order of commits, never
-- changed (MOVE keeps it). email_id: the row that first had this content (copies keep it). thread_id: 0
-- until the facts of its body are there, then for ever. saved_ns: when it came into this mailbox.
ALTER TABLE message ADD COLUMN account_id @int NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN n @int NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN email_id @int NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN thread_id @int NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN saved_ns @int NOT NULL DEFAULT 0;
-- Old rows: each delivery moved its account's MODSEQ, so their count is not above it.
UPDATE message SET email_id = id, saved_ns = received_ns,
	account_id = (SELECT account_id FROM mailbox WHERE id = message.mailbox_id);
UPDATE message SET n = x.n FROM (SELECT id AS own,
	ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY id) AS n FROM message) x WHERE x.own = id;
CREATE UNIQUE INDEX message_n ON message (account_id, n);
-- What waits for its facts.
CREATE INDEX message_new ON message (id) WHERE thread_id = 0;
CREATE INDEX message_thread ON message (thread_id) WHERE thread_id <> 0;
CREATE INDEX message_copy ON message (email_id) WHERE email_id <> id;
-- What happened since, in one order, page by page.
DROP INDEX message_modseq;
CREATE INDEX message_modseq ON message (mailbox_id, modseq, uid);
CREATE INDEX message_unseen ON message (mailbox_id, uid) WHERE (flags & 1) = 0;

-- special_use: '' or one of RFC 6154's attributes ("\Sent"). deleted: messages marked \Deleted, and their
-- octets, kept like the other counters.
ALTER TABLE mailbox ADD COLUMN special_use @text NOT NULL DEFAULT '';
ALTER TABLE mailbox ADD COLUMN deleted @int NOT NULL DEFAULT 0;
ALTER TABLE mailbox ADD COLUMN deleted_octets @int NOT NULL DEFAULT 0;
UPDATE mailbox SET
	deleted = (SELECT COUNT(*) FROM message m WHERE m.mailbox_id = mailbox.id AND (m.flags & 8) <> 0),
	deleted_octets = (SELECT COALESCE(SUM(size), 0) FROM message m WHERE m.mailbox_id = mailbox.id
		AND (m.flags & 8) <> 0);
CREATE UNIQUE INDEX mailbox_special ON mailbox (account_id, special_use) WHERE special_use <> '';

-- The keywords that a mailbox has seen, as they were spelt first; folded: in lower case. They go with it.
CREATE TABLE mailbox_keyword (
	mailbox_id @int NOT NULL,
	folded @text NOT NULL,
	name @text NOT NULL,
	PRIMARY KEY (mailbox_id, folded)
) @keyed;

-- Names that an account has subscribed to, as it sees them; they may be there or not.
CREATE TABLE subscription (
	account_id @int NOT NULL,
	name @text NOT NULL,
	PRIMARY KEY (account_id, name)
) @keyed;

-- Rights of others (RFC 4314): identifier an address, 'anyone', or either behind '-' (taken away);
-- rights its letters in the order of enum mailbox_right.
CREATE TABLE mailbox_acl (
	mailbox_id @int NOT NULL,
	identifier @text NOT NULL,
	rights @int NOT NULL,
	PRIMARY KEY (mailbox_id, identifier)
) @keyed;
CREATE INDEX mailbox_acl_of ON mailbox_acl (identifier);

-- Annotations (RFC 5464). mailbox_id 0: of the server; reader_id: whose private entry, 0 a shared one.
CREATE TABLE mailbox_metadata (
	mailbox_id @int NOT NULL,
	reader_id @int NOT NULL,
	name @text NOT NULL,		-- lower case, with /private or /shared
	value @bytes NOT NULL,
	PRIMARY KEY (mailbox_id, reader_id, name)
) @keyed;

-- What was expunged and can be brought back until it is swept. The reference to the body is kept.
CREATE TABLE expunged (
	id @id,				-- the message's
	account_id @int NOT NULL,
	mailbox_id @int NOT NULL,
	folder @text NOT NULL,		-- its name then
	uid @int NOT NULL,
	n @int NOT NULL,
	email_id @int NOT NULL,
	thread_id @int NOT NULL,
	flags @int NOT NULL,
	keywords @text NOT NULL,
	received_ns @int NOT NULL,
	saved_ns @int NOT NULL,
	expunged_ns @int NOT NULL,
	blob_id @int NOT NULL,
	blob_octets @int NOT NULL,
	size @int NOT NULL,
	subject @text NOT NULL,
	sender @text NOT NULL,
	prefix @bytes NOT NULL
);
CREATE INDEX expunged_due ON expunged (expunged_ns);
CREATE INDEX expunged_of ON expunged (account_id, expunged_ns);
CREATE INDEX expunged_uid ON expunged (mailbox_id, uid);

-- What reading a body once has told (store/facts.h): one row a body, however many have it. It goes with
-- the body. What is read most stands first.
CREATE TABLE body_fact (
	blob_id @id,
	version @int NOT NULL,
	flags @int NOT NULL,		-- enum fact_flag
	sent_ns @int NOT NULL,		-- of the Date field; 0 none
	envelope @bytes NOT NULL,	-- IMAP text
	preview @text NOT NULL,
	subject @text NOT NULL,		-- base subject, folded for sorting
	from_key @text NOT NULL,	-- the first address: mailbox, folded
	to_key @text NOT NULL,
	cc_key @text NOT NULL,
	from_name @text NOT NULL,	-- what is shown of it, folded
	to_name @text NOT NULL,
	message_id @text NOT NULL,	-- normalised; '' none
	refs @bytes NOT NULL,		-- References, else In-Reply-To: normalised ids, LF between
	structure @bytes NOT NULL,	-- BODYSTRUCTURE, IMAP text
	layout @bytes NOT NULL		-- packed parts
);

-- Which thread an account's message id belongs to: what shares an id and a base subject is one thread
-- (RFC 8621 section 3). Keys are 63-bit hashes.
CREATE TABLE thread_ref (
	account_id @int NOT NULL,
	ref @int NOT NULL,
	subject @int NOT NULL,
	thread_id @int NOT NULL,
	PRIMARY KEY (account_id, ref, subject)
) @keyed;

-- Messages that are gone for good and that search has not forgotten yet; n 0: the whole account.
CREATE TABLE search_gone (
	account_id @int NOT NULL,
	n @int NOT NULL,
	PRIMARY KEY (account_id, n)
) @keyed;

-- What has been moved in, so that nothing comes twice (docs/moving.md). name: "user@host:port/mailbox"; '' all
-- files. uidvalidity and modseq: of the other server, when it was last seen through; 0.
CREATE TABLE moved_source (
	id @id,
	account_id @int NOT NULL,
	name @text NOT NULL,
	uidvalidity @int NOT NULL,
	modseq @int NOT NULL
);
CREATE UNIQUE INDEX moved_source_name ON moved_source (account_id, name, uidvalidity);
-- item: the UID there (4 octets, big endian), or the digest of a file's message. flags: as they were there when
-- last seen.
CREATE TABLE moved (
	source_id @int NOT NULL,
	item @bytes NOT NULL,
	message_id @int NOT NULL,
	flags @text NOT NULL,
	PRIMARY KEY (source_id, item)
) @keyed;
