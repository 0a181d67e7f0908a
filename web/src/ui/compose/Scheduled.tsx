// Letters that wait for their time.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { formatAddress } from "../../core/address";
import { fullDate } from "../../core/dates";
import { t } from "../../core/i18n";
import type { EmailSubmission } from "../../core/types";
import { store } from "../app";
import { Button, Dialog, Spinner, toast } from "../kit/kit";
import { openComposer, scheduledCount } from "./compose";
import { cancelScheduled, readPending, scheduledOf } from "./sending";

export function Scheduled({ onClose }: { onClose(): void }) {
	const list = useSignal<EmailSubmission[] | null>(null);
	const load = async () => {
		const found = scheduledOf(await readPending().catch(() => []));
		await store.email.load(found.map((s) => s.emailId)).catch(() => {});
		list.value = found;
		scheduledCount.value = found.length;
	};
	useEffect(() => void load(), []);
	const cancel = async (s: EmailSubmission, isEditing: boolean) => {
		const origin = await cancelScheduled(s);
		if (origin === undefined) {
			toast({ text: t("compose.tooLate"), kind: "bad" });
		} else if (isEditing) {
			openComposer({ kind: "draft", emailId: s.emailId, origin });
			onClose();
			return;
		} else {
			toast({ text: t("compose.canceled") });
		}
		await load();
	};
	return (
		<Dialog wide title={t("compose.scheduled")} onClose={onClose} foot={<Button label={t("kit.close")} onClick={onClose} />}>
			{list.value === null ? <Spinner /> : list.value.length === 0 ? <p>{t("compose.nothingScheduled")}</p> : (
				<ul class="scheduled-list">
					{list.value.map((s) => {
						const e = store.email.get(s.emailId);
						return (
							<li key={s.id}>
								<div class="scheduled-text">
									<p dir="auto"><b>{e?.subject || t("compose.new")}</b></p>
									<p class="quiet" dir="auto">{fullDate(s.sendAt)} · {(e?.to ?? []).map(formatAddress).join(", ")}</p>
								</div>
								<Button small label={t("compose.editScheduled")} onClick={() => void cancel(s, true)} />
								<Button small label={t("compose.cancelScheduled")} onClick={() => void cancel(s, false)} />
							</li>
						);
					})}
				</ul>
			)}
		</Dialog>
	);
}
