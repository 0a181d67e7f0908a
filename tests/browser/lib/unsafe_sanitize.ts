// Stands in place of core/sanitize.ts in the build that buildUnsafe makes: nothing is taken out. Scripts are put in so
// that they would run, and once more by the parser's own ways.

import type { CleanMail } from "../../../web/src/core/sanitize.ts";

export { cssForTheme, plainCid, tidyCss } from "../../../web/src/core/sanitize.ts";

export async function fillFrame(win: Window & typeof globalThis, body: HTMLElement, html: string): Promise<CleanMail> {
	const doc = win.document;
	const parsed = new win.DOMParser().parseFromString(html, "text/html");
	for (const node of [...parsed.head.childNodes])
		doc.head.append(doc.adoptNode(node));
	for (const a of parsed.body.attributes)
		body.setAttribute(a.name, a.value);
	const range = doc.createRange();
	range.selectNodeContents(body);
	body.append(range.createContextualFragment(html));
	const div = doc.createElement("div");
	body.append(div);
	div.innerHTML = html;
	return { pictures: [], links: [], linkHosts: [], declaresDark: false, isPlainLooking: false, styles: [] };
}
