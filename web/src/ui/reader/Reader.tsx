// A conversation. (reader.css, i18n/reader.*.json)

import { addCatalogue } from "../../core/i18n";
import type { Id } from "../../core/types";
import en from "../../i18n/reader.en.json";
import { store } from "../app";

addCatalogue(en, { "zh-CN": () => import("../../i18n/reader.zh-CN.json") });

export interface ReaderProps { threadId: Id; /** The folder it is read in; none for search. */ mailboxId?: Id }

export function Reader({ threadId }: ReaderProps) {
	const emails = (store.thread.get(threadId)?.emailIds ?? []).map((id) => store.email.get(id));
	return <article class="reader"><h1 dir="auto">{emails[0]?.subject}</h1></article>;
}
