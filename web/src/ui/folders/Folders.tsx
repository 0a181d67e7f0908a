// The folder pane.

import { t } from "../../core/i18n";
import { store } from "../app";

export function Folders() {
	return (
		<nav class="folders" aria-label={t("folders.title")}>
			{store.mailbox.all.value.map((m) => <a key={m.id} href={`/mail/${m.role ?? m.id}`}>{m.name}</a>)}
		</nav>
	);
}
