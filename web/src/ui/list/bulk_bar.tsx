// Things done to very many mails: how far it is, a way to stop, and undo.

import { signal } from "@preact/signals";
import { type BulkProgress, bulkChange } from "../../core/bulk";
import { t } from "../../core/i18n";
import type { Store } from "../../core/store";
import type { Filter, Id, Patch } from "../../core/types";
import { store, undo } from "../app";
import { Button, toast } from "../kit/kit";

export interface Bulk {
	/** Of another account than one's own. */
	store?: Store;
	/** "Moving to Archive" */
	text: string;
	done(n: number): string;
	filter: Filter | null | Id[];
	patch: Patch | null;
	/** Instead of a patch: into another account. */
	carry?: (ids: Id[]) => Promise<Id[]>;
	/** The way back; none for what is destroyed. */
	back?: Patch;
}
const running = signal<{ bulk: Bulk; progress: BulkProgress; stop: AbortController } | null>(null);

export function startBulk(bulk: Bulk): void {
	if (running.value) {
		toast({ kind: "bad", text: t("list.bulkBusy") });
		return;
	}
	const stop = new AbortController();
	running.value = { bulk, progress: { done: 0, total: 0 }, stop };
	bulkChange(bulk.store ?? store, bulk.filter, bulk.carry ?? bulk.patch, (progress) => { running.value = { bulk, progress, stop }; }, stop.signal).then((r) => {
		running.value = null;
		const { back } = bulk;
		const what = back && r.ids.length ? { text: bulk.done(r.ids.length), undo: () => startBulk({ text: t("list.undoing"), done: (n) => t("list.undone", { n }),
			store: bulk.store, filter: r.ids, patch: back }) } : null;
		if (what)
			undo.push(what);
		toast({ text: bulk.done(r.ids.length) + (r.failed ? " " + t("list.bulkFailed", { n: r.failed }) : ""), kind: r.failed ? "bad" : undefined,
			action: what ? { label: t("kit.undo"), run: () => undo.undo(what) } : undefined });
	}, () => {
		running.value = null;
		toast({ kind: "bad", text: t("list.bulkBroken") });
	});
}

export function BulkBar() {
	const r = running.value;
	if (!r)
		return null;
	const { done, total } = r.progress;
	return (
		<div class="bulk-bar" role="status">
			<span>{r.bulk.text}</span>
			<progress max={total || 1} value={done} aria-label={r.bulk.text} />
			<span class="quiet">{t("list.bulkProgress", { done, total })}</span>
			<Button small label={t("list.stop")} onClick={() => r.stop.abort()} />
		</div>
	);
}
