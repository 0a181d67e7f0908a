// In Sent: what has not arrived yet, and what will not, whichever program has sent it (the station log knows). Asked for
// the rows in sight, once each; again when submissions change, and now and then while something waits.

import { signal } from "@preact/signals";
import { t } from "../../core/i18n";
import type { EmailSubmission, GetResponse, Id, Obj, QueryResponse } from "../../core/types";
import { jmap, push } from "../app";

export interface DeliveryChip { kind: "bad" | "wait" | "later"; text: string }
interface Standing extends Obj { standing: { traceId: Id; waiting: number; tried: number; failed: number } | null }
const SOON_MS = 31_000; // held only for the undo bar
const AGAIN_MS = 20_000;

const known = signal<ReadonlyMap<Id, DeliveryChip | null>>(new Map());
const asked = new Set<Id>();
let again: ReturnType<typeof setTimeout> | undefined;

push.listeners.add((changed) => {
	if ("EmailSubmission" in changed) {
		asked.clear();
		known.value = new Map(known.value);
	}
});

export function deliveryChips(ids: Id[]): Map<Id, DeliveryChip> {
	const missing = ids.filter((id) => !asked.has(id));
	if (missing.length && jmap.has("submission")) {
		missing.forEach((id) => asked.add(id));
		void load(missing);
	}
	const out = new Map<Id, DeliveryChip>();
	for (const id of ids) {
		const chip = known.value.get(id);
		if (chip)
			out.set(id, chip);
	}
	return out;
}

async function load(ids: Id[]) {
	try {
		const query = jmap.call<QueryResponse>("EmailSubmission/query", { filter: { emailIds: ids } });
		const get = jmap.call<GetResponse<EmailSubmission>>("EmailSubmission/get", { "#ids": query.ref("/ids"), properties: ["emailId", "sendAt", "undoStatus", "deliveryStatus"] });
		const standing = jmap.call<GetResponse<Standing>>("Email/get", { ids, properties: ["standing"] });
		await query;
		const next = new Map(known.value);
		ids.forEach((id) => next.set(id, null));
		for (const { id, standing: s } of (await standing).list)
			if (s?.failed)
				next.set(id, { kind: "bad", text: t("list.notDelivered") });
			else if (s?.waiting && s.tried)
				next.set(id, { kind: "wait", text: t("list.waiting") });
		for (const s of (await get).list) {
			const all = Object.values(s.deliveryStatus ?? {});
			if (s.undoStatus === "canceled")
				continue;
			if (all.some((d) => d.delivered === "no"))
				next.set(s.emailId, { kind: "bad", text: t("list.notDelivered") });
			else if (s.undoStatus === "pending" && Date.parse(s.sendAt) > Date.now() + SOON_MS)
				next.set(s.emailId, { kind: "later", text: t("list.scheduled") });
			else if (all.some((d) => d.delivered === "queued"))
				next.set(s.emailId, { kind: "wait", text: t("list.waiting") });
		}
		known.value = next;
		clearTimeout(again);
		if ([...next.values()].some((c) => c?.kind === "wait"))
			again = setTimeout(() => {
				for (const [id, c] of known.value)
					if (c?.kind === "wait")
						asked.delete(id);
				known.value = new Map(known.value); // whoever shows them asks
			}, AGAIN_MS);
	} catch {
		ids.forEach((id) => asked.delete(id));
	}
}
