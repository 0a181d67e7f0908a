/* What a letter that can still be taken back was about: kept in the browser until it is gone, so that taking it back
 * after a reload puts back what sending it has changed. */

import type { Keeper } from "./compose_local";
import type { SendOptions } from "./compose_send";
import type { Origin } from "./compose_types";

export interface HeldNote {
	username: string;
	until: number;
	origin: Origin | null;
	archived: SendOptions["archive"];
}
const PREFIX = "yizhan.held.";

export function keepHeld(keeper: Keeper, submissionId: string, note: HeldNote): void {
	if (!note.origin && !note.archived)
		return;
	try {
		keeper.setItem(PREFIX + submissionId, JSON.stringify(note));
	} catch {
		/* no room: then it is taken back without */
	}
}

/** Null: nothing is known of it. What is over is forgotten. */
export function readHeld(keeper: Keeper, submissionId: string, username: string, now: number): HeldNote | null {
	let found: HeldNote | null = null;
	try {
		const keys = Array.from({ length: keeper.length }, (_, i) => keeper.key(i)).filter((k): k is string => !!k?.startsWith(PREFIX));
		for (const key of keys) {
			const n = JSON.parse(keeper.getItem(key) ?? "null") as HeldNote | null;
			if (typeof n?.until !== "number" || n.until < now)
				keeper.removeItem(key);
			else if (key === PREFIX + submissionId && n.username === username)
				found = n;
		}
	} catch {
		/* not ours, or no storage */
	}
	return found;
}

export function dropHeld(keeper: Keeper, submissionId: string): void {
	try {
		keeper.removeItem(PREFIX + submissionId);
	} catch {
		/* no storage */
	}
}
