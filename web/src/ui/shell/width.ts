// Which panes there is room for.

import { signal } from "@preact/signals";

export const width = signal<"wide" | "middle" | "narrow">("wide");
export const isDrawerOpen = signal(false);

const wide = matchMedia("(min-width: 1200px)"), middle = matchMedia("(min-width: 760px)");
function set() {
	width.value = wide.matches ? "wide" : middle.matches ? "middle" : "narrow";
	isDrawerOpen.value = false;
}
wide.addEventListener("change", set);
middle.addEventListener("change", set);
set();
