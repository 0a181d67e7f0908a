// Which list an address means: a query, kept alive for a while so that Back finds it as it was.

import { effect, signal } from "@preact/signals";
import type { Route } from "../../core/router";
import { type Names, parseSearch, saysWhere, toFilter } from "../../core/search";
import { settings } from "../../core/settings";
import type { Email, Filter, Id, Mailbox } from "../../core/types";
import { QueryWindow } from "../../core/window";
import { jmap, mail, store } from "../app";
import { folderName } from "../folders/folder_names";

export interface Source {
	key: string;
	window: QueryWindow;
	filter: Filter | null;
	mailbox?: Mailbox;
	/** Operators of a search that nobody knows: taken as words. */
	unknown: string[];
	/** Kept with it, for when it is looked at again. */
	scrollTop: number;
	cursor: Id | null;
}
export type Scope = "all" | "everything" | Id;
/** Where a search looks when it does not say so itself. */
export const scope = signal<Scope>("all");
export const searchSort = signal<"newest" | "oldest">("newest");

export const searchNames: Names = {
	mailboxId: (name) => {
		const n = name.toLowerCase();
		return store.mailbox.all.value.find((m) => m.role === n || m.name.toLowerCase() === n || folderName(m).toLowerCase() === n || m.id === name)?.id ?? null;
	},
	mailboxName: (id) => {
		const m = store.mailbox.get(id);
		return m ? m.role ?? m.name : null;
	},
	keyword: (label) => settings.value.labels.find((l) => l.name.toLowerCase() === label.toLowerCase() || l.keyword === label)?.keyword ?? null,
	label: (keyword) => settings.value.labels.find((l) => l.keyword === keyword)?.name ?? null,
	now: () => new Date(),
};

const KEPT = 4;
const sources = new Map<string, Source>();

/** Null: not known yet (folders are still on their way), or no such folder. */
export function sourceOf(r: Route & { page: "mail" }): Source | null {
	const collapse = settings.value.conversations;
	let filter: Filter | null = null, key: string, mailbox: Mailbox | undefined, unknown: string[] = [];
	let matches: ((e: Email) => boolean) | undefined;
	let isAscending = false;
	if (r.folder === "search") {
		const parsed = parseSearch(r.query ?? "");
		unknown = parsed.unknown;
		filter = toFilter(parsed.node, searchNames);
		if (!saysWhere(parsed.node) && scope.value !== "everything") {
			const away = ["junk", "trash"].map((role) => mail.byRole(role)?.id).filter((id): id is Id => !!id);
			const where: Filter | null = scope.value !== "all" ? { inMailbox: scope.value } : away.length ? { inMailboxOtherThan: away } : null;
			filter = filter && where ? { operator: "AND", conditions: [filter, where] } : filter ?? where;
			if (scope.value === "all")
				matches = (e) => Object.keys(e.mailboxIds).some((m) => !away.includes(m));
		}
		isAscending = searchSort.value === "oldest";
		key = `search ${scope.value} ${isAscending} ${JSON.stringify(filter)}`;
	} else if (r.folder === "label") {
		const keyword = r.label ?? "";
		filter = { hasKeyword: keyword };
		matches = (e) => !!e.keywords[keyword];
		key = "label " + keyword;
	} else {
		mailbox = mail.folder(r.folder);
		if (!mailbox)
			return null;
		const { id } = mailbox;
		filter = { inMailbox: id };
		// what is put off lies elsewhere as soon as the server has heard of it
		matches = (e) => !!e.mailboxIds[id] && !(e as { snoozed?: object | null }).snoozed;
		key = "mailbox " + id;
	}
	key += collapse;
	let s = sources.get(key);
	if (!s) {
		s = { key, window: new QueryWindow(store, { filter, sort: [{ property: "receivedAt", isAscending }], collapseThreads: collapse, matches }), filter,
			mailbox, unknown, scrollTop: 0, cursor: null };
	}
	sources.delete(key);
	sources.set(key, s);
	for (const [old, what] of sources) {
		if (sources.size <= KEPT)
			break;
		what.window.close();
		sources.delete(old);
	}
	s.mailbox = mailbox;
	return s;
}

/** Another person, or another server: nothing is kept. */
effect(() => {
	void jmap.session.value?.username;
	return () => {
		for (const s of sources.values())
			s.window.close();
		sources.clear();
	};
});
