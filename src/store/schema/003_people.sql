-- People: what they log in with, whom they may send as, what signs their mail, and certificates.

-- kind: enum account_kind. A team is a mailbox of several, a group an address that its members get mail
-- for; neither logs in. credential moves whenever the password changes or the account is suspended: what
-- was proven before counts no more. imported: a hash of another system ("$6$…", "{SSHA}…"), until the
-- first login replaces it. removed_ns: it waits for its end since then; 0 it does not.
ALTER TABLE account ADD COLUMN kind @int NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN scram_sha1 @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN imported @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN credential @int NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN suspended_why @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN removed_ns @int NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN quota_messages @int NOT NULL DEFAULT 0;	-- 0 none
-- Sending: '100/1h' or '' as the configuration says; is_sent_copied: what is submitted is put into Sent.
ALTER TABLE account ADD COLUMN message_rate @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN recipient_rate @text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN is_sent_copied @int NOT NULL DEFAULT 0;
-- The user of this machine whose local mail is sent as this account; '' none.
ALTER TABLE account ADD COLUMN system_user @text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX account_system_user ON account (system_user) WHERE system_user <> '';
CREATE INDEX account_removed ON account (removed_ns) WHERE removed_ns > 0;
-- Which aliases lead to an address: whose owner may write under them.
CREATE INDEX alias_target ON alias (target);

-- What new accounts of a domain get; 0 none.
ALTER TABLE domain ADD COLUMN quota_octets @int NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN accounts_max @int NOT NULL DEFAULT 0;

-- Who belongs to a team or a group. rights: enum account_right.
CREATE TABLE account_member (
	account_id @int NOT NULL,
	member_id @int NOT NULL,
	rights @int NOT NULL,
	PRIMARY KEY (account_id, member_id)
) @keyed;
CREATE INDEX account_member_of ON account_member (member_id);
-- Addresses that are nobody's mailbox here and that an account may write as: 'user@domain', '@domain'.
CREATE TABLE send_as (
	account_id @int NOT NULL,
	pattern @text NOT NULL,
	PRIMARY KEY (account_id, pattern)
) @keyed;

-- Passwords for one device or program. key_hash: SHA-256 of the password, which is 100 random bits;
-- scopes: enum account_scope. networks: where it may come from, blanks between; '' anywhere.
CREATE TABLE app_password (
	id @id,
	account_id @int NOT NULL,
	name @text NOT NULL,
	key_hash @text NOT NULL,
	scram_sha256 @text NOT NULL,
	scopes @int NOT NULL,
	networks @text NOT NULL,
	created_ns @int NOT NULL,
	expires_ns @int NOT NULL,	-- 0 never
	used_ns @int NOT NULL,
	used_from @text NOT NULL
);
CREATE UNIQUE INDEX app_password_name ON app_password (account_id, name);
-- Client certificates by the SHA-256 of their public key.
CREATE TABLE account_certificate (
	spki_sha256 @text NOT NULL PRIMARY KEY,
	account_id @int NOT NULL,
	note @text NOT NULL,
	created_ns @int NOT NULL,
	expires_ns @int NOT NULL,
	used_ns @int NOT NULL
) @keyed;
CREATE INDEX account_certificate_of ON account_certificate (account_id);

-- Networks that may not connect (kind 0), or that nothing is ever held against (1).
CREATE TABLE ban (
	network @text NOT NULL PRIMARY KEY,
	kind @int NOT NULL,
	reason @text NOT NULL,
	made_by @text NOT NULL,
	made_ns @int NOT NULL,
	until_ns @int NOT NULL		-- 0: until it is taken back
) @keyed;
CREATE INDEX ban_until ON ban (until_ns) WHERE until_ns > 0;

-- Keys that sign mail (DKIM). algorithm: 'rsa', 'ed25519'. state: 0 pending (published, not used), 1 active,
-- 2 retiring (no longer used, still published).
CREATE TABLE dkim_key (
	domain @text NOT NULL,
	selector @text NOT NULL,
	algorithm @text NOT NULL,
	state @int NOT NULL,
	is_wide @int NOT NULL,		-- signs for subdomains without a key of their own, too
	pem @text NOT NULL,
	created_ns @int NOT NULL,
	changed_ns @int NOT NULL,
	PRIMARY KEY (domain, selector)
) @keyed;
CREATE INDEX dkim_key_active ON dkim_key (state) WHERE state = 1;

-- Certificates that an authority gave us (ACME), with what is under way.
CREATE TABLE certificate (
	name @text NOT NULL PRIMARY KEY,
	names @text NOT NULL,		-- blanks between
	chain_pem @text NOT NULL,	-- '' none yet
	key_pem @text NOT NULL,
	not_before_ns @int NOT NULL,
	not_after_ns @int NOT NULL,
	next_ns @int NOT NULL,		-- when it is asked for again
	tries @int NOT NULL,
	order_url @text NOT NULL,	-- under way
	order_key_pem @text NOT NULL,
	error @text NOT NULL
) @keyed;

-- Files of a drop directory that have been accepted: once each.
CREATE TABLE maildrop (
	name @text NOT NULL PRIMARY KEY,
	at_ns @int NOT NULL
) @keyed;
