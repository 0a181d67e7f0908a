// Keys that work everywhere on the page.

import { t } from "../../core/i18n";
import type { KeyBinding } from "../../core/keys";
import { back, go, route } from "../../core/router";
import { isHelpOpen, undo } from "../app";
import { openComposer } from "../compose/compose";
import { closeToast } from "../kit/kit";

export function shellKeys(): KeyBinding[] {
	const everywhere = t("shell.keys.everywhere"), places = t("shell.keys.go");
	const to = (folder: string) => () => go({ page: "mail", folder });
	return [
		{ group: everywhere, keys: "c", label: t("shell.compose"), run: () => openComposer({ kind: "new" }) },
		{ group: everywhere, keys: "/", label: t("shell.search"), run: () => {
			const field = document.querySelector<HTMLInputElement>("#search");
			field?.focus();
			field?.select();
		} },
		{ group: everywhere, keys: "z", label: t("kit.undo"), run: () => {
			if (undo.undo())
				closeToast();
		} },
		{ group: everywhere, keys: "?", label: t("shell.help"), run: () => { isHelpOpen.value = true; } },
		{ group: everywhere, keys: "u", label: t("shell.keys.back"), run: () => {
			const r = route.value;
			if (r.page === "mail" && r.threadId)
				back({ ...r, threadId: undefined, traceId: undefined });
			else if (r.page !== "mail")
				back({ page: "mail", folder: "inbox" });
		} },
		{ group: places, keys: "g i", label: t("shell.keys.inbox"), run: to("inbox") },
		{ group: places, keys: "g s", label: t("shell.keys.sent"), run: to("sent") },
		{ group: places, keys: "g d", label: t("shell.keys.drafts"), run: to("drafts") },
		{ group: places, keys: "g a", label: t("shell.keys.archive"), run: to("archive") },
		{ group: places, keys: "g t", label: t("shell.keys.trash"), run: to("trash") },
		{ group: places, keys: "g p", label: t("shell.settings"), run: () => go({ page: "settings", section: "" }) },
	];
}
