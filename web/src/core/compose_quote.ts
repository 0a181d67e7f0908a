/* What an answer or a forwarded letter begins with: the quoted text in both forms. The HTML that comes in here has
 * been through the sanitizer already. Words of people's languages are handed in (`words`). */

import { escapeHtml, htmlOfText } from "./compose_text";
import { formatAddress } from "./address";
import type { Person, SourceEmail } from "./compose_types";

export interface QuoteWords {
	attribution(date: string, who: string): string; /* "On 3 Nov 2026, 10:41, Ana <a@b> wrote:" */
	forwarded: string; /* "Forwarded message" */
	from: string;
	date: string;
	subject: string;
	to: string;
	cc: string;
	formatDate(iso: string): string;
}

export interface Quoted {
	text: string;
	html: string;
}

function writer(of: SourceEmail): string {
	const p = of.from?.[0] ?? of.sender?.[0];
	return p ? formatAddress(p) : "?";
}

/** "> " before each line; lines that are quoted already get a ">" only. The signature (after "-- ") stays out. */
export function quoteText(text: string): string {
	return withoutSignature(text)
		.replace(/\s+$/, "")
		.split("\n")
		.map((l) => (l.startsWith(">") ? `>${l}` : l === "" ? ">" : `> ${l}`))
		.join("\n");
}

/** RFC 3676 section 4.3: "-- " alone on a line; everything behind it, unless that is more than a signature has. */
export function withoutSignature(text: string): string {
	const lines = text.replace(/\r\n?/g, "\n").split("\n");
	const at = lines.lastIndexOf("-- ");
	return at >= 0 && lines.length - at <= 12 ? lines.slice(0, at).join("\n") : lines.join("\n");
}

export function quoteReply(of: SourceEmail, body: Quoted, words: QuoteWords): Quoted {
	const line = words.attribution(words.formatDate(of.sentAt ?? of.receivedAt), writer(of));
	return {
		text: `${line}\n${quoteText(body.text)}`,
		html: `<div>${escapeHtml(line)}</div><blockquote type="cite">${body.html || htmlOfText(withoutSignature(body.text))}</blockquote>`,
	};
}

function people(list: Person[] | null): string {
	return (list ?? []).map(formatAddress).join(", ");
}

export function quoteForward(of: SourceEmail, body: Quoted, words: QuoteWords): Quoted {
	const fields: [string, string][] = [
		[words.from, people(of.from)],
		[words.date, words.formatDate(of.sentAt ?? of.receivedAt)],
		[words.subject, of.subject ?? ""],
		[words.to, people(of.to)],
		[words.cc, people(of.cc)],
	];
	const shown = fields.filter(([, v]) => v !== "");
	const rule = `---------- ${words.forwarded} ----------`;
	return {
		text: `${rule}\n${shown.map(([k, v]) => `${k}: ${v}`).join("\n")}\n\n${body.text}`,
		html:
			`<div>${escapeHtml(rule)}</div>` +
			shown.map(([k, v]) => `<div><b>${escapeHtml(k)}:</b> ${escapeHtml(v)}</div>`).join("") +
			`<div><br></div><div>${body.html || htmlOfText(body.text)}</div>`,
	};
}

/** Enter within a quoted line of plain text splits the quote: an empty line to write on, and what followed is
 * quoted again. null: the cursor is not in a quote. */
export function splitQuote(text: string, at: number): { text: string; cursor: number } | null {
	const start = text.lastIndexOf("\n", at - 1) + 1;
	const found = text.indexOf("\n", start);
	const end = found < 0 ? text.length : found;
	const prefix = /^(?:> ?)+/.exec(text.slice(start, end))?.[0];
	if (prefix === undefined)
		return null;
	let before: string;
	let after: string;
	if (at - start <= prefix.length) {
		before = text.slice(0, start);
		after = text.slice(start);
	} else {
		before = `${text.slice(0, at).replace(/[ \t]+$/, "")}\n`;
		const rest = text.slice(at, end).trimStart();
		after = rest === "" ? text.slice(Math.min(end + 1, text.length)) : prefix + rest + text.slice(end);
	}
	const gap = before === "" || before.endsWith("\n\n") ? "" : "\n";
	return { text: `${before}${gap}\n\n${after}`, cursor: before.length + gap.length };
}
