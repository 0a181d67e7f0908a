/* What is asked before a letter goes, all at once, in one dialog. */

import { foldAddress, type Letter } from "./compose_types";
import { isAddress } from "./address";
import { withoutSignature } from "./compose_quote";

export type Check =
	| { kind: "noRecipient" }
	| { kind: "badAddress"; addresses: string[] }
	| { kind: "noSubject" }
	| { kind: "noAttachment"; word: string }
	| { kind: "uploading"; names: string[] }
	| { kind: "outside"; addresses: string[] };

/** These cannot be waved through. */
export function isBlocking(c: Check): boolean {
	return c.kind === "noRecipient" || c.kind === "badAddress" || c.kind === "uploading";
}

/* "attached", "attachment(s)", "enclosed", "see the file" …; in Chinese what is sent along is 附件, 附上, 随信. */
const ATTACHED =
	/\b(?:(?:is|are|i(?:'ve|\u2019ve| have)?|have|please find|find|see(?: the)?|the|here(?:'s|\u2019s| is| are)?)\s+)?(?:attach(?:ed|ing|ment|ments)|enclosed|enclosing)\b/iu;
const ATTACH_I = /\b(?:i(?:'m|\u2019m| am|'ll|\u2019ll| will)?|we|to)\s+(?:attach|enclose)\b/iu;
const CHINESE = /附件|附上|附檔|附图|附圖|随信附|隨信附|随函附|隨函附|见附|見附|已附|附了|附在|附加文件|附加檔案/u;

/** The word in what we wrote ourselves (quotes and signature do not count) that promises a file; null: none. */
export function promisedAttachment(subject: string, ownText: string): string | null {
	for (const text of [ownText, subject]) {
		for (const pattern of [ATTACHED, ATTACH_I, CHINESE]) {
			const m = pattern.exec(text);
			if (m)
				return m[0].trim();
		}
	}
	return null;
}

/** What of a plain body was written by us: no lines with ">", no attribution line above them, no signature, nothing
 * below a forwarded header. */
export function ownText(text: string): string {
	const lines = withoutSignature(text.split(/\n-{5,} [^\n]+ -{5,}\n/)[0]!).split("\n");
	return lines
		.filter((l, i) => !l.startsWith(">") && !(/[:：]\s*$/.test(l) && (lines[i + 1] ?? "").startsWith(">")))
		.join("\n");
}

export interface CheckOptions {
	plainText: string; /* of the body, whatever its format */
	uploading: string[]; /* names of files that are still on their way */
	ownDomains: string[]; /* for `outside`; empty: not asked */
}

export function checkLetter(letter: Letter, options: CheckOptions): Check[] {
	const checks: Check[] = [];
	const all = [...letter.to, ...letter.cc, ...letter.bcc];
	if (all.length === 0)
		checks.push({ kind: "noRecipient" });
	const bad = all.filter((p) => !isAddress(p.email)).map((p) => p.email);
	if (bad.length > 0)
		checks.push({ kind: "badAddress", addresses: bad });
	if (options.uploading.length > 0)
		checks.push({ kind: "uploading", names: options.uploading });
	if (letter.subject.trim() === "")
		checks.push({ kind: "noSubject" });
	if (!letter.attachments.some((a) => a.cid === null)) {
		const word = promisedAttachment(letter.subject, ownText(options.plainText));
		if (word !== null && !(letter.origin !== null && ownText(options.plainText).trim() === ""))
			checks.push({ kind: "noAttachment", word });
	}
	if (options.ownDomains.length > 0) {
		const own = new Set(options.ownDomains.map(foldAddress));
		const outside = all
			.filter((p) => !own.has(foldAddress(p.email.slice(p.email.lastIndexOf("@") + 1))))
			.map((p) => p.email);
		if (outside.length > 0)
			checks.push({ kind: "outside", addresses: outside });
	}
	return checks;
}
