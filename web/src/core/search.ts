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

export interface Parsed { node: Node | null; unknown: string[] }

export const OPERATORS = ["from", "to", "cc", "bcc", "with", "subject", "body", "in", "label", "is", "has", "filename", "type", "larger", "smaller",
	"before", "after", "on", "older", "newer", "list", "id", "header"] as const;
export const IS_VALUES = ["unread", "read", "flagged", "starred", "answered", "draft"] as const;
const KNOWN = new Set<string>(OPERATORS);
const LENGTH_MAX = 4000, DEPTH_MAX = 20;

interface Token { kind: "(" | ")" | "or" | "-" | "term"; op?: string; value?: string; isPhrase?: boolean }

function readQuoted(text: string, at: number): { value: string; end: number } {
	let value = "", i = at + 1;
	for (; i < text.length && text[i] !== '"'; i++) {
		if (text[i] === "\\" && (text[i + 1] === '"' || text[i + 1] === "\\"))
			i++;
		value += text[i];
	}
	return { value, end: i + 1 };
}

function tokens(text: string, unknown: string[]): Token[] {
	const out: Token[] = [];
	for (let i = 0; i < text.length;) {
		const c = text[i]!;
		if (/\s/.test(c)) {
			i++;
		} else if (c === "(" || c === ")") {
			out.push({ kind: c });
			i++;
		} else if (c === "|") {
			out.push({ kind: "or" });
			i++;
		} else if (c === "-" && i + 1 < text.length && /[^\s)|-]/.test(text[i + 1]!)) {
			out.push({ kind: "-" });
			i++;
		} else if (c === '"') {
			const q = readQuoted(text, i);
			if (q.value.trim())
				out.push({ kind: "term", op: "", value: q.value, isPhrase: /\s/.test(q.value) });
			i = q.end;
		} else {
			const m = /^([A-Za-z]+):/.exec(text.slice(i));
			const op = m && KNOWN.has(m[1]!.toLowerCase()) ? m[1]!.toLowerCase() : "";
			if (m && !op && !/^(https?|mailto):/i.test(m[0]))
				unknown.push(m[1]!);
			const from = op ? i + m![0].length : i;
			if (op && text[from] === '"') {
				const q = readQuoted(text, from);
				if (q.value.trim())
					out.push({ kind: "term", op, value: q.value, isPhrase: /\s/.test(q.value) });
				i = q.end;
				continue;
			}
			const word = /^[^\s()|"]*/.exec(text.slice(from))![0] || (op ? "" : text[from]!);
			i = from + word.length;
			if (!op && word === "OR")
				out.push({ kind: "or" });
			else if (!op && word === "AND")
				continue;
			else if (word)
				out.push({ kind: "term", op, value: word, isPhrase: false });
		}
	}
	return out;
}

export function parseSearch(text: string): Parsed {
	const unknown: string[] = [];
	const list = tokens(text.slice(0, LENGTH_MAX), unknown);
	let at = 0;

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
			return inner;
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
		if (list[at]?.kind === ")")
			at++; // one too many means nothing
	}
	return { node: of.length > 1 ? { kind: "and", of } : of[0] ?? null, unknown };
}

function formatValue(value: string, isPhrase: boolean, op: string): string {
	if (isPhrase || value === "OR" || value === "AND" || /[\s()|"]/.test(value) || (!op && (/^-/.test(value) || KNOWN.has(/^([A-Za-z]+):/.exec(value)?.[1]?.toLowerCase() ?? ""))))
		return '"' + value.replace(/["\\]/g, "\\$&") + '"';
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
	mailboxName(id: Id): string | null;
	keyword(label: string): string | null;
	label(keyword: string): string | null;
	now(): Date;
}

const SIZE = /^(\d+(?:\.\d+)?)\s*(k|m|g)?b?$/i;
export function parseSize(text: string): number | null {
	const m = SIZE.exec(text);
	return m ? Math.round(Number(m[1]) * 1000 ** ["", "k", "m", "g"].indexOf((m[2] ?? "").toLowerCase())) : null;
}
export function formatSearchSize(n: number): string {
	for (const [unit, by] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const)
		if (n >= by && Number.isInteger(n / by))
			return n / by + unit;
	return String(n);
}

/** A day as people write it, in their own time zone; null: no date. */
export function parseDay(text: string): Date | null {
	const m = /^(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?$/.exec(text);
	if (!m)
		return null;
	const d = new Date(Number(m[1]), Number(m[2]) - 1, Number(m[3] ?? 1));
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
function iso(d: Date): string {
	return d.toISOString().replace(/\.\d+Z$/, "Z");
}
function nextDay(d: Date): Date {
	return new Date(d.getFullYear(), d.getMonth(), d.getDate() + 1);
}
const or = (conditions: Filter[]): FilterOperator => ({ operator: "OR", conditions });
const and = (conditions: Filter[]): FilterOperator => ({ operator: "AND", conditions });
const not = (condition: Filter): FilterOperator => ({ operator: "NOT", conditions: [condition] });

function quoteText(value: string, isPhrase: boolean): string {
	return isPhrase ? `"${value.replace(/"/g, "")}"` : value;
}

/** What one term asks for; null: it says nothing that can be looked for. */
function termFilter(op: string, value: string, isPhrase: boolean, names: Names): Filter | null {
	const text = quoteText(value, isPhrase && /\s/.test(value));
	switch (op) {
	case "": return { text };
	case "from": case "to": case "cc": case "bcc": case "subject": case "body":
		return { [op]: text };
	case "with": return or(["from", "to", "cc", "bcc"].map((f) => ({ [f]: text })));
	case "in": {
		const id = names.mailboxId(value);
		return id ? { inMailbox: id } : /^(anywhere|all|everywhere)$/i.test(value) ? null : NOTHING;
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
		default: return { text: "is:" + value };
		}
	case "has":
		return /^attachments?$/i.test(value) ? { hasAttachment: true } : { text: "has:" + value };
	case "filename": case "type":
		return and([{ hasAttachment: true }, { text }]);
	case "larger": case "smaller": {
		const size = parseSize(value);
		return size === null ? { text: `${op}:${value}` } : op === "larger" ? { minSize: size } : { maxSize: size };
	}
	case "before": case "after": case "on": {
		const day = parseDay(value);
		if (!day)
			return { text: `${op}:${value}` };
		return op === "before" ? { before: iso(day) } : op === "after" ? { after: iso(day) } : and([{ after: iso(day) }, { before: iso(nextDay(day)) }]);
	}
	case "older": case "newer": {
		const at = parseAgo(value, names.now());
		return !at ? { text: `${op}:${value}` } : op === "older" ? { before: iso(at) } : { after: iso(at) };
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

export function toFilter(n: Node | null, names: Names): Filter | null {
	if (!n)
		return null;
	switch (n.kind) {
	case "term":
		return termFilter(n.op, n.value, n.isPhrase, names);
	case "not": {
		const of = toFilter(n.of, names);
		return of && not(of);
	}
	default: {
		const of = n.of.map((o) => toFilter(o, names)).filter((f): f is Filter => f !== null);
		return of.length > 1 ? (n.kind === "and" ? and(of) : or(of)) : of[0] ?? null;
	}
	}
}

/** Does it say itself where to look? */
export function saysWhere(n: Node | null): boolean {
	return !!n && (n.kind === "term" ? n.op === "in" : n.kind === "not" ? saysWhere(n.of) : n.of.some(saysWhere));
}

const term = (op: string, value: string): Node => ({ kind: "term", op, value: value.replace(/^"(.*)"$/, "$1"), isPhrase: /\s/.test(value) });
const day = (s: unknown): string => {
	const d = new Date(String(s));
	return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
};

/** The way back: what a filter would be called here; null when the language has no words for it. */
export function fromFilter(f: Filter, names: Names): Node | null {
	if ("operator" in f) {
		const { operator, conditions } = f as FilterOperator;
		const of = conditions.map((c) => fromFilter(c, names));
		if (of.some((n) => n === null))
			return null;
		const nodes = of as Node[];
		if (operator === "NOT")
			return nodes.length === 1 ? { kind: "not", of: nodes[0]! } : { kind: "and", of: nodes.map((o) => ({ kind: "not", of: o })) };
		const fields = operator === "OR" && conditions.length === 4 ? conditions.map((c) => Object.keys(c)[0]) : [];
		if (String(fields) === "from,to,cc,bcc" && new Set(conditions.map((c) => Object.values(c)[0])).size === 1)
			return term("with", String(Object.values(conditions[0]!)[0]));
		return nodes.length === 1 ? nodes[0]! : { kind: operator === "OR" ? "or" : "and", of: nodes };
	}
	const of: Node[] = [];
	for (const [name, v] of Object.entries(f)) {
		const n = fromCondition(name, v, names);
		if (!n)
			return null;
		of.push(n);
	}
	return of.length > 1 ? { kind: "and", of } : of[0] ?? null;
}
function fromCondition(name: string, v: unknown, names: Names): Node | null {
	const keywords: Record<string, string> = { $seen: "read", $flagged: "flagged", $answered: "answered", $draft: "draft" };
	switch (name) {
	case "text": return term("", String(v));
	case "from": case "to": case "cc": case "bcc": case "subject": case "body": return term(name, String(v));
	case "inMailbox": {
		const n = names.mailboxName(String(v));
		return n === null ? null : term("in", n);
	}
	case "hasKeyword": case "notKeyword": {
		const k = String(v);
		const label = names.label(k);
		if (name === "notKeyword" && k === "$seen")
			return term("is", "unread");
		const n = keywords[k] ? term("is", keywords[k]!) : label === null ? null : term("label", label);
		return n && (name === "hasKeyword" ? n : { kind: "not", of: n });
	}
	case "hasAttachment": return v ? term("has", "attachment") : { kind: "not", of: term("has", "attachment") };
	case "minSize": return term("larger", formatSearchSize(Number(v)));
	case "maxSize": return term("smaller", formatSearchSize(Number(v)));
	case "before": case "after": return term(name, day(v));
	case "header": {
		const [field, value] = v as [string, string?];
		if (/^list-id$/i.test(field) && value)
			return term("list", value);
		if (/^message-id$/i.test(field) && value)
			return term("id", value);
		return term("header", value === undefined ? field : `${field}:${value}`);
	}
	}
	return null;
}
