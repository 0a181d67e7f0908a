// A folder as a file, and files into a folder: an mbox is made and read here, letter by letter, over JMAP.

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../../core/i18n";
import { mboxEntry, splitMbox } from "../../core/mbox";
import type { Email, Filter, GetResponse, Id, QueryResponse } from "../../core/types";
import { jmap, store } from "../app";
import { folderPathName, orderedFolders } from "../folders/folder_names";
import { Button, toast } from "../kit/kit";
import { Group, Page } from "./parts";

const AT_ONCE = 4, PAGE = 200;
interface Work { text: string; done: number; total: number; failed: number; stop: AbortController }
const work = signal<Work | null>(null);

async function inParallel<T>(list: T[], run: (item: T) => Promise<void>, signal: AbortSignal) {
	let at = 0;
	await Promise.all(Array.from({ length: AT_ONCE }, async () => {
		while (at < list.length && !signal.aborted)
			await run(list[at++]!);
	}));
}
function step(isGood: boolean) {
	const w = work.value;
	if (w)
		work.value = { ...w, done: w.done + 1, failed: w.failed + (isGood ? 0 : 1) };
}

async function exportFolder(id: Id, name: string) {
	const stop = new AbortController();
	work.value = { text: t("settings.exporting"), done: 0, total: 0, failed: 0, stop };
	const parts: Blob[] = [];
	const filter: Filter = { inMailbox: id };
	for (let position = 0; !stop.signal.aborted; position += PAGE) {
		const query = jmap.call<QueryResponse>("Email/query", { filter, sort: [{ property: "receivedAt", isAscending: true }], position, limit: PAGE, calculateTotal: true });
		const get = jmap.call<GetResponse<Email>>("Email/get", { "#ids": query.ref("/ids"), properties: ["id", "blobId", "receivedAt", "from"] });
		const { ids, total } = await query, { list } = await get;
		if (!ids.length)
			break;
		work.value = { ...work.value!, total: total ?? list.length };
		const made = new Map<Id, Blob>();
		await inParallel(list, async (e) => {
			const answer = await fetch(jmap.downloadUrl(e.blobId, "letter.eml", "message/rfc822"), { credentials: "same-origin", signal: stop.signal }).catch(() => null);
			if (answer?.ok)
				made.set(e.id, new Blob([mboxEntry(new Uint8Array(await answer.arrayBuffer()), e.from?.[0]?.email ?? "", new Date(e.receivedAt)) as BlobPart]));
			step(!!answer?.ok);
		}, stop.signal);
		parts.push(...ids.map((i) => made.get(i)).filter((b): b is Blob => !!b));
	}
	if (!stop.signal.aborted) {
		const url = URL.createObjectURL(new Blob(parts, { type: "application/mbox" }));
		const a = document.createElement("a");
		a.href = url;
		a.download = name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, "-") + ".mbox";
		a.click();
		setTimeout(() => URL.revokeObjectURL(url), 60_000);
		toast({ text: t("settings.exported", { n: work.value!.done - work.value!.failed }) });
	}
}

async function importFiles(files: File[], mailboxId: Id) {
	const stop = new AbortController();
	work.value = { text: t("settings.importing"), done: 0, total: 0, failed: 0, stop };
	const letters: { octets: Blob; at: Date | null }[] = [];
	for (const file of files) {
		const octets = new Uint8Array(await file.arrayBuffer());
		const found = splitMbox(octets);
		letters.push(...found.map((l) => ({ octets: new Blob([l.octets as BlobPart], { type: "message/rfc822" }), at: l.at })));
	}
	work.value = { ...work.value, total: letters.length };
	await inParallel(letters, async (l) => {
		try {
			const { blobId } = await jmap.upload(l.octets, undefined, "message/rfc822").done;
			const r = await jmap.call<{ notCreated: Record<string, unknown> | null }>("Email/import", { emails: { i: { blobId, mailboxIds: { [mailboxId]: true }, keywords: { $seen: true },
				...(l.at ? { receivedAt: l.at.toISOString().replace(/\.\d+Z$/, "Z") } : {}) } } });
			step(!r.notCreated?.i);
		} catch {
			step(false);
		}
	}, stop.signal);
	void store.sync(["Email", "Mailbox", "Thread"]);
	toast({ text: t("settings.imported", { n: work.value!.done - work.value!.failed }), kind: work.value!.failed ? "bad" : undefined });
}

async function start(run: () => Promise<void>) {
	if (work.value)
		return;
	try {
		await run();
	} catch {
		toast({ kind: "bad", text: t("settings.transferFailed") });
	}
	work.value = null;
}

export function Transfer() {
	const asked = new URLSearchParams(location.search);
	const from = useId(), to = useId(), file = useId();
	const folders = orderedFolders().map(({ mailbox }) => mailbox);
	const w = work.value;
	return (
		<Page title={t("settings.transfer")}>
			{w && (
				<div class="bulk-bar" role="status">
					<span>{w.text}</span><progress max={w.total || 1} value={w.done} aria-label={w.text} />
					<span class="quiet">{t("list.bulkProgress", { done: w.done, total: w.total })}</span>
					{w.failed > 0 && <span class="bad-text">{t("list.bulkFailed", { n: w.failed })}</span>}
					<Button small label={t("list.stop")} onClick={() => w.stop.abort()} />
				</div>
			)}
			<Group title={t("settings.export")} hint={t("settings.exportHint")}>
				<form class="settings-form" onSubmit={(e) => {
					e.preventDefault();
					const id = String(new FormData(e.currentTarget).get("from")), m = store.mailbox.peek(id);
					if (m)
						void start(() => exportFolder(id, folderPathName(m)));
				}}>
					<div class="field"><label for={from}>{t("settings.folder")}</label>
						<select id={from} name="from" class="select">{folders.map((m) => <option key={m.id} value={m.id} selected={m.id === asked.get("export")}>{folderPathName(m)} ({m.totalEmails})</option>)}</select></div>
					<Button type="submit" icon="download" both label={t("settings.exportGo")} disabled={!!w} />
				</form>
			</Group>
			<Group title={t("settings.import")} hint={t("settings.importHint")}>
				<form class="settings-form" onSubmit={(e) => {
					e.preventDefault();
					const d = new FormData(e.currentTarget);
					const files = d.getAll("file").filter((f): f is File => f instanceof File && f.size > 0);
					if (files.length)
						void start(() => importFiles(files, String(d.get("to"))));
				}}>
					<div class="field"><label for={file}>{t("settings.files")}</label><input id={file} name="file" class="input" type="file" multiple accept=".mbox,.eml,message/rfc822,application/mbox" required /></div>
					<div class="field"><label for={to}>{t("settings.folder")}</label>
						<select id={to} name="to" class="select">{folders.filter((m) => m.myRights.mayAddItems).map((m) => <option key={m.id} value={m.id} selected={m.id === (asked.get("import") ?? folders[0]?.id)}>{folderPathName(m)}</option>)}</select></div>
					<Button type="submit" icon="upload" both label={t("settings.importGo")} disabled={!!w} />
				</form>
			</Group>
		</Page>
	);
}
