/* The copy of a letter that this browser keeps until the server has it, and so that a tab that crashed or was
 * loaded anew opens its letters again. Each letter has its own entry; the tab that shows it holds a lock of the
 * same name, so another tab can tell what belongs to nobody. */

import type { Letter } from "./compose_types";

export const LOCAL_PREFIX = "yizhan.letter.";
export const LOCAL_LIFE_MS = 14 * 86400000;

export interface LocalCopy {
	instance: string;
	username: string;
	at: number;
	emailId: string | null;
	isDirty: boolean; /* the server has not got all of it */
	saving?: string; /* a save whose answer has not come: it may have made another draft than emailId */
	letter: Letter;
}

export interface Keeper {
	getItem(key: string): string | null;
	setItem(key: string, value: string): void;
	removeItem(key: string): void;
	key(i: number): string | null;
	readonly length: number;
}

/** False: it did not fit (the browser's storage is full). */
export function keepLocal(keeper: Keeper, copy: LocalCopy): boolean {
	/* files that are not at the server yet cannot be kept here */
	const letter = { ...copy.letter, attachments: copy.letter.attachments.filter((a) => a.blobId !== null) };
	try {
		keeper.setItem(LOCAL_PREFIX + copy.instance, JSON.stringify({ ...copy, letter }));
		return true;
	} catch {
		return false;
	}
}

export function dropLocal(keeper: Keeper, instance: string): void {
	try {
		keeper.removeItem(LOCAL_PREFIX + instance);
	} catch {
		/* no storage: nothing was kept */
	}
}

function isCopy(v: unknown): v is LocalCopy {
	const c = v as Partial<LocalCopy> | null;
	const l = c?.letter as Partial<Letter> | undefined;
	return (
		typeof c?.instance === "string" &&
		typeof c.username === "string" &&
		typeof c.at === "number" &&
		(c.emailId === null || typeof c.emailId === "string") &&
		l !== undefined &&
		Array.isArray(l.to) &&
		Array.isArray(l.cc) &&
		Array.isArray(l.bcc) &&
		Array.isArray(l.attachments) &&
		typeof l.subject === "string" &&
		typeof l.html === "string" &&
		typeof l.text === "string"
	);
}

/** What is kept for this user and shown by no tab; what is too old or cannot be read goes. */
export function orphans(keeper: Keeper, username: string, held: ReadonlySet<string>, now: number): LocalCopy[] {
	const found: LocalCopy[] = [];
	const bad: string[] = [];
	for (let i = 0; i < keeper.length; i++) {
		const key = keeper.key(i);
		if (key === null || !key.startsWith(LOCAL_PREFIX))
			continue;
		let copy: unknown = null;
		try {
			copy = JSON.parse(keeper.getItem(key) ?? "null");
		} catch {
			/* half written */
		}
		if (!isCopy(copy) || now - copy.at > LOCAL_LIFE_MS)
			bad.push(key);
		else if (copy.username === username && !held.has(LOCAL_PREFIX + copy.instance))
			found.push(copy);
	}
	for (const key of bad)
		keeper.removeItem(key);
	return found.sort((a, b) => a.at - b.at);
}
