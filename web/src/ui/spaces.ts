// One's own account, and those whose mailboxes others share: each with its store. Which one is looked at stands in
// the address.

import { computed, effect, signal } from "@preact/signals";
import { carry } from "../core/across";
import { t } from "../core/i18n";
import { CAPABILITIES } from "../core/jmap";
import { Mail } from "../core/mail";
import { keepPending } from "../core/offline";
import { go, route } from "../core/router";
import { type KeptChange, Store } from "../core/store";
import type { Email, Id, Mailbox, MailboxRights } from "../core/types";
import { jmap, mail, push, store, undo } from "./app";
import { toast } from "./kit/kit";

export interface Space {
	/** None: one's own. */
	id?: Id;
	/** Whose it is. */
	name: string;
	isReadOnly: boolean;
	store: Store;
	mail: Mail;
}
export const own: Space = { name: "", isReadOnly: false, store, mail };
export const shared = signal<readonly Space[]>([]);
/** What waits in any of them. */
export const pendingCount = computed(() => [own, ...shared.value].reduce((n, s) => n + s.store.pendingCount.value, 0));

export function spaceOf(id: Id | undefined): Space | undefined {
	return id === undefined ? own : shared.value.find((s) => s.id === id);
}
/** The one that is looked at; one's own where none is. */
export const here = computed<Space>(() => (route.value.page === "mail" ? spaceOf(route.value.account) : own) ?? own);

export function accountOf(s: Space): Id {
	return s.id ?? jmap.accountId;
}
/** May that be done with these mails? One's own: always; else in all the folders that they are seen in. */
export function may(s: Space, right: keyof MailboxRights, mailbox: Mailbox | undefined, emails: readonly Email[] = []): boolean {
	if (!s.id && !mailbox)
		return true;
	if (mailbox)
		return s.store.mailbox.get(mailbox.id)?.myRights[right] ?? false;
	const places = new Set(emails.flatMap((e) => Object.keys(e.mailboxIds)));
	return !s.isReadOnly && [...places].every((m) => s.store.mailbox.get(m)?.myRights[right]);
}

// ---- what comes and goes ----

const waiting = new Map<Store, KeptChange[]>();
function follow(s: Store) {
	s.onPending = (list) => {
		waiting.set(s, list);
		keepPending([...waiting.values()].flat());
	};
	s.onNetwork = (isUp) => push.network(isUp);
	s.onRefused = () => toast({ kind: "bad", text: t("shell.changeRefused") });
}
follow(store);

/** Others' accounts as the session has them now. */
function take() {
	const session = jmap.session.value;
	if (!session)
		return;
	const had = shared.peek();
	const next = Object.entries(session.accounts).filter(([id, a]) => id !== jmap.accountId && CAPABILITIES.mail in a.accountCapabilities).map(([id, a]): Space => {
		const old = had.find((s) => s.id === id);
		if (old)
			return old.name === a.name && old.isReadOnly === a.isReadOnly ? old : { ...old, name: a.name, isReadOnly: a.isReadOnly };
		const s = new Store(jmap, id);
		follow(s);
		void s.mailbox.loadAll().catch(() => {});
		return { id, name: a.name, isReadOnly: a.isReadOnly, store: s, mail: new Mail(s, undo) };
	});
	if (next.length === had.length && next.every((s, i) => s === had[i]))
		return;
	shared.value = next;
	const r = route.peek();
	for (const old of had.filter((s) => !next.some((n) => n.store === s.store))) {
		old.store.close();
		waiting.delete(old.store);
		if (r.page !== "mail" || r.account !== old.id)
			continue;
		toast({ text: t("shell.notShared", { who: old.name }) });
		go({ page: "mail", folder: "inbox" }, true);
	}
}

export function startSpaces(): void {
	push.others = () => shared.peek().map((s) => s.store);
	push.onAccount = () => void jmap.start().catch(() => {});
	effect(take);
}
/** What an earlier life of the page could not send, each to where it belongs. */
export function restorePending(kept: KeptChange[]): void {
	for (const k of kept)
		spaceOf(k.accountId)?.store.restore([k]);
}

// ---- from one into another ----

/** Moves, or copies where the originals may not be taken away; says what became of it, with the way back. */
export async function moveAcross(from: Space, to: Space, emails: Email[], box: Mailbox, where: string, outOf?: Mailbox): Promise<void> {
	const isMove = may(from, "mayRemoveItems", outOf, emails);
	const ids = emails.map((e) => e.id);
	const homes = new Map(emails.map((e) => [e.id, outOf?.id ?? Object.keys(e.mailboxIds)[0]!]));
	try {
		const done = await carry({ from: from.store, to: to.store, mailboxId: box.id, outOf: outOf?.id, isMove }, ids);
		const bad = Object.keys(done.failed).length, n = done.ids.size;
		const undoable = { text: "", undo: () => takeBack(from, to, done.ids, homes, isMove) };
		if (n)
			undo.push(undoable);
		toast({ kind: bad ? "bad" : undefined, text: (n ? t(isMove ? "mail.moved" : "mail.copied", { n, where }) : "") + (bad ? " " + t("mail.notCarried", { n: bad }) : ""),
			action: n ? { label: t("kit.undo"), run: () => undo.undo(undoable) } : undefined });
	} catch {
		toast({ kind: "bad", text: t("mail.notCarried", { n: ids.length }) });
	}
}
async function takeBack(from: Space, to: Space, ids: Map<Id, Id>, homes: Map<Id, Id>, wasMove: boolean): Promise<void> {
	if (!wasMove)
		return void to.store.change("Email", { destroy: [...ids.values()] }).catch(() => {});
	const byHome = new Map<Id, Id[]>();
	for (const [id, copy] of ids)
		byHome.set(homes.get(id)!, [...byHome.get(homes.get(id)!) ?? [], copy]);
	for (const [home, copies] of byHome)
		await carry({ from: to.store, to: from.store, mailboxId: home, isMove: true }, copies).catch(() =>
			toast({ kind: "bad", text: t("mail.notCarried", { n: copies.length }) }));
}
