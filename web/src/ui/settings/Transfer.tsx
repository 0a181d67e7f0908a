// A folder as a file, and a file into a folder. The server makes and reads the files; here is told how far it is.

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { formatNumber, t } from "../../core/i18n";
import { NetworkError, RequestError, SessionEnded } from "../../core/jmap";
import { exportFile, importFile } from "../../core/transfer";
import type { Id } from "../../core/types";
import { jmap, store } from "../app";
import { folderPathName, orderedFolders } from "../folders/folder_names";
import { Button } from "../kit/kit";
import { Group, Page } from "./parts";

interface Work { text: string; done: number; total: number; stop: AbortController }
const work = signal<Work | null>(null);
/** How the last one ended. It stays until the next begins. */
const result = signal<{ isBad: boolean; text: string } | null>(null);

async function exportFolder(id: Id, name: string, as: "mbox" | "zip", stop: AbortSignal) {
	const file = name.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, "-") + "." + as;
	const { blob, messages } = await exportFile({ jmap, mailboxId: id, name: file, as, signal: stop, onProgress: (done, total) => tell({ done, total }) });
	const url = URL.createObjectURL(blob);
	const a = document.createElement("a");
	a.href = url;
	a.download = file;
	a.click();
	setTimeout(() => URL.revokeObjectURL(url), 60_000);
	return { isBad: false, text: t("settings.exported", { n: messages }) };
}

async function importFiles(files: File[], mailboxId: Id, stop: AbortSignal) {
	const sum = { added: 0, present: 0, bad: 0 };
	const total = files.reduce((n, f) => n + f.size, 0);
	let before = 0;
	try {
		for (const file of files) {
			const end = await importFile({ jmap, mailboxId, file, signal: stop, onSent: (n) => tell({ done: before + n, total }),
				onRead: (n) => tell({ text: t("settings.importRead", { n: sum.added + sum.present + sum.bad + n }), done: 0, total: 0 }) });
			for (const k of ["added", "present", "bad"] as const)
				sum[k] += end[k];
			before += file.size;
		}
	} finally {
		void store.sync(["Email", "Mailbox", "Thread"]);
	}
	return { isBad: sum.bad > 0, text: [t("settings.imported", { n: sum.added }), sum.present ? t("settings.importPresent", { n: sum.present }) : "",
		sum.bad ? t("settings.importBad", { n: sum.bad }) : ""].filter(Boolean).join(" · ") };
}

function tell(now: Partial<Work>) {
	if (work.value)
		work.value = { ...work.value, ...now };
}
function why(e: unknown): string {
	if (e instanceof DOMException && e.name === "AbortError")
		return t("settings.transferStopped");
	if (e instanceof RequestError)
		return e.type === "overQuota" ? t("settings.overQuota") : e.type === "noMail" ? t("settings.noMail") : e.type === "notFound" ? t("list.noFolder")
			: e.status === 409 ? t("settings.tooMuchForZip") : e.status === 413 ? t("settings.fileTooLarge") : e.status === 429 ? t("shell.tooMany") : t("settings.transferFailed");
	return e instanceof NetworkError || e instanceof SessionEnded ? t("settings.transferFailed") : String(e);
}
async function start(text: string, run: (stop: AbortSignal) => Promise<{ isBad: boolean; text: string }>) {
	if (work.value)
		return;
	const stop = new AbortController();
	work.value = { text, done: 0, total: 0, stop };
	result.value = null;
	try {
		result.value = await run(stop.signal);
	} catch (e) {
		result.value = { isBad: true, text: why(e) };
	}
	work.value = null;
}

export function Transfer() {
	const asked = new URLSearchParams(location.search);
	const from = useId(), to = useId(), file = useId(), as = useId();
	const folders = orderedFolders().map(({ mailbox }) => mailbox);
	const w = work.value, r = result.value;
	return (
		<Page title={t("settings.transfer")}>
			{w && (
				<div class="bulk-bar" role="status">
					<span>{w.text}</span><progress max={w.total || undefined} value={w.total ? w.done : undefined} aria-label={w.text} />
					{w.total > 0 && <span class="quiet">{formatNumber(Math.floor(w.done / w.total * 100))} %</span>}
					<Button small label={t("list.stop")} onClick={() => w.stop.abort()} />
				</div>
			)}
			{r && <p class={`transfer-result${r.isBad ? " bad-text" : ""}`} role={r.isBad ? "alert" : "status"}>{r.text}</p>}
			<Group title={t("settings.export")} hint={t("settings.exportHint")}>
				<form class="settings-form" onSubmit={(e) => {
					e.preventDefault();
					const d = new FormData(e.currentTarget), m = store.mailbox.peek(String(d.get("from")));
					if (m)
						void start(t("settings.exporting"), (stop) => exportFolder(m.id, folderPathName(m), d.get("as") === "zip" ? "zip" : "mbox", stop));
				}}>
					<div class="field"><label for={from}>{t("settings.folder")}</label>
						<select id={from} name="from" class="select">{folders.map((m) => <option key={m.id} value={m.id} selected={m.id === asked.get("export")}>{folderPathName(m)} ({m.totalEmails})</option>)}</select></div>
					<div class="field"><label for={as}>{t("settings.exportAs")}</label>
						<select id={as} name="as" class="select"><option value="mbox">{t("settings.asMbox")}</option><option value="zip">{t("settings.asZip")}</option></select></div>
					<Button type="submit" icon="download" both label={t("settings.exportGo")} disabled={!!w} />
				</form>
			</Group>
			<Group title={t("settings.import")} hint={t("settings.importHint")}>
				<form class="settings-form" onSubmit={(e) => {
					e.preventDefault();
					const d = new FormData(e.currentTarget);
					const files = d.getAll("file").filter((f): f is File => f instanceof File && f.size > 0);
					if (files.length)
						void start(t("settings.importing"), (stop) => importFiles(files, String(d.get("to")), stop));
				}}>
					<div class="field"><label for={file}>{t("settings.files")}</label><input id={file} name="file" class="input" type="file" multiple accept=".mbox,.eml,.zip,message/rfc822,application/mbox,application/zip" required /></div>
					<div class="field"><label for={to}>{t("settings.folder")}</label>
						<select id={to} name="to" class="select">{folders.filter((m) => m.myRights.mayAddItems).map((m) => <option key={m.id} value={m.id} selected={m.id === (asked.get("import") ?? folders[0]?.id)}>{folderPathName(m)}</option>)}</select></div>
					<Button type="submit" icon="upload" both label={t("settings.importGo")} disabled={!!w} />
				</form>
			</Group>
		</Page>
	);
}
