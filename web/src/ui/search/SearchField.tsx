// The search field of the top bar. (search.css, i18n/search.*.json: part of the first picture)

import { useEffect, useRef } from "preact/hooks";
import { t } from "../../core/i18n";
import { go, route } from "../../core/router";
import { Icon } from "../kit/kit";

export function SearchField() {
	const r = route.value;
	const query = r.page === "mail" && r.folder === "search" ? r.query ?? "" : "";
	const ref = useRef<HTMLInputElement>(null);
	useEffect(() => {
		ref.current!.value = query;
	}, [query]);
	return (
		<form class="search" role="search" onSubmit={(e) => {
			e.preventDefault();
			const q = ref.current!.value.trim();
			go(q ? { page: "mail", folder: "search", query: q } : { page: "mail", folder: "inbox" });
		}}>
			<Icon name="search" />
			<input ref={ref} id="search" class="search-input" type="search" dir="auto" autocomplete="off" spellcheck={false}
				aria-label={t("search.label")} placeholder={t("search.label")} enterkeyhint="search" />
		</form>
	);
}
