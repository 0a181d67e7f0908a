// The door of the composer: who wants to write calls openComposer. The room itself comes with the first one.

import { signal } from "@preact/signals";
import type { EmailAddress, Id } from "../../core/types";

export interface ComposeInit {
	kind: "new" | "reply" | "reply-all" | "forward" | "draft" | "again";
	/** What it answers, forwards, or goes on with. */
	emailId?: Id;
	to?: EmailAddress[];
	cc?: EmailAddress[];
	bcc?: EmailAddress[];
	subject?: string;
	text?: string;
}
export interface Opened { number: number; init: ComposeInit }

export const composers = signal<Opened[]>([]);
let count = 0;

export function openComposer(init: ComposeInit): void {
	composers.value = [...composers.value, { number: ++count, init }];
}
export function closeComposer(number: number): void {
	composers.value = composers.value.filter((c) => c.number !== number);
}
