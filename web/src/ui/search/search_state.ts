// What stands in the search field, what it proposes, and what was searched for before: that is kept in this browser
// alone, by name of who is logged in, until somebody clears it or signs out.

import { signal } from "@preact/signals";
import { t } from "../../core/i18n";
import { type Names, type Problem, parseSearch, readSearch } from "../../core/search";
import { type Known, remembered } from "../../core/search_suggest";
import { settings } from "../../core/settings";
import { jmap } from "../app";
import { folderName, orderedFolders } from "../folders/folder_names";
import { here } from "../spaces";

export const searchText = signal("");
export const isFormOpen = signal(false);
/** The folder that one came from: "this folder". */
export const cameFrom = signal("");

// "older:7d" is counted from when it was asked, else the list would be another one each second
let asked = { query: "", at: new Date() };
export const searchNames: Names = {
	mailboxId: (name) => {
		const n = name.toLowerCase();
		const all = here.value.store.mailbox.all.value;
		return (all.find((m) => m.role === n) ?? all.find((m) => m.name.toLowerCase() === n || folderName(m).toLowerCase() === n || m.id === name))?.id ?? null;
	},
	keyword: (label) => settings.value.labels.find((l) => l.name.toLowerCase() === label.toLowerCase() || l.keyword === label)?.keyword ?? null,
	now: () => asked.at,
};
export function searchOf(query: string) {
	if (asked.query !== query)
		asked = { query, at: new Date() };
	return readSearch(query, searchNames);
}

/** A folder as a search calls it: the word of its role, or its name when no other has it. */
export function folderWord(id: string): string {
	const m = here.value.store.mailbox.get(id);
	if (!m)
		return "";
	return m.role ?? (searchNames.mailboxId(m.name) === id ? m.name : id);
}

// ---- before ----

const recentKey = () => "yizhan.recent." + (jmap.session.value?.username ?? "");
export const recent = signal<readonly string[]>([]);
export function loadRecent() {
	try {
		const kept: unknown = JSON.parse(localStorage.getItem(recentKey()) ?? "[]");
		recent.value = Array.isArray(kept) ? kept.filter((k) => typeof k === "string") : [];
	} catch {
		recent.value = [];
	}
}
export function rememberSearch(q: string) {
	recent.value = remembered(recent.value, q);
	try {
		localStorage.setItem(recentKey(), JSON.stringify(recent.value));
	} catch { /* no room: then it is forgotten */ }
}
export function clearRecent() {
	recent.value = [];
	localStorage.removeItem(recentKey());
}

// ---- proposals ----

const written = (d: Date) => `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
export function knownNow(people: Known["people"]): Known {
	const now = new Date(), back = (days: number) => written(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days));
	return {
		recent: recent.value, people, labels: settings.value.labels.map((l) => l.name),
		folders: orderedFolders(here.value.store).map(({ mailbox: m }) => ({ name: folderName(m), written: folderWord(m.id) })),
		days: [{ day: back(0), label: t("search.day.today") }, { day: back(1), label: t("search.day.yesterday") }, { day: back(7), label: t("search.day.week") },
			{ day: written(new Date(now.getFullYear(), now.getMonth(), 1)), label: t("search.day.month") },
			{ day: written(new Date(now.getFullYear(), 0, 1)), label: t("search.day.year") }],
	};
}

// ---- what was not understood ----

export function problemText(p: Problem, text: string): string {
	const what = text.slice(p.at, p.end).slice(0, 60);
	switch (p.kind) {
	case "unknown": return t("search.problem.unknown", { what });
	case "empty": return t("search.problem.empty", { what });
	case "size": return t("search.problem.size", { what });
	case "day": return t("search.problem.day", { what });
	case "age": return t("search.problem.age", { what });
	case "is": return t("search.problem.is", { what });
	case "has": return t("search.problem.has", { what });
	case "folder": return t("search.problem.folder", { what: p.value });
	case "label": return t("search.problem.label", { what: p.value });
	case "quote": return t("search.problem.quote");
	case "paren": return t("search.problem.paren", { what });
	case "long": return t("search.problem.long");
	case "much": return t("search.problem.much");
	}
}
/** While it is written: not what the cursor is still in. */
export function problemsAway(text: string, caret: number): Problem[] {
	return text.trim() ? parseSearch(text).problems.filter((p) => caret < p.at || caret > p.end) : [];
}
