/* A letter as Email/set creates it (RFC 8621 section 4.6), and a draft read back. The structure is said outright, so
 * that what leaves is what every mail program reads well:
 *
 *	plain			text/plain
 *	rich			multipart/alternative (text/plain, text/html)
 *	rich with images	multipart/alternative (text/plain, multipart/related (text/html, images))
 *	with files		multipart/mixed (one of these, the files)
 */

import { foldAddress, type Attachment, type EmailBodyPart, type Identity, type Letter, type Origin, type Person, type SourceEmail } from "./compose_types";

interface PartOut {
	type: string;
	partId?: string;
	blobId?: string;
	charset?: string;
	name?: string;
	cid?: string;
	disposition?: string;
	subParts?: PartOut[];
}

/** Of a draft only: what the letter is about besides what is sent. The field never leaves: what is sent is made
 * without it. */
export interface DraftNote {
	identityId: string | null;
	origin: Origin | null;
	instance: string; /* the composer that wrote it */
	save?: string; /* the one save that made it */
	format: Letter["format"];
}

export const DRAFT_FIELD = "header:X-Yizhan-Draft:asText";

/** What only the draft of this save has in its note. */
export function savedBy(save: string): string {
	return `save=${save}`;
}

export function writeNote(n: DraftNote): string {
	const words = [`format=${n.format}`, `instance=${n.instance}`];
	if (n.save)
		words.push(savedBy(n.save));
	if (n.identityId !== null)
		words.push(`identity=${n.identityId}`);
	if (n.origin !== null)
		words.push(`${n.origin.how}=${n.origin.emailId}`);
	if (n.origin?.accountId)
		words.push(`of=${n.origin.accountId}`);
	return words.join("; ");
}

export function readNote(text: string | null | undefined): DraftNote | null {
	if (!text)
		return null;
	const m = new Map<string, string>();
	for (const word of text.split(";")) {
		const [k, v] = word.trim().split("=");
		if (k && v && /^[\w-]+$/.test(v))
			m.set(k, v);
	}
	const reply = m.get("reply");
	const forward = m.get("forward");
	const whose = m.has("of") ? { accountId: m.get("of")! } : {};
	return {
		identityId: m.get("identity") ?? null,
		origin: reply ? { emailId: reply, how: "reply", ...whose } : forward ? { emailId: forward, how: "forward", ...whose } : null,
		instance: m.get("instance") ?? "",
		...(m.has("save") ? { save: m.get("save")! } : {}),
		format: m.get("format") === "plain" ? "plain" : "rich",
	};
}

function filePart(a: Attachment): PartOut {
	const part: PartOut = { type: a.type || "application/octet-stream", blobId: a.blobId!, name: a.name, disposition: a.cid ? "inline" : "attachment" };
	if (a.cid)
		part.cid = a.cid;
	return part;
}

export function usedCids(html: string): Set<string> {
	const used = new Set<string>();
	for (const m of html.matchAll(/\bsrc\s*=\s*(?:"cid:([^"]+)"|'cid:([^']+)')/gi)) {
		try {
			used.add(decodeURIComponent(m[1] ?? m[2]!));
		} catch {
			used.add(m[1] ?? m[2]!);
		}
	}
	return used;
}

/** Make a whole HTML part of the editor's. */
export function wholeHtml(html: string): string {
	return `<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>${html}</body></html>`;
}

export interface BuildOptions {
	identity: Identity | null;
	plainText: string; /* of the body; of a rich letter its text/plain half */
	mailboxId: string;
	sentAt: string; /* a date with its zone */
	messageId: string | null; /* for what is sent; null: the server's */
	isDraft: boolean;
	note: DraftNote | null;
}

export function buildEmail(letter: Letter, o: BuildOptions): Record<string, unknown> {
	const files = letter.attachments.filter((a) => a.blobId !== null);
	const cids = letter.format === "rich" ? usedCids(letter.html) : new Set<string>();
	const inline = files.filter((a) => a.cid !== null && cids.has(a.cid));
	/* an image that was taken out of the text goes with it; in a plain letter it is a file */
	const loose = files.filter((a) => a.cid === null || letter.format === "plain");
	const bodyValues: Record<string, { value: string }> = { text: { value: crlf(o.plainText) } };
	let body: PartOut = { type: "text/plain", partId: "text" };
	if (letter.format === "rich") {
		bodyValues.html = { value: wholeHtml(letter.html) };
		const html: PartOut = { type: "text/html", partId: "html" };
		body = {
			type: "multipart/alternative",
			subParts: [body, inline.length > 0 ? { type: "multipart/related", subParts: [html, ...inline.map(filePart)] } : html],
		};
	}
	if (loose.length > 0)
		body = { type: "multipart/mixed", subParts: [body, ...loose.map((a) => filePart({ ...a, cid: null }))] };
	const email: Record<string, unknown> = {
		mailboxIds: { [o.mailboxId]: true },
		keywords: { $draft: true, $seen: true }, /* $draft goes when it is sent: onSuccessUpdateEmail */
		from: [sender(letter, o.identity)].filter((p) => p !== null),
		to: people(letter.to),
		cc: people(letter.cc),
		bcc: people([...letter.bcc, ...missing(o.isDraft ? null : (o.identity?.bcc ?? null), letter.bcc)]),
		replyTo: people(o.identity?.replyTo ?? []),
		subject: letter.subject.replace(/[\u0000-\u001f\u007f]+/g, " "),
		sentAt: o.sentAt,
		inReplyTo: letter.inReplyTo,
		references: letter.references,
		bodyStructure: body,
		bodyValues,
	};
	if (o.messageId !== null)
		email.messageId = [o.messageId];
	if (o.note !== null)
		email[DRAFT_FIELD] = writeNote(o.note);
	for (const k of Object.keys(email)) {
		if (email[k] === null || (Array.isArray(email[k]) && (email[k] as unknown[]).length === 0))
			delete email[k];
	}
	return email;
}

/** A text of more characters than this does not travel within the request, which has a limit (maxSizeRequest), but as
 * octets of its own, as files do. */
export const TEXT_IN_REQUEST = 64 * 1024;

/** Take the long texts out of what buildEmail made; `upload` gives the blob's id. */
export async function uploadTexts(email: Record<string, unknown>, upload: (text: Blob) => Promise<string>): Promise<void> {
	const values = email.bodyValues as Record<string, { value: string }>;
	const walk = async (part: PartOut): Promise<void> => {
		const text = part.partId === undefined ? "" : values[part.partId]!.value;
		if (text.length > TEXT_IN_REQUEST) {
			part.blobId = await upload(new Blob([text.replace(/\n/g, "\r\n")], { type: part.type }));
			part.charset = "utf-8";
			delete values[part.partId!];
			delete part.partId;
		}
		for (const sub of part.subParts ?? [])
			await walk(sub);
	};
	await walk(email.bodyStructure as PartOut);
}

function missing(list: Person[] | null, there: Person[]): Person[] {
	const known = new Set(there.map((p) => foldAddress(p.email)));
	return (list ?? []).filter((p) => !known.has(foldAddress(p.email)));
}

export function sender(letter: Letter, identity: Identity | null): Person | null {
	if (letter.from !== null)
		return letter.from;
	return identity === null ? null : { name: identity.name || null, email: identity.email };
}

function people(list: readonly Person[]): Person[] {
	return list.map((p) => ({ name: p.name === "" ? null : p.name, email: p.email }));
}

function crlf(text: string): string {
	return text.replace(/\r\n?/g, "\n");
}

/** A date with the zone of this machine: what RFC 8621 calls Date. */
export function localDate(now: Date): string {
	const two = (n: number) => String(Math.trunc(Math.abs(n))).padStart(2, "0");
	const zone = -now.getTimezoneOffset();
	return (
		`${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}T${two(now.getHours())}:${two(now.getMinutes())}:` +
		`${two(now.getSeconds())}${zone === 0 ? "Z" : `${zone < 0 ? "-" : "+"}${two(zone / 60)}:${two(zone % 60)}`}`
	);
}

/** Message-ID, RFC 5322 section 3.6.4: unique by 128 random bits, under the sender's domain. */
export function newMessageId(random: string, from: string | undefined): string {
	const domain = /@([A-Za-z0-9.-]+)$/.exec(from ?? "")?.[1] ?? "localhost";
	return `${random}@${domain}`;
}

/** Parts of an Email that come along: files, and images that stand in the text. */
export function carriedParts(e: SourceEmail, newKey: () => string): Attachment[] {
	return e.attachments
		.filter((p): p is EmailBodyPart & { blobId: string } => p.blobId !== null)
		.map((p) => ({
			key: newKey(),
			name: p.name ?? defaultName(p.type),
			type: p.type,
			size: p.size,
			blobId: p.blobId,
			cid: p.cid !== null && (p.disposition === "inline" || p.type.startsWith("image/")) ? p.cid : null,
		}));
}

export function defaultName(type: string): string {
	if (type === "message/rfc822")
		return "message.eml";
	const ext = /^[\w-]+\/(?:x-)?([a-z0-9]{2,5})/i.exec(type)?.[1] ?? "bin";
	return `attachment.${ext === "jpeg" ? "jpg" : ext === "octet" ? "bin" : ext}`;
}

function bodyOf(e: SourceEmail, parts: EmailBodyPart[], type: string): string {
	return parts
		.filter((p) => p.type === type && p.partId !== null && e.bodyValues[p.partId])
		.map((p) => e.bodyValues[p.partId!]!.value)
		.join("\n");
}

export function textBodyOf(e: SourceEmail): string {
	return bodyOf(e, e.textBody, "text/plain").replace(/\r\n?/g, "\n");
}

export function htmlBodyOf(e: SourceEmail): string {
	return bodyOf(e, e.htmlBody, "text/html");
}

/** A draft as it was left (also one of another program). html is as the server has it: sanitise it. */
export function letterOfDraft(e: SourceEmail, identities: readonly Identity[], newKey: () => string): Letter {
	const note = readNote(e[DRAFT_FIELD]);
	const html = htmlBodyOf(e);
	const from = e.from?.[0] ?? null;
	const identity =
		identities.find((i) => i.id === note?.identityId) ??
		identities.find((i) => from !== null && foldAddress(i.email) === foldAddress(from.email)) ??
		null;
	const format = html !== "" && note?.format !== "plain" ? "rich" : "plain";
	return {
		identityId: identity?.id ?? null,
		from: from !== null && identity !== null && foldAddress(identity.email) !== foldAddress(from.email) ? from : null,
		to: e.to ?? [],
		cc: e.cc ?? [],
		bcc: e.bcc ?? [],
		subject: e.subject ?? "",
		format,
		html: format === "rich" ? html : "",
		text: textBodyOf(e),
		attachments: carriedParts(e, newKey),
		inReplyTo: e.inReplyTo,
		references: e.references,
		origin: note?.origin ?? null,
	};
}
