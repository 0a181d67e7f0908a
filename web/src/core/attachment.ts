/* What an attachment is: how it is shown, whether it is dangerous. */

import type { EmailBodyPart } from "./types";

export type AttachmentKind = "image" | "pdf" | "text" | "audio" | "video" | "message" | "tnef" | "calendar" | "archive" | "html" | "document" | "other";

/* What runs, or makes another program run something, when it is opened. */
const DANGEROUS = new Set(
	("ade adp apk app appinstaller application appx appxbundle bat cab chm cmd com cpl crx deb desktop diagcab dll dmg " +
	"elf ex_ exe gadget hlp hta img inf ins iso isp jar jnlp js jse ksh lib lnk mde mjs msc msi msix msixbundle msp mst " +
	"nsh ocx one pif pkg pl ppkg ps1 ps2 psc1 psc2 psd1 psm1 py pyc pyw rb reg rpm run scf scr sct search-ms settingcontent-ms sh " +
	"shb shs sys theme url vb vbe vbs vhd vhdx vxd website workflow ws wsc wsf wsh xbap xll xnk " +
	"docm dotm pptm potm ppam ppsm sldm xlsm xltm xlam").split(" "));
const ACTIVE = new Set(["html", "htm", "xhtml", "xht", "shtml", "mht", "mhtml", "svg", "svgz", "xml", "xsl", "xslt"]);
const ARCHIVE = /^(zip|rar|7z|tar|gz|tgz|bz2|xz|zst|lz|arj|cab)$/;

/* What turns text around, so that "gpj.exe" is read as "exe.jpg", or is not seen at all. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** The name that is shown and saved: without controls, without a path. */
export function safeName(part: EmailBodyPart, fallback: string): string {
	const plain = (part.name ?? "").replace(HIDDEN, "").replace(/[/\\]+/g, "_").trim().replace(/^\.+/, "");
	if (plain)
		return plain.length > 200 ? plain.slice(0, 150) + "…" + plain.slice(-40) : plain;
	return fallback + (EXTENSION[part.type.toLowerCase()] ?? "");
}
const EXTENSION: Record<string, string> = {
	"message/rfc822": ".eml", "message/global": ".eml", "text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics",
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/webp": ".webp", "application/pdf": ".pdf",
	"message/delivery-status": ".txt", "text/rfc822-headers": ".txt", "application/pgp-signature": ".asc",
	"application/pkcs7-signature": ".p7s", "message/disposition-notification": ".txt",
};

export const extensionOf = (name: string | null): string =>
	/\.([a-z0-9_-]{1,24})\s*$/i.exec((name ?? "").replace(HIDDEN, ""))?.[1]?.toLowerCase() ?? "";

export type Danger = "program" | "active" | "disguised" | null;

export function dangerOf(part: EmailBodyPart): Danger {
	const name = part.name ?? "";
	const ext = extensionOf(name);
	const type = part.type.toLowerCase();
	const runs = DANGEROUS.has(ext) || /^application\/(x-msdownload|x-msdos-program|x-dosexec|x-sh|x-executable|java-archive|x-ms-shortcut|hta|vnd\.microsoft\.portable-executable|javascript)$/.test(type) || type === "text/javascript";
	/* "photo.jpg.exe", "invoice.pdf      .scr", turned letters */
	if (runs && (/\.(pdf|docx?|xlsx?|pptx?|jpe?g|png|gif|txt|mp3|mp4|zip|csv)[\s_.]*\.[^.]+$/i.test(name) || /[\u202a-\u202e\u2066-\u2069]/.test(name)))
		return "disguised";
	if (runs)
		return "program";
	if (ACTIVE.has(ext) || type === "text/html" || type === "image/svg+xml" || type === "application/xhtml+xml")
		return "active";
	return null;
}

export function kindOf(part: EmailBodyPart): AttachmentKind {
	const type = part.type.toLowerCase();
	const ext = extensionOf(part.name);
	if (type === "application/ms-tnef" || type === "application/vnd.ms-tnef" || /^winmail\.dat$/i.test(part.name ?? ""))
		return "tnef";
	if (type === "message/rfc822" || type === "message/global" || (ext === "eml" && /^(application|text|message)\//.test(type)))
		return "message";
	if (type === "text/html" || ACTIVE.has(ext) && type !== "image/png")
		return "html";
	if (/^image\/(png|jpeg|gif|webp|avif|bmp)$/.test(type))
		return "image";
	if (type === "application/pdf")
		return "pdf";
	if (type === "text/calendar")
		return "calendar";
	if (type.startsWith("text/") || type === "message/delivery-status" || type === "application/json")
		return "text";
	if (type.startsWith("audio/"))
		return "audio";
	if (type.startsWith("video/"))
		return "video";
	if (ARCHIVE.test(ext) || /^application\/(zip|gzip|x-(7z|rar|tar|bzip)[a-z-]*)$/.test(type))
		return "archive";
	if (/officedocument|opendocument|msword|ms-excel|ms-powerpoint|rtf/.test(type))
		return "document";
	return "other";
}

/* Shown in the page itself; what is larger is saved and opened elsewhere. */
const PREVIEW_MAX: Partial<Record<AttachmentKind, number>> = { image: 32 << 20, pdf: 64 << 20, text: 2 << 20, calendar: 1 << 20 };
export function canPreview(part: EmailBodyPart): boolean {
	const max = PREVIEW_MAX[kindOf(part)];
	return max !== undefined && part.blobId !== null && part.size <= max;
}

/** Parts that the HTML shows by itself (cid:) are not listed as attachments again. */
export function stripParts(attachments: EmailBodyPart[], shownCids: ReadonlySet<string>): EmailBodyPart[] {
	return attachments.filter((p) => !(p.cid && shownCids.has(p.cid.toLowerCase())));
}

export interface TreeRow {
	part: EmailBodyPart;
	depth: number;
	path: string;
}
/** The structure of a message as rows, as deep as it is nested; paths as in IMAP (RFC 3501 section 6.4.5). */
export function treeRows(root: EmailBodyPart): TreeRow[] {
	const rows: TreeRow[] = [];
	const walk = (part: EmailBodyPart, depth: number, path: string): void => {
		rows.push({ part, depth, path });
		part.subParts?.forEach((sub, i) => walk(sub, depth + 1, path ? `${path}.${i + 1}` : `${i + 1}`));
	};
	walk(root, 0, "");
	return rows;
}
