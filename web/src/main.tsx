// The start: what this browser remembers, the login, the first picture, then news.

import "./i18n/main";
import { render } from "preact";
import { startApp } from "./ui/start";
import { App } from "./ui/shell/Shell";

await startApp();
// what the icons are drawn of stays beside what is rendered
const icons = document.getElementById("icons");
if (icons)
	document.documentElement.append(icons);
render(<App />, document.body);
