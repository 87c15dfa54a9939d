"""C source as the checks see it: comments and literals blanked out, functions found by their braces."""
import re

TOKENS = re.compile(
    r"//(?:\\\n|[^\n])*"  # line comment
    r"|/\*.*?(?:\*/|\Z)"  # block comment
    r'|"(?:\\.|[^"\\\n])*"'  # string
    r"|'(?:\\.|[^'\\\n])*'",  # character
    re.DOTALL,
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def blank(text):
    """The same text with every character but line ends replaced by a space."""
    return re.sub(r"[^\n]", " ", text)


def strip(text):
    """`text` without comments, strings and characters; every line keeps its number and every column its place."""
    return TOKENS.sub(lambda found: blank(found.group()), text)


def strip_comments(text):
    """`text` without comments; literals stay."""
    return TOKENS.sub(lambda found: blank(found.group()) if found.group().startswith("/") else found.group(), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, is_system, name) for each include directive."""
    code = strip_comments(text)
    return [(line_of(code, m.start(2)), m.group(1) == "<", m.group(2)) for m in INCLUDE.finditer(code)]


def calls(text, name_pattern):
    """(line, name) for each place where a name that matches is called. Members (`x.name(`, `x->name(`) do not count."""
    code = strip(text)
    pattern = re.compile(r"(?<![\w.])(?<!->)(" + name_pattern + r")\s*\(")
    return [(line_of(code, m.start(1)), m.group(1)) for m in pattern.finditer(code)]


def functions(text):
    """(first line, last line, name) for each function definition, its signature included.

    A function is a brace at the outermost level behind a parameter list. A closing brace in the first column always
    ends what is open, so that branches of the preprocessor with unequal braces cost at most one function."""
    code = DIRECTIVE.sub(lambda found: blank(found.group()), strip(text))
    found, depth, start, head_from = [], 0, None, 0
    for match in re.finditer(r"[{};]", code):
        at, char = match.start(), match.group()
        if char == "{":
            if depth == 0:
                start = signature(code[head_from:at])
                start = start and (head_from + start[0], start[1])
            depth += 1
        elif char == "}":
            first_column = at == 0 or code[at - 1] == "\n"
            depth = 0 if first_column else max(0, depth - 1)
            if depth == 0:
                if start:
                    found.append((line_of(code, start[0]), line_of(code, at), start[1]))
                start, head_from = None, at + 1
        elif depth == 0:
            head_from = at + 1
    return found


def signature(head):
    """(offset of its first character, name) when `head`, the text before an opening brace, declares a function."""
    words = head.strip()
    named = re.match(r"[^(=]*?\b(\w+)\s*\(", words, re.DOTALL)
    if not named or not words.endswith(")") or named.group(1) in ("struct", "enum", "union"):
        return None
    return head.index(words[0]), named.group(1)
