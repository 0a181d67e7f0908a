// A letter as a file: its name, and several of them as one.

import type { Jmap } from "./jmap";
import { NetworkError } from "./jmap";
import type { Email, Id } from "./types";
import { zip } from "./zip";

export const ZIP_MAX = 200 << 20; // octets that are put together in the browser
export const ZIP_LETTERS_MAX = 2000;
const AT_ONCE = 4;

export type Letter = Pick<Email, "blobId" | "subject" | "size">;

/** Of the subject, without what a file system or a reader of names could stumble over. */
export function emlName(email: { subject: string | null }, otherwise: string): string {
	const words = (email.subject ?? "").replace(/[\u0000-\u001f\u007f<>:"/\\|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069]+/g, " ").replace(/\s+/g, " ").trim().replace(/^\.+/, "");
	return (words.slice(0, 80) || otherwise) + ".eml";
}

export function isTooMuch(letters: readonly Letter[]): boolean {
	return letters.length > ZIP_LETTERS_MAX || letters.reduce((n, l) => n + l.size, 0) > ZIP_MAX;
}

/** A zip of letters, octet for octet as the server has them. */
export async function zipLetters(jmap: Jmap, accountId: Id, letters: readonly Letter[], otherwise: string, get: typeof fetch = (...a) => fetch(...a)): Promise<Blob> {
	const files = new Array<{ name: string; octets: Uint8Array }>(letters.length);
	let next = 0;
	const work = async () => {
		for (let i = next++; i < letters.length; i = next++) {
			const l = letters[i]!;
			const answer = await get(jmap.downloadUrl(l.blobId, "letter", "application/octet-stream", accountId), { credentials: "same-origin" });
			if (answer.status === 401)
				jmap.ended();
			if (!answer.ok)
				throw new NetworkError(String(answer.status));
			files[i] = { name: emlName(l, otherwise), octets: new Uint8Array(await answer.arrayBuffer()) };
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	return zip(files);
}
