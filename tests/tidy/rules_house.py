"""What a folder owes its readers and the build."""
import posixpath
import re


def check_readmes(tree):
    for folder in sorted({posixpath.dirname(path) for path in tree.sources}):
        readme = posixpath.join(folder, "README.md")
        if folder and not folder.startswith(".") and readme not in tree.present:
            yield readme, 1, "readme", "missing: what is here, in which order to read it, how to add to it"


def check_built(tree):
    """A .c that no meson.build beside or above it names is dead."""
    for path in tree.c_files:
        if path.endswith(".c") and not any(named_in(tree, folder, path) for folder in folders_above(path)):
            yield path, 1, "not-built", "no meson.build lists it"


def folders_above(path):
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)
    yield ""


def named_in(tree, folder, path):
    build = posixpath.join(folder, "meson.build")
    if build not in tree.present:
        return False
    code = re.sub(r"#[^\n]*", "", tree.text(build))
    return f"'{posixpath.relpath(path, folder or '.')}'" in code
