// Of what was found: the words around, marked. Asked for the rows in sight, in one call, when they stay in sight for a
// moment; a list that is scrolled on asks for nothing.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Piece, snippetPieces } from "../../core/snippet";
import type { Filter, Id } from "../../core/types";
import { jmap } from "../app";
import { type Space, accountOf } from "../spaces";

export interface Snippet { subject: Piece[] | null; preview: Piece[] | null }
interface Answer { list: { emailId: Id; subject: string | null; preview: string | null }[] }
const AFTER_MS = 60, KEPT = 400;

const known = signal<{ key: string; of: ReadonlyMap<Id, Snippet> }>({ key: "", of: new Map() });
const NONE: ReadonlyMap<Id, Snippet> = new Map();
const asked = new Set<Id>();

/** `space` null: of no search. */
export function useSnippets(space: Space | null, filter: Filter | null, ids: Id[]): ReadonlyMap<Id, Snippet> {
	const key = space && filter ? accountOf(space) + JSON.stringify(filter) : "";
	const wanted = key && (known.value.key !== key || ids.some((id) => !asked.has(id))) ? ids.join() : "";
	useEffect(() => {
		if (!wanted)
			return;
		const timer = setTimeout(() => void load(key, space!, filter!, ids), AFTER_MS);
		return () => clearTimeout(timer);
	}, [key, wanted]);
	return known.value.key === key ? known.value.of : NONE;
}

async function load(key: string, space: Space, filter: Filter, ids: Id[]) {
	if (known.value.key !== key) {
		asked.clear();
		known.value = { key, of: NONE };
	}
	const missing = ids.filter((id) => !asked.has(id));
	if (!missing.length)
		return;
	missing.forEach((id) => asked.add(id));
	try {
		const got = await jmap.call<Answer>("SearchSnippet/get", { accountId: accountOf(space), filter, emailIds: missing });
		if (known.value.key !== key)
			return;
		const of = new Map(known.value.of);
		for (const s of got.list)
			of.set(s.emailId, { subject: s.subject === null ? null : snippetPieces(s.subject), preview: s.preview === null ? null : snippetPieces(s.preview) });
		for (const id of of.keys()) { // the oldest go
			if (of.size <= KEPT)
				break;
			of.delete(id);
			asked.delete(id);
		}
		known.value = { key, of };
	} catch {
		missing.forEach((id) => asked.delete(id));
	}
}
