// What can be done with a folder.

import { bulkChange } from "../../core/bulk";
import { t } from "../../core/i18n";
import { MethodError } from "../../core/jmap";
import { go, route } from "../../core/router";
import { type Label, changeSettings, settings } from "../../core/settings";
import type { Id, Mailbox, SetResponse } from "../../core/types";
import { jmap } from "../app";
import { confirmDialog, type MenuEntry, openMenu, promptDialog, toast } from "../kit/kit";
import { startBulk } from "../list/bulk_bar";
import { type Space, accountOf, own } from "../spaces";
import { pickFolder } from "./FolderPicker";
import { folderIcon, folderName, isSystem } from "./folder_names";

async function set(space: Space, args: Record<string, unknown>): Promise<boolean> {
	try {
		const r = await jmap.call<SetResponse>("Mailbox/set", { accountId: accountOf(space), ...args });
		const bad = Object.values({ ...r.notCreated, ...r.notUpdated, ...r.notDestroyed })[0];
		await space.store.sync(["Mailbox"]);
		if (bad)
			toast({ kind: "bad", text: t("folders.refused", { why: bad.description ?? bad.type }) });
		return !bad;
	} catch (e) {
		toast({ kind: "bad", text: e instanceof MethodError ? t("folders.refused", { why: e.type }) : t("folders.noNetwork") });
		return false;
	}
}
function wrongName({ store }: Space, parentId: Id | null, me?: Id) {
	return (v: string): string | null => {
		if (!v)
			return t("folders.nameMissing");
		const twin = store.mailbox.all.value.some((m) => m.id !== me && m.parentId === parentId && m.name.toLowerCase() === v.toLowerCase());
		return twin ? t("folders.nameTaken") : null;
	};
}
export async function createFolder(parent: Mailbox | null, space = own): Promise<void> {
	const name = await promptDialog(parent ? t("folders.newIn", { where: folderName(parent) }) : t("folders.new"), t("folders.name"), "", t("folders.create"),
		wrongName(space, parent?.id ?? null));
	if (name)
		await set(space, { create: { n: { name, parentId: parent?.id ?? null, isSubscribed: true } } });
}
export async function renameFolder(m: Mailbox, space = own): Promise<void> {
	const name = await promptDialog(t("folders.rename"), t("folders.name"), m.name, t("folders.rename"), wrongName(space, m.parentId, m.id));
	if (name && name !== m.name)
		await set(space, { update: { [m.id]: { name } } });
}
function isWithin({ store }: Space, m: Mailbox | undefined, id: Id): boolean {
	for (let at = m, n = 0; at && n < 100; n++) {
		if (at.id === id)
			return true;
		at = at.parentId ? store.mailbox.peek(at.parentId) : undefined;
	}
	return false;
}
export async function moveFolder(m: Mailbox, to?: Id | null, space = own): Promise<void> {
	const TOP = "top";
	const id = to === undefined ? await pickFolder(t("folders.moveTo", { what: m.name }), (o) => o.myRights.mayCreateChild && !isWithin(space, o, m.id),
		space.id ? undefined : { id: TOP, label: t("folders.topLevel"), icon: "folder" }, space) : to ?? TOP;
	const parentId = id === TOP ? null : id;
	if (id === null || parentId === m.parentId || isWithin(space, space.store.mailbox.peek(parentId ?? ""), m.id))
		return;
	const before = m.parentId;
	if (await set(space, { update: { [m.id]: { parentId } } }))
		toast({ text: t("folders.moved", { what: m.name }), action: { label: t("kit.undo"), run: () => void set(space, { update: { [m.id]: { parentId: before } } }) } });
}
const CHOSEN_ROLES = ["drafts", "sent", "archive", "junk", "trash"] as const;
/** Which folder is Archive, Sent …: whichever was it until now becomes one like all others. */
export async function useFolderAs(m: Mailbox, role: string): Promise<void> {
	const before = own.store.mailbox.all.value.find((o) => o.role === role), was = m.role, name = m.name;
	const take = (first: Mailbox | undefined, to: string | null, second: Mailbox | undefined, then: string | null) =>
		set(own, { update: { ...first && { [first.id]: { role: to } }, ...second && { [second.id]: { role: then } } } });
	if (before?.id !== m.id && await take(before, null, m, role))
		toast({ text: t("folders.usedAs", { what: name, role: t(`folders.role.${role}`) }), action: { label: t("kit.undo"), run: () => void take(m, was, before, role) } });
}
/** Its entry in a menu; the roles are a menu of their own. */
export function useAsEntry(m: Mailbox, at: Element | { x: number; y: number }): MenuEntry {
	return { label: t("folders.useAs"), icon: "folder", disabled: !m.myRights.mayRename || isSystem(m), run: () => openMenu(t("folders.useAs"), CHOSEN_ROLES.map((role) => ({
		label: t(`folders.role.${role}`), icon: folderIcon({ role }), run: () => void useFolderAs(m, role) })), at) };
}
export async function deleteFolder(m: Mailbox, space = own): Promise<void> {
	const { store, mail } = space;
	const hasChildren = store.mailbox.all.value.some((c) => c.parentId === m.id);
	if (hasChildren) {
		toast({ kind: "bad", text: t("folders.hasChildren") });
		return;
	}
	const trash = mail.byRole("trash");
	const yes = await confirmDialog(t("folders.deleteTitle", { what: m.name }), !m.totalEmails ? t("folders.deleteEmpty")
		: t(trash ? "folders.deleteFull" : "folders.emptyText", { n: m.totalEmails }),
		t("folders.delete"), true);
	if (!yes)
		return;
	// its mails go to the trash first: what is deleted with a folder cannot be had back
	if (m.totalEmails && trash) {
		const r = await bulkChange(store, { inMailbox: m.id }, { [`mailboxIds/${m.id}`]: null, [`mailboxIds/${trash.id}`]: true }, () => {}, new AbortController().signal);
		if (r.failed)
			return void toast({ kind: "bad", text: t("folders.refused", { why: String(r.failed) }) });
	}
	const r = route.value;
	if (await set(space, { destroy: [m.id], onDestroyRemoveEmails: !trash }) && r.page === "mail" && r.folder === m.id)
		go({ page: "mail", folder: "inbox" });
}
export function markAllRead(m: Mailbox, { store } = own): void {
	startBulk({ store, text: t("folders.markingRead"), done: (n) => t("mail.read", { n }), filter: { inMailbox: m.id, notKeyword: "$seen" },
		patch: { "keywords/$seen": true }, back: { "keywords/$seen": null } });
}
export async function emptyFolder(m: Mailbox, { store } = own): Promise<void> {
	if (await confirmDialog(t("folders.emptyTitle", { what: folderName(m) }), t("folders.emptyText", { n: m.totalEmails }), t("folders.empty"), true))
		startBulk({ store, text: t("folders.emptying"), done: (n) => t("mail.destroyed", { n }), filter: { inMailbox: m.id }, patch: null });
}

// ---- labels: a keyword (RFC 8621 section 4.1.1), with a name and a colour in the settings ----

export const LABEL_COLORS = ["#1a5fb4", "#26a269", "#e5a50a", "#c64600", "#c01c28", "#813d9c", "#63452c", "#5e5c64"];

function keywordOf(name: string): string {
	const plain = name.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "");
	const taken = new Set(settings.value.labels.map((l) => l.keyword));
	const stem = plain && /^[\x20-\x7e]+$/.test(name) ? plain : "label-" + Date.now().toString(36);
	let k = stem;
	for (let i = 2; taken.has(k); i++)
		k = `${stem}-${i}`;
	return k;
}
function wrongLabel(me?: string) {
	return (v: string): string | null => !v ? t("folders.nameMissing")
		: settings.value.labels.some((l) => l.keyword !== me && l.name.toLowerCase() === v.toLowerCase()) ? t("folders.nameTaken") : null;
}
export async function createLabel(): Promise<Label | null> {
	const name = await promptDialog(t("folders.newLabel"), t("folders.name"), "", t("folders.create"), wrongLabel());
	if (!name)
		return null;
	const labels = settings.value.labels;
	const label = { keyword: keywordOf(name), name, color: LABEL_COLORS[labels.length % LABEL_COLORS.length]! };
	changeSettings({ labels: [...labels, label] });
	return label;
}
export async function renameLabel(l: Label): Promise<void> {
	const name = await promptDialog(t("folders.rename"), t("folders.name"), l.name, t("folders.rename"), wrongLabel(l.keyword));
	if (name)
		changeSettings({ labels: settings.value.labels.map((o) => o.keyword === l.keyword ? { ...o, name } : o) });
}
export function colorLabel(l: Label, color: string): void {
	changeSettings({ labels: settings.value.labels.map((o) => o.keyword === l.keyword ? { ...o, color } : o) });
}
export async function deleteLabel(l: Label): Promise<void> {
	if (await confirmDialog(t("folders.deleteTitle", { what: l.name }), t("folders.deleteLabel"), t("folders.delete"), true)) {
		changeSettings({ labels: settings.value.labels.filter((o) => o.keyword !== l.keyword) });
		const r = route.value;
		if (r.page === "mail" && r.label === l.keyword)
			go({ page: "mail", folder: "inbox" });
	}
}
export function deleteSearch(id: string): void {
	changeSettings({ searches: settings.value.searches.filter((s) => s.id !== id) });
}
