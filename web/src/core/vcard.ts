/* vCards (RFC 6350, and 3.0 and 2.1 as address books still write them): read for import, written as 4.0. Only what
 * a book of addresses has: names, mail addresses, telephone numbers, organisation, note. */

export interface Card {
	name: string;
	emails: { email: string; label: string }[];
	phones: { number: string; label: string }[];
	org: string;
	note: string;
}

export const CARDS_MAX = 5000; /* of one file */
export const CARD_FILE_MAX = 20 << 20; /* octets */

interface Line {
	name: string;
	params: Map<string, string[]>;
	value: string;
}

/** RFC 6350 section 3.2: a line that begins with a blank goes on; quoted-printable of 2.1 goes on after "=". */
function unfold(text: string): string[] {
	const out: string[] = [];
	for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
		const last = out[out.length - 1];
		if (last !== undefined && /^[ \t]/.test(line))
			out[out.length - 1] = last + line.slice(1);
		else if (last !== undefined && last.endsWith("=") && /;ENCODING=QUOTED-PRINTABLE/i.test(last))
			out[out.length - 1] = last.slice(0, -1) + line;
		else
			out.push(line);
	}
	return out;
}

function readLine(line: string): Line | null {
	let quoted = false;
	let colon = -1;
	for (let i = 0; i < line.length && colon < 0; i++) {
		if (line[i] === '"')
			quoted = !quoted;
		else if (line[i] === ":" && !quoted)
			colon = i;
	}
	if (colon < 1)
		return null;
	const parts = line.slice(0, colon).match(/(?:[^;"]|"[^"]*")+/g) ?? [];
	const params = new Map<string, string[]>();
	for (const p of parts.slice(1)) {
		const eq = p.indexOf("=");
		const key = (eq < 0 ? "TYPE" : p.slice(0, eq)).toUpperCase();
		const values = (eq < 0 ? p : p.slice(eq + 1)).replace(/"/g, "").split(",");
		params.set(key, [...(params.get(key) ?? []), ...values]);
	}
	return { name: parts[0]!.replace(/^[^.]*\./, "").toUpperCase(), params, value: line.slice(colon + 1) };
}

function decodeQuoted(value: string, charset: string): string {
	const octets: number[] = [];
	for (let i = 0; i < value.length; i++) {
		const hex = value[i] === "=" ? /^[0-9A-F]{2}/i.exec(value.slice(i + 1)) : null;
		if (hex) {
			octets.push(parseInt(hex[0], 16));
			i += 2;
		} else {
			octets.push(...new TextEncoder().encode(value[i]!));
		}
	}
	try {
		return new TextDecoder(charset).decode(new Uint8Array(octets));
	} catch {
		return new TextDecoder().decode(new Uint8Array(octets));
	}
}

function valueOf(l: Line): string {
	const isQuoted = l.params.get("ENCODING")?.some((e) => /^quoted-printable$/i.test(e)) || l.params.get("TYPE")?.includes("QUOTED-PRINTABLE");
	return isQuoted ? decodeQuoted(l.value, l.params.get("CHARSET")?.[0] ?? "utf-8") : l.value;
}

function unescape(text: string): string {
	return text.replace(/\\([nN,;:\\])/g, (_, c: string) => (c === "n" || c === "N" ? "\n" : c)).trim();
}

/** Parts of a structured value, at semicolons that are not escaped. */
function components(text: string): string[] {
	return (text.match(/(?:\\.|[^;\\])*(?:;|$)/gs) ?? []).map((p) => unescape(p.replace(/;$/, "")));
}

function labelOf(l: Line): string {
	const known = (l.params.get("TYPE") ?? []).map((v) => v.toLowerCase());
	return known.includes("work") ? "work" : known.includes("home") ? "home" : known.includes("cell") ? "mobile" : "";
}

/** All cards of a file; those without a name and without an address are left out. */
export function parseCards(text: string): Card[] {
	const cards: Card[] = [];
	let card: Card | null = null;
	let structured = "";
	let depth = 0;
	for (const raw of unfold(text.replace(/^\ufeff/, ""))) {
		const l = readLine(raw);
		if (l === null)
			continue;
		if (l.name === "BEGIN" && /^vcard$/i.test(l.value.trim())) {
			if (depth++ === 0) {
				card = { name: "", emails: [], phones: [], org: "", note: "" };
				structured = "";
			}
			continue;
		}
		if (l.name === "END" && /^vcard$/i.test(l.value.trim())) {
			if (card !== null && --depth === 0) {
				card.name ||= structured || card.org;
				if ((card.name !== "" || card.emails.length > 0) && cards.length < CARDS_MAX)
					cards.push(card);
				card = null;
			}
			continue;
		}
		if (card === null || depth !== 1)
			continue;
		const value = valueOf(l);
		switch (l.name) {
		case "FN":
			card.name ||= unescape(value);
			break;
		case "N": {
			const [family = "", given = "", middle = ""] = components(value);
			structured = isHan(family + given) ? family + given : [given, middle, family].filter(Boolean).join(" ");
			break;
		}
		case "EMAIL": {
			const email = unescape(value).replace(/^mailto:/i, "");
			if (email.includes("@") && !card.emails.some((e) => e.email.toLowerCase() === email.toLowerCase()))
				card.emails.push({ email, label: labelOf(l) });
			break;
		}
		case "TEL":
			card.phones.push({ number: unescape(value).replace(/^tel:/i, ""), label: labelOf(l) });
			break;
		case "ORG":
			card.org ||= components(value).filter(Boolean).join(", ");
			break;
		case "NOTE":
			card.note ||= unescape(value);
			break;
		}
	}
	return cards;
}

function isHan(text: string): boolean {
	return /^[\p{Script=Han}]+$/u.test(text);
}

function escape(text: string): string {
	return text.replace(/([\\,;])/g, "\\$1").replace(/\r\n?|\n/g, "\\n");
}

/** RFC 6350 section 3.2: at most 75 octets a line, never within a character. */
function fold(line: string): string {
	const encoder = new TextEncoder();
	let out = "";
	let octets = 0;
	for (const c of line) {
		const n = encoder.encode(c).length;
		if (octets + n > 74) {
			out += "\r\n ";
			octets = 1;
		}
		out += c;
		octets += n;
	}
	return out + "\r\n";
}

export function formatCards(cards: readonly Card[]): string {
	let out = "";
	for (const c of cards) {
		out += fold("BEGIN:VCARD") + fold("VERSION:4.0") + fold(`FN:${escape(c.name || c.emails[0]?.email || "")}`);
		for (const e of c.emails)
			out += fold(`EMAIL${type(e.label)}:${escape(e.email)}`);
		for (const p of c.phones)
			out += fold(`TEL${type(p.label === "mobile" ? "cell" : p.label)};VALUE=text:${escape(p.number)}`);
		if (c.org)
			out += fold(`ORG:${escape(c.org)}`);
		if (c.note)
			out += fold(`NOTE:${escape(c.note)}`);
		out += fold("END:VCARD");
	}
	return out;
}

function type(label: string): string {
	return label ? `;TYPE=${label}` : "";
}
