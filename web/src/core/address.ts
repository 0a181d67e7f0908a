// Addresses as people type and paste them, and as they are shown.

import type { EmailAddress } from "./types";

const ATOM = /^[^\s()<>@,;:\\"[\]]+$/u;

/** Is it one that mail can go to? (RFC 5321's form, with names of any script.) */
export function isAddress(text: string): boolean {
	const at = text.lastIndexOf("@");
	if (at < 1 || at === text.length - 1 || text.length > 320)
		return false;
	const local = text.slice(0, at), domain = text.slice(at + 1);
	const isLocal = local.startsWith('"') ? /^"(?:[^"\\\r\n]|\\.)*"$/.test(local) : ATOM.test(local) && !/^\.|\.$|\.\./.test(local);
	const isDomain = /^\[[\w.:-]+\]$/.test(domain) || (ATOM.test(domain) && domain.split(".").every((l) => l.length > 0 && l.length < 64
		&& !l.startsWith("-") && !l.endsWith("-")));
	return isLocal && isDomain;
}

/** Cut at commas, semicolons and line ends that stand outside quotes, comments and angle brackets. */
function pieces(text: string): string[] {
	const out: string[] = [];
	let now = "", isQuoted = false, isAngle = false, depth = 0;
	for (let i = 0; i < text.length; i++) {
		const c = text[i]!;
		if (isQuoted) {
			if (c === "\\" && i + 1 < text.length)
				now += c + text[++i];
			else {
				now += c;
				isQuoted = c !== '"';
			}
			continue;
		}
		if (c === '"' && depth === 0 && (isAngle || /(^|[\s<:,;])$/.test(now)))
			isQuoted = text.indexOf('"', i + 1) > 0;
		else if (c === "(")
			depth++;
		else if (c === ")" && depth)
			depth--;
		else if (c === "<")
			isAngle = true;
		else if (c === ">")
			isAngle = false;
		if (depth === 0 && ((!isAngle && (c === "," || c === ";")) || c === "\n" || c === "\r")) {
			out.push(now);
			now = "";
			isAngle = false;
		} else {
			now += c;
		}
	}
	out.push(now);
	return out.map((p) => p.trim()).filter(Boolean);
}

function unquote(text: string): string {
	const t = text.trim();
	return /^".*"$/s.test(t) ? t.slice(1, -1).replace(/\\(.)/gs, "$1").trim() : t;
}

function parseOne(text: string): EmailAddress[] {
	const angle = /^(.*)<\s*(?:mailto:)?([^<>]*?)\s*>[^<>]*$/s.exec(text);
	if (angle) {
		const name = unquote(angle[1]!.replace(/\([^()]*\)/g, " "));
		return [{ name: name || null, email: angle[2]! }];
	}
	const comment = /^(\S+@\S+)\s*\(([^()]*)\)$/.exec(text);
	if (comment)
		return [{ name: comment[2]!.trim() || null, email: comment[1]! }];
	// "ana@x.org bob@y.org": several with blanks between, as columns of a table are pasted
	const words = text.split(/\s+/);
	if (words.length > 1 && words.every(isAddress))
		return words.map((email) => ({ name: null, email }));
	// "Ana Lima ana@x.org"
	const last = words[words.length - 1]!;
	if (words.length > 1 && isAddress(last))
		return [{ name: unquote(words.slice(0, -1).join(" ")) || null, email: last }];
	return [{ name: null, email: text.replace(/^mailto:/i, "") }];
}

/** A list as it was typed or pasted. What is no address stays in it, for the chip to say so. */
export function parseAddresses(text: string): EmailAddress[] {
	return pieces(text.replace(/^[^:<>"@,]*:(?=[^/])((?:.|\n)*);\s*$/, "$1")).flatMap(parseOne);
}

export function formatAddress(a: EmailAddress): string {
	if (!a.name)
		return a.email;
	const name = /^[\p{L}\p{N}\p{M} !#$%&'*+/=?^_`{|}~-]+$/u.test(a.name) ? a.name : '"' + a.name.replace(/["\\]/g, "\\$&") + '"';
	return `${name} <${a.email}>`;
}

/** What a list calls somebody: the name, or what stands before the @. */
export function shortName(a: EmailAddress): string {
	return a.name?.trim() || a.email.split("@")[0] || a.email;
}

/** The first name, where a list has many. */
export function firstName(a: EmailAddress): string {
	const n = shortName(a);
	const comma = /^[^,]+,\s*(\S+)/.exec(n);
	return comma ? comma[1]! : n.split(/\s+/)[0]!;
}

export function sameAddress(a: string, b: string): boolean {
	return a.trim().toLowerCase() === b.trim().toLowerCase();
}

export function domainOf(email: string): string {
	return email.slice(email.lastIndexOf("@") + 1).toLowerCase();
}
