/*
 * Reading XML into a libxml2 tree; see xml.h. The bytes are first seen by xml_scan(), which holds
 * all limits; here libxml2 judges well-formedness. Its own line numbers end at 65535, so every
 * element's line is kept in the node's _private field.
 */
#include "model/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "model/xml_scan.h"

/* What one parse keeps of its first error; reached through the parser context's _private. */
struct reading {
	struct error *err;
	unsigned line;
};

/* An element's event comes at the end of its tag: go back to the "<", which can stand only there.
 */
static unsigned tag_line(const xmlParserCtxt *parser)
{
	const xmlParserInput *input = parser->input;
	unsigned line = (unsigned)input->line;
	for (const xmlChar *at = input->cur; at > input->base && *at != '<'; at--)
		if (at[-1] == '\n' && line > 1)
			line--;
	return line;
}

static void on_start_element(void *data, const xmlChar *name, const xmlChar *prefix,
	const xmlChar *uri, int namespace_count, const xmlChar **namespaces, int attribute_count,
	int defaulted_count, const xmlChar **attributes)
{
	xmlParserCtxt *parser = data;
	xmlSAX2StartElementNs(data, name, prefix, uri, namespace_count, namespaces, attribute_count,
		defaulted_count, attributes);
	if (parser->node != NULL)
		parser->node->_private = (void *)(uintptr_t)tag_line(parser);
}

/* libxml2's sentence, without its newline, made to end in what to do. */
static void on_error(void *data, const xmlError *error)
{
	xmlParserCtxt *parser = data;
	struct reading *reading = parser->_private;
	if (reading->err->code != 0 || error->level < XML_ERR_ERROR)
		return;
	const char *text = error->message != NULL ? error->message : "it cannot be read";
	int n = (int)strcspn(text, "\n");
	while (n > 0 && text[n - 1] == ' ')
		n--;
	reading->line = error->line > 0 ? (unsigned)error->line : 0;
	error_set(reading->err, error->code == XML_ERR_NO_MEMORY ? -ENOMEM : -EINVAL,
		"this is not well-formed XML: %.*s; mend it", n, text);
}

static void on_error_of_library(void *data, xmlErrorPtr error)
{
	on_error(data, error);
}

static int parse(
	xmlParserCtxt *parser, const char *xml, size_t n, xmlDoc **ret, struct reading *reading)
{
	parser->sax->startElementNs = on_start_element;
	parser->sax->serror = on_error_of_library;
	parser->sax->internalSubset = NULL;
	parser->sax->externalSubset = NULL;
	parser->_private = reading;
	xml_memory_begin();
	xmlDoc *doc = xmlCtxtReadMemory(parser, xml, (int)n, NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOWARNING);
	if (doc != NULL && reading->err->code == 0 && !xml_memory_failed()) {
		*ret = doc;
		return 0;
	}
	xmlFreeDoc(doc);
	if (reading->err->code == 0)
		error_set(reading->err, -ENOMEM, "the document cannot be read: out of memory");
	return reading->err->code;
}

int xml_read(const char *xml, size_t n, xmlDoc **ret, unsigned *ret_line, struct error *err)
{
	struct error scratch = {0};
	struct reading reading = {.err = &scratch};
	int r = xml_scan(xml, n, &reading.line, &scratch);
	if (r == 0) {
		xmlParserCtxt *parser = xmlNewParserCtxt();
		if (parser != NULL)
			r = parse(parser, xml, n, ret, &reading);
		else
			r = error_set(
				&scratch, -ENOMEM, "the document cannot be read: out of memory");
		xmlFreeParserCtxt(parser);
	}
	if (r < 0) {
		*ret_line = reading.line;
		error_set(err, r, "%s", scratch.message);
	}
	return r;
}

void xml_memory_begin(void)
{
	xmlResetLastError();
}

bool xml_memory_failed(void)
{
	const xmlError *error = xmlGetLastError();
	return error != NULL && error->code == XML_ERR_NO_MEMORY;
}

unsigned xml_line(const xmlNode *element)
{
	return (unsigned)(uintptr_t)element->_private;
}

const char *xml_attribute(const xmlNode *element, const char *name)
{
	const xmlAttr *attribute = xmlHasProp(element, (const xmlChar *)name);
	if (attribute == NULL)
		return NULL;
	if (attribute->children == NULL || attribute->children->content == NULL)
		return "";
	return (const char *)attribute->children->content;
}

bool xml_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && node->ns == NULL &&
	       strcmp((const char *)node->name, name) == 0;
}

bool xml_is_ours(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE && node->ns != NULL && node->ns->href != NULL &&
	       strcmp((const char *)node->ns->href, CHARDEV_NAMESPACE) == 0;
}

xmlNode *xml_find(xmlNode *node, const char *name)
{
	while (node != NULL && !xml_is(node, name))
		node = node->next;
	return node;
}

xmlNode *xml_next(const xmlNode *root, const xmlNode *node)
{
	if (node->type == XML_ELEMENT_NODE && node->children != NULL)
		return node->children;
	while (node != root && node->next == NULL)
		node = node->parent;
	return node == root ? NULL : node->next;
}

char *xml_text(const xmlNode *element)
{
	xmlChar *text = xmlNodeGetContent(element);
	char *copy = strdup(text != NULL ? (const char *)text : "");
	xmlFree(text);
	return copy;
}
