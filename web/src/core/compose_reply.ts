/* Answering and forwarding: who it goes to, under whose name, with which subject and references. What is quoted:
 * compose_quote.ts. */

import { addPeople } from "./compose_address";
import { foldAddress, type Identity, type Person, type SourceEmail } from "./compose_types";

export const REFERENCES_MAX = 60; /* ids: the first and the newest, RFC 5322 section 3.6.4 lets the middle go */

/* What mail programs put before the subject of answers and of forwarded mail, in the languages met most. */
const REPLY_WORDS = "re|aw|antw|antwort|sv|vs|odp|rif|ref|res|r|回复|回覆|答复|答覆|答|返信";
const FORWARD_WORDS = "fwd|fw|wg|tr|rv|enc|i|转发|轉寄|轉發|転送";
const REPLY = new RegExp(`^\\s*(?:${REPLY_WORDS})(?:\\s*[[(（]\\s*\\d+\\s*[\\])）]|\\s*\\^\\d+)?\\s*[:：]\\s*`, "iu");
const FORWARD = new RegExp(`^\\s*(?:${FORWARD_WORDS})(?:\\s*[[(（]\\s*\\d+\\s*[\\])）])?\\s*[:：]\\s*`, "iu");

function withoutPrefix(subject: string, ...what: RegExp[]): string {
	for (let s = subject; ; ) {
		const before = s;
		for (const w of what)
			s = s.replace(w, "");
		if (s === before)
			return s.trim();
	}
}

/** "Re: " once, whatever stood there ("RE: Re[2]: 回复：x"). What was forwarded stays told: "Re: Fwd: x". */
export function replySubject(subject: string | null): string {
	const s = withoutPrefix(subject ?? "", REPLY);
	return s === "" ? "Re:" : `Re: ${s}`;
}

export function forwardSubject(subject: string | null): string {
	const s = withoutPrefix(subject ?? "", REPLY, FORWARD);
	return s === "" ? "Fwd:" : `Fwd: ${s}`;
}

/** RFC 5322 section 3.6.4: the parent's References (else its In-Reply-To, when that is one) and its Message-ID. */
export function replyReferences(of: Pick<SourceEmail, "messageId" | "inReplyTo" | "references">): {
	inReplyTo: string[] | null;
	references: string[] | null;
} {
	const own = of.messageId ?? [];
	if (own.length === 0)
		return { inReplyTo: null, references: of.references?.length ? [...of.references] : null };
	let before = of.references ?? [];
	if (before.length === 0 && of.inReplyTo?.length === 1)
		before = of.inReplyTo;
	const all = [...new Set([...before.filter((id) => !own.includes(id)), ...own])];
	const references = all.length <= REFERENCES_MAX ? all : [all[0]!, ...all.slice(all.length - REFERENCES_MAX + 1)];
	return { inReplyTo: [...own], references };
}

/** An identity for any address of a domain: RFC 8621 section 6 ("*@example.com"). */
function covers(identity: Identity, address: string): "exact" | "sub" | "domain" | null {
	const a = foldAddress(address);
	const own = foldAddress(identity.email);
	if (own === a)
		return "exact";
	if (own.startsWith("*@"))
		return a.endsWith(own.slice(1)) ? "domain" : null;
	const at = own.lastIndexOf("@");
	const plus = a.indexOf("+");
	if (plus > 0 && a.slice(0, plus) === own.slice(0, at) && a.slice(a.lastIndexOf("@")) === own.slice(at))
		return "sub";
	return null;
}

export function isOurs(identities: readonly Identity[], address: string): boolean {
	return identities.some((i) => covers(i, address) !== null);
}

export interface ChosenIdentity {
	identity: Identity;
	from: Person | null; /* when the address that was written to is not the identity's own */
}

/** Who answers: whoever the letter went to (its recipients, then what delivery noted), or who had written it. */
export function chooseIdentity(identities: readonly Identity[], of: SourceEmail | null): ChosenIdentity | null {
	const first = identities.find((i) => !i.email.startsWith("*@")) ?? identities[0];
	if (first === undefined)
		return null;
	if (of === null)
		return { identity: first, from: null };
	const addresses = [
		...(of.from ?? []),
		...(of.to ?? []),
		...(of.cc ?? []),
		...(of.bcc ?? []),
		...(of["header:Delivered-To:asText:all"] ?? []).map((email) => ({ name: null, email: email.trim() })),
	];
	for (const wanted of ["exact", "sub", "domain"] as const) {
		for (const p of addresses) {
			const identity = identities.find((i) => covers(i, p.email) === wanted);
			if (identity)
				return { identity, from: wanted === "exact" ? null : { name: identity.name || null, email: p.email } };
		}
	}
	return { identity: first, from: null };
}

function without(list: readonly Person[], gone: (p: Person) => boolean): Person[] {
	return addPeople([], list.filter((p) => p.email !== "" && !gone(p)));
}

/** Who an answer goes to. To everybody: never to ourselves, nobody twice, and whoever was written to stays in To or
 * Cc as the letter had it. An answer to a letter of our own goes to those it went to. */
export function replyRecipients(of: SourceEmail, identities: readonly Identity[], toAll: boolean): { to: Person[]; cc: Person[] } {
	const ours = (p: Person) => isOurs(identities, p.email);
	const from = of.from ?? of.sender ?? [];
	const replyTo = of.replyTo?.length ? of.replyTo : from;
	if (from.length > 0 && from.every(ours) && replyTo.every(ours)) {
		/* our own letter: go on writing to the same people; to ourselves only when nobody else was written to */
		const to = without(of.to ?? [], ours);
		const cc = toAll ? without(of.cc ?? [], ours) : [];
		if (to.length > 0 || cc.length > 0)
			return to.length > 0 ? { to, cc: without(cc, (p) => has(to, p)) } : { to: cc, cc: [] };
		return { to: addPeople([], of.to?.length ? of.to : replyTo), cc: [] };
	}
	if (!toAll)
		return { to: addPeople([], replyTo), cc: [] };
	const followUp = of["header:Mail-Followup-To:asAddresses"];
	if (followUp?.length)
		return { to: without(followUp, ours), cc: [] };
	/* Reply-To of a mailing list may be the list: the author stands in Cc then, so that he sees the answer */
	const to = addPeople(without(replyTo, ours), without(of.to ?? [], (p) => ours(p) || has(of.cc ?? [], p)));
	const main = to.length > 0 ? to : addPeople([], replyTo);
	const cc = without([...(of.cc ?? [])], (p) => ours(p) || has(main, p));
	return { to: main, cc };
}

function has(list: readonly Person[], p: Person): boolean {
	return list.some((q) => foldAddress(q.email) === foldAddress(p.email));
}
