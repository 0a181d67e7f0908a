// Keys that work everywhere on the page.

import { t } from "../../core/i18n";
import type { KeyBinding } from "../../core/keys";
import { back, go, route } from "../../core/router";
import { isHelpOpen, undo } from "../app";
import { openComposer } from "../compose/compose";
import { closeToast } from "../kit/kit";

/** Its words are asked for when they are shown: the language may be another by then. */
const key = (group: string, keys: string, label: string, run: () => void): KeyBinding => ({ keys, run, get group() { return t(group); }, get label() { return t(label); } });

export function shellKeys(): KeyBinding[] {
	const everywhere = "shell.keys.everywhere", places = "shell.keys.go";
	const to = (folder: string) => () => go({ page: "mail", folder });
	return [
		key(everywhere, "c", "shell.compose", () => openComposer({ kind: "new" })),
		key(everywhere, "/", "shell.search", () => {
			const field = document.querySelector<HTMLInputElement>("#search");
			field?.focus();
			field?.select();
		}),
		key(everywhere, "z", "kit.undo", () => {
			if (undo.undo())
				closeToast();
		}),
		key(everywhere, "?", "shell.help", () => { isHelpOpen.value = true; }),
		key(everywhere, "u", "shell.keys.back", () => {
			const r = route.value;
			if (r.page === "mail" && r.threadId)
				back({ ...r, threadId: undefined, traceId: undefined });
			else if (r.page !== "mail")
				back({ page: "mail", folder: "inbox" });
		}),
		key(places, "g i", "shell.keys.inbox", to("inbox")),
		key(places, "g s", "shell.keys.sent", to("sent")),
		key(places, "g d", "shell.keys.drafts", to("drafts")),
		key(places, "g a", "shell.keys.archive", to("archive")),
		key(places, "g t", "shell.keys.trash", to("trash")),
		key(places, "g p", "shell.settings", () => go({ page: "settings", section: "" })),
	];
}
