// A message or a conversation as it is put on paper: seen first, then printed. It stands in a frame like the one
// mail is read in; each message's style is kept to itself by a shadow root.

import { useEffect, useRef, useState } from "preact/hooks";
import { formatAddress } from "../../core/address";
import { fullDate } from "../../core/dates";
import { formatOf, linesOf } from "../../core/flowed";
import { t } from "../../core/i18n";
import { fillFrame, cssForTheme } from "../../core/sanitize";
import type { Email } from "../../core/types";
import { Button, Dialog, Spinner } from "../kit/kit";
import { type FullEmail, loadFull, pictureOfPart } from "./load";
import { nameOf } from "./Attachments";

const STYLE = `
html{background:#fff;color:#000;color-scheme:light}
body{margin:0;padding:24px;font:14px/1.45 system-ui,-apple-system,"Segoe UI","Noto Sans","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
h1{font-size:20px;line-height:1.3;margin:0 0 16px}
section{border-top:1px solid #888;padding:12px 0 20px}
table.head{border-collapse:collapse;margin:0 0 12px;font-size:13px}
table.head th{text-align:start;vertical-align:top;padding:0 12px 2px 0;font-weight:600;white-space:nowrap}
table.head td{padding:0 0 2px;overflow-wrap:anywhere}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
.files{margin:12px 0 0;font-size:13px}
img{max-width:100%}
@page{margin:16mm}
@media print{body{padding:0} section{break-inside:auto} table.head{break-inside:avoid}}
`;
const PART_STYLE = ":host{all:initial;display:block;font:14px/1.45 system-ui,sans-serif;color:#000;overflow-wrap:anywhere}img{max-width:100%}";

export function PrintDialog({ emails, subject, onClose }: { emails: Email[]; subject: string; onClose(): void }) {
	const ref = useRef<HTMLIFrameElement>(null);
	const [isReady, setReady] = useState(false);
	useEffect(() => {
		const frame = ref.current!;
		const end = new AbortController();
		const urls: string[] = [];
		const fill = async () => {
			const win = frame.contentWindow as (Window & typeof globalThis) | null;
			if (!win || win.location.pathname !== "/frame" || end.signal.aborted)
				return;
			const full = await Promise.all(emails.map((e) => loadFull(e.id).catch(() => null)));
			const doc = win.document;
			const style = doc.createElement("style");
			style.textContent = STYLE;
			doc.head.append(style);
			doc.title = subject;
			const h1 = doc.createElement("h1");
			h1.textContent = subject;
			h1.dir = "auto";
			doc.body.append(h1);
			for (const email of full)
				if (email && !end.signal.aborted)
					await put(win, doc.body, email, urls, end.signal);
			setReady(true);
		};
		const onLoad = () => void fill();
		frame.addEventListener("load", onLoad);
		frame.src = "/frame";
		return () => {
			end.abort();
			frame.removeEventListener("load", onLoad);
			urls.forEach((u) => URL.revokeObjectURL(u));
		};
	}, []);
	return (
		<Dialog wide title={t("reader.print")} onClose={onClose} foot={<>
			{!isReady && <Spinner />}
			<Button kind="primary" icon="print" both label={t("reader.printNow")} disabled={!isReady} onClick={() => ref.current?.contentWindow?.print()} />
		</>}>
			<iframe class="print-frame" ref={ref} title={t("reader.print")} sandbox="allow-same-origin allow-modals" />
		</Dialog>
	);
}

async function put(win: Window & typeof globalThis, body: HTMLElement, email: FullEmail, urls: string[], signal: AbortSignal): Promise<void> {
	const doc = win.document;
	const section = doc.createElement("section");
	const head = doc.createElement("table");
	head.className = "head";
	const list = (a: { name: string | null; email: string }[] | null | undefined) => (a ?? []).map(formatAddress).join(", ");
	for (const [name, value] of [[t("reader.field.from"), list(email.from)], [t("reader.field.to"), list(email.to)], [t("reader.field.cc"), list(email.cc)],
		[t("reader.field.date"), fullDate(email.sentAt ?? email.receivedAt)]] as const) {
		if (!value)
			continue;
		const row = head.insertRow();
		const th = doc.createElement("th");
		th.textContent = name;
		const td = doc.createElement("td");
		td.dir = "auto";
		td.textContent = value;
		row.append(th, td);
	}
	section.append(head);
	body.append(section);
	for (const part of email.htmlBody) {
		const value = part.partId ? email.bodyValues[part.partId]?.value : undefined;
		if (value === undefined)
			continue;
		const div = doc.createElement("div");
		section.append(div);
		if (part.type === "text/html")
			await putHtml(win, div, value, email, urls, signal);
		else
			putText(div, value, part["header:Content-Type:asRaw" as keyof typeof part] as string | null);
	}
	if (email.attachments.length) {
		const files = doc.createElement("p");
		files.className = "files";
		files.textContent = t("reader.attachments", { n: email.attachments.length }) + ": " + email.attachments.map(nameOf).join(", ");
		section.append(files);
	}
}

function putText(div: HTMLElement, value: string, contentType: string | null): void {
	div.className = "text";
	div.dir = "auto";
	div.textContent = linesOf(value, formatOf(contentType)).map((l) => (l.depth ? ">".repeat(l.depth) + " " : "") + l.text).join("\n");
}

async function putHtml(win: Window & typeof globalThis, div: HTMLElement, html: string, email: FullEmail, urls: string[], signal: AbortSignal): Promise<void> {
	const doc = win.document;
	const root = div.attachShadow({ mode: "open" });
	const base = doc.createElement("style");
	base.textContent = PART_STYLE;
	const inner = doc.createElement("div");
	inner.dir = "auto";
	root.append(base, inner);
	const mail = await fillFrame(win, inner, html, signal);
	for (const s of mail.styles)
		s.element.textContent = cssForTheme(s.css, false);
	for (const p of mail.pictures) {
		const part = p.cid ? [...email.attachments, ...email.htmlBody].find((x) => x.cid?.toLowerCase() === p.cid) : undefined;
		const url = part && !signal.aborted ? await pictureOfPart(part).catch(() => null) : null;
		if (!url)
			continue;
		urls.push(url);
		p.img.src = url;
		await p.img.decode().catch(() => {});
	}
}
