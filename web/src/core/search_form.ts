// The form of the search: fields for what is asked for most. What has no field stands in `words`, in the language
// of search.ts, so that nothing is lost on the way into the form and back.

import { IS_VALUES, type Node, formatSearch, parseDay, parseSearch } from "./search";

export interface SearchForm {
	from: string; to: string; subject: string; words: string; not: string; in: string; label: string; is: string;
	after: string; before: string; sizeOp: "larger" | "smaller"; size: string; sizeUnit: "" | "k" | "M" | "G"; hasAttachment: boolean;
}
export const EMPTY_FORM: SearchForm = { from: "", to: "", subject: "", words: "", not: "", in: "", label: "", is: "", after: "", before: "",
	sizeOp: "larger", size: "", sizeUnit: "M", hasAttachment: false };

const pad = (n: number, to: number) => String(n).padStart(to, "0");
const all = (of: Node[]): Node | null => of.length > 1 ? { kind: "and", of } : of[0] ?? null;

/** Put one term into its field; false: it has none, or the field is taken. */
function fill(f: SearchForm, n: Node): boolean {
	if (n.kind !== "term")
		return false;
	const { op, value } = n;
	switch (op) {
	case "from": case "to": case "subject": case "in": case "label":
		if (f[op])
			return false;
		f[op] = value.trim();
		return true;
	case "is": {
		const is = value.toLowerCase() === "starred" ? "flagged" : value.toLowerCase();
		if (f.is || !(IS_VALUES as readonly string[]).includes(is))
			return false;
		f.is = is;
		return true;
	}
	case "has":
		if (!/^attachments?$/i.test(value))
			return false;
		f.hasAttachment = true;
		return true;
	case "after": case "before": {
		const d = parseDay(value);
		if (f[op] || !d)
			return false;
		f[op] = `${pad(d.getFullYear(), 4)}-${pad(d.getMonth() + 1, 2)}-${pad(d.getDate(), 2)}`;
		return true;
	}
	case "larger": case "smaller": {
		const m = /^(\d+(?:\.\d+)?)([kmg]?)b?$/i.exec(value);
		if (f.size || !m)
			return false;
		f.sizeOp = op;
		f.size = m[1]!;
		f.sizeUnit = ({ k: "k", m: "M", g: "G" } as const)[m[2]!.toLowerCase() as "k"] ?? "";
		return true;
	}
	}
	return false;
}

export function formOf(text: string): SearchForm {
	const f = { ...EMPTY_FORM }, { node } = parseSearch(text);
	const words: Node[] = [], not: Node[] = [];
	for (const n of !node ? [] : node.kind === "and" ? node.of : [node]) {
		if (n.kind === "not" && n.of.kind === "term" && !n.of.op)
			not.push(n.of);
		else if (!fill(f, n))
			words.push(n);
	}
	f.words = formatSearch(all(words));
	f.not = formatSearch(all(not));
	return f;
}

export function textOf(f: SearchForm): string {
	const of: Node[] = [];
	const put = (op: string, value: string) => {
		const v = value.trim();
		if (v)
			of.push({ kind: "term", op, value: v, isPhrase: /\s/.test(v) });
	};
	put("from", f.from);
	put("to", f.to);
	put("subject", f.subject);
	put("in", f.in);
	put("label", f.label);
	put("is", f.is);
	put("after", f.after);
	put("before", f.before);
	if (/^\d+(\.\d+)?$/.test(f.size.trim()))
		put(f.sizeOp, f.size.trim() + f.sizeUnit);
	if (f.hasAttachment)
		put("has", "attachment");
	// behind the fields: of two of a kind the first is the field's
	const words = parseSearch(f.words).node, not = parseSearch(f.not).node;
	if (words)
		of.push(...(words.kind === "and" ? words.of : [words]));
	for (const n of !not ? [] : not.kind === "and" ? not.of : [not])
		of.push(n.kind === "not" ? n : { kind: "not", of: n }); // a minus is no second one here
	return formatSearch(all(of));
}
