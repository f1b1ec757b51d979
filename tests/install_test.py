"""The installed client library, as a stranger uses it: by find_package and by pkg-config, from a
prefix that it was not configured for, against a server."""

import pathlib
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import harness  # noqa: E402  # lies in e2e/

BUILD = harness.PROGRAM.parent

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES CXX)
find_package(Minos 0.1 REQUIRED)
add_executable(hello hello.cc)
target_link_libraries(hello PRIVATE Minos::client)
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False,
                          **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(name="prefix", scope="module")
def fixture_prefix(tmp_path_factory):
    if not (BUILD / "libminos.a").exists():
        pytest.skip(f"no {BUILD / 'libminos.a'}")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", prefix, "--component", "client")
    return prefix


@pytest.fixture(name="server", scope="module")
def fixture_server():
    server = harness.Server([])
    try:
        yield server.wait_ready()
    finally:
        server.kill()


def check_hello(program, server):
    url = f"tcp://{harness.HOST}:{server.port}"
    first = run(program, url).split()
    second = run(program, url).split()
    assert first[0] == second[0] == "hello"
    assert int(second[1]) == int(first[1]) + 1


def test_found_by_cmake(prefix, server, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(PROJECT)
    (tmp_path / "hello.cc").write_text((ROOT / "examples" / "hello.cc").read_text())
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Ninja",
        f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    check_hello(tmp_path / "build" / "hello", server)


def test_found_by_pkg_config(prefix, server, tmp_path):
    folder = next(prefix.rglob("minos.pc")).parent
    flags = run("pkg-config", "--cflags", "--libs", "minos",
                env={"PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH": str(folder)})
    program = tmp_path / "hello"
    run("g++", "-std=c++23", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
        ROOT / "examples" / "hello.cc", "-o", program, *shlex.split(flags))
    check_hello(program, server)


def test_headers_stand_alone(prefix, tmp_path):
    for header in sorted((prefix / "include" / "minos").rglob("*.h")):
        source = tmp_path / "one.cc"
        name = header.relative_to(prefix / "include" / "minos")
        source.write_text(f'#include "{name}"\n')
        run("g++", "-std=c++23", "-Werror", f"-I{prefix}/include/minos", "-fsyntax-only", source)
