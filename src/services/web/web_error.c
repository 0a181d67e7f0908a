/* The page of an error, as whoever looks at it with a browser sees it: what it means, what can be done, and the way back
 * to the mail. No script, the style sheet of the login, two languages. */

#include "services/web/web_priv.h"

#include "base/must.h"

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGES };
static const struct span tags[LANGUAGES] = {SPAN("en"), SPAN("zh-CN")};

/* What it means, and what to do next. Statuses without words have those of their hundred. */
static const struct said {
	unsigned status;
	const char *title[LANGUAGES], *next[LANGUAGES];
} said[] = {
	{400, {"This request cannot be answered", "无法处理此请求"},
		{"Check the address, or go on from your mail.", "请检查地址，或返回邮箱继续。"}},
	{401, {"Please sign in", "请先登录"},
		{"Sign in, and then open this address again.", "请登录后重新打开此地址。"}},
	{403, {"This is not allowed", "不允许访问"},
		{"What you asked for is not open to you. If you came by a link of another site, "
		 "open it from your mail instead.",
			"您无权访问所请求的内容。如果是从其他网站的链接打开的，请改从邮箱中打开。"}},
	{404, {"There is nothing here", "此处没有内容"},
		{"The address may be mistyped, or what was here has been moved or deleted.",
			"地址可能有误，或内容已被移动或删除。"}},
	{405, {"That cannot be done here", "此处无法执行该操作"},
		{"Go on from your mail.", "请返回邮箱继续。"}},
	{408, {"That took too long", "请求超时"},
		{"Check your connection, then try again.", "请检查网络连接，然后重试。"}},
	{413, {"That is too large", "内容过大"},
		{"Choose a smaller file, or send it in parts.",
			"请选择较小的文件，或分成几部分发送。"}},
	{429, {"Too many requests", "请求过多"},
		{"Wait a minute, then try again.", "请稍等一分钟，然后重试。"}},
	{500, {"Something went wrong here", "服务器出错"},
		{"Try again. If it happens again, tell whoever runs this server: the log has the "
		 "reason.",
			"请重试。如果仍然出错，请告知服务器管理员，日志中记有原因。"}},
	{503, {"The server is busy", "服务器繁忙"},
		{"Try again in a minute.", "请稍等一分钟，然后重试。"}},
	{504, {"That took too long", "请求超时"},
		{"Try again in a minute.", "请稍等一分钟，然后重试。"}},
	{507, {"There is no room left", "存储空间不足"},
		{"Delete what you no longer need, then try again.",
			"请删除不再需要的内容，然后重试。"}},
};
static const char *const mail_words[LANGUAGES] = {"Go to your mail", "前往邮箱"};
static const char *const name_words[LANGUAGES] = {"Yizhan 驿站, the relay station", "驿站 Yizhan"};

static const struct said *find(unsigned status)
{
	const struct said *of_hundred = &said[0];

	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		if (said[i].status == status)
			return &said[i];
		if (said[i].status == status / 100 * 100)
			of_hundred = &said[i];
	}
	return of_hundred;
}

static void put_head(struct buf *b, enum language l, unsigned status, const char *title)
{
	const struct web_asset *style = web_asset_named(SPAN("login.css"));
	const struct web_asset *icon = web_asset_named(SPAN("icon.svg"));

	MUST(style && icon);
	buf_printf(b,
		"<!doctype html>\n<html lang=\"" SPAN_FMT "\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"robots\" content=\"noindex\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>%u · %s</title>\n",
		SPAN_ARG(tags[l]), status, title);
	buf_printf(b,
		"<link rel=\"icon\" type=\"image/svg+xml\" href=\"/static/%s\">\n"
		"<link rel=\"stylesheet\" href=\"/static/%s\">\n</head>\n<body>\n<main>\n<header>\n"
		"<img src=\"/static/%s\" alt=\"\" width=\"56\" height=\"56\">\n<h1>%s</h1>\n"
		"<p class=\"host\" lang=\"en\">%u %s</p>\n</header>\n",
		icon->path, style->path, icon->path, title, status, http_status_str(status));
}

void web_error_page(struct http_exchange *x, unsigned status, const char *detail, struct buf *page)
{
	enum language l = (enum language)http_accept_language(
		http_field_list(x, "Accept-Language"), tags, LANGUAGES);
	const struct said *s = find(status);

	put_head(page, l, status, s->title[l]);
	if (detail) {
		buf_str(page, "<p class=\"note\" lang=\"en\">");
		http_html_put(page, span_str(detail));
		buf_str(page, "</p>\n");
	}
	buf_printf(page,
		"<p class=\"more\">%s</p>\n<p class=\"more\"><a href=\"/mail/inbox\">%s</a></p>\n</main>\n"
		"<footer>%s</footer>\n</body>\n</html>\n",
		s->next[l], mail_words[l], name_words[l]);
	http_set(x, "Content-Language", tags[l]);
	http_set(x, "Content-Security-Policy", SPAN(WEB_PLAIN_POLICY));
}
