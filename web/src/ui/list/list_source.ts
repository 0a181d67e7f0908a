// Which list an address means: a query, kept alive for a while so that Back finds it as it was.

import { effect, signal } from "@preact/signals";
import { CAPABILITIES } from "../../core/jmap";
import type { Route } from "../../core/router";
import type { Problem } from "../../core/search";
import { settings } from "../../core/settings";
import type { Email, Filter, Id, Mailbox } from "../../core/types";
import { QueryWindow } from "../../core/window";
import { jmap } from "../app";
import { searchOf } from "../search/search_state";
import { type Space, spaceOf } from "../spaces";

export interface Source {
	key: string;
	space: Space;
	window: QueryWindow;
	filter: Filter | null;
	mailbox?: Mailbox;
	/** What of a search was not understood. */
	problems: Problem[];
	/** Kept with it, for when it is looked at again. */
	scrollTop: number;
	cursor: Id | null;
}
export const searchSort = signal<"newest" | "oldest">("newest");

const KEPT = 4;
const sources = new Map<string, Source>();

/** Null: not known yet (folders are still on their way), or no such folder. */
export function sourceOf(r: Route & { page: "mail" }): Source | null {
	const collapse = settings.value.conversations;
	const space = spaceOf(r.account);
	if (!space)
		return null;
	const { store, mail } = space;
	let filter: Filter | null = null, key: string, mailbox: Mailbox | undefined, problems: Problem[] = [];
	let matches: ((e: Email) => boolean) | undefined;
	let isAscending = false;
	if (r.folder === "search") {
		const asked = searchOf(r.query ?? "");
		({ filter, problems } = asked);
		if (!asked.saysWhere) {
			const away = ["junk", "trash"].map((role) => mail.byRole(role)?.id).filter((id): id is Id => !!id);
			const where: Filter | null = away.length ? { inMailboxOtherThan: away } : null;
			filter = filter && where ? { operator: "AND", conditions: [filter, where] } : filter ?? where;
			matches = (e) => Object.keys(e.mailboxIds).some((m) => !away.includes(m));
		}
		isAscending = searchSort.value === "oldest";
		key = `search ${isAscending} ${JSON.stringify(filter)}`;
	} else if (r.folder === "label") {
		const keyword = r.label ?? "";
		filter = { hasKeyword: keyword };
		matches = (e) => !!e.keywords[keyword];
		key = "label " + keyword;
	} else {
		mailbox = mail.folder(r.folder);
		const id = mailbox?.id ?? (r.folder === "inbox" && !space.id && !store.mailbox.all.value.length ? jmap.session.value?.[CAPABILITIES.page]?.inboxId : undefined);
		if (!id)
			return null;
		filter = { inMailbox: id };
		// what is put off lies elsewhere as soon as the server has heard of it
		matches = (e) => !!e.mailboxIds[id] && !(e as { snoozed?: object | null }).snoozed;
		key = "mailbox " + id;
	}
	key = `${space.id ?? ""} ${key}${collapse}`;
	let s = sources.get(key);
	if (!s) {
		s = { key, space, window: new QueryWindow(store, { filter, sort: [{ property: "receivedAt", isAscending }], collapseThreads: collapse, matches }), filter,
			mailbox, problems, scrollTop: 0, cursor: null };
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
	s.space = space;
	s.problems = problems;
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
