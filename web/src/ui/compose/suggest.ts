// People for a field: the server knows whom we write to. Answers of this page's life are kept.

import { foldAddress, type Person } from "../../core/compose_types";
import { jmap } from "../app";

const KEPT = 100;
const AT_MOST = 8;
const known = new Map<string, Person[]>();

export async function suggest(text: string): Promise<Person[]> {
	const q = foldAddress(text).replace(/^"/, "");
	const had = known.get(q);
	if (had)
		return had;
	if (!jmap.has("page"))
		return [];
	try {
		const got = await jmap.call<{ list: Person[] }>("Contact/suggest", { text: q, limit: AT_MOST });
		const list = got.list.map(({ name, email }) => ({ name: name || null, email }));
		if (known.size >= KEPT)
			known.clear();
		known.set(q, list);
		return list;
	} catch {
		return [];
	}
}
/** Somebody was written to, or the book has changed. */
export function forgetSuggestions(): void {
	known.clear();
}
