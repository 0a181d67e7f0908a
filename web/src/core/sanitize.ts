/* A message's HTML made fit to be shown. This is the second wall: the first is the Content-Security-Policy of the
 * frame it is put into, which loads nothing and runs nothing. What is taken out here is taken out so that nothing
 * is even tried, and so that links and pictures do what the reader is told they do.
 *
 *	const mail = await fillFrame(frameWindow, body, html);
 *	mail.pictures…  // cid: and remote ones, without src until somebody gives them one
 */

import createDOMPurify, { type Config, type DOMPurify } from "dompurify";
import { linkMismatch } from "./lookalike";

export interface Picture {
	img: HTMLImageElement;
	cid: string | null; /* lower case, or */
	url: string | null; /* http or https */
}
export interface CleanMail {
	pictures: Picture[];
	links: { shown: string; real: string }[]; /* whose text names another site */
	linkHosts: string[];
	/* it says itself how it looks in the dark */
	declaresDark: boolean;
	/* it says no colours at all: it can have ours */
	isPlainLooking: boolean;
	styles: { element: HTMLStyleElement; css: string }[];
}

const FORBID_TAGS = [
	"form", "input", "button", "select", "option", "optgroup", "datalist", "textarea", "label", "fieldset", "legend", "output", "keygen",
	"svg", "math", "audio", "video", "track", "picture", "source", "link", "meta", "base", "object", "embed", "applet", "param",
	"iframe", "frame", "frameset", "noframes", "portal", "fencedframe", "script", "noscript", "template", "slot", "dialog", "canvas",
	"map", "area", "marquee", "bgsound", "xml", "title", "plaintext", "xmp", "listing", "noembed", "image", "isindex", "details",
	"summary", "menu", "nextid", "layer", "ilayer", "command", "content", "shadow", "element", "selectedcontent",
];
const FORBID_ATTR = [
	"srcset", "sizes", "background", "ping", "action", "formaction", "poster", "lowsrc", "dynsrc", "longdesc", "usemap", "ismap",
	"manifest", "archive", "code", "codebase", "data", "classid", "profile", "cite", "attributionsrc", "imagesrcset", "srcdoc",
	"is", "slot", "part", "exportparts", "contenteditable", "tabindex", "accesskey", "autofocus", "draggable", "popover",
	"popovertarget", "popovertargetaction", "commandfor", "command", "interesttarget", "inert", "download", "loading", "fetchpriority",
	"decoding", "crossorigin", "integrity", "referrerpolicy", "elementtiming", "nonce", "xlink:href", "xmlns", "target", "rel",
	"virtualkeyboardpolicy", "writingsuggestions", "itemid", "itemprop", "itemref", "itemscope", "itemtype",
];
const CONFIG: Config = {
	FORBID_TAGS, FORBID_ATTR,
	USE_PROFILES: { html: true },
	ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: true, ALLOW_UNKNOWN_PROTOCOLS: false,
	/* every attribute is measured by it, so what has no scheme passes; tidy looks at addresses once more */
	ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto|cid):|data:image\/(?:png|jpe?g|gif|webp|avif|bmp);base64,|[^a-z]|[a-z+.-]+(?:[^a-z+.:-]|$))/i,
	/* the content of what is no picture but was one of these says nothing to people */
	FORBID_CONTENTS: ["script", "style", "noscript", "template", "iframe", "noframes", "noembed", "svg", "math", "audio", "video",
		"object", "embed", "applet", "title", "textarea", "select", "datalist", "plaintext", "xmp", "xml", "frameset", "canvas"],
	ALLOW_SELF_CLOSE_IN_ATTR: false, SANITIZE_DOM: true, KEEP_CONTENT: true, WHOLE_DOCUMENT: true, RETURN_DOM: true,
};
const CONFIG_IN_PLACE: Config = { ...CONFIG, WHOLE_DOCUMENT: false, RETURN_DOM: false, IN_PLACE: true };

const LARGE = 200_000; /* characters; beyond, it is done in slices */
const SLICE_NODES = 1_500;
const SLICE_MS = 12;
const PICTURES_MAX = 2_000;
const STYLES_MAX = 400_000; /* characters of one style element; what is longer is left out */

type Win = Window & typeof globalThis;

/** Clean `html` and put it into `body`, which lies in `win`, the frame's window: cleaned with another window's
 * machinery, inline styles would be judged by that window's policy. A long message is cleaned bit by bit, so
 * that the page stays alive; `signal` ends that. */
export async function fillFrame(win: Win, body: HTMLElement, html: string, signal?: AbortSignal): Promise<CleanMail> {
	const purify = createDOMPurify(win);
	const mail: CleanMail = {
		pictures: [], links: [], linkHosts: [], declaresDark: declaresDark(html), isPlainLooking: true, styles: [],
	};
	if (html.length <= LARGE) {
		const root = purify.sanitize(html, { ...CONFIG, RETURN_DOM: true }) as unknown as HTMLElement;
		const doc = body.ownerDocument;
		const from = root.querySelector("body") ?? root;
		copyBodyAttributes(from, body, mail);
		const fragment = doc.createDocumentFragment();
		for (const style of root.querySelectorAll("head style"))
			fragment.append(style);
		while (from.firstChild)
			fragment.append(from.firstChild);
		tidy(fragment, mail);
		body.append(fragment);
	} else {
		await fillInSlices(win, purify, body, html, mail, signal);
	}
	mail.linkHosts = [...new Set(mail.linkHosts)];
	return mail;
}

const BODY_ATTRIBUTES = ["class", "style", "bgcolor", "text", "link", "vlink", "alink", "dir", "lang"];

function copyBodyAttributes(from: Element, to: HTMLElement, mail: CleanMail): void {
	for (const name of BODY_ATTRIBUTES) {
		const value = from.getAttribute(name);
		if (value === null)
			continue;
		to.setAttribute(name, name === "style" ? tidyCss(value) : value);
		noteColours(to, mail);
	}
}

/* ---- a long message ---- */

async function fillInSlices(win: Win, purify: DOMPurify, body: HTMLElement, html: string, mail: CleanMail, signal?: AbortSignal): Promise<void> {
	const parsed = new win.DOMParser().parseFromString(html, "text/html");
	let since = performance.now();
	const breathe = async (): Promise<void> => {
		if (performance.now() - since < SLICE_MS)
			return;
		await new Promise((done) => setTimeout(done, 0));
		since = performance.now();
	};
	/* nodes and all below them, that are not many */
	const clean = (nodes: Node[]): DocumentFragment => {
		const wrap = parsed.createElement("div");
		wrap.append(...nodes);
		purify.sanitize(wrap, CONFIG_IN_PLACE);
		const fragment = body.ownerDocument.createDocumentFragment();
		while (wrap.firstChild)
			fragment.append(wrap.firstChild);
		tidy(fragment, mail);
		return fragment;
	};
	const pour = async (from: Element, to: Element | DocumentFragment): Promise<void> => {
		while (from.firstChild) {
			if (signal?.aborted)
				return;
			/* as many neighbours as make a slice */
			const few: Node[] = [];
			let size = 0;
			for (let n: Node | null = from.firstChild; n && size < SLICE_NODES; n = n.nextSibling) {
				size += nodesIn(n, SLICE_NODES);
				if (size < SLICE_NODES)
					few.push(n);
			}
			if (few.length) {
				to.append(clean(few));
			} else {
				/* the element alone first: what of it may stay takes up its children */
				const node = from.firstChild as Element;
				const shell = clean([node.cloneNode(false)]);
				const next = shell.firstElementChild;
				to.append(shell);
				if (next)
					await pour(node, next);
				else if (!CONFIG.FORBID_CONTENTS!.includes(node.localName))
					await pour(node, to);
				node.parentNode?.removeChild(node);
			}
			await breathe();
		}
	};
	copyBodyAttributes(cleanBody(purify, parsed.body, parsed), body, mail);
	/* shown at once when it is whole: a table that grows is laid out anew with every row */
	const done = body.ownerDocument.createDocumentFragment();
	done.append(clean([...parsed.head.querySelectorAll("style")]));
	await pour(parsed.body, done);
	if (!signal?.aborted)
		body.append(done);
}

/* <body> is not let through inside of another element: its attributes are judged on a <div>. */
function cleanBody(purify: DOMPurify, from: Element, doc: Document): Element {
	const div = doc.createElement("div");
	for (const name of BODY_ATTRIBUTES)
		if (from.hasAttribute(name))
			div.setAttribute(name, from.getAttribute(name)!);
	purify.sanitize(div, CONFIG_IN_PLACE);
	return div;
}

function nodesIn(node: Node, max: number): number {
	if (!node.firstChild)
		return 1;
	const walker = node.ownerDocument!.createTreeWalker(node);
	let n = 1;
	while (n < max && walker.nextNode())
		n++;
	return n;
}

/* ---- what the sanitizer has left ---- */

function tidy(root: DocumentFragment, mail: CleanMail): void {
	for (const e of root.querySelectorAll<HTMLElement>("*")) {
		const name = e.localName;
		if (name === "style")
			tidyStyle(e as HTMLStyleElement, mail);
		else if (name === "img")
			tidyImage(e as HTMLImageElement, mail);
		else if (name === "a")
			tidyLink(e as HTMLAnchorElement, mail);
		else if (e.hasAttribute("href") || e.hasAttribute("src"))
			e.removeAttribute(e.hasAttribute("href") ? "href" : "src");
		if (!/^(presentation|none|img|heading|list|listitem)$/.test(e.getAttribute("role") ?? "none"))
			e.removeAttribute("role");
		noteColours(e, mail);
		const style = e.getAttribute("style");
		if (style !== null && NEEDS_TIDYING.test(style))
			e.setAttribute("style", tidyCss(style));
	}
}

function noteColours(e: Element, mail: CleanMail): void {
	if (!mail.isPlainLooking)
		return;
	if (e.hasAttribute("bgcolor") || e.hasAttribute("color") || e.hasAttribute("text") || /(^|[;\s{-])(color|background)/i.test(e.getAttribute("style") ?? ""))
		mail.isPlainLooking = false;
}

function tidyStyle(e: HTMLStyleElement, mail: CleanMail): void {
	const css = (e.textContent ?? "").length > STYLES_MAX ? "" : tidyCss(e.textContent ?? "");
	e.textContent = css;
	e.removeAttribute("media");
	mail.styles.push({ element: e, css });
	if (/(^|[;\s{-])(color|background)[\s-]*[a-z-]*:/i.test(css))
		mail.isPlainLooking = false;
}

function tidyImage(img: HTMLImageElement, mail: CleanMail): void {
	const src = (img.getAttribute("src") ?? "").trim();
	if (/^data:image\/(?:png|jpe?g|gif|webp|avif|bmp);base64,/i.test(src))
		return;
	img.removeAttribute("src");
	const cid = /^cid:(.+)$/i.exec(src)?.[1];
	const url = /^(https?:)?\/\//i.test(src) ? absolute(src) : null;
	if ((!cid && !url) || mail.pictures.length >= PICTURES_MAX)
		return;
	mail.pictures.push({ img, cid: cid ? plainCid(cid) : null, url });
}

export function plainCid(cid: string): string {
	let text = cid;
	try {
		text = decodeURIComponent(cid);
	} catch { /* it is meant as it stands */ }
	return text.replace(/^<|>$/g, "").toLowerCase();
}

function absolute(src: string): string | null {
	try {
		/* "//host/…": of no page of ours */
		const u = new URL(src.startsWith("//") ? "https:" + src : src);
		return u.protocol === "http:" || u.protocol === "https:" ? u.href : null;
	} catch {
		return null;
	}
}

function tidyLink(a: HTMLAnchorElement, mail: CleanMail): void {
	const href = (a.getAttribute("href") ?? "").trim();
	if (/^#/.test(href))
		return;
	const url = /^mailto:/i.test(href) ? href : absolute(href);
	if (!url) {
		a.removeAttribute("href");
		return;
	}
	a.setAttribute("href", url);
	a.setAttribute("target", "_blank");
	a.setAttribute("rel", "noopener noreferrer");
	const wrong = linkMismatch(a.textContent ?? "", url);
	if (wrong && mail.links.length < 50)
		mail.links.push(wrong);
	if (/^http/i.test(url) && mail.linkHosts.length < 2000)
		mail.linkHosts.push(new URL(url).hostname);
}

/* ---- style sheets ---- */

const NEEDS_TIDYING = /url|image-set|src\(|import|expression|binding|behavior|v(?:h|min|max|b)|fixed|\\/i;

/** Style without addresses: the frame's policy would refuse to load them, and would say so each time. Heights of the
 * window become plain ones: the frame is as high as what is in it, and would grow for ever. */
export function tidyCss(css: string): string {
	if (!NEEDS_TIDYING.test(css))
		return css;
	let out = css.replace(/\/\*[\s\S]*?(\*\/|$)/g, " ");
	/* escapes are letters: "u\72l(" is url( */
	if (/\\/.test(out))
		out = out.replace(/\\([0-9a-f]{1,6})[ \t\r\n\f]?/gi, (_, hex: string) => {
			const c = parseInt(hex, 16);
			/* what could end a string or a block stays escaped away */
			return c >= 0x30 && c <= 0x7a && /[\w-]/.test(String.fromCharCode(c)) ? String.fromCharCode(c) : c > 0x9f && c <= 0x10ffff ? String.fromCodePoint(c) : "";
		});
	return out
		.replace(/@(import|charset|namespace)\b[^;{]*(;|$)/gi, "")
		.replace(/url\s*\(\s*(?!["']?data:image\/(?:png|jpe?g|gif|webp|avif|bmp);base64,)("[^"]*"|'[^']*'|[^)]*)\s*(\)|$)/gi, "none")
		.replace(/(-webkit-)?image-set\s*\(|(?<![\w-])(?:src|image|cross-fade|paint|element)\s*\(/gi, "none-(")
		.replace(/(?:-moz-binding|behavior)\s*:[^;}]*/gi, "")
		.replace(/expression\s*\(/gi, "none(")
		.replace(/(\d*\.?\d+)[dsl]?v(h|min|max|b)\b/gi, (_, n: string) => Math.round(parseFloat(n) * 8) + "px")
		.replace(/position\s*:\s*(fixed|sticky)/gi, "position:absolute");
}

/** The style as it is to be in the light or in the dark, whatever the system says. */
export function cssForTheme(css: string, isDark: boolean): string {
	const yes = "(min-width:0px)", no = "(max-width:0px)";
	return css
		.replace(/\(\s*prefers-color-scheme\s*:\s*dark\s*\)/gi, isDark ? yes : no)
		.replace(/\(\s*prefers-color-scheme\s*:\s*light\s*\)/gi, isDark ? no : yes);
}

function declaresDark(html: string): boolean {
	const head = html.slice(0, 200_000);
	return /<meta\b[^>]*\bname\s*=\s*["']?(supported-)?color-schemes?\b[^>]*\bcontent\s*=\s*["'][^"']*\bdark\b/i.test(head)
		|| /<meta\b[^>]*\bcontent\s*=\s*["'][^"']*\bdark\b[^>]*\bname\s*=\s*["']?(supported-)?color-schemes?\b/i.test(head)
		|| /prefers-color-scheme\s*:\s*dark/i.test(head)
		|| /(^|[;{\s"'])(supported-)?color-schemes?\s*:[^;}"']*\bdark\b/i.test(head);
}
