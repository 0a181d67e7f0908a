// The search language: what is typed, what it means, and the same written down again.
//
//	from:ana subject:"budget plan" -is:read (larger:5M OR has:attachment) 预算
//
// Words stand for themselves: a word that is no operator is looked for everywhere, and so is an operator that nobody
// knows ("re:invent"), which `unknown` names so that people can be told. Everything next to each other must hold; OR
// (in capitals, or |) binds weaker; a minus turns one thing around. Quotes keep words together.

import type { Filter, FilterOperator, Id } from "./types";

export type Node =
	| { kind: "and" | "or"; of: Node[] }
	| { kind: "not"; of: Node }
	| { kind: "term"; op: string; value: string; isPhrase: boolean };

/** One thing that was written, and where: text[at, end). */
export interface Written { op: string; value: string; at: number; end: number }
/** What could not be taken as it was probably meant; nobody is stopped by it. */
export interface Problem extends Written { kind: "unknown" | "empty" | "size" | "day" | "age" | "is" | "has" | "folder" | "label" | "quote" | "paren" | "long" | "much" }
export interface Parsed { node: Node | null; terms: Written[]; problems: Problem[] }

export const OPERATORS = ["from", "to", "cc", "bcc", "with", "subject", "body", "in", "label", "is", "has", "filename", "type", "larger", "smaller",
	"before", "after", "on", "older", "newer", "list", "id", "header"] as const;
export const IS_VALUES = ["unread", "read", "flagged", "starred", "answered", "draft"] as const;
const KNOWN = new Set<string>(OPERATORS);
const LENGTH_MAX = 4000, DEPTH_MAX = 20;
/** Wide forms are what an input method writes. */
const OPEN = "(（", CLOSE = ")）", QUOTES = "\"“”", SPECIAL = /[\s()（）|"“”]/;

interface Token { kind: "(" | ")" | "or" | "-" | "term"; op?: string; value?: string; isPhrase?: boolean; at: number }

function readQuoted(text: string, at: number): { value: string; end: number; isClosed: boolean } {
	let value = "", i = at + 1;
	for (; i < text.length && !QUOTES.includes(text[i]!); i++) {
		if (text[i] === "\\" && i + 1 < text.length && (text[i + 1] === "\\" || QUOTES.includes(text[i + 1]!)))
			i++;
		value += text[i];
	}
	return { value, end: Math.min(text.length, i + 1), isClosed: i < text.length };
}

/** Why a value says nothing to its operator. */
function wrongValue(op: string, value: string): Problem["kind"] | null {
	switch (op) {
	case "larger": case "smaller": return parseSize(value) === null ? "size" : null;
	case "before": case "after": case "on": return parseDay(value) ? null : "day";
	case "older": case "newer": return parseAgo(value, new Date()) ? null : "age";
	case "is": return (IS_VALUES as readonly string[]).includes(value.toLowerCase()) ? null : "is";
	case "has": return /^attachments?$/i.test(value) ? null : "has";
	}
	return null;
}

function tokens(text: string, p: Parsed): Token[] {
	const out: Token[] = [];
	const nameAt = /([A-Za-z]+)[:：]/y, wordAt = /[^\s()（）|"“”]*/y;
	const put = (op: string, value: string, at: number, end: number) => {
		const wrong = wrongValue(op, value);
		out.push({ kind: "term", op, value, isPhrase: /\s/.test(value), at });
		p.terms.push({ op, value, at, end });
		if (wrong)
			p.problems.push({ kind: wrong, op, value, at, end });
	};
	for (let i = 0; i < text.length;) {
		const c = text[i]!, at = i;
		let op = "";
		nameAt.lastIndex = i;
		const m = nameAt.exec(text);
		if (m) {
			const name = m[1]!.toLowerCase();
			if (KNOWN.has(name)) {
				op = name;
				i += m[0].length;
			} else if (!/^(https?|mailto)$/.test(name)) {
				p.problems.push({ kind: "unknown", op: m[1]!, value: "", at, end: at + m[0].length });
			}
		}
		const next = text[i] ?? "";
		if (next && QUOTES.includes(next)) {
			const q = readQuoted(text, i);
			if (q.value.trim())
				put(op, q.value, at, q.end);
			else if (op)
				p.problems.push({ kind: "empty", op, value: "", at, end: q.end });
			if (!q.isClosed)
				p.problems.push({ kind: "quote", op, value: q.value, at: i, end: q.end });
			i = q.end;
		} else if (next && OPEN.includes(next)) {
			out.push({ kind: "(", op, at: i++ });
		} else if (op) {
			wordAt.lastIndex = i;
			const word = wordAt.exec(text)![0];
			i += word.length;
			if (word)
				put(op, word, at, i);
			else
				p.problems.push({ kind: "empty", op, value: "", at, end: i });
		} else if (/\s/.test(c)) {
			i++;
		} else if (CLOSE.includes(c)) {
			out.push({ kind: ")", at: i++ });
		} else if (c === "|") {
			out.push({ kind: "or", at: i++ });
		} else if (c === "-" && i + 1 < text.length && /[^\s)）|-]/.test(text[i + 1]!)) {
			out.push({ kind: "-", at: i++ });
		} else {
			wordAt.lastIndex = i;
			const word = wordAt.exec(text)![0] || c;
			i += word.length;
			if (word === "OR")
				out.push({ kind: "or", at });
			else if (word !== "AND")
				put("", word, at, i);
		}
	}
	return out;
}

/** "from:(ana OR bob)": the operator belongs to each word in the brackets. */
function withOperator(n: Node, op: string): Node {
	if (n.kind === "term")
		return n.op ? n : { ...n, op };
	return n.kind === "not" ? { kind: "not", of: withOperator(n.of, op) } : { ...n, of: n.of.map((o) => withOperator(o, op)) };
}

export function parseSearch(text: string): Parsed {
	const p: Parsed = { node: null, terms: [], problems: [] };
	const list = tokens(text.slice(0, LENGTH_MAX), p);
	let at = 0;

	const paren = (tok: Token) => p.problems.push({ kind: "paren", op: "", value: "", at: tok.at, end: tok.at + 1 });
	const one = (depth: number): Node | null => {
		const tok = list[at];
		if (!tok || tok.kind === ")" || tok.kind === "or")
			return null;
		at++;
		if (tok.kind === "-") {
			const of = one(depth);
			return of && (of.kind === "not" ? of.of : { kind: "not", of });
		}
		if (tok.kind === "(") {
			if (depth > DEPTH_MAX)
				return null;
			const inner = any(depth + 1);
			if (list[at]?.kind === ")")
				at++;
			else
				paren(tok);
			return inner && tok.op ? withOperator(inner, tok.op) : inner;
		}
		return { kind: "term", op: tok.op!, value: tok.value!, isPhrase: tok.isPhrase! };
	};
	const all = (depth: number): Node | null => {
		const of: Node[] = [];
		while (at < list.length && list[at]!.kind !== ")" && list[at]!.kind !== "or") {
			const n = one(depth);
			if (n)
				of.push(...(n.kind === "and" ? n.of : [n]));
		}
		return of.length > 1 ? { kind: "and", of } : of[0] ?? null;
	};
	const any = (depth: number): Node | null => {
		const of: Node[] = [];
		for (;;) {
			const n = all(depth);
			if (n)
				of.push(...(n.kind === "or" ? n.of : [n]));
			if (list[at]?.kind !== "or")
				break;
			at++;
		}
		return of.length > 1 ? { kind: "or", of } : of[0] ?? null;
	};

	const of: Node[] = [];
	while (at < list.length) {
		const n = any(0);
		if (n)
			of.push(...(n.kind === "and" ? n.of : [n]));
		const tok = list[at];
		if (tok?.kind === ")") {
			paren(tok); // one too many means nothing
			at++;
		}
	}
	p.node = of.length > 1 ? { kind: "and", of } : of[0] ?? null;
	if (text.length > LENGTH_MAX)
		p.problems.push({ kind: "long", op: "", value: "", at: LENGTH_MAX, end: text.length });
	return p;
}

function formatValue(value: string, isPhrase: boolean, op: string): string {
	if (isPhrase || value === "OR" || value === "AND" || SPECIAL.test(value) || (!op && (/^-/.test(value) || KNOWN.has(/^([A-Za-z]+)[:：]/.exec(value)?.[1]?.toLowerCase() ?? ""))))
		return '"' + value.replace(/["“”\\]/g, "\\$&") + '"';
	return value;
}

/** Written so that parseSearch reads the same again. */
export function formatSearch(n: Node | null): string {
	if (!n)
		return "";
	switch (n.kind) {
	case "term":
		return (n.op ? n.op + ":" : "") + formatValue(n.value, n.isPhrase, n.op);
	case "not":
		return "-" + (n.of.kind === "and" || n.of.kind === "or" ? `(${formatSearch(n.of)})` : formatSearch(n.of));
	case "and":
		return n.of.map((o) => o.kind === "or" ? `(${formatSearch(o)})` : formatSearch(o)).join(" ");
	case "or":
		return n.of.map(formatSearch).join(" OR ");
	}
}

// ---- meaning ----

/** Names of this account. */
export interface Names {
	mailboxId(name: string): Id | null;
	keyword(label: string): string | null;
	now(): Date;
}

const SIZE = /^(\d+(?:\.\d+)?)\s*(k|m|g)?b?$/i;
export function parseSize(text: string): number | null {
	const m = SIZE.exec(text);
	return m ? Math.min(Number.MAX_SAFE_INTEGER, Math.round(Number(m[1]) * 1000 ** ["", "k", "m", "g"].indexOf((m[2] ?? "").toLowerCase()))) : null;
}

/** A day as people write it, in their own time zone; null: no date. */
export function parseDay(text: string): Date | null {
	const m = /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?$/.exec(text);
	if (!m)
		return null;
	const d = new Date(2000, Number(m[2]) - 1, Number(m[3] ?? 1));
	d.setFullYear(Number(m[1]), Number(m[2]) - 1, Number(m[3] ?? 1)); // years below 100 too
	return d.getMonth() === Number(m[2]) - 1 && d.getDate() === Number(m[3] ?? 1) ? d : null;
}
/** "7d", "2w", "3m", "1y" before now. */
export function parseAgo(text: string, now: Date): Date | null {
	const m = /^(\d{1,5})(h|d|w|m|y)?$/i.exec(text);
	if (!m)
		return null;
	const n = Number(m[1]), d = new Date(now);
	switch ((m[2] ?? "d").toLowerCase()) {
	case "h": d.setHours(d.getHours() - n); break;
	case "d": d.setDate(d.getDate() - n); break;
	case "w": d.setDate(d.getDate() - 7 * n); break;
	case "m": d.setMonth(d.getMonth() - n); break;
	case "y": d.setFullYear(d.getFullYear() - n); break;
	}
	return d;
}
/** What the server's clock can tell: nanoseconds in 64 bits. */
const EARLIEST = new Date("1700-01-01T00:00:00Z"), LATEST = new Date("2200-01-01T00:00:00Z");
function iso(d: Date): string {
	return (d < EARLIEST ? EARLIEST : d > LATEST ? LATEST : d).toISOString().replace(/\.\d+Z$/, "Z");
}
function nextDay(d: Date): Date {
	return new Date(d.getFullYear(), d.getMonth(), d.getDate() + 1);
}
const or = (conditions: Filter[]): FilterOperator => ({ operator: "OR", conditions });
const and = (conditions: Filter[]): FilterOperator => ({ operator: "AND", conditions });
const not = (condition: Filter): FilterOperator => ({ operator: "NOT", conditions: [condition] });

/** As RFC 8621 section 4.4.1 writes words and phrases. */
function quoteText(value: string): string {
	const safe = value.replace(/["'\\]/g, "\\$&");
	return /\s/.test(value) ? `"${safe}"` : safe;
}
/** Kinds of files that people have a word for; beside what stands at the end of a name. */
const FAMILIES = new Map<string, { types: string[]; ends: string[] }>([
	["image", { types: ["image/"], ends: [] }], ["audio", { types: ["audio/"], ends: [] }], ["video", { types: ["video/"], ends: [] }],
	["calendar", { types: ["text/calendar"], ends: ["ics"] }], ["word", { types: ["msword", "wordprocessing"], ends: ["doc", "docx", "odt"] }],
	["excel", { types: ["ms-excel", "spreadsheet"], ends: ["xls", "xlsx", "ods"] }],
	["powerpoint", { types: ["ms-powerpoint", "presentation"], ends: ["ppt", "pptx", "odp"] }],
]);

function typeFilter(value: string): Filter {
	const v = value.toLowerCase();
	if (v.includes("/"))
		return { attachmentType: v };
	const { types, ends } = FAMILIES.get(v) ?? { types: [v], ends: [v.replace(/^\./, "")] };
	const of: Filter[] = [...types.map((attachmentType) => ({ attachmentType })), ...ends.map((e) => ({ attachmentName: "." + e }))];
	return of.length > 1 ? or(of) : of[0]!;
}

/** What one term asks for; null: it says nothing that can be looked for. */
function termFilter(op: string, value: string, names: Names): Filter | null {
	const text = quoteText(value);
	switch (op) {
	case "": return { text };
	case "from": case "to": case "cc": case "bcc": case "subject": case "body":
		return { [op]: text };
	case "with": return or(["from", "to", "cc", "bcc"].map((f) => ({ [f]: text })));
	case "in": {
		const id = names.mailboxId(value);
		return id ? { inMailbox: id } : ANYWHERE.test(value) ? null : NOTHING;
	}
	case "label": {
		const keyword = names.keyword(value);
		return keyword ? { hasKeyword: keyword } : NOTHING;
	}
	case "is":
		switch (value.toLowerCase()) {
		case "unread": return { notKeyword: "$seen" };
		case "read": return { hasKeyword: "$seen" };
		case "flagged": case "starred": return { hasKeyword: "$flagged" };
		case "answered": return { hasKeyword: "$answered" };
		case "draft": return { hasKeyword: "$draft" };
		default: return { text: quoteText("is:" + value) };
		}
	case "has":
		return /^attachments?$/i.test(value) ? { hasAttachment: true } : { text: quoteText("has:" + value) };
	case "filename": return { attachmentName: value };
	case "type": return typeFilter(value);
	case "larger": case "smaller": {
		const size = parseSize(value);
		return size === null ? { text: quoteText(`${op}:${value}`) } : op === "larger" ? { minSize: size } : { maxSize: size };
	}
	case "before": case "after": case "on": {
		const day = parseDay(value);
		if (!day)
			return { text: quoteText(`${op}:${value}`) };
		return op === "before" ? { before: iso(day) } : op === "after" ? { after: iso(day) } : and([{ after: iso(day) }, { before: iso(nextDay(day)) }]);
	}
	case "older": case "newer": {
		const at = parseAgo(value, names.now());
		return !at ? { text: quoteText(`${op}:${value}`) } : op === "older" ? { before: iso(at) } : { after: iso(at) };
	}
	case "list": return { header: ["List-Id", value] };
	case "id": return { header: ["Message-ID", value.replace(/^<|>$/g, "")] };
	case "header": {
		const m = /^([!-9;-~]+)[:=](.*)$/.exec(value);
		return { header: m ? [m[1], m[2]] : [value] };
	}
	}
	return null;
}
/** A filter that nothing fits. */
const NOTHING: Filter = { operator: "NOT", conditions: [{ operator: "OR", conditions: [{ minSize: 0 }] }] };

const WORDY = new Set(["text", "from", "to", "cc", "bcc", "subject", "body"]);
/** Words that all have to be there go together: a condition may have many, a filter only some conditions. */
function joinWords(of: Filter[]): Filter[] {
	const out: Filter[] = [], words = new Map<string, Record<string, unknown>>();
	for (const f of of) {
		const [name, value] = Object.entries(f)[0]!;
		if (!WORDY.has(name) || Object.keys(f).length > 1 || String(value).startsWith('"')) {
			out.push(f);
			continue;
		}
		const had = words.get(name);
		if (had && String(had[name]).length + String(value).length < WORDS_MAX) {
			had[name] = `${had[name]} ${value}`;
		} else {
			const now = { [name]: value };
			words.set(name, now);
			out.push(now);
		}
	}
	return out;
}
/** In UTF-8 never more than the 1,024 octets that the server takes. */
const WORDS_MAX = 300;

/** Null: everything. */
export function toFilter(n: Node | null, names: Names): Filter | null {
	if (!n)
		return null;
	switch (n.kind) {
	case "term":
		return termFilter(n.op, n.value.slice(0, WORDS_MAX), names);
	case "not": {
		const of = toFilter(n.of, names);
		return of ? not(of) : NOTHING;
	}
	default: {
		const all = n.of.map((o) => toFilter(o, names));
		if (n.kind === "or" && all.includes(null))
			return null;
		let of = all.filter((f): f is Filter => f !== null);
		if (n.kind === "and")
			of = joinWords(of);
		return of.length > 1 ? (n.kind === "and" ? and(of) : or(of)) : of[0] ?? null;
	}
	}
}

/** What the server takes at most of one filter (EMAIL_FILTER_NODES, _DEPTH, EMAIL_TEXTS_MAX), less what the page adds. */
const NODES_MAX = 240, FILTER_DEPTH_MAX = 14, TEXTS_MAX = 16;
function isTooMuch(filter: Filter): boolean {
	let nodes = 0, texts = 0, deepest = 0;
	const walk = (f: Filter, depth: number) => {
		deepest = Math.max(deepest, depth);
		nodes++;
		if ("operator" in f) {
			(f as FilterOperator).conditions.forEach((c) => walk(c, depth + 1));
			return;
		}
		nodes++;
		texts += Object.keys(f).some((k) => WORDY.has(k) || /^(header|attachment(Name|Type))$/.test(k)) ? 1 : 0;
	};
	walk(filter, 1);
	return nodes > NODES_MAX || texts > TEXTS_MAX || deepest > FILTER_DEPTH_MAX;
}

export interface Search { filter: Filter | null; problems: Problem[]; saysWhere: boolean }
/** What is asked of the server, which takes it, and what had to be left out of it. */
export function readSearch(text: string, names: Names): Search {
	const parsed = parseSearch(text), problems = [...parsed.problems];
	for (const w of parsed.terms) {
		if (w.op === "in" && !names.mailboxId(w.value) && !ANYWHERE.test(w.value))
			problems.push({ ...w, kind: "folder" });
		else if (w.op === "label" && !names.keyword(w.value))
			problems.push({ ...w, kind: "label" });
	}
	let filter = toFilter(parsed.node, names);
	if (filter && isTooMuch(filter)) {
		filter = NOTHING;
		problems.push({ kind: "much", op: "", value: "", at: 0, end: text.length });
	}
	return { filter, problems: problems.sort((a, b) => a.at - b.at), saysWhere: saysWhere(parsed.node) };
}

const ANYWHERE = /^(anywhere|all|everywhere)$/i;
/** Does it say itself where to look? Where not to look is no such thing. */
export function saysWhere(n: Node | null): boolean {
	return !!n && (n.kind === "term" ? n.op === "in" : n.kind === "not" ? false : n.of.some(saysWhere));
}

// ---- where ----

type Term = Extract<Node, { kind: "term" }>;
const isPlace = (n: Node): n is Term => n.kind === "term" && n.op === "in";
const parts = (n: Node | null): Node[] => !n ? [] : n.kind === "and" ? n.of : [n];

/** The one place that all of it is looked for in; "": not said, or not that simply. */
export function placeOf(text: string): string {
	const places = parts(parseSearch(text).node).filter(isPlace);
	return places.length !== 1 ? "" : ANYWHERE.test(places[0]!.value) ? "anywhere" : places[0]!.value;
}
/** The same, looked for there; "": where one looks without saying so. */
export function withPlace(text: string, place: string): string {
	const of: Node[] = parts(parseSearch(text).node).filter((n) => !isPlace(n));
	if (place)
		of.push({ kind: "term", op: "in", value: place, isPhrase: /\s/.test(place) });
	return formatSearch(of.length > 1 ? { kind: "and", of } : of[0] ?? null);
}
