"""Varlink's interface descriptions (https://varlink.org), as far as ours needs them: what a service
says of itself, read so that every reply can be held against it.

    interface = Interface(text)
    interface.check_reply("List", parameters)      # Wrong when a field is missing, unknown or of another type
"""

import re

TOKEN = re.compile(r"\s*(?:#[^\n]*\n\s*)*(->|\[\]|\[string\]|[?(),:]|[A-Za-z][A-Za-z0-9_.]*)")
BASIC = {"string": str, "bool": bool, "int": int, "float": float, "object": dict}


class Wrong(AssertionError):
    """A description that is none, or a message that is not as described."""


class Maybe:
    def __init__(self, kind):
        self.kind = kind


class Array:
    def __init__(self, kind):
        self.kind = kind


class Enum:
    def __init__(self, names):
        self.names = names


class Struct:
    def __init__(self, fields):
        self.fields = fields


class Named:
    def __init__(self, name):
        self.name = name


class Method:
    def __init__(self, parameters, reply):
        self.parameters = parameters
        self.reply = reply


class Interface:
    def __init__(self, text):
        self.types, self.methods, self.errors = {}, {}, {}
        self.tokens = self._split(text)
        self.at = 0
        self._expect("interface")
        self.name = self._next()
        while self._peek() is not None:
            self._member()
        self._check_names()
        # Fields that a reply had: what a test of the whole interface has to have seen.
        self.seen = set()

    # ---- reading ----

    @staticmethod
    def _split(text):
        tokens, at = [], 0
        text = text.rstrip() + "\n"
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if not match:
                raise Wrong("not Varlink: %r" % text[at:at + 40])
            tokens.append(match.group(1))
            at = match.end()
        return tokens

    def _peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _next(self):
        token = self._peek()
        if token is None:
            raise Wrong("the description ends early")
        self.at += 1
        return token

    def _expect(self, *wanted):
        token = self._next()
        if token not in wanted:
            raise Wrong("%r where one of %s should be" % (token, wanted))
        return token

    def _member(self):
        kind = self._expect("type", "method", "error")
        name = self._next()
        if name in self.types or name in self.methods or name in self.errors:
            raise Wrong("%s is there twice" % name)
        if kind == "method":
            parameters = self._group()
            self._expect("->")
            self.methods[name] = Method(parameters, self._group())
        else:
            (self.types if kind == "type" else self.errors)[name] = self._group()

    def _group(self):
        """Fields of a struct, or the names of an enum."""
        fields, names = {}, []
        self._expect("(")
        while self._peek() != ")":
            name = self._next()
            if self._peek() == ":":
                self._next()
                if name in fields:
                    raise Wrong("%s is there twice" % name)
                fields[name] = self._kind()
            else:
                names.append(name)
            if self._peek() != ")":
                self._expect(",")
        self._expect(")")
        if fields and names:
            raise Wrong("neither a struct nor an enum: %s" % names)
        return Enum(names) if names else Struct(fields)

    def _kind(self):
        token = self._peek()
        if token == "(":
            return self._group()
        self._next()
        if token == "?":
            return Maybe(self._kind())
        if token == "[]":
            return Array(self._kind())
        return BASIC.get(token) or Named(token)

    def _check_names(self):
        for name in (token for token in self.tokens if token[0].isupper()):
            if name not in self.types and name not in self.methods and name not in self.errors:
                raise Wrong("no type %s" % name)

    # ---- checking ----

    def check_reply(self, method, parameters):
        self._check(self.methods[method].reply, parameters, method)

    def check_error(self, error, parameters):
        """An error of this interface by its name with the interface."""
        interface, name = error.rsplit(".", 1)
        if interface == self.name:
            self._check(self.errors[name], parameters, error)

    def _check(self, kind, value, where):
        if isinstance(kind, Named):
            self._check(self.types[kind.name], value, kind.name)
        elif isinstance(kind, Maybe):
            if value is not None:
                self._check(kind.kind, value, where)
        elif isinstance(kind, Array):
            self._check_is(list, value, where)
            for item in value:
                self._check(kind.kind, item, where + "[]")
        elif isinstance(kind, Enum):
            if value not in kind.names:
                raise Wrong("%s is %r, and that is none of %s" % (where, value, kind.names))
        elif isinstance(kind, Struct):
            self._check_struct(kind, value, where)
        else:
            self._check_is(kind, value, where)

    @staticmethod
    def _check_is(kind, value, where):
        # A bool is an int to Python, and a float that has no fraction is none to Varlink.
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise Wrong("%s is %r, and should be %s" % (where, value, kind.__name__))

    def _check_struct(self, kind, value, where):
        self._check_is(dict, value, where)
        for name in value:
            if name not in kind.fields:
                raise Wrong("%s has %s, which is not described" % (where, name))
        for name, field in kind.fields.items():
            if value.get(name) is not None:
                self.seen.add("%s.%s" % (where, name))
                self._check(field, value[name], "%s.%s" % (where, name))
            elif not isinstance(field, Maybe):
                raise Wrong("%s lacks %s" % (where, name))

    def fields(self):
        """Every field that a reply can have, as `seen` names them."""
        groups = [(name, group) for name, group in self.types.items()]
        groups += [(name, method.reply) for name, method in self.methods.items()]
        return {"%s.%s" % (where, name) for where, group in groups if isinstance(group, Struct)
                for name in group.fields}
