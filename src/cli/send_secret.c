#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "cli/send_priv.h"

/* Where passwords come from: words, a command, a file, the keyring, .netrc, the terminal. What is
 * fetched is asked for once and wiped at the end. */

/* The first line that a command prints. argv NULL: `command` by the shell. */
static bool ask_command(struct buf *to, const char *command, const char *const *argv)
{
	int ends[2], status = 0;

	if (pipe(ends) < 0)
		return false;
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		if (argv)
			execvp(argv[0], (char *const *)argv);
		else
			execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	for (char *p; child > 0 && (p = buf_reserve(to, 1024));) {
		ssize_t n = read(ends[0], p, 1024);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_added(to, (size_t)n);
	}
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		cli_fail(0, "%s: no password came from it%s", argv ? argv[0] : command,
			WIFEXITED(status) && WEXITSTATUS(status) == 127 ? " (not found)" : "");
		return false;
	}
	return true;
}

/* Keep the first line. */
static bool cut_line(struct buf *b)
{
	struct span first, rest;

	span_cut(buf_span(b), '\n', &first, &rest);
	if (first.len && first.ptr[first.len - 1] == '\r')
		first.len--;
	buf_truncate(b, first.len);
	return first.len > 0;
}

static bool ask_keyring(struct send_secrets *s, const char *user)
{
	const char *const argv[] = {"secret-tool", "lookup", "host", s->host ? s->host : "", "user",
		user ? user : "", "service", "smtp", NULL};

	return ask_command(&s->got, NULL, argv) && cut_line(&s->got);
}

static bool read_secret_file(struct send_secrets *s)
{
	struct span text;

	if (send_read_file(s->a, s->password_file, SEND_SECRET_MAX, &text) != 0)
		return false;
	buf_span_put(&s->got, text);
	secret_wipe((void *)(uintptr_t)text.ptr, text.len);
	return cut_line(&s->got);
}

/* machine HOST login USER password PASSWORD, in any order, over any number of lines; "default"
 * stands for every machine. */
bool send_netrc(struct arena *a, const char *host, const char **user_r, const char **password_r)
{
	const char *home = getenv("HOME"), *file = getenv("NETRC");
	struct span text, word, key = SPAN_NONE;
	bool is_ours = false, is_found = false;

	if (!file && home)
		file = arena_printf(a, "%s/.netrc", home);
	if (!file || access(file, R_OK) != 0 ||
		send_read_file(a, file, SEND_OPTIONS_FILE, &text) != 0)
		return false;
	char *p = (char *)(uintptr_t)text.ptr;
	for (size_t i = 0; i < text.len; i++) {
		if (p[i] == '\n' || p[i] == '\r')
			p[i] = ' ';
	}
	while ((word = span_word(&text)).len) {
		if (!key.len && span_eq(word, SPAN("default"))) {
			if (is_found)
				break;
			is_ours = true;
			continue;
		}
		if (!key.len) {
			if (is_found && span_eq(word, SPAN("machine")))
				break;
			key = word;
			continue;
		}
		if (span_eq(key, SPAN("machine")))
			is_ours = span_eq_nocase(word, span_str(host));
		else if (is_ours && span_eq(key, SPAN("login")))
			*user_r = arena_str(a, word), is_found = true;
		else if (is_ours && span_eq(key, SPAN("password")))
			*password_r = arena_str(a, word), is_found = true;
		key = SPAN_NONE;
	}
	return is_found;
}

static bool fetch(struct send_secrets *s, const char *what, const char *user)
{
	const char *command = s->password_command;

	if (strcmp(what, "token") == 0)
		return s->token_command && ask_command(&s->got, s->token_command, NULL) &&
			cut_line(&s->got);
	if (command)
		return ask_command(&s->got, command, NULL) && cut_line(&s->got);
	if (s->password_file)
		return read_secret_file(s);
	if (s->uses_keyring)
		return ask_keyring(s, user);
	if (s->asks) {
		char *typed = send_ask(
			s->a, arena_printf(s->a, "Password of %s at %s", user, s->host), true);

		if (typed) {
			buf_str(&s->got, typed);
			secret_wipe(typed, strlen(typed));
		}
		return typed != NULL;
	}
	return false;
}

int send_secret(void *arg, const char *what, const char *user, char *to, size_t n)
{
	struct send_secrets *s = arg;
	bool is_token = strcmp(what, "token") == 0;
	const char *said = is_token ? s->token : s->password;

	if (!said && !buf_len(&s->got)) {
		buf_init(&s->got, SEND_SECRET_MAX);
		if (!fetch(s, what, user))
			return -1;
	}
	struct span secret = said ? span_str(said) : buf_span(&s->got);
	if (secret.len >= n)
		return -1;
	memcpy(to, secret.ptr, secret.len);
	to[secret.len] = 0;
	return 0;
}

void send_secrets_fini(struct send_secrets *s)
{
	if (s->got.mem)
		secret_wipe(s->got.mem, s->got.cap);
	buf_fini(&s->got);
}
