// In Sent: what has not arrived yet, and what will not. Asked for the rows in sight, once each, and again when
// submissions change.

import { signal } from "@preact/signals";
import { t } from "../../core/i18n";
import type { EmailSubmission, GetResponse, Id, QueryResponse } from "../../core/types";
import { jmap, push } from "../app";

const known = signal<ReadonlyMap<Id, { kind: "bad" | "wait"; text: string } | null>>(new Map());
const asked = new Set<Id>();

push.listeners.add((changed) => {
	if ("EmailSubmission" in changed)
		asked.clear();
});

export function deliveryChips(ids: Id[]): Map<Id, { kind: "bad" | "wait"; text: string }> {
	const missing = ids.filter((id) => !asked.has(id));
	if (missing.length && jmap.has("submission")) {
		missing.forEach((id) => asked.add(id));
		void load(missing);
	}
	const out = new Map<Id, { kind: "bad" | "wait"; text: string }>();
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
		const get = jmap.call<GetResponse<EmailSubmission>>("EmailSubmission/get", { "#ids": query.ref("/ids"), properties: ["emailId", "undoStatus", "deliveryStatus"] });
		await query;
		const next = new Map(known.value);
		ids.forEach((id) => next.set(id, null));
		for (const s of (await get).list) {
			const all = Object.values(s.deliveryStatus ?? {});
			if (s.undoStatus === "canceled")
				continue;
			if (all.some((d) => d.delivered === "no"))
				next.set(s.emailId, { kind: "bad", text: t("list.notDelivered") });
			else if (all.some((d) => d.delivered === "queued"))
				next.set(s.emailId, { kind: "wait", text: t("list.waiting") });
		}
		known.value = next;
	} catch {
		ids.forEach((id) => asked.delete(id));
	}
}
