// The list of messages.

import { t } from "../../core/i18n";
import type { Route } from "../../core/router";

export function List({ route }: { route: Route & { page: "mail" } }) {
	return <section class="list" aria-label={t("list.title")} data-folder={route.folder} />;
}
