/* The signature of the identity that writes: put in, and exchanged when another one is chosen, without touching
 * what somebody has written or changed in it. In plain text it follows "-- " (RFC 3676 section 4.3), in HTML it is
 * marked by a class that only we read. */

import { escapeHtml } from "./compose_text";
import type { Identity } from "./compose_types";

export const SIGNATURE_CLASS = "yz-signature";

export function plainSignature(i: Identity | null): string {
	return (i?.textSignature ?? "").replace(/\s+$/, "");
}

/** As HTML: the identity's own, else its plain one. Sanitised by whoever puts it into the editor. */
export function htmlSignature(i: Identity | null): string {
	if (i === null)
		return "";
	if (i.htmlSignature.trim() !== "")
		return i.htmlSignature;
	return plainSignature(i)
		.split("\n")
		.map((l) => (l === "" ? "<div><br></div>" : `<div>${escapeHtml(l)}</div>`))
		.join("")
		.replace(/^<div><br><\/div>$/, "");
}

/** An empty body with the signature, and the quote below it; the cursor belongs at the very start. */
export function plainBody(identity: Identity | null, quote: string): string {
	const signature = plainSignature(identity);
	let text = "";
	if (signature !== "")
		text += `\n\n-- \n${signature}\n`;
	if (quote !== "")
		text += `\n${signature === "" ? "\n" : ""}${quote}`;
	return text;
}

export function htmlBody(identity: Identity | null, quote: string): string {
	const signature = htmlSignature(identity);
	let html = "<div><br></div>";
	if (signature !== "")
		html += `<div><br></div><div class="${SIGNATURE_CLASS}">${signature}</div>`;
	if (quote !== "")
		html += `<div><br></div>${quote}`;
	return html;
}

/** Exchange the plain signature. A signature that was edited is somebody's text and stays. */
export function swapPlain(text: string, from: Identity | null, to: Identity | null): string {
	const old = plainSignature(from);
	const next = plainSignature(to);
	if (old === next)
		return text;
	if (old === "") {
		/* before the quote, else at the end */
		const at = quoteStart(text);
		const before = text.slice(0, at).replace(/\n+$/, "");
		const after = text.slice(at);
		return `${before}\n\n-- \n${next}\n${after === "" ? "" : `\n${after}`}`;
	}
	const whole = `-- \n${old}`;
	for (let at = text.indexOf(whole); at >= 0; at = text.indexOf(whole, at + 1)) {
		const end = at + whole.length;
		if ((at === 0 || text[at - 1] === "\n") && (end === text.length || text[end] === "\n"))
			return next === ""
				? text.slice(0, at).replace(/\n\n$/, "\n") + text.slice(end).replace(/^\n/, "")
				: `${text.slice(0, at)}-- \n${next}${text.slice(end)}`;
	}
	return text;
}

/** Where the quoted part of an answer begins: the attribution line and what is quoted to the end. */
function quoteStart(text: string): number {
	const lines = text.split("\n");
	let first = lines.length;
	while (first > 0 && (lines[first - 1]!.startsWith(">") || lines[first - 1] === ""))
		first--;
	while (first < lines.length && lines[first] === "")
		first++;
	if (first === lines.length)
		return text.length;
	if (first > 0 && /[:：]\s*$/.test(lines[first - 1]!))
		first--;
	return lines.slice(0, first).reduce((n, l) => n + l.length + 1, 0);
}
