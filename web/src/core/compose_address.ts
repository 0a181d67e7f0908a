/* Recipients of a letter as people type and paste them; address.ts reads, this adds what a field for them needs. */

import { isAddress, parseAddresses } from "./address";
import { foldAddress, type Person } from "./compose_types";

export const ADDRESSES_MAX = 1000; /* of one paste */

/* Keyboards of Chinese and Japanese give these where others give a comma. Not within quotes. */
const WIDE = /[，；、](?=[^"]*(?:"[^"]*"[^"]*)*$)/gu;

/** All addresses of what was typed or pasted, in their order; what is none stays, so that it can be mended. */
export function parseRecipients(text: string): Person[] {
	return parseAddresses(text.replace(WIDE, ","))
		.filter((p) => p.email !== "")
		.map((p) => ({ name: p.name === p.email ? null : p.name, email: p.email.replace(/[\u0000-\u001f\u007f]/g, "") }))
		.slice(0, ADDRESSES_MAX);
}

/** Is the last one complete, so that a chip can be made of it: does a separator follow it? */
export function endsAddress(text: string): boolean {
	if (!/[,;，；、\n]\s*$/u.test(text))
		return false;
	const quotes = text.match(/"/g)?.length ?? 0;
	return quotes % 2 === 0 && parseRecipients(text).length > 0;
}

/** "ana@a.example " with a blank behind it is complete too. */
export function isCompleteAddress(text: string): boolean {
	return text.endsWith(" ") && isAddress(text.trim());
}

/** Add to a list; who stands in it already is not added twice (a name is taken over when there was none). */
export function addPeople(list: readonly Person[], more: readonly Person[]): Person[] {
	const out = list.map((p) => ({ ...p }));
	const at = new Map(out.map((p, i) => [foldAddress(p.email), i]));
	for (const p of more) {
		const key = foldAddress(p.email);
		const i = at.get(key);
		if (i === undefined) {
			at.set(key, out.length);
			out.push({ name: p.name, email: p.email });
		} else if (!out[i]!.name && p.name) {
			out[i]!.name = p.name;
		}
	}
	return out;
}
