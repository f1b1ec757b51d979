#!/usr/bin/env bash
# Installs the Debian packages that are missing. Without any missing it needs neither network nor
# root, and says nothing.
#
#   tools/install_deps.sh build        what `make run` needs
#   tools/install_deps.sh build test   what `make test` and the checks need besides
#   tools/install_deps.sh --list ...   prints the names instead
set -euo pipefail

build_packages=(
  g++ cmake ninja-build pkg-config
  libcli11-dev libfmt-dev libsodium-dev libspdlog-dev libtomlplusplus-dev libxxhash-dev
  nlohmann-json3-dev
  # Configuring with tests wants these even when only the server is built.
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
)
test_packages=(
  ccache git
  clang-19 libclang-rt-19-dev clang-tidy-19 clang-format-19
  python3 python3-pytest python3-pytest-xdist python3-pymemcache python3-pylibmc
  libmemcached-tools memcached redis-server redis-tools
  # The DPDK data plane: the server is built without where it is missing.
  libdpdk-dev
  # The AF_XDP data plane, the same; its tests make networks of their own.
  libxdp-dev iproute2
  # The browser that opens the report of `minos experiment`.
  chromium
)

packages=()
list=false
for argument in "$@"; do
  case "$argument" in
    build) packages+=("${build_packages[@]}") ;;
    test) packages+=("${test_packages[@]}") ;;
    --list) list=true ;;
    *)
      echo "install_deps.sh: \"$argument\": must be build, test or --list" >&2
      exit 2
      ;;
  esac
done
if $list; then
  printf '%s\n' "${packages[@]}"
  exit 0
fi
if ! command -v dpkg-query >/dev/null; then
  echo "install_deps.sh: not a Debian system; install what corresponds to: ${packages[*]}" >&2
  echo "and run make with DEPS=0" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016  # ${Status} is dpkg-query's own
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "install_deps.sh: as root, please: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "installing: ${missing[*]}"
# Packages that start a service on installation must not: tests start their own.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" </dev/null
