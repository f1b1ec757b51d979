"""Each rule of tools/lint.py is seen to fail on a bad snippet and to pass a good one."""

import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent

_SPEC = importlib.util.spec_from_file_location("lint", ROOT / "tools" / "lint.py")
lint = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(lint)

PRAGMA = "#pragma once\n"


def rules(path, text):
    return [rule for _, rule, _ in lint.check_file(pathlib.Path(path), text)]


@pytest.mark.parametrize("path, include, good", [
    ("src/store/a.cc", "base/units.h", True),
    ("src/store/a.cc", "store/b.h", True),
    ("src/store/a.cc", "wire/b.h", False),
    ("src/base/a.cc", "store/b.h", False),
    ("src/worker/a.cc", "sharding/b.h", True),
    ("src/worker/a.cc", "transport/b.h", False),
    ("src/transport/tcp/a.cc", "wire/b.h", True),
    ("src/transport/tcp/a.cc", "store/b.h", False),
    ("src/server/a.cc", "store/b.h", True),
    ("src/server/a.cc", "load/b.h", False),
    ("src/load/a.cc", "client/b.h", True),
    ("src/load/a.cc", "server/b.h", False),
    ("src/cli/a.cc", "sim/b.h", True),
    ("src/transport/a_test.cc", "store/b.h", True),
    ("src/base/a_test.cc", "store/b.h", False),
    ("src/store/a.cc", "kv_store.h", False),
])
def test_include_direction(path, include, good):
    assert rules(path, f'#include "{include}"\n') == ([] if good else ["include"])


def test_unknown_room():
    assert rules("src/attic/a.cc", "") == ["room"]


@pytest.mark.parametrize("line, rule", [
    ("clock_gettime(CLOCK_MONOTONIC, &ts);", "clock"),
    ("auto t = std::chrono::steady_clock::now();", "clock"),
    ("auto t = time(nullptr);", "clock"),
    ("usleep(1);", "clock"),
    ("std::thread t(run);", "thread"),
    ("std::jthread t(run);", "thread"),
    ("#include <thread>", "thread"),
    ("pthread_create(&t, nullptr, run, nullptr);", "thread"),
    ("thread_local int x = 0;", "thread_local"),
    ("#include <sys/socket.h>", "socket"),
    ("#include <netinet/tcp.h>", "socket"),
    ("#include <rte_mbuf.h>", "socket"),
    ("int x = rand();", "random"),
    ("std::mt19937_64 generator;", "random"),
])
def test_banned_in_sans_io_rooms(line, rule):
    for room in lint.SANS_IO:
        assert rules(f"src/{room}/a.cc", line + "\n") == [rule]
        assert rules(f"src/{room}/a_test.cc", line + "\n") == []
        assert rules(f"src/{room}/testing/fake.cc", line + "\n") == []
        assert rules(f"src/{room}/a.cc", f"// {line}\n") == []
        assert rules(f"src/{room}/a.cc", f"/* {line} */\n") == []
    assert rules("src/server/a.cc", line + "\n") == []


def test_not_mistaken_for_banned():
    good = ("const auto operand = brand(item.time(0)); std::chrono::nanoseconds now;\n"
            'log("clock_gettime(x) thread_local throw");\nint big = 1\'000\'000; char c = \'"\';\n')
    assert rules("src/worker/a.cc", good) == []


def test_throw():
    for room in lint.NO_EXCEPTIONS:
        assert rules(f"src/{room}/a.cc", "throw 1;\n") == ["throw"]
        assert rules(f"src/{room}/a_test.cc", "throw 1;\n") == []
    assert rules("src/server/a.cc", "throw 1;\n") == []


def test_pragma_once():
    assert rules("src/base/a.h", "int f();\n") == ["pragma-once"]
    assert rules("src/base/a.h", PRAGMA + "int f();\n") == []


def test_columns():
    assert rules("src/base/a.cc", "x" * 100 + "\n") == []
    assert rules("src/base/a.cc", "x" * 101 + "\n") == ["columns"]
    assert rules("tools/a.sh", "x" * 101 + "\n") == ["columns"]


def test_space():
    assert rules("src/base/a.cc", "int x; \n") == ["space"]
    assert rules("src/base/a.cc", "int x;") == ["space"]


def test_unfinished():
    for word in ["TO" "DO", "FIX" "ME"]:
        assert rules("src/base/a.cc", f"// {word}: later\n") == ["unfinished"]


def test_file_length(monkeypatch):
    assert rules("src/base/a.cc", "\n" * 400) == []
    assert rules("src/base/a.cc", "\n" * 401) == ["file-length"]
    monkeypatch.setitem(lint.LONG_FILES, "src/base/a.cc", "a table")
    assert rules("src/base/a.cc", "\n" * 600) == []
    assert rules("src/base/a.cc", "\n" * 601) == ["file-length"]


HEADERS = [
    "int f(int a) {",
    "std::vector<int> Thing::f(int a) const noexcept {",
    "TEST(Thing, Works) {",
    "Thing::Thing(int a) : a_{a}, b_(a) {",
    "Thing& Thing::operator=(Thing&& other) noexcept {",
    "auto f(std::span<const int> a = {}) -> int {",
    "template <typename T>\nT f(T a) {",
    "class Thing {\n public:\n  void f() {",
    "namespace minos {\nnamespace {\nstruct Thing : Base<int> { int x = 0; };\nvoid f() {",
]


@pytest.mark.parametrize("header", HEADERS)
def test_function_length(header):
    ends = "}" * (1 + header.count("class") + header.count("namespace"))
    for statement in ["  g();", "  if (x) { g({1}); }", '  g("}");', "  g('{');"]:
        body = "\n".join([statement] * 68)
        extra = header.startswith("template")
        short = body.split("\n", 1)[1] if extra else body
        assert rules("src/base/a.cc", f"{header}\n{short}\n{ends}\n") == []
        assert rules("src/base/a.cc", f"{header}\n{body}\n{statement}\n{ends}\n") == [
            "function-length"]


def test_tables_and_types_are_no_functions():
    rows = "    {1, f(2), [](int a) { return a; }},\n" * 80
    assert rules("src/base/a.cc", f"constexpr Row kRows[] = {{\n{rows}}};\n") == []
    fields = "  int a = 0;\n" * 80
    assert rules("src/base/a.cc", f"struct Thing {{\n{fields}}};\n") == []


def test_types_of_one_name():
    def found(*texts):
        paths = [pathlib.Path(path) for path, _ in texts]
        return [(str(path), line) for path, line, rule, _ in
                lint.check_types(dict(zip(paths, [text for _, text in texts]))) if rule == "type"]

    one = ("src/load/a.h",
           "namespace minos {\nstruct Plan;\nstruct Plan::Impl {\n};\nclass Plan : Base {\n};\n}\n")
    assert found(one, ("src/sim/b.h", "namespace minos {\nstruct Plan {\n};\n}\n")) == \
        [("src/sim/b.h", 2)]
    assert found(one, ("src/sim/b.h", "namespace minos {\nenum class Plan : int {\n};\n}\n")) == \
        [("src/sim/b.h", 2)]
    for other in ("namespace minos::store {\nstruct Plan {\n};\n}\n",
                  "namespace minos {\nstruct Plan;\nstruct Plans {\n  struct Plan {\n  };\n};\n}",
                  "namespace minos {\nstruct Plan::Impl {\n};\n}\n",
                  "namespace minos {\nPlan make();\n// class Plan {\n}\n"):
        assert found(one, ("src/sim/b.h", other)) == []
    assert found(one, ("src/sim/b.cc", "namespace minos {\nstruct Plan {\n};\n}\n")) == []


def test_clang_format(tmp_path):
    (tmp_path / "a.cc").write_text("int   x ;\n")
    (tmp_path / "b.cc").write_text("int x;\n")
    found = lint.clang_format(tmp_path, [pathlib.Path("a.cc"), pathlib.Path("b.cc")], fix=False)
    assert found == ["a.cc:1: format: run make fmt"]


def test_bad_option_is_refused():
    run = subprocess.run([sys.executable, ROOT / "tools" / "lint.py", "--nope"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "--nope" in run.stderr
