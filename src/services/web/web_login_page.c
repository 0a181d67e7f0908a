/* The pages of logging in and out. No script, one style sheet, two languages. */

#include "base/must.h"
#include "services/web/web_login_priv.h"

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGES };
static const struct span tags[LANGUAGES] = {SPAN("en"), SPAN("zh-CN")};

/* id, English, Chinese */
#define WORDS(X)                                                                                   \
	X(SIGN_IN, "Sign in", "登录")                                                              \
	X(USER, "E-mail address", "电子邮件地址")                                                  \
	X(PASSWORD, "Password", "密码")                                                            \
	X(NEXT, "Sign in", "登录")                                                                 \
	X(CODE_TITLE, "Second step", "第二步验证")                                                 \
	X(CODE_LEDE,                                                                               \
		"Enter the six digits that your authenticator app shows now, or one of your "      \
		"recovery codes.",                                                                 \
		"请输入身份验证器应用当前显示的六位数字，或一个恢复代码。")                        \
	X(CODE, "Code", "验证码")                                                                  \
	X(CHECK, "Continue", "继续")                                                               \
	X(OTHER, "Sign in as somebody else", "用其他账号登录")                                     \
	X(LEAVE_TITLE, "Sign out", "退出登录")                                                     \
	X(LEAVE_LEDE, "You are signed in on this device as", "此设备上已登录的账号：")             \
	X(LEAVE, "Sign out", "退出登录")                                                           \
	X(STAY, "Back to your mail", "返回邮箱")                                                   \
	X(WRONG, "That is not right. Check the address and the password.",                         \
		"地址或密码不正确，请检查后重试。")                                                \
	X(WRONG_CODE, "That code is not right, or it was used already. Wait for the next one.",    \
		"验证码不正确或已被使用，请等待下一个验证码。")                                    \
	X(WAIT, "Too many tries. Try again in", "尝试次数过多，请稍后再试：")                      \
	X(SECONDS, "seconds.", "秒后。")                                                           \
	X(MINUTES, "minutes.", "分钟后。")                                                         \
	X(STALE,                                                                                   \
		"This form was open for too long, or your browser keeps no cookies of this site. " \
		"Please try again.",                                                               \
		"此表单已过期，或浏览器未保存本站的 Cookie，请重试。")                             \
	X(BUSY, "The station is busy. Please try again.", "本站繁忙，请重试。")                    \
	X(PUBLIC,                                                                                  \
		"This connection is not encrypted, so nobody can sign in here. Open this page "    \
		"with https://.",                                                                  \
		"此连接未加密，无法登录。请使用 https:// 打开本页。")                              \
	X(LEFT, "You are signed out.", "您已退出登录。")                                           \
	X(NAME, "Yizhan 驿站, the relay station", "驿站 Yizhan")
enum word {
#define X(id, en, zh) WORD_##id,
	WORDS(X)
#undef X
};
static const char *const words[][LANGUAGES] = {
#define X(id, en, zh) {en, zh},
	WORDS(X)
#undef X
};

struct sheet {
	struct buf *b;
	enum language l;
	const struct web_login_screen *s;
	const char *host;
};

static const char *word(const struct sheet *p, enum word w)
{
	return words[w][p->l];
}

static void put_asset(struct sheet *p, const char *before, const char *name, const char *behind)
{
	const struct web_asset *a = web_asset_named(span_str(name));

	MUST(a);
	buf_printf(p->b, "%s/static/%s%s", before, a->path, behind);
}

static void put_hidden(struct sheet *p, const char *name, struct span value)
{
	if (!value.len)
		return;
	buf_printf(p->b, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	http_html_put(p->b, value);
	buf_str(p->b, "\">\n");
}

static void put_note(struct sheet *p)
{
	static const enum word notes[] = {[WEB_LOGIN_NOTE_WRONG] = WORD_WRONG,
		[WEB_LOGIN_NOTE_CODE] = WORD_WRONG_CODE,
		[WEB_LOGIN_NOTE_WAIT] = WORD_WAIT,
		[WEB_LOGIN_NOTE_STALE] = WORD_STALE,
		[WEB_LOGIN_NOTE_BUSY] = WORD_BUSY,
		[WEB_LOGIN_NOTE_PUBLIC] = WORD_PUBLIC,
		[WEB_LOGIN_NOTE_LEFT] = WORD_LEFT};
	const struct web_login_screen *s = p->s;
	bool is_long = s->wait_sec > 120;

	if (s->note == WEB_LOGIN_NOTE_NONE)
		return;
	buf_printf(p->b, "<p class=\"%s\" role=\"%s\" id=\"note\">%s",
		s->note == WEB_LOGIN_NOTE_LEFT ? "note" : "note bad",
		s->note == WEB_LOGIN_NOTE_LEFT ? "status" : "alert", word(p, notes[s->note]));
	if (s->note == WEB_LOGIN_NOTE_WAIT)
		buf_printf(p->b, " %lld %s",
			(long long)(is_long ? (s->wait_sec + 59) / 60 : s->wait_sec),
			word(p, is_long ? WORD_MINUTES : WORD_SECONDS));
	buf_str(p->b, "</p>\n");
}

static const char *described(const struct sheet *p)
{
	return p->s->note == WEB_LOGIN_NOTE_NONE ? "" : " aria-describedby=\"note\"";
}

static void put_form(struct sheet *p, const char *action)
{
	buf_printf(p->b, "<form method=\"post\" action=\"%s\">\n", action);
	put_hidden(p, "token", p->s->token);
	put_hidden(p, "to", p->s->to);
}

static void put_password(struct sheet *p)
{
	const struct web_login_screen *s = p->s;

	put_note(p);
	if (s->note == WEB_LOGIN_NOTE_PUBLIC)
		return;
	put_form(p, "/login");
	buf_printf(p->b,
		"<label for=\"user\">%s</label>\n<input id=\"user\" name=\"user\" type=\"text\" "
		"inputmode=\"email\" autocomplete=\"username\" autocapitalize=\"none\" "
		"spellcheck=\"false\" maxlength=\"320\" required%s%s value=\"",
		word(p, WORD_USER), described(p), s->user.len ? "" : " autofocus");
	http_html_put(p->b, span_sub(s->user, 0, 320));
	buf_printf(p->b,
		"\">\n<label for=\"password\">%s</label>\n<input id=\"password\" name=\"password\" "
		"type=\"password\" autocomplete=\"current-password\" required%s>\n"
		"<button>%s</button>\n</form>\n",
		word(p, WORD_PASSWORD), s->user.len ? " autofocus" : "", word(p, WORD_NEXT));
}

static void put_code(struct sheet *p)
{
	buf_printf(p->b, "<p>%s</p>\n", word(p, WORD_CODE_LEDE));
	put_note(p);
	put_form(p, "/login");
	put_hidden(p, "step", p->s->step);
	buf_printf(p->b,
		"<label for=\"code\">%s</label>\n<input id=\"code\" name=\"code\" type=\"text\" "
		"class=\"code\" autocomplete=\"one-time-code\" autocapitalize=\"none\" "
		"spellcheck=\"false\" maxlength=\"64\" required autofocus%s>\n<button>%s</button>\n"
		"</form>\n<p class=\"more\"><a href=\"/login\">%s</a></p>\n",
		word(p, WORD_CODE), described(p), word(p, WORD_CHECK), word(p, WORD_OTHER));
}

static void put_leave(struct sheet *p)
{
	buf_printf(p->b, "<p>%s <strong>", word(p, WORD_LEAVE_LEDE));
	http_html_put(p->b, p->s->user);
	buf_str(p->b, "</strong></p>\n");
	put_note(p);
	put_form(p, "/logout");
	buf_printf(p->b,
		"<button>%s</button>\n</form>\n<p class=\"more\"><a href=\"" WEB_LOGIN_HOME
		"\">%s</a></p>\n",
		word(p, WORD_LEAVE), word(p, WORD_STAY));
}

static void put_page(struct sheet *p)
{
	static const enum word titles[] = {[WEB_LOGIN_VIEW_PASSWORD] = WORD_SIGN_IN,
		[WEB_LOGIN_VIEW_CODE] = WORD_CODE_TITLE,
		[WEB_LOGIN_VIEW_LEAVE] = WORD_LEAVE_TITLE};
	const char *title = word(p, titles[p->s->view]);

	buf_printf(p->b, "<!doctype html>\n<html lang=\"" SPAN_FMT "\">\n<head>\n",
		SPAN_ARG(tags[p->l]));
	buf_printf(p->b,
		"<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, "
		"initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s · ",
		title);
	http_html_put(p->b, span_str(p->host));
	buf_str(p->b, "</title>\n");
	put_asset(p, "<link rel=\"icon\" type=\"image/svg+xml\" href=\"", "icon.svg", "\">\n");
	put_asset(p, "<link rel=\"stylesheet\" href=\"", "login.css", "\">\n</head>\n<body>\n");
	put_asset(p, "<main>\n<header>\n<img src=\"", "icon.svg",
		"\" alt=\"\" width=\"56\" height=\"56\">\n");
	buf_printf(p->b, "<h1>%s</h1>\n<p class=\"host\"><bdi>", title);
	http_html_put(p->b, span_str(p->host));
	buf_str(p->b, "</bdi></p>\n</header>\n");
	switch (p->s->view) {
	case WEB_LOGIN_VIEW_PASSWORD: put_password(p); break;
	case WEB_LOGIN_VIEW_CODE: put_code(p); break;
	case WEB_LOGIN_VIEW_LEAVE: put_leave(p); break;
	}
	buf_printf(p->b, "</main>\n<footer>%s</footer>\n</body>\n</html>\n", word(p, WORD_NAME));
}

/* The form's token goes with a cookie of its own; one that is there is used again, so that several tabs
 * work. */
static int token_for_form(
	struct web_login *l, struct web_call *c, struct span *token_r, struct err *e)
{
	struct span name = web_login_cookie_name(c, "-form"), value;

	if (!http_cookie_get(http_field(c->x, "Cookie"), name, &value) ||
		value.len != 2 * WEB_LOGIN_TOKEN) {
		if (web_login_random(c->r->arena, WEB_LOGIN_TOKEN, &value, e) < 0 ||
			web_login_put_cookie(c, name, value, -1, e) < 0)
			return -1;
	}
	*token_r = web_login_mac(l, c->r->arena, "form", value);
	return 0;
}

FIBER int web_login_show(struct web_login *l, struct web_call *c, unsigned status,
	const struct web_login_screen *screen, struct err *e)
{
	struct web_login_screen s = *screen;
	struct sheet p = {
		.b = arena_buf(c->r->arena, WEB_LOGIN_PAGE_MAX), .s = &s, .host = l->opts.hostname};

	p.l = (enum language)http_accept_language(
		http_field_list(c->x, "Accept-Language"), tags, LANGUAGES);
	if (s.note != WEB_LOGIN_NOTE_PUBLIC && token_for_form(l, c, &s.token, e) < 0)
		return -1;
	put_page(&p);
	if (!buf_ok(p.b))
		return err_set(e, ERR_LIMIT, "the page does not fit");
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	http_set(c->x, "Content-Language", tags[p.l]);
	http_set(c->x, "Content-Security-Policy", SPAN(WEB_FORM_POLICY));
	return http_reply(c->x, status, "text/html; charset=utf-8", buf_span(p.b), e);
}
