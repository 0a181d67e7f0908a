// What JMAP (RFC 8620, 8621) and our own types look like, as far as the page uses them.

export type Id = string;
export interface Obj { id: Id }

export interface Session {
	capabilities: Record<string, Record<string, unknown>>;
	accounts: Record<Id, Account>;
	primaryAccounts: Record<string, Id>;
	username: string;
	apiUrl: string;
	downloadUrl: string;
	uploadUrl: string;
	eventSourceUrl: string;
	state: string;
	/** Our server's word, so that the first list need not wait for the mailboxes. */
	"https://yizhan.dev/jmap/page"?: { inboxId: Id };
}
export interface Account {
	name: string;
	isPersonal: boolean;
	isReadOnly: boolean;
	accountCapabilities: Record<string, Record<string, unknown>>;
}

export interface MailboxRights {
	mayReadItems: boolean; mayAddItems: boolean; mayRemoveItems: boolean; maySetSeen: boolean; maySetKeywords: boolean;
	mayCreateChild: boolean; mayRename: boolean; mayDelete: boolean; maySubmit: boolean;
}
export interface Mailbox extends Obj {
	name: string;
	parentId: Id | null;
	role: string | null;
	sortOrder: number;
	totalEmails: number; unreadEmails: number; totalThreads: number; unreadThreads: number;
	myRights: MailboxRights;
	isSubscribed: boolean;
}

export interface EmailAddress { name: string | null; email: string }
export interface EmailBodyPart {
	partId: string | null; blobId: Id | null; size: number; name: string | null; type: string; charset: string | null;
	disposition: string | null; cid: string | null; language: string[] | null; location: string | null;
	subParts?: EmailBodyPart[];
}
/** With what a list shows of it; the rest is there when somebody has asked for it. */
export interface Email extends Obj {
	blobId: Id;
	threadId: Id;
	mailboxIds: Record<Id, boolean>;
	keywords: Record<string, boolean>;
	size: number;
	receivedAt: string;
	sentAt?: string | null;
	messageId?: string[] | null; inReplyTo?: string[] | null; references?: string[] | null;
	from: EmailAddress[] | null;
	to: EmailAddress[] | null;
	cc?: EmailAddress[] | null; bcc?: EmailAddress[] | null; replyTo?: EmailAddress[] | null; sender?: EmailAddress[] | null;
	subject: string | null;
	hasAttachment: boolean;
	preview: string;
	textBody?: EmailBodyPart[]; htmlBody?: EmailBodyPart[]; attachments?: EmailBodyPart[]; bodyStructure?: EmailBodyPart;
	bodyValues?: Record<string, { value: string; isEncodingProblem: boolean; isTruncated: boolean }>;
	[header: `header:${string}`]: unknown;
}
export interface Thread extends Obj { emailIds: Id[] }
export interface Identity extends Obj {
	name: string; email: string; replyTo: EmailAddress[] | null; bcc: EmailAddress[] | null;
	textSignature: string; htmlSignature: string; mayDelete: boolean;
}
export interface EmailSubmission extends Obj {
	identityId: Id; emailId: Id; threadId: Id; sendAt: string; undoStatus: "pending" | "final" | "canceled";
	deliveryStatus: Record<string, { smtpReply: string; delivered: "queued" | "yes" | "no" | "unknown"; displayed: string }> | null;
}
export interface Quota extends Obj { name: string; used: number; hardLimit: number; scope: string; resourceType: string }

export type Filter = FilterOperator | Record<string, unknown>;
export interface FilterOperator { operator: "AND" | "OR" | "NOT"; conditions: Filter[] }
export interface Comparator { property: string; isAscending?: boolean; keyword?: string }

/** A PatchObject (RFC 8620 section 5.3). */
export type Patch = Record<string, unknown>;
export interface SetError { type: string; description?: string; properties?: string[]; existingId?: Id }
export interface SetResponse {
	accountId: Id; oldState: string | null; newState: string;
	created: Record<string, Record<string, unknown> & Obj> | null;
	updated: Record<Id, Record<string, unknown> | null> | null;
	destroyed: Id[] | null;
	notCreated: Record<string, SetError> | null; notUpdated: Record<Id, SetError> | null; notDestroyed: Record<Id, SetError> | null;
}
export interface GetResponse<T> { accountId: Id; state: string; list: T[]; notFound: Id[] }
export interface ChangesResponse {
	oldState: string; newState: string; hasMoreChanges: boolean; created: Id[]; updated: Id[]; destroyed: Id[];
	updatedProperties?: string[] | null;
}
export interface QueryResponse {
	queryState: string; canCalculateChanges: boolean; position: number; ids: Id[]; total?: number; limit?: number;
}
export interface QueryChangesResponse {
	oldQueryState: string; newQueryState: string; total?: number; removed: Id[]; added: { id: Id; index: number }[];
}
