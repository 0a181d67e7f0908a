// A message from the inside: its octets, its header fields, its parts.

import { useEffect, useState } from "preact/hooks";
import { treeRows } from "../../core/attachment";
import { emlName } from "../../core/eml";
import { formatSize, t } from "../../core/i18n";
import type { EmailBodyPart } from "../../core/types";
import { Button, Dialog, Icon, Spinner, toast } from "../kit/kit";
import { nameOf, saveUrl } from "./Attachments";
import { accountOf, here } from "../spaces";
import { type FullEmail, decode, fetchOctets, loadStructure, partUrl } from "./load";
import { jmap } from "../app";

export type View = "source" | "headers" | "parts";
const SOURCE_MAX = 1 << 20; // octets that are shown; .eml has all

export function saveEml(email: { blobId: string; subject: string | null }): void {
	const name = emlName(email, t("reader.message"));
	saveUrl(jmap.downloadUrl(email.blobId, name, "message/rfc822", accountOf(here.peek())), name);
}

export function ViewDialog({ view, email, onClose }: { view: View; email: FullEmail; onClose(): void }) {
	return (
		<Dialog wide title={t(`reader.view.${view}`)} onClose={onClose} foot={<Foot view={view} email={email} />}>
			{view === "source" ? <Source email={email} /> : view === "headers" ? <Headers email={email} /> : <Parts email={email} />}
		</Dialog>
	);
}

function Foot({ view, email }: { view: View; email: FullEmail }) {
	if (view === "parts")
		return null;
	const copy = async () => {
		const text = view === "headers" ? email.headers.map((h) => `${h.name}:${h.value}`).join("\r\n")
			: decode(await (await fetchOctets(email.blobId, "application/octet-stream", SOURCE_MAX)).arrayBuffer(), "utf-8");
		await navigator.clipboard.writeText(text);
		toast({ text: t("reader.copied") });
	};
	return <>
		<Button icon="copy" both label={t("reader.copy")} onClick={() => void copy().catch(() => toast({ text: t("reader.copyFailed"), kind: "bad" }))} />
		<Button icon="download" both label={t("reader.saveEml")} onClick={() => saveEml(email)} />
	</>;
}

function Source({ email }: { email: FullEmail }) {
	const [text, setText] = useState<string | null>(null);
	const [isBad, setBad] = useState(false);
	useEffect(() => {
		fetchOctets(email.blobId, "application/octet-stream", SOURCE_MAX)
			.then(async (b) => setText(decode(await b.slice(0, SOURCE_MAX).arrayBuffer(), "utf-8")))
			.catch(() => setBad(true));
	}, [email.blobId]);
	if (isBad)
		return <p role="alert">{t("reader.previewFailed")}</p>;
	if (text === null)
		return <Spinner />;
	return <>
		{email.size > SOURCE_MAX && <p class="quiet">{t("reader.sourceCut", { size: formatSize(SOURCE_MAX), all: formatSize(email.size) })}</p>}
		<pre class="source" tabIndex={0} dir="ltr">{text}</pre>
	</>;
}

function Headers({ email }: { email: FullEmail }) {
	return (
		<div class="table-box" tabIndex={0} role="region" aria-label={t("reader.view.headers")}>
			<table class="headers">
				<tbody>
					{email.headers.map((h, i) => (
						<tr key={i}><th scope="row">{h.name}</th><td dir="auto">{h.value.trim()}</td></tr>
					))}
				</tbody>
			</table>
		</div>
	);
}

function Parts({ email }: { email: FullEmail }) {
	const [root, setRoot] = useState<EmailBodyPart | null>(null);
	const [isBad, setBad] = useState(false);
	useEffect(() => {
		loadStructure(email.id).then((r) => (r ? setRoot(r) : setBad(true)), () => setBad(true));
	}, [email.id]);
	if (isBad)
		return <p role="alert">{t("reader.previewFailed")}</p>;
	if (!root)
		return <Spinner />;
	return (
		<div class="table-box" tabIndex={0} role="region" aria-label={t("reader.view.parts")}>
			<table class="parts">
				<thead><tr><th scope="col">{t("reader.part.type")}</th><th scope="col">{t("reader.part.name")}</th><th scope="col">{t("reader.part.how")}</th>
					<th scope="col">{t("reader.part.size")}</th><th scope="col"><span class="sr-only">{t("reader.save")}</span></th></tr></thead>
				<tbody>
					{treeRows(root).map((r) => (
						<tr key={r.path}>
							<td class={`depth-${Math.min(r.depth, 8)}`}><span class="part-path quiet">{r.path}</span> {r.part.type}</td>
							<td dir="auto">{r.part.name ?? ""}</td>
							<td>{[r.part.charset, r.part.disposition, r.part.cid ? `cid:${r.part.cid}` : null].filter(Boolean).join(", ")}</td>
							<td class="number">{r.part.blobId ? formatSize(r.part.size) : ""}</td>
							<td>{r.part.blobId && <a class="button plain icon-only" href={partUrl(r.part, nameOf(r.part), "application/octet-stream")}
								download={nameOf(r.part)} aria-label={t("reader.saveFile", { name: nameOf(r.part) })}><Icon name="download" /></a>}</td>
						</tr>
					))}
				</tbody>
			</table>
		</div>
	);
}
