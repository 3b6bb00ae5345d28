/*
 * A domain document: the XML tree and the domain that was read from it.
 *
 * The tree is kept so that a document can be printed back with only its character devices changed.
 * Limits on input: DOCUMENT_MAX_BYTES, DOCUMENT_MAX_DEPTH, DOCUMENT_MAX_DEVICES; no DTD, no
 * entities beyond the five of XML, no network. Reading ends at the first limit that is passed.
 */
#ifndef CHARDEV_MODEL_DOCUMENT_H
#define CHARDEV_MODEL_DOCUMENT_H

#include "model/diagnostics.h"
#include "model/domain.h"

enum {
	DOCUMENT_MAX_BYTES = 16 * 1024 * 1024,
	DOCUMENT_MAX_DEPTH = 64,
	DOCUMENT_MAX_DEVICES = 16384,
};

struct document;

/* What is known of a running device and belongs in its live XML; text is borrowed. */
struct device_live {
	const char *alias;
	const char *pty_path; /* "/dev/pts/3", or NULL */
	const char *service;  /* the real port where 0 was asked, or NULL */
	const char *path;     /* the real path where it was generated, or NULL */
};

/*
 * Reads `n` bytes of XML (need not end in NUL). Every error and warning goes to `diagnostics`;
 * returns 0 and the document when there was no error, else -EINVAL (the document is wrong) or
 * -ENOMEM, with *ret untouched. The caller frees the document.
 */
int document_parse(
	const char *xml, size_t n, struct diagnostics *diagnostics, struct document **ret);

/* The domain, owned by the document. */
const struct domain *document_domain(const struct document *document);

/*
 * The document as text, its character devices normalised as libvirt prints an inactive definition,
 * everything else untouched. With `live` (one entry per running device, `live_count` of them) it
 * is the live document: aliases, pty paths, tty=, real ports. Owned by the caller; NULL: no memory.
 */
char *document_format(const struct document *document);
char *document_format_live(
	const struct document *document, const struct device_live *live, size_t live_count);

struct document *document_free(struct document *document);

#endif
