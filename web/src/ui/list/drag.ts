// What is being dragged: the data of a drag is text that any page could read, so it stays here.

import { signal } from "@preact/signals";
import type { Email, Id } from "../../core/types";

export const DRAG_TYPE = "application/x-yizhan-emails";
export const dragged = signal<{ emails(): Email[]; from?: Id } | null>(null);
