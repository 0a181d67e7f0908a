// What the reader fetches: whole messages (kept for a while: they never change but for keywords and folders, which
// the store follows), what is known of their senders, pictures, and octets of parts.

import { CAPABILITIES } from "../../core/jmap";
import { namesakeOf } from "../../core/facts-of-mail";
import type { RawField } from "../../core/authres";
import type { Email, EmailBodyPart, GetResponse, Id, QueryResponse } from "../../core/types";
import { jmap } from "../app";
import { accountOf, here } from "../spaces";

export const BODY_MAX = 1 << 20; // octets of text that are fetched at first
const WHOLE_MAX = 64 << 20; // … when somebody wants all of it
const KEPT = 80; // messages
export const PART_PROPERTIES = ["partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location",
	"header:Content-Type:asRaw"];
const PROPERTIES = ["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "sentAt", "messageId", "from", "sender", "to",
	"cc", "bcc", "replyTo", "subject", "hasAttachment", "preview", "textBody", "htmlBody", "attachments", "bodyValues", "headers",
	"header:List-Unsubscribe:asURLs", "header:List-Unsubscribe-Post:asText", "header:List-Id:asText"];
const PARSE_PROPERTIES = ["size", "sentAt", "from", "sender", "to", "cc", "bcc", "replyTo", "subject", "textBody", "htmlBody", "attachments",
	"bodyValues", "headers"];

export interface FullEmail extends Email {
	headers: RawField[];
	textBody: EmailBodyPart[];
	htmlBody: EmailBodyPart[];
	attachments: EmailBodyPart[];
	bodyValues: Record<string, { value: string; isEncodingProblem: boolean; isTruncated: boolean }>;
	"header:List-Unsubscribe:asURLs"?: string[] | null;
	"header:List-Unsubscribe-Post:asText"?: string | null;
	"header:List-Id:asText"?: string | null;
}

const kept = new Map<Id, Promise<FullEmail>>();

/** What is read is of the account that the address names. */
const account = () => accountOf(here.peek());
const keyOf = (id: Id) => `${account()} ${id}`;

function keep(id: Id, what: Promise<FullEmail>): Promise<FullEmail> {
	kept.delete(id);
	kept.set(id, what);
	what.catch(() => kept.delete(id));
	for (const old of [...kept.keys()].slice(0, Math.max(0, kept.size - KEPT)))
		kept.delete(old);
	return what;
}

async function fetchFull(ids: Id[], max: number): Promise<FullEmail[]> {
	const got = await jmap.call<GetResponse<FullEmail>>("Email/get", { accountId: account(), ids, properties: PROPERTIES, bodyProperties: PART_PROPERTIES,
		fetchTextBodyValues: true, fetchHTMLBodyValues: true, maxBodyValueBytes: max });
	return got.list;
}

const one = async (id: Id, max: number): Promise<FullEmail> => {
	const [email] = await fetchFull([id], max);
	if (!email)
		throw new Error("gone");
	return email;
};
/** A message with its text. */
export function loadFull(id: Id): Promise<FullEmail> {
	const had = kept.get(keyOf(id));
	return keep(keyOf(id), had ?? one(id, BODY_MAX));
}
/** The same without a bound on the text's length. */
export function loadWhole(id: Id): Promise<FullEmail> {
	return keep(keyOf(id), one(id, WHOLE_MAX));
}

/** A conversation's messages as a list shows them; then those are fetched whole that will be open. */
export async function loadThread(threadId: Id): Promise<void> {
	const { store } = here.peek();
	await store.thread.load([threadId]);
	await store.email.load(store.thread.peek(threadId)?.emailIds ?? []);
}
export async function prefetchThread(threadId: Id): Promise<void> {
	const { store } = here.peek();
	await loadThread(threadId);
	const emails = (store.thread.peek(threadId)?.emailIds ?? []).map((id) => store.email.peek(id)).filter((e): e is Email => !!e);
	const wanted = emails.filter((e, i) => i === emails.length - 1 || !e.keywords.$seen).slice(-3);
	await Promise.all(wanted.map((e) => loadFull(e.id).catch(() => null)));
}

/** A message within a message (RFC 8621 section 4.9). */
export async function parseMessage(blobId: Id): Promise<FullEmail | null> {
	const got = await jmap.call<{ parsed: Record<Id, FullEmail> | null }>("Email/parse", { accountId: account(), blobIds: [blobId], properties: PARSE_PROPERTIES,
		bodyProperties: PART_PROPERTIES, fetchTextBodyValues: true, fetchHTMLBodyValues: true, maxBodyValueBytes: BODY_MAX });
	const email = got.parsed?.[blobId];
	return email ? { ...email, id: "", blobId, threadId: "", mailboxIds: {}, keywords: {}, receivedAt: email.sentAt ?? "" } : null;
}

export async function loadStructure(id: Id): Promise<EmailBodyPart | null> {
	const got = await jmap.call<GetResponse<Email>>("Email/get", { accountId: account(), ids: [id], properties: ["bodyStructure"], bodyProperties: [...PART_PROPERTIES, "subParts"] });
	return got.list[0]?.bodyStructure ?? null;
}

// ---- octets ----

export function partUrl(part: EmailBodyPart, name: string, type = part.type): string {
	return jmap.downloadUrl(part.blobId ?? "", name, type, account());
}
export async function fetchOctets(blobId: Id, type: string, max = Infinity): Promise<Blob> {
	const answer = await fetch(jmap.downloadUrl(blobId, "part", type, account()), { credentials: "same-origin",
		headers: Number.isFinite(max) ? { Range: `bytes=0-${max - 1}` } : {} });
	if (answer.status === 401)
		jmap.ended();
	if (!answer.ok)
		throw new Error(`${answer.status}`);
	return answer.blob();
}
/** Text of a part that is not in bodyValues, as far as its first 2 MiB; its charset if the browser knows it. */
export async function fetchText(part: EmailBodyPart, max = 2 << 20): Promise<string> {
	const octets = await (await fetchOctets(part.blobId ?? "", "application/octet-stream", max)).arrayBuffer();
	return decode(octets, part.charset ?? "utf-8");
}
export function decode(octets: ArrayBuffer, charset: string): string {
	try {
		return new TextDecoder(charset).decode(octets);
	} catch {
		return new TextDecoder("windows-1252").decode(octets);
	}
}

const RASTER = /^image\/(png|jpeg|gif|webp|avif|bmp|x-icon|vnd\.microsoft\.icon)$/;

/** A picture of the message itself (cid:), as an address that its frame may show; null: it is none. */
export async function pictureOfPart(part: EmailBodyPart): Promise<string | null> {
	if (!part.blobId || !RASTER.test(part.type.toLowerCase()))
		return null;
	const blob = await fetchOctets(part.blobId, part.type);
	return URL.createObjectURL(new Blob([blob], { type: part.type.toLowerCase() }));
}
/** A picture from elsewhere, fetched by our server for us (the sender's server sees nothing of this browser). */
export async function remotePicture(url: string): Promise<string | null> {
	const answer = await fetch("/jmap/image?url=" + encodeURIComponent(url), { credentials: "same-origin", headers: { "X-Yizhan": "1" } });
	if (answer.status === 401)
		jmap.ended();
	if (!answer.ok)
		return null;
	const blob = await answer.blob();
	return RASTER.test(blob.type) ? URL.createObjectURL(blob) : null;
}

// ---- who the sender is ----

export interface SenderFacts { isFirst: boolean | null; isContact: boolean; namesake: string | null }
const senders = new Map<string, Promise<SenderFacts>>();

interface ContactLike { name?: string | null; fullName?: string | null; email?: string; emails?: (string | { email?: string; value?: string })[] }
const emailsOf = (c: ContactLike): string[] => [...(c.email ? [c.email] : []),
	...(c.emails ?? []).map((e) => (typeof e === "string" ? e : e.email ?? e.value ?? ""))].filter(Boolean);

/** Did this address write before, and does its name belong to somebody else? Asked once a message. */
export function senderFacts(email: FullEmail): Promise<SenderFacts> {
	let found = senders.get(keyOf(email.id));
	if (!found) {
		found = askSender(email).catch(() => ({ isFirst: null, isContact: false, namesake: null }));
		senders.set(keyOf(email.id), found);
		if (senders.size > 500)
			senders.delete(senders.keys().next().value!);
	}
	return found;
}
async function askSender(email: FullEmail): Promise<SenderFacts> {
	const from = email.from?.[0];
	if (!from)
		return { isFirst: null, isContact: false, namesake: null };
	const before = jmap.call<QueryResponse>("Email/query", { accountId: account(), filter: { from: from.email, before: email.receivedAt }, limit: 2 });
	const asked = jmap.has("page") && from.name ? jmap.call<QueryResponse>("Contact/query", { filter: { text: from.name }, limit: 20 }) : null;
	const contacts = asked ? jmap.call<GetResponse<ContactLike & { id: Id }>>("Contact/get", { "#ids": asked.ref("/ids") }) : null;
	asked?.catch(() => {});
	const [earlier, list] = await Promise.all([before.catch(() => null), contacts ? contacts.then((c) => c.list, () => []) : []]);
	const people = list.map((c) => ({ name: c.name ?? c.fullName ?? "", emails: emailsOf(c) }));
	return {
		isFirst: earlier ? earlier.ids.filter((id) => id !== email.id).length === 0 : null,
		isContact: people.some((p) => p.emails.some((e) => e.toLowerCase() === from.email.toLowerCase())),
		namesake: namesakeOf(from, people),
	};
}

/** Our name in Authentication-Results. */
export function authservId(): string {
	const told = jmap.session.value?.capabilities[CAPABILITIES.page]?.authservId;
	return typeof told === "string" ? told : "";
}
