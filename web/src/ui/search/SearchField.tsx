// The search field of the top bar: a combobox that proposes the language's words, people, folders, labels, days and
// what was searched for before. Nothing is chosen until an arrow says so: Enter searches for what is written.
// (search.css, i18n/search.*.json: part of the first picture)

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../../core/i18n";
import { go, route } from "../../core/router";
import { type Suggestion, asksForPeople, suggestions, taken, wordAt } from "../../core/search_suggest";
import type { Person } from "../../core/compose_types";
import { jmap } from "../app";
import { suggest } from "../compose/suggest";
import { lazy } from "../lazy";
import { Button, Icon, type IconName, Listbox, type Option, optionId } from "../kit/kit";
import { here } from "../spaces";
import { cameFrom, clearRecent, folderWord, isFormOpen, knownNow, loadRecent, problemText, problemsAway, recent, rememberSearch, searchText } from "./search_state";

const SearchOptions = lazy("search", () => import("./SearchOptions").then((m) => m.SearchOptions));
const PEOPLE_AFTER_MS = 120;
const LIST = "search-list";
const ICONS: Record<Suggestion["kind"], IconName> = { recent: "scheduled", operator: "search", folder: "folder", label: "label", person: "user", value: "search" };

export function startSearch(text: string) {
	const q = text.trim();
	isFormOpen.value = false;
	if (q)
		rememberSearch(q);
	go(q ? { page: "mail", account: here.value.id, folder: "search", query: q } : { page: "mail", folder: "inbox" });
}

export function SearchField() {
	const r = route.value;
	const query = r.page === "mail" && r.folder === "search" ? r.query ?? "" : "";
	const ref = useRef<HTMLInputElement>(null), box = useRef<HTMLFormElement>(null);
	const isOpen = useSignal(false), isAsked = useSignal(false);
	const active = useSignal(-1), caret = useSignal(0);
	const people = useSignal<Person[]>([]);
	const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

	useEffect(() => {
		searchText.value = query;
	}, [query]);
	useEffect(loadRecent, [jmap.session.value?.username]);
	const folderId = r.page === "mail" && r.folder !== "search" && r.folder !== "label" ? here.value.mail.folder(r.folder)?.id : undefined;
	useEffect(() => {
		if (folderId)
			cameFrom.value = folderWord(folderId);
	}, [folderId]);
	const text = searchText.value;
	useLayoutEffect(() => { // at once: later there may be another letter in it
		if (ref.current!.value !== searchText.peek())
			ref.current!.value = searchText.peek();
	}, [text]);
	useEffect(() => {
		if (!isFormOpen.value)
			return;
		const shut = (e: PointerEvent) => {
			if (!box.current!.contains(e.target as Node) && !(e.target as Element).closest?.(".menu, dialog"))
				isFormOpen.value = false;
		};
		document.addEventListener("pointerdown", shut, true);
		return () => document.removeEventListener("pointerdown", shut, true);
	}, [isFormOpen.value]);

	const close = () => {
		clearTimeout(timer.current);
		isOpen.value = isAsked.value = false;
		active.value = -1;
	};
	const look = () => {
		const at = ref.current!.selectionStart ?? 0;
		caret.value = at;
		active.value = -1;
		clearTimeout(timer.current);
		const who = asksForPeople(wordAt(ref.current!.value, at));
		if (!who) {
			people.value = [];
			return;
		}
		timer.current = setTimeout(async () => {
			const found = await suggest(who);
			if (asksForPeople(wordAt(ref.current?.value ?? "", ref.current?.selectionStart ?? 0)) === who)
				people.value = found;
		}, PEOPLE_AFTER_MS);
	};
	const take = (s: Suggestion) => {
		if (s.kind === "recent") {
			close();
			return startSearch(s.text);
		}
		const next = taken(text, caret.value, s), input = ref.current!;
		input.value = searchText.value = next.text;
		input.setSelectionRange(next.caret, next.caret);
		isOpen.value = !!s.isOpen;
		isAsked.value = false;
		people.value = [];
		look();
	};
	const list = isOpen.value ? suggestions(text, caret.value, knownNow(people.value), isAsked.value) : [];
	const options: Option[] = list.map((s) => ({ id: s.kind + s.text, label: s.label, icon: ICONS[s.kind],
		hint: s.kind === "operator" ? t(`search.op.${s.label.slice(0, -1)}`) : s.kind === "recent" ? t("search.before") : s.kind === "value" ? s.hint ?? (s.label.startsWith("is:")
			? t(`search.is.${s.label.slice(3)}`) : undefined) : s.hint }));
	const wrong = isOpen.value ? problemsAway(text, caret.value) : [];
	const isShown = !isFormOpen.value && (list.length > 0 || wrong.length > 0);

	const onKeyDown = (e: KeyboardEvent) => {
		if (e.isComposing || e.keyCode === 229 || e.ctrlKey || e.metaKey || e.altKey)
			return;
		if (e.key === "ArrowDown" || e.key === "ArrowUp") {
			if (!isOpen.value || !list.length) {
				isOpen.value = isAsked.value = true;
				look();
			} else if (list.length) {
				const n = list.length + 1; // and none of them
				active.value = (active.value + 1 + (e.key === "ArrowDown" ? 1 : n - 1)) % n - 1;
			}
		} else if (e.key === "Escape" && (isShown || isFormOpen.value)) {
			close();
			isFormOpen.value = false;
		} else if (e.key === "Enter" && isShown && list[active.value]) {
			take(list[active.value]!);
		} else {
			return;
		}
		e.preventDefault();
		e.stopPropagation();
	};
	return (
		<form class="search" role="search" ref={box}
			onSubmit={(e) => {
				e.preventDefault();
				close();
				startSearch(ref.current!.value);
			}}
			onFocusOut={(e) => {
				if (!box.current!.contains(e.relatedTarget as Node | null))
					close();
			}}>
			<Icon name="search" />
			<input ref={ref} id="search" class="search-input" type="text" inputMode="search" dir="auto" autocomplete="off" autocapitalize="off" spellcheck={false} role="combobox"
				aria-label={t("search.label")} placeholder={t("search.label")} enterkeyhint="search" aria-autocomplete="list" aria-expanded={isShown && list.length > 0}
				aria-controls={isShown && list.length > 0 ? LIST : undefined} aria-activedescendant={isShown ? optionId(LIST, active.value) : undefined}
				onFocus={() => {
					isOpen.value = true;
					look();
				}}
				onInput={(e) => {
					searchText.value = e.currentTarget.value;
					isOpen.value = true;
					isAsked.value = false;
					look();
				}}
				onKeyUp={(e) => {
					if (/^(Arrow(Left|Right)|Home|End)$/.test(e.key))
						look();
				}}
				onClick={look} onKeyDown={onKeyDown} />
			<Button kind="plain" icon="filter" label={t("search.options")} expanded={isFormOpen.value} class="search-more"
				onClick={() => {
					close();
					isFormOpen.value = !isFormOpen.value;
				}} />
			{isShown && (
				<div class="menu search-pop">
					{wrong.map((p) => <p class="search-wrong" role="status" key={p.kind + p.at}>{problemText(p, text)}</p>)}
					{list.length > 0 && <Listbox id={LIST} label={t("search.proposals")} options={options} active={active.value}
						onPick={(o) => take(list[options.indexOf(o)]!)} onHover={(i) => { active.value = i; }} />}
					{list.some((s) => s.kind === "recent") && recent.value.length > 0 && (
						<Button small kind="plain" label={t("search.clearRecent")} onClick={() => {
							clearRecent();
							ref.current!.focus();
						}} />
					)}
				</div>
			)}
			{isFormOpen.value && <SearchOptions onClose={() => {
				isFormOpen.value = false;
				ref.current!.focus();
				close();
			}} onSearch={() => startSearch(searchText.value)} />}
		</form>
	);
}
