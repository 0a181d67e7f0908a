import { addCatalogue } from "../../core/i18n";
import en from "../../i18n/settings.en.json";

addCatalogue(en, { "zh-CN": () => import("../../i18n/settings.zh-CN.json") });

export function Settings({ section }: { section: string }) {
	return <main class="settings" data-section={section} />;
}
