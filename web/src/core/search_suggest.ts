// What the search field proposes: it looks at the one word that is being written and at nothing else.

import { IS_VALUES, OPERATORS } from "./search";

/** The word at the cursor: text[start, end). `op` as it was typed, in small letters, "" for none. */
export interface Word { start: number; end: number; minus: string; op: string; value: string; isKnown: boolean }
export interface Suggestion {
	kind: "recent" | "operator" | "folder" | "label" | "person" | "value";
	/** What is shown, and what tells it from others; `hint` for people and folders. */
	label: string;
	hint?: string;
	/** What takes the place of the word; of everything for what was searched before. */
	text: string;
	/** More has to be written: the field goes on with what may follow. */
	isOpen?: boolean;
}
export interface Known {
	recent: readonly string[];
	folders: readonly { name: string; written: string }[];
	labels: readonly string[];
	people: readonly { name: string | null; email: string }[];
	/** Days worth a proposal, as the language writes them and as people call them. */
	days: readonly { day: string; label: string }[];
}

export const RECENT_MAX = 10;
const SHOWN_MAX = 9, OF_A_KIND_MAX = 4;
const PEOPLE = new Set(["from", "to", "cc", "bcc", "with"]);
const WORD = /(-?)(?:([A-Za-z]+)[:：])?(["“”](?:\\["“”\\]|[^"“”])*["“”]?|[^\s()（）|"“”]*)/y;

export function wordAt(text: string, caret: number): Word {
	for (let i = 0; i < text.length && i <= caret;) {
		if (/[\s()（）|]/.test(text[i]!)) {
			i++;
			continue;
		}
		WORD.lastIndex = i;
		const m = WORD.exec(text)!;
		const end = i + Math.max(1, m[0].length);
		if (caret > i && caret <= end) {
			const isAddress = /^(https?|mailto)$/i.test(m[2] ?? "");
			const op = isAddress ? "" : (m[2] ?? "").toLowerCase();
			const value = (isAddress ? `${m[2]}:` : "") + m[3]!.replace(/^["“”]|["“”]$/g, "");
			return { start: i, end, minus: m[1]!, op, value, isKnown: (OPERATORS as readonly string[]).includes(op) };
		}
		i = end;
	}
	return { start: caret, end: caret, minus: "", op: "", value: "", isKnown: false };
}

/** Whom to ask the server for; "": nobody. */
export function asksForPeople(w: Word): string {
	return w.value && (w.op ? PEOPLE.has(w.op) : w.value.length > 1 || w.value > "\u02ff") ? w.value : "";
}

/** Quoted where the language needs it. */
export function written(value: string): string {
	return /[\s()（）|"“”]/.test(value) ? `"${value.replace(/["“”\\]/g, "\\$&")}"` : value;
}

function valuesOf(op: string): string[] {
	switch (op) {
	case "is": return IS_VALUES.filter((v) => v !== "starred");
	case "has": return ["attachment"];
	case "type": return ["pdf", "image", "word", "excel", "powerpoint", "zip"];
	case "larger": case "smaller": return ["100k", "1M", "5M", "20M"];
	case "older": case "newer": return ["1d", "7d", "1m", "1y"];
	}
	return [];
}

/** `isAsked`: with nothing written yet, everything there is. */
export function suggestions(text: string, caret: number, known: Known, isAsked = false): Suggestion[] {
	const w = wordAt(text, caret), typed = w.value.toLowerCase(), out: Suggestion[] = [];
	const fits = (s: string) => s.toLowerCase().includes(typed);
	const person = (op: string) => known.people.slice(0, w.op ? SHOWN_MAX : OF_A_KIND_MAX).map((p): Suggestion =>
		({ kind: "person", label: p.name ?? p.email, hint: p.name ? p.email : undefined, text: `${w.minus}${op}:${written(p.email)}` }));
	if (w.op) {
		if (!w.isKnown)
			return [];
		if (PEOPLE.has(w.op) && typed)
			out.push(...person(w.op));
		if (w.op === "in")
			out.push(...known.folders.filter((f) => fits(f.name) || fits(f.written)).map((f): Suggestion =>
				({ kind: "folder", label: f.name, text: `${w.minus}in:${written(f.written)}` })));
		if (w.op === "label")
			out.push(...known.labels.filter(fits).map((l): Suggestion => ({ kind: "label", label: l, text: `${w.minus}label:${written(l)}` })));
		if (w.op === "before" || w.op === "after" || w.op === "on")
			out.push(...known.days.filter((d) => d.day.startsWith(typed) || fits(d.label)).map((d): Suggestion =>
				({ kind: "value", label: `${w.op}:${d.day}`, hint: d.label, text: `${w.minus}${w.op}:${d.day}` })));
		out.push(...valuesOf(w.op).filter((v) => v.toLowerCase().startsWith(typed)).map((v): Suggestion =>
			({ kind: "value", label: `${w.op}:${v}`, text: `${w.minus}${w.op}:${v}` })));
		// what is written out already needs no proposal
		return out.filter((s) => s.text !== text.slice(w.start, w.end)).slice(0, SHOWN_MAX);
	}
	if (!typed && !isAsked && text.trim())
		return [];
	const whole = text.trim().toLowerCase();
	out.push(...known.recent.filter((r) => r.toLowerCase().includes(whole) && r.toLowerCase() !== whole).slice(0, OF_A_KIND_MAX)
		.map((r): Suggestion => ({ kind: "recent", label: r, text: r })));
	if (typed || isAsked)
		out.push(...OPERATORS.filter((o) => o.startsWith(typed)).slice(0, typed ? OF_A_KIND_MAX : undefined)
			.map((o): Suggestion => ({ kind: "operator", label: o + ":", text: `${w.minus}${o}:`, isOpen: true })));
	if (!typed)
		return out;
	out.push(...known.folders.filter((f) => f.name.toLowerCase().startsWith(typed)).slice(0, 2)
		.map((f): Suggestion => ({ kind: "folder", label: f.name, hint: "in:", text: `${w.minus}in:${written(f.written)}` })));
	return [...out.slice(0, SHOWN_MAX - Math.min(OF_A_KIND_MAX, known.people.length)), ...person("from")];
}

/** The field after a proposal was taken. */
export function taken(text: string, caret: number, s: Suggestion): { text: string; caret: number } {
	if (s.kind === "recent")
		return { text: s.text, caret: s.text.length };
	const w = wordAt(text, caret);
	const rest = text.slice(w.end), put = s.text + (s.isOpen || /^\s/.test(rest) ? "" : " ");
	return { text: text.slice(0, w.start) + put + rest, caret: w.start + put.length };
}

export function remembered(recent: readonly string[], q: string): string[] {
	return [q, ...recent.filter((r) => r !== q)].slice(0, RECENT_MAX);
}
