// The way of a message. (trace.css, i18n/trace.*.json)

import { addCatalogue } from "../../core/i18n";
import en from "../../i18n/trace.en.json";

addCatalogue(en, { "zh-CN": () => import("../../i18n/trace.zh-CN.json") });

export function TracePage({ id }: { id: string }) {
	return <main class="trace" data-id={id} />;
}
