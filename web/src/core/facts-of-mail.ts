/* The line of facts under a message's header: what somebody should know before he believes it, answers it, or clicks
 * in it; and what he can do about it. Pure: what is known comes in, what to say comes out. */

import { type Verdict, verdictOf, type Method } from "./authres";
import { domainOf } from "./address";
import { isLookalikeHost, siteOf, skeleton, unicodeHost } from "./lookalike";
import type { Danger } from "./attachment";
import type { EmailAddress } from "./types";

export type FactId =
	| "dmarcFails" | "lookalikeSender" | "nameTaken" | "disguisedFile" | "linkElsewhere" | "lookalikeLink" | "dangerousFile"
	| "replyElsewhere" | "notVerified" | "images" | "list" | "verified" | "first" | "activeFile" | "notChecked";
export type Tone = "bad" | "warn" | "good" | "plain";
export type FactAction = "loadImages" | "alwaysImages" | "unsubscribe";
export interface Fact {
	id: FactId;
	tone: Tone;
	values: Record<string, string | number>;
	actions: FactAction[];
}

export interface Unsubscribe {
	isOneClick: boolean; /* RFC 8058: the server can do it with one POST */
	web: string | null;
	mailto: string | null;
}
export interface Known {
	from: EmailAddress | null;
	replyTo: EmailAddress[];
	isOwn: boolean; /* written by the account's owner */
	methods: Method[]; /* authres.ownResults */
	/* null: nobody has looked */
	isFirst: boolean | null;
	namesake: string | null; /* the address of a contact of the same name, when it is another one */
	blockedImages: number;
	canAlways: boolean; /* pictures of this sender may be let in for good */
	unsubscribe: Unsubscribe | null;
	listName: string | null;
	links: { shown: string; real: string }[];
	linkHosts: string[];
	files: { name: string; danger: Danger }[];
}

/* The order in which they are worth one of the two visible places. */
const RANK: Record<FactId, number> = {
	dmarcFails: 0, lookalikeSender: 1, nameTaken: 2, disguisedFile: 3, linkElsewhere: 4, lookalikeLink: 5, dangerousFile: 6,
	replyElsewhere: 7, notVerified: 8, images: 9, list: 10, verified: 11, first: 12, activeFile: 13, notChecked: 14,
};
export const VISIBLE_FACTS = 2;

export function factsOf(k: Known): Fact[] {
	const out: Fact[] = [];
	const say = (id: FactId, tone: Tone, values: Fact["values"] = {}, actions: FactAction[] = []): void => {
		out.push({ id, tone, values, actions });
	};
	if (!k.isOwn)
		aboutSender(k, say);
	if (k.blockedImages > 0)
		say("images", "plain", { n: k.blockedImages }, k.canAlways ? ["loadImages", "alwaysImages"] : ["loadImages"]);
	if (k.unsubscribe)
		say("list", "plain", { list: k.listName ?? "" }, ["unsubscribe"]);
	const link = k.links[0];
	if (link)
		say("linkElsewhere", "bad", { shown: link.shown, real: readable(link.real), n: k.links.length });
	const twin = k.linkHosts.find(isLookalikeHost);
	if (twin)
		say("lookalikeLink", "bad", { host: readable(twin) });
	for (const [danger, id, tone] of [["disguised", "disguisedFile", "bad"], ["program", "dangerousFile", "bad"], ["active", "activeFile", "plain"]] as const) {
		const file = k.files.find((f) => f.danger === danger);
		if (file)
			say(id, tone, { name: file.name, n: k.files.filter((f) => f.danger === danger).length });
	}
	return out.sort((a, b) => RANK[a.id] - RANK[b.id]);
}

function readable(host: string): string {
	const shown = unicodeHost(host);
	return shown && shown !== host ? `${shown} (${host})` : host;
}

function aboutSender(k: Known, say: (id: FactId, tone: Tone, values?: Fact["values"]) => void): void {
	const address = k.from?.email ?? "";
	const domain = domainOf(address);
	const verdict: Verdict = verdictOf(k.methods, address);
	if (verdict.kind === "fail")
		say("dmarcFails", "bad", { domain: verdict.domain });
	else if (verdict.kind === "none")
		say("notVerified", "warn", { domain: verdict.domain });
	else if (verdict.kind === "pass")
		say("verified", "good", { domain: verdict.domain, by: verdict.by.join(", ") });
	else
		say("notChecked", "plain");
	if (isLookalikeHost(domain))
		say("lookalikeSender", "bad", { domain: readable(domain) });
	if (k.namesake)
		say("nameTaken", "bad", { name: k.from?.name ?? "", known: k.namesake });
	const elsewhere = k.replyTo.find((a) => a.email.includes("@") && siteOf(domainOf(a.email)) !== siteOf(domain));
	/* a list that takes the answers is no surprise */
	if (elsewhere && address && !k.listName)
		say("replyElsewhere", "warn", { address: elsewhere.email });
	if (k.isFirst)
		say("first", "plain", { address });
}

/** The contact whose name the sender uses with another address; names are compared as they look. */
export function namesakeOf(from: EmailAddress | null, contacts: { name: string; emails: string[] }[]): string | null {
	const name = skeleton((from?.name ?? "").replace(/[\s"'.,]+/g, " ").trim());
	/* one short word is the name of many */
	if (!from || name.length < 5 || !/\s|[^\x00-\x7f]/.test(from.name ?? ""))
		return null;
	const same = contacts.filter((c) => skeleton(c.name.replace(/[\s"'.,]+/g, " ").trim()) === name && c.emails.length > 0);
	if (same.length === 0 || same.some((c) => c.emails.some((e) => e.toLowerCase() === from.email.toLowerCase())))
		return null;
	return same[0]!.emails[0]!;
}

/** From List-Unsubscribe and List-Unsubscribe-Post (RFC 2369, RFC 8058). */
export function unsubscribeOf(urls: string[] | null | undefined, post: string | null | undefined): Unsubscribe | null {
	const web = urls?.find((u) => /^https:\/\//i.test(u)) ?? urls?.find((u) => /^http:\/\//i.test(u)) ?? null;
	const mailto = urls?.find((u) => /^mailto:/i.test(u)) ?? null;
	if (!web && !mailto)
		return null;
	const isOneClick = !!web && /^https:/i.test(web) && (post ?? "").trim().toLowerCase() === "list-unsubscribe=one-click";
	return { isOneClick, web, mailto };
}

/** What a List-Id calls its list: its words, or its name (RFC 2919). */
export function listNameOf(listId: string | null | undefined): string | null {
	const text = (listId ?? "").trim();
	if (!text)
		return null;
	const words = text.replace(/<[^>]*>\s*$/, "").trim().replace(/^"(.*)"$/s, "$1");
	return words || /<([^>]*)>/.exec(text)?.[1] || text;
}
