// Keys of the list (the family of Gmail and mox).

import { t } from "../../core/i18n";
import type { KeyBinding } from "../../core/keys";
import type { ListActions } from "./List";

export interface KeyedList {
	act: ListActions;
	clear(): void;
	open(i: number): void;
	setCursor(i: number): void;
	toggle(i: number): void;
	cursor(): number;
	selected(): number;
	at(): Element;
	isOpen: boolean;
}

export function listKeys(l: KeyedList): KeyBinding[] {
	const group = t("list.keys"), chosen = t("list.keysChosen");
	const step = (by: number) => () => l.isOpen ? l.open(l.cursor() + by) : l.setCursor(l.cursor() + by);
	return [
		{ group, keys: "j", label: t("list.key.next"), run: step(1) },
		{ group, keys: "k", label: t("list.key.previous"), run: step(-1) },
		{ group, keys: "o", label: t("list.key.open"), run: () => l.open(Math.max(0, l.cursor())) },
		{ group, keys: "x", label: t("list.key.select"), run: () => l.toggle(l.cursor()) },
		{ group, keys: "* a", label: t("list.selectAll"), run: () => l.act.selectAll() },
		{ group, keys: "Escape", label: t("list.clear"), run: () => l.clear() },
		{ group: chosen, keys: "e", label: t("list.archive"), run: () => l.act.archive() },
		{ group: chosen, keys: "#", label: t("list.delete"), run: () => void l.act.trash() },
		{ group: chosen, keys: "!", label: t("list.junk"), run: () => l.act.junk() },
		{ group: chosen, keys: "v", label: t("list.move"), run: () => void l.act.move() },
		{ group: chosen, keys: "l", label: t("list.label"), run: () => void l.act.label() },
		{ group: chosen, keys: "s", label: t("list.starIt"), run: () => l.act.star() },
		{ group: chosen, keys: "b", label: t("list.snooze"), run: () => l.act.snooze(document.querySelector(".toolbar-more") ?? l.at()) },
		{ group: chosen, keys: "Shift+I", label: t("list.markRead"), run: () => l.act.read(true) },
		{ group: chosen, keys: "Shift+U", label: t("list.markUnread"), run: () => l.act.read(false) },
		{ group: chosen, keys: ".", label: t("list.more"), run: () => l.act.more(document.querySelector(".toolbar-more") ?? l.at()) },
	];
}
