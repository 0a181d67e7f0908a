/* What of a message is quoted, so that it can be folded behind "…". */

import type { Line } from "./flowed";

export interface Block {
	kind: "text" | "quote" | "signature";
	depth: number;
	lines: Line[];
	isFolded: boolean;
}

/* The line above a quote: "On 3 Nov, Ana wrote:", "Am 3.11. schrieb Ana:", "在 2026年11月3日，Ana 写道：". */
const ATTRIBUTION = /(wrote|writes|schrieb|schreef|a écrit|escribió|escreveu|ha scritto|skrev|написал\(?а?\)?|пишет|写道|寫道|のメール|さんは書きました)\s*[:：]?\s*$/i;
const ORIGINAL = /^\s*(-{2,}\s*(original message|forwarded message|ursprüngliche nachricht|message d'origine|原始邮件|转发邮件|原始郵件|元のメッセージ)\s*-{2,}|_{20,})\s*$/i;

/** Blocks of lines of the same kind. Folded is what stands at the end and is not the writer's own: the last quote
 * with the line that introduces it, or an "Original message" and all below it. Quotes between one's own lines
 * are answers to them and stay open. */
export function blocksOf(lines: Line[]): Block[] {
	const blocks: Block[] = [];
	let inSignature = false;
	for (const line of lines) {
		if (line.depth === 0 && line.text.replace(/\s+$/, "") === "--" && /^-- ?$/.test(line.text))
			inSignature = true;
		else if (line.depth > 0)
			inSignature = false;
		const kind = line.depth > 0 ? "quote" : inSignature ? "signature" : "text";
		const last = blocks[blocks.length - 1];
		if (last && last.kind === kind && last.depth === line.depth)
			last.lines.push(line);
		else
			blocks.push({ kind, depth: line.depth, lines: [line], isFolded: false });
	}
	return foldOriginal(foldLastQuote(blocks));
}

const isBlank = (b: Block): boolean => b.lines.every((l) => l.text.trim() === "");

function foldLastQuote(blocks: Block[]): Block[] {
	let end = blocks.length;
	while (end > 0 && (isBlank(blocks[end - 1]!) || blocks[end - 1]!.kind === "signature") && blocks[end - 1]!.kind !== "quote")
		end--;
	let first = end;
	while (first > 0 && (blocks[first - 1]!.kind === "quote" || (isBlank(blocks[first - 1]!) && first < end)))
		first--;
	while (first < end && blocks[first]!.kind !== "quote")
		first++;
	if (first >= end)
		return blocks;
	const before = blocks[first - 1];
	/* a message that is nothing but a quote hides nothing */
	if (!before || blocks.slice(0, first).every(isBlank))
		return blocks;
	for (let i = first; i < end; i++)
		blocks[i]!.isFolded = true;
	const cut = attributionStart(before.lines);
	if (cut === before.lines.length || cut === 0 && first === 1)
		return blocks;
	const intro: Block = { ...before, lines: before.lines.splice(cut), isFolded: true };
	blocks.splice(first, 0, intro);
	return blocks.filter((b) => b.lines.length > 0);
}

/** Where the attribution above a quote begins: at most three lines that end in "wrote:"; lines.length: there is
 * none. */
function attributionStart(lines: Line[]): number {
	let last = lines.length;
	while (last > 0 && lines[last - 1]!.text.trim() === "")
		last--;
	if (last === 0 || !(ATTRIBUTION.test(lines[last - 1]!.text) || /<[^<>@\s]+@[^<>@\s]+>.*[:：]\s*$/.test(lines[last - 1]!.text)))
		return lines.length;
	let first = last - 1;
	for (let back = 0; back < 2 && first > 0 && lines[first - 1]!.text.trim() !== ""; back++) {
		if (/[.!?。！？]\s*$/.test(lines[first - 1]!.text))
			break;
		first--;
	}
	return first;
}

function foldOriginal(blocks: Block[]): Block[] {
	for (let i = 0; i < blocks.length; i++) {
		const b = blocks[i]!;
		if (b.kind !== "text" || b.isFolded)
			continue;
		const at = b.lines.findIndex((l) => ORIGINAL.test(l.text));
		if (at < 0 || (at === 0 && i === 0) || b.lines.slice(0, at).every((l) => l.text.trim() === "") && i === 0)
			continue;
		/* a line of underscores alone is often just a line: a header block must follow */
		if (/^\s*_/.test(b.lines[at]!.text) && !b.lines.slice(at + 1, at + 4).some((l) => /^(from|von|de|发件人|寄件者|差出人)\s*[:：]/i.test(l.text.trim())))
			continue;
		const rest: Block = { ...b, lines: b.lines.splice(at), isFolded: true };
		blocks.splice(i + 1, 0, rest);
		for (let k = i + 2; k < blocks.length; k++)
			blocks[k]!.isFolded = true;
		return blocks.filter((x) => x.lines.length > 0);
	}
	return blocks;
}

/* ---- HTML ---- */

/* What mail programs put around what they quote. */
const QUOTE_MARKS = [
	".gmail_quote_container", "div.gmail_quote", "blockquote.gmail_quote", ".yahoo_quoted", ".protonmail_quote",
	"blockquote.tutanota_quote", ".moz-cite-prefix", "blockquote[type=cite]", "#divRplyFwdMsg", "#appendonsend",
	".zmail_extra", ".OutlookMessageHeader", "#isForwardContent", ".ntes-mailmaster-quote", "#isReplyContent",
	"includetail", ".yz-quote",
].join(",");

const hasText = (n: Node): boolean => {
	if (n.nodeType === 3)
		return (n.nodeValue ?? "").trim() !== "";
	if (n.nodeType !== 1)
		return false;
	const e = n as Element;
	if (/^(STYLE|HEAD|META|TITLE)$/.test(e.tagName))
		return false;
	return (e.textContent ?? "").trim() !== "" || e.querySelector("img") !== null || e.tagName === "IMG";
};

/* Behind these everything is the quote. */
const TO_THE_END = "#divRplyFwdMsg, #appendonsend, .OutlookMessageHeader, #isForwardContent, #isReplyContent";

/** Put the quote at the end of a body that is already clean into <details>; what it was put into, or null. With own
 * text behind it the quote is answered in pieces, then nothing is folded; neither is a body that is nothing but
 * a quote. */
export function foldQuote(body: Element, doc: Document): Element | null {
	for (const mark of body.querySelectorAll(QUOTE_MARKS)) {
		let first: Element = mark;
		let last: Element | null = mark;
		if (mark.matches(".moz-cite-prefix"))
			last = mark.nextElementSibling?.matches("blockquote") ? mark.nextElementSibling : mark;
		else if (mark.previousElementSibling?.matches(".moz-cite-prefix"))
			first = mark.previousElementSibling;
		else if (mark.matches(TO_THE_END))
			last = null;
		if (hasBeside(body, first, "previousSibling") && (!last || !hasBeside(body, last, "nextSibling")))
			return wrap(first, last, doc);
	}
	return null;
}

function hasBeside(body: Element, at: Node, side: "previousSibling" | "nextSibling"): boolean {
	for (let n: Node = at; n !== body && n.parentNode; n = n.parentNode)
		for (let s = n[side]; s; s = s[side])
			if (hasText(s))
				return true;
	return false;
}

/* `last` null: to the end of the parent. */
function wrap(first: Element, last: Element | null, doc: Document): Element {
	const details = doc.createElement("details");
	details.className = "yz-folded";
	const summary = doc.createElement("summary");
	summary.textContent = "…";
	details.append(summary);
	first.parentNode!.insertBefore(details, first);
	for (let n: Node | null = first; n; ) {
		const next: Node | null = n === last ? null : n.nextSibling;
		details.append(n);
		n = next;
	}
	return details;
}
