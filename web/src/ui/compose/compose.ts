// The door of the composer: who wants to write calls openComposer. The room itself comes with the first one.

import { computed, signal } from "@preact/signals";
import { LOCAL_PREFIX } from "../../core/compose_local";
import { route } from "../../core/router";
import type { EmailAddress, Id } from "../../core/types";
import { jmap, push } from "../app";

export interface ComposeInit {
	/** again: a letter that was sent or not delivered, as a new one. local: what this browser kept. */
	kind: "new" | "reply" | "reply-all" | "forward" | "forward-file" | "draft" | "again" | "local";
	/** What it answers, forwards, or goes on with. */
	emailId?: Id;
	/** Whose that is; none: one's own. */
	accountId?: Id;
	to?: EmailAddress[];
	cc?: EmailAddress[];
	bcc?: EmailAddress[];
	subject?: string;
	text?: string;
	/** Of "local": whose copy. */
	instance?: string;
	/** Why the letter is back. */
	problem?: { reason: string; detail: string; recipients: { email: string; reply: string }[] };
	/** What it was about, when the letter itself does not say. */
	origin?: { emailId: Id; how: "reply" | "forward"; accountId?: Id } | null;
}
export interface Opened { number: number; init: ComposeInit; isTab: boolean }

export const composers = signal<Opened[]>([]);
/** Letters that are held for a moment, or were left by a tab that is gone. */
export const isWanted = signal(false);
/** The room has something to show. */
export const isComposing = computed(() => composers.value.length > 0 || isWanted.value || isScheduledOpen.value);
/** Letters that wait for their time; how many stands in the folder pane. */
export const scheduledCount = signal(0);
export const isScheduledOpen = signal(false);
export function openScheduled(): void {
	isScheduledOpen.value = true;
}
/** Which one hears of files that are dropped anywhere. */
export const activeComposer = signal(0);
let count = 0;
/** Where the keys were before each was opened. */
const cameFrom = new Map<number, Element | null>();

export function openComposer(init: ComposeInit, isTab = false): number {
	const open = init.kind === "draft" ? composers.value.find((c) => c.init.kind === "draft" && c.init.emailId === init.emailId) : undefined;
	if (open) {
		activeComposer.value = open.number;
		return open.number;
	}
	cameFrom.set(++count, document.activeElement);
	composers.value = [...composers.value, { number: count, init, isTab }];
	activeComposer.value = count;
	return count;
}
export function closeComposer(number: number): void {
	composers.value = composers.value.filter((c) => c.number !== number);
	backToWhere(number);
	if (activeComposer.value === number)
		activeComposer.value = composers.value[composers.value.length - 1]?.number ?? 0;
}

/** Keys go on where they were; when that is gone, in what is read or listed. */
function backToWhere(number: number): void {
	const from = cameFrom.get(number) as HTMLElement | null | undefined;
	cameFrom.delete(number);
	setTimeout(() => {
		if (document.activeElement && document.activeElement !== document.body)
			return;
		const to = from?.isConnected && from !== document.body ? from : document.querySelector<HTMLElement>(".pane-reader .card.current .card-from, [role=listbox].rows-box");
		to?.focus({ preventScroll: true });
	}, 0);
}

/** Once the session is there: is there a letter of a tab that crashed, one that can still be taken back, or is this tab
 * one letter's own? */
export function startCompose(): void {
	const r = route.value;
	if (r.page === "mail" && r.folder === "compose") {
		openComposer(r.threadId ? { kind: "local", instance: r.threadId } : { kind: "new" }, true);
		return;
	}
	try {
		for (let i = 0; i < localStorage.length; i++)
			if (localStorage.key(i)?.startsWith(LOCAL_PREFIX))
				isWanted.value = true;
	} catch { /* no storage: nothing was kept */ }
	void lookForPending().then((isHeld) => { isWanted.value ||= isHeld; }, () => {});
	push.listeners.add((changed) => {
		if ("EmailSubmission" in changed)
			void lookForPending().catch(() => {});
	});
}

const HELD_MS = 31_000; // longer than anybody can take a letter back: it is scheduled
async function lookForPending(): Promise<boolean> {
	if (!jmap.has("submission"))
		return false;
	const found = jmap.call<{ ids: Id[] }>("EmailSubmission/query", { filter: { undoStatus: "pending" } });
	const got = jmap.call<{ list: { sendAt: string }[] }>("EmailSubmission/get", { "#ids": found.ref("/ids"), properties: ["sendAt"] });
	await found;
	const left = (await got).list.map((s) => Date.parse(s.sendAt) - Date.now());
	scheduledCount.value = left.filter((ms) => ms > HELD_MS).length;
	return left.some((ms) => ms > 0 && ms <= HELD_MS);
}
