/* The first look at a document's bytes; see xml_scan.h. Follows XML 1.0, sections 2.1 to 2.8. */
#include "model/xml_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "model/document.h"

struct scan {
	const char *start;
	const char *at;
	const char *end;
	unsigned line;
	unsigned depth;
	unsigned nodes;
	unsigned namespaces;
	struct error *err;
};

/* How many bytes the UTF-8 sequence at `s` has (RFC 3629); 0 when it is none. */
static size_t utf8_length(const unsigned char *s, size_t n)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	size_t length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
	bool too_high = s[0] == 0xf4 && s[1] >= 0x90;
	return overlong || surrogate || too_high ? 0 : length;
}

static int check_bytes(struct scan *scan)
{
	const unsigned char *s = (const unsigned char *)scan->at;
	const unsigned char *end = (const unsigned char *)scan->end;
	unsigned line = 1;
	while (s < end) {
		size_t length = utf8_length(s, (size_t)(end - s));
		if (length == 0 || *s == '\0') {
			scan->line = line;
			return error_set(scan->err, -EINVAL,
				length == 0
					? "the byte 0x%02x is not UTF-8; write the document in "
					  "UTF-8"
					: "a NUL byte (0x%02x) stands in the document; remove it",
				*s);
		}
		if (*s == '\n')
			line++;
		s += length;
	}
	return 0;
}

static bool starts_with(const struct scan *scan, const char *text)
{
	size_t n = strlen(text);
	return (size_t)(scan->end - scan->at) >= n && memcmp(scan->at, text, n) == 0;
}

/* To just after `text`, counting lines; to the end when it does not come. */
static void skip_past(struct scan *scan, const char *text)
{
	while (scan->at < scan->end && !starts_with(scan, text))
		if (*scan->at++ == '\n')
			scan->line++;
	size_t rest = (size_t)(scan->end - scan->at);
	scan->at += rest < strlen(text) ? rest : strlen(text);
}

static int count_node(struct scan *scan)
{
	if (++scan->nodes > XML_MAX_NODES)
		return error_set(scan->err, -EINVAL,
			"the document has more than %d elements and attributes; make it smaller",
			XML_MAX_NODES);
	return 0;
}

/* The XML declaration may name no encoding but UTF-8 and its subset ASCII. */
static int check_declaration(struct scan *scan)
{
	static const char *const known[] = {"utf-8", "utf8", "us-ascii", "ascii"};
	char declaration[256];
	size_t room = (size_t)(scan->end - scan->at);
	snprintf(declaration, sizeof(declaration), "%.*s", room < 255 ? (int)room : 255, scan->at);
	char *end = strstr(declaration, "?>");
	if (end != NULL)
		*end = '\0';
	const char *word = strstr(declaration, "encoding");
	if (word == NULL)
		return 0;
	word += strlen("encoding");
	word += strspn(word, " \t\r\n=\"'");
	size_t n = strcspn(word, "\"'?> \t\r\n");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == n && strncasecmp(word, known[i], n) == 0)
			return 0;
	return error_set(scan->err, -EINVAL,
		"the document is declared as \"%.*s\"; only UTF-8 is read, so convert it",
		(int)(n < 40 ? n : 40), word);
}

static int check_instruction(struct scan *scan)
{
	if (scan->at == scan->start && starts_with(scan, "<?xml")) {
		int r = check_declaration(scan);
		if (r < 0)
			return r;
	}
	skip_past(scan, "?>");
	return count_node(scan);
}

/* At "<!": a comment, CDATA, or what belongs to a document type declaration. */
static int check_declared(struct scan *scan)
{
	if (starts_with(scan, "<!--")) {
		scan->at += strlen("<!--");
		skip_past(scan, "-->");
		return count_node(scan);
	}
	if (starts_with(scan, "<![CDATA[")) {
		skip_past(scan, "]]>");
		return count_node(scan);
	}
	return error_set(scan->err, -EINVAL,
		"a document type declaration (<!DOCTYPE, <!ENTITY) is not read; remove it");
}

static int end_start_tag(struct scan *scan, unsigned first_line, bool empty)
{
	scan->at++;
	if (empty)
		return 0;
	if (++scan->depth > DOCUMENT_MAX_DEPTH) {
		scan->line = first_line;
		return error_set(scan->err, -EINVAL,
			"elements stand in each other more than %d deep; make the document flatter",
			DOCUMENT_MAX_DEPTH);
	}
	return 0;
}

static int check_attribute(struct scan *scan, const char *before, unsigned *attributes)
{
	if (++*attributes > XML_MAX_ATTRIBUTES)
		return error_set(scan->err, -EINVAL,
			"an element has more than %d attributes; remove some", XML_MAX_ATTRIBUTES);
	const char *name = scan->at;
	while (name > before && strchr(" \t\r\n\"'", name[-1]) == NULL)
		name--;
	bool is_namespace = scan->at - name >= 5 && memcmp(name, "xmlns", 5) == 0;
	if (is_namespace && ++scan->namespaces > XML_MAX_NAMESPACES)
		return error_set(scan->err, -EINVAL,
			"the document declares namespaces more than %d times; declare them once, "
			"at its top",
			XML_MAX_NAMESPACES);
	return count_node(scan);
}

static int check_start_tag(struct scan *scan)
{
	const char *first = scan->at++;
	unsigned first_line = scan->line;
	unsigned attributes = 0;
	char quote = '\0';
	int r = count_node(scan);
	for (; r == 0 && scan->at < scan->end; scan->at++) {
		char c = *scan->at;
		if (scan->at - first > XML_MAX_ATTRIBUTE_BYTES) {
			scan->line = first_line;
			return error_set(scan->err, -EINVAL,
				"a tag with its attributes is longer than %d bytes; shorten it",
				XML_MAX_ATTRIBUTE_BYTES);
		}
		if (c == '<')
			return error_set(scan->err, -EINVAL,
				"\"<\" stands inside a tag; close the tag, or write &lt;");
		if (c == '\n')
			scan->line++;
		if (quote != '\0') {
			if (c == quote)
				quote = '\0';
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '>') {
			return end_start_tag(scan, first_line, scan->at[-1] == '/');
		} else if (c == '=') {
			r = check_attribute(scan, first, &attributes);
		}
	}
	return r;
}

static int check_markup(struct scan *scan)
{
	if (starts_with(scan, "<?"))
		return check_instruction(scan);
	if (starts_with(scan, "<!"))
		return check_declared(scan);
	if (starts_with(scan, "</")) {
		if (scan->depth > 0)
			scan->depth--;
		skip_past(scan, ">");
		return 0;
	}
	return check_start_tag(scan);
}

int xml_scan(const char *xml, size_t n, unsigned *ret_line, struct error *err)
{
	struct scan scan = {.start = xml, .at = xml, .end = xml + n, .err = err};
	int r;
	if (n > DOCUMENT_MAX_BYTES) {
		r = error_set(err, -EINVAL, "the document is larger than %d MiB; make it smaller",
			DOCUMENT_MAX_BYTES >> 20);
	} else {
		r = check_bytes(&scan);
		if (r == 0)
			scan.line = 1;
		while (r == 0 && scan.at < scan.end) {
			if (*scan.at == '<') {
				r = check_markup(&scan);
				continue;
			}
			if (*scan.at++ == '\n')
				scan.line++;
		}
	}
	if (r < 0)
		*ret_line = scan.line;
	return r;
}
