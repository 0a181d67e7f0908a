-- What webmail asks besides, each of it by an index; stores of version 5 have the rest.

-- Where letters wait for their time.
CREATE INDEX mailbox_scheduled ON mailbox (id)
	WHERE special_use = '\Scheduled' AND messages > 0;
-- Whether an account has muted anything is asked for each answer that comes in.
CREATE INDEX mailbox_keyword_muted ON mailbox_keyword (mailbox_id) WHERE folded = '$muted';
-- When an Email came last that was not there; 0: not since version 6.
ALTER TABLE email_index ADD COLUMN arrived_at @int NOT NULL DEFAULT 0;
CREATE INDEX upload_by ON upload (user_id, id);
