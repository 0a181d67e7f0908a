/* What a letter is while it is being written. Pure data: it goes into a draft on the server, into the local copy
 * and back. docs/compose.md. */

import type { EmailAddress, Identity } from "./types";

export type Person = EmailAddress;
export type { Identity };

export type Format = "rich" | "plain";

/** A file of the letter. With a cid it stands in the text (an image). */
export interface Attachment {
	key: string; /* ours, within one letter */
	name: string;
	type: string;
	size: number;
	blobId: string | null; /* null: not at the server yet */
	cid: string | null;
}

/** The letter that is answered or forwarded, for its keyword once ours is sent. */
export interface Origin {
	emailId: string;
	how: "reply" | "forward";
	accountId?: string; /* none: one's own */
}

export interface Letter {
	identityId: string | null;
	from: Person | null; /* when it differs from the identity's own address (subaddress, wildcard) */
	to: Person[];
	cc: Person[];
	bcc: Person[];
	subject: string;
	format: Format;
	html: string; /* of the rich one; images as cid: */
	text: string; /* of the plain one */
	attachments: Attachment[];
	inReplyTo: string[] | null;
	references: string[] | null;
	origin: Origin | null;
}

export interface EmailBodyPart {
	partId: string | null;
	blobId: string | null;
	size: number;
	name: string | null;
	type: string;
	charset?: string | null;
	disposition: string | null;
	cid: string | null;
	subParts?: EmailBodyPart[] | null;
}

/** What of an Email (RFC 8621 section 4) is needed to answer, forward or go on writing it. */
export interface SourceEmail {
	id: string;
	blobId: string;
	threadId?: string;
	mailboxIds?: Record<string, boolean>;
	keywords?: Record<string, boolean>;
	messageId: string[] | null;
	inReplyTo: string[] | null;
	references: string[] | null;
	from: Person[] | null;
	sender?: Person[] | null;
	to: Person[] | null;
	cc: Person[] | null;
	bcc: Person[] | null;
	replyTo: Person[] | null;
	subject: string | null;
	sentAt: string | null;
	receivedAt: string;
	size?: number;
	textBody: EmailBodyPart[];
	htmlBody: EmailBodyPart[];
	attachments: EmailBodyPart[];
	bodyValues: Record<string, { value: string; isTruncated?: boolean }>;
	"header:X-Yizhan-Draft:asText"?: string | null;
	"header:Delivered-To:asText:all"?: string[] | null;
	"header:Mail-Followup-To:asAddresses"?: Person[] | null;
}

export const SOURCE_PROPERTIES = [
	"id",
	"blobId",
	"threadId",
	"mailboxIds",
	"keywords",
	"messageId",
	"inReplyTo",
	"references",
	"from",
	"sender",
	"to",
	"cc",
	"bcc",
	"replyTo",
	"subject",
	"sentAt",
	"receivedAt",
	"size",
	"textBody",
	"htmlBody",
	"attachments",
	"bodyValues",
	"header:X-Yizhan-Draft:asText",
	"header:Delivered-To:asText:all",
	"header:Mail-Followup-To:asAddresses",
];

export function emptyLetter(): Letter {
	return {
		identityId: null,
		from: null,
		to: [],
		cc: [],
		bcc: [],
		subject: "",
		format: "rich",
		html: "",
		text: "",
		attachments: [],
		inReplyTo: null,
		references: null,
		origin: null,
	};
}

/** Addresses are compared without case: the local part's case never tells two people apart in practice. */
export function foldAddress(a: string): string {
	return a.trim().toLowerCase();
}
