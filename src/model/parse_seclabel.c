/* Reading <seclabel>, the security labels of a source, as libvirt does; see parse.h. */
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/parse.h"
#include "model/xml.h"

static bool is_provided(const struct source *source, const char *model)
{
	for (size_t i = 0; model != NULL && i < source->seclabel_count; i++)
		if (source->seclabels[i].model != NULL &&
			strcmp(source->seclabels[i].model, model) == 0)
			return true;
	return false;
}

/* labelskip= belongs to live documents and is not read. */
static void parse_seclabel(struct parsing *parsing, xmlNode *element, struct source *source)
{
	const char *model = xml_attribute(element, "model");
	if (is_provided(source, model)) {
		parse_error(
			parsing, element, "a second <seclabel model='%.100s'>; remove one", model);
		return;
	}
	struct seclabel *label = &source->seclabels[source->seclabel_count++];
	*label = (struct seclabel){0};
	parse_text(parsing, element, "model", &label->model);
	label->relabel = (enum tristate)parse_word(parsing, element, "relabel", yes_no_names,
		NAME_COUNT(yes_no_names), TRISTATE_ABSENT);
	const xmlNode *text = xml_find(element->children, "label");
	if (text == NULL)
		return;
	label->label = xml_text(text);
	if (label->label == NULL) {
		parsing->no_memory = true;
	} else if (label->label[0] == '\0') {
		free(label->label);
		label->label = NULL;
	} else if (label->relabel == TRISTATE_NO) {
		parse_error(parsing, element,
			"<seclabel relabel='no'> has a <label>; remove one of the two");
	}
}

void parse_seclabels(struct parsing *parsing, xmlNode *source, struct source *ret)
{
	size_t count = 0;
	for (xmlNode *child = source->children; child != NULL; child = child->next)
		count += xml_is(child, "seclabel");
	if (count == 0)
		return;
	ret->seclabels = calloc(count, sizeof(ret->seclabels[0]));
	if (ret->seclabels == NULL) {
		parsing->no_memory = true;
		return;
	}
	for (xmlNode *child = source->children; child != NULL; child = child->next)
		if (xml_is(child, "seclabel"))
			parse_seclabel(parsing, child, ret);
}
