// The form of the search: it shows what the field says and writes what it is told, at every key.
// (search.css, i18n/search.*.json)

import { useSignal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../../core/i18n";
import { IS_VALUES } from "../../core/search";
import { type SearchForm, formOf, textOf } from "../../core/search_form";
import { settings } from "../../core/settings";
import { folderName, orderedFolders } from "../folders/folder_names";
import { Button } from "../kit/kit";
import { here } from "../spaces";
import { folderWord, searchNames, searchText } from "./search_state";

const TEXTS = ["from", "to", "subject", "words", "not"] as const;

export function SearchOptions({ onClose, onSearch }: { onClose(): void; onSearch(): void }) {
	const id = useId(), box = useRef<HTMLDivElement>(null);
	// what is being written here is not taken apart and put together under one's hands
	const own = useSignal<{ text: string; form: SearchForm } | null>(null);
	const form = own.value && own.value.text === searchText.value ? own.value.form : formOf(searchText.value);
	const set = (patch: Partial<SearchForm>) => {
		const next = { ...form, ...patch }, text = textOf(next);
		own.value = { text, form: next };
		searchText.value = text;
	};
	useLayoutEffect(() => box.current!.querySelector<HTMLElement>("input")?.focus(), []); // before anybody goes elsewhere
	const text = (name: typeof TEXTS[number]) => (
		<div class="field" key={name}>
			<label for={id + name}>{t(`search.form.${name}`)}</label>
			<input id={id + name} class="input" dir="auto" autocomplete="off" value={form[name]} onInput={(e) => set({ [name]: e.currentTarget.value })} />
		</div>
	);
	const select = (name: "in" | "label" | "is", label: string, options: [string, string][]) => (
		<div class="field">
			<label for={id + name}>{label}</label>
			<select id={id + name} class="select" value={form[name]} onChange={(e) => set({ [name]: e.currentTarget.value })}>
				{options.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
				{form[name] && !options.some(([v]) => v === form[name]) && <option value={form[name]}>{form[name]}</option>}
			</select>
		</div>
	);
	// the folder may be called by any of its names
	const place = searchNames.mailboxId(form.in);
	const folders = orderedFolders(here.value.store).map(({ mailbox: m, depth }): [string, string] => [m.id === place ? form.in : folderWord(m.id), "\u2003".repeat(depth) + folderName(m)]);
	const day = (name: "after" | "before") => (
		<div class="field">
			<label for={id + name}>{t(`search.form.${name}`)}</label>
			<input id={id + name} class="input" type="date" max="9999-12-31" value={form[name]} onInput={(e) => set({ [name]: e.currentTarget.value })} />
		</div>
	);
	return (
		<div class="menu search-pop search-options" role="group" aria-label={t("search.options")} ref={box}
			onKeyDown={(e) => {
				if (e.key === "Escape" && !e.isComposing) {
					e.stopPropagation();
					onClose();
				} else if (e.key === "Enter" && !e.isComposing && e.keyCode !== 229 && (e.target as Element).matches("input")) {
					e.preventDefault();
					onSearch();
				}
			}}>
			{TEXTS.map(text)}
			{select("in", t("search.form.in"), [["", t("search.scopeAll")], ...folders, ["anywhere", t("search.scopeEverything")]])}
			{select("is", t("search.form.is"), [["", t("search.form.any")], ...IS_VALUES.filter((v) => v !== "starred").map((v): [string, string] => [v, t(`search.is.${v}`)])])}
			{settings.value.labels.length > 0 && select("label", t("search.form.label"), [["", t("search.form.any")], ...settings.value.labels.map((l): [string, string] => [l.name, l.name])])}
			{day("after")}
			{day("before")}
			<fieldset class="field">
				<legend class="field-label">{t("search.form.size")}</legend>
				<div class="search-size">
					<select class="select" aria-label={t("search.form.sizeOp")} value={form.sizeOp} onChange={(e) => set({ sizeOp: e.currentTarget.value as SearchForm["sizeOp"] })}>
						<option value="larger">{t("search.form.larger")}</option>
						<option value="smaller">{t("search.form.smaller")}</option>
					</select>
					<input class="input" inputMode="decimal" size={5} aria-label={t("search.form.size")} value={form.size} onInput={(e) => set({ size: e.currentTarget.value })} />
					<select class="select" aria-label={t("search.form.unit")} value={form.sizeUnit} onChange={(e) => set({ sizeUnit: e.currentTarget.value as SearchForm["sizeUnit"] })}>
						{(["k", "M", "G"] as const).map((u) => <option key={u} value={u}>{u.toUpperCase()}B</option>)}
						<option value="">B</option>
					</select>
				</div>
			</fieldset>
			<label class="check"><input type="checkbox" checked={form.hasAttachment} onChange={(e) => set({ hasAttachment: e.currentTarget.checked })} />{t("search.form.hasAttachment")}</label>
			<div class="dialog-foot">
				<Button label={t("search.form.clear")} onClick={() => {
					own.value = null;
					searchText.value = "";
				}} />
				<Button kind="primary" label={t("search.form.search")} onClick={onSearch} />
			</div>
		</div>
	);
}
