/* Plain text with its links found. Only what is plainly meant as a link becomes one: http, https, "www." and
 * addresses; the text stays as it was written. */

export interface Piece {
	text: string;
	href?: string;
}

/* The host tells where a link without blanks around it ends: behind an ASCII host, CJK letters and punctuation
 * are the sentence that goes on ("看https://example.org/a吧"). */
const START = /https?:\/\/|www\.(?=[a-z0-9])|[a-z0-9][\w.+-]*@(?=[a-z0-9])/gi;
const STOP = /[\s<>"\u201c\u201d\u2018\u2019\u00ab\u00bb\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u0000-\u001f\u202a-\u202e\u2066-\u2069]/;
const CJK = /[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;
const LINK_MAX = 2048;

function endOfUrl(text: string, from: number): number {
	let at = from;
	let hostIsAscii = true;
	let inHost = true;
	while (at < text.length && at - from < LINK_MAX) {
		const ch = text[at]!;
		if (STOP.test(ch))
			break;
		if (ch === "/" || ch === "?" || ch === "#")
			inHost = false;
		if (CJK.test(ch)) {
			if (inHost && at > from && /[a-z0-9]/i.test(text[at - 1]!) && hostIsAscii)
				break;
			if (inHost)
				hostIsAscii = false;
			else if (hostIsAscii)
				break;
		}
		at++;
	}
	return trimEnd(text, from, at);
}

/* Punctuation that ends the sentence, and closing brackets that the link did not open, are not its own. */
function trimEnd(text: string, from: number, end: number): number {
	for (;;) {
		const last = text[end - 1];
		if (end <= from || last === undefined)
			return end;
		if (/[.,;:!?'*_~|\\^`]/.test(last)) {
			end--;
			continue;
		}
		const open = last === ")" ? "(" : last === "]" ? "[" : last === "}" ? "{" : "";
		if (!open)
			return end;
		const own = text.slice(from, end);
		if (own.split(open).length >= own.split(last).length)
			return end;
		end--;
	}
}

function endOfAddress(text: string, from: number): number {
	const m = /^[a-z0-9-]+(\.[a-z0-9-]+)+/i.exec(text.slice(from, from + 255));
	if (!m)
		return -1;
	return from + m[0].replace(/[.-]+$/, "").length;
}

export function linkify(text: string): Piece[] {
	const pieces: Piece[] = [];
	let done = 0;
	START.lastIndex = 0;
	for (let m = START.exec(text); m; m = START.exec(text)) {
		const at = m.index;
		const after = at + m[0].length;
		const isAddress = m[0].endsWith("@");
		/* in the middle of a word it is none, but for CJK words, which have no blanks */
		if (at > 0 && /[\w@/.]/.test(text[at - 1]!))
			continue;
		const end = isAddress ? endOfAddress(text, after) : endOfUrl(text, after);
		if (end <= after)
			continue;
		const shown = text.slice(at, end);
		const href = isAddress ? "mailto:" + shown : m[0].toLowerCase() === "www." ? "http://" + shown : shown;
		if (!isAddress && !validUrl(href))
			continue;
		if (at > done)
			pieces.push({ text: text.slice(done, at) });
		pieces.push({ text: shown, href });
		done = end;
		START.lastIndex = end;
	}
	if (done < text.length || pieces.length === 0)
		pieces.push({ text: text.slice(done) });
	return pieces;
}

function validUrl(href: string): boolean {
	try {
		const u = new URL(href);
		return u.hostname.includes(".") || u.hostname === "localhost" || u.hostname.startsWith("[");
	} catch {
		return false;
	}
}
