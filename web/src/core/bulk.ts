// One thing done to all that a query finds, in slices, however many they are: progress, a way to stop, and what is
// needed to take it back.

import type { Store } from "./store";
import type { Filter, Id, Patch, QueryResponse, SetResponse } from "./types";

export interface BulkProgress { done: number; total: number }
export interface BulkResult { ids: Id[]; failed: number; isStopped: boolean }
const IDS_AT_ONCE = 5000;
const CARRIED_AT_ONCE = 50;

/** All ids that the filter finds now. They are asked for before anything changes, so that nothing is missed. */
async function idsOf(store: Store, filter: Filter | null, signal: AbortSignal): Promise<Id[]> {
	const out: Id[] = [];
	for (;;) {
		const q = await store.jmap.call<QueryResponse>("Email/query", store.args({ filter, sort: [{ property: "receivedAt", isAscending: false }],
			collapseThreads: false, position: out.length, limit: IDS_AT_ONCE, calculateTotal: true }));
		out.push(...q.ids);
		if (!q.ids.length || out.length >= (q.total ?? 0) || signal.aborted)
			return [...new Set(out)];
	}
}

/** patch null: destroy; a function: what it does to some of them, and which of those it has done. */
export async function bulkChange(store: Store, what: Filter | null | Id[], patch: Patch | null | ((ids: Id[]) => Promise<Id[]>), onProgress: (p: BulkProgress) => void,
	signal: AbortSignal): Promise<BulkResult> {
	const all = Array.isArray(what) ? what : await idsOf(store, what, signal);
	const size = Math.min(typeof patch === "function" ? CARRIED_AT_ONCE : 500, store.jmap.limit("maxObjectsInSet", 500));
	const result: BulkResult = { ids: [], failed: 0, isStopped: false };
	onProgress({ done: 0, total: all.length });
	for (let i = 0; i < all.length; i += size) {
		if (signal.aborted) {
			result.isStopped = true;
			break;
		}
		const slice = all.slice(i, i + size);
		if (typeof patch === "function") {
			const done = await patch(slice);
			result.failed += slice.length - done.length;
			result.ids.push(...done);
			onProgress({ done: Math.min(all.length, i + size), total: all.length });
			continue;
		}
		const answer = await store.jmap.call<SetResponse>("Email/set", store.args(patch
			? { update: Object.fromEntries(slice.map((id) => [id, patch])) } : { destroy: slice }));
		const bad = new Set(Object.keys({ ...answer.notUpdated, ...answer.notDestroyed }));
		result.failed += bad.size;
		result.ids.push(...slice.filter((id) => !bad.has(id)));
		onProgress({ done: Math.min(all.length, i + size), total: all.length });
	}
	void store.sync(["Email", "Mailbox", "Thread"]);
	return result;
}
