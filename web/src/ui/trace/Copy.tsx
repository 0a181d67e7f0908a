// One's own copy of the letter that a trace is of: where it lies, whether it was read, its header.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../../core/i18n";
import type { Trace } from "../../core/trace";
import type { Email, GetResponse, Id, QueryResponse } from "../../core/types";
import { jmap, mail, store } from "../app";
import { folderName } from "../folders/folder_names";
import { Button, Dialog, toast } from "../kit/kit";

export type Copy = Pick<Email, "id" | "threadId" | "mailboxIds" | "keywords" | "subject">;
const PROPERTIES = ["id", "threadId", "mailboxIds", "keywords", "subject"];

/** By the Email that was asked for, else by the Message-ID; null: it is not there (any more). */
export async function findCopy(trace: Trace): Promise<Copy | null> {
	const found = trace.id.startsWith("M") ? null : jmap.call<QueryResponse>("Email/query", { filter: { header: ["Message-ID", trace.messageId] }, limit: 1 });
	const get = jmap.call<GetResponse<Email>>("Email/get", { ...found ? { "#ids": found.ref("/ids") } : { ids: [trace.id] }, properties: PROPERTIES });
	return (await get).list[0] ?? null;
}

export function CopyLine({ copy }: { copy: Copy }) {
	const folders = Object.keys(copy.mailboxIds).map((id) => store.mailbox.get(id)).filter((m) => m !== undefined);
	const first = folders[0];
	if (!first)
		return null;
	return (
		<p class="trace-copy">
			{t("trace.copy.in", { folders: folders.map(folderName).join(", ") })} · {t(copy.keywords.$seen ? "trace.copy.read" : "trace.copy.unread")} ·{" "}
			<a href={`/mail/${encodeURIComponent(mail.folderPath(first))}/${copy.threadId}`}>{t("trace.copy.open")}</a>
		</p>
	);
}

/** The whole header as it came, with what this server put above it. */
export function HeaderButton({ id }: { id: Id }) {
	const text = useSignal<string | null>(null);
	useEffect(() => { text.value = null; }, [id]);
	const show = async () => {
		try {
			const got = await jmap.call<GetResponse<Email & { headers: { name: string; value: string }[] }>>("Email/get", { ids: [id], properties: ["headers"] });
			text.value = (got.list[0]?.headers ?? []).map((h) => `${h.name}:${h.value}`).join("\n");
		} catch {
			toast({ kind: "bad", text: t("trace.failed") });
		}
	};
	return (
		<>
			<Button label={t("trace.header")} small onClick={() => void show()} />
			{text.value !== null && (
				<Dialog wide title={t("trace.header")} onClose={() => { text.value = null; }}>
					<pre class="trace-header-text" dir="ltr" tabIndex={0}>{text.value}</pre>
				</Dialog>
			)}
		</>
	);
}
