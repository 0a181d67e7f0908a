// Mailboxes as files, by the two routes that are no JMAP (docs/moving.md).

import { type Jmap, NetworkError, RequestError, SessionEnded } from "./jmap";
import type { Id } from "./types";

const PIECE = 8 << 20; // what came is put into a Blob, which a browser may keep on disk

export interface Counts { added: number; present: number; bad: number }

export interface ExportRequest {
	jmap: Jmap; mailboxId: Id; name: string; as: "mbox" | "zip"; signal: AbortSignal;
	/** In octets; the total is about right. */
	onProgress(done: number, total: number): void;
}
/** Rejects with AbortError, NetworkError, RequestError (409: too much for a zip) or SessionEnded. */
export async function exportFile({ jmap, mailboxId, name, as, signal, onProgress }: ExportRequest): Promise<{ blob: Blob; messages: number }> {
	const url = `/jmap/export/${[jmap.accountId, mailboxId, name].map(encodeURIComponent).join("/")}?as=${as}`;
	const parts: Blob[] = [];
	let piece: BlobPart[] = [], held = 0, done = 0;
	const keep = () => {
		parts.push(new Blob(piece));
		piece = [];
		held = 0;
	};
	try {
		const answer = await fetch(url, { credentials: "same-origin", headers: { "X-Yizhan": "1" }, signal });
		if (answer.status === 401) {
			jmap.ended();
			throw new SessionEnded();
		}
		if (!answer.ok || !answer.body)
			throw new RequestError(answer.status, "export");
		const total = Number(answer.headers.get("X-Yizhan-Octets") ?? 0);
		for (const reader = answer.body.getReader(); ;) {
			const { done: isOver, value } = await reader.read();
			if (isOver)
				break;
			piece.push(value as BlobPart);
			held += value.length;
			done += value.length;
			if (held >= PIECE)
				keep();
			onProgress(Math.min(done, total), total);
		}
		keep();
		return { blob: new Blob(parts, { type: as === "zip" ? "application/zip" : "application/mbox" }), messages: Number(answer.headers.get("X-Yizhan-Messages") ?? 0) };
	} catch (e) {
		throw e instanceof TypeError ? new NetworkError(e.message) : e;
	}
}

/** The lines of an import's answer, as far as they have come: how many it has read, and how it ended. */
export function importLines(text: string): { read: number; end: Counts | null; error: string | null } {
	const out: { read: number; end: Counts | null; error: string | null } = { read: 0, end: null, error: null };
	for (const line of text.split("\n").slice(0, -1)) { // what follows the last LF has not come whole
		if (!line.trim())
			continue;
		const said = JSON.parse(line) as Partial<Counts> & { done?: number; end?: Counts; error?: string };
		out.read = said.done ?? out.read;
		out.end = said.end ?? out.end;
		out.error = said.error ?? out.error;
	}
	return out;
}

export interface ImportRequest {
	jmap: Jmap; mailboxId: Id; file: Blob; signal: AbortSignal;
	onSent(octets: number): void;
	onRead(letters: number): void;
}
/** Rejects as exportFile does; a RequestError's type is the error of the answer's last line. */
export function importFile({ jmap, mailboxId, file, signal, onSent, onRead }: ImportRequest): Promise<Counts> {
	const xhr = new XMLHttpRequest(); // fetch tells no progress of what is sent
	const stop = () => xhr.abort();
	return new Promise<Counts>((resolve, reject) => {
		xhr.open("POST", `/jmap/import/${[jmap.accountId, mailboxId].map(encodeURIComponent).join("/")}`);
		xhr.setRequestHeader("Content-Type", "application/octet-stream");
		xhr.setRequestHeader("X-Yizhan", "1");
		xhr.upload.onprogress = (e) => onSent(Math.min(e.loaded, file.size));
		xhr.onprogress = () => {
			if (xhr.status === 200)
				onRead(importLines(xhr.responseText).read);
		};
		xhr.onerror = () => reject(new NetworkError("import"));
		xhr.onabort = () => reject(new DOMException("canceled", "AbortError"));
		xhr.onload = () => {
			if (xhr.status === 401) {
				jmap.ended();
				return reject(new SessionEnded());
			}
			if (xhr.status !== 200)
				return reject(new RequestError(xhr.status, "import"));
			try {
				const { end, error } = importLines(xhr.responseText);
				if (end && !error)
					resolve(end);
				else
					reject(error ? new RequestError(200, error) : new NetworkError("the answer was cut off"));
			} catch (e) {
				reject(new NetworkError(String(e)));
			}
		};
		signal.addEventListener("abort", stop);
		if (signal.aborted)
			return reject(new DOMException("canceled", "AbortError"));
		xhr.send(file);
	}).finally(() => signal.removeEventListener("abort", stop));
}
