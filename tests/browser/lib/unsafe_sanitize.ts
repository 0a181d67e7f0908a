// Stands in place of core/sanitize.ts in the build that buildUnsafe makes: nothing is taken out. Scripts are put in so
// that they would run, and once more by the parser's own ways.

import type { CleanMail } from "../../../web/src/core/sanitize.ts";

export { cssForTheme, plainCid, tidyCss } from "../../../web/src/core/sanitize.ts";

export async function fillFrame(win: Window & typeof globalThis, body: HTMLElement, html: string): Promise<CleanMail> {
	const doc = win.document;
	const parsed = new win.DOMParser().parseFromString(html, "text/html");
	const own = (name: "head" | "body"): HTMLElement => Object.getOwnPropertyDescriptor(Document.prototype, name)!.get!.call(parsed);
	for (const node of [...own("head").childNodes])
		doc.head.append(doc.adoptNode(node));
	for (const a of own("body").attributes)
		body.setAttribute(a.name, a.value);
	const range = doc.createRange();
	const div = doc.createElement("div"); // before names of the mail hide what a document can do
	range.selectNodeContents(body);
	body.append(range.createContextualFragment(html));
	body.append(div);
	div.innerHTML = html;
	return { pictures: [], links: [], linkHosts: [], declaresDark: false, isPlainLooking: false, styles: [] };
}
