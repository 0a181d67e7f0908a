/* Messages: made, shown, taken apart.
 *
 *	./06-message basic     a text                      > message
 *	./06-message mime      text, HTML with an image, an attachment
 *	./06-message unicode   names, subject and text beyond ASCII
 *	./06-message display   < message    what a person wants to see of it
 *	./06-message structure < message    its parts and where they stand */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <yizhan.h>

static int failed(const struct yz_error *e)
{
	fprintf(stderr, "%s\n", e->text);
	return 1;
}

static int basic(struct yz_msg *m)
{
	yz_msg_from(m, "Test Sender <sender@example.com>");
	yz_msg_to(m, "recipient@example.com");
	yz_msg_subject(m, "Test Message, Chapter 12");
	return yz_msg_text(m, "Hello,\nThis is a basic message from Chapter 12.\n - Anonymous\n");
}

static int mime(struct yz_msg *m)
{
	static const unsigned char dot[] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 1, 0, 1, 0, 0x80, 0,
		0, 0, 0, 0, 0xff, 0xff, 0xff, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0,
		0x3b};
	struct yz_attachment image = YZ_INIT(image), file = YZ_INIT(file);

	image.type = "image/gif";
	image.id = "dot@example.com";
	image.is_inline = true;
	file.filename = "notes.txt";
	yz_msg_from(m, "Test Sender <sender@example.com>");
	yz_msg_to(m, "Test Recipient <recipient@example.com>");
	yz_msg_subject(m, "Foundations of Python Network Programming");
	yz_msg_text(m, "Hello,\nThis is a MIME message from Chapter 12.\n - Anonymous\n");
	yz_msg_html(m,
		"<p>Hello,<p>This is a <b>test message</b> from Chapter 12."
		"<img src=\"cid:dot@example.com\"><p>- <i>Anonymous</i>");
	if (yz_msg_attach(m, dot, sizeof(dot), &image) != YZ_OK)
		return yz_msg_error(m)->code;
	return yz_msg_attach(m, "Notes.\n", 7, &file);
}

static int unicode(struct yz_msg *m)
{
	yz_msg_from(m, "Böðvarr <sender@example.com>");
	yz_msg_to(m, "Eardstapa <recipient@example.com>, 驿站 <station@example.com>");
	yz_msg_subject(m, "Four lines from The Wanderer");
	return yz_msg_text(m,
		"Hwær cwom mearg? Hwær cwom mago?\n"
		"Hwær cwom maþþumgyfa?\n"
		"Hwær cwom symbla gesetu?\n"
		"Hwær sindon seledreamas?\n");
}

static int write_out(void *arg, const void *octets, size_t n)
{
	return fwrite(octets, 1, n, arg) == n ? 0 : -1;
}

static int make(const char *what)
{
	struct yz_msg *m = yz_msg_new();
	int err = strcmp(what, "basic") == 0 ? basic(m)
		: strcmp(what, "mime") == 0  ? mime(m)
					     : unicode(m);

	if (err == YZ_OK)
		err = yz_msg_write(m, NULL, write_out, stdout);
	if (err != YZ_OK)
		failed(yz_msg_error(m));
	yz_msg_free(&m);
	return err == YZ_OK ? 0 : 1;
}

static void display(const struct yz_mail *m)
{
	static const char *const names[] = {"From", "To", "Cc", "Date", "Subject"};
	const struct yz_entity *body = yz_mail_body(m, "plain html");
	size_t count;
	const struct yz_entity *const *files = yz_mail_attachments(m, &count);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (yz_mail_get(m, names[i]))
			printf("%s: %s\n", names[i], yz_mail_get(m, names[i]));
	printf("\n");
	if (body)
		yz_entity_read(body, YZ_TEXT, write_out, stdout);
	for (size_t i = 0; i < count; i++) {
		const char *name = yz_entity_filename(files[i]);

		printf("* %s (%s)\n", name ? name : "without a name", yz_entity_type(files[i]));
	}
}

static void structure(const struct yz_mail *m)
{
	for (const struct yz_entity *e = yz_mail_root(m); e; e = yz_entity_next(e)) {
		struct yz_place place;
		const char *name = yz_entity_filename(e);

		yz_entity_place(e, &place);
		printf("%*s%s, %s, octets %llu to %llu%s%s\n", 4 * (int)yz_entity_depth(e), "",
			yz_entity_type(e), yz_entity_encoding(e), (unsigned long long)place.body,
			(unsigned long long)place.end, name ? ", " : "", name ? name : "");
	}
	for (size_t i = 0; i < yz_mail_defects(m); i++) {
		struct yz_defect d;

		yz_mail_defect(m, i, &d);
		printf("! %s at octet %llu\n", d.name, (unsigned long long)d.offset);
	}
}

static int take_apart(int is_display)
{
	struct yz_mail *m;
	int err = yz_mail_parse_fd(STDIN_FILENO, NULL, &m);

	if (err != YZ_OK) {
		fprintf(stderr, "%s\n", yz_err_text(err));
		return 1;
	}
	if (is_display)
		display(m);
	else
		structure(m);
	yz_mail_free(&m);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "basic") == 0 || strcmp(what, "mime") == 0 || strcmp(what, "unicode") == 0)
		return make(what);
	if (strcmp(what, "display") == 0 || strcmp(what, "structure") == 0)
		return take_apart(what[0] == 'd');
	printf("usage: %s basic|mime|unicode|display|structure\n", argv[0]);
	return 2;
}
