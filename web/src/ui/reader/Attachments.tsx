// What hangs on a message: a strip of files, each saved, some looked at here. Nothing of them ever runs in the page:
// HTML is saved, never shown.

import { useEffect, useState } from "preact/hooks";
import { type AttachmentKind, canPreview, dangerOf, kindOf, safeName } from "../../core/attachment";
import { formatSize, t } from "../../core/i18n";
import type { EmailBodyPart } from "../../core/types";
import { zip } from "../../core/zip";
import { Button, Dialog, Icon, type IconName, Spinner, toast } from "../kit/kit";
import { fetchOctets, fetchText, partUrl } from "./load";
import { Text } from "./Text";

const ICON: Record<AttachmentKind, IconName> = {
	image: "image", pdf: "file", text: "file", audio: "file", video: "file", message: "inbox", tnef: "file", calendar: "file",
	archive: "archive", html: "code", document: "file", other: "file",
};
const ZIP_MAX = 200 << 20; // octets that are put together in the browser
const BLOB_TYPES = /^(image\/(png|jpeg|gif|webp|avif)|application\/pdf|text\/plain|audio\/[\w.+-]+|video\/[\w.+-]+|message\/rfc822)$/i;

export const nameOf = (part: EmailBodyPart): string => safeName(part, t(kindOf(part) === "message" ? "reader.message" : "reader.file"));
const savedType = (part: EmailBodyPart): string => (BLOB_TYPES.test(part.type) ? part.type.toLowerCase() : "application/octet-stream");

export function Attachments({ parts, onMessage }: { parts: EmailBodyPart[]; onMessage(part: EmailBodyPart): void }) {
	const [shown, setShown] = useState<EmailBodyPart | null>(null);
	const [isZipping, setZipping] = useState(false);
	if (!parts.length)
		return null;
	const total = parts.reduce((n, p) => n + p.size, 0);
	const saveAll = async () => {
		setZipping(true);
		try {
			const files = await Promise.all(parts.map(async (p) => ({ name: nameOf(p),
				octets: new Uint8Array(await (await fetchOctets(p.blobId!, "application/octet-stream")).arrayBuffer()) })));
			save(zip(files), t("reader.zipName"));
		} catch {
			toast({ text: t("reader.zipFailed"), kind: "bad" });
		} finally {
			setZipping(false);
		}
	};
	const open = (p: EmailBodyPart) => (kindOf(p) === "message" ? onMessage(p) : setShown(p));
	return (
		<section class="attachments" aria-label={t("reader.attachments", { n: parts.length })}>
			<div class="attachments-head">
				<h3>{t("reader.attachments", { n: parts.length })}</h3>
				<span class="quiet">{formatSize(total)}</span>
				{parts.length > 1 && total <= ZIP_MAX && parts.every((p) => p.blobId) && (
					<Button small kind="plain" label={t("reader.saveAll")} disabled={isZipping} onClick={() => void saveAll()} />
				)}
			</div>
			<ul class="attachment-list">
				{parts.map((p, i) => <Item part={p} key={p.blobId ?? i} onOpen={() => open(p)} />)}
			</ul>
			{shown && <Preview part={shown} onClose={() => setShown(null)} />}
		</section>
	);
}

function Item({ part, onOpen }: { part: EmailBodyPart; onOpen(): void }) {
	const kind = kindOf(part);
	const danger = dangerOf(part);
	const name = nameOf(part);
	const isOpened = kind === "message" || (canPreview(part) && kind !== "pdf");
	const words = `${t(`reader.kind.${kind}`)} · ${formatSize(part.size)}`;
	return (
		<li class={`attachment${danger === "program" || danger === "disguised" ? " dangerous" : ""}`}>
			<div class="attachment-main">
				{kind === "image" && part.size <= 2 << 20 && part.blobId ? <img class="thumb" src={partUrl(part, name)} alt="" loading="lazy" /> : <Icon name={ICON[kind]} />}
				<span class="attachment-words">
					{isOpened
						? <button type="button" class="attachment-name" dir="auto" title={name} aria-label={t("reader.openFile", { name })} onClick={onOpen}>{name}</button>
						: <span class="attachment-name" dir="auto" title={name}>{name}</span>}
					<span class="quiet">{words}</span>
				</span>
				{part.blobId && (
					<a class="button plain icon-only" href={partUrl(part, name, savedType(part))} download={name} aria-label={t("reader.saveFile", { name })}
						title={t("reader.saveFile", { name })}><Icon name="download" /></a>
				)}
			</div>
			{(danger || kind === "tnef") && <p class={`attachment-note ${danger && danger !== "active" ? "bad-text" : "quiet"}`}>{t(danger ? `reader.danger.${danger}` : "reader.tnef")}</p>}
		</li>
	);
}

export function save(blob: Blob, name: string): void {
	const url = URL.createObjectURL(blob);
	saveUrl(url, name);
	setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
export function saveUrl(url: string, name: string): void {
	const a = document.createElement("a");
	a.href = url;
	a.download = name;
	a.click();
}

function Preview({ part, onClose }: { part: EmailBodyPart; onClose(): void }) {
	const kind = kindOf(part);
	const name = nameOf(part);
	const [text, setText] = useState<string | null>(null);
	const [isBad, setBad] = useState(false);
	useEffect(() => {
		if (kind === "text" || kind === "calendar")
			fetchText(part).then(setText, () => setBad(true));
	}, [part]);
	return (
		<Dialog wide title={name} onClose={onClose} foot={
			<a class="button primary" href={partUrl(part, name, savedType(part))} download={name}>{t("reader.save")}</a>
		}>
			<div class="preview">
				{isBad && <p role="alert">{t("reader.previewFailed")}</p>}
				{kind === "image" && !isBad && <img src={partUrl(part, name)} alt={name} onError={() => setBad(true)} />}
				{(kind === "text" || kind === "calendar") && !isBad && (text === null ? <Spinner /> : <Text text={text} isOpen />)}
			</div>
		</Dialog>
	);
}
