-- The web: Emails and threads as JMAP sees them, logins of the page, and what people keep there.

-- ---- what changed, in one order an account ----
ALTER TABLE tombstone ADD COLUMN account_id @int NOT NULL DEFAULT 0;
UPDATE tombstone SET account_id = COALESCE((SELECT account_id FROM mailbox WHERE id = tombstone.mailbox_id), 0);
CREATE INDEX tombstone_of ON tombstone (account_id, modseq, message_id);
CREATE INDEX message_changed ON message (account_id, modseq);

-- The order in which people want their mailboxes, and one; 0: nobody has said.
ALTER TABLE mailbox ADD COLUMN sort_order @int NOT NULL DEFAULT 0;

-- ---- the index of Emails (store/email.h) ----
-- Made of `message` and `tombstone` in the order of MODSEQs, right behind the writes; readers who find it
-- behind bring it up to date first. An Email is all rows of an account with one email_id that are not
-- marked \Deleted (RFC 8621 section 4.1.1).

-- How far it is. An account has a row once its Emails were asked for, or the indexer came by.
CREATE TABLE email_index (
	account_id @id,
	upto @int NOT NULL,		-- all changes up to this MODSEQ are in it
	forgotten @int NOT NULL,	-- changes up to this MODSEQ are not kept: cannotCalculateChanges
	emails_at @int NOT NULL,	-- when an Email, a thread, a counter changed last (may be above upto
	threads_at @int NOT NULL,	-- while a large change is being worked through)
	counts_at @int NOT NULL
);
-- What it knows of a row of message, so that it can be taken out again.
CREATE TABLE email_row (
	message_id @id,
	account_id @int NOT NULL,
	mailbox_id @int NOT NULL,
	email_id @int NOT NULL,
	modseq @int NOT NULL,
	flags @int NOT NULL,		-- enum mailbox_flag
	keywords @text NOT NULL
);
CREATE INDEX email_row_email ON email_row (account_id, email_id);
-- flags: of the Email (store/email.h), with enum email_bit; keywords: in lower case, blanks between.
CREATE TABLE email (
	account_id @int NOT NULL,
	email_id @int NOT NULL,
	thread_id @int NOT NULL,
	received_ns @int NOT NULL,
	size @int NOT NULL,
	rows_count @int NOT NULL,
	flags @int NOT NULL,
	keywords @text NOT NULL,
	created @int NOT NULL,		-- MODSEQs
	changed @int NOT NULL,
	PRIMARY KEY (account_id, email_id)
) @keyed;
CREATE INDEX email_changed ON email (account_id, changed);
CREATE INDEX email_thread ON email (account_id, thread_id, received_ns);
CREATE TABLE email_gone (
	account_id @int NOT NULL,
	modseq @int NOT NULL,
	email_id @int NOT NULL,
	thread_id @int NOT NULL,
	created @int NOT NULL,
	PRIMARY KEY (account_id, modseq, email_id)
) @keyed;
CREATE INDEX email_gone_email ON email_gone (account_id, email_id, modseq);
-- A mailbox's list: each Email once, however often it is in there. entered: MODSEQ.
CREATE TABLE email_box (
	mailbox_id @int NOT NULL,
	received_ns @int NOT NULL,
	email_id @int NOT NULL,
	thread_id @int NOT NULL,
	flags @int NOT NULL,		-- as in email
	entered @int NOT NULL,
	PRIMARY KEY (mailbox_id, received_ns, email_id)
) @keyed;
CREATE INDEX email_box_entered ON email_box (mailbox_id, entered);
-- What people ask for most, without the rest: what was not read, what has a star.
CREATE INDEX email_box_unseen ON email_box (mailbox_id, received_ns, email_id, thread_id, flags)
	WHERE (flags & 1) = 0;
CREATE INDEX email_box_flagged ON email_box (mailbox_id, received_ns, email_id, thread_id, flags)
	WHERE (flags & 4) = 4;
-- When an Email's last row went out of a mailbox.
CREATE TABLE email_left (
	mailbox_id @int NOT NULL,
	modseq @int NOT NULL,
	email_id @int NOT NULL,
	account_id @int NOT NULL,
	thread_id @int NOT NULL,
	entered @int NOT NULL,
	PRIMARY KEY (mailbox_id, modseq, email_id)
) @keyed;
CREATE INDEX email_left_of ON email_left (account_id, modseq);
-- A thread: these MODSEQs move when Emails come and go, not with flags (RFC 8621 section 3).
CREATE TABLE thread (
	account_id @int NOT NULL,
	thread_id @int NOT NULL,
	emails @int NOT NULL,		-- 0: gone
	unread @int NOT NULL,
	first @int NOT NULL,		-- when it was there for the first time, and
	created @int NOT NULL,		-- this time
	changed @int NOT NULL,
	PRIMARY KEY (account_id, thread_id)
) @keyed;
CREATE INDEX thread_changed ON thread (account_id, changed);
-- A thread in a mailbox, by its newest message there (what a list shows: collapseThreads), and its oldest.
CREATE TABLE thread_box (
	mailbox_id @int NOT NULL,
	thread_id @int NOT NULL,
	emails @int NOT NULL,
	newest_ns @int NOT NULL,
	newest_email @int NOT NULL,
	oldest_ns @int NOT NULL,
	oldest_email @int NOT NULL,
	PRIMARY KEY (mailbox_id, thread_id)
) @keyed;
CREATE INDEX thread_box_newest ON thread_box (mailbox_id, newest_ns, newest_email);
CREATE INDEX thread_box_oldest ON thread_box (mailbox_id, oldest_ns, oldest_email);
CREATE INDEX thread_box_thread ON thread_box (thread_id);
-- How many stand in a day of a mailbox's list: a page far down is found by adding up, not by walking.
CREATE TABLE email_day (
	mailbox_id @int NOT NULL,
	day @int NOT NULL,		-- received_ns in days
	emails @int NOT NULL,
	newest @int NOT NULL,		-- threads whose newest_ns is in it
	oldest @int NOT NULL,
	PRIMARY KEY (mailbox_id, day)
) @keyed;
-- Counters as JMAP has them; changed: the MODSEQ when one of them moved.
CREATE TABLE mailbox_count (
	mailbox_id @id,
	account_id @int NOT NULL,
	emails @int NOT NULL,
	unread @int NOT NULL,
	threads @int NOT NULL,
	unread_threads @int NOT NULL,
	changed @int NOT NULL
);
CREATE INDEX mailbox_count_of ON mailbox_count (account_id, changed);

-- ---- changes of all other objects (store/object.h) ----
-- kind: enum object_kind. Mailboxes stand here for their names, rights and subscriptions.
CREATE TABLE object_change (
	account_id @int NOT NULL,
	kind @int NOT NULL,
	object_id @int NOT NULL,
	created @int NOT NULL,		-- MODSEQs of the account
	changed @int NOT NULL,
	is_gone @int NOT NULL,
	PRIMARY KEY (account_id, kind, object_id)
) @keyed;
CREATE INDEX object_changed ON object_change (account_id, kind, changed);
-- Those that are there already came into being before anybody asked.
INSERT INTO object_change (account_id, kind, object_id, created, changed, is_gone)
	SELECT account_id, 0, id, 0, 0, 0 FROM mailbox;

-- ---- logging in with a browser (store/web_login.h) ----
CREATE TABLE web_session (
	id @id,
	account_id @int NOT NULL,
	token_hash @bytes NOT NULL,	-- SHA-256
	credential @int NOT NULL,	-- account.credential when it began
	created_ns @int NOT NULL,
	used_ns @int NOT NULL,
	expires_ns @int NOT NULL,
	peer @text NOT NULL,
	agent @text NOT NULL
);
CREATE UNIQUE INDEX web_session_token ON web_session (token_hash);
CREATE INDEX web_session_of ON web_session (account_id, used_ns);
CREATE INDEX web_session_due ON web_session (expires_ns);
CREATE TABLE totp (
	account_id @id,
	secret @bytes NOT NULL,
	is_on @int NOT NULL,		-- 0: shown, not confirmed yet
	last_step @int NOT NULL,	-- a code is taken once
	created_ns @int NOT NULL
);
CREATE TABLE recovery_code (
	account_id @int NOT NULL,
	code_hash @bytes NOT NULL,
	used_ns @int NOT NULL,		-- 0 not yet
	PRIMARY KEY (account_id, code_hash)
) @keyed;
-- An app password as a bearer token is found by itself.
CREATE INDEX app_password_key ON app_password (key_hash);
-- Who tried to log in, for the account's owner; kept for a time.
CREATE TABLE login_event (
	id @id,				-- store_new_id(): its time
	account_id @int NOT NULL,
	is_good @int NOT NULL,
	protocol @text NOT NULL,
	mechanism @text NOT NULL,
	peer @text NOT NULL,
	agent @text NOT NULL,
	reason @text NOT NULL
);
CREATE INDEX login_event_of ON login_event (account_id, id);

-- ---- what people keep ----
-- Uploaded and not used yet; it holds a reference to its body.
CREATE TABLE upload (
	id @id,
	account_id @int NOT NULL,
	user_id @int NOT NULL,
	blob_id @int NOT NULL,
	octets @int NOT NULL,
	type @text NOT NULL,
	expires_ns @int NOT NULL
);
CREATE INDEX upload_of ON upload (account_id, id);
CREATE INDEX upload_due ON upload (expires_ns);
-- RFC 8620 section 7.2
CREATE TABLE push_subscription (
	id @id,
	account_id @int NOT NULL,
	device @text NOT NULL,
	url @text NOT NULL,
	p256dh @text NOT NULL,
	auth @text NOT NULL,
	types @text NOT NULL,		-- blanks between; '' all
	code @text NOT NULL,		-- that it has to be verified with
	is_verified @int NOT NULL,
	expires_ns @int NOT NULL
);
CREATE INDEX push_subscription_of ON push_subscription (account_id);
CREATE TABLE identity (
	id @id,
	account_id @int NOT NULL,
	name @text NOT NULL,
	email @text NOT NULL,
	reply_to @text NOT NULL,	-- JSON, EmailAddress[]; '' none
	bcc @text NOT NULL,
	text_signature @text NOT NULL,
	html_signature @text NOT NULL,
	may_delete @int NOT NULL,
	rank @int NOT NULL		-- the lowest is taken when nobody chooses
);
CREATE INDEX identity_of ON identity (account_id, rank, id);
-- msg_id: its letter in the queue and the station log. undo: enum submission_undo.
CREATE TABLE email_submission (
	id @id,
	account_id @int NOT NULL,
	identity_id @int NOT NULL,
	email_id @int NOT NULL,
	thread_id @int NOT NULL,
	msg_id @int NOT NULL,
	envelope @text NOT NULL,	-- JSON, as it was sent
	replies @text NOT NULL,		-- JSON, what our own server said of each recipient
	send_at_ns @int NOT NULL,
	undo @int NOT NULL,
	created_ns @int NOT NULL
);
CREATE INDEX email_submission_of ON email_submission (account_id, id);
CREATE INDEX email_submission_msg ON email_submission (msg_id);
CREATE INDEX email_submission_email ON email_submission (account_id, email_id);
CREATE INDEX email_submission_pending ON email_submission (send_at_ns) WHERE undo = 0;
CREATE TABLE vacation (
	account_id @id,
	is_enabled @int NOT NULL,
	from_ns @int NOT NULL,		-- 0 none
	to_ns @int NOT NULL,
	subject @text NOT NULL,
	text_body @text NOT NULL,
	html_body @text NOT NULL
);
CREATE TABLE vacation_told (
	account_id @int NOT NULL,
	address @text NOT NULL,
	at_ns @int NOT NULL,
	PRIMARY KEY (account_id, address)
) @keyed;
-- Delivered while an answer was switched on: the responder looks at it.
CREATE TABLE vacation_due (
	message_id @id,
	account_id @int NOT NULL
);
CREATE INDEX vacation_due_of ON vacation_due (account_id);
-- An Email that comes back into a mailbox at a time.
CREATE TABLE snooze (
	account_id @int NOT NULL,
	email_id @int NOT NULL,
	until_ns @int NOT NULL,
	mailbox_id @int NOT NULL,	-- where it goes back to
	PRIMARY KEY (account_id, email_id)
) @keyed;
CREATE INDEX snooze_due ON snooze (until_ns);
-- People: those in the book, and those who were written to.
CREATE TABLE contact (
	id @id,
	account_id @int NOT NULL,
	name @text NOT NULL,
	folded @text NOT NULL,		-- of name and addresses, for looking up
	org @text NOT NULL,
	note @text NOT NULL,
	phones @text NOT NULL,		-- JSON
	is_kept @int NOT NULL,		-- in the book; 0: only written to
	sent @int NOT NULL,		-- how often
	used_ns @int NOT NULL
);
CREATE INDEX contact_of ON contact (account_id, used_ns, id);
CREATE INDEX contact_name ON contact (account_id, folded, id);
CREATE TABLE contact_address (
	account_id @int NOT NULL,
	address @text NOT NULL,		-- folded
	contact_id @int NOT NULL,
	shown @text NOT NULL,		-- as it was written
	label @text NOT NULL,
	place @int NOT NULL,		-- among the contact's
	PRIMARY KEY (account_id, address)
) @keyed;
CREATE INDEX contact_address_of ON contact_address (contact_id, place);
-- What the page remembers of its owner, one JSON object.
CREATE TABLE web_setting (
	account_id @id,
	value @text NOT NULL
);

-- ---- whose letter it is (the trace) ----
-- The account that sent it; 0 none. A recipient finds his letters by the Received field in front of them.
ALTER TABLE trail ADD COLUMN owner_id @int NOT NULL DEFAULT 0;
CREATE INDEX trail_owner ON trail (owner_id, id) WHERE owner_id <> 0;
