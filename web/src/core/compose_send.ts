/* Handing a letter over: one request that makes the Email, drops its draft and submits it (RFC 8621 section 7.5), what
 * came of it, and taking it back. */

import { foldAddress, type Letter, type Origin, type Person } from "./compose_types";

export type Invocation = [name: string, args: Record<string, unknown>, id: string];

export interface SendOptions {
	accountId: string;
	identityId: string;
	email: Record<string, unknown>; /* of buildEmail, in Drafts */
	draftId: string | null; /* what is there of it */
	draftsId: string;
	targetId: string; /* where it is kept: Sent */
	mailFrom: string;
	rcptTo: string[];
	holdSeconds: number; /* 0: at once */
	holdUntil: string | null; /* UTC; scheduled */
	origin: Origin | null;
	archive: { emailIds: string[]; fromId: string; toId: string } | null; /* send and archive */
}

export function recipientsOf(letter: Pick<Letter, "to" | "cc" | "bcc">, more: readonly Person[] = []): string[] {
	const seen = new Map<string, string>();
	for (const p of [...letter.to, ...letter.cc, ...letter.bcc, ...more])
		if (!seen.has(foldAddress(p.email)))
			seen.set(foldAddress(p.email), p.email.trim());
	return [...seen.values()];
}

/** mailFrom's parameters: FUTURERELEASE, RFC 4865 (HOLDFOR in seconds, HOLDUNTIL a date). */
function holdParameters(o: SendOptions): Record<string, string> | null {
	if (o.holdUntil !== null)
		return { HOLDUNTIL: o.holdUntil };
	return o.holdSeconds > 0 ? { HOLDFOR: String(o.holdSeconds) } : null;
}

export function sendRequest(o: SendOptions): Invocation[] {
	const update: Record<string, unknown> = { [`mailboxIds/${o.draftsId}`]: null, [`mailboxIds/${o.targetId}`]: true, "keywords/$draft": null };
	if (o.draftsId === o.targetId)
		delete update[`mailboxIds/${o.draftsId}`];
	const calls: Invocation[] = [
		["Email/set", { accountId: o.accountId, create: { letter: o.email } }, "make"],
		[
			"EmailSubmission/set",
			{
				accountId: o.accountId,
				create: {
					send: {
						identityId: o.identityId,
						emailId: "#letter",
						envelope: {
							mailFrom: { email: o.mailFrom, parameters: holdParameters(o) },
							rcptTo: o.rcptTo.map((email) => ({ email, parameters: null })),
						},
					},
				},
				onSuccessUpdateEmail: { "#send": update },
			},
			"send",
		],
	];
	return calls;
}

/** What a letter bears that was answered or forwarded. */
export function markOf(origin: Origin): string {
	return origin.how === "reply" ? "keywords/$answered" : "keywords/$forwarded";
}

/** What follows once the letter is handed over: the draft goes, the letter that was answered says so. */
export function afterSendRequest(o: SendOptions): Invocation[] {
	const update: Record<string, Record<string, unknown>> = {};
	const mark = o.origin ? { [o.origin.emailId]: { [markOf(o.origin)]: true } } : {};
	const whose = o.origin?.accountId ?? o.accountId;
	if (whose === o.accountId)
		Object.assign(update, mark);
	for (const id of o.archive?.emailIds ?? [])
		update[id] = { ...update[id], [`mailboxIds/${o.archive!.fromId}`]: null, [`mailboxIds/${o.archive!.toId}`]: true };
	const args: Record<string, unknown> = { accountId: o.accountId };
	if (Object.keys(update).length > 0)
		args.update = update;
	if (o.draftId !== null)
		args.destroy = [o.draftId];
	const calls: Invocation[] = args.update || args.destroy ? [["Email/set", args, "after"]] : [];
	if (whose !== o.accountId)
		calls.push(["Email/set", { accountId: whose, update: mark }, "mark"]);
	return calls;
}

export interface SetError {
	type: string;
	description?: string | null;
	properties?: string[];
	invalidRecipients?: string[];
	maxRecipients?: number;
	maxSize?: number;
}

export interface RecipientFailure {
	email: string;
	reply: string; /* what the server said, as it said it */
}

export type SendOutcome =
	| { kind: "sent"; emailId: string; submissionId: string; sendAt: string | null; undoStatus: string; threadId: string | null }
	| { kind: "failed"; reason: string; detail: string; recipients: RecipientFailure[]; leftOver: string | null };

interface SetAnswer {
	created?: Record<string, Record<string, unknown>> | null;
	notCreated?: Record<string, SetError> | null;
}

/** Reasons that people are told in their own words; the rest is "other" with the server's text. */
export const SEND_REASONS = [
	"invalidRecipients",
	"noRecipients",
	"tooManyRecipients",
	"tooLarge",
	"forbiddenFrom",
	"forbiddenMailFrom",
	"forbiddenToSend",
	"invalidEmail",
	"overQuota",
	"rateLimit",
	"blobNotFound",
	"invalidProperties",
] as const;

export function sendOutcome(responses: readonly Invocation[]): SendOutcome {
	const of = (id: string, name: string) => responses.find((r) => r[2] === id && (r[0] === name || r[0] === "error"));
	const make = of("make", "Email/set");
	const send = of("send", "EmailSubmission/set");
	const failed = (e: SetError | undefined, leftOver: string | null): SendOutcome => {
		const type = e?.type ?? "serverFail";
		return {
			kind: "failed",
			reason: (SEND_REASONS as readonly string[]).includes(type) ? type : "other",
			detail: e?.description ?? "",
			recipients: (e?.invalidRecipients ?? []).map((email) => ({ email, reply: replyFor(email, e?.description ?? "") })),
			leftOver,
		};
	};
	if (make === undefined || make[0] === "error")
		return failed(make?.[1] as SetError | undefined, null);
	const made = (make[1] as SetAnswer).created?.letter;
	if (!made)
		return failed((make[1] as SetAnswer).notCreated?.letter, null);
	const emailId = String(made.id);
	if (send === undefined || send[0] === "error")
		return failed(send?.[1] as SetError | undefined, emailId);
	const answer = send[1] as SetAnswer;
	const sent = answer.created?.send;
	if (!sent)
		return failed(answer.notCreated?.send, emailId);
	return {
		kind: "sent",
		emailId,
		submissionId: String(sent.id),
		sendAt: typeof sent.sendAt === "string" ? sent.sendAt : null,
		undoStatus: typeof sent.undoStatus === "string" ? sent.undoStatus : "pending",
		threadId: typeof made.threadId === "string" ? made.threadId : null,
	};
}

/** The server's text may have a line for each recipient ("a@b: 550 5.1.1 …"). */
function replyFor(email: string, description: string): string {
	const line = description.split("\n").find((l) => l.toLowerCase().includes(foldAddress(email)));
	return (line ?? description).replace(new RegExp(`^\\s*<?${escapeRegExp(email)}>?\\s*:\\s*`, "i"), "").trim();
}

function escapeRegExp(s: string): string {
	return s.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** Take it back while it is held: the letter is a draft again. */
export function cancelRequest(accountId: string, submissionId: string, emailId: string, sentId: string, draftsId: string): Invocation[] {
	return [
		["EmailSubmission/set", { accountId, update: { [submissionId]: { undoStatus: "canceled" } } }, "cancel"],
		[
			"Email/set",
			{
				accountId,
				update: {
					[emailId]:
						sentId === draftsId
							? { "keywords/$draft": true }
							: { [`mailboxIds/${sentId}`]: null, [`mailboxIds/${draftsId}`]: true, "keywords/$draft": true },
				},
			},
			"back",
		],
	];
}

export interface Submission {
	id: string;
	emailId: string;
	threadId?: string;
	identityId?: string;
	envelope?: { mailFrom: { email: string }; rcptTo: { email: string }[] } | null;
	sendAt: string;
	undoStatus: "pending" | "final" | "canceled";
	deliveryStatus?: Record<string, { smtpReply: string; delivered: string; displayed: string }> | null;
}

/** Held for a moment (the undo bar), or scheduled (its own view)? */
export function isUndoable(s: Pick<Submission, "sendAt" | "undoStatus">, now: number): boolean {
	const left = Date.parse(s.sendAt) - now;
	return s.undoStatus === "pending" && left > 0 && left <= 31000;
}

export function isScheduled(s: Pick<Submission, "sendAt" | "undoStatus">, now: number): boolean {
	return s.undoStatus === "pending" && Date.parse(s.sendAt) - now > 31000;
}

/** Recipients that will not get it: refused for good. */
export function failedRecipients(s: Submission): RecipientFailure[] {
	return Object.entries(s.deliveryStatus ?? {})
		.filter(([, d]) => d.delivered === "no" || /^5/.test(d.smtpReply))
		.map(([email, d]) => ({ email, reply: d.smtpReply }));
}

/** Nothing will change any more. */
export function isSettled(s: Submission): boolean {
	const all = Object.values(s.deliveryStatus ?? {});
	return s.undoStatus === "canceled" || (s.undoStatus === "final" && all.length > 0 && all.every((d) => d.delivered === "yes" || d.delivered === "no"));
}
