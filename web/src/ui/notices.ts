// The browser's own notices of new mail, for who wants them: while the page is open and nobody looks at it.

import { shortName } from "../core/address";
import { go } from "../core/router";
import { settings } from "../core/settings";
import type { Email, GetResponse, QueryResponse } from "../core/types";
import { jmap, mail, push } from "./app";

const AT_ONCE = 3;
const LOCK = "yizhan-notices"; // of several tabs one speaks

let since = new Date();

async function tell(): Promise<void> {
	const inbox = mail.byRole("inbox");
	if (!inbox)
		return;
	const after = since.toISOString().replace(/\.\d+Z$/, "Z");
	since = new Date();
	const query = jmap.call<QueryResponse>("Email/query", { filter: { inMailbox: inbox.id, notKeyword: "$seen", after }, sort: [{ property: "receivedAt", isAscending: false }], limit: AT_ONCE });
	const get = jmap.call<GetResponse<Email>>("Email/get", { "#ids": query.ref("/ids"), properties: ["id", "threadId", "from", "subject"] });
	for (const e of (await get).list) {
		const n = new Notification(e.from?.[0] ? shortName(e.from[0]) : "", { body: e.subject ?? "", tag: e.id });
		n.onclick = () => {
			focus();
			go({ page: "mail", folder: "inbox", threadId: e.threadId });
			n.close();
		};
	}
}

export function startNotices(): void {
	push.listeners.add((changed) => {
		if (!("Email" in changed) || !settings.value.notify || document.visibilityState === "visible" || typeof Notification === "undefined"
			|| Notification.permission !== "granted")
			return;
		void navigator.locks?.request(LOCK, { ifAvailable: true }, async (lock) => {
			if (lock)
				await tell().catch(() => {});
		});
	});
}
