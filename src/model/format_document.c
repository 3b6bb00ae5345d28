/*
 * Printing a document: a copy of its tree in which every character device was written anew and
 * everything else stands as it was. Devices keep their places; a console that libvirt adds beside
 * the first serial is put before the first <console>, else after the last <serial>.
 */
#include "model/document_internal.h"

#include <stdlib.h>
#include <string.h>

#include <libxml/xmlsave.h>

#include "model/format.h"
#include "model/xml.h"
#include "util/strbuf.h"

struct printing {
	const struct document *document;
	bool live;
	const struct device_live *running;
	size_t running_count;
	xmlNode **copies; /* of document->elements */
};

/* White space that begins a line before `node`, from its line feed; NULL: no such line. */
static char *indentation(const xmlNode *node)
{
	const xmlNode *before = node->prev;
	if (before == NULL || before->type != XML_TEXT_NODE || before->content == NULL)
		return NULL;
	const char *line = strrchr((const char *)before->content, '\n');
	if (line == NULL || line[strspn(line, " \t\n")] != '\0')
		return NULL;
	return strdup(line);
}

static void indent_children(xmlNode *element, const char *indent)
{
	for (const xmlNode *child = element->children; child != NULL; child = child->next)
		if (child->type != XML_ELEMENT_NODE)
			return;
	if (element->children == NULL)
		return;
	char deeper[256];
	size_t n = strlen(indent);
	if (n + 3 > sizeof(deeper))
		return;
	memcpy(deeper, indent, n);
	memcpy(deeper + n, "  ", 3);
	for (xmlNode *child = element->children; child != NULL; child = child->next) {
		indent_children(child, deeper);
		xmlAddPrevSibling(child, xmlNewText(BAD_CAST deeper));
	}
	xmlAddChild(element, xmlNewText(BAD_CAST indent));
}

static const struct device_live *find_running(const struct printing *printing, const char *alias)
{
	for (size_t i = 0; i < printing->running_count; i++)
		if (strcmp(printing->running[i].alias, alias) == 0)
			return &printing->running[i];
	return NULL;
}

static struct printed_device describe(
	const struct printing *printing, const struct device_config *device)
{
	const struct domain *domain = printing->document->domain;
	struct printed_device printed = {
		.face = device,
		.content = domain_resolve_alias(domain, device),
		.live = printing->live,
	};
	printed.running = find_running(printing, printed.content->alias);
	return printed;
}

/* Moves <acpi>, <address> (the first of each) and our own elements from one list to an element. */
static void keep_children(xmlNode *element, xmlNode *old)
{
	static const char *const kept[] = {"acpi", "address"};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		xmlNode *found = xml_find(old->children, kept[i]);
		if (found != NULL) {
			xmlUnlinkNode(found);
			xmlAddChild(element, found);
		}
	}
	for (xmlNode *child = old->children, *next; child != NULL; child = next) {
		next = child->next;
		if (xml_is_ours(child)) {
			xmlUnlinkNode(child);
			xmlAddChild(element, child);
		}
	}
}

/* The same for a console that shows its serial: copies, and our elements belong to the serial. */
static void copy_children(xmlNode *element, const xmlNode *serial)
{
	static const char *const kept[] = {"acpi", "address"};
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		xmlNode *found = xml_find(serial->children, kept[i]);
		if (found != NULL)
			xmlAddChild(element, xmlDocCopyNode(found, element->doc, 1));
	}
}

/* The element keeps its place and its namespaces; attributes and children are written anew. */
static bool rewrite(const struct printing *printing, size_t index, xmlNode *element)
{
	const struct document *document = printing->document;
	const struct device_config *device = &document->domain->devices[index];
	struct printed_device printed = describe(printing, device);
	xmlNode *old = xmlNewNode(NULL, BAD_CAST "old");
	if (old == NULL)
		return false;
	old->children = element->children;
	old->last = element->last;
	for (xmlNode *child = old->children; child != NULL; child = child->next)
		child->parent = old;
	element->children = element->last = NULL;
	while (element->properties != NULL)
		xmlRemoveProp(element->properties);
	bool good = format_device(element, &printed);
	if (device->alias_of_serial < 0)
		keep_children(element, old);
	else
		copy_children(element, document->elements[device->alias_of_serial]);
	xmlFreeNode(old);
	char *indent = indentation(element);
	if (indent != NULL)
		indent_children(element, indent);
	free(indent);
	return good;
}

static bool insert(const struct printing *printing, size_t index, size_t serial, xmlNode *console)
{
	xmlNode *beside = console != NULL ? console : printing->copies[serial];
	if (beside == NULL)
		return false;
	xmlNode *element = xmlNewDocNode(beside->doc, NULL, BAD_CAST "console", NULL);
	if (element == NULL)
		return false;
	char *indent = indentation(beside);
	xmlNode *space = indent != NULL ? xmlNewText(BAD_CAST indent) : NULL;
	free(indent);
	if (console != NULL) {
		xmlAddPrevSibling(beside, element);
		if (space != NULL)
			xmlAddPrevSibling(beside, space);
	} else {
		xmlAddNextSibling(beside, element);
		if (space != NULL)
			xmlAddNextSibling(beside, space);
	}
	return rewrite(printing, index, element);
}

/* A console without an element stands first among the consoles, so the next one is its neighbour.
 */
static bool insert_console(const struct printing *printing, size_t index)
{
	const struct domain *domain = printing->document->domain;
	size_t last_serial = 0;
	for (size_t i = 0; i < domain->device_count; i++)
		if (domain->devices[i].kind == DEVICE_SERIAL)
			last_serial = i;
	xmlNode *next = NULL;
	if (index + 1 < domain->device_count && domain->devices[index + 1].kind == DEVICE_CONSOLE)
		next = printing->copies[index + 1];
	return insert(printing, index, last_serial, next);
}

/*
 * Finds the copies of all device elements by walking the original and its copy side by side. The
 * elements of one kind stand in document order, so a cursor for each kind is enough.
 */
static void map_elements(struct printing *printing, const xmlNode *from, xmlNode *to)
{
	const struct document *document = printing->document;
	const struct domain *domain = document->domain;
	size_t cursor[DEVICE_KIND_COUNT] = {0};
	for (; from != NULL && to != NULL; from = from->next, to = to->next) {
		for (int kind = 0; kind < DEVICE_KIND_COUNT; kind++) {
			size_t *at = &cursor[kind];
			while (*at < domain->device_count &&
				(domain->devices[*at].kind != (enum device_kind)kind ||
					document->elements[*at] == NULL ||
					printing->copies[*at] != NULL))
				(*at)++;
			if (*at < domain->device_count && document->elements[*at] == from) {
				printing->copies[*at] = to;
				break;
			}
		}
	}
}

static bool rewrite_all(struct printing *printing, xmlDoc *copy)
{
	const struct domain *domain = printing->document->domain;
	const xmlNode *from = xmlDocGetRootElement(printing->document->xml)->children;
	xmlNode *to = xmlDocGetRootElement(copy)->children;
	for (; from != NULL && to != NULL; from = from->next, to = to->next)
		if (xml_is(from, "devices"))
			map_elements(printing, from->children, to->children);
	bool good = true;
	for (size_t i = 0; good && i < domain->device_count; i++)
		if (printing->document->elements[i] != NULL)
			good = printing->copies[i] != NULL &&
			       rewrite(printing, i, printing->copies[i]);
	for (size_t i = 0; good && i < domain->device_count; i++)
		if (printing->document->elements[i] == NULL)
			good = insert_console(printing, i);
	return good;
}

/* libxml2 writes a namespace's name as it is, so what must be escaped is escaped beforehand. */
static bool escape_namespaces(xmlDoc *doc)
{
	xmlNode *root = xmlDocGetRootElement(doc);
	for (xmlNode *node = root; node != NULL; node = xml_next(root, node)) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		for (xmlNs *ns = node->nsDef; ns != NULL; ns = ns->next) {
			if (ns->href == NULL)
				continue;
			xmlChar *escaped = xmlEncodeSpecialChars(doc, ns->href);
			if (escaped == NULL)
				return false;
			xmlFree((xmlChar *)ns->href);
			ns->href = escaped;
		}
	}
	return true;
}

static char *with_last_newline(const char *text)
{
	struct strbuf sb = STRBUF_INIT;
	strbuf_add(&sb, text);
	if (sb.length > 0 && sb.data[sb.length - 1] != '\n')
		strbuf_add(&sb, "\n");
	return strbuf_steal(&sb);
}

/* The declaration <?xml ...?> is printed when the document had one. */
static char *serialise(xmlDoc *doc)
{
	enum { NO_DECLARATION = -1 }; /* of xmlDoc.standalone */
	xmlBuffer *buffer = xmlBufferCreate();
	int options = doc->standalone == NO_DECLARATION ? XML_SAVE_NO_DECL : 0;
	xmlSaveCtxt *save =
		buffer != NULL ? xmlSaveToBuffer(buffer, "UTF-8", options | XML_SAVE_AS_XML) : NULL;
	char *text = NULL;
	if (save != NULL) {
		long written = xmlSaveDoc(save, doc);
		if (xmlSaveClose(save) >= 0 && written >= 0)
			text = with_last_newline((const char *)xmlBufferContent(buffer));
	}
	xmlBufferFree(buffer);
	return text;
}

static char *print(struct printing *printing)
{
	const struct document *document = printing->document;
	size_t count = document->domain->device_count;
	char *text = NULL;
	xml_memory_begin();
	xmlDoc *copy = xmlCopyDoc(document->xml, 1);
	printing->copies = calloc(count + 1, sizeof(printing->copies[0]));
	if (copy != NULL && printing->copies != NULL && !xml_memory_failed() &&
		rewrite_all(printing, copy) && escape_namespaces(copy))
		text = serialise(copy);
	if (xml_memory_failed()) {
		free(text);
		text = NULL;
	}
	free(printing->copies);
	xmlFreeDoc(copy);
	return text;
}

char *document_format(const struct document *document)
{
	struct printing printing = {.document = document};
	return print(&printing);
}

char *document_format_live(
	const struct document *document, const struct device_live *live, size_t live_count)
{
	struct printing printing = {
		.document = document,
		.live = true,
		.running = live,
		.running_count = live_count,
	};
	return print(&printing);
}
