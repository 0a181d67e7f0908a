// Folders as people call them: those with a role in their own language, the rest by their names.

import { t } from "../../core/i18n";
import type { Store } from "../../core/store";
import type { Mailbox } from "../../core/types";
import { store } from "../app";
import type { IconName } from "../kit/kit";

export const ROLES = ["inbox", "drafts", "scheduled", "snoozed", "sent", "archive", "junk", "trash"] as const;
const ICONS: Record<string, IconName> = { inbox: "inbox", drafts: "drafts", scheduled: "scheduled", snoozed: "snooze", sent: "sent", archive: "archive", junk: "junk",
	trash: "trash" };

export function folderName(m: Mailbox): string {
	return m.role && m.role in ICONS ? t(`folders.role.${m.role}`) : isNamesake(m) ? t("folders.namesake", { name: m.name }) : m.name;
}
/** One without a role that is called as another is by its role: what was Archive, when another one has become it. */
function isNamesake(m: Mailbox): boolean {
	const role = m.parentId ? undefined : ROLES.find((r) => t(`folders.role.${r}`).toLowerCase() === m.name.toLowerCase());
	return !!role && store.mailbox.get(m.id) === m && store.mailbox.all.value.some((o) => o.role === role);
}
export function folderIcon(m: Pick<Mailbox, "role">): IconName {
	return ICONS[m.role ?? ""] ?? "folder";
}
export function byName(a: Mailbox, b: Mailbox): number {
	return a.sortOrder - b.sortOrder || folderName(a).localeCompare(folderName(b));
}
/** "Work / 2026" */
export function folderPathName(m: Mailbox, of: Store = store): string {
	const parent = m.parentId ? of.mailbox.get(m.parentId) : undefined;
	return parent ? `${folderPathName(parent, of)} / ${folderName(m)}` : folderName(m);
}
/** Those with roles first, then the tree; each with how deep it lies. */
export function orderedFolders(of: Store = store): { mailbox: Mailbox; depth: number }[] {
	const all = of.mailbox.all.value;
	const ids = new Set(all.map((m) => m.id));
	const out: { mailbox: Mailbox; depth: number }[] = [];
	const put = (m: Mailbox, depth: number) => {
		out.push({ mailbox: m, depth });
		all.filter((c) => c.parentId === m.id && !isSystem(c)).sort(byName).forEach((c) => put(c, depth + 1));
	};
	for (const role of ROLES)
		all.filter((m) => m.role === role).forEach((m) => put(m, 0));
	all.filter((m) => !isSystem(m) && (!m.parentId || !ids.has(m.parentId))).sort(byName).forEach((m) => put(m, 0));
	return out;
}
export function isSystem(m: Mailbox): boolean {
	return (ROLES as readonly string[]).includes(m.role ?? "");
}
/** Somebody may look at it and do nothing else. */
export function isReadOnly(m: Mailbox): boolean {
	const may = m.myRights;
	return !may.mayAddItems && !may.mayRemoveItems && !may.maySetKeywords && !may.maySetSeen;
}
