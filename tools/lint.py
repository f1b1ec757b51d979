#!/usr/bin/python3
"""House rules that a compiler does not check. Prints file:line: rule: message; exits 1 on any.

    tools/lint.py               everything
    tools/lint.py --fix-format  formats the C++ sources in place instead
"""

import pathlib
import re
import shutil
import subprocess
import sys

COLUMNS_MAX = 100
FILE_LINES_MAX = 400
FILE_LINES_HARD_MAX = 600
FUNCTION_LINES_MAX = 70

# Files above FILE_LINES_MAX, each with the reason why it is better in one piece.
LONG_FILES = {}

# A room may include itself, the rooms named here, and what those may include.
ROOMS = {
    "base": [],
    "ring": ["base"],
    "wire": ["base"],
    "store": ["base"],
    "sharding": ["base"],
    "worker": ["ring", "wire", "store", "sharding"],
    "transport": ["base", "wire"],
    "server": ["worker", "transport"],
    "client": ["wire"],
    "load": ["wire", "client"],
    "sim": ["worker", "load"],
    "experiment": ["sim"],
    "calibration": ["client", "load", "sim"],
    "cli": ["server", "client", "load", "sim", "experiment", "calibration"],
}

# Rooms that know no clock, thread or socket, so that the simulator can run them.
SANS_IO = ["base", "ring", "wire", "store", "sharding", "worker"]

# Rooms on the path of a request: what arrives from outside is answered by a value, not a throw.
NO_EXCEPTIONS = ["ring", "wire", "store", "sharding", "worker", "transport"]

BANNED_SANS_IO = [
    ("clock", r"\b(clock_gettime|gettimeofday|clock_nanosleep|__rdtsc)\b"),
    ("clock", r"\w+_clock::now\b|(?<![\w.>:])time\s*\(\s*(nullptr|NULL|0|&)|\bstd::time\b"),
    ("clock", r"\b(usleep|nanosleep|sleep_for|sleep_until)\b|(?<![\w.>:])sleep\s*\("),
    ("thread", r"\bstd::(thread|jthread|async)\b|\bpthread_create\b|#\s*include\s*<thread>"),
    ("thread_local", r"\bthread_local\b|\b__thread\b"),
    ("socket", r"#\s*include\s*<(sys/socket|sys/epoll|sys/un|netdb|netinet/.*|arpa/.*|liburing|"
               r"rte_.*|xdp/.*|bpf/.*)\.h>"),
    ("random", r"(?<![\w.>:])s?rand(om)?\s*\(|\bstd::(rand|random_device|mt19937\w*)\b"),
]
BANNED_THROW = [("throw", r"\b(throw|try)\b")]

CODE_FOLDERS = ["src", "examples", "tests", "tools", "fuzz", "bench", "cmake", ".ci"]
CPP_SUFFIXES = [".cc", ".h"]
CODE_SUFFIXES = CPP_SUFFIXES + [".py", ".sh", ".cmake"]


def reachable(room):
    """The room itself and every room below it."""
    seen = {room}
    for below in ROOMS[room]:
        seen |= reachable(below)
    return seen


def is_test(path):
    return path.stem.endswith(("_test", "_bench", "_fuzz")) or "testing" in path.parts


# One match per comment or literal. A quote after a digit or letter is a digit separator.
_TOKENS = re.compile(
    r'//(?:\\\n|[^\n])*|/\*.*?\*/'
    r'|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])*'",
    re.DOTALL)


def blank(text):
    """The source without comments and without what is inside literals; same lines, same columns."""
    def spaces(match):
        token = match.group(0)
        if token.startswith("/"):
            return re.sub(r"[^\n]", " ", token)
        return '"' + re.sub(r"[^\n]", " ", token[1:-1]) + '"'
    return _TOKENS.sub(spaces, text)


def check_text(path, text):
    """Rules for any source file."""
    lines = text.split("\n")
    count = len(lines) - 1
    if count > FILE_LINES_HARD_MAX:
        yield 1, "file-length", f"{count} lines; {FILE_LINES_HARD_MAX} at the very most"
    elif count > FILE_LINES_MAX and str(path) not in LONG_FILES:
        yield 1, "file-length", (f"{count} lines; {FILE_LINES_MAX} at most, or a reason in "
                                 "LONG_FILES of tools/lint.py")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, "columns", f"{len(line)} columns; {COLUMNS_MAX} at most"
        if re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b", line):
            yield number, "unfinished", "do it, or write down elsewhere what is left"
        if line.rstrip() != line:
            yield number, "space", "white space at the end of the line"
    if text and not text.endswith("\n"):
        yield count + 1, "space", "no newline at the end of the file"


def check_includes(path, text):
    """A room includes only rooms below it. Tests may include any room that comes before theirs."""
    room = path.parts[1]
    names = list(ROOMS)
    if room not in ROOMS:
        yield 1, "room", f"src/{room} is not a room; known: {', '.join(names)}"
        return
    allowed = set(names[:names.index(room) + 1]) if is_test(path) else reachable(room)
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1).split("/")[0]
        if "/" not in match.group(1) or target not in ROOMS:
            yield number, "include", f'"{match.group(1)}": write the path from src/ on'
        elif target not in allowed:
            yield number, "include", (f"{room} may not use {target}; it may use "
                                      f"{', '.join(sorted(allowed - {room})) or 'nothing'}")


def check_banned(path, blanked):
    """What a room must not call. Tests may: they stand outside of the room."""
    room = path.parts[1]
    if is_test(path):
        return
    banned = (BANNED_SANS_IO if room in SANS_IO else []) + \
        (BANNED_THROW if room in NO_EXCEPTIONS else [])
    for number, line in enumerate(blanked.split("\n"), 1):
        for rule, pattern in banned:
            match = re.search(pattern, line)
            if match:
                yield number, rule, f"{match.group(0).strip()} is banned in {room}"


_SCOPE = re.compile(r"\s*(template\s*<.*>\s*)?((inline|static|typedef|export)\s+)*"
                    r"(namespace|class|struct|union|enum|extern)\b", re.DOTALL)


def kind_of_brace(header):
    """What an opening brace opens, judged by the text since the last statement or brace."""
    if not header.strip():
        return "other"
    if _SCOPE.match(header):
        return "scope"
    plain = re.sub(r"\boperator\s*[^\s(\w]+", "operator", header)
    close = plain.rfind(")")
    if close < 0:
        return "function" if re.search(r"\]\s*$", plain) and "=" in plain else "other"
    tail = plain[close + 1:]
    if "=" in tail:
        return "other"
    if re.search(r"\)\s*(noexcept\s*)?:[^:]", plain) and re.search(r"[\w>]\s*$", tail):
        return "initializer"  # Thing() : member_{1} {
    return "function"


def functions(blanked):
    """(name, first line, last line) of every outermost function body."""
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*|^\s*(?:public|private|protected)\s*:",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), blanked, flags=re.MULTILINE)
    stack = []
    header_start = 0
    inside = None
    for match in re.finditer(r"[{};]", text):
        at = match.start()
        if match.group(0) == "{":
            header = text[header_start:at]
            kind = "other" if inside is not None else kind_of_brace(header)
            if stack and stack[-1][0] in ("other", "initializer"):
                kind = "other"
            stack.append((kind, header, at))
            if kind == "function":
                inside = len(stack)
            elif kind == "scope":
                header_start = at + 1
        elif match.group(0) == "}":
            kind, header, start = stack.pop() if stack else ("other", "", at)
            if kind == "function":
                inside = None
                lead = len(header) - len(header.lstrip())
                first = text.count("\n", 0, start - len(header) + lead) + 1
                name = re.search(r"([\w:~]+)\s*\(", header)
                yield name.group(1) if name else "lambda", first, text.count("\n", 0, at) + 1
            if kind in ("function", "scope"):
                header_start = at + 1
        elif inside is None and not (stack and stack[-1][0] != "scope"):
            header_start = at + 1


def check_functions(blanked):
    for name, first, last in functions(blanked):
        if last - first + 1 > FUNCTION_LINES_MAX:
            yield first, "function-length", (f"{name} has {last - first + 1} lines; "
                                             f"{FUNCTION_LINES_MAX} at most")


def check_pragma(text):
    if not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield 1, "pragma-once", "header without #pragma once"


def check_file(path, text):
    """All findings of one file, as (line, rule, message). `path` is relative to the repository."""
    yield from check_text(path, text)
    if path.suffix not in CPP_SUFFIXES:
        return
    blanked = blank(text)
    yield from check_functions(blanked)
    if path.suffix == ".h":
        yield from check_pragma(text)
    if path.parts[0] == "src" and len(path.parts) > 2:
        yield from check_includes(path, text)
        yield from check_banned(path, blanked)


_TYPE = re.compile(r"^(?:namespace (?P<namespace>[\w:]+) |"
                   r"(?:class|struct|union|enum class|enum) (?P<name>\w+)\b(?!::)[^;{}()]*)\{",
                   re.MULTILINE)


def check_types(texts):
    """Types of one name in two headers of src/, as (path, line, rule, message): a program that
    links both has two meanings of one name, and no linker says so. `texts` by path."""
    seen = {}
    for path, text in texts.items():
        if path.suffix != ".h" or path.parts[0] != "src":
            continue
        namespace = ""
        blanked = blank(text)
        for match in _TYPE.finditer(blanked):
            if match["namespace"]:
                namespace = match["namespace"]
                continue
            first = seen.setdefault((namespace, match["name"]), path)
            if first != path:
                line = blanked.count("\n", 0, match.start()) + 1
                yield path, line, "type", f"{match['name']} is defined in {first} as well"


def code_files(root):
    for folder in CODE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (path.suffix in CODE_SUFFIXES or path.name == "CMakeLists.txt"):
                yield path.relative_to(root)


def clang_format(root, paths, fix):
    tool = shutil.which("clang-format-19")
    if tool is None:
        return ["lint.py: clang-format-19 is missing; run tools/install_deps.sh build test"]
    flags = ["-i"] if fix else ["--dry-run", "-Werror"]
    names = [str(path) for path in paths if path.suffix in CPP_SUFFIXES]
    if not names:
        return []
    run = subprocess.run([tool, *flags, *names], cwd=root, capture_output=True, text=True,
                         check=False)
    found = sorted(set(re.findall(r"^(\S+?:\d+):\d+: error", run.stderr, re.MULTILINE)))
    if run.returncode != 0 and not found:
        return [run.stderr]
    return [f"{where}: format: run make fmt" for where in found]


def main(arguments):
    root = pathlib.Path(__file__).resolve().parent.parent
    paths = list(code_files(root))
    if arguments == ["--fix-format"]:
        print("\n".join(clang_format(root, paths, fix=True)))
        return 0
    if arguments:
        print(f"lint.py: {arguments[0]}: the only option is --fix-format", file=sys.stderr)
        return 2
    findings = []
    texts = {path: (root / path).read_text(encoding="utf-8") for path in paths}
    for path, text in texts.items():
        findings += [f"{path}:{line}: {rule}: {message}"
                     for line, rule, message in check_file(path, text)]
    findings += [f"{path}:{line}: {rule}: {message}"
                 for path, line, rule, message in check_types(texts)]
    findings += clang_format(root, paths, fix=False)
    print("\n".join(findings + [f"lint: {len(paths)} files, {len(findings)} findings"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
