// What stands above the results: where it was looked for, and what of the search was not understood.

import { t } from "../../core/i18n";
import { type Problem, placeOf, withPlace } from "../../core/search";
import { go } from "../../core/router";
import { folderName } from "../folders/folder_names";
import { Button } from "../kit/kit";
import { here } from "../spaces";
import { cameFrom, problemText, searchNames } from "./search_state";

/** The place is a part of the words, so that a link or a kept search has it too. */
export function ScopeChips({ query }: { query: string }) {
	const now = placeOf(query), nowId = now && now !== "anywhere" ? searchNames.mailboxId(now) : null;
	const place = nowId ? now : cameFrom.value, placeId = searchNames.mailboxId(place);
	const folder = here.value.store.mailbox.all.value.find((m) => m.id === placeId);
	const all = [...(folder ? [{ place, label: folderName(folder) }] : []), { place: "", label: t("search.scopeAll") }, { place: "anywhere", label: t("search.scopeEverything") }];
	return (
		<div class="scopes" role="group" aria-label={t("search.scope")}>
			{all.map((s) => <Button key={s.place} small kind="plain" label={s.label} pressed={now === s.place}
				onClick={() => go({ page: "mail", account: here.value.id, folder: "search", query: withPlace(query, s.place) })} />)}
		</div>
	);
}

export function SearchProblems({ query, problems }: { query: string; problems: Problem[] }) {
	return (
		<ul class="list-note" role="status">
			{problems.slice(0, 4).map((p) => (
				<li key={p.kind + p.at}>{problemText(p, query)} <Button small kind="plain" label={t("search.problem.show")} onClick={() => {
					const field = document.querySelector<HTMLInputElement>("#search")!;
					field.focus();
					field.setSelectionRange(p.at, p.end);
				}} /></li>
			))}
		</ul>
	);
}
