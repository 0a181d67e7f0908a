// The book of addresses as the server keeps it, pages of it, and what is done with many cards at once.

import type { GetResponse, Obj, QueryResponse, SetError, SetResponse } from "./types";
import type { Jmap } from "./jmap";
import type { Card } from "./vcard";

export interface Contact extends Obj, Card {
	isKept: boolean; /* in the book; else only written to */
}
export const PAGE = 100;
export const IMPORT_AT_ONCE = 100;

export async function findContacts(jmap: Jmap, text: string, isKept: boolean, position: number): Promise<{ list: Contact[]; total: number }> {
	const filter: Record<string, unknown> = {};
	if (text)
		filter.text = text;
	if (isKept)
		filter.isKept = true;
	const q = jmap.call<QueryResponse>("Contact/query", { filter, sort: [{ property: "name", isAscending: true }], position, limit: PAGE, calculateTotal: true });
	const got = jmap.call<GetResponse<Contact>>("Contact/get", { "#ids": q.ref("/ids") });
	const [found, all] = await Promise.all([q, got]);
	const order = new Map(found.ids.map((id, i) => [id, i]));
	return { list: all.list.sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)), total: found.total ?? all.list.length };
}

export function cardOf(c: Card): Card {
	return { name: c.name, emails: c.emails, phones: c.phones, org: c.org, note: c.note };
}

export async function saveContact(jmap: Jmap, id: string | null, card: Card): Promise<SetError | null> {
	const what = { ...cardOf(card), isKept: true };
	const done = await jmap.call<SetResponse>("Contact/set", id ? { update: { [id]: what } } : { create: { new: what } });
	return (id ? done.notUpdated?.[id] : done.notCreated?.new) ?? null;
}

/** One card of several: the first's name, everything else of all. */
export function mergeCards(cards: readonly Card[]): Card {
	const out: Card = { name: "", emails: [], phones: [], org: "", note: "" };
	for (const c of cards) {
		out.name ||= c.name;
		out.org ||= c.org;
		for (const e of c.emails)
			if (!out.emails.some((x) => x.email.toLowerCase() === e.email.toLowerCase()))
				out.emails.push(e);
		for (const p of c.phones)
			if (!out.phones.some((x) => digits(x.number) === digits(p.number)))
				out.phones.push(p);
		if (c.note && !out.note.includes(c.note))
			out.note += (out.note ? "\n" : "") + c.note;
	}
	return out;
}
const digits = (n: string) => n.replace(/[^\d+]/g, "");

/** Those that look like one: the same name, or an address in common. */
export function duplicates(list: readonly Contact[]): Contact[][] {
	const group = new Map<string, Contact[]>();
	const of = new Map<Contact, Contact[]>();
	for (const c of list) {
		const keys = [...c.emails.map((e) => "e" + e.email.toLowerCase()), ...(c.name.trim() ? ["n" + c.name.trim().toLowerCase()] : [])];
		let mine: Contact[] = [c];
		of.set(c, mine);
		for (const k of keys) {
			const other = group.get(k);
			if (other && other !== mine) {
				other.push(...mine);
				for (const x of mine)
					of.set(x, other);
				for (const [key, g] of group)
					if (g === mine)
						group.set(key, other);
				mine = other;
			}
			group.set(k, mine);
		}
	}
	return [...new Set(of.values())].filter((g) => g.length > 1);
}

/** Put together on the server: the others' addresses become free before the first takes them. */
export async function mergeContacts(jmap: Jmap, list: readonly Contact[]): Promise<SetError | null> {
	const [first, ...rest] = list;
	if (!first || !rest.length)
		return null;
	const merged = mergeCards(list);
	const gone = await jmap.call<SetResponse>("Contact/set", { destroy: rest.map((c) => c.id) });
	const left = Object.values(gone.notDestroyed ?? {})[0];
	return left ?? saveContact(jmap, first.id, merged);
}

export interface Imported { created: number; known: number; failed: number }

/** In pieces, with progress; who is in the book already (alreadyExists) is counted, not doubled. */
export async function importCards(jmap: Jmap, cards: readonly Card[], onProgress: (done: number) => void): Promise<Imported> {
	const sum: Imported = { created: 0, known: 0, failed: 0 };
	for (let i = 0; i < cards.length; i += IMPORT_AT_ONCE) {
		const slice = cards.slice(i, i + IMPORT_AT_ONCE);
		const create = Object.fromEntries(slice.map((c, n) => [`c${n}`, { ...cardOf(c), isKept: true }]));
		const done = await jmap.call<SetResponse>("Contact/set", { create });
		sum.created += Object.keys(done.created ?? {}).length;
		for (const why of Object.values(done.notCreated ?? {}))
			why.type === "alreadyExists" ? sum.known++ : sum.failed++;
		onProgress(Math.min(cards.length, i + slice.length));
	}
	return sum;
}

/** All of the book. */
export async function allContacts(jmap: Jmap): Promise<Contact[]> {
	const out: Contact[] = [];
	for (;;) {
		const { list, total } = await findContacts(jmap, "", true, out.length);
		out.push(...list);
		if (!list.length || out.length >= total)
			return out;
	}
}
