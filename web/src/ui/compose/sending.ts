// Letters on their way: handing one over, the seconds in which it can be taken back, what becomes of it.

import { effect, signal } from "@preact/signals";
import { buildEmail, localDate, newMessageId, sender, uploadTexts } from "../../core/compose_email";
import { type Invocation, type SendOptions, type SendOutcome, type Submission, afterSendRequest, cancelRequest, failedRecipients, isScheduled, isSettled,
	isUndoable, markOf, recipientsOf, sendOutcome, sendRequest } from "../../core/compose_send";
import { dropHeld, keepHeld, readHeld } from "../../core/compose_held";
import type { Origin } from "../../core/compose_types";
import { fullDate } from "../../core/dates";
import { t } from "../../core/i18n";
import { MethodError, NetworkError } from "../../core/jmap";
import { settings } from "../../core/settings";
import type { EmailSubmission, GetResponse, SetResponse } from "../../core/types";
import { jmap, mail, store, undo } from "../app";
import { toast } from "../kit/kit";
import { type Space, may, own, spaceOf } from "../spaces";
import { isWanted, openComposer, scheduledCount } from "./compose";
import { type Composer, randomId, sendText } from "./composer";

const SCHEDULED = "Scheduled";

export interface Held {
	submissionId: string;
	emailId: string;
	until: number;
	origin: Origin | null;
	/** Taken out of the inbox with it: put back with it. */
	archived: SendOptions["archive"];
}
/** Those that can still be taken back. */
export const held = signal<Held[]>([]);
/** Of this page's life: watched until nothing changes any more. */
const watched = new Set<string>();

export interface SendHow {
	at?: Date; // scheduled
	archive?: boolean;
}

export async function send(c: Composer, how: SendHow = {}): Promise<void> {
	const seconds = how.at ? 0 : settings.value.undoSeconds;
	c.phase.value = "sending";
	c.problem.value = null;
	try {
		await c.settle();
		await store.mailbox.loadAll();
		if (how.at && !mail.byRole("scheduled"))
			await makeScheduled();
		const options = makeOptions(c, how, seconds, await c.draftId().catch(() => c.draft.value.emailId));
		await uploadTexts(options.email, sendText);
		let outcome: SendOutcome;
		try {
			outcome = await submit(options);
		} catch (e) {
			if (!(e instanceof NetworkError))
				throw e;
			c.phase.value = "unsure";
			outcome = await lookFor(options);
		}
		if (outcome.kind === "failed") {
			await refused(c, outcome);
			return;
		}
		c.end();
		followUp(options, outcome, how.at ?? null);
		if (how.at)
			scheduledCount.value++;
	} catch (e) {
		c.phase.value = "ready";
		c.problem.value = { reason: e instanceof NetworkError ? "network" : "other", detail: e instanceof Error ? e.message : "", recipients: [] };
		c.changed();
	}
}

/** Where letters wait for their time: the server takes them to Sent then. Without it they stand in Sent at once. */
async function makeScheduled(): Promise<void> {
	const there = store.mailbox.all.value.find((m) => m.parentId === null && !m.role && m.name === SCHEDULED);
	await jmap.call("Mailbox/set", there ? { update: { [there.id]: { role: "scheduled" } } }
		: { create: { box: { name: SCHEDULED, role: "scheduled", isSubscribed: true } } }).catch(() => {});
	await store.sync(["Mailbox"]);
}

function makeOptions(c: Composer, how: SendHow, seconds: number, draftId: string | null): SendOptions {
	const letter = c.snapshot(), identity = c.identity;
	const drafts = mail.byRole("drafts"), target = (how.at && mail.byRole("scheduled")) || mail.byRole("sent") || drafts;
	const from = sender(letter, identity);
	if (!drafts || !target || !identity || !from)
		throw new Error(t("compose.noIdentity"));
	const email = buildEmail(letter, { identity, plainText: c.plainText(), mailboxId: drafts.id, sentAt: localDate(how.at ?? new Date()),
		messageId: newMessageId(randomId(), from.email), isDraft: false, note: null });
	const origin = letter.origin;
	let archive: SendOptions["archive"] = null;
	const inbox = mail.byRole("inbox"), to = mail.byRole("archive");
	const of = origin && !origin.accountId && store.email.peek(origin.emailId);
	if (how.archive && of && inbox && to)
		archive = { emailIds: mail.ofThread(of.threadId, inbox.id).map((e) => e.id), fromId: inbox.id, toId: to.id };
	return { accountId: jmap.accountId, identityId: identity.id, email, draftId, draftsId: drafts.id, targetId: target.id, mailFrom: from.email,
		rcptTo: recipientsOf(letter, identity.bcc ?? []), holdSeconds: seconds, holdUntil: how.at ? how.at.toISOString().replace(/\.\d+Z$/, "Z") : null, origin, archive };
}

/** All calls travel in one request. A method's error is an answer; the network's is thrown. */
async function run(calls: Invocation[]): Promise<Invocation[]> {
	const done = await Promise.allSettled(calls.map(([name, args]) => jmap.call(name, args)));
	return done.map((d, i): Invocation => {
		const [name, , id] = calls[i]!;
		if (d.status === "fulfilled")
			return [name, d.value, id];
		if (d.reason instanceof MethodError)
			return ["error", { type: d.reason.type, ...d.reason.details }, id];
		throw d.reason;
	});
}
async function submit(o: SendOptions): Promise<SendOutcome> {
	return sendOutcome(await run(sendRequest(o)));
}

/** The answer was lost on the way: is it sent? Its Message-ID tells, once there is a network again. */
async function lookFor(o: SendOptions): Promise<SendOutcome> {
	const messageId = (o.email.messageId as string[])[0]!;
	for (let wait = 1000; ; wait = Math.min(wait * 2, 15_000)) {
		await new Promise((done) => setTimeout(done, wait));
		try {
			const found = await jmap.call<{ ids: string[] }>("Email/query", { filter: { header: ["Message-ID", messageId] }, limit: 5 });
			if (!found.ids.length)
				return await submit(o);
			const emailId = found.ids[0]!;
			const subs = await jmap.call<{ ids: string[] }>("EmailSubmission/query", { filter: { emailIds: found.ids } });
			if (!subs.ids.length) {
				await jmap.call("Email/set", { destroy: found.ids });
				return await submit(o);
			}
			const got = await jmap.call<GetResponse<Submission>>("EmailSubmission/get", { ids: [subs.ids[0]] });
			const s = got.list[0];
			return { kind: "sent", emailId, submissionId: subs.ids[0]!, sendAt: s?.sendAt ?? null, undoStatus: s?.undoStatus ?? "final", threadId: null };
		} catch (e) {
			if (!(e instanceof NetworkError))
				throw e;
		}
	}
}

async function refused(c: Composer, outcome: SendOutcome & { kind: "failed" }): Promise<void> {
	if (outcome.leftOver)
		await jmap.call("Email/set", { destroy: [outcome.leftOver] }).catch(() => {});
	c.phase.value = "ready";
	c.problem.value = { reason: outcome.reason, detail: outcome.detail, recipients: outcome.recipients };
	if (c.view.value === "small")
		c.view.value = "docked";
	c.changed();
}

/** Where the letter that was answered may say so; null: it may not. */
function markable(origin: Origin | null): Space | null {
	const space = spaceOf(origin?.accountId), e = space?.store.email.peek(origin?.emailId ?? "");
	return space && (!space.id || (e && may(space, "maySetKeywords", undefined, [e]))) ? space : null;
}

function followUp(o: SendOptions, outcome: SendOutcome & { kind: "sent" }, at: Date | null): void {
	const after = afterSendRequest(o);
	for (const [, args, id] of after) {
		const space = id === "mark" ? markable(o.origin) : own;
		void space?.store.change("Email", { update: args.update as never, destroy: args.destroy as never }).catch(() => {});
	}
	keepHeld(localStorage, outcome.submissionId, { username: jmap.session.value?.username ?? "", origin: o.origin, archived: o.archive,
		until: Math.max(at?.getTime() ?? 0, outcome.sendAt ? Date.parse(outcome.sendAt) : 0) });
	watch(outcome.submissionId, outcome.sendAt ? Date.parse(outcome.sendAt) : undefined);
	void store.sync(["Email", "Mailbox", "Thread", "EmailSubmission"]);
	if (at) {
		toast({ text: t("compose.scheduledFor", { when: fullDate(at.toISOString()) }), action: { label: t("kit.undo"), run: () => void takeBack({
			submissionId: outcome.submissionId, emailId: outcome.emailId, until: at.getTime(), origin: o.origin, archived: o.archive }) } });
		return;
	}
	const until = outcome.sendAt ? Date.parse(outcome.sendAt) : 0;
	if (o.holdSeconds > 0 && outcome.undoStatus === "pending") {
		// the two clocks may differ: never longer than was asked for
		hold({ submissionId: outcome.submissionId, emailId: outcome.emailId, until: Math.min(until || Infinity, Date.now() + o.holdSeconds * 1000), origin: o.origin,
			archived: o.archive });
	} else {
		toast({ text: t("compose.sent") });
	}
}

function setHeld(list: Held[]): void {
	held.value = list;
	isWanted.value = list.length > 0; // the room stays while something can be taken back
}
function hold(h: Held): void {
	setHeld([...held.value.filter((x) => x.submissionId !== h.submissionId), h]);
	const undoable = { text: t("compose.sending"), undo: () => takeBack(h) };
	undo.push(undoable);
	setTimeout(() => {
		dropHeld(localStorage, h.submissionId);
		undo.drop(undoable);
		if (held.value.some((x) => x.submissionId === h.submissionId)) {
			setHeld(held.value.filter((x) => x.submissionId !== h.submissionId));
			toast({ text: t("compose.sent") });
		}
	}, Math.max(0, h.until - Date.now()));
}

/** The letter is a draft again, and open. */
export async function takeBack(h: Held): Promise<void> {
	setHeld(held.value.filter((x) => x.submissionId !== h.submissionId));
	if (await cancelSubmission(h.submissionId, h.emailId)) {
		undoMarks(h);
		dropHeld(localStorage, h.submissionId);
		openComposer({ kind: "draft", emailId: h.emailId, origin: h.origin });
	} else {
		toast({ text: t("compose.tooLate"), kind: "bad" });
	}
}
function undoMarks(h: Held): void {
	const update: Record<string, Record<string, unknown>> = {};
	const mark = h.origin ? { [h.origin.emailId]: { [markOf(h.origin)]: null } } : {};
	if (!h.origin?.accountId)
		Object.assign(update, mark);
	else
		void markable(h.origin)?.store.change("Email", { update: mark }).catch(() => {});
	for (const id of h.archived?.emailIds ?? [])
		update[id] = { ...update[id], [`mailboxIds/${h.archived!.toId}`]: null, [`mailboxIds/${h.archived!.fromId}`]: true };
	void store.change("Email", { update }).catch(() => {});
}

/** False: it is gone already. */
export async function cancelSubmission(submissionId: string, emailId: string): Promise<boolean> {
	const drafts = mail.byRole("drafts");
	if (!drafts)
		return false;
	await store.email.load([emailId]).catch(() => {});
	const [cancel, back] = cancelRequest(jmap.accountId, submissionId, emailId, placeOf(emailId) ?? drafts.id, drafts.id);
	try {
		const done = await jmap.call<SetResponse>(cancel![0], cancel![1]);
		if (done.notUpdated?.[submissionId])
			return false;
		await jmap.call(back![0], back![1]);
		void store.sync(["Email", "Mailbox", "Thread", "EmailSubmission"]);
		return true;
	} catch {
		return false;
	}
}
function placeOf(emailId: string): string | null {
	const ids = Object.keys(store.email.peek(emailId)?.mailboxIds ?? {});
	const [sent, scheduled] = [mail.byRole("sent")?.id, mail.byRole("scheduled")?.id];
	return ids.find((i) => i === sent || i === scheduled) ?? null;
}

/** What is pending at the server: the page was loaded anew, or another browser has sent it. */
export async function readPending(): Promise<EmailSubmission[]> {
	const q = await jmap.call<{ ids: string[] }>("EmailSubmission/query", { filter: { undoStatus: "pending" }, sort: [{ property: "sentAt", isAscending: true }] });
	if (!q.ids.length)
		return [];
	const got = await jmap.call<GetResponse<EmailSubmission>>("EmailSubmission/get", { ids: q.ids });
	return got.list;
}
/** What it answered, as far as this browser knows. */
function whatOf(s: EmailSubmission): Pick<Held, "origin" | "archived"> {
	const note = readHeld(localStorage, s.id, jmap.session.value?.username ?? "", Date.now());
	return { origin: note?.origin ?? null, archived: note?.archived ?? null };
}
/** A scheduled letter is taken back: it is a draft again, and nothing was answered. */
export async function cancelScheduled(s: EmailSubmission): Promise<Origin | null | undefined> {
	const what = whatOf(s);
	if (!await cancelSubmission(s.id, s.emailId))
		return undefined;
	undoMarks({ submissionId: s.id, emailId: s.emailId, until: 0, ...what });
	dropHeld(localStorage, s.id);
	return what.origin;
}
export async function restoreHeld(): Promise<void> {
	const now = Date.now();
	for (const s of await readPending().catch(() => [])) {
		watch(s.id, Date.parse(s.sendAt));
		if (isUndoable(s, now) && !held.value.some((h) => h.submissionId === s.id))
			hold({ submissionId: s.id, emailId: s.emailId, until: Date.parse(s.sendAt), ...whatOf(s) });
	}
}
export function scheduledOf(list: EmailSubmission[]): EmailSubmission[] {
	return list.filter((s) => isScheduled(s, Date.now()));
}

// ---- what becomes of it ----

let stopWatch: (() => void) | null = null;
const told = new Set<string>();

/** An answer of somebody else's server comes when it comes; what changes is told by push, or found by a look. */
const LOOK_MS = [1500, 3000, 6000, 12_000, 30_000, 60_000, 120_000];

function watch(id: string, sendAt = Date.now()): void {
	watched.add(id);
	void store.submission.load([id]).catch(() => {});
	const again = (n: number) => setTimeout(() => {
		if (!watched.has(id))
			return;
		void store.submission.fetch([id]).catch(() => {});
		if (n + 1 < LOOK_MS.length)
			again(n + 1);
	}, LOOK_MS[n]! + (n === 0 ? Math.max(0, sendAt - Date.now()) : 0));
	if (sendAt - Date.now() < 3600_000)
		again(0);
	stopWatch ??= effect(() => {
		for (const w of watched) {
			const s = store.submission.get(w);
			if (s)
				look(s as unknown as Submission);
		}
	});
}
function look(s: Submission): void {
	if (s.undoStatus === "canceled")
		return queueMicrotask(() => watched.delete(s.id)); // nobody waits for it
	const failed = failedRecipients(s).filter((f) => !told.has(`${s.id} ${f.email}`));
	if (isSettled(s))
		queueMicrotask(() => watched.delete(s.id));
	if (!failed.length)
		return;
	for (const f of failed)
		told.add(`${s.id} ${f.email}`);
	queueMicrotask(() => toast({ kind: "bad", seconds: 60, text: t("compose.notDelivered", { n: failed.length, who: failed.map((f) => f.email).join(", "), why: failed[0]!.reply }),
		action: { label: t("compose.openAgain"), run: () => openComposer({ kind: "again", emailId: s.emailId,
			problem: { reason: "bounced", detail: failed[0]!.reply, recipients: failed } }) } }));
}
