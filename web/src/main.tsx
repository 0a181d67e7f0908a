// The start: what this browser remembers, the login, the first picture, then news.

import "./i18n/main";
import { render } from "preact";
import { startApp } from "./ui/start";
import { App } from "./ui/shell/Shell";

await startApp();
render(<App />, document.body);
