// Encoded words (RFC 2047) where none may stand, as many programs write them: in quotes, against other text, against
// each other, with blanks inside. A JMAP server must leave these as they are (RFC 8621 section 4.1.2.2); people want to
// read them.
import type { Email, EmailAddress } from "./types";

const WORD = /=\?([\w.:-]+)(?:\*[\w-]*)?\?([bq])\?([^?]*)\?=/i;
const RUN = new RegExp(`(?:${WORD.source})(?:\\s*${WORD.source})*`, "gi");

function octets(coding: string, text: string): Uint8Array | null {
	if (coding.toLowerCase() === "b") {
		try {
			return Uint8Array.from(atob(text.replace(/\s+/g, "")), (c) => c.charCodeAt(0));
		} catch {
			return null;
		}
	}
	const plain = new TextEncoder().encode(text.replace(/_/g, " "));
	const out: number[] = [];
	for (let i = 0; i < plain.length; i++) {
		const hex = plain[i] === 0x3d ? String.fromCharCode(plain[i + 1] ?? 0, plain[i + 2] ?? 0) : "";
		if (/^[0-9a-f]{2}$/i.test(hex)) {
			out.push(parseInt(hex, 16));
			i += 2;
		} else
			out.push(plain[i]!);
	}
	return Uint8Array.from(out);
}

/** Words that follow each other: of one charset they are one text, also where a character was cut. */
function readRun(run: string): string {
	let text = "", charset = "", decoder: TextDecoder | null = null;
	for (const [all, name, coding, content] of run.matchAll(new RegExp(WORD.source, "gi"))) {
		const bytes = octets(coding!, content!);
		try {
			if (!decoder || charset !== name!.toLowerCase()) {
				const next = new TextDecoder(name!);
				text += decoder?.decode() ?? "";
				decoder = next;
				charset = name!.toLowerCase();
			}
		} catch {
			return run;
		}
		text += bytes ? decoder.decode(bytes, { stream: true }) : all;
	}
	return (text + (decoder?.decode() ?? "")).replace(/[\u0000-\u001f\u007f]+/g, "");
}

export function looseWords(text: string): string {
	return text.includes("=?") ? text.replace(RUN, readRun) : text;
}

const PEOPLE = ["from", "to", "cc", "bcc", "replyTo", "sender"] as const;

/** What is shown of an Email, made readable. */
export function easeWords(email: Partial<Email>) {
	if (email.subject)
		email.subject = looseWords(email.subject);
	for (const field of PEOPLE)
		email[field]?.forEach((p: EmailAddress) => {
			if (p.name)
				p.name = looseWords(p.name);
		});
}
