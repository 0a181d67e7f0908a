// What this is.

import { t } from "../../core/i18n";
import { jmap } from "../app";
import { Page } from "./parts";

declare const __LICENCES__: string;

export function About() {
	return (
		<Page title={t("settings.about")}>
			<p>Yizhan 驿站</p>
			<p>{t("settings.aboutText")}</p>
			<dl class="settings-facts">
				<div><dt>{t("settings.version")}</dt><dd><code>{document.documentElement.dataset.version}</code></dd></div>
				<div><dt>{t("settings.server")}</dt><dd><code>{location.host}</code></dd></div>
				<div><dt>{t("settings.accountName")}</dt><dd>{jmap.session.value?.username}</dd></div>
			</dl>
			<p><a href={__LICENCES__} target="_blank" rel="noopener">{t("settings.licences")}</a></p>
		</Page>
	);
}
