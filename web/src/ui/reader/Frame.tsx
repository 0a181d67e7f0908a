// A message's HTML in its frame: a page of our server without script, whose own policy loads nothing from anywhere.
// Whatever the sanitizer may miss stops there.

import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../core/i18n";
import { foldQuote } from "../../core/quote";
import { type CleanMail, type Picture, cssForTheme, fillFrame } from "../../core/sanitize";
import { linkMismatch } from "../../core/lookalike";
import { type EmailBodyPart } from "../../core/types";
import { keys } from "../app";
import { confirmDialog } from "../kit/kit";
import { pictureOfPart, remotePicture } from "./load";
import { mailto } from "./mailto";

export type Paper = "light" | "dark";
export interface FrameReport {
	remote: number; /* pictures from elsewhere */
	failed: number;
	cids: Set<string>; /* that the text shows */
	links: { shown: string; real: string }[];
	linkHosts: string[];
	looksGoodInDark: boolean;
}
const AT_ONCE = 4; // pictures under way
const HEIGHT_MAX = 400_000;
const GROWTHS_MAX = 40; // without a picture having come: it grows because it grows
const SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox";

/* Of a low weight: what the message says about itself wins. */
const BASE = `
html,body{height:auto!important;min-height:0!important;max-height:none!important}
html{overflow:auto hidden!important;background:#fff;color:#1c2126;color-scheme:light}
html[data-tall]{overflow:auto!important}
html[data-paper=dark]{background:#15181b;color:#e4e7ea;color-scheme:dark}
body{display:flow-root!important;position:relative!important;margin:0!important;padding:2px 0;font:15px/22px system-ui,-apple-system,"Segoe UI","Noto Sans","PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif;overflow-wrap:anywhere}
html[data-paper=light] body[data-padded]{padding:12px}
img{max-width:100%}
img:not([src]){outline:1px solid #8886;outline-offset:-1px;color:#76808a;font:12px/16px system-ui,sans-serif}
pre{white-space:pre-wrap}
a{color:#17559f}
html[data-paper=dark] a{color:#92bff5}
html[data-paper=dark] body{color:inherit}
blockquote{margin:0 0 0 4px;padding-left:12px;border-left:2px solid #aab3bd}
[dir=rtl] blockquote{margin:0 4px 0 0;padding:0 12px 0 0;border:0;border-right:2px solid #aab3bd}
details.yz-folded{margin-top:8px}
details.yz-folded>summary{display:inline-block;list-style:none;cursor:pointer;padding:0 10px;border-radius:9px;background:#8884;font:700 14px/18px system-ui,sans-serif;color:inherit}
details.yz-folded>summary::-webkit-details-marker{display:none}
details.yz-folded[open]>summary{margin-bottom:8px}
summary:focus-visible,a:focus-visible{outline:2px solid #1a5fb4;outline-offset:1px}
`;

export function Frame({ html, title, parts, images, paper, onReport }: {
	html: string; title: string; /** Where cid: pictures are. */ parts: EmailBodyPart[];
	/** May pictures from elsewhere be loaded? */ images: boolean;
	paper: Paper; onReport(r: FrameReport): void;
}) {
	const ref = useRef<HTMLIFrameElement>(null);
	const clean = useRef<CleanMail | null>(null);
	const told = useRef<FrameReport | null>(null);
	// held from before the message came: names in it can hide what a document has
	const rootRef = useRef<HTMLElement | null>(null);
	const [isFilled, setFilled] = useState(false);
	const tell = (change: Partial<FrameReport>) => {
		if (told.current)
			onReport(told.current = { ...told.current, ...change });
	};

	useEffect(() => {
		const frame = ref.current!;
		const end = new AbortController();
		const urls: string[] = [];
		let observer: ResizeObserver | undefined;
		const fill = async () => {
			const win = frame.contentWindow as (Window & typeof globalThis) | null;
			const doc = frame.contentDocument;
			// the empty page that every frame begins with is not it: that one has our own policy
			if (!win || !doc?.body || end.signal.aborted || win.location.pathname !== "/frame")
				return;
			const body = doc.body;
			rootRef.current = doc.documentElement;
			observer?.disconnect();
			observer = dress(frame, doc, title);
			listen(frame, doc, end.signal);
			const mail = await fillFrame(win, body, html, end.signal);
			if (end.signal.aborted)
				return;
			clean.current = mail;
			const folded = foldQuote(body, document);
			folded?.firstElementChild?.setAttribute("aria-label", t("reader.quoted"));
			if (!mail.isPlainLooking)
				body.dataset.padded = "";
			told.current = {
				remote: mail.pictures.filter((p) => p.url).length, failed: 0, links: mail.links, linkHosts: mail.linkHosts,
				cids: new Set(mail.pictures.map((p) => p.cid).filter((c): c is string => !!c)),
				looksGoodInDark: mail.declaresDark || mail.isPlainLooking,
			};
			onReport(told.current);
			frame.dataset.filled = "";
			setFilled(true);
			await showOwnPictures(mail.pictures, parts, urls, end.signal);
		};
		const onLoad = () => void fill();
		frame.addEventListener("load", onLoad);
		delete frame.dataset.filled;
		frame.src = "/frame";
		return () => {
			end.abort();
			observer?.disconnect();
			frame.removeEventListener("load", onLoad);
			urls.forEach((u) => URL.revokeObjectURL(u));
			clean.current = null;
		};
	}, [html]);

	useEffect(() => {
		const mail = clean.current;
		if (!images || !isFilled || !mail)
			return;
		const end = new AbortController();
		const urls: string[] = [];
		void showRemotePictures(mail.pictures, urls, end.signal).then((failed) => {
			if (!end.signal.aborted)
				tell({ failed });
		});
		return () => {
			end.abort();
			urls.forEach((u) => URL.revokeObjectURL(u));
		};
	}, [images, isFilled, html]);

	useEffect(() => {
		const root = rootRef.current;
		if (!root || !isFilled)
			return;
		root.dataset.paper = paper;
		for (const s of clean.current?.styles ?? [])
			s.element.textContent = cssForTheme(s.css, paper === "dark");
	}, [paper, isFilled, html]);

	return <iframe class={`mail-frame ${paper}`} ref={ref} title={title} sandbox={SANDBOX} />;
}

/** Our style below the message's, and a height that follows what is in it. */
function dress(frame: HTMLIFrameElement, doc: Document, title: string): ResizeObserver {
	const base = doc.createElement("style");
	base.textContent = BASE;
	doc.head.append(base);
	doc.documentElement.dataset.paper = frame.classList.contains("dark") ? "dark" : "light";
	doc.documentElement.lang = "";
	doc.body.dir = "auto";
	doc.title = title;
	let growths = 0, last = 0;
	const body = doc.body, root = doc.documentElement;
	const measure = () => {
		fitWidth(frame, body);
		const height = Math.min(Math.ceil(Math.max(body.getBoundingClientRect().height, body.scrollHeight * zoomOf(body))), HEIGHT_MAX);
		if (height === last)
			return;
		/* what is as high as its window, and a bit more, would never end */
		if (height > last && height - last < 200 && ++growths > GROWTHS_MAX)
			return;
		last = height;
		if (height === HEIGHT_MAX)
			root.dataset.tall = ""; // the rest is reached by scrolling in it
		const bar = frame.clientWidth < root.scrollWidth ? 16 : 0;
		frame.style.setProperty("block-size", height + bar + "px");
	};
	doc.addEventListener("load", () => {
		growths = 0;
	}, true);
	doc.addEventListener("toggle", () => {
		growths = 0;
	}, true);
	const observer = new ResizeObserver(measure);
	observer.observe(body);
	return observer;
}

const zoomOf = (body: HTMLElement): number => parseFloat(body.style.getPropertyValue("zoom")) || 1;

/** Mail that is made for one width is made smaller on a narrow screen, as far as it can still be read. */
function fitWidth(frame: HTMLIFrameElement, body: HTMLElement): void {
	const width = frame.clientWidth;
	const wanted = body.scrollWidth;
	if (width === 0 || width > 760 || zoomOf(body) !== 1)
		return;
	if (wanted > width + 4)
		body.style.setProperty("zoom", String(Math.max(0.5, width / wanted)));
}

/** Links open in a tab of their own; one that says another site than it leads to is asked about first. Keys are the
 * page's. */
function listen(frame: HTMLIFrameElement, doc: Document, signal: AbortSignal): void {
	doc.addEventListener("click", (e) => {
		const a = (e.target as Element | null)?.closest?.("a[href]") as HTMLAnchorElement | null;
		if (!a)
			return;
		const href = a.getAttribute("href") ?? "";
		if (href.startsWith("#")) {
			e.preventDefault();
			const id = decodeURIComponent(href.slice(1));
			const target = id ? doc.getElementById(id) ?? [...doc.querySelectorAll("a[name]")].find((x) => x.getAttribute("name") === id) : doc.body;
			target?.scrollIntoView({ block: "start" });
		} else if (/^mailto:/i.test(href)) {
			e.preventDefault();
			mailto(href);
		} else {
			const wrong = linkMismatch(a.textContent ?? "", href);
			if (wrong) {
				e.preventDefault();
				void openAfterWarning(wrong, href);
			}
		}
	}, { signal });
	doc.addEventListener("keydown", (e) => {
		if ((e.target as Element | null)?.closest?.("summary") && (e.key === "Enter" || e.key === " "))
			return;
		if (e.key === "Escape")
			frame.focus();
		keys.handle(e);
	}, { signal });
}

export async function openAfterWarning(wrong: { shown: string; real: string }, href: string): Promise<void> {
	if (await confirmDialog(t("reader.linkTitle"), t("reader.linkText", wrong), t("reader.linkOpen", { real: wrong.real }), true))
		window.open(href, "_blank", "noopener,noreferrer");
}

async function showOwnPictures(pictures: Picture[], parts: EmailBodyPart[], urls: string[], signal: AbortSignal): Promise<void> {
	const made = new Map<string, string | null>();
	for (const p of pictures) {
		if (!p.cid || signal.aborted)
			continue;
		const part = parts.find((x) => x.cid?.toLowerCase() === p.cid);
		if (!part)
			continue;
		if (!made.has(p.cid)) {
			const url = await pictureOfPart(part).catch(() => null);
			made.set(p.cid, url);
			if (url)
				urls.push(url);
		}
		const url = made.get(p.cid);
		if (url && !signal.aborted)
			p.img.src = url;
	}
	if (signal.aborted)
		urls.forEach((u) => URL.revokeObjectURL(u));
}

/** How many could not be had. */
async function showRemotePictures(pictures: Picture[], urls: string[], signal: AbortSignal): Promise<number> {
	const left = [...new Set(pictures.map((p) => p.url).filter((u): u is string => !!u))];
	let failed = 0;
	const work = async () => {
		for (let url = left.shift(); url && !signal.aborted; url = left.shift()) {
			const got = await remotePicture(url).catch(() => null);
			if (!got) {
				failed++;
				continue;
			}
			urls.push(got);
			if (signal.aborted)
				URL.revokeObjectURL(got);
			else
				pictures.filter((p) => p.url === url).forEach((p) => { p.img.src = got; });
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	return failed;
}
