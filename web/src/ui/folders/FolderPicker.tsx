// "Where to?" and "which labels?": one field, what fits below it, Enter.

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { t } from "../../core/i18n";
import { settings } from "../../core/settings";
import type { Id, Mailbox } from "../../core/types";
import { Dialog, Listbox, type Option, optionId } from "../kit/kit";
import { type Space, own, shared } from "../spaces";
import { folderIcon, folderPathName, orderedFolders } from "./folder_names";

interface Asked { title: string; options(): Option[]; done(id: string | null): void }
const asked = signal<Asked | null>(null);
const text = signal("");
const active = signal(0);

function ask(title: string, options: () => Option[]): Promise<string | null> {
	text.value = "";
	active.value = 0;
	return new Promise((done) => { asked.value = { title, options, done }; });
}
/** A folder that mail may be put into. `extra`: one more choice, like "top level". */
export function pickFolder(title: string, isChoice: (m: Mailbox) => boolean, extra?: Option, { store } = own): Promise<Id | null> {
	return ask(title, () => [...(extra ? [extra] : []), ...orderedFolders(store).filter(({ mailbox }) => isChoice(mailbox))
		.map(({ mailbox }) => ({ id: mailbox.id, label: folderPathName(mailbox, store), icon: folderIcon(mailbox) }))]);
}
/** A folder of any account that mail may be put into: those of `first` stand first. */
export async function pickPlace(title: string, isChoice: (m: Mailbox) => boolean, first: Space): Promise<{ space: Space; mailbox: Mailbox } | null> {
	const spaces = [first, ...[own, ...shared.value].filter((s) => s !== first)];
	const places = () => spaces.flatMap((space) => orderedFolders(space.store).filter(({ mailbox }) => isChoice(mailbox)).map(({ mailbox }) => ({ space, mailbox })));
	const id = await ask(title, () => places().map(({ space, mailbox }) => ({ id: `${space.id ?? ""}/${mailbox.id}`, icon: folderIcon(mailbox),
		label: (space.id ? space.name + " / " : "") + folderPathName(mailbox, space.store) })));
	return places().find(({ space, mailbox }) => `${space.id ?? ""}/${mailbox.id}` === id) ?? null;
}
/** A label; `has`: which of them are on. */
export function pickLabel(title: string, has: (keyword: string) => boolean): Promise<string | null> {
	return ask(title, () => settings.value.labels.map((l) => ({ id: l.keyword, label: l.name, color: l.color,
		hint: has(l.keyword) ? t("folders.labelOn") : undefined })));
}

/** Stands once, in the shell. */
export function PickerHost() {
	const a = asked.value, id = useId();
	if (!a)
		return null;
	const words = text.value.trim().toLowerCase();
	const options = a.options().filter((o) => o.label.toLowerCase().includes(words));
	const at = Math.min(active.value, options.length - 1);
	const end = (v: string | null) => {
		asked.value = null;
		a.done(v);
	};
	return (
		<Dialog title={a.title} onClose={() => end(null)}>
			<input class="input" autofocus dir="auto" role="combobox" aria-expanded="true" aria-controls={id} aria-activedescendant={optionId(id, at)}
				aria-label={t("folders.filter")} placeholder={t("folders.filter")} value={text.value}
				onInput={(e) => {
					text.value = e.currentTarget.value;
					active.value = 0;
				}}
				onKeyDown={(e) => {
					if (e.isComposing || e.keyCode === 229)
						return;
					if (e.key === "ArrowDown" || e.key === "ArrowUp") {
						active.value = (at + (e.key === "ArrowDown" ? 1 : options.length - 1)) % Math.max(1, options.length);
						e.preventDefault();
					} else if (e.key === "Enter") {
						e.preventDefault();
						if (options[at])
							end(options[at]!.id);
					}
				}} />
			<div class="picker">
				<Listbox id={id} label={a.title} options={options} active={at} onPick={(o) => end(o.id)} onHover={(i) => { active.value = i; }} />
				{!options.length && <p class="quiet">{t("folders.nothingFits")}</p>}
			</div>
		</Dialog>
	);
}
