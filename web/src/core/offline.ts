// Changes that could not be sent yet outlive the tab: each tab keeps its own under a name, and holds a Web Lock as
// long as it lives; a tab that starts takes over what belongs to nobody any more, once.

import type { KeptChange } from "./store";

const PREFIX = "yizhan.pending.";
const TAKING = "yizhan-pending";

/** What these rules need of a browser. */
export interface Shelf {
	storage: Storage;
	locks?: Pick<LockManager, "request" | "query">;
}
function shelf(): Shelf {
	return { storage: localStorage, locks: typeof navigator === "undefined" ? undefined : navigator.locks };
}

const mine = PREFIX + Math.random().toString(36).slice(2, 12);

export function keepPending(kept: KeptChange[], s: Shelf = shelf(), name = mine): void {
	try {
		if (kept.length)
			s.storage.setItem(name, JSON.stringify(kept));
		else
			s.storage.removeItem(name);
	} catch { /* no room: they wait in this tab only */ }
}

/** What tabs that are gone have left, in the order of their names; each is taken by one tab only. */
export async function takeOrphans(s: Shelf = shelf(), name = mine): Promise<KeptChange[]> {
	if (!s.locks)
		return [];
	await new Promise<void>((held) => {
		void s.locks!.request(name, () => {
			held();
			return new Promise(() => {}); // until the tab is gone
		});
	});
	return s.locks.request(TAKING, async () => {
		const living = new Set((await s.locks!.query()).held?.map((l) => l.name));
		const out: KeptChange[] = [];
		const names = Array.from({ length: s.storage.length }, (_, i) => s.storage.key(i)!).filter((k) => k.startsWith(PREFIX)).sort();
		for (const key of names) {
			if (key === name || living.has(key))
				continue;
			try {
				out.push(...JSON.parse(s.storage.getItem(key) ?? "[]") as KeptChange[]);
			} catch { /* not ours */ }
			s.storage.removeItem(key);
		}
		return out;
	});
}
