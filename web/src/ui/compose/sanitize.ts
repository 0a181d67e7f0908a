// Foreign HTML before it comes into the editor: quoted mail, what is pasted, signatures, drafts. The sanitizer works in
// the window of an empty sandboxed frame (/frame), whose policy lets no script run and nothing load; what it leaves is
// narrowed to what a letter needs. Styles are set by the CSSOM one by one: none can cover anything outside the editor.

import DOMPurify from "dompurify";

const TAGS = ("a abbr b big blockquote br caption center cite code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li "
	+ "ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var").split(" ");
const ATTRIBUTES = ("href src alt title width height style dir lang type start colspan rowspan align valign color face size bgcolor border "
	+ "cellpadding cellspacing class data-yz-cid data-yz-src").split(" ");
const STYLES = new Set(("background-color border border-bottom border-collapse border-color border-left border-right border-spacing border-style "
	+ "border-top border-width color direction font font-family font-size font-style font-variant font-weight height letter-spacing line-height "
	+ "list-style list-style-type margin margin-bottom margin-left margin-right margin-top max-width overflow-wrap padding padding-bottom "
	+ "padding-left padding-right padding-top text-align text-decoration text-decoration-line text-indent text-transform unicode-bidi "
	+ "vertical-align white-space width word-break").split(" "));
const CLASSES = new Set(["yz-signature", "color", "size", "highlight", "font"]);
/** Places of the cursor that the editor keeps in the snapshots of its undo. */
const BOOKMARK = /^squire-selection-(start|end)$/;
const HIDING = "data-yz-style";
const FRAME_WAIT_MS = 10_000;

let ready: Promise<void> | null = null;
let purify: ReturnType<typeof DOMPurify> | null = null;

/** The frame is there. Rejects when the server does not give it: then nothing foreign is shown as HTML. */
export function startSanitizer(): Promise<void> {
	ready ??= new Promise<void>((done, fail) => {
		const frame = document.createElement("iframe");
		frame.setAttribute("sandbox", "allow-same-origin");
		frame.src = "/frame";
		frame.hidden = true;
		frame.title = "";
		const timer = setTimeout(() => fail(new Error("frame")), FRAME_WAIT_MS);
		frame.onload = () => {
			clearTimeout(timer);
			const w = frame.contentWindow;
			if (!w?.document?.body)
				return fail(new Error("frame"));
			purify = DOMPurify(w as unknown as Parameters<typeof DOMPurify>[0]);
			done();
		};
		document.body.append(frame);
	}).catch((e) => {
		ready = null;
		throw e;
	});
	return ready;
}

/** One declaration after another: what may stand, with values that fetch nothing. */
export function cleanStyle(style: string): string {
	const out: string[] = [];
	for (const part of style.replace(/\/\*[^]*?\*\//g, "").split(";")) {
		const at = part.indexOf(":");
		const name = part.slice(0, Math.max(at, 0)).trim().toLowerCase();
		const value = part.slice(at + 1).trim();
		if (STYLES.has(name) && value.length < 200 && !/[\\@<>{}]|url\s*\(|expression|javascript|var\s*\(|image|element\s*\(|-\d{3,}/i.test(value))
			out.push(`${name}: ${value}`);
	}
	return out.join("; ");
}

/** Only after startSanitizer() is done. A fragment of this document, safe to be inserted. isOwn: made by the editor
 * itself, so its bookmarks and our signature stay. */
export function cleanHtml(html: string, isOwn = false): DocumentFragment {
	if (!purify)
		throw new Error("the sanitizer is not ready");
	const dirty = purify.sanitize(html, {
		ALLOWED_TAGS: isOwn ? [...TAGS, "input"] : TAGS,
		ALLOWED_ATTR: isOwn ? [...ATTRIBUTES, "id"] : ATTRIBUTES,
		ALLOW_DATA_ATTR: false,
		ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|cid:|data:image\/(?:png|jpeg|gif|webp|avif|bmp);base64,|blob:)/i,
		FORBID_CONTENTS: ["script", "style", "title", "head", "object", "embed", "svg", "math", "template", "noscript", "audio", "video"],
		RETURN_DOM_FRAGMENT: true,
	}) as unknown as DocumentFragment;
	for (const el of dirty.querySelectorAll("*")) {
		const style = el.getAttribute("style");
		const kept = style === null ? "" : cleanStyle(style);
		el.removeAttribute("style");
		if (kept)
			el.setAttribute(HIDING, kept);
		narrow(el, isOwn);
	}
	// copies: nodes that are only adopted stay instances of the frame's classes
	const fragment = document.importNode(dirty, true);
	for (const el of fragment.querySelectorAll<HTMLElement>(`[${HIDING}]`)) {
		el.style.cssText = el.getAttribute(HIDING)!;
		el.removeAttribute(HIDING);
	}
	return fragment;
}

function narrow(el: Element, isOwn: boolean) {
	const kept = [...el.classList].filter((c) => CLASSES.has(c) && (isOwn || c !== "yz-signature"));
	if (kept.length)
		el.setAttribute("class", kept.join(" "));
	else
		el.removeAttribute("class");
	if (el.localName === "input") {
		if (BOOKMARK.test(el.id))
			el.setAttribute("type", "hidden");
		else
			el.remove();
		return;
	}
	el.removeAttribute("id");
	if (el.localName === "img")
		holdImage(el);
	else
		el.removeAttribute("src");
	if (el.localName === "a" && !/^(https?|mailto|tel):/i.test(el.getAttribute("href") ?? ""))
		el.removeAttribute("href");
}

/** Remote images are not loaded here; their address stays for the letter. */
function holdImage(el: Element) {
	const src = el.getAttribute("src") ?? "";
	if (/^https?:/i.test(src)) {
		el.setAttribute("data-yz-src", src);
		el.removeAttribute("src");
	} else if (/^cid:/i.test(src)) {
		el.setAttribute("data-yz-cid", decode(src.slice(4)));
		el.removeAttribute("src");
	}
	if (!/^https?:/i.test(el.getAttribute("data-yz-src") ?? ""))
		el.removeAttribute("data-yz-src");
	for (const side of ["width", "height"])
		if (!/^\d{1,4}%?$/.test(el.getAttribute(side) ?? "0"))
			el.removeAttribute(side);
}

function decode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** The editor's tree as the HTML of a letter: images by cid or by their remote address, nothing of ours in it.
 * keepsData: so are those that came as data. */
export function mailHtml(root: HTMLElement, keepsData = false): string {
	// in a document that is not shown nothing is fetched
	const copy = document.implementation.createHTMLDocument("").importNode(root, true);
	for (const el of copy.querySelectorAll(".squire-image-resize-container, input"))
		el.remove();
	for (const img of copy.querySelectorAll("img")) {
		const cid = img.getAttribute("data-yz-cid"), remote = img.getAttribute("data-yz-src");
		if (cid !== null)
			img.setAttribute("src", "cid:" + encodeURIComponent(cid).replace(/%40/g, "@"));
		else if (remote !== null)
			img.setAttribute("src", remote);
		else if (!keepsData || !/^data:/.test(img.getAttribute("src") ?? ""))
			img.remove();
		img.removeAttribute("data-yz-cid");
		img.removeAttribute("data-yz-src");
	}
	return copy.innerHTML.replace(/\u200B/g, "");
}
