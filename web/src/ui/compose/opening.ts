// From what somebody wants to write to the letter that stands in the composer.

import { addPeople } from "../../core/compose_address";
import { carriedParts, htmlBodyOf, letterOfDraft, textBodyOf, usedCids } from "../../core/compose_email";
import { LOCAL_PREFIX, type LocalCopy } from "../../core/compose_local";
import { type QuoteWords, type Quoted, quoteForward, quoteReply } from "../../core/compose_quote";
import { chooseIdentity, forwardSubject, replyRecipients, replyReferences, replySubject } from "../../core/compose_reply";
import { htmlBody, plainBody } from "../../core/compose_signature";
import { type NodeLike, htmlOfText, textOf } from "../../core/compose_text";
import { type Letter, SOURCE_PROPERTIES, type SourceEmail, emptyLetter } from "../../core/compose_types";
import { fullDate } from "../../core/dates";
import { t } from "../../core/i18n";
import { settings } from "../../core/settings";
import { jmap, store } from "../app";
import type { ComposeInit } from "./compose";
import { cleanHtml, mailHtml, startSanitizer } from "./sanitize";

export interface OpenedLetter {
	letter: Letter;
	emailId: string | null; // the draft it is
	instance: string | null; // whose local copy it was
	isDirty: boolean;
	saving?: string; // a save of it that was begun
	focus: "to" | "body";
}
const BODY_MAX = 1 << 20; // octets of a body that is quoted

let count = 0;
export const newKey = () => `a${++count}`;

const words = (): QuoteWords => ({
	attribution: (date, who) => t("compose.attribution", { date, who }),
	forwarded: t("compose.forwardedHeader"),
	from: t("compose.from"),
	date: t("compose.date"),
	subject: t("compose.subject"),
	to: t("compose.to"),
	cc: t("compose.cc"),
	formatDate: fullDate,
});

export async function openLetter(init: ComposeInit): Promise<OpenedLetter> {
	await store.identity.loadAll();
	if (init.kind === "local")
		return openLocal(init.instance ?? "");
	const identities = ourIdentities();
	if (!init.emailId) {
		const letter = fresh(init, null);
		if (letter.format === "rich")
			await startSanitizer().catch(() => { asPlain(letter); });
		return { letter, emailId: null, instance: null, isDirty: false, focus: letter.to.length ? "body" : "to" };
	}
	const [of] = await Promise.all([fetchSource(init.emailId, init.accountId), startSanitizer().catch(() => {})]);
	if (init.kind === "draft" || init.kind === "again") {
		const letter = letterOfDraft(of, identities, newKey);
		if (init.origin !== undefined)
			letter.origin = init.origin;
		letter.identityId ??= chooseIdentity(identities, null)?.identity.id ?? null;
		return { letter, emailId: init.kind === "draft" ? of.id : null, instance: null, isDirty: init.kind === "again", focus: "body" };
	}
	const letter = answer(init, of);
	if (init.accountId)
		await bringFiles(letter, init.accountId);
	return { letter, emailId: null, instance: null, isDirty: false, focus: init.kind.startsWith("reply") ? "body" : "to" };
}

/** The default one first. */
function ourIdentities() {
	const all = store.identity.all.value, first = settings.value.defaultIdentity;
	return [...all].sort((a, b) => Number(b.id === first) - Number(a.id === first));
}

/** Files of a letter of another account are ours before they go with one of ours (RFC 8620 section 6.3). */
async function bringFiles(letter: Letter, fromAccountId: string): Promise<void> {
	const blobIds = [...new Set(letter.attachments.map((a) => a.blobId).filter((b): b is string => !!b))];
	if (!blobIds.length)
		return;
	const { copied } = await jmap.call<{ copied: Record<string, string> | null }>("Blob/copy", { fromAccountId, accountId: jmap.accountId, blobIds });
	if (blobIds.some((b) => !copied?.[b]))
		throw new Error("a file could not be brought here");
	letter.attachments = letter.attachments.map((a) => a.blobId ? { ...a, blobId: copied![a.blobId]! } : a);
}

async function fetchSource(id: string, accountId = jmap.accountId): Promise<SourceEmail> {
	const got = await jmap.call<{ list: SourceEmail[] }>("Email/get", { accountId, ids: [id], properties: SOURCE_PROPERTIES, fetchTextBodyValues: true,
		fetchHTMLBodyValues: true, maxBodyValueBytes: BODY_MAX,
		bodyProperties: ["partId", "blobId", "size", "name", "type", "charset", "disposition", "cid"] });
	if (!got.list[0])
		throw new Error("gone");
	return got.list[0];
}

function openLocal(instance: string): OpenedLetter {
	const copy = JSON.parse(localStorage.getItem(LOCAL_PREFIX + instance) ?? "null") as LocalCopy | null;
	if (!copy || copy.username !== jmap.session.value?.username)
		throw new Error("gone");
	return { letter: { ...emptyLetter(), ...copy.letter }, emailId: copy.emailId, instance, isDirty: copy.isDirty, saving: copy.saving, focus: "body" };
}

function asPlain(letter: Letter) {
	letter.format = "plain";
}

function fresh(init: ComposeInit, quote: Quoted | null): Letter {
	const chosen = chooseIdentity(ourIdentities(), null);
	const letter: Letter = { ...emptyLetter(), format: settings.value.composeMode, identityId: chosen?.identity.id ?? null,
		to: addPeople([], init.to ?? []), cc: addPeople([], init.cc ?? []), bcc: addPeople([], init.bcc ?? []), subject: init.subject ?? "" };
	const identity = chosen?.identity ?? null;
	letter.text = (init.text ?? "") + plainBody(identity, quote?.text ?? "");
	letter.html = (init.text ? htmlOfText(init.text) : "") + htmlBody(identity, quote?.html ?? "");
	return letter;
}

/** The text of a letter in both forms, sanitised; what the sanitizer is not there for is quoted as text. */
export function bodyOf(of: SourceEmail): Quoted {
	const html = htmlBodyOf(of);
	let text = textBodyOf(of);
	if (html === "")
		return { text, html: "" };
	try {
		const box = document.createElement("div");
		box.append(cleanHtml(html));
		if (text === "")
			text = textOf(box as unknown as NodeLike);
		return { text, html: mailHtml(box, true) };
	} catch {
		return { text, html: "" };
	}
}

function answer(init: ComposeInit, of: SourceEmail): Letter {
	const identities = ourIdentities();
	const isReply = init.kind === "reply" || init.kind === "reply-all";
	const body = bodyOf(of);
	const quote = init.kind === "forward-file" ? { text: "", html: "" } : isReply ? quoteReply(of, body, words()) : quoteForward(of, body, words());
	const chosen = chooseIdentity(identities, of);
	const identity = chosen?.identity ?? null;
	const letter: Letter = { ...emptyLetter(), format: settings.value.composeMode, identityId: identity?.id ?? null, from: chosen?.from ?? null,
		text: (init.text ?? "") + plainBody(identity, quote.text), html: (init.text ? htmlOfText(init.text) : "") + htmlBody(identity, quote.html),
		origin: { emailId: of.id, how: isReply ? "reply" : "forward", ...(init.accountId ? { accountId: init.accountId } : {}) } };
	const parts = carriedParts(of, newKey);
	const used = usedCids(letter.html);
	if (isReply) {
		Object.assign(letter, replyRecipients(of, identities, init.kind === "reply-all"), replyReferences(of));
		letter.subject = replySubject(of.subject);
		letter.attachments = letter.format === "rich" ? parts.filter((p) => p.cid !== null && used.has(p.cid)) : [];
	} else {
		letter.subject = forwardSubject(of.subject);
		letter.references = replyReferences(of).references;
		letter.to = addPeople([], init.to ?? []);
		letter.attachments = init.kind === "forward-file"
			? [{ key: newKey(), name: `${(of.subject ?? "").replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").trim().slice(0, 80) || "message"}.eml`,
				type: "message/rfc822", size: of.size ?? 0, blobId: of.blobId, cid: null }]
			: parts.map((p) => p.cid !== null && !used.has(p.cid) ? { ...p, cid: null } : p);
	}
	return letter;
}
