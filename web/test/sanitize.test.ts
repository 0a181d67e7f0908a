import { test } from "node:test";
import assert from "node:assert/strict";
import { cssForTheme, plainCid, tidyCss } from "../src/core/sanitize";

const CASES: [string, string, string][] = [
	["colours stay", "p{color:red;background:#fff}", "p{color:red;background:#fff}"],
	["addresses go", "a{background:url(http://evil.test/x.png) red}", "a{background:none red}"],
	["quoted, with brackets", "a{background:url(\"http://evil.test/(x).png\")}", "a{background:none}"],
	["unclosed", "a{background:url(http://evil.test/x.png", "a{background:none"],
	["escaped letters", "a{background:\\75\\72\\6c(http://evil.test/)}", "a{background:none}"],
	["in capitals", "a{background:URL (//evil.test/)}", "a{background:none}"],
	["comments between", "a{background:u/**/rl(x);b:url(/* */http://evil.test)}", "a{background:u rl(x);b:none}"],
	["import", "@import 'http://evil.test/a.css';p{color:red}", "p{color:red}"],
	["pictures within stay", "a{background:url(data:image/png;base64,AAAA)}", "a{background:url(data:image/png;base64,AAAA)}"],
	["documents within go", "a{background:url(data:text/html,x)}", "a{background:none}"],
	["heights of the window", "a{height:100vh;width:50vw;min-height:10.5dvh}", "a{height:800px;width:50vw;min-height:84px}"],
	["fixed", "div{position: fixed;top:0}", "div{position:absolute;top:0}"],
];
for (const [name, css, expected] of CASES)
	test("style: " + name, () => assert.equal(tidyCss(css), expected));
test("style: image-set loads nothing", () => {
	for (const css of ["a{background:image-set('http://evil.test/a' 1x)}", "a{background:-webkit-image-set(url(http://evil.test/a) 1x)}"])
		assert.equal(/image-set\(/.test(tidyCss(css)), false);
});
test("style: light and dark are the page's, not the system's", () => {
	const css = "@media (prefers-color-scheme: dark){a{color:#fff}}@media screen and (prefers-color-scheme:light){b{color:#000}}";
	assert.equal(cssForTheme(css, true), "@media (min-width:0px){a{color:#fff}}@media screen and (max-width:0px){b{color:#000}}");
	assert.equal(cssForTheme(css, false), "@media (max-width:0px){a{color:#fff}}@media screen and (min-width:0px){b{color:#000}}");
});
test("ids of parts", () => {
	assert.equal(plainCid("Logo%40x.org"), "logo@x.org");
	assert.equal(plainCid("<a@B>"), "a@b");
	assert.equal(plainCid("50%"), "50%");
});
